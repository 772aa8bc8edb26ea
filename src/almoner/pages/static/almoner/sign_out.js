/* What a page keeps in this tab ends when its worker signs out. */
document.addEventListener("submit", (event) => { if (event.target.getAttribute("action") === "/sign-out") sessionStorage.clear(); });
