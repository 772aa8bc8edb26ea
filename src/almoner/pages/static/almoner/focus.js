/* A fragment that was replaced gives the focus back to the same control, or to what it marks with data-focus="id": that element or the
   first control in it; blank: the element that says it. */
let focused = null;
document.addEventListener("htmx:before:swap", () => {
  const active = document.activeElement;
  focused = active && active !== document.body ? { id: active.id, name: active.getAttribute("name"), start: active.selectionStart } : null;
});
document.addEventListener("htmx:after:swap", () => {
  const marked = document.querySelector("[data-focus]");
  if (marked) {
    const named = marked.dataset.focus ? document.getElementById(marked.dataset.focus) : marked;
    marked.removeAttribute("data-focus");
    const control = named?.matches("fieldset, li, div, section") ? named.querySelector("input:not([type=hidden]), select, textarea") || named.querySelector("button") : named;
    control?.focus();
    return;
  }
  if (document.activeElement !== document.body || !focused) return;
  const again = (focused.id && document.getElementById(focused.id)) || (focused.name && document.querySelector(`[name="${CSS.escape(focused.name)}"]`));
  if (again) {
    again.focus();
    try { again.setSelectionRange(focused.start, focused.start); } catch { /* a control without text has no selection */ }
  } else document.getElementById("main")?.focus();
});
