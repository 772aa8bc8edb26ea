/* The room that one is in comes into view, where the row of rooms is longer than the screen is wide. */
document.querySelector(".rooms [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
