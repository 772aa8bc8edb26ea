/* data-shows-keys opens the list of the keys that work on the page, as "?" does: made of what is on it when somebody asks. */
const words = (element) => {
  const copy = element.cloneNode(true);
  for (const aside of copy.querySelectorAll("kbd, [aria-hidden], .badge-place")) aside.remove();
  return element.getAttribute("aria-label") || copy.textContent.trim().replace(/\s+/g, " ");
};
const NAMES = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Enter: "Enter" };
const showKeys = () => {
  const keys = new Map();
  const here = framed(document.activeElement), cover = here?.querySelector("a.cover");
  for (const element of working(here)) if (!keys.has(element.dataset.key)) keys.set(element.dataset.key, words(element));
  if (cover) keys.set("Enter", `Open ${words(cover)}`);
  if (document.querySelector("[data-search]")) keys.set("/", "Find a patient");
  if (document.querySelector("[data-arrows] [data-stop]")) keys.set("↑ ↓", "Up and down in the list");
  if ([...document.querySelectorAll("textarea")].some((field) => primary(field.form))) keys.set("Ctrl + Enter", "Send what is typed");
  keys.set("?", "This list");
  keys.set("Esc", "Close what is open");
  document.querySelector("#keys dl").replaceChildren(...[...keys].flatMap(([key, does]) => {
    const term = document.createElement("dt"), definition = document.createElement("dd");
    term.append(Object.assign(document.createElement("kbd"), { textContent: NAMES[key] ?? key }));
    definition.textContent = does;
    return [term, definition];
  }));
  document.getElementById("keys").showModal();
};
document.addEventListener("click", (event) => { if (event.target.closest("[data-shows-keys]")) showKeys(); });
