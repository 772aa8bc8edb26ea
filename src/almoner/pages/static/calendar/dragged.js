/* What is being put elsewhere, or chosen to be booked, one at a time, and the shape that shows where it would be. */
let now = null;
const hold = () => calendar.setAttribute("data-paused", "");
const redraw = () => calendar.dispatchEvent(new Event("refresh"));
const letGo = () => {
  now?.ghost.remove();
  now?.element?.classList.remove("cal-lifted");
  for (const element of calendar.querySelectorAll(".cal-over")) element.classList.remove("cal-over");
  document.documentElement.classList.remove("cal-moving");
  calendar.removeAttribute("data-paused");
  now = null;
};
const putBack = () => { if (!now) return; letGo(); redraw(); };
const ghostOf = (name) => {
  const ghost = document.createElement("div");
  ghost.className = "cal-ghost";
  ghost.append(document.createElement("span"), Object.assign(document.createElement("strong"), { textContent: name }));
  return ghost;
};
/* The time is told from the day that it is held on: what began the day before began before its midnight. */
const ownTime = (element, home) => element.dataset.time ? minutesOf(element.dataset.time) - (Date.parse(home.dataset.date) - Date.parse(element.dataset.date)) / 60_000 : null;
const lift = (element, mode) => {
  const name = element.querySelector(".cal-name").textContent, home = element.closest("[data-date]:not([data-carry])");
  const time = ownTime(element, home), length = Number(element.dataset.minutes);
  now = { element, mode, name, home, into: home, own: { time, length }, time, length, moved: false, ghost: ghostOf(name) };
};
/* An answer about the last attempt goes with the next one; a way back stays until there is another. */
const clear = () => { if (!placed.querySelector("[data-done]")) placed.replaceChildren(); };
const raise = () => {
  now.moved = true;
  hold();
  clear();
  document.documentElement.classList.add("cal-moving");
  now.element.classList.add("cal-lifted");
};
/* Shows where it would be: among the hours as long as it is, in a cell or the strip of whole days as a line. */
const show = () => {
  const { into, ghost } = now;
  for (const element of calendar.querySelectorAll(".cal-over")) element.classList.remove("cal-over");
  into.classList.add("cal-over");
  if ("hours" in into.dataset) {
    const [first, last] = reach(into), length = now.length || 30;
    ghost.classList.add("cal-slot");
    put(ghost, between(first, now.time, last - SNAP), between(first + SNAP, now.time + length, last));
    ghost.firstChild.textContent = `${almoner.time((now.time + DAY) % DAY)}–${almoner.time((now.time + length) % DAY)}`;
    into.append(ghost);
  } else {
    ghost.classList.remove("cal-slot");
    ghost.firstChild.textContent = "whole" in into.dataset || now.time === null ? "all day" : almoner.time(now.time);
    (into.querySelector("ul") ?? into).append(ghost);
  }
};
const isOfAnother = () => Boolean(now.into.dataset.worker) && now.into.dataset.worker !== now.home.dataset.worker;
const inWords = () => {
  const who = now.into.closest("section, tr")?.querySelector("h2 a, th a")?.textContent ?? "";
  const when = now.time === null || "whole" in now.into.dataset ? "all day" : `${almoner.time((now.time + DAY) % DAY)}${now.length ? ` to ${almoner.time((now.time + now.length) % DAY)}` : ""}`;
  return `${dayInWords(now.into.dataset.date)}, ${when}${isOfAnother() ? `, ${who}` : ""}`;
};
