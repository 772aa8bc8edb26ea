/* data-dismiss takes away the banner that it stands in. What has an id is shown again another time. */
document.addEventListener("click", (event) => {
  const banner = event.target.closest("[data-dismiss]")?.closest(".banner");
  if (banner?.id) banner.hidden = true; else banner?.remove();
});
