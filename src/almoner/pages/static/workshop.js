/* What pages of the Workshop do beyond almoner.js, which comes before:

   data-sort            a list whose items (with data-item) are dragged by their [data-grip]; the buttons inside do the same by keyboard.
                        Items go from one list to another where both have the same value
   data-filters="#id"   a field that shows only those items of the lists in there that hold what is typed
   data-suggests="id"   a label whose words become the name in that field, until somebody types one there (data-own)
   data-file-into="#id" a chosen file is read into that field, up to data-file-limit bytes
   data-line="12"       a link to a field selects that line of it */
(() => {
  "use strict";
  const { tell } = almoner;

  /* Dragging: the list sends its new order; the buttons of each item do the same without a mouse. */
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
    const form = list?.closest("form[data-guard]");
    if (form) form.dataset.changed = "yes";
    if (list) htmx.trigger(list, "sorted");
  });

  /* Long lists: every word that is typed must be somewhere in an item. What is hidden keeps its place in the order. */
  const filter = () => {
    for (const field of document.querySelectorAll("[data-filters]")) {
      field.hidden = false;
      const words = field.querySelector("input").value.toLowerCase().split(/\s+/).filter(Boolean);
      const items = [...document.querySelectorAll(`${field.dataset.filters} [data-item]`)];
      for (const item of items) {
        const text = (item.querySelector(".grow") ?? item).textContent.toLowerCase();
        item.hidden = !words.every((word) => text.includes(word));
      }
      const shown = items.filter((item) => !item.hidden).length;
      field.querySelector("[data-filtered]").textContent = words.length ? `${shown} of ${items.length}` : "";
    }
  };
  document.addEventListener("input", (event) => { if (event.target.closest("[data-filters]")) filter(); });
  for (const drawn of ["htmx:after:swap", "almoner-page"]) document.addEventListener(drawn, filter);
  filter();

  /* Names that follow a label */
  document.addEventListener("input", (event) => {
    if (event.target.id && document.querySelector(`[data-suggests="${CSS.escape(event.target.id)}"]`)) event.target.dataset.own = "yes";
    const name = event.target.dataset?.suggests && document.getElementById(event.target.dataset.suggests);
    if (!name || name.dataset.own) return;
    const bare = event.target.value.normalize("NFKD").replace(/[^\x00-\x7f]/g, "").toLowerCase();
    name.value = (bare.match(/[a-z0-9]+/g) ?? []).join("_").slice(0, 60).replace(/_+$/, "");
  });

  /* Files: read here into a field, so that they go the way of what is typed; and a line of a long text is found for the reader. */
  document.addEventListener("change", async (event) => {
    const { fileInto, fileLimit } = event.target.dataset ?? {};
    const file = fileInto && event.target.files[0];
    if (!file) return;
    if (file.size > Number(fileLimit)) { tell("This file is too long to be sent."); event.target.setCustomValidity("This file is too long to be sent."); event.target.reportValidity(); return; }
    event.target.setCustomValidity("");
    const into = document.querySelector(fileInto);
    into.value = await file.text();
    into.dispatchEvent(new Event("input", { bubbles: true }));
    tell(`${file.name} was read.`);
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-line]");
    const into = link && document.querySelector(link.hash);
    if (!into) return;
    event.preventDefault();
    const lines = into.value.split("\n"), number = Number(link.dataset.line) - 1;
    const start = lines.slice(0, number).join("\n").length + (number ? 1 : 0);
    into.focus();
    into.setSelectionRange(start, start + (lines[number] ?? "").length);
    into.scrollTop = Math.max(0, (number - 3) * into.scrollHeight / lines.length);
  });
})();
