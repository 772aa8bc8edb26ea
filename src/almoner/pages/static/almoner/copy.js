/* data-copy="#id" copies the text of that element. */
document.addEventListener("click", (event) => {
  const copy = event.target.closest("[data-copy]");
  if (!copy) return;
  const from = document.querySelector(copy.dataset.copy);
  const copied = () => { tell("Copied."); copy.classList.add("copied"); setTimeout(() => copy.classList.remove("copied"), 2000); };
  const writing = navigator.clipboard?.writeText(from.value ?? from.innerText.trim()) ?? Promise.reject();
  /* Without TLS a browser may refuse: then the text is chosen, ready for the keyboard. */
  writing.then(copied, () => { if (from.select) from.select(); else getSelection().selectAllChildren(from); tell("It is selected: copy it with the keyboard."); });
});
