/* What every page does in the browser beyond htmx: keyboard, confirmation, focus, the connection. Everything is asked for by data attributes;
   those of one room alone are told in portal.js, calendar.js and workshop.js.

   data-key="d"        the letter that clicks this, outside of fields
   data-confirm="..."  asked before the form is sent or the link followed; data-confirm-yes names the button
   data-dismiss        takes away the banner that it stands in
   data-copy="#id"     copies the text of that element
   data-arrows         a list whose items (data-stop) the arrow keys move through; "now": also from outside, where nothing has the focus
   data-keys           an item whose letters work while the focus is in it, and Enter opens its a.cover; "now": also while it is in no other
   data-focus="id"     after a fragment came in: what gets the focus, itself or the first control in it; blank: the element that says it
   data-pick           opens the browser's calendar for the field of a day before it
   data-redraws        a choice that the form is drawn again for, by its [data-redraw] button
   data-guard          a form whose unsaved changes are not left behind silently
   data-part           what a form is about, where forms of one address and with the same fields are about different things
   data-escape         what Escape clicks, inside its form
   data-until-typed    what is said of the form's last sending, until somebody types in it again
   data-search         the search's box, which "/" goes to
   data-shows-keys     opens the list of the keys that work on the page, as "?" does

   And without being asked: Ctrl+Enter in a long text clicks its form's primary button. */
