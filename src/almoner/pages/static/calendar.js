/* What the calendar does in the browser: appointments are put elsewhere by mouse or keyboard, and empty stretches are booked.

   data-carry="id"     an appointment that can be put elsewhere; data-date, -time, -minutes: where it is on the reader's clock (no time: on
                       the day as a whole); data-start, -end, -calendar: the same as the API tells it, which a save is compared with
   data-edge           its lower edge, which changes how long it takes
   data-date           where one can be put: a day's hours (data-hours), its strip for whole days (data-whole), or a cell of a table;
                       data-worker: whose, where it is one's alone
   #place, #placed     the form that asks the server, and where the answer comes in; data-done: it is done; data-put-away closes it */
(() => {
  "use strict";
  const calendar = document.getElementById("calendar"), form = document.getElementById("place"), placed = document.getElementById("placed");
  if (!calendar) return;
  const { tell } = almoner;
  const SNAP = 15, DAY = 1440, FAR = 4;
  const hours = () => calendar.querySelector(".cal");
  const minutesOf = (time) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
  /* As the server reads it, whoever reads the page. */
  const clock = (minutes) => `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;
  const later = (date, days) => new Date(Date.parse(date) + days * 86_400_000).toISOString().slice(0, 10);
  const dayInWords = (date) => new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long", timeZone: "UTC" }).format(new Date(date));
  const between = (least, value, most) => Math.max(least, Math.min(most, value));

  /* Where not every day fits beside the others, today is the one that is in view. */
  const scroller = calendar.querySelector(".cal-scroll"), today = scroller?.querySelector(".cal-day.today, td.today");
  if (today && scroller.scrollWidth > scroller.clientWidth) {
    const { left, right } = today.getBoundingClientRect(), room = scroller.getBoundingClientRect(), beside = scroller.querySelector(".cal-hours, th[scope=row]");
    if (right > room.right || left < room.left) scroller.scrollLeft += left - room.left - (beside?.offsetWidth ?? 0);
  }

  /* Places: a day's hours begin with data-from, and are as high as their lines. */
  const minuteAt = (body, y) => {
    const { top, height } = body.getBoundingClientRect(), first = Number(hours().dataset.from);
    return first * 60 + (y - top) / height * body.querySelectorAll(".cal-hour").length * 60;
  };
  const reach = (body) => { const first = Number(hours().dataset.from) * 60; return [first, first + body.querySelectorAll(".cal-hour").length * 60]; };
  const like = (target) => [...calendar.querySelectorAll("whole" in target.dataset ? "[data-whole]" : ".cal-body[data-date], td[data-date]")];
  const narrow = matchMedia("(max-width: 700px)");
  const targetAt = (x, y) => document.elementsFromPoint(x, y).map((one) => one.closest("[data-date]:not([data-carry])")).find((one) => one && calendar.contains(one));
  const put = (ghost, first, last) => {
    const fives = Math.max(1, Math.round((last - first) / 5));
    Object.assign(ghost.dataset, { h: Math.floor(first / 60), m: Math.floor(first % 60 / 5), lh: Math.floor(fives / 12), lm: fives % 12 });
  };

  /* What is being put elsewhere, or chosen to be booked: one at a time. */
  let now = null;
  const hold = () => calendar.setAttribute("data-held", "");
  const redraw = () => calendar.dispatchEvent(new Event("refresh"));
  const letGo = () => {
    now?.ghost.remove();
    now?.element?.classList.remove("cal-lifted");
    for (const one of calendar.querySelectorAll(".cal-over")) one.classList.remove("cal-over");
    document.documentElement.classList.remove("cal-moving");
    calendar.removeAttribute("data-held");
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
    for (const one of calendar.querySelectorAll(".cal-over")) one.classList.remove("cal-over");
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
    for (const one of form.querySelectorAll("input:not([name=csrf])")) one.remove();
    for (const [name, value] of Object.entries(values)) form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
    now.ghost.classList.add("waiting");
    now.asked = true;
    form.requestSubmit();
  };
  const isElsewhere = () => now.into !== now.home || now.time !== now.own.time || now.length !== now.own.length;

  /* The answer stands at the place that was meant: below it, above it where there is no room, and never beyond the calendar. */
  const standAt = (box) => {
    const room = placed.parentElement.getBoundingClientRect(), { width, height } = placed.getBoundingClientRect();
    const below = box.bottom + 8 + height < innerHeight || box.top - height < room.top;
    placed.style.left = `${between(0, box.left - room.left, room.width - width)}px`;
    placed.style.top = `${(below ? box.bottom + 8 : box.top - 8 - height) - room.top}px`;
  };
  document.addEventListener("htmx:after:swap", (event) => {
    const { ctx } = event.detail;
    if (ctx.target !== placed) return;
    const done = Boolean(placed.querySelector("[data-done]")), box = now?.ghost.getBoundingClientRect(), byKeys = now?.byKeys;
    placed.removeAttribute("style");
    if (box && !done) standAt(box);
    if (done) { now?.ghost.classList.remove("waiting"); calendar.removeAttribute("data-held"); redraw(); } else putBack();
    if (byKeys && !done) placed.querySelector("[data-first]")?.focus();
  });
  /* What was put elsewhere is there once the calendar is drawn anew. */
  document.addEventListener("htmx:after:swap", (event) => { if (event.detail.ctx.target === calendar && now?.asked) letGo(); });
  document.addEventListener("htmx:before:request", (event) => { if (event.detail.ctx.sourceElement === calendar && "held" in calendar.dataset) event.preventDefault(); });
  const failed = (event) => { if (event.detail.ctx?.sourceElement === form && now?.asked) { putBack(); tell("It could not be saved. It stays where it was."); } };
  document.addEventListener("htmx:error", failed);
  document.addEventListener("htmx:response:error", failed);
  const putAway = () => {
    const of = placed.querySelector("[data-of]")?.dataset.of, had = placed.contains(document.activeElement);
    placed.replaceChildren();
    if (had) document.getElementById(`e-${of}`)?.focus();
  };
  placed.addEventListener("click", (event) => { if (event.target.closest("[data-put-away]")) putAway(); });

  /* By mouse or pen. A finger scrolls; its way is the appointment's own page. */
  let from = null, suppressed = false;
  const follow = (event) => {
    const { clientX: x, clientY: y } = event;
    if (!now.moved) { if (Math.hypot(x - from.x, y - from.y) < FAR) return; raise(); }
    from.last = { x, y };
    const over = targetAt(x, y);
    if (now.mode === "end") {
      const until = Math.round(between(0, minuteAt(now.home, y), reach(now.home)[1]) / SNAP) * SNAP;
      now.length = Math.max(SNAP, until - now.time);
    } else if (over) {
      now.into = over;
      now.time = now.own.time;
      if ("hours" in over.dataset) {
        const meant = minuteAt(over, y) - from.within;
        if (now.time === null) now.time = between(reach(over)[0], Math.floor(meant / SNAP) * SNAP, reach(over)[1] - SNAP);
        else if (Math.abs(meant - now.time) >= SNAP / 2) now.time = Math.round(meant / SNAP) * SNAP;
      }
    }
    show();
  };
  const choose = (event) => {
    const minute = between(reach(now.into)[0], minuteAt(now.into, event.clientY), reach(now.into)[1]);
    if (!now.moved && Math.abs(event.clientY - from.y) < FAR) return;
    if (!now.moved) { now.moved = true; hold(); clear(); document.documentElement.classList.add("cal-moving"); }
    const there = Math.floor(minute / SNAP) * SNAP;
    now.time = Math.min(now.anchor, there);
    now.length = Math.max(now.anchor, there) + SNAP - now.time;
    show();
  };
  const scroll = () => {
    if (!now?.moved || !from?.last) return;
    const { y } = from.last, step = y < 72 ? -12 : y > innerHeight - 48 ? 12 : 0;
    if (step) scrollBy(0, step);
    requestAnimationFrame(scroll);
  };
  calendar.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.pointerType === "touch" || event.ctrlKey || event.metaKey || event.shiftKey || now || narrow.matches) return;
    const element = event.target.closest("[data-carry]"), body = event.target.closest(".cal-body[data-hours]");
    if (element) {
      lift(element, event.target.closest("[data-edge]") ? "end" : "move");
      const within = "hours" in now.home.dataset && now.time !== null ? minuteAt(now.home, event.clientY) - now.time : 0;
      from = { x: event.clientX, y: event.clientY, within };
      now.step = follow;
    } else if (body && !event.target.closest(".cal-event")) {
      const at = minuteAt(body, event.clientY);
      now = { into: body, ghost: ghostOf("New appointment"), anchor: Math.floor(at / SNAP) * SNAP, time: Math.floor(at / 30) * 30, length: 0, moved: false, books: true, step: choose };
      from = { x: event.clientX, y: event.clientY };
      event.preventDefault();
    }
  });
  document.addEventListener("pointermove", (event) => {
    if (!now?.step || now.asked) return;
    const before = now.moved;
    now.step(event);
    if (!before && now?.moved) requestAnimationFrame(scroll);
  });
  document.addEventListener("pointerup", (event) => {
    if (!now?.step || now.asked) return;
    suppressed = now.moved;
    setTimeout(() => { suppressed = false; });
    if (now.books) {
      const { into, time, length } = now, query = new URLSearchParams({ worker: into.dataset.worker, date: into.dataset.date, time: clock(time) });
      if (length) query.set("minutes", length);
      const isHere = event.target.closest?.(".cal-body") === into || now.moved;
      letGo();
      suppressed = true;
      if (isHere) location.assign(`/calendar/new?${query}`);
    } else if (now.moved && isElsewhere()) ask();
    else if (now.moved) putBack();
    else letGo();
    from = null;
  });
  document.addEventListener("pointercancel", () => { if (now?.step && !now.asked) { putBack(); from = null; } });
  document.addEventListener("click", (event) => { if (suppressed && calendar.contains(event.target)) { event.preventDefault(); suppressed = false; } }, true);
  calendar.addEventListener("dragstart", (event) => event.preventDefault());

  /* By keyboard: Alt and the arrows carry what has the focus, Enter puts it down, Escape leaves it. */
  const STEPS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
  const carry = ([across, down], isLonger) => {
    const all = like(now.into), at = all.indexOf(now.into);
    if (isLonger) {
      if (!down || now.time === null || !("hours" in now.into.dataset)) return;
      now.length = Math.max(SNAP, now.length + down * SNAP);
    } else if ("hours" in now.into.dataset && down) {
      const [first, last] = reach(now.into);
      now.time = between(first, now.time + down * SNAP, last - SNAP);
    } else {
      const row = now.into.closest("tr")?.querySelectorAll("td").length ?? 0;
      const next = all[at + across + down * row];
      if (!next) { tell("Further away than this page shows: its own page moves it anywhere."); return; }
      now.into = next;
    }
    show();
    now.into.scrollIntoView?.({ block: "nearest", inline: "nearest" });
    now.ghost.scrollIntoView({ block: "nearest", inline: "nearest" });
    tell(`${now.name}: ${inWords()}. Enter puts it there, Escape leaves it.`);
  };
  document.addEventListener("keydown", (event) => {
    const element = event.target.closest?.("[data-carry]"), step = STEPS[event.key];
    if (now?.byKeys && !now.asked && (event.key === "Enter" || event.key === "Escape")) {
      event.preventDefault();
      event.stopPropagation();
      if (event.key === "Enter" && isElsewhere()) return ask();
      tell("It stays where it was.");
      return putBack();
    }
    if (event.key === "Escape" && now && !now.asked) { suppressed = true; return putBack(); }
    if (event.key === "Escape" && placed.firstElementChild) return putAway();
    if (!element || !step || !event.altKey || event.ctrlKey || event.metaKey || now?.asked || narrow.matches) return;
    event.preventDefault();
    event.stopPropagation();
    if (!now) { lift(element, "move"); now.byKeys = true; raise(); }
    if (now.byKeys) carry(step, event.shiftKey);
  }, true);
  calendar.addEventListener("focusout", () => { if (now?.byKeys && !now.asked) putBack(); });
})();
