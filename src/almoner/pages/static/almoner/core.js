/* What every other script of the page uses: almoner.tell(text) says it to who listens to the page instead of looking at it. */
const almoner = window.almoner = {
  tell: (text) => { const region = document.getElementById("live-region"); if (region) region.textContent = text; },
  /* Minutes of a day as its reader writes them: 14:30, or 2:30 pm. */
  time: (minutes) => {
    const hour = Math.floor(minutes / 60) % 24, minute = String(minutes % 60).padStart(2, "0");
    if (document.documentElement.dataset.clockHours !== "12") return `${String(hour).padStart(2, "0")}:${minute}`;
    return `${hour % 12 || 12}:${minute} ${hour < 12 ? "am" : "pm"}`;
  },
};
const { tell } = almoner;
const editable = (element) => element.closest?.("input, textarea, select, [contenteditable]");

/* hx-get and hx-post without an address of their own: the one that the browser itself would go to, that of the button first. */
document.addEventListener("htmx:config:request", (event) => {
  const { sourceElement: from, request } = event.detail.ctx;
  request.action ||= request.submitter?.getAttribute("formaction") ?? from.getAttribute("href") ?? from.getAttribute("action") ?? "";
  const token = document.querySelector('meta[name="csrf-token"]')?.content;
  if (token) request.headers["X-CSRF-Token"] = token;
});
