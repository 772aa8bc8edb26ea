/* A form is sent once: it is busy from the first press until the answer is there, or for some seconds where it is a file (data-file), of
   which a page is not told. */
const going = new Map(), GOES_FOR = 10_000, SENDING = "It is being sent.";
const gone = (form) => {
  clearTimeout(going.get(form).timer);
  going.get(form).button?.removeAttribute("aria-busy");
  going.delete(form);
  if (document.getElementById("live-region")?.textContent === SENDING) tell("");
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
    /* A button that was replaced meanwhile says nothing any more of what its form is sent for: whoever pressed it is told. */
    const goes = is && (!submitter || submitter.form === form);
    show("unsent", is && !goes);
    if (goes) { sound.add(form); form.requestSubmit(submitter); } else confirmed.delete(form);
    /* Where the browser itself found something to complain of, it is asked again the next time. */
    if (!goes || sound.delete(form)) { gone(form); return; }
    tell(SENDING);
    going.get(form).sent = true;
  });
});
addEventListener("pageshow", () => { for (const form of [...going.keys()]) gone(form); sending.clear(); });

/* What htmx sends for a button is sent once as well: a second press of the same one while it is under way does nothing; another one of
   the form waits for its turn. What a form sends by itself while somebody types is no press. After a redirect it stays busy until the
   new page is there. */
const sending = new Set(), waiting = new Map();
const pressed = ({ request, sourceElement }) => request.submitter ?? (sourceElement.closest("[hx-sync]") ? null : sourceElement.matches("form") ? primary(sourceElement) : sourceElement);
document.addEventListener("htmx:config:request", (event) => {
  const { ctx } = event.detail, form = ctx.sourceElement;
  if (ctx.request.method !== "GET" && sending.has(pressed(ctx))) { event.preventDefault(); return; }
  if (!form.matches("form")) return;
  /* What was typed before a press goes with it: what a form sends by itself never takes the place of a press that waits for its turn, nor
     is it sent once the form is gone. */
  if (ctx.request.submitter) waiting.set(form, ctx);
  else if (waiting.has(form) || !form.isConnected) event.preventDefault();
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
  if (waiting.get(ctx.sourceElement) === ctx) waiting.delete(ctx.sourceElement);
  if (ctx.hx?.redirect || ctx.hx?.refresh) return;
  const button = pressed(ctx);
  if (sending.delete(button)) button.removeAttribute("aria-busy");
});
