// The form: its fields are the question, and the question is in the address.
const form = document.getElementById("advise-form");
const FIELDS = ["delay", "rate", "memory", "cores", "p99", "have"];
const NUMBERS = [1, 3, 4, 5];
const HASH = "#advise?";

const at = (name) => document.getElementById(`advise-${name}`);

function add(parent, tag, text) {
  const element = parent.appendChild(document.createElement(tag));
  element.textContent = text;
  return element;
}

function show() {
  const values = FIELDS.map((name) => form.elements[name].value);
  let found = null;
  try {
    found = answer(parse(values.slice(0, -1)), values.at(-1));
    at("wrong").textContent = "";
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    at("wrong").textContent = error.message;
  }
  at("answer").hidden = found === null;
  if (found === null) return;
  for (const name of ["question", "have", "conclusion"]) at(name).textContent = found[name];
  at("changes").replaceChildren();
  found.changes.forEach(showChange);
  at("notes").replaceChildren();
  found.notes.forEach((note) => add(at("notes"), "li", note));
  showRows("rows", found.rows);
  showRows("rest", found.rest);
  at("fitting").hidden = !found.rows.length;
  at("others").hidden = !found.rest.length;
  at("number").textContent = found.rest.length;
}

function showChange(one) {
  add(at("changes"), "h3", one.service);
  const lines = one.settings.length ? add(at("changes"), "pre", "") : null;
  one.settings.forEach((line, number) => {
    if (number) lines.append("\n");
    line.split(/(?<= )/).forEach((word) => add(lines, "span", word)); // no option breaks at its --
  });
  add(at("changes"), "p", one.why);
}

function showRows(name, rows) {
  at(name).replaceChildren();
  for (const cells of rows) {
    const line = add(at(name), "tr", "");
    cells.forEach((text, column) => {
      const cell = add(line, column ? "td" : "th", text);
      if (!column) cell.scope = "row";
      if (column) cell.className = NUMBERS.includes(column) ? "number" : "t";
    });
  }
}

// The address has what was asked, so that it can be sent to somebody; it has nothing at first.

function remember() {
  const asked = FIELDS.map((name) => [name, form.elements[name].value]).filter(([, text]) => text);
  history.replaceState(null, "", HASH + new URLSearchParams(asked));
}

function recall() {
  if (!location.hash.startsWith(HASH)) return;
  const asked = new URLSearchParams(location.hash.slice(HASH.length));
  for (const name of FIELDS) form.elements[name].value = asked.get(name) ?? "";
  if (!form.elements.have.value) form.elements.have.value = "";
  document.getElementById("advise").scrollIntoView();
}

let writing; // browsers take no more than some 20 addresses a second
form.addEventListener("input", () => {
  show();
  clearTimeout(writing);
  writing = setTimeout(remember, 200);
});
form.addEventListener("submit", (event) => event.preventDefault());
addEventListener("hashchange", () => {
  recall();
  show();
});
recall();
show();
