/* The answer stands at the place that was meant: below it, above it where there is no room, and never beyond the calendar. */
const standAt = (box) => {
  const room = placed.parentElement.getBoundingClientRect(), { width, height } = placed.getBoundingClientRect();
  const below = box.bottom + 8 + height < innerHeight || box.top - height < room.top;
  placed.style.left = `${between(0, box.left - room.left, room.width - width)}px`;
  placed.style.top = `${(below ? box.bottom + 8 : box.top - 8 - height) - room.top}px`;
};
document.addEventListener("htmx:after:swap", (event) => {
  const { ctx } = event.detail;
  if (ctx.target !== placed) return;
  const done = Boolean(placed.querySelector("[data-done]")), box = now?.ghost.getBoundingClientRect(), byKeys = now?.byKeys;
  placed.removeAttribute("style");
  if (box && !done) standAt(box);
  if (done) { now?.ghost.classList.remove("waiting"); calendar.removeAttribute("data-paused"); redraw(); } else putBack();
  if (byKeys && !done) placed.querySelector("[data-first]")?.focus();
});
/* What was put elsewhere is there once the calendar is drawn anew. */
document.addEventListener("htmx:after:swap", (event) => { if (event.detail.ctx.target === calendar && now?.asked) letGo(); });
document.addEventListener("htmx:before:request", (event) => { if (event.detail.ctx.sourceElement === calendar && "held" in calendar.dataset) event.preventDefault(); });
const failed = (event) => { if (event.detail.ctx?.sourceElement === form && now?.asked) { putBack(); tell("It could not be saved. It stays where it was."); } };
document.addEventListener("htmx:error", failed);
document.addEventListener("htmx:response:error", failed);
const putAway = () => {
  const of = placed.querySelector("[data-of]")?.dataset.of, had = placed.contains(document.activeElement);
  placed.replaceChildren();
  if (had) document.getElementById(`e-${of}`)?.focus();
};
placed.addEventListener("click", (event) => { if (event.target.closest("[data-put-away]")) putAway(); });
