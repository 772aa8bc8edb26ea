/* What pages do in the browser beyond htmx: keyboard, confirmation, focus, the connection. Everything is asked for by data attributes.

   data-key="d"        the letter that clicks this, outside of fields
   data-confirm="..."  asked before the form is sent or the link followed; data-confirm-yes names the button
   data-dismiss        removes the banner that it stands in
   data-copy="#id"     copies the text of that element
   data-arrows         a list whose items (data-stop) the arrow keys move through; "now": also from outside, where nothing has the focus
   data-keys           an item whose letters work while the focus is in it; "now": also while it is in no other
   data-focus="id"     after a fragment came in: what gets the focus, itself or the first control in it; blank: the element that says it
   data-redraws        a choice that the form is drawn again for, by its [data-redraw] button
   data-guard          a form whose unsaved changes are not left behind silently
   data-keep           a form that htmx sends while somebody types: what is not sent yet goes out when the page is left or is online again
   data-file-into="#id"  a chosen file is read into that field, up to data-file-limit bytes
   data-line="12"       a link to a field selects that line of it
   data-sort           a list whose items (with data-item) are dragged by their [data-grip]; the buttons inside do the same by keyboard.
                       Items go from one list to another where both have the same value
   data-escape         what Escape clicks, inside its form
   data-live="messages"  a part of the page that is drawn again (its own hx-get on "refresh") when these collections changed, "*" any.
                       While the focus or something typed is in it, or data-held says that it was read on, a line offers it instead
   data-live-from="/x" where the page is told of changes; data-live-away is shown while it cannot be
   data-clock="zone"   the time of day there
   data-jump           a link within the page that puts the focus into what it leads to
   data-ticks="name"   a box that ticks every box of that name in its form
   data-suggests="id"  a label whose words become the name in that field, until somebody types one there (data-own) */
