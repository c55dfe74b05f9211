// The arithmetic of loadtests/advise/question.py and need.py, line by line: both say the same to
// the letter, and a test compares them.
const DEVIATIONS = 3, HEADROOM = 0.7, NEVER = 0, MIB = 2 ** 20, ENOUGH = 1e-9;

const commas = (digits) => digits.replace(/\B(?=(\d{3})+$)/g, ",");
const up = (value) => Math.ceil(value - 1e-9);
const whole = (value) => commas(String(value));
const mib = (size) => whole(up(size / MIB));

function plain(value) {
  const [before, after] = value.toFixed(6).split(".");
  const rest = after.replace(/0+$/, "");
  return commas(before) + (rest && `.${rest}`);
}

const seconds = (value) => (value < 1 ? `${plain(value * 1000)} ms` : `${plain(value)} s`);

// The question.

function parse(words) {
  const [delay, rate, memory, cores, p99] = words.map((text) => text.trim());
  const delay_s = asSeconds("DELAY", delay, "seconds from 0.001 to 3600, like 0.2 or 200ms");
  const rate_rps = asRate("RATE", rate, "requests a second, like 300");
  const question = {
    delay_s,
    rate_rps,
    memory_bytes: memory ? asSize("MEMORY", memory, "a size of 1M or more, like 512M or 2G") : null,
    cores: asCount("CORES", cores, "a whole number from 1 to 9999"),
    p99_s: p99 ? goal(p99, delay_s) : null,
    inFlight: rate_rps * delay_s,
  };
  return { ...question, most: inEach(question, 1) };
}

function goal(text, delay_s) {
  const needed = "seconds, like 0.25 or 250ms, and longer than the delay";
  const value = asSeconds("P99", text, needed);
  if (value <= delay_s) throw wrong("P99", needed, text);
  return value;
}

function inEach(question, processes, own_s = 0) {
  const mean = (question.rate_rps / processes) * (question.delay_s + own_s);
  return up(mean + DEVIATIONS * Math.sqrt(mean));
}

function wording(question) {
  const cores = question.cores === 1 ? "1 core" : `${question.cores} cores`;
  const limit = question.memory_bytes;
  const memory = limit === null ? "" : ` and ${plain(limit / MIB)} MiB`;
  const goal = question.p99_s === null ? "" : `, p99 within ${seconds(question.p99_s)}`;
  return `${plain(question.rate_rps)} requests/s, each waiting ${seconds(question.delay_s)} for the ` +
    `backend, on ${cores}${memory}${goal}: by Little's law ${plain(question.inFlight)} of them wait at ` +
    `once on average, and up to ${whole(question.most)} when many arrive together.`;
}

// Queueing theory: loadtests/workloads/pool/theory.py, for a constant delay.

function erlangC(offered, slots) {
  let inverse = 1, term = 1;
  for (let number = slots; number > 0; number--) {
    term *= number / offered;
    inverse += term;
    if (term < ENOUGH * inverse && number < offered) break;
  }
  const blocked = 1 / inverse;
  return blocked / (1 - (offered / slots) * (1 - blocked));
}

function constantMs(rate, delay, slots) {
  const offered = rate * delay, spare = slots - offered;
  if (spare <= 0) return Infinity;
  const apart = (spare * (slots - 1) * (Math.sqrt(4 + 5 * slots) - 2)) / (16 * offered * slots);
  const often = erlangC(offered, slots);
  return 1000 * (delay + (delay / spare / 2) * (1 + apart) * Math.log(Math.max(1, often / (1 - 0.99))));
}

function slotsFor(rate, delay, goalMs) {
  if (1000 * delay > goalMs) return null;
  const tooLong = (slots) => constantMs(rate, delay, slots) > goalMs * (1 + 1e-6);
  let few = Math.floor(rate * delay), step = 1;
  while (tooLong(few + step)) [few, step] = [few + step, 2 * step];
  let enough = few + step;
  while (enough - few > 1) {
    const middle = Math.floor((few + enough) / 2);
    if (tooLong(middle)) few = middle;
    else enough = middle;
  }
  return enough;
}

