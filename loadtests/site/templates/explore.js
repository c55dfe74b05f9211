// Charts are pictures until somebody asks for more: then Vega is read, once, and draws them anew.
(() => {
  "use strict";
  const place = document.querySelector("div.explore");
  if (!place) return;
  const [button, choice] = place.children;

  const read = (name) => new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = `${place.dataset.root}assets/${name}`;
    script.onload = done;
    script.onerror = failed;
    document.head.append(script);
  });

  button.addEventListener("click", async () => {
    button.disabled = true;
    for (const plot of document.querySelectorAll("figure.chart .plot")) {
      plot.setAttribute("role", "img");
      plot.setAttribute("aria-label", plot.querySelector("img").alt);
      plot.style.minHeight = `${plot.clientHeight}px`;
    }
    document.querySelectorAll("figure.chart .tools").forEach((tools) => { tools.hidden = false; });
    choice.hidden = false;
    button.remove();
    await read("vega.js");
    await read("charts.js");
  });
  place.hidden = false;
})();
