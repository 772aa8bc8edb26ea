/* data-mentions="path": a text in which @ and the beginning of a name suggests colleagues, in the list #mentions. Arrows choose, Enter or Tab
   puts the name in, Esc closes the list alone. */
const begun = /(?:^|[^\w@.])@([\p{L}\p{M}\p{N}'’.-]+(?: [\p{L}\p{M}\p{N}'’.-]*){0,3})$/u;
const listOf = () => document.getElementById("mentions");
const closeNames = (text) => { const list = listOf(); if (list) { list.hidden = true; list.replaceChildren(); } text.removeAttribute("aria-activedescendant"); };
const chosen = () => listOf()?.querySelector("[aria-selected=true]");
const choose = (text, option) => {
  chosen()?.setAttribute("aria-selected", "false");
  option.setAttribute("aria-selected", "true");
  text.setAttribute("aria-activedescendant", option.id);
  option.scrollIntoView({ block: "nearest" });
};
const term = (text) => text.value.slice(0, text.selectionStart).match(begun)?.[1];
const suggest = async (text) => {
  const asked = term(text);
  // A name that was just put in is whole: the list would open again with it alone, and take the next Enter.
  if (!asked || asked === text.dataset.mentioned) return closeNames(text);
  const query = new URLSearchParams({ q: asked, note_type: text.form.elements.note_type?.value ?? "" });
  const response = await fetch(`${text.dataset.mentions}?${query}`, { headers: { "HX-Request": "true" } });
  if (!response.ok || term(text) !== asked || document.activeElement !== text) return;
  const list = listOf();
  list.innerHTML = await response.text();
  list.hidden = !list.children.length;
  if (list.hidden) closeNames(text); else choose(text, list.firstElementChild);
};
const putIn = (text, name) => {
  const at = text.selectionStart, from = at - term(text).length;
  text.dataset.mentioned = `${name} `;
  text.setRangeText(text.dataset.mentioned, from, at, "end");
  closeNames(text);
  text.dispatchEvent(new Event("input", { bubbles: true }));
};
document.addEventListener("input", (event) => { if (event.target.matches?.("[data-mentions]")) suggest(event.target); });
document.addEventListener("focusout", (event) => { if (event.target.matches?.("[data-mentions]")) closeNames(event.target); });
document.addEventListener("mousedown", (event) => {
  const option = event.target.closest?.("#mentions [role=option]"), text = document.querySelector("[data-mentions]");
  if (!option || !text) return;
  event.preventDefault();
  putIn(text, option.textContent);
});
document.addEventListener("keydown", (event) => {
  const text = event.target, list = listOf();
  if (!text.matches?.("[data-mentions]") || !list || list.hidden || event.ctrlKey || event.metaKey) return;
  const option = chosen();
  if (event.key === "ArrowDown") choose(text, option.nextElementSibling ?? list.firstElementChild);
  else if (event.key === "ArrowUp") choose(text, option.previousElementSibling ?? list.lastElementChild);
  else if (event.key === "Enter" || event.key === "Tab") putIn(text, option.textContent);
  else if (event.key === "Escape") closeNames(text);
  else return;
  event.preventDefault();
  event.stopImmediatePropagation();
}, true);
