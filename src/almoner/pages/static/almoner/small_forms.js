/* A link of htmx that leads to #small-form opens a form over the page; without scripts it is a page of its own. It closes as what it
   sent was taken, by Escape, and by [data-closes-form]. */
const smallForm = document.getElementById("small-form");
document.addEventListener("htmx:after:swap", () => {
  if (!smallForm?.firstElementChild || smallForm.open) return;
  smallForm.showModal();
  (smallForm.querySelector("[autofocus]") ?? smallForm.querySelector("a, button"))?.focus();
});
document.addEventListener("htmx:before:swap", (event) => {
  const { sourceElement, response } = event.detail.ctx;
  if (smallForm?.open && smallForm.contains(sourceElement) && response?.status < 400) smallForm.close();
});
smallForm?.addEventListener("close", () => smallForm.replaceChildren());
smallForm?.addEventListener("click", (event) => {
  if (event.target !== smallForm && !event.target.closest("[data-closes-form]")) return;
  event.preventDefault();
  smallForm.close();
});
