// A chart of the last minute: a line, its dashed limit, and marks of what was done to the test.
const SVG = "http://www.w3.org/2000/svg";
const LEFT = 44, RIGHT = 8, TOP = 30, BOTTOM = 20;

export function draw(svg, { series, limit, marks, top }) {
  const width = svg.clientWidth, height = svg.clientHeight;
  const x = (index) => LEFT + (index / (series.length - 1)) * (width - LEFT - RIGHT);
  const y = (value) => height - BOTTOM - (value / top) * (height - TOP - BOTTOM);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.replaceChildren();
  const add = (name, attributes, text = "") => {
    const element = svg.appendChild(document.createElementNS(SVG, name));
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.textContent = text;
  };
  for (const value of [0, top / 2, top]) {
    add("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) });
    add("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, short(value));
  }
  for (const index of [0, (series.length - 1) / 2, series.length - 1]) {
    const ago = series.length - 1 - index;
    const anchor = index ? (ago ? "middle" : "end") : "start";
    add("text", { x: x(index), y: height - 4, "text-anchor": anchor }, ago ? `−${Math.floor(ago) + 1} s` : "now");
  }
  for (const [number, { index, text }] of marks.entries()) {
    if (index < 0) continue;
    const above = TOP - 6 - (number % 2) * 13; // so that two that are near can be read
    const anchor = x(index) > width / 2 ? "end" : "start";
    add("line", { class: "mark", x1: x(index), x2: x(index), y1: above, y2: height - BOTTOM });
    add("text", { class: "mark", x: x(index), y: above, dx: anchor === "end" ? -3 : 3, "text-anchor": anchor }, text);
  }
  if (limit) add("line", { class: "limit", x1: LEFT, x2: width - RIGHT, y1: y(limit), y2: y(limit) });
  add("path", { class: "line", d: path(series, x, y) });
}

/** A line through the points there are, with a gap where there is none. */
function path(series, x, y) {
  let pen = "M";
  return series
    .map((value, index) => {
      if (value === null) {
        pen = "M";
        return "";
      }
      const step = `${pen}${x(index).toFixed(1)},${y(value).toFixed(1)}`;
      pen = "L";
      return step;
    })
    .join("");
}

/** The round number at or above `value` that a scale ends with. */
export function round(value) {
  const power = 10 ** Math.floor(Math.log10(value || 1));
  return power * [1, 2, 4, 5, 6, 8, 10].find((step) => step * power >= value * 0.999);
}

function short(value) {
  return value >= 10_000 ? `${value / 1000}k` : value.toLocaleString("en", { maximumFractionDigits: 1 });
}
