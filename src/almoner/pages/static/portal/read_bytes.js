/* data-bytes-into="#id": the bytes of a chosen file go into that field as base64 (RFC 4648, section 5), its name into data-name-into, up to
   data-file-limit bytes, so that it goes the way of what is typed. */
document.addEventListener("change", (event) => {
  const { bytesInto, nameInto, fileLimit } = event.target.dataset ?? {};
  const file = bytesInto && event.target.files[0];
  if (!file) return;
  const isLong = file.size > Number(fileLimit);
  event.target.setCustomValidity(isLong ? "This file is too long to be sent." : "");
  if (isLong) { event.target.reportValidity(); return; }
  const reader = new FileReader();
  reader.onload = () => {
    document.querySelector(bytesInto).value = reader.result.slice(reader.result.indexOf(",") + 1).replaceAll("+", "-").replaceAll("/", "_");
    document.querySelector(nameInto).value = file.name;
    tell(`${file.name} was read.`);
  };
  reader.readAsDataURL(file);
});