// What a service needs.

const likely = (figure) => figure.median;
const unlucky = (figure) => figure.worst;
const least = (values) => (values.length ? Math.min(...values) : null);
const most = (values) => (values.length ? Math.max(...values) : null);

function need(question, service, pick) {
  const cores = fewest((number) => lacks(question, service, number, pick));
  const processes = Math.max(cores, forSlots(question, service));
  const cpu = ofCpu(question.delay_s, rateOfOne(question, service, processes, pick), service, pick);
  const above = p99Above(question, service, processes, pick);
  const own = ownMs(question, service, processes);
  const waiting = service.one_at_a_time ? 1 : flight(question, service, processes);
  const takes = question.delay_s * 1000 + Math.max(own, cpu || 0);
  const p99 = above === null ? null : question.delay_s * 1000 + above;
  return {
    cores: cpu === null ? null : cores,
    processes: cpu === null && !service.one_at_a_time ? null : processes,
    waiting,
    slots: slotsOf(question, processes, waiting, takes, p99),
    ownMs: own,
    cpu: cpu === null ? null : (question.rate_rps * cpu) / 10,
    memory: memoryOf(question, service, processes, pick),
    p99,
  };
}

function slotsOf(question, processes, waiting, takes, p99) {
  if (question.p99_s === null || p99 === null || waiting === 1) return waiting;
  const goalMs = question.p99_s * 1000 - Math.max(0, p99 - takes);
  return slotsFor(question.rate_rps / processes, takes / 1000, goalMs) || waiting;
}

function together(several, processes, pick) {
  let before = 1, gain = 1;
  for (const one of several) {
    const here = pick(one.gain);
    if (one.processes >= processes) {
      return gain + (here - gain) * ((processes - before) / (one.processes - before));
    }
    [before, gain] = [one.processes, here];
  }
  return (gain * processes) / before;
}

const rateOfOne = (question, service, processes, pick) =>
  question.rate_rps / together(service.several, processes, pick);

function flight(question, service, processes) {
  return inEach(question, processes, ownMs(question, service, processes) / 1000);
}

function ownMs(question, service, processes) {
  if (service.one_at_a_time) return 0;
  const rate = question.rate_rps / processes;
  const own = (load) => (load.full ? null : load.own_s * 1000);
  return up(most(curves(question.delay_s, service, own).map((curve) => between(curve, rate))) ?? 0);
}

function fewest(lacking) {
  let enough = 1;
  while (lacking(enough)) enough *= 2;
  let few = Math.floor(enough / 2);
  while (enough - few > 1) {
    const middle = Math.floor((few + enough) / 2);
    if (lacking(middle)) few = middle;
    else enough = middle;
  }
  return enough;
}

// Whether one fell behind as its slots were taken, not its core.
function bySlots(service, full) {
  return Boolean(service.slots) && full.waiting >= service.slots;
}

function lacks(question, service, processes, pick) {
  const rate = rateOfOne(question, service, processes, pick);
  const cpu = ofCpu(question.delay_s, rate, service, pick);
  const share = cpu === null ? 0 : (rate * cpu) / 10;
  const full = fallsBehind(question, service, processes, pick);
  if (full && bySlots(service, full)) {
    return `the ${whole(service.slots)} slots of one answered ${whole(Math.trunc(full.rps))}/s`;
  }
  if (full) return `one answered ${whole(Math.trunc(full.rps))}/s when ${whole(full.waiting)} waited`;
  if (service.capacity_rps && rate > pick(service.capacity_rps)) {
    return `one sustains ${whole(Math.trunc(pick(service.capacity_rps)))}/s`;
  }
  if (share > 100 * HEADROOM) {
    const each = processes === 1 ? "one" : `each of ${whole(processes)}`;
    return `${each} would be ${whole(up(share))} % busy, above ${plain(100 * HEADROOM)} %`;
  }
  if (service.one_at_a_time) return "";
  const within = withinGoal(question, service, pick);
  return within !== null && within > NEVER && within < rate
    ? `p99 of one is too long above ${whole(Math.trunc(within))}/s` : "";
}

