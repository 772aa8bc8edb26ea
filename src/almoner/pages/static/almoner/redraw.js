/* data-redraws: a choice that the form is drawn again for, by its [data-redraw] button, with what was typed. */
document.addEventListener("change", (event) => {
  const button = event.target.closest?.("[data-redraws]")?.form?.querySelector("[data-redraw]");
  if (button) button.form.requestSubmit(button);
});
