/* data-pick: a button that opens the browser's calendar for the field of a day before it, which is a text in its reader's notation. */
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-pick]"), field = button?.parentElement.querySelector("[data-moment]");
  if (!field) return;
  const native = Object.assign(document.createElement("input"), { type: "date", className: "visually-hidden", tabIndex: -1 });
  native.setAttribute("aria-hidden", "true");
  const written = new Date(`${field.value} UTC`);
  if (!Number.isNaN(written.valueOf())) native.value = written.toISOString().slice(0, 10);
  native.addEventListener("change", () => {
    if (!native.value) return;
    field.value = new Date(native.value).toUTCString().slice(5, 16).replace(/^0/, "");
    for (const name of ["input", "change"]) field.dispatchEvent(new Event(name, { bubbles: true }));
  });
  native.addEventListener("blur", () => native.remove());
  button.before(native);
  native.showPicker();
});
