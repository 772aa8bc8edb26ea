/* data-clock="zone": the time of day there. */
setInterval(() => {
  for (const clock of document.querySelectorAll("[data-clock]")) {
    const [hour, minute] = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: clock.dataset.clock }).format().split(":");
    const text = almoner.time(Number(hour) * 60 + Number(minute));
    if (clock.textContent !== text) clock.textContent = text;
  }
}, 10_000);
