/* A link of htmx that leads to #sheet opens a form over the page; without scripts it is a page of its own. The sheet closes as what it
   sent was taken, by Escape, and by [data-closes-sheet]. */
const sheet = document.getElementById("sheet");
document.addEventListener("htmx:after:swap", () => {
  if (!sheet?.firstElementChild || sheet.open) return;
  sheet.showModal();
  (sheet.querySelector("[autofocus]") ?? sheet.querySelector("a, button"))?.focus();
});
document.addEventListener("htmx:before:swap", (event) => {
  const { sourceElement, response } = event.detail.ctx;
  if (sheet?.open && sheet.contains(sourceElement) && response?.status < 400) sheet.close();
});
sheet?.addEventListener("close", () => sheet.replaceChildren());
sheet?.addEventListener("click", (event) => {
  if (event.target !== sheet && !event.target.closest("[data-closes-sheet]")) return;
  event.preventDefault();
  sheet.close();
});
