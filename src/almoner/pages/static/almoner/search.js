/* The search: from its box an arrow goes to the first it found, and back; Escape closes it. */
document.addEventListener("keydown", (event) => {
  const find = event.target.closest?.(".find");
  if (!find || event.isComposing) return;
  const box = find.querySelector("[data-search]"), results = find.querySelector(".search-results"), first = results.querySelector("[data-stop]");
  if (event.key === "ArrowDown" && event.target === box && first) { event.preventDefault(); first.focus(); }
  if (event.key === "ArrowUp" && event.target === first) { event.preventDefault(); event.stopPropagation(); box.focus(); }
  if (event.key === "Escape") { results.replaceChildren(); box.focus(); }
});
