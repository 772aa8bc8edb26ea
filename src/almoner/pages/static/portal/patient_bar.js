/* How high the bar of a patient is: it grows with the name and the screen, and what sticks or has the focus stays below it. */
const bar = document.querySelector("[data-patient-bar]");
if (bar) new ResizeObserver(() => document.documentElement.style.setProperty("--bar", `${bar.offsetHeight}px`)).observe(bar);
