/* data-suggests="id": a label whose words become the name in that field, until somebody types one there (data-own). */
document.addEventListener("input", (event) => {
  if (event.target.id && document.querySelector(`[data-suggests="${CSS.escape(event.target.id)}"]`)) event.target.dataset.own = "yes";
  const name = event.target.dataset?.suggests && document.getElementById(event.target.dataset.suggests);
  if (!name || name.dataset.own) return;
  const bare = event.target.value.normalize("NFKD").replace(/[^\x00-\x7f]/g, "").toLowerCase();
  name.value = (bare.match(/[a-z0-9]+/g) ?? []).join("_").slice(0, 60).replace(/_+$/, "");
});
