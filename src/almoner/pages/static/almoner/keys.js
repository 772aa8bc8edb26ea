/* The keyboard, outside of fields.

   data-key="d"        the letter that clicks this
   data-arrows         a list whose items (data-stop) the arrow keys and j and k move through; "now": also from outside, where nothing has the focus
   data-keys           an item whose letters work while the focus is in it, and Enter opens its a.cover; "now": also while it is in no other.
                       Of a list that is reached from outside it is the item that had the focus last: what its letter opened takes the focus away
   data-keys-first     what has letters that go before those of an item, while it is in view
   data-search         the search's box, which "/" goes to, and Ctrl+K or Cmd+K from anywhere

   data-sheet          a form that Ctrl+Enter sends from any of its fields

   And without being asked: Ctrl+Enter in a long text clicks its form's primary button. */
const primary = (form) => form?.querySelector(".primary.button:not([type=button], a, [disabled])");
/* The item that is framed, and what a letter works on: first what is in it, then what is in no other. */
const framed = (element) => element.closest?.("[data-keys]") || document.querySelector('[data-keys="now"]');
const working = (here) => [...document.querySelectorAll("[data-keys-first] [data-key]"), ...(here?.querySelectorAll("[data-key]") ?? []), ...document.querySelectorAll("[data-key]")]
  .filter((element) => element.getClientRects().length && [null, here].includes(element.closest("[data-keys]")));
const searches = () => {
  const search = document.querySelector("dialog[open]") ? null : document.querySelector("[data-search]");
  search?.focus();
  search?.select();
  return search;
};
document.addEventListener("focusin", (event) => {
  const here = event.target.closest?.('[data-arrows="now"] [data-keys]');
  if (!here) return;
  for (const before of document.querySelectorAll('[data-keys="now"]')) before.dataset.keys = "";
  here.dataset.keys = "now";
});
const MOVES = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 };
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.matches("textarea, [data-sheet] *") && !event.isComposing) {
    const button = primary(event.target.form);
    if (button) { event.preventDefault(); button.click(); }
    return;
  }
  if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key === "k") { if (searches()) event.preventDefault(); return; }
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.key === "Escape") {
    const open = event.target.closest?.("details[open].menu") || document.querySelector("details[open].menu");
    if (open) { open.open = false; open.querySelector("summary").focus(); }
    return;
  }
  if ((editable(event.target) && !event.target.matches("[type=checkbox]")) || document.querySelector("dialog[open]")) return;
  if (event.key === "?") { event.preventDefault(); showKeys(); return; }
  if (event.key === "/") {
    if (searches()) event.preventDefault();
    return;
  }
  const here = framed(event.target);
  const list = event.target.closest?.("[data-arrows]") || (event.target.matches?.("body, main") && document.querySelector('[data-arrows="now"]'));
  if (list && event.key in MOVES) {
    const stops = [...list.querySelectorAll("[data-stop]")];
    const next = stops[stops.indexOf(event.target.closest("[data-stop]") || here) + MOVES[event.key]];
    if (next) { event.preventDefault(); next.focus(); }
    return;
  }
  const cover = event.key === "Enter" && (event.target === here || event.target.matches?.("body, main")) && here?.querySelector("a.cover");
  if (cover) { event.preventDefault(); cover.click(); return; }
  const action = working(here).find((element) => element.dataset.key === event.key);
  if (action && !event.shiftKey) { event.preventDefault(); action.click(); }
});
