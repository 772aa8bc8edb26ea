/* What somebody else changed appears, but never under somebody's hands.

   data-live="messages"  a part of the page that is drawn again (its own hx-get on "refresh") when these collections changed, "*" any.
                         While the focus or something typed is in it, or data-paused says that it was read on, a line offers it instead
   data-live-morphs      such a part that keeps the focus when it is drawn again; while data-paused is on it, its own script draws it afterwards
   data-live-from="/x"   where the page is told of changes; data-live-away is shown while it cannot be */
const { tell } = almoner;
const own = new Set();
const mayChange = (region, resources) => region.dataset.live === "*" || resources.includes("*") || region.dataset.live.split(" ").some((resource) => resources.includes(resource));
const isChanged = (control) => {
  if (control.type === "hidden") return false;
  if (control.type === "checkbox" || control.type === "radio") return control.checked !== control.defaultChecked;
  if (control.options) {
    const chosen = [...control.options].findIndex((option) => option.defaultSelected);
    return control.selectedIndex !== Math.max(0, chosen);
  }
  return control.value !== control.defaultValue;
};
const isInUse = (region) => region.contains(document.activeElement) || region.matches("[data-paused]") || region.querySelector("[data-paused]") || [...region.querySelectorAll("input, select, textarea")].some(isChanged);
/* An event that does not rise: a region within another one draws itself again alone. */
const drawAgain = (region) => region.dispatchEvent(new Event("refresh"));
const offer = (region, by) => {
  let line = region.querySelector(":scope > .changed-line");
  if (!line) {
    line = document.createElement("div");
    line.className = "banner info changed-line";
    line.append(document.createElement("span"), Object.assign(document.createElement("button"), { type: "button", className: "small button", textContent: "Show" }));
    line.lastChild.addEventListener("click", () => drawAgain(region));
    region.prepend(line);
  }
  line.firstChild.textContent = `Changed by ${by}.`;
  tell(line.firstChild.textContent);
};
const refresh = (resources, by) => {
  for (const region of document.querySelectorAll("[data-live]")) {
    if (!mayChange(region, resources)) continue;
    if ("liveMorphs" in region.dataset) { if (!("held" in region.dataset)) drawAgain(region); continue; }
    if (!by || !isInUse(region)) drawAgain(region);
    /* A part of it that nobody uses draws itself again, and says all there is to say. */
    else if (![...region.querySelectorAll("[data-live]")].some((part) => mayChange(part, resources) && !isInUse(part))) offer(region, by);
  }
};
document.addEventListener("almoner-changed", (event) => refresh(event.detail.resources));
document.addEventListener("htmx:after:request", (event) => {
  const id = event.detail.ctx.response?.headers?.get?.("X-Request-Id");
  if (id && event.detail.ctx.request.method !== "GET") own.add(id);
});
let source = null, reached = null;
const listen = () => {
  const from = document.querySelector("[data-live-from]");
  if (!from || source || document.hidden) return;
  /* It stands with what else is said above the page, so that none of it covers another. */
  const away = (is) => { const line = document.querySelector("[data-live-away]"); if (line) { line.hidden = !is; document.querySelector(".notices").append(line); } };
  const url = new URL(from.dataset.liveFrom, location.href);
  if (reached) url.searchParams.set("since", reached);
  source = new EventSource(url);
  source.addEventListener("open", () => away(false));
  source.addEventListener("at", (event) => { reached = event.lastEventId; });
  source.addEventListener("changed", (event) => {
    reached = event.lastEventId;
    const { resources, by, requests } = JSON.parse(event.data);
    if (!requests.every((request) => own.has(request))) refresh(resources, by);
  });
  source.addEventListener("error", () => {
    if (source?.readyState !== EventSource.CLOSED) return;
    source = null;
    away(true);
    setTimeout(listen, 30_000);
  });
};
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) return listen();
  /* A browser holds few connections to a server: a page that nobody looks at gives its own back. */
  source?.close();
  source = null;
});
listen();
