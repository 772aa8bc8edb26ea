/* What is typed while an answer is under way is not lost when the answer replaces the form: it goes into the same control again. The
   same control is the one of that id in a form about the same thing; and what a link opened is something else.

   data-part           what a form is about, where forms of one address and with the same fields are about different things */
const controls = (root) => [...root.querySelectorAll("input[id]:not([type=hidden], [type=file]), select[id], textarea[id]")];
const state = (control) => (["checkbox", "radio"].includes(control.type) ? control.checked : control.value);
const about = ({ form }) => form && `${form.getAttribute("action")} ${form.dataset.part ?? ""}`;
const asked = new WeakMap();
let entered = [];
document.addEventListener("htmx:before:request", (event) => {
  const { ctx } = event.detail;
  if (ctx.sourceElement.matches("a") || !(ctx.target instanceof Element)) return;
  asked.set(ctx, new Map(controls(ctx.target).map((control) => [control.id, { before: state(control), thing: about(control) }])));
});
document.addEventListener("htmx:before:swap", (event) => {
  const { ctx } = event.detail, then = asked.get(ctx);
  entered = !then || !(ctx.target instanceof Element) ? [] : controls(ctx.target).flatMap((control) => {
    const { id } = control, { before, thing } = then.get(id) ?? {}, value = state(control);
    return thing === undefined || thing !== about(control) || before === value ? [] : [{ id, thing, value }];
  });
});
document.addEventListener("htmx:after:swap", () => {
  for (const { id, thing, value } of entered.splice(0)) {
    const control = document.getElementById(id);
    if (!control || about(control) !== thing || state(control) === value) continue;
    if (typeof value === "boolean") control.checked = value; else control.value = value;
    control.dispatchEvent(new Event("input", { bubbles: true }));
  }
});
