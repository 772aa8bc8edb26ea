/* data-timer="minutes": counts the minutes of a call into the field of this name, from the press on; a second press stops it. */
const timers = new Map();
const counted = (button) => {
  const since = timers.get(button), seconds = Math.floor((Date.now() - since) / 1000);
  if (!button.isConnected) { clearInterval(button.ticking); timers.delete(button); return; }
  button.textContent = `Stop ${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
};
const showTimers = () => { for (const button of document.querySelectorAll("[data-timer][hidden]")) button.hidden = false; };
showTimers();
for (const drawn of ["htmx:after:swap", "almoner-page"]) document.addEventListener(drawn, showTimers);
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-timer]");
  if (!button) return;
  if (!timers.has(button)) {
    timers.set(button, Date.now());
    button.ticking = setInterval(counted, 1000, button);
    counted(button);
    return;
  }
  clearInterval(button.ticking);
  const field = button.form.elements[button.dataset.timer];
  field.value = Math.max(1, Math.round((Date.now() - timers.get(button)) / 60_000));
  timers.delete(button);
  button.textContent = "Start timer";
  field.dispatchEvent(new Event("input", { bubbles: true }));
});
