/* A menu closes where somebody clicks beside it; one that opens and has a field to type into is typed into. */
document.addEventListener("click", (event) => {
  for (const open of document.querySelectorAll("details[open].menu")) if (!open.contains(event.target)) open.open = false;
});
document.addEventListener("toggle", (event) => {
  if (event.target.matches?.("details.menu[open]")) event.target.querySelector(".sheet :is(input[type=search], input[type=text])")?.focus();
}, true);
