/* data-picks="name": a list whose ticks of that name outlive its pages, in this tab until signing out, for the worker data-picks-of;
   data-picked: they are done with. */
const pick = () => {
  const picks = document.querySelector("form[data-picks]");
  if (!picks) return;
  const name = picks.dataset.picks, place = `picks:${name}:${picks.dataset.picksOf}`;
  const boxes = [...picks.querySelectorAll(`[type=checkbox][name="${CSS.escape(name)}"]`)];
  const ids = new Set("picked" in picks.dataset ? [] : JSON.parse(sessionStorage.getItem(place) ?? "[]"));
  const away = () => [...picks.querySelectorAll(`[type=hidden][name="${CSS.escape(name)}"]`)];
  for (const field of away()) { ids.add(field.value); field.remove(); }
  for (const box of boxes) if (box.checked) ids.add(box.value); else box.checked = ids.has(box.value);
  const summary = picks.querySelector("[data-picks-status]"), clear = picks.querySelector("[data-picks-clear]");
  const show = () => {
    for (const box of boxes) if (box.checked) ids.add(box.value); else ids.delete(box.value);
    const here = boxes.filter((box) => box.checked).length, others = ids.size - here;
    summary.textContent = ids.size ? `${ids.size} selected${others ? `, ${others} of them on other pages` : ""}` : "";
    clear.hidden = !ids.size;
    sessionStorage.setItem(place, JSON.stringify([...ids]));
  };
  picks.addEventListener("change", () => setTimeout(() => { show(); tell(summary.textContent || "Nobody is selected."); }));
  clear.addEventListener("click", () => { for (const box of boxes) box.checked = false; ids.clear(); show(); boxes[0]?.focus(); });
  picks.addEventListener("formdata", (event) => { for (const id of ids) if (!boxes.some((box) => box.value === id)) event.formData.append(name, id); });
  show();
};
pick();
document.addEventListener("almoner-page", pick);
