/* Putting elsewhere and booking by mouse or pen. A finger scrolls; its way is the appointment's own page. */
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
