/* What the server is asked. A day that it only began on, or ends on, moves with the one that was held. */
const ask = () => {
  const { element, into } = now, { start, end, calendar: whose, date } = element.dataset;
  const json = (value) => JSON.stringify(value || null), whole = "whole" in into.dataset;
  const over = whole || now.time === null ? 0 : Math.floor(now.time / DAY), first = (now.time ?? 0) - over * DAY;
  const values = {
    event: element.dataset.carry, date: later(into.dataset.date, over),
    "was.start_time": json(start), "was.end_time": json(end), "was.day": json(start ? "" : date), "was.calendar_id": json(whose),
  };
  if (whole) values.all_day = "on";
  else if ("hours" in into.dataset) values.time = clock(first);
  if (now.length !== now.own.length) Object.assign(values, { until_date: later(values.date, Math.floor((first + now.length) / DAY)), until: clock((first + now.length) % DAY) });
  if (isOfAnother()) values.worker = into.dataset.worker;
  for (const field of form.querySelectorAll("input:not([name=csrf])")) field.remove();
  for (const [name, value] of Object.entries(values)) form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
  now.ghost.classList.add("waiting");
  now.asked = true;
  form.requestSubmit();
};
const isElsewhere = () => now.into !== now.home || now.time !== now.own.time || now.length !== now.own.length;
