// Numbers as people write them: loadtests/quantities.py, line by line.
const UNITS = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };
const THOUSANDS = "\\d{1,3}(?:,\\d{3})+";
const NUMBER = `(?:(?:${THOUSANDS}|\\d{1,3}(?: \\d{3})+)(?:\\.\\d+)?|\\d+(?:\\.\\d*)?|\\.\\d+)(?:e\\+?\\d{1,2})?`;

const valueOf = (number) => Number(number.replace(/[, ]/g, ""));

function matched(unit, text) {
  return new RegExp(`^(${NUMBER}) ?${unit}$`, "i").exec(text);
}

function wrong(name, needed, text, instead = withoutComma(text)) {
  const said = `${measured.labels[name]} must be ${needed}, ${text ? `not ${text}` : "and is missing"}`;
  return new RangeError(instead ? `${said}: write ${instead}` : said);
}

function within(value, least, most, name, needed, text) {
  if (!(least <= value && value <= most)) throw wrong(name, needed, text);
  return value;
}

function asSeconds(name, text, needed, least = 0.001, most = 3600) {
  const found = matched("(ms|s)?", text);
  if (!found || new RegExp(THOUSANDS).test(text)) throw wrong(name, needed, text);
  const value = valueOf(found[1]) / ((found[2] || "").toLowerCase() === "ms" ? 1000 : 1);
  return within(value, least, most, name, needed, text);
}

function asRate(name, text, needed, most = 1e9) {
  const found = matched("(?:/s)?", text);
  if (!found) throw wrong(name, needed, text);
  return within(valueOf(found[1]), 0.001, most, name, needed, text);
}

function asSize(name, text, needed) {
  const found = matched("(?:([KMGT])(?:i?B)?|B)?", text);
  if (!found) throw wrong(name, needed, text);
  const [, number, unit] = found;
  const value = valueOf(number) * UNITS[(unit || "").toUpperCase()];
  if (value >= UNITS.M) return value;
  throw wrong(name, needed, text, unit || !valueOf(number) ? undefined : `${number}M or ${number}G`);
}

function asCount(name, text, needed, least = 1, most = 9999) {
  const found = matched("", text);
  const value = found ? valueOf(found[1]) : 0.5;
  if (value !== Math.trunc(value)) throw wrong(name, needed, text);
  return within(value, least, most, name, needed, text);
}

function withoutComma(text) {
  const found = [...text.matchAll(/(\d*),(\d+)/g)];
  if (found.length !== 1) return "";
  const [, before, after] = found[0];
  const rest = text.slice(text.indexOf(",") + 1 + after.length);
  const point = `${before || 0}.${after}${rest}`;
  return new RegExp(`^${THOUSANDS}$`).test(`${before},${after}`)
    ? `${before}${after}${rest} or ${point}` : point;
}
