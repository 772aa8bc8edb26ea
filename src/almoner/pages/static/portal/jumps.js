/* data-jump: a link within the page that puts the focus into what it leads to. */
const into = (to) => {
  to.scrollIntoView({ block: "nearest" });
  (to.querySelector("textarea") || to.querySelector("input:not([type=hidden]), select") || to.querySelector("a, button"))?.focus();
  if (!to.contains(document.activeElement)) to.focus();
};
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-jump]");
  const to = link?.hash && link.pathname === location.pathname && document.querySelector(link.hash);
  if (to) { event.preventDefault(); into(to); }
});
/* The same where a link of another page, such as Reply, leads to a text that is to be written. */
addEventListener("pageshow", () => {
  const came = document.getElementById(location.hash.slice(1));
  if (came?.querySelector("form.compose")) into(came);
});
