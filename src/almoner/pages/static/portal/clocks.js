/* data-clock="zone": the time of day there. */
setInterval(() => {
  for (const clock of document.querySelectorAll("[data-clock]")) {
    const [hour, minute] = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: clock.dataset.clock }).format().split(":");
    const shown = almoner.time(Number(hour) * 60 + Number(minute));
    if (clock.textContent !== shown) clock.textContent = shown;
  }
}, 10_000);
