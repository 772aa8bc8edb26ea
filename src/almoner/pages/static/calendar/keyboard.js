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
