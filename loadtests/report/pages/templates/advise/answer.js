// The answer of loadtests/advise/verdict.py, change.py and answer.py, line by line.
const [FITS, ARITHMETIC, BORDERLINE, UNKNOWN, NO] = [0, 1, 2, 3, 4];
const WORDS = ["fits", "fits by arithmetic", "borderline", "not known", "no"];
const UNWISE = "which fits, but nobody should run it";
const HOW = [
  UNWISE, UNWISE, "which fits in some rounds and not in all", "of which too little is known",
  "which does not fit",
];
const PARTS = ["server", "code", "client"];
const MOST_NAMES = 3, THEORY = "an approximation of queueing theory (M/D/c)";
const CONNECTIONS = 1000, TIMEOUT_S = 10, DRAIN_S = 30, ANSWER_S = 60;

const shown = (service) => service.name + (service.mark && ` (${service.mark})`);
const names = (judged) => judged.map((one) => shown(one.service)).join(", ");
const fits = (one) => one.state <= ARITHMETIC;
const peopleRun = (one) => ["", "tuned"].includes(one.service.mark);
const verdict = (one) => WORDS[one.state] + (one.because && `: ${one.because}`);

// Whether a service fits.

function judge(question, service) {
  const needed = need(question, service, likely);
  const judged = (state, because) => ({ service, need: needed, state, because });
  let short = lacking(question, service, likely) || tooSlow(question, service, needed);
  if (short) return judged(NO, short);
  const unknown = notKnown(question, service, needed);
  if (unknown) return judged(UNKNOWN, unknown);
  short = lacking(question, service, unlucky);
  if (short) return judged(BORDERLINE, `${short} in the worst round`);
  const further = beyond(question, service, needed);
  return judged(further ? ARITHMETIC : FITS, further);
}

function lacking(question, service, pick) {
  const { cores, memory } = need(question, service, pick), limit = question.memory_bytes;
  if (cores !== null && cores > question.cores) {
    const because = lacks(question, service, question.cores, pick);
    const full = fallsBehind(question, service, question.cores, pick);
    return `needs ${whole(cores)} ${full && bySlots(service, full) ? "processes" : "cores"}: ${because}`;
  }
  return memory !== null && limit !== null && memory > limit ? `needs ${mib(memory)} MiB` : "";
}

function tooSlow(question, service, needed) {
  if (needed.p99 === null || withinGoal(question, service, likely) !== NEVER) return "";
  return `p99 is ${whole(up(needed.p99))} ms`;
}

function notKnown(question, service, needed) {
  if (needed.cores === null) return "CPU was not measured";
  if (question.memory_bytes !== null && needed.memory === null) return "memory was not measured";
  if (question.p99_s !== null && needed.p99 === null) return "p99 was not measured";
  return service.invalid && needed.waiting > service.held
    ? `invalid with more than ${whole(service.held)} in flight` : "";
}

function mostProcesses(service) {
  return Math.max(service.workers, ...service.several.map((one) => one.processes));
}

function beyond(question, service, needed) {
  const processes = needed.processes || 1;
  if (processes > mostProcesses(service)) {
    return `${whole(processes)} processes, measured with ${whole(mostProcesses(service))}`;
  }
  if (service.one_at_a_time) return "";
  if (needed.waiting > service.held) {
    return `measured with no more than ${whole(service.held)} in flight`;
  }
  const top = most(service.loads.map((load) => load.rps)) ?? 0;
  return rateOfOne(question, service, processes, likely) > top
    ? `measured with no more than ${whole(Math.trunc(top))} requests/s` : "";
}

function simplest(judged) {
  const best = Math.min(...judged.map((one) => one.service.place));
  return judged.filter((one) => one.service.place === best);
}

// The change to make.

function values(question, one) {
  const timeout_s = Math.max(TIMEOUT_S, up(2 * question.delay_s));
  return {
    processes: one.need.processes || 1,
    slots: one.need.slots,
    connections: Math.max(CONNECTIONS, 2 * one.need.waiting),
    timeout_s,
    drain_s: Math.max(DRAIN_S, timeout_s),
    answer_s: Math.max(ANSWER_S, 2 * timeout_s),
  };
}

