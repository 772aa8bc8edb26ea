/* The room that one is in, and the one that has the focus, come into view, where the row of rooms is longer than the screen is wide. */
document.querySelector(".rooms [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
/* A browser leaves a link alone of which a part is to be seen already, be it a pixel. */
document.addEventListener("focusin", (event) => event.target.closest(".rooms a")?.scrollIntoView({ block: "nearest", inline: "nearest" }));
