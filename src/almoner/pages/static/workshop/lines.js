/* data-line="12": a link to a field selects that line of it. */
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-line]");
  const into = link && document.querySelector(link.hash);
  if (!into) return;
  event.preventDefault();
  const lines = into.value.split("\n"), number = Number(link.dataset.line) - 1;
  const start = lines.slice(0, number).join("\n").length + (number ? 1 : 0);
  into.focus();
  into.setSelectionRange(start, start + (lines[number] ?? "").length);
  into.scrollTop = Math.max(0, (number - 3) * into.scrollHeight / lines.length);
});
