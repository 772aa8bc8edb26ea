/* Where in the calendar a pointer is: a day's hours begin with data-from, and are as high as their lines. */
const minuteAt = (body, y) => {
  const { top, height } = body.getBoundingClientRect(), first = Number(hours().dataset.from);
  return first * 60 + (y - top) / height * body.querySelectorAll(".cal-hour").length * 60;
};
const reach = (body) => { const first = Number(hours().dataset.from) * 60; return [first, first + body.querySelectorAll(".cal-hour").length * 60]; };
const like = (target) => [...calendar.querySelectorAll("whole" in target.dataset ? "[data-whole]" : ".cal-body[data-date], td[data-date]")];
const narrow = matchMedia("(max-width: 700px)");
const targetAt = (x, y) => document.elementsFromPoint(x, y).map((element) => element.closest("[data-date]:not([data-carry])")).find((element) => element && calendar.contains(element));
const put = (ghost, first, last) => {
  const fives = Math.max(1, Math.round((last - first) / 5));
  Object.assign(ghost.dataset, { h: Math.floor(first / 60), m: Math.floor(first % 60 / 5), lh: Math.floor(fives / 12), lm: fives % 12 });
};
