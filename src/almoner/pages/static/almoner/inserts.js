/* data-inserts: words beside a text; those that are pressed are put in where the cursor stands, or are all of it (data-whole). */
const reveal = () => {
  for (const each of document.querySelectorAll("[data-inserts][hidden]")) each.hidden = false;
};
reveal();
document.addEventListener("htmx:after:swap", reveal);
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-inserts] button");
  const text = button?.form?.elements[button.parentElement.dataset.inserts];
  if (!text) return;
  if ("whole" in button.parentElement.dataset) text.value = button.value;
  else text.setRangeText(button.value, text.selectionStart, text.selectionEnd, "end");
  text.focus();
  text.dispatchEvent(new Event("input", { bubbles: true }));
});
