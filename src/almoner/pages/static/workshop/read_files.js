/* data-file-into="#id": a chosen file is read into that field, up to data-file-limit bytes, so that it goes the way of what is typed. */
const { tell } = almoner;
document.addEventListener("change", async (event) => {
  const { fileInto, fileLimit } = event.target.dataset ?? {};
  const file = fileInto && event.target.files[0];
  if (!file) return;
  if (file.size > Number(fileLimit)) { tell("This file is too long to be sent."); event.target.setCustomValidity("This file is too long to be sent."); event.target.reportValidity(); return; }
  event.target.setCustomValidity("");
  const into = document.querySelector(fileInto);
  into.value = await file.text();
  into.dispatchEvent(new Event("input", { bubbles: true }));
  tell(`${file.name} was read.`);
});
