/* How a page's form is sent: from here, and what it is answered with is put in the place of what stands there. Answered to the browser
   itself it would be a page of the history that nobody can go back to or load again, since it is not kept; and what was typed into a
   refused form would be gone. connection.js asks first whether somebody is there to take it.

   data-file   a form that is answered with a file: the browser sends it itself, once it has heard from here that there is one
   data-guard  a form that goes on being guarded where it was refused

   Where a form is refused the history stays as it is; else the answer is a page of its own, under an address of its own where it has one.
   An answer that is no page of ours, or none at all, leaves the form as it is. */
const SENT_FOR = 120_000;
const asks = new WeakSet();
let hashBefore = location.hash, isAnswer = false;
const fields = (form, submitter) => [...new FormData(form, submitter)].map(([name, value]) => [name, value instanceof File ? value.name : value]);
const sendsFrom = async (form, submitter) => {
  const action = submitter?.getAttribute("formaction") ?? form.getAttribute("action") ?? location.href;
  const answer = await fetch(new URL(action, location.href), {
    method: "POST", body: new URLSearchParams(fields(form, submitter)), signal: AbortSignal.timeout(SENT_FOR),
    headers: { "HX-Request": "true", "HX-Boosted": "true", "Accept": "text/html" },
  });
  if (answer.headers.has("Content-Disposition")) { itself(form, submitter); return true; }
  const leadsTo = answer.headers.get("HX-Redirect");
  if (leadsTo) { follow(new URL(leadsTo, location.href)); return true; }
  const text = await answer.text();
  if (answer.headers.has("HX-Retarget")) { refused(text, true); return false; }
  const page = new DOMParser().parseFromString(text, "text/html");
  if (!page.getElementById("main") || !page.getElementById("live-region")) throw new TypeError("This is no answer of the server.");
  if (answer.ok) history.pushState(null, "", answer.headers.get("HX-Push-Url") ?? location.href);
  isAnswer ||= answer.ok;
  replaceBy(page, !answer.ok && "guard" in form.dataset ? form.getAttribute("action") : null);
  return false;
};
/* The browser asks for the file, of which the page is not told: its button is busy for some seconds. */
const itself = (form, submitter) => {
  asks.add(form);
  sound.add(form);
  form.requestSubmit(submitter);
  going.get(form).timer = setTimeout(gone, GOES_FOR, form);
};
const follow = (to) => {
  const [here, there] = [location, to].map((url) => url.origin + url.pathname + url.search);
  if (!to.hash || here !== there) { location.assign(to); return; }
  /* To a place of this very page, which has changed. */
  history.pushState(null, "", to);
  history.scrollRestoration = "manual";
  location.reload();
};
/* ``unsaved`` is the address of the form whose values are not saved yet: it goes on being guarded. */
const replaceBy = (page, unsaved) => {
  document.title = page.title;
  for (const element of page.querySelectorAll("script[src], link[rel=stylesheet]")) {
    const url = element.getAttribute("src") ?? element.getAttribute("href");
    if (document.querySelector(`[src="${CSS.escape(url)}"], [href="${CSS.escape(url)}"]`)) continue;
    const added = document.createElement(element.localName);
    for (const { name, value } of element.attributes) added.setAttribute(name, value);
    document.head.append(added);
  }
  const between = (of) => { const elements = []; for (let element = of.querySelector(".notices").nextElementSibling; element && element.localName !== "dialog"; element = element.nextElementSibling) elements.push(element); return elements; };
  const [were, are] = [between(document), between(page)];
  were[0].before(...are);
  for (const element of were) element.remove();
  const rooms = document.querySelector(".rooms");
  rooms?.replaceWith(page.querySelector(".rooms") ?? rooms);
  const token = page.querySelector('meta[name="csrf-token"]')?.content;
  if (token && meta("csrf-token")) goesOnAs(token);
  notice.replaceChildren();
  for (const element of [...are, document.querySelector(".rooms")]) if (element) htmx.process(element);
  for (const form of document.querySelectorAll("form[data-guard]")) if (unsaved !== null && form.getAttribute("action") === unsaved) form.dataset.changed = "yes";
  const main = document.getElementById("main");
  const marked = main.querySelector("[autofocus], [data-focus]") ?? main.querySelector("[aria-invalid=true]") ?? main.querySelector("[role=alert], .error");
  const control = marked?.dataset.focus ? document.getElementById(marked.dataset.focus) : marked;
  if (control && control.tabIndex < 0 && !control.hasAttribute("tabindex")) control.setAttribute("tabindex", "-1");
  if (!unsaved) scrollTo(0, 0);
  (control ?? main).focus();
  document.dispatchEvent(new Event("almoner-page"));
};
/* Last of all who look at what is submitted. */
addEventListener("submit", (event) => {
  const { target: form, submitter } = event;
  if (event.defaultPrevented || !going.has(form) || asks.delete(form)) return;
  event.preventDefault();
  const unsaved = () => { if ("guard" in form.dataset) form.dataset.changed = "yes"; };
  sendsFrom(form, submitter).then((leaves) => { if (!leaves) { if (form.isConnected) unsaved(); gone(form); } }, () => { unsaved(); gone(form); offline(true); });
});
/* Back from an answer to what was there before: asked for anew, since it is not kept. A place within the page is none of that. */
addEventListener("popstate", () => {
  if (hashBefore !== location.hash) { hashBefore = location.hash; return; }
  if (isAnswer) location.reload();
});
