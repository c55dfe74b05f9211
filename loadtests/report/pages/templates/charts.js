// The charts of a page, drawn by Vega where they come into view, in the colours of the reader's
// paper; and what chooses the services in them and in the tables. A figure holds its spec as JSON
// in a script of its own (figure.html.j2). Vega is there packed, which is half as long.
(async () => {
  "use strict";
  async function unpack(text) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
  }

  if (!window.vegaEmbed) await unpack(document.getElementById("vega-packed").textContent);
  const themes = JSON.parse(document.getElementById("chart-themes").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const hidden = { model: new Set(), kind: new Set(), service: new Set() };
  const NARROW = 520; // pixels: less has no room for all words
  const SHORTER = { label: "service", words: "sign" }; // as in chart.py
  let printing = false;

  const shown = (record) => !["model", "kind", "service"].some((field) => hidden[field].has(record[field]));

  // Calls `each` with every part of a spec.
  function walk(spec, each) {
    if (!spec || typeof spec !== "object") return;
    each(spec);
    Object.values(spec).forEach((inner) => walk(inner, each));
  }

  // The spec that a figure holds; its records, which name their fields and what several of them
  // have once (Chart.packed in chart.py), are records again.
  function read(figure) {
    const spec = JSON.parse(figure.querySelector("script").textContent);
    walk(spec, (part) => {
      if (part.field === "model" && part.type) part.scale = themes.models;
      if (!part.values?.columns) return;
      const { columns, rows } = part.values;
      rows.forEach((row, number) => row.forEach((value, at) => {
        if (value?.constructor === Object) row[at] = rows[number - 1][at];
      }));
      part.values = rows.map((row) => Object.fromEntries(
        columns.map((name, at) => [name, row[at]]).filter(([, of]) => !Array.isArray(of)),
      ));
    });
    return spec;
  }

  // The spec for a place of so many pixels, without what is hidden; as `sized` in chart.py.
  function sized(source, width) {
    const spec = structuredClone(source);
    const about = spec.usermeta || {};
    walk(spec, (part) => {
      if (Array.isArray(part.values)) part.values = part.values.filter(shown);
      // The page has one legend for all of its charts, which is what chooses among them.
      for (const channel of ["color", "stroke", "fillOpacity", "strokeDash"]) {
        const encoded = part[channel];
        if (encoded && (encoded.field === "model" || encoded.field === "kind")) encoded.legend = null;
      }
      if (width < NARROW && part.text) part.text.field = SHORTER[part.text.field] ?? part.text.field;
    });
    if (!("around" in about)) {
      // As a number, as Vega-Lite warns of what fits across and has steps downwards.
      const rows = new Set(spec.data.values.map((record) => record[spec.encoding.y.field]));
      return { ...spec, width, height: spec.height.step * Math.max(1, rows.size) };
    }
    const around = width < NARROW ? about.narrow ?? about.around : about.around;
    const views = spec.spec ? [spec.spec] : spec.hconcat;
    views.forEach((view, place) => {
      view.width = Math.max(60, Math.round((width - around) * about.shares[place]));
    });
    return spec;
  }

  // ------------------------------------------------------------------ the words beside a pointer
  const tip = document.createElement("div");
  tip.id = "tip";
  tip.setAttribute("role", "tooltip");
  tip.hidden = true;
  document.body.append(tip);

  function tooltip(_view, event, _item, value) {
    if (!value || typeof value !== "object") {
      tip.hidden = true;
      return;
    }
    const rows = Object.entries(value).filter(([, said]) => said !== "" && said !== "null" && said !== "undefined");
    tip.replaceChildren(
      ...rows.map(([name, said], place) => {
        const row = document.createElement("div");
        const key = document.createElement("span");
        const text = document.createElement("b");
        key.textContent = place ? name : "";
        text.textContent = said;
        row.append(key, text);
        return row;
      }),
    );
    tip.hidden = false;
    const at = event.touches?.[0] ?? event.changedTouches?.[0] ?? event;
    const left = Math.min(at.clientX + 14, innerWidth - tip.offsetWidth - 8);
    const above = at.clientY + 14 + tip.offsetHeight > innerHeight;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${above ? Math.max(8, at.clientY - tip.offsetHeight - 10) : at.clientY + 14}px`;
  }
  addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });

  // -------------------------------------------------------------------------------- the drawings
  class Drawing {
    constructor(figure) {
      this.figure = figure;
      this.place = figure.querySelector(".plot");
      this.spec = read(figure);
      this.width = 0;
      figure.querySelector(".tools")?.addEventListener("click", (event) => {
        const format = event.target.dataset.format;
        if (format) this.download(format);
      });
    }

    async draw() {
      this.width = Math.floor(this.place.clientWidth);
      const config = themes[dark.matches && !printing ? "dark" : "light"];
      const options = { mode: "vega-lite", renderer: "svg", actions: false, config, tooltip };
      const drawn = await vegaEmbed(this.place, sized(this.spec, this.width), options);
      this.view?.finalize();
      this.view = drawn.view;
      this.place.dataset.drawn = config.background;
    }

    resized() {
      if (this.view && Math.abs(this.place.clientWidth - this.width) > 1) this.draw();
    }

    // On white paper and with a legend of its own, as it goes elsewhere.
    async download(format) {
      const name = `${this.figure.dataset.name}.${format}`;
      if (format === "csv") return save(name, "text/csv", this.csv());
      const text = await this.view.toSVG();
      return save(name, "image/svg+xml", text);
    }

    csv() {
      const records = [];
      walk(this.spec, (part) => {
        if (Array.isArray(part.values)) records.push(...part.values.filter((one) => one && one.service && !one.heading && shown(one)));
      });
      const left = new Set(["panel", "label", "label_at", "said", "at"]);
      const columns = [...new Set(records.flatMap(Object.keys))].filter((name) => !left.has(name));
      const cell = (value) => (/[",\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : String(value ?? ""));
      return [columns, ...records.map((one) => columns.map((name) => one[name]))]
        .map((row) => `${row.map(cell).join(",")}\r\n`)
        .join("");
    }
  }

  function save(name, type, text) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  const drawings = new Map();
  document.querySelectorAll("figure.chart").forEach((figure) => {
    const drawing = new Drawing(figure);
    drawings.set(drawing.place, drawing);
  });
  const drawn = () => [...drawings.values()].filter((drawing) => drawing.view);
  const seen = new IntersectionObserver(
    (entries) => {
      for (const entry of entries.filter((one) => one.isIntersecting)) {
        seen.unobserve(entry.target);
        drawings.get(entry.target).draw();
      }
    },
    { rootMargin: "600px" },
  );
  const resize = new ResizeObserver((entries) => entries.forEach((entry) => drawings.get(entry.target).resized()));
  for (const place of drawings.keys()) {
    seen.observe(place);
    resize.observe(place);
  }
  dark.addEventListener("change", () => drawn().forEach((drawing) => drawing.draw()));

  addEventListener("beforeprint", () => {
    printing = true;
    // Tables that are folded on any screen are wider than paper, and would make all else small.
    document.querySelectorAll("details.part").forEach((one) => { one.dataset.was = one.open; one.open = true; });
    drawings.forEach((drawing) => drawing.draw());
  });
  addEventListener("afterprint", () => {
    printing = false;
    document.querySelectorAll("details.part").forEach((one) => { one.open = one.dataset.was === "true"; });
    drawn().forEach((drawing) => drawing.draw());
  });

  // --------------------------------------------------------------------- the choice of services
  const name = (row) => row.cells[0].firstChild.textContent.trim().replace(/ \((failed|invalid|not measured)\)$/, "");

  function chosen() {
    drawn().forEach((drawing) => drawing.draw());
    const looks = new Map();
    document.querySelectorAll("#choose [data-service]").forEach((box) => {
      looks.set(box.dataset.service, { service: box.dataset.service, model: box.dataset.model, kind: box.dataset.kind });
    });
    document.querySelectorAll("main table tbody tr").forEach((row) => {
      const look = looks.get(name(row));
      if (look) row.hidden = !shown(look);
    });
  }

  document.getElementById("choose")?.addEventListener("change", (event) => {
    const { field, value } = event.target.dataset;
    if (!field) return;
    hidden[field][event.target.checked ? "delete" : "add"](value);
    chosen();
  });
  document.getElementById("choose")?.addEventListener("reset", () => {
    Object.values(hidden).forEach((names) => names.clear());
    setTimeout(chosen);
  });
})();
