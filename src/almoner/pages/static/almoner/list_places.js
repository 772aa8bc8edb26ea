/* Back leads to the item of a list that one left the page from. */
const nameOf = (stop) => stop.id || stop.getAttribute("href");
const stops = () => [...document.querySelectorAll("[data-arrows] [data-stop]")];
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-arrows] a[href]");
  const stop = link && (link.closest("[data-stop]") || link.closest("li, tr")?.querySelector("[data-stop]"));
  if (stop && !link.closest(".find")) history.replaceState({ ...history.state, item: nameOf(stop) }, "");
});
const left = history.state?.item;
if (left) stops().find((stop) => nameOf(stop) === left)?.focus();
