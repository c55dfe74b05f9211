import { draw, round } from "./chart.js";

const EVERY_MS = 1000;
const NO_ANSWER = "No answer: has make ui ended?";
const form = document.getElementById("ask");
const says = document.getElementById("says");
const cards = document.getElementById("cards");
const about = Object.fromEntries(
  JSON.parse(document.getElementById("choice").textContent).services.map((one) => [one.name, one]),
);
let busy = false; // a start is on its way
const go = form.querySelector("button.main");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const data = new FormData(form);
  const services = [...new Set(data.getAll("services").filter(Boolean))];
  busy = go.disabled = true;
  tell("starting");
  await post("start", { ...Object.fromEntries(data), services });
  busy = go.disabled = false;
  await update();
});
for (const button of document.querySelectorAll("[data-press]")) {
  const fault = button.closest(".fault")?.querySelector("select");
  button.addEventListener("click", () => post(button.dataset.press, { fault: fault?.value }).then(update));
}
poll();

async function poll() {
  await update();
  setTimeout(poll, EVERY_MS);
}

async function update() {
  try {
    show(await (await fetch("figures")).json());
  } catch {
    tell(NO_ANSWER, true);
  }
}

async function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  try {
    const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
    tell(answer.ok ? "" : ((await answer.json()).error ?? `error ${answer.status}`), !answer.ok);
  } catch {
    tell(NO_ANSWER, true);
  }
}

function tell(text, wrong = false) {
  says.textContent = text;
  says.className = wrong ? "wrong" : "";
}

function show(now) {
  const runs = ["running", "spawning"].includes(now.state);
  for (const button of document.querySelectorAll("[data-press]")) button.disabled = !runs;
  document.querySelector("[data-press=more]").textContent =
    now.last.by === "rate" ? `${number(now.more)} more requests/s` : `${now.more} more users`;
  if (busy && now.starting.length) tell(`starting ${now.starting.join(", ")}`);
  const names = now.chosen.filter((name) => has(now.services[name]));
  for (const card of [...cards.children]) if (!names.includes(card.dataset.name)) card.remove();
  const limits = names.map((name) => Number(cardOf(name).dataset.limit ?? 0));
  const most = Math.max(...names.flatMap((name) => highest(now.services[name])), ...limits, 1);
  for (const [order, name] of names.entries()) {
    const card = cardOf(name);
    card.style.order = order;
    fill(card, now.services[name], now, round(most));
  }
}

const has = (one) => one.loaded || one.failure || one.series.some((value) => value !== null);
const highest = (one) => [one.limit_rps ?? 0, ...one.series.map((value) => value ?? 0)];

function cardOf(name) {
  const there = [...cards.children].find((card) => card.dataset.name === name);
  if (there) return there;
  const card = document.getElementById("card").content.firstElementChild.cloneNode(true);
  const { title, waits, hues } = about[name] ?? {};
  card.dataset.name = name;
  for (const [index, paper] of ["white", "dark"].entries()) {
    if (hues) card.style.setProperty(`--on-${paper}`, hues[index]);
  }
  card.querySelector("h2").textContent = name;
  card.querySelector(".waits").textContent = waits ? `${title}: ${waits} waits` : "";
  return cards.appendChild(card);
}

function fill(card, one, now, top) {
  const figures = {
    share: one.share === null ? "–" : `${number(one.share * 100)} %`,
    limit: limitOf(one, now.last),
    rps: number(one.rps),
    users: now.last.by === "rate" ? "–" : number(one.users),
    p50: ms(one.p50_ms),
    p99: ms(one.p99_ms),
    cpu: one.cpu === null ? "–" : `${Math.round(one.cpu * 100)} %`,
    memory: one.pss_bytes === null ? "–" : `${number(one.pss_bytes / 2 ** 20)} MiB`,
    in_flight: number(one.in_flight),
    little: number(one.little),
  };
  if (one.loaded) { // of one that has had its turn the last figures stay
    for (const [name, text] of Object.entries(figures)) {
      card.querySelector(`[data-figure=${name}]`).textContent = text;
    }
    card.dataset.limit = one.limit_rps ?? card.dataset.limit ?? "";
  }
  card.classList.toggle("idle", !one.loaded);
  const wrong = card.querySelector(".wrong");
  wrong.textContent = one.failure || (one.failures ? `${number(one.failures)} failures just now` : "");
  wrong.hidden = !wrong.textContent;
  const last = one.series.length - 1;
  const marks = now.marks.map(([at, text]) => ({ index: last + at - now.second, text }));
  const svg = card.querySelector("svg");
  draw(svg, { series: one.series, limit: Number(card.dataset.limit), marks, top });
  svg.setAttribute("aria-label", `Requests/s in the last minute: now ${figures.rps} ${figures.limit}`);
}

function limitOf(one, { by, delay }) {
  if (!one.limit_rps) return Number(delay) === 0 ? "no limit" : "";
  return `of the ${by === "rate" ? "rate at random" : "limit"}, ${number(one.limit_rps)}/s`;
}

function number(value) {
  if (value === null || value === undefined) return "–";
  return value.toLocaleString("en", { maximumFractionDigits: Math.abs(value) < 100 ? 1 : 0 });
}

function ms(value) {
  return value === null ? "–" : `${number(value)} ms`;
}
