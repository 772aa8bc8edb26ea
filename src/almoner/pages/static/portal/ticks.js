/* data-ticks="name": a box that ticks every box of that name in its form. */
document.addEventListener("change", (event) => {
  const name = event.target.dataset?.ticks;
  if (name) for (const box of event.target.form.querySelectorAll(`[name="${CSS.escape(name)}"]`)) box.checked = event.target.checked;
});
