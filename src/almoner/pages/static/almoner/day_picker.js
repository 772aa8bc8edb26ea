/* data-pick: a button that opens a calendar for the field of a day before it, which is a text in its reader's notation. Weeks begin as its
   reader's do: data-first-day of the page, 0 for Monday. Arrows move by days and weeks, Page Up and Page Down by months. */
const STEPS = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7 };
const dayOf = (year, month, day) => new Date(Date.UTC(year, month, day));
const later = (day, days) => new Date(day.valueOf() + days * 864e5);
/* The same day so many months on, or the last of that month. */
const monthsOn = (day, months) => {
  const last = dayOf(day.getUTCFullYear(), day.getUTCMonth() + months + 1, 0);
  return dayOf(last.getUTCFullYear(), last.getUTCMonth(), Math.min(day.getUTCDate(), last.getUTCDate()));
};
const written = (day) => day.toUTCString().slice(5, 16).replace(/^0/, "");
const inEnglish = (day, form) => day.toLocaleDateString("en-GB", { ...form, timeZone: "UTC" });
const part = (name, text, given = {}) => Object.assign(document.createElement(name), { textContent: text, ...given });
const monthTable = (at, today) => {
  const first = Number(document.documentElement.dataset.firstDay ?? 0), begins = dayOf(at.getUTCFullYear(), at.getUTCMonth(), 1);
  const monday = later(begins, -(((begins.getUTCDay() + 6) % 7) - first + 7) % 7);
  const table = part("table", ""), head = table.createTHead().insertRow(), body = table.createTBody();
  for (let day = 0; day < 7; day += 1) head.append(part("th", inEnglish(later(monday, day), { weekday: "short" }).slice(0, 2), { scope: "col" }));
  for (let week = monday; week < monthsOn(begins, 1); week = later(week, 7)) {
    const row = body.insertRow();
    for (let day = week; day < later(week, 7); day = later(day, 1)) {
      const button = part("button", String(day.getUTCDate()), { type: "button", value: written(day), tabIndex: Number(day) === Number(at) ? 0 : -1 });
      button.setAttribute("aria-label", `${inEnglish(day, { weekday: "long" })} ${day.getUTCDate()} ${inEnglish(day, { month: "long" })} ${day.getUTCFullYear()}`);
      if (day.getUTCMonth() !== at.getUTCMonth()) button.className = "other-month";
      if (Number(day) === Number(today)) button.setAttribute("aria-current", "date");
      row.insertCell().append(button);
    }
  }
  return table;
};
const openDays = (button, field) => {
  const now = new Date(), today = dayOf(now.getFullYear(), now.getMonth(), now.getDate()), entered = new Date(`${field.value} UTC`);
  const box = part("div", "", { className: "days", popover: "auto" });
  box.setAttribute("role", "dialog");
  box.setAttribute("aria-label", "Choose a day");
  let at = Number.isNaN(entered.valueOf()) ? today : dayOf(entered.getUTCFullYear(), entered.getUTCMonth(), entered.getUTCDate());
  const draw = (day, focus = '[tabindex="0"]') => {
    at = day;
    const head = part("div", "", { className: "days-head" });
    const turn = (months, sign, label) => { const button = part("button", sign, { type: "button", className: "quiet small button" }); button.setAttribute("aria-label", label); button.dataset.turn = months; return button; };
    head.append(turn(-1, "‹", "Month before"), part("strong", inEnglish(at, { month: "long", year: "numeric" })), turn(1, "›", "Month after"));
    box.replaceChildren(head, monthTable(at, today));
    box.querySelector(focus)?.focus();
  };
  box.addEventListener("click", ({ target }) => {
    if (target.dataset.turn) draw(monthsOn(at, Number(target.dataset.turn)), `[data-turn="${target.dataset.turn}"]`);
    if (!target.value) return;
    field.value = target.value;
    for (const name of ["input", "change"]) field.dispatchEvent(new Event(name, { bubbles: true }));
    box.hidePopover();
  });
  box.addEventListener("keydown", (event) => {
    const months = { PageUp: -1, PageDown: 1 }[event.key];
    if (event.key !== "Escape") event.stopPropagation();
    if (!months && !STEPS[event.key]) return;
    event.preventDefault();
    draw(months ? monthsOn(at, months) : later(at, STEPS[event.key]));
  });
  box.addEventListener("toggle", ({ newState }) => { if (newState === "closed") { box.remove(); button.focus(); } });
  button.after(box);
  box.showPopover();
  draw(at);
  const by = field.getBoundingClientRect(), below = by.bottom + box.offsetHeight + 8 < innerHeight;
  box.style.left = `${Math.max(8, Math.min(by.left, innerWidth - box.offsetWidth - 8))}px`;
  box.style.top = `${below ? by.bottom + 4 : Math.max(8, by.top - box.offsetHeight - 4)}px`;
};
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-pick]"), field = button?.parentElement.querySelector("[data-moment]");
  if (field) openDays(button, field);
});
