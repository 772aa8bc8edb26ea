/* data-filters="#id": a field that shows only those items of the lists in there that hold every word that is typed. What is hidden keeps
   its place in the order. */
const filter = () => {
  for (const field of document.querySelectorAll("[data-filters]")) {
    field.hidden = false;
    const words = field.querySelector("input").value.toLowerCase().split(/\s+/).filter(Boolean);
    const items = [...document.querySelectorAll(`${field.dataset.filters} [data-item]`)];
    for (const item of items) {
      const text = (item.querySelector(".grow") ?? item).textContent.toLowerCase();
      item.hidden = !words.every((word) => text.includes(word));
    }
    const visible = items.filter((item) => !item.hidden).length;
    field.querySelector("[data-filtered]").textContent = words.length ? `${visible} of ${items.length}` : "";
  }
};
document.addEventListener("input", (event) => { if (event.target.closest("[data-filters]")) filter(); });
for (const drawn of ["htmx:after:swap", "almoner-page"]) document.addEventListener(drawn, filter);
filter();
