// Two runs beside each other. Each two have a file, made in advance, that calls compared(); the
// older of the two is A in it, whichever was chosen as A. Scripts are read where the page was
// opened as a file, too.
(() => {
  "use strict";
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const runs = read("compare-runs");
  const services = new Set(read("compare-services"));
  const form = document.getElementById("compare-form");
  const answer = document.getElementById("compare-answer");
  const known = new Map();
  const age = (folder) => runs.findIndex((run) => run.folder === folder);
  let wanted = "";

  const make = (tag, text, name) => {
    const made = document.createElement(tag);
    made.textContent = text;
    if (name) made.className = name;
    return made;
  };

  window.compared = (path, about) => {
    known.set(path, about);
    if (path === wanted) show(about);
  };

  function show(about) {
    answer.replaceChildren();
    if (about.why_not) {
      answer.append(make("p", "These two are not comparable:", "finding"));
      const list = make("ul", "", "parts");
      list.append(...about.why_not.map((reason) => make("li", reason)));
      answer.append(list);
      return;
    }
    answer.append(make("p", about.head, "finding"));
    const left = about.left_out
      ? ` ${about.left_out} figures are not compared: missing in one of them, invalid, or a lower bound (≥).`
      : "";
    answer.append(make("p", `A is the older of the two. B ÷ A has in small print an interval that is wide enough for all figures together.${left}`, "note"));
    const beyond = about.rows.filter((row) => row[0] !== "within noise");
    if (beyond.length) answer.append(table(beyond));
    const noise = about.rows.filter((row) => row[0] === "within noise");
    if (!noise.length) return;
    const rest = document.createElement("details");
    rest.append(make("summary", `${noise.length} within noise`));
    rest.addEventListener("toggle", () => rest.append(table(noise)), { once: true });
    answer.append(rest);
  }

  function table(rows) {
    const made = document.getElementById("compare-table").content.cloneNode(true);
    made.querySelector("tbody").append(...rows.map(line));
    return made;
  }

  function line([verdict, service, scenario, figure, a, b, ratio, interval]) {
    const row = document.createElement("tr");
    const head = make("th", services.has(service) ? "" : service);
    head.scope = "row";
    if (services.has(service)) {
      const link = make("a", service);
      link.href = `services/${service}.html`;
      head.append(link);
    }
    const times = make("td", ratio, "number");
    if (interval) times.append(make("small", interval));
    row.append(
      head, make("td", scenario, "t"), make("td", figure, "t"), make("td", a, "number"),
      make("td", b, "number"), times, make("td", verdict, `t ${verdict}`),
    );
    return row;
  }

  function choose() {
    const [one, other] = [form.elements.a.value, form.elements.b.value];
    history.replaceState(null, "", `#${encodeURIComponent(one)}&${encodeURIComponent(other)}`);
    if (one === other) {
      wanted = "";
      answer.replaceChildren(make("p", "Choose two different runs.", "finding"));
      return;
    }
    const [a, b] = [one, other].sort((x, y) => age(y) - age(x)).map((name) => runs[age(name)]);
    wanted = `compare/${a.file}--${b.file}.js`;
    if (known.has(wanted)) return show(known.get(wanted));
    const script = document.createElement("script");
    script.src = wanted;
    script.onerror = () => answer.replaceChildren(make("p", `${wanted} cannot be read.`, "finding"));
    document.head.append(script);
  }

  function begin() {
    const asked = location.hash.slice(1).split("&").map(decodeURIComponent);
    const [a, b] = asked.length === 2 && asked.every((name) => age(name) >= 0)
      ? asked : read("compare-first") ?? [runs[1].folder, runs[0].folder];
    form.elements.a.value = a;
    form.elements.b.value = b;
    choose();
  }

  form.addEventListener("change", choose);
  window.addEventListener("hashchange", begin);
  begin();
})();
