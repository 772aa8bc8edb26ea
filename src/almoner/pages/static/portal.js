/* What pages of the Coach Portal and of Administration do beyond almoner.js, which comes before:

   data-live="messages"  a part of the page that is drawn again (its own hx-get on "refresh") when these collections changed, "*" any.
                         While the focus or something typed is in it, or data-held says that it was read on, a line offers it instead
   data-live-morphs      such a part that keeps the focus when it is drawn again; while data-held is on it, its own script draws it afterwards
   data-live-from="/x"   where the page is told of changes; data-live-away is shown while it cannot be
   data-keep             a form that htmx sends while somebody types: what is not sent yet goes out when the page is left or is online again
   data-clock="zone"     the time of day there
   data-jump             a link within the page that puts the focus into what it leads to
   data-ticks="name"     a box that ticks every box of that name in its form
   data-picks="name"     a list whose ticks of that name outlive its pages, in this tab until signing out, for the worker data-picks-of; data-picked: they are done with */
(() => {
  "use strict";
  const { tell } = almoner;

  /* Live: what somebody else changed appears, but never under somebody's hands. */
  const own = new Set();
  const mayChange = (region, resources) => region.dataset.live === "*" || resources.includes("*") || region.dataset.live.split(" ").some((one) => resources.includes(one));
  const isTyped = (control) => {
    if (control.type === "hidden") return false;
    if (control.type === "checkbox" || control.type === "radio") return control.checked !== control.defaultChecked;
    if (control.options) {
      const chosen = [...control.options].findIndex((option) => option.defaultSelected);
      return control.selectedIndex !== Math.max(0, chosen);
    }
    return control.value !== control.defaultValue;
  };
  const isInUse = (region) => region.contains(document.activeElement) || region.matches("[data-held]") || region.querySelector("[data-held]") || [...region.querySelectorAll("input, select, textarea")].some(isTyped);
  /* An event that does not rise: a region within another one draws itself again alone. */
  const drawAgain = (region) => region.dispatchEvent(new Event("refresh"));
  const offer = (region, by) => {
    let line = region.querySelector(":scope > .changed-line");
    if (!line) {
      line = document.createElement("div");
      line.className = "banner info changed-line";
      line.append(document.createElement("span"), Object.assign(document.createElement("button"), { type: "button", className: "small button", textContent: "Show" }));
      line.lastChild.addEventListener("click", () => drawAgain(region));
      region.prepend(line);
    }
    line.firstChild.textContent = `Changed by ${by}.`;
    tell(line.firstChild.textContent);
  };
  const refresh = (resources, by) => {
    for (const region of document.querySelectorAll("[data-live]")) {
      if (!mayChange(region, resources)) continue;
      if ("liveMorphs" in region.dataset) { if (!("held" in region.dataset)) drawAgain(region); continue; }
      if (!by || !isInUse(region)) drawAgain(region);
      /* A part of it that nobody uses draws itself again, and says all there is to say. */
      else if (![...region.querySelectorAll("[data-live]")].some((part) => mayChange(part, resources) && !isInUse(part))) offer(region, by);
    }
  };
  document.addEventListener("almoner-changed", (event) => refresh(event.detail.resources));
  document.addEventListener("htmx:after:request", (event) => {
    const id = event.detail.ctx.response?.headers?.get?.("X-Request-Id");
    if (id && event.detail.ctx.request.method !== "GET") own.add(id);
  });
  let source = null, reached = null;
  const listen = () => {
    const from = document.querySelector("[data-live-from]");
    if (!from || source || document.hidden) return;
    /* It stands with what else is said above the page, so that none of it covers another. */
    const away = (is) => { const line = document.querySelector("[data-live-away]"); if (line) { line.hidden = !is; document.querySelector(".notices").append(line); } };
    const url = new URL(from.dataset.liveFrom, location.href);
    if (reached) url.searchParams.set("since", reached);
    source = new EventSource(url);
    source.addEventListener("open", () => away(false));
    source.addEventListener("at", (event) => { reached = event.lastEventId; });
    source.addEventListener("changed", (event) => {
      reached = event.lastEventId;
      const { resources, by, requests } = JSON.parse(event.data);
      if (!requests.every((one) => own.has(one))) refresh(resources, by);
    });
    source.addEventListener("error", () => {
      if (source?.readyState !== EventSource.CLOSED) return;
      source = null;
      away(true);
      setTimeout(listen, 30_000);
    });
  };
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) return listen();
    /* A browser holds few connections to a server: a page that nobody looks at gives its own back. */
    source?.close();
    source = null;
  });
  listen();

  /* How high the bar of a patient is: it grows with the name and the screen, and what sticks or has the focus stays below it. */
  const bar = document.querySelector("[data-patient-bar]");
  if (bar) new ResizeObserver(() => document.documentElement.style.setProperty("--bar", `${bar.offsetHeight}px`)).observe(bar);

  /* Clocks, and links that put the focus where they lead */
  setInterval(() => {
    for (const clock of document.querySelectorAll("[data-clock]")) {
      const [hour, minute] = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: clock.dataset.clock }).format().split(":");
      const shown = almoner.time(Number(hour) * 60 + Number(minute));
      if (clock.textContent !== shown) clock.textContent = shown;
    }
  }, 10_000);
  const into = (to) => {
    to.scrollIntoView({ block: "nearest" });
    (to.querySelector("textarea") || to.querySelector("input:not([type=hidden]), select") || to.querySelector("a, button"))?.focus();
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-jump]");
    const to = link?.hash && link.pathname === location.pathname && document.querySelector(link.hash);
    if (to) { event.preventDefault(); into(to); }
  });
  /* The same where a link of another page, such as Reply, leads to a text that is to be written. */
  addEventListener("pageshow", () => {
    const came = document.getElementById(location.hash.slice(1));
    if (came?.querySelector("form.compose")) into(came);
  });

  /* Forms that are kept while somebody types. Their texts live in the browser alone, so that a fragment that comes in leaves them as
     they are; what was not sent when the page is left goes out then, and what could not be sent when the connection is back. */
  const letGo = () => {
    for (const control of document.querySelectorAll("form[data-keep] :is(input:not([type=hidden], [type=radio], [type=checkbox]), textarea)")) {
      if (!control.defaultValue) continue;
      const typed = control.value;
      control.defaultValue = "";
      control.removeAttribute("value");
      control.value = typed;
    }
  };
  letGo();
  for (const drawn of ["htmx:after:swap", "almoner-page"]) document.addEventListener(drawn, letGo);
  const unsent = (form, is) => { if (is) form.dataset.unsent = "yes"; else delete form.dataset.unsent; };
  document.addEventListener("input", (event) => { const form = event.target.form; if (form?.matches("[data-keep]")) { form.typed = (form.typed ?? 0) + 1; unsent(form, true); } });
  const kept = (event) => { const form = event.detail.ctx.sourceElement; return form.matches?.("form[data-keep]") ? form : null; };
  document.addEventListener("htmx:config:request", (event) => { const form = kept(event); if (form) event.detail.ctx.typed = form.typed; });
  /* What the form has sent itself is nobody else's change, also where its answer was lost or is still under way. */
  const sent = (form) => {
    for (const { value: name } of form.querySelectorAll("input[name=asked]")) {
      const seen = `seen.${name}`, value = JSON.stringify(new FormData(form).getAll(`a-${name}`));
      /* What is sent again says nothing new: however long answers fail, the form does not grow by that. */
      if ([...form.querySelectorAll(".sent")].some((one) => one.name === seen && one.value === value)) continue;
      form.append(Object.assign(document.createElement("input"), { type: "hidden", name: seen, value, className: "sent" }));
    }
  };
  document.addEventListener("htmx:before:request", (event) => {
    const form = kept(event);
    if (form?.left) event.preventDefault();
    else if (form) sent(form);
  });
  document.addEventListener("htmx:after:request", (event) => {
    const form = kept(event), { response, typed } = event.detail.ctx;
    if (!form) return;
    if ([200, 400].includes(response.status)) for (const one of form.querySelectorAll(".sent")) one.remove();
    /* The answer leads on to another page: nothing more is sent from this one, or what is finished would begin anew. */
    if (response.headers.has("HX-Redirect")) form.left = true;
    if (form.left || ([200, 400].includes(response.status) && typed === form.typed)) unsent(form, false);
  });
  document.addEventListener("submit", (event) => { if (!event.defaultPrevented) for (const form of document.querySelectorAll("form[data-keep]")) unsent(form, false); });
  addEventListener("pagehide", () => { for (const form of document.querySelectorAll("form[data-keep][data-unsent]")) navigator.sendBeacon(form.action, new URLSearchParams(new FormData(form))); });
  for (const returned of ["online", "almoner-again"]) addEventListener(returned, () => { for (const form of document.querySelectorAll("form[data-keep][data-unsent]")) htmx.trigger(form, "input"); });

  /* One box that ticks all. */
  document.addEventListener("change", (event) => {
    const name = event.target.dataset?.ticks;
    if (name) for (const box of event.target.form.querySelectorAll(`[name="${CSS.escape(name)}"]`)) box.checked = event.target.checked;
  });

  /* Patients: ticks that outlive a page of the list. */
  const pick = () => {
    const picks = document.querySelector("form[data-picks]");
    if (!picks) return;
    const name = picks.dataset.picks, place = `picks:${name}:${picks.dataset.picksOf}`;
    const boxes = [...picks.querySelectorAll(`[type=checkbox][name="${CSS.escape(name)}"]`)];
    const kept = new Set("picked" in picks.dataset ? [] : JSON.parse(sessionStorage.getItem(place) ?? "[]"));
    const away = () => [...picks.querySelectorAll(`[type=hidden][name="${CSS.escape(name)}"]`)];
    for (const one of away()) { kept.add(one.value); one.remove(); }
    for (const box of boxes) if (box.checked) kept.add(box.value); else box.checked = kept.has(box.value);
    const told = picks.querySelector("[data-picks-told]"), clear = picks.querySelector("[data-picks-clear]");
    const show = () => {
      for (const box of boxes) if (box.checked) kept.add(box.value); else kept.delete(box.value);
      const here = boxes.filter((box) => box.checked).length, others = kept.size - here;
      told.textContent = kept.size ? `${kept.size} selected${others ? `, ${others} of them on other pages` : ""}` : "";
      clear.hidden = !kept.size;
      sessionStorage.setItem(place, JSON.stringify([...kept]));
    };
    picks.addEventListener("change", () => setTimeout(() => { show(); tell(told.textContent || "Nobody is selected."); }));
    clear.addEventListener("click", () => { for (const box of boxes) box.checked = false; kept.clear(); show(); boxes[0]?.focus(); });
    picks.addEventListener("formdata", (event) => { for (const id of kept) if (!boxes.some((box) => box.value === id)) event.formData.append(name, id); });
    show();
  };
  pick();
  document.addEventListener("almoner-page", pick);
})();
