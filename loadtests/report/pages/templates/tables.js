// Each column of a table sorts it: first the numbers, downwards, then what is none.
(() => {
  "use strict";
  const number = (cell) => {
    const found = cell.firstChild?.textContent.match(/-?\d[\d,]*(\.\d+)?/);
    return found ? Number(found[0].replaceAll(",", "")) : NaN;
  };

  function sort(head, column) {
    const body = head.closest("table").tBodies[0];
    const numeric = head.classList.contains("number");
    const before = head.getAttribute("aria-sort");
    const down = before ? before === "ascending" : numeric;
    const way = down ? -1 : 1;
    const compare = (one, other) => {
      const [a, b] = [one, other].map((row) => row.cells[column]);
      if (!numeric) return way * a.textContent.localeCompare(b.textContent);
      const [x, y] = [number(a), number(b)];
      if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
      return way * (x - y);
    };
    body.append(...[...body.rows].sort(compare));
    head.parentElement.querySelectorAll("[aria-sort]").forEach((one) => one.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
  }

  document.querySelectorAll("table.sorts thead th").forEach((head) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(head, head.cellIndex));
    head.append(button);
  });
})();
