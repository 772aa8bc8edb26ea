/* data-redraws: a choice that the form is drawn again for, by its [data-redraw] button, with what was typed. Who chooses by typing is not
   done with the first key: a form drawn anew would take the next ones for another choice. It is drawn once they pause for as long as the
   browser itself takes keys for one word, or go on to another control. */
const PAUSE = 1000;
let choosing = null, typedAt = null;
const chosen = () => { clearTimeout(choosing?.timer); choosing = null; };
const redraw = (control) => {
  chosen();
  const button = control.form?.querySelector("[data-redraw]");
  if (button?.isConnected) button.form.requestSubmit(button);
};
const waitFor = (control) => {
  chosen();
  choosing = { control, timer: setTimeout(redraw, PAUSE, control) };
};
document.addEventListener("keydown", (event) => {
  typedAt = event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey ? event.target : null;
  if (typedAt && choosing?.control === typedAt) waitFor(typedAt);
}, true);
document.addEventListener("pointerdown", () => { typedAt = null; }, true);
document.addEventListener("change", (event) => {
  const control = event.target;
  if (!control.matches?.("[data-redraws]")) return;
  if (control === typedAt && control === document.activeElement && !control.matches("[type=checkbox], [type=radio]")) waitFor(control); else redraw(control);
});
document.addEventListener("focusout", (event) => { if (choosing?.control === event.target) redraw(event.target); });
document.addEventListener("submit", (event) => { if (choosing?.control.form === event.target) chosen(); }, true);
