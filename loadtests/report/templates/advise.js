// The form of a report: the arithmetic of loadtests/advise/question.py and answer.py, line by
// line, so that both say the same to the letter. A test compares them.
(() => {
  "use strict";
  const measured = JSON.parse(document.getElementById("advise-data").textContent);
  const form = document.getElementById("advise-form");
  const MIB = 2 ** 20, DEVIATIONS = 3, HEADROOM = 0.8, FAR = 10;
  const UNITS = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };
  const NUMBER = "(\\d{1,12}(?:\\.\\d{1,12})?|\\.\\d{1,12})";
  const [FITS, ARITHMETIC, BORDERLINE, UNKNOWN, NO] = [0, 1, 2, 3, 4];
  const WORDS = ["fits", "fits by arithmetic", "borderline", "not known", "no"];

  const commas = (digits) => digits.replace(/\B(?=(\d{3})+$)/g, ",");
  const up = (value) => Math.ceil(value - 1e-9);
  const whole = (value) => commas(String(value));
  const mib = (size) => whole(up(size / MIB));
  const shown = (service) => service.name + (service.mark && ` (${service.mark})`);
  const names = (judged) => judged.map((one) => shown(one.service)).join(", ");
  const allOrNames = (judged, every) =>
    judged.length === every.length ? "any service" : names(judged);

  function plain(value) {
    const [before, after] = value.toFixed(6).split(".");
    const rest = after.replace(/0+$/, "");
    return commas(before) + (rest && `.${rest}`);
  }

  const seconds = (value) => (value < 1 ? `${plain(value * 1000)} ms` : `${plain(value)} s`);

  // The question.

  function match(pattern, text, flags) {
    return new RegExp(`^${pattern}$`, flags).exec(text);
  }

  function check(ok, name, needed, text) {
    if (!ok) throw new RangeError(`${name} must be ${needed}, ${text ? `not ${text}` : "and is missing"}`);
  }

  function parse(words) {
    const [delay, rate, memory, cores] = words.map((text) => text.trim());
    const inDelay = match(`${NUMBER}(ms|s)?`, delay);
    const delay_s = inDelay ? Number(inDelay[1]) / (inDelay[2] === "ms" ? 1000 : 1) : 0;
    check(delay_s >= 0.001 && delay_s <= 3600, "DELAY", "seconds from 0.001 to 3600, like 0.2 or 200ms", delay);
    const inRate = match(NUMBER, rate);
    const rate_rps = inRate ? Number(inRate[1]) : 0;
    check(rate_rps >= 0.001 && rate_rps <= 1e9, "RATE", "requests a second, like 300", rate);
    const inMemory = match(`${NUMBER}(?:([KMGT])(?:i?B)?)?`, memory, "i");
    const bytes = inMemory ? Number(inMemory[1]) * UNITS[(inMemory[2] || "").toUpperCase()] : 0;
    check(!memory || bytes >= 1, "MEMORY", "bytes, or like 512M or 2G", memory);
    const count = /^\d{1,4}$/.test(cores) ? Number(cores) : 0;
    check(count >= 1, "CORES", "a whole number from 1 to 9999", cores);
    const inFlight = rate_rps * delay_s;
    const most = up(inFlight + DEVIATIONS * Math.sqrt(inFlight));
    return { delay_s, rate_rps, memory_bytes: memory ? bytes : null, cores: count, inFlight, most };
  }

  function wording(question) {
    const cores = question.cores === 1 ? "1 core" : `${question.cores} cores`;
    const limit = question.memory_bytes;
    const memory = limit === null ? "" : ` and ${plain(limit / MIB)} MiB`;
    return `${plain(question.rate_rps)} requests/s, each waiting ${seconds(question.delay_s)} for the ` +
      `backend, on ${cores}${memory}: by Little's law ${plain(question.inFlight)} requests are ` +
      `in flight on average, and up to ${whole(question.most)} when many arrive together.`;
  }

  // What a service needs.

  function need(question, service, worst) {
    const of = (figure) => (worst ? figure.worst : figure.median);
    const cpu = cpuMs(question, service);
    let cores = null, memory = null;
    if (service.capacity_rps) cores = up(question.rate_rps / of(service.capacity_rps));
    else if (cpu) cores = up((question.rate_rps * of(cpu)) / (1000 * HEADROOM));
    const slots = service.one_at_a_time ? 1 : service.slots;
    const processes = slots ? Math.max(cores || 0, up(question.most / slots)) : cores;
    if (service.at_rest_bytes && processes) {
      const first = of(service.at_rest_bytes), request = service.request_bytes;
      if (!service.one_at_a_time) {
        memory = request ? first * processes + of(request) * question.most : null;
      } else {
        memory = first + (request ? of(request) : first) * (processes - 1);
      }
    }
    return { cores, processes, memory };
  }

  function cpuMs(question, service) {
    const below = service.cpu.filter((cpu) => cpu.rps <= question.rate_rps);
    if (below.length) return below[below.length - 1].ms;
    return service.cpu.length ? service.cpu[0].ms : null;
  }

  function judge(question, service) {
    const likely = need(question, service, false);
    const judged = (state, because) => ({ service, need: likely, state, because });
    let short = lacking(question, likely) || full(question, service, likely);
    if (short) return judged(NO, short);
    const unknown = notKnown(question, service, likely);
    if (unknown) return judged(UNKNOWN, unknown);
    short = lacking(question, need(question, service, true));
    if (short) return judged(BORDERLINE, `${short} in the worst round`);
    const further = beyond(question, service, likely);
    return judged(further ? ARITHMETIC : FITS, further);
  }

  function lacking(question, { cores, memory }) {
    if (cores !== null && cores > question.cores) return `needs ${whole(cores)} cores`;
    const limit = question.memory_bytes;
    return memory !== null && limit !== null && memory > limit ? `needs ${mib(memory)} MiB` : "";
  }

  function full(question, service, needed) {
    if (service.capacity_rps || service.one_at_a_time || !needed.processes) return "";
    const inEach = each(question, service, needed), rate = question.rate_rps / needed.processes;
    const more = service.full.map((one) => one.users).filter((users) => users >= inEach);
    const above = more.length ? Math.min(...more) : inEach;
    const found = service.full.find((one) => one.users <= above && one.rps < rate);
    if (!found) return "";
    const rounded = Math.floor(found.rps) + (found.rps % 1 >= 0.5 ? 1 : 0);
    return `answered ${plain(rounded)}/s when ${whole(found.users)} users waited`;
  }

  function notKnown(question, service, needed) {
    if (needed.cores === null) return "CPU was not measured";
    if (question.memory_bytes !== null && needed.memory === null) return "memory was not measured";
    return service.invalid && each(question, service, needed) > service.held
      ? `invalid with more than ${whole(service.held)} in flight` : "";
  }

  function beyond(question, service, needed) {
    if (needed.processes > service.workers) {
      return `${whole(needed.processes)} processes, measured with ${whole(service.workers)}`;
    }
    return !service.one_at_a_time && each(question, service, needed) > service.held
      ? `measured with no more than ${whole(service.held)} in flight` : "";
  }

  function each(question, service, needed) {
    return service.one_at_a_time ? 1 : up(question.most / (needed.processes || 1));
  }

  // The answer.

  function row(question, one) {
    const cpu = cpuMs(question, one.service);
    return [
      shown(one.service),
      `${whole(question.most)} ${measured.models[one.service.place].unit}`,
      one.need.processes === null ? "–" : whole(one.need.processes),
      cpu === null ? "–" : whole(up((question.rate_rps * cpu.median) / 10)),
      one.need.memory === null ? "–" : mib(one.need.memory),
      WORDS[one.state] + (one.because && `: ${one.because}`),
    ];
  }

  function notes(question, judged) {
    const beyondIt = outside(question);
    const cpu = judged.filter((one) => one.need.cores === null);
    const memory = judged.filter((one) => one.need.memory === null);
    const several = judged.filter((one) => !one.service.one_at_a_time);
    const capacity = several.filter((one) => !one.service.capacity_rps && !cpu.includes(one));
    return [
      beyondIt.length && `Outside what was measured: ${beyondIt.join("; ")}.`,
      judged.some((one) => one.need.processes > one.service.workers) &&
        "More processes than were measured are arithmetic: " +
        "the results say nothing about scaling over processes or cores.",
      cpu.length && `CPU per request was not measured for ${allOrNames(cpu, judged)}.`,
      memory.length && `Memory per waiting request was not measured for ${allOrNames(memory, judged)}.`,
      capacity.length && `Capacity was not measured for ${allOrNames(capacity, several)}: counted on is ` +
        `${plain(HEADROOM * 100)} % of a core at the CPU per request.`,
      measured.machines.length > 1 &&
        `The results are of different machines: ${measured.machines.join(", ")}.`,
    ].filter(Boolean);
  }

  function outside(question) {
    const [shortest, longest] = measured.delays_s;
    const delay = seconds(question.delay_s), top = measured.top_rps;
    return [
      question.delay_s < shortest &&
        `a delay of ${delay} is shorter than the shortest, ${seconds(shortest)}`,
      question.delay_s > FAR * longest &&
        `a delay of ${delay} is far longer than the longest, ${seconds(longest)}`,
      question.rate_rps > top * question.cores &&
        `${plain(question.rate_rps)} requests/s are more than any service's ` +
        `${whole(Math.trunc(top))} on one core times ${whole(question.cores)}`,
      question.most > measured.held &&
        `${whole(question.most)} requests in flight are more than the most, ${whole(measured.held)}`,
    ].filter(Boolean);
  }

  function conclusion(judged) {
    const fitting = judged.filter((one) => one.state <= ARITHMETIC);
    const borderline = judged.filter((one) => one.state === BORDERLINE);
    const first = simplest(fitting);
    if (!first.length) {
      if (borderline.length) {
        return `Only borderline, fitting in some rounds and not in all: ${names(borderline)}.`;
      }
      return judged.some((one) => one.state === UNKNOWN)
        ? "Nothing is known to fit: the results say too little." : "Nothing that was measured fits.";
    }
    const place = first[0].service.place, model = measured.models[place];
    let text = `The simplest that fits: ${names(first)} (${model.name}: ${model.because}).`;
    if (first.every((one) => one.state === ARITHMETIC)) {
      const asMeasured = simplest(fitting.filter((one) => one.state === FITS));
      text += " That is arithmetic; ";
      text += asMeasured.length
        ? "the simplest that fits as measured: " +
          `${names(asMeasured)} (${measured.models[asMeasured[0].service.place].name}).`
        : "nothing fits as it was measured.";
    }
    const near = borderline.filter((one) => one.service.place <= place);
    return text + (near.length ? ` Within noise, so not decided: ${names(near)}.` : "");
  }

  function simplest(judged) {
    const best = Math.min(...judged.map((one) => one.service.place));
    return judged.filter((one) => one.service.place === best);
  }

  // The page.

  function add(parent, tag, text) {
    const element = parent.appendChild(document.createElement(tag));
    element.textContent = text;
    return element;
  }

  function show() {
    const at = (name) => document.getElementById(`advise-${name}`);
    let question = null;
    try {
      question = parse(["delay", "rate", "memory", "cores"].map((name) => form.elements[name].value));
      at("wrong").textContent = "";
    } catch (error) {
      at("wrong").textContent = error.message;
    }
    at("answer").hidden = question === null;
    if (question === null) return;
    const judged = measured.services.map((service) => judge(question, service));
    at("question").textContent = wording(question);
    at("conclusion").textContent = conclusion(judged);
    at("notes").replaceChildren();
    notes(question, judged).forEach((note) => add(at("notes"), "li", note));
    at("rows").replaceChildren();
    judged.forEach((one) => {
      const line = add(at("rows"), "tr", "");
      line.className = one.state >= UNKNOWN ? "missing" : "";
      row(question, one).forEach((text, column) => {
        const cell = add(line, column ? "td" : "th", text);
        if (!column) cell.scope = "row";
        if (column >= 2 && column <= 4) cell.className = "number";
      });
    });
  }

  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  show();
})();