/* What the other scripts use of this one. tell(text): says it to who listens to the page instead of looking at it. */
const almoner = {
  tell: (text) => { const region = document.getElementById("told"); if (region) region.textContent = text; },
  /* Minutes of a day as its reader writes them: 14:30, or 2:30 pm. */
  time: (minutes) => {
    const hour = Math.floor(minutes / 60) % 24, minute = String(minutes % 60).padStart(2, "0");
    if (document.documentElement.dataset.clockHours !== "12") return `${String(hour).padStart(2, "0")}:${minute}`;
    return `${hour % 12 || 12}:${minute} ${hour < 12 ? "am" : "pm"}`;
  },
};
(() => {
  "use strict";
  const { tell } = almoner;
  const editable = (element) => element.closest?.("input, textarea, select, [contenteditable]");

  document.addEventListener("htmx:config:request", (event) => {
    const token = document.querySelector('meta[name="csrf-token"]')?.content;
    if (token) event.detail.ctx.request.headers["X-CSRF-Token"] = token;
  });

  /* Days: the field is a text in the reader's notation, and the calendar beside it is the browser's. */
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-pick]"), field = button?.parentElement.querySelector("[data-moment]");
    if (!field) return;
    const native = Object.assign(document.createElement("input"), { type: "date", className: "visually-hidden", tabIndex: -1 });
    native.setAttribute("aria-hidden", "true");
    const written = new Date(`${field.value} UTC`);
    if (!Number.isNaN(written.valueOf())) native.value = written.toISOString().slice(0, 10);
    native.addEventListener("change", () => {
      if (!native.value) return;
      field.value = new Date(native.value).toUTCString().slice(5, 16).replace(/^0/, "");
      for (const name of ["input", "change"]) field.dispatchEvent(new Event(name, { bubbles: true }));
    });
    native.addEventListener("blur", () => native.remove());
    button.before(native);
    native.showPicker();
  });

  /* Keyboard */
  const primary = (form) => form?.querySelector(".primary.button:not([type=button], a, [disabled])");
  /* The item that is framed, and what a letter works on: first what is in it, then what is in no other. */
  const framed = (element) => element.closest?.("[data-keys]") || document.querySelector('[data-keys="now"]');
  const working = (here) => [...(here?.querySelectorAll("[data-key]") ?? []), ...document.querySelectorAll("[data-key]")]
    .filter((one) => one.getClientRects().length && [null, here].includes(one.closest("[data-keys]")));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.matches("textarea") && !event.isComposing) {
      const button = primary(event.target.form);
      if (button) { event.preventDefault(); button.click(); }
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key === "Escape") {
      const open = event.target.closest?.("details[open].menu") || document.querySelector("details[open].menu");
      if (open) { open.open = false; open.querySelector("summary").focus(); }
      return;
    }
    if (editable(event.target) || document.querySelector("dialog[open]")) return;
    if (event.key === "?") { event.preventDefault(); showKeys(); return; }
    if (event.key === "/") {
      const search = document.querySelector("[data-search]");
      if (search) { event.preventDefault(); search.focus(); search.select(); }
      return;
    }
    const here = framed(event.target);
    const list = event.target.closest?.("[data-arrows]") || (event.target.matches?.("body, main") && document.querySelector('[data-arrows="now"]'));
    if (list && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      const stops = [...list.querySelectorAll("[data-stop]")];
      const next = stops[stops.indexOf(event.target.closest("[data-stop]") || here) + (event.key === "ArrowDown" ? 1 : -1)];
      if (next) { event.preventDefault(); next.focus(); }
      return;
    }
    const cover = event.key === "Enter" && (event.target === here || event.target.matches?.("body, main")) && here?.querySelector("a.cover");
    if (cover) { event.preventDefault(); cover.click(); return; }
    const action = working(here).find((one) => one.dataset.key === event.key);
    if (action && !event.shiftKey) { event.preventDefault(); action.click(); }
  });
  /* The list of keys is made of what is on the page when somebody asks for it. */
  const words = (element) => {
    const copy = element.cloneNode(true);
    for (const aside of copy.querySelectorAll("kbd, [aria-hidden], .badge-place")) aside.remove();
    return element.getAttribute("aria-label") || copy.textContent.trim().replace(/\s+/g, " ");
  };
  const NAMES = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Enter: "Enter" };
  const showKeys = () => {
    const keys = new Map();
    const here = framed(document.activeElement), cover = here?.querySelector("a.cover");
    for (const one of working(here)) if (!keys.has(one.dataset.key)) keys.set(one.dataset.key, words(one));
    if (cover) keys.set("Enter", `Open ${words(cover)}`);
    if (document.querySelector("[data-search]")) keys.set("/", "Find a patient");
    if (document.querySelector("[data-arrows] [data-stop]")) keys.set("↑ ↓", "Up and down in the list");
    if ([...document.querySelectorAll("textarea")].some((field) => primary(field.form))) keys.set("Ctrl + Enter", "Send what is typed");
    keys.set("?", "This list");
    keys.set("Esc", "Close what is open");
    document.querySelector("#keys dl").replaceChildren(...[...keys].flatMap(([key, does]) => {
      const term = document.createElement("dt"), told = document.createElement("dd");
      term.append(Object.assign(document.createElement("kbd"), { textContent: NAMES[key] ?? key }));
      told.textContent = does;
      return [term, told];
    }));
    document.getElementById("keys").showModal();
  };
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-shows-keys]")) showKeys();
    for (const open of document.querySelectorAll("details[open].menu")) if (!open.contains(event.target)) open.open = false;
    const dismiss = event.target.closest("[data-dismiss]");
    /* What has an id is shown again another time. */
    if (dismiss) { const banner = dismiss.closest(".banner"); if (banner.id) banner.hidden = true; else banner.remove(); }
    if (event.target.closest("[data-print]")) print();
    const copy = event.target.closest("[data-copy]");
    if (copy) {
      const from = document.querySelector(copy.dataset.copy);
      const copied = () => { tell("Copied."); copy.classList.add("copied"); setTimeout(() => copy.classList.remove("copied"), 2000); };
      const writing = navigator.clipboard?.writeText(from.value ?? from.innerText.trim()) ?? Promise.reject();
      /* Without TLS a browser may refuse: then the text is chosen, ready for the keyboard. */
      writing.then(copied, () => { if (from.select) from.select(); else getSelection().selectAllChildren(from); tell("It is selected: copy it with the keyboard."); });
    }
  });

  /* Back leads to the item of a list that one left the page from. */
  const nameOf = (stop) => stop.id || stop.getAttribute("href");
  const stops = () => [...document.querySelectorAll("[data-arrows] [data-stop]")];
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-arrows] a[href]");
    const stop = link && (link.closest("[data-stop]") || link.closest("li, tr")?.querySelector("[data-stop]"));
    if (stop && !link.closest(".find")) history.replaceState({ ...history.state, item: nameOf(stop) }, "");
  });
  const left = history.state?.item;
  if (left) stops().find((stop) => nameOf(stop) === left)?.focus();

  /* What opens and has a field to type into is typed into. */
  document.addEventListener("toggle", (event) => {
    if (event.target.matches?.("details.menu[open]")) event.target.querySelector(".sheet :is(input[type=search], input[type=text])")?.focus();
  }, true);

  /* The search: from its box an arrow goes to the first it found, and back; Escape closes it. */
  document.addEventListener("keydown", (event) => {
    const find = event.target.closest?.(".find");
    if (!find || event.isComposing) return;
    const box = find.querySelector("[data-search]"), found = find.querySelector(".found"), first = found.querySelector("[data-stop]");
    if (event.key === "ArrowDown" && event.target === box && first) { event.preventDefault(); first.focus(); }
    if (event.key === "ArrowUp" && event.target === first) { event.preventDefault(); event.stopPropagation(); box.focus(); }
    if (event.key === "Escape") { found.replaceChildren(); box.focus(); }
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
  const confirmed = new WeakSet();
  document.addEventListener("htmx:confirm", (event) => {
    const { ctx, issueRequest, dropRequest } = event.detail;
    if (!ctx.confirm) return;
    event.preventDefault();
    ask(ctx.confirm, ctx.sourceElement.dataset.confirmYes).then((yes) => (yes ? issueRequest() : dropRequest()));
  });
  document.addEventListener("submit", (event) => {
    const by = event.submitter?.dataset.confirm ? event.submitter : event.target;
    if (!by.dataset.confirm || confirmed.has(event.target)) return;
    event.preventDefault();
    ask(by.dataset.confirm, by.dataset.confirmYes).then((yes) => {
      if (!yes) return;
      confirmed.add(event.target);
      event.target.requestSubmit(event.submitter);
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

  /* What is typed while an answer is under way is not lost when the answer replaces the form: it goes into the same control again. The
     same control is the one of that id in a form about the same thing; and what a link opened is something else. */
  const controls = (root) => [...root.querySelectorAll("input[id]:not([type=hidden], [type=file]), select[id], textarea[id]")];
  const state = (control) => (["checkbox", "radio"].includes(control.type) ? control.checked : control.value);
  const about = ({ form }) => form && `${form.getAttribute("action")} ${form.dataset.part ?? ""}`;
  const asked = new WeakMap();
  let typedSince = [];
  document.addEventListener("htmx:before:request", (event) => {
    const { ctx } = event.detail;
    if (ctx.sourceElement.matches("a") || !(ctx.target instanceof Element)) return;
    asked.set(ctx, new Map(controls(ctx.target).map((control) => [control.id, { before: state(control), thing: about(control) }])));
  });
  document.addEventListener("htmx:before:swap", (event) => {
    const { ctx } = event.detail, then = asked.get(ctx);
    typedSince = !then || !(ctx.target instanceof Element) ? [] : controls(ctx.target).flatMap((control) => {
      const { id } = control, { before, thing } = then.get(id) ?? {}, value = state(control);
      return thing === undefined || thing !== about(control) || before === value ? [] : [{ id, thing, value }];
    });
  });
  document.addEventListener("htmx:after:swap", () => {
    for (const { id, thing, value } of typedSince.splice(0)) {
      const control = document.getElementById(id);
      if (!control || about(control) !== thing || state(control) === value) continue;
      if (typeof value === "boolean") control.checked = value; else control.value = value;
      control.dispatchEvent(new Event("input", { bubbles: true }));
    }
  });

  /* The connection, and the session: a form that the browser itself would send goes out only when somebody is there to take it. The answer
     to the question carries the token of the session that goes on, which may be another one: who signed in again did so in another tab. */
  const show = (id, is) => { const line = document.getElementById(id); if (line) line.hidden = !is; };
  const offline = (away) => show("offline", away);
  const meta = (name) => document.querySelector(`meta[name="${name}"]`);
  const notice = document.getElementById("notice");
  const goesOn = async (tells) => {
    const worker = meta("worker")?.content;
    try {
      /* Where nobody has signed in there is only the connection to ask about. */
      const answer = await fetch(worker ? `/session?worker=${worker}` : "/healthz", { headers: { "HX-Request": "true" }, signal: AbortSignal.timeout(10_000) });
      const told = await answer.text();
      if (worker && answer.ok) goesOnAs(JSON.parse(told).csrf);
      else if (worker) refused(told, tells);
      offline(false);
      return !worker || answer.ok;
    } catch { offline(true); return false; }
  };
  const goesOnAs = (csrf) => {
    if (!csrf) throw new TypeError("This is no answer of the server.");
    meta("csrf-token").content = csrf;
    for (const field of document.querySelectorAll('input[name="csrf"]')) field.value = csrf;
  };
  /* What stands between here and the server may answer with a page of its own, which has no business in this one. */
  const refused = (told, tells) => {
    const page = Object.assign(document.createElement("template"), { innerHTML: told }).content;
    if (!page.firstElementChild?.matches(".banner:only-child")) throw new TypeError("This is no answer of the server.");
    if (tells) notice.replaceChildren(page);
  };
  /* From the first click until the answer is there, or for some seconds where it is a file, of which a page is not told. */
  const going = new Map(), GOES_FOR = 10_000, SENDING = "It is being sent.";
  const gone = (form) => {
    clearTimeout(going.get(form).timer);
    going.get(form).button?.removeAttribute("aria-busy");
    going.delete(form);
    if (document.getElementById("told")?.textContent === SENDING) tell("");
  };
  const sound = new WeakSet();
  document.addEventListener("submit", (event) => {
    const { target: form, submitter } = event;
    const method = submitter?.getAttribute("formmethod") ?? form.getAttribute("method");
    if (event.defaultPrevented || method !== "post" || sound.delete(form)) { confirmed.delete(form); return; }
    event.preventDefault();
    if (going.has(form)) { if (going.get(form).sent) confirmed.delete(form); return; }
    going.set(form, { button: submitter });
    submitter?.setAttribute("aria-busy", "true");
    goesOn(true).then((is) => {
      /* A button that was replaced meanwhile says nothing any more of what its form is sent for. */
      const goes = is && (!submitter || submitter.form === form);
      if (goes) { sound.add(form); form.requestSubmit(submitter); } else confirmed.delete(form);
      /* Where the browser itself found something to complain of, it is asked again the next time. */
      if (!goes || sound.delete(form)) { gone(form); return; }
      tell(SENDING);
      going.get(form).sent = true;
      if ("file" in form.dataset) going.get(form).timer = setTimeout(gone, GOES_FOR, form);
    });
  });
  addEventListener("pageshow", () => { for (const form of [...going.keys()]) gone(form); sending.clear(); });

  /* What htmx sends for a button is sent once as well: a second press of the same one while it is under way does nothing; another one of
     the form waits for its turn. What a form sends by itself while somebody types is no press. After a redirect it stays busy until the
     new page is there. */
  const sending = new Set();
  const pressed = ({ request, sourceElement }) => request.submitter ?? (sourceElement.closest("[hx-sync]") ? null : sourceElement.matches("form") ? primary(sourceElement) : sourceElement);
  document.addEventListener("htmx:config:request", (event) => {
    const { ctx } = event.detail;
    if (ctx.request.method !== "GET" && sending.has(pressed(ctx))) event.preventDefault();
  });
  document.addEventListener("htmx:before:request", (event) => {
    const { ctx } = event.detail, button = pressed(ctx);
    if (ctx.request.method === "GET" || !button) return;
    button.setAttribute("aria-busy", "true");
    sending.add(button);
  });
  /* A form that stays on the page after it was taken is a new one from then on. */
  const renewed = (ctx) => {
    const sent = ctx.request.body?.get?.("form_token");
    if (!sent || !ctx.response || ctx.response.status >= 400) return;
    for (const field of document.querySelectorAll(`input[name="form_token"][value="${CSS.escape(sent)}"]`)) {
      field.setAttribute("value", btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(12)))).replace(/[+/]/g, "_"));
    }
  };
  document.addEventListener("htmx:finally:request", (event) => {
    const { ctx } = event.detail;
    renewed(ctx);
    if (ctx.hx?.redirect || ctx.hx?.refresh) return;
    const button = pressed(ctx);
    if (sending.delete(button)) button.removeAttribute("aria-busy");
  });
  const comesBack = async () => {
    if (document.hidden || !notice.querySelector("[data-signs-in], [data-stale]") || !(await goesOn(false))) return;
    notice.replaceChildren();
    show("again", true);
    dispatchEvent(new Event("almoner-again"));
  };
  for (const turned of ["visibilitychange", "focus"]) addEventListener(turned, comesBack);
  document.addEventListener("htmx:after:swap", () => { if (notice.querySelector("[data-stale]")) comesBack(); });
  document.addEventListener("submit", () => show("again", false));
  addEventListener("offline", () => offline(true));
  addEventListener("online", () => offline(false));
  document.addEventListener("htmx:error", (event) => { if (event.detail?.error instanceof TypeError) offline(true); });
  document.addEventListener("htmx:after:request", () => offline(false));
  /* Ours say where they belong when something failed; what says so in our place has no business in the page. */
  document.addEventListener("htmx:before:swap", (event) => {
    const { response } = event.detail.ctx;
    if (response?.status >= 500 && !response.headers.has("HX-Retarget")) { event.preventDefault(); offline(true); }
  });

  /* What a page keeps in this tab ends when its worker signs out. */
  document.addEventListener("submit", (event) => { if (event.target.getAttribute("action") === "/sign-out") sessionStorage.clear(); });

  document.addEventListener("input", (event) => { for (const said of event.target.form?.querySelectorAll("[data-until-typed]") ?? []) said.remove(); });

  /* What was typed is not left behind silently */
  document.addEventListener("input", (event) => { const form = event.target.closest("form[data-guard]"); if (form) form.dataset.changed = "yes"; });
  document.addEventListener("submit", (event) => { if (!event.defaultPrevented) delete event.target.dataset.changed; });
  document.addEventListener("htmx:before:request", (event) => { const form = event.target.closest?.("form[data-guard]"); if (form && event.detail.ctx.request.method !== "GET") delete form.dataset.changed; });
  addEventListener("beforeunload", (event) => { if (document.querySelector("form[data-guard][data-changed]")) event.preventDefault(); });

  /* A form that looks different with another choice is drawn again, with what was typed */
  document.addEventListener("change", (event) => {
    const button = event.target.closest?.("[data-redraws]")?.form?.querySelector("[data-redraw]");
    if (button) button.form.requestSubmit(button);
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

  /* The room that one is in, where the row of rooms is longer than the screen is wide. */
  document.querySelector(".rooms [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });

  Object.assign(almoner, { going, gone, goesOnAs, meta, notice, offline, refused });
})();