(() => {
  "use strict";
  const editable = (element) => element.closest?.("input, textarea, select, [contenteditable]");
  const tell = (text) => { const region = document.getElementById("told"); if (region) region.textContent = text; };

  document.addEventListener("htmx:config:request", (event) => {
    const token = document.querySelector('meta[name="csrf-token"]')?.content;
    if (token) event.detail.ctx.request.headers["X-CSRF-Token"] = token;
  });

  /* Keyboard */
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key === "Escape") {
      const open = event.target.closest?.("details[open].menu") || document.querySelector("details[open].menu");
      if (open) { open.open = false; open.querySelector("summary").focus(); }
      return;
    }
    if (editable(event.target) || document.querySelector("dialog[open]")) return;
    if (event.key === "/") {
      const search = document.querySelector("[data-search]");
      if (search) { event.preventDefault(); search.focus(); search.select(); }
      return;
    }
    const here = event.target.closest?.("[data-keys]") || document.querySelector('[data-keys="now"]');
    const list = event.target.closest?.("[data-arrows]") || (event.target.matches?.("body, main") && document.querySelector('[data-arrows="now"]'));
    if (list && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      const stops = [...list.querySelectorAll("[data-stop]")];
      const next = stops[stops.indexOf(event.target.closest("[data-stop]") || here) + (event.key === "ArrowDown" ? 1 : -1)];
      if (next) { event.preventDefault(); next.focus(); }
      return;
    }
    const works = (one) => one.dataset.key === event.key && one.getClientRects().length && [null, here].includes(one.closest("[data-keys]"));
    const action = [...(here?.querySelectorAll("[data-key]") ?? []), ...document.querySelectorAll("[data-key]")].find(works);
    if (action && !event.shiftKey) { event.preventDefault(); action.click(); }
  });
  document.addEventListener("click", (event) => {
    for (const open of document.querySelectorAll("details[open].menu")) if (!open.contains(event.target)) open.open = false;
    const dismiss = event.target.closest("[data-dismiss]");
    if (dismiss) dismiss.closest(".banner").remove();
    const copy = event.target.closest("[data-copy]");
    if (copy) {
      const from = document.querySelector(copy.dataset.copy);
      const copied = () => { tell("Copied."); copy.classList.add("copied"); setTimeout(() => copy.classList.remove("copied"), 2000); };
      const writing = navigator.clipboard?.writeText(from.value ?? from.textContent.trim()) ?? Promise.reject();
      /* Without TLS a browser may refuse: then the text is chosen, ready for the keyboard. */
      writing.then(copied, () => { from.select?.(); tell("It is selected: copy it with the keyboard."); });
    }
  });

  /* Confirmation */
  const ask = (text, yes) => new Promise((resolve) => {
    const dialog = document.getElementById("confirm");
    dialog.querySelector("p").textContent = text;
    document.getElementById("confirm-yes").textContent = yes || "Go on";
    dialog.returnValue = "";
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    dialog.showModal();
  });
  document.addEventListener("htmx:confirm", (event) => {
    const { ctx, issueRequest, dropRequest } = event.detail;
    if (!ctx.confirm) return;
    event.preventDefault();
    ask(ctx.confirm, ctx.sourceElement.dataset.confirmYes).then((yes) => (yes ? issueRequest() : dropRequest()));
  });
  document.addEventListener("submit", (event) => {
    const by = event.submitter?.dataset.confirm ? event.submitter : event.target;
    if (!by.dataset.confirm || event.target.dataset.confirmed) return;
    event.preventDefault();
    ask(by.dataset.confirm, by.dataset.confirmYes).then((yes) => {
      if (!yes) return;
      event.target.dataset.confirmed = "yes";
      event.target.requestSubmit(event.submitter);
      delete event.target.dataset.confirmed;
    });
  });

  /* Focus: a fragment that was replaced gives the focus back to the same control, or to what it marks with data-focus. */
  let focused = null;
  document.addEventListener("htmx:before:swap", () => {
    const active = document.activeElement;
    focused = active && active !== document.body ? { id: active.id, name: active.getAttribute("name"), start: active.selectionStart } : null;
  });
  document.addEventListener("htmx:after:swap", () => {
    const wanted = document.querySelector("[data-focus]");
    if (wanted) {
      const named = wanted.dataset.focus ? document.getElementById(wanted.dataset.focus) : wanted;
      wanted.removeAttribute("data-focus");
      const control = named?.matches("fieldset, li, div, section") ? named.querySelector("input:not([type=hidden]), select, textarea") || named.querySelector("button") : named;
      control?.focus();
      return;
    }
    if (document.activeElement !== document.body || !focused) return;
    const again = (focused.id && document.getElementById(focused.id)) || (focused.name && document.querySelector(`[name="${CSS.escape(focused.name)}"]`));
    if (again) {
      again.focus();
      try { again.setSelectionRange(focused.start, focused.start); } catch { /* a control without text has no selection */ }
    } else document.getElementById("main")?.focus();
  });

  /* What is typed while an answer is under way is not lost when the answer replaces the form: it goes into the same control again. */
  const controls = (root) => [...root.querySelectorAll("input[id]:not([type=hidden], [type=file]), select[id], textarea[id]")];
  const state = (control) => (["checkbox", "radio"].includes(control.type) ? control.checked : control.value);
  const asked = new WeakMap();
  let typedSince = [];
  document.addEventListener("htmx:before:request", (event) => {
    const { ctx } = event.detail;
    if (ctx.target instanceof Element) asked.set(ctx, new Map(controls(ctx.target).map((control) => [control.id, state(control)])));
  });
  document.addEventListener("htmx:before:swap", (event) => {
    const { ctx } = event.detail, before = asked.get(ctx);
    if (!before || !(ctx.target instanceof Element)) return;
    typedSince = controls(ctx.target).filter((control) => before.has(control.id) && before.get(control.id) !== state(control)).map((control) => [control.id, state(control)]);
  });
  document.addEventListener("htmx:after:swap", () => {
    for (const [id, value] of typedSince.splice(0)) {
      const control = document.getElementById(id);
      if (!control || state(control) === value) continue;
      if (typeof value === "boolean") control.checked = value; else control.value = value;
    }
  });

  /* The connection */
  const offline = (away) => { const line = document.getElementById("offline"); if (line) line.hidden = !away; };
  addEventListener("offline", () => offline(true));
  addEventListener("online", () => offline(false));
  document.addEventListener("htmx:error", (event) => { if (event.detail?.error instanceof TypeError) offline(true); });
  document.addEventListener("htmx:after:request", () => offline(false));

  /* What was typed is not left behind silently */
  document.addEventListener("input", (event) => { const form = event.target.closest("form[data-guard]"); if (form) form.dataset.changed = "yes"; });
  document.addEventListener("submit", (event) => { delete event.target.dataset.changed; });
  document.addEventListener("htmx:before:request", (event) => { const form = event.target.closest?.("form[data-guard]"); if (form && event.detail.ctx.request.method !== "GET") delete form.dataset.changed; });
  addEventListener("beforeunload", (event) => { if (document.querySelector("form[data-guard][data-changed]")) event.preventDefault(); });

  /* A form that looks different with another choice is drawn again, with what was typed */
  document.addEventListener("change", (event) => {
    const button = event.target.closest?.("[data-redraws]")?.form?.querySelector("[data-redraw]");
    if (button) button.form.requestSubmit(button);
  });

  /* Dragging: the list sends its new order; the buttons of each item do the same without a mouse. */
  let dragged = null;
  document.addEventListener("dragstart", (event) => {
    const grip = event.target.closest?.("[data-grip]");
    if (!grip) return;
    dragged = grip.closest("[data-item]");
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", dragged.dataset.item);
  });
  document.addEventListener("dragover", (event) => {
    if (!dragged) return;
    const home = dragged.parentElement.dataset.sort;
    const into = event.target.closest?.(`[data-sort="${CSS.escape(home)}"]`);
    let over = event.target.closest?.("[data-item]");
    while (over && over.parentElement.dataset.sort !== home) over = over.parentElement.closest("[data-item]");
    if (!into || over === dragged || dragged.contains(into)) return;
    event.preventDefault();
    if (!over) { if (!into.querySelector("[data-item]")) into.append(dragged); return; }
    const { top, height } = over.getBoundingClientRect();
    over.parentElement.insertBefore(dragged, event.clientY > top + height / 2 ? over.nextSibling : over);
  });
  document.addEventListener("dragend", () => {
    const list = dragged?.closest("[data-sort]");
    dragged = null;
    const form = list?.closest("form[data-guard]");
    if (form) form.dataset.changed = "yes";
    if (list) htmx.trigger(list, "sorted");
  });

  /* An open form: Escape leaves it, and what replaces it asks first where something was typed in it. */
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.isComposing || document.querySelector("dialog[open]")) return;
    const leave = event.target.closest?.("form")?.querySelector("[data-escape]");
    /* Else the same Escape would close the question that the click may raise. */
    if (leave) { event.preventDefault(); leave.click(); }
  });
  document.addEventListener("htmx:config:request", (event) => {
    const { ctx } = event.detail;
    const form = ctx.target?.querySelector?.("form[data-guard][data-changed]");
    const isOwn = form?.contains(ctx.sourceElement) && ctx.request.method !== "GET";
    if (form && !isOwn && !ctx.confirm) ctx.confirm = "What you typed in the open form is not saved, and will be dropped.";
  });

  /* Names that follow a label */
  document.addEventListener("input", (event) => {
    if (event.target.id && document.querySelector(`[data-suggests="${CSS.escape(event.target.id)}"]`)) event.target.dataset.own = "yes";
    const name = event.target.dataset?.suggests && document.getElementById(event.target.dataset.suggests);
    if (!name || name.dataset.own) return;
    const bare = event.target.value.normalize("NFKD").replace(/[^\x00-\x7f]/g, "").toLowerCase();
    name.value = (bare.match(/[a-z0-9]+/g) ?? []).join("_").slice(0, 60).replace(/_+$/, "");
  });

  /* Files: read here into a field, so that they go the way of what is typed; and a line of a long text is found for the reader. */
  document.addEventListener("change", async (event) => {
    const { fileInto, fileLimit } = event.target.dataset ?? {};
    const file = fileInto && event.target.files[0];
    if (!file) return;
    if (file.size > Number(fileLimit)) { tell("This file is too long to be sent."); event.target.setCustomValidity("This file is too long to be sent."); event.target.reportValidity(); return; }
    event.target.setCustomValidity("");
    const into = document.querySelector(fileInto);
    into.value = await file.text();
    into.dispatchEvent(new Event("input", { bubbles: true }));
    tell(`${file.name} was read.`);
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-line]");
    const into = link && document.querySelector(link.hash);
    if (!into) return;
    event.preventDefault();
    const lines = into.value.split("\n"), number = Number(link.dataset.line) - 1;
    const start = lines.slice(0, number).join("\n").length + (number ? 1 : 0);
    into.focus();
    into.setSelectionRange(start, start + (lines[number] ?? "").length);
    into.scrollTop = Math.max(0, (number - 3) * into.scrollHeight / lines.length);
  });

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
    const away = (is) => { const line = document.querySelector("[data-live-away]"); if (line) line.hidden = !is; };
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

  /* Clocks, and links that put the focus where they lead */
  setInterval(() => {
    for (const clock of document.querySelectorAll("[data-clock]")) {
      const shown = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: clock.dataset.clock }).format();
      if (clock.textContent !== shown) clock.textContent = shown;
    }
  }, 10_000);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-jump]");
    const to = link?.hash && link.pathname === location.pathname && document.querySelector(link.hash);
    if (!to) return;
    event.preventDefault();
    to.scrollIntoView({ block: "nearest" });
    (to.querySelector("textarea") || to.querySelector("input:not([type=hidden]), select") || to.querySelector("a, button"))?.focus();
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
  document.addEventListener("htmx:after:swap", letGo);
  const unsent = (form, is) => { if (is) form.dataset.unsent = "yes"; else delete form.dataset.unsent; };
  document.addEventListener("input", (event) => { const form = event.target.form; if (form?.matches("[data-keep]")) { form.typed = (form.typed ?? 0) + 1; unsent(form, true); } });
  const kept = (event) => { const form = event.detail.ctx.sourceElement; return form.matches?.("form[data-keep]") ? form : null; };
  document.addEventListener("htmx:config:request", (event) => { const form = kept(event); if (form) event.detail.ctx.typed = form.typed; });
  document.addEventListener("htmx:before:request", (event) => { if (kept(event)?.left) event.preventDefault(); });
  document.addEventListener("htmx:after:request", (event) => {
    const form = kept(event), { response, typed } = event.detail.ctx;
    if (!form) return;
    /* The answer leads on to another page: nothing more is sent from this one, or what is finished would begin anew. */
    if (response.headers.has("HX-Redirect")) form.left = true;
    if (form.left || ([200, 400].includes(response.status) && typed === form.typed)) unsent(form, false);
  });
  document.addEventListener("submit", (event) => { if (!event.defaultPrevented) for (const form of document.querySelectorAll("form[data-keep]")) unsent(form, false); });
  addEventListener("pagehide", () => { for (const form of document.querySelectorAll("form[data-keep][data-unsent]")) navigator.sendBeacon(form.action, new URLSearchParams(new FormData(form))); });
  addEventListener("online", () => { for (const form of document.querySelectorAll("form[data-keep][data-unsent]")) htmx.trigger(form, "input"); });

  /* The search: from its box an arrow goes to the first it found, and back; Escape closes it. */
  document.addEventListener("keydown", (event) => {
    const find = event.target.closest?.(".find");
    if (!find || event.isComposing) return;
    const box = find.querySelector("[data-search]"), found = find.querySelector(".found"), first = found.querySelector("[data-stop]");
    if (event.key === "ArrowDown" && event.target === box && first) { event.preventDefault(); first.focus(); }
    if (event.key === "ArrowUp" && event.target === first) { event.preventDefault(); event.stopPropagation(); box.focus(); }
    if (event.key === "Escape") { found.replaceChildren(); box.focus(); }
  });
  /* One box that ticks all. */
  document.addEventListener("change", (event) => {
    const name = event.target.dataset?.ticks;
    if (name) for (const box of event.target.form.querySelectorAll(`[name="${CSS.escape(name)}"]`)) box.checked = event.target.checked;
  });
})();
