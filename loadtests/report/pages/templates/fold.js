// A report of several profiles is many screens of a phone: there each is folded until it is asked for.
(() => {
  "use strict";
  if (!matchMedia("screen and (max-width: 40rem)").matches) return;
  document.querySelectorAll("details.part").forEach((part) => { part.open = false; });

  function unfold() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const part = target?.closest("section")?.querySelector("details.part");
    if (!part) return;
    part.open = true;
    target.scrollIntoView();
  }
  addEventListener("hashchange", unfold);
  unfold();
})();