function fallsBehind(question, service, processes, pick) {
  if (service.one_at_a_time) return null;
  const waiting = flight(question, service, processes);
  const rate = rateOfOne(question, service, processes, pick);
  const full = service.loads.filter((load) => load.full);
  const above = least(full.map((load) => load.waiting).filter((one) => one >= waiting)) ?? waiting;
  const behind = full.filter((load) => load.waiting <= above && load.rps < rate);
  const rps = most(behind.map((load) => load.rps));
  return behind.find((load) => load.rps === rps) || null;
}

function forSlots(question, service) {
  if (service.one_at_a_time) return question.most;
  if (!service.slots) return 1;
  return fewest((processes) => flight(question, service, processes) > service.slots);
}

function memoryOf(question, service, processes, pick) {
  if (!service.at_rest_bytes) return null;
  const first = pick(service.at_rest_bytes), request = service.request_bytes;
  if (!service.one_at_a_time) {
    const held = flight(question, service, 1), known = service.several.at(-1)?.further_bytes;
    const further = known ? Math.min(first, pick(known)) : first;
    return request ? first + further * (processes - 1) + pick(request) * held : null;
  }
  return first + (request ? pick(request) : first) * (processes - 1);
}

function ofCpu(delay, rate, service, pick) {
  const cpu = (load) => load.cpu_ms && pick(load.cpu_ms);
  return most(curves(delay, service, cpu).map((curve) => between(curve, rate)));
}

function p99Above(question, service, processes, pick) {
  if (service.one_at_a_time && processes > service.workers) return null;
  const rate = rateOfOne(question, service, processes, pick);
  return most(excess(question, service, pick).map((curve) => between(curve, rate)));
}

function withinGoal(question, service, pick) {
  if (question.p99_s === null) return null;
  const goal = (question.p99_s - question.delay_s) * 1000;
  const found = excess(question, service, pick).map((curve) => crossing(curve, goal));
  return least(found.filter((rate) => rate !== null));
}

function crossing(curve, goal) {
  let before = null;
  for (const [rate, value] of curve) {
    if (value > goal) {
      if (before === null) return NEVER;
      return before[0] + ((rate - before[0]) * (goal - before[1])) / (value - before[1]);
    }
    before = [rate, value];
  }
  return null;
}

function excess(question, service, pick) {
  const above = (load) => (load.p99_ms ? pick(load.p99_ms) - load.delay_s * 1000 : null);
  return curves(question.delay_s, service, above);
}

function curves(delay, service, figure) {
  const known = service.loads.map((load) => [load, figure(load)]).filter((one) => one[1] !== null);
  const delays = known.map(([load]) => load.delay_s);
  const below = most(delays.filter((one) => one <= delay));
  const above = least(delays.filter((one) => one >= delay));
  const near = [...new Set([below, above])].filter((one) => one !== null);
  return near.map((one) => {
    const here = known.filter(([load]) => load.delay_s === one);
    const of = (isFull) => here.filter(([load]) => load.full === isFull)
      .map(([load, value]) => [load.rps, value]);
    const curve = of(false), last = of(true).pop();
    if (last && (!curve.length || last[0] > curve[curve.length - 1][0])) curve.push(last);
    return curve;
  });
}

function between(curve, rate) {
  let before = curve[0];
  for (const [at, value] of curve) {
    if (at >= rate) {
      if (at === before[0]) return value;
      const share = (rate - before[0]) / (at - before[0]);
      return before[1] + (value - before[1]) * share;
    }
    before = [at, value];
  }
  return before[1];
}
