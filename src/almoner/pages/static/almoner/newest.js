/* What was asked for before another answer came to the same place, and arrives after it, is old by then: it does not take its place. A
   list that is drawn anew would else show what was done meanwhile as if it were still to do. */
const requestNumber = new WeakMap(), shownNumber = new WeakMap();
let requestCount = 0;
document.addEventListener("htmx:before:request", (event) => { requestNumber.set(event.detail.ctx, ++requestCount); });
document.addEventListener("htmx:before:swap", (event) => {
  const { ctx } = event.detail, place = ctx.target, number = requestNumber.get(ctx);
  if (!(place instanceof Element) || number === undefined) return;
  const newest = shownNumber.get(place) ?? 0;
  if (ctx.request.method === "GET" && number < newest) event.preventDefault();
  else shownNumber.set(place, Math.max(number, newest));
});
