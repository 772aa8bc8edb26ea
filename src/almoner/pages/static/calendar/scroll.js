/* Where not every day fits beside the others, today is the one that is in view. */
const scroller = calendar.querySelector(".cal-scroll"), today = scroller?.querySelector(".cal-day.today, td.today");
if (today && scroller.scrollWidth > scroller.clientWidth) {
  const { left, right } = today.getBoundingClientRect(), room = scroller.getBoundingClientRect(), beside = scroller.querySelector(".cal-hours, th[scope=row]");
  if (right > room.right || left < room.left) scroller.scrollLeft += left - room.left - (beside?.offsetWidth ?? 0);
}