function change(question, one) {
  const known = values(question, one), advice = one.service.advice;
  const filled = (template) => template.replace(/\{([a-z_]+)\}/g, (_, name) => known[name]);
  const settings = PARTS.filter((part) => part in advice).map((part) => filled(advice[part]));
  return { service: shown(one.service), settings, why: why(question, one) };
}

function why(question, one) {
  const needed = one.need, processes = needed.processes || 1, delay = seconds(question.delay_s);
  const takes = needed.ownMs ? `(${delay} + ${needed.ownMs} ms of its own)` : delay;
  const mean = up(question.rate_rps * (question.delay_s + needed.ownMs / 1000));
  const where = processes === 1 ? "" : ` in each of ${whole(processes)} processes`;
  let enough = `${whole(needed.slots)}${where} is enough when many arrive together`;
  if (question.p99_s !== null && needed.slots !== needed.waiting) {
    enough = `about ${whole(needed.slots)} slots${where} keep the p99 within ` +
      `${seconds(question.p99_s)} by ${THEORY}`;
  }
  return `${plain(question.rate_rps)}/s × ${takes} = ${whole(mean)} in flight on average; ` +
    `${enough}. ` +
    `CPU: ${whole(up(needed.cpu || 0))} % of a core, and ` +
    `${plain(100 * HEADROOM)} % of each is what is counted on.`;
}

function relative(judged, has) {
  const said = `You have ${shown(has.service)}`;
  if (fits(has) && peopleRun(has)) {
    const because = has.because && ` by arithmetic (${has.because})`;
    return [`${said}, and it fits${because}: change no more than its settings.`, has];
  }
  const reason = fits(has) ? `it is of the kind ${has.service.mark}` : has.because;
  const how = `${said}, ${HOW[has.state]} (${reason})`;
  const best = nearest(judged, has);
  if (!best) return [`${how}. Nothing that people run is known to fit.`, null];
  const mine = has.service.made_of, its = best.service.made_of;
  const parts = apart(has, best).map((part) => `${its[part]} in place of ${mine[part]}`).join("; ");
  return [`${how}. The least change that fits is ${shown(best.service)}: ${parts}.`, best];
}

function nearest(judged, has) {
  const far = (one) => [apart(has, one).length, one.service.place];
  const order = (one, other) => {
    const [mine, its] = [far(one), far(other)];
    return mine[0] - its[0] || mine[1] - its[1] || (one.service.name < other.service.name ? -1 : 1);
  };
  return judged.filter((one) => fits(one) && peopleRun(one)).sort(order)[0] || null;
}

function apart(one, other) {
  const mine = one.service.made_of, its = other.service.made_of;
  return ["framework", "model", "server", "client"].filter((part) => mine[part] !== its[part]);
}

// The answer.

function answer(question, have) {
  const judged = measured.services.map((service) => judge(question, service));
  const has = judged.find((one) => one.service.name === have);
  const fitting = simplest(judged.filter((one) => fits(one) && peopleRun(one)));
  const asMeasured = fitting.filter((one) => one.state === FITS);
  const best = asMeasured.length ? asMeasured : fitting;
  const [said, chosen] = has ? relative(judged, has) : ["", null];
  const might = judged.filter((one) => one.state <= BORDERLINE);
  return {
    question: wording(question),
    have: said,
    conclusion: conclusion(judged, best),
    changes: (chosen ? [chosen] : best).map((one) => change(question, one)),
    rows: might.map(row),
    rest: judged.filter((one) => !might.includes(one)).map(row),
    notes: [simpler(judged, best), ...notes(question, might)].filter(Boolean),
  };
}

function row(one) {
  const needed = one.need, unit = measured.models[one.service.place].unit;
  return [
    shown(one.service),
    needed.processes === null ? "–" : whole(needed.processes),
    one.service.one_at_a_time ? "1" : `${whole(needed.slots)} ${unit}`,
    needed.cpu === null ? "–" : whole(up(needed.cpu)),
    needed.memory === null ? "–" : mib(needed.memory),
    needed.p99 === null ? "–" : whole(up(needed.p99)),
    verdict(one),
  ];
}

