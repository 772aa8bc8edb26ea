/* A choice of many, such as of workers or time zones, is a box to type into: what has all the words that were typed, in plain letters, stands
   below, arrows move in it, Enter takes it. The select stays in the form, and is what is sent. */
const MANY = 15, SHOWN = 60;
const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().replaceAll("_", " ");
const dress = (select) => {
  const place = Object.assign(document.createElement("span"), { className: "combobox" });
  const box = Object.assign(document.createElement("input"), { type: "text", id: `${select.id || select.name}-box`, autocomplete: "off", spellcheck: false, disabled: select.disabled });
  const list = Object.assign(document.createElement("ul"), { popover: "manual", id: `${select.id || select.name}-options` });
  const label = select.labels[0];
  if (label) label.id ||= `${select.id}-label`;
  const says = { role: "combobox", "aria-expanded": "false", "aria-controls": list.id, "aria-autocomplete": "list", "aria-labelledby": label?.id, "aria-label": select.ariaLabel };
  for (const name of ["aria-describedby", "aria-invalid", "aria-required"]) says[name] = select.getAttribute(name);
  for (const [name, value] of Object.entries(says)) if (value) box.setAttribute(name, value);
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "What fits");
  select.classList.add("visually-hidden");
  select.tabIndex = -1;
  select.setAttribute("aria-hidden", "true");
  select.dataset.dressed = "yes";
  let at = -1;
  /* What is missing is said by the browser at the box, since nobody sees the select. */
  const missing = select.required ? Object.assign(document.createElement("select"), { required: true }).validationMessage : "";
  if (select.required) box.setAttribute("aria-required", "true");
  select.required = false;
  const shows = () => { box.value = select.selectedOptions[0]?.text ?? ""; box.setCustomValidity(select.value ? "" : missing); };
  const options = () => [...list.children];
  const frame = (next) => {
    at = next;
    for (const [number, option] of options().entries()) option.setAttribute("aria-selected", String(number === at));
    const option = options()[at];
    if (option) { box.setAttribute("aria-activedescendant", option.id); option.scrollIntoView({ block: "nearest" }); } else box.removeAttribute("aria-activedescendant");
  };
  const fill = (words) => {
    const fits = [...select.options].filter((option) => !option.disabled && words.every((word) => plain(`${option.text} ${option.parentElement.label ?? ""}`).includes(word)));
    list.replaceChildren(...fits.slice(0, SHOWN).map((option, number) => {
      const item = Object.assign(document.createElement("li"), { textContent: option.text, id: `${list.id}-${number}` });
      item.setAttribute("role", "option");
      item.dataset.index = option.index;
      return item;
    }));
    frame(words.length ? (fits.length ? 0 : -1) : fits.slice(0, SHOWN).findIndex((option) => option.selected));
  };
  const open = (words = []) => {
    if (!list.matches(":popover-open")) list.showPopover();
    const by = box.getBoundingClientRect();
    fill(words);
    Object.assign(list.style, { left: `${by.left}px`, minWidth: `${by.width}px` });
    list.style.top = `${by.bottom + list.offsetHeight + 4 < innerHeight || by.top < list.offsetHeight ? by.bottom + 2 : by.top - list.offsetHeight - 2}px`;
    box.setAttribute("aria-expanded", "true");
  };
  const close = () => { if (list.matches(":popover-open")) list.hidePopover(); box.setAttribute("aria-expanded", "false"); frame(-1); shows(); };
  const take = (item) => {
    const changed = item && select.selectedIndex !== Number(item.dataset.index);
    if (changed) select.selectedIndex = Number(item.dataset.index);
    close();
    if (changed) for (const name of ["input", "change"]) select.dispatchEvent(new Event(name, { bubbles: true }));
  };
  box.addEventListener("focus", () => { select.dispatchEvent(new FocusEvent("focus")); box.select(); });
  box.addEventListener("pointerdown", () => setTimeout(() => open()));
  box.addEventListener("input", () => open(plain(box.value).split(/\s+/).filter(Boolean)));
  box.addEventListener("blur", () => close());
  box.addEventListener("keydown", (event) => {
    const isOpen = list.matches(":popover-open"), step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) { event.preventDefault(); if (isOpen) frame((at + step + options().length) % (options().length || 1)); else open(); }
    if (isOpen && event.key === "Enter") { event.preventDefault(); take(options()[at]); }
    if (isOpen && event.key === "Escape") { event.preventDefault(); event.stopPropagation(); close(); }
  });
  list.addEventListener("pointerdown", (event) => { event.preventDefault(); take(event.target.closest("li")); });
  select.addEventListener("focus", (event) => { if (event.isTrusted) box.focus(); });
  select.addEventListener("change", shows);
  select.form?.addEventListener("reset", () => setTimeout(shows));
  select.addEventListener("htmx:after:swap", () => { if (document.activeElement === box) open(plain(box.value === select.selectedOptions[0]?.text ? "" : box.value).split(/\s+/).filter(Boolean)); });
  place.append(box, list);
  select.after(place);
  shows();
};
const dressAll = () => { for (const select of document.querySelectorAll("select:not([multiple], [data-dressed])")) if (select.options.length > MANY || select.matches("[hx-get]")) dress(select); };
dressAll();
for (const drawn of ["htmx:after:swap", "almoner-page"]) document.addEventListener(drawn, dressAll);
