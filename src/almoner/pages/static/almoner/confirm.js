/* data-confirm="...": asked before the form is sent or the link followed; data-confirm-yes names the button. */
const ask = (text, yes) => new Promise((resolve) => {
  const dialog = document.getElementById("confirm");
  dialog.querySelector("p").textContent = text;
  document.getElementById("confirm-yes").textContent = yes || "Continue";
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
