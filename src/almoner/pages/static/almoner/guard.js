/* data-guard: a form whose unsaved changes are not left behind silently. Escape leaves an open form by what data-escape names, and what
   replaces it asks first where something was typed in it. data-until-input: what is said of the form's last sending, until somebody types
   in it again. */
document.addEventListener("input", (event) => { for (const status of event.target.form?.querySelectorAll("[data-until-input]") ?? []) status.remove(); });

document.addEventListener("input", (event) => { const form = event.target.closest("form[data-guard]"); if (form) form.dataset.changed = "yes"; });
document.addEventListener("submit", (event) => { if (!event.defaultPrevented) delete event.target.dataset.changed; });
document.addEventListener("htmx:before:request", (event) => { const form = event.target.closest?.("form[data-guard]"); if (form && event.detail.ctx.request.method !== "GET") delete form.dataset.changed; });
addEventListener("beforeunload", (event) => { if (document.querySelector("form[data-guard][data-changed]")) event.preventDefault(); });

/* An open form: Escape leaves it, and what replaces it asks first where something was typed in it. */
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.isComposing || document.querySelector("dialog[open]")) return;
  const leave = event.target.closest?.("form")?.querySelector("[data-escape]");
  /* Else the same Escape would close the question that the click may raise. */
  if (leave) { event.preventDefault(); leave.click(); }
});
document.addEventListener("htmx:config:request", (event) => {
  const { ctx } = event.detail;
  const form = ctx.target?.querySelector?.("form[data-guard][data-changed]");
  const isOwn = form?.contains(ctx.sourceElement) && ctx.request.method !== "GET";
  if (form && !isOwn && !ctx.confirm) ctx.confirm = "What you typed in the open form is not saved, and will be dropped.";
});
