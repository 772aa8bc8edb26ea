/* What the calendar does in the browser: appointments are put elsewhere by mouse or keyboard, and empty stretches are booked.

   data-carry="id"     an appointment that can be put elsewhere; data-date, -time, -minutes: where it is on the reader's clock (no time: on
                       the day as a whole); data-start, -end, -calendar: the same as the API tells it, which a save is compared with
   data-edge           its lower edge, which changes how long it takes
   data-date           where one can be put: a day's hours (data-hours), its strip for whole days (data-whole), or a cell of a table;
                       data-worker: whose, where it is one's alone
   #place, #placed     the form that asks the server, and where the answer comes in; data-done: it is done; data-put-away closes it */
const calendar = document.getElementById("calendar"), form = document.getElementById("place"), placed = document.getElementById("placed");
if (!calendar) return;
const { tell } = almoner;
const SNAP = 15, DAY = 1440, FAR = 4;
const hours = () => calendar.querySelector(".cal");
const minutesOf = (time) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
/* As the server reads it, whoever reads the page. */
const clock = (minutes) => `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;
const later = (date, days) => new Date(Date.parse(date) + days * 86_400_000).toISOString().slice(0, 10);
const dayInWords = (date) => new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long", timeZone: "UTC" }).format(new Date(date));
const between = (least, value, most) => Math.max(least, Math.min(most, value));
