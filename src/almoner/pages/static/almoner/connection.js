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
    const text = await answer.text();
    if (worker && answer.ok) goesOnAs(JSON.parse(text).csrf);
    else if (worker) refused(text, tells);
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
const refused = (text, tells) => {
  const page = Object.assign(document.createElement("template"), { innerHTML: text }).content;
  if (!page.firstElementChild?.matches(".banner:only-child")) throw new TypeError("This is no answer of the server.");
  if (tells) notice.replaceChildren(page);
};
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
