/* data-sort: a list whose items (with data-item) are dragged by their [data-grip], and which sends its new order; the buttons inside do the
   same by keyboard. Items go from one list to another where both have the same value. */
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
  if (!list) return;
  /* In a form it is typed like anything else there. */
  if (list.closest("form[data-guard]")) list.dispatchEvent(new Event("input", { bubbles: true })); else htmx.trigger(list, "sorted");
});
