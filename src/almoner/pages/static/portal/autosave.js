/* data-keep: a form that htmx sends while somebody types. Their texts live in the browser alone, so that a fragment that comes in leaves them
   as they are; what was not sent when the page is left goes out then, and what could not be sent when the connection is back. */
const letGo = () => {
  for (const control of document.querySelectorAll("form[data-keep] :is(input:not([type=hidden], [type=radio], [type=checkbox]), textarea)")) {
    if (!control.defaultValue) continue;
    const value = control.value;
    control.defaultValue = "";
    control.removeAttribute("value");
    control.value = value;
  }
};
letGo();
for (const drawn of ["htmx:after:swap", "almoner-page"]) document.addEventListener(drawn, letGo);
const unsent = (form, is) => { if (is) form.dataset.unsent = "yes"; else delete form.dataset.unsent; };
document.addEventListener("input", (event) => { const form = event.target.form; if (form?.matches("[data-keep]")) { form.entries = (form.entries ?? 0) + 1; unsent(form, true); } });
const formOf = (event) => { const form = event.detail.ctx.sourceElement; return form.matches?.("form[data-keep]") ? form : null; };
document.addEventListener("htmx:config:request", (event) => { const form = formOf(event); if (form) event.detail.ctx.entries = form.entries; });
/* What the form has sent itself is nobody else's change, also where its answer was lost or is still under way. */
const sent = (form) => {
  for (const { value: name } of form.querySelectorAll("input[name=asked]")) {
    const sentName = `seen.${name}`, value = JSON.stringify(new FormData(form).getAll(`a-${name}`));
    /* What is sent again says nothing new: however long answers fail, the form does not grow by that. */
    if ([...form.querySelectorAll(".sent")].some((field) => field.name === sentName && field.value === value)) continue;
    form.append(Object.assign(document.createElement("input"), { type: "hidden", name: sentName, value, className: "sent" }));
  }
};
document.addEventListener("htmx:before:request", (event) => {
  const form = formOf(event);
  if (form?.left) event.preventDefault();
  else if (form) sent(form);
});
document.addEventListener("htmx:after:request", (event) => {
  const form = formOf(event), { response, entries } = event.detail.ctx;
  if (!form) return;
  if ([200, 400].includes(response.status)) for (const field of form.querySelectorAll(".sent")) field.remove();
  /* The answer leads on to another page: nothing more is sent from this one, or what is finished would begin anew. */
  if (response.headers.has("HX-Redirect")) form.left = true;
  if (form.left || ([200, 400].includes(response.status) && entries === form.entries)) unsent(form, false);
});
document.addEventListener("submit", (event) => { if (!event.defaultPrevented) for (const form of document.querySelectorAll("form[data-keep]")) unsent(form, false); });
addEventListener("pagehide", () => { for (const form of document.querySelectorAll("form[data-keep][data-unsent]")) navigator.sendBeacon(form.action, new URLSearchParams(new FormData(form))); });
for (const returned of ["online", "almoner-again"]) addEventListener(returned, () => { for (const form of document.querySelectorAll("form[data-keep][data-unsent]")) htmx.trigger(form, "input"); });