function conclusion(judged, best) {
  const known = judged.filter(peopleRun);
  const borderline = known.filter((one) => one.state === BORDERLINE);
  if (!best.length) {
    if (borderline.length) {
      return `Only borderline, fitting in some rounds and not in all: ${names(borderline)}.`;
    }
    return known.some((one) => one.state === UNKNOWN)
      ? "Nothing is known to fit: the results say too little." : "Nothing that people run fits.";
  }
  const place = best[0].service.place, model = measured.models[place];
  let text = `The simplest that fits: ${names(best)} (${model.name}: ${model.because}).`;
  if (best[0].state === ARITHMETIC) {
    const asMeasured = simplest(known.filter((one) => one.state === FITS));
    text += " That is arithmetic; ";
    text += asMeasured.length
      ? "the simplest that fits as measured: " +
        `${names(asMeasured)} (${measured.models[asMeasured[0].service.place].name}).`
      : "nothing fits as it was measured.";
  }
  const near = borderline.filter((one) => one.service.place <= place);
  return text + (near.length ? ` Within noise, so not decided: ${names(near)}.` : "");
}

function simpler(judged, best) {
  const place = best.length ? best[0].service.place : 0;
  const short = judged
    .filter((one) => peopleRun(one) && one.state > BORDERLINE && one.service.place < place)
    .map((one) => `${shown(one.service)} (${one.because.split(":")[0]})`);
  return short.length && `Simpler, but not to be had: ${short.join(", ")}.`;
}

function notes(question, might) {
  const outsideIt = outside(question), delay = question.delay_s;
  const elsewhere = might.filter((one) => !covers(one.service, delay));
  return [
    ...might.filter((one) => one.service.slots).map((one) =>
      `${shown(one.service)}: no more than ${whole(one.service.slots)} in each process were ` +
      `measured, ${one.service.limit}.`),
    outsideIt.length &&
      `Outside what was measured: ${outsideIt.join("; ")}. The nearest measured counts.`,
    might.some((one) => (one.need.processes || 1) > mostProcesses(one.service)) &&
      "More processes than were measured are arithmetic: " +
      (might.some((one) => one.service.several.length)
        ? "they are taken in proportion." : "scaling was not measured."),
    gains(might),
    question.memory_bytes !== null &&
      "The kernel's memory for sockets and threads comes on top.",
    elsewhere.length && inside(measured.delays_s, delay) &&
      `At ${seconds(delay)} the nearest delay that was measured counts for ` +
      `${elsewhere.length <= MOST_NAMES ? names(elsewhere) : `${elsewhere.length} of them`}.`,
  ];
}

function gains(might) {
  const said = might
    .filter((one) => (one.need.processes || 1) > 1 && one.service.several.length)
    .map((one) => {
      const { processes, gain, at_least, further_bytes } = one.service.several.at(-1);
      const times = (at_least ? "≥ " : "") + plain(Math.trunc(gain.median * 100) / 100);
      const memory = further_bytes ? `, each further one ${mib(further_bytes.median)} MiB` : "";
      return `${whole(processes)} of ${shown(one.service)} do ${times} × one${memory}`;
    });
  return said.length && `Processes count as measured: ${said.join("; ")}.`;
}

function covers(service, delay) {
  const delays = service.loads.map((load) => load.delay_s);
  return !delays.length || inside([least(delays), most(delays)], delay);
}

function inside([first, last], value) {
  return first <= value && value <= last;
}

function outside(question) {
  const [shortest, longest] = measured.delays_s;
  const delay = seconds(question.delay_s), top = measured.top_rps, cores = question.cores;
  return [
    question.delay_s < shortest &&
      `a delay of ${delay} is shorter than the shortest, ${seconds(shortest)}`,
    question.delay_s > longest &&
      `a delay of ${delay} is longer than the longest, ${seconds(longest)}`,
    question.rate_rps > top * cores &&
      `${plain(question.rate_rps)} requests/s are more than any service's ` +
      `${whole(Math.trunc(top))} on one core times ${whole(cores)}`,
    question.most > measured.held * cores &&
      `${whole(question.most)} requests in flight are more than the most, ` +
      `${whole(measured.held)}, times ${whole(cores)}`,
  ].filter(Boolean);
}
