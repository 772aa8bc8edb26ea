/* Placeholders beside a text: one that is pressed is put in where the cursor stands. */
const shown = () => {
  for (const each of document.querySelectorAll("[data-inserts][hidden]")) each.hidden = false;
};
shown();
document.addEventListener("htmx:after:swap", shown);
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-inserts] button");
  const text = button?.form?.elements[button.parentElement.dataset.inserts];
  if (!text) return;
  text.setRangeText(button.value, text.selectionStart, text.selectionEnd, "end");
  text.focus();
  text.dispatchEvent(new Event("input", { bubbles: true }));
});
