// Runs: curves of several runs on shared axes. Dragging over a stretch asks for it again in more detail.

import { colour, createChart } from "./chart.js";
import { el, fill, say, trouble } from "./dom.js";
import { number, words } from "./format.js";

const POINTS = 1000;
const FIRST_NAMES = 4;
const LIKED = ["start/milestones", "run/milestones_reached", "episode/return", "speed/steps_per_s", "learner/loss"];

const split = (text) => (text ? text.split(",").filter(Boolean) : []);

export function open(root, context) {
  const { live, site, run, query, choose } = context;
  const problem = trouble();
  const list = el("div", { class: "list", role: "group", "aria-label": "Runs to compare" });
  const names = el("div", { class: "list", role: "group", "aria-label": "Metrics to show" });
  const health = el("div");
  const charts = el("div", { class: "stack" });
  const curveTrouble = trouble();
  const logarithmic = el("input", { type: "checkbox", onchange: () => draw() });
  const whole = el("button", { type: "button", disabled: true, onclick: () => zoom(null, null) }, "All steps");
  const stretch = el("span", { class: "quiet", role: "status" }, "Drag over a chart to look closer; double-click for all of it.");
  const numbers = el("details", { class: "card" }, el("summary", {}, "Newest values as a table"));
  const values = el("div", { class: "scroll" });
  numbers.append(values);
  fill(
    root,
    problem.node,
    el("div", { class: "runs" },
      el("div", { class: "stack" }, el("section", { class: "card" }, el("h2", {}, "Runs"), list), el("section", { class: "card" }, el("h2", {}, "Metrics"), names)),
      el("div", { class: "stack" }, el("div", { class: "bar" }, el("label", { class: "choice" }, logarithmic, "logarithmic"), whole, stretch), health, curveTrouble.node, charts, numbers)),
  );

  const shownCharts = new Map();
  let runs = site.runs;
  let chosen = split(query.get("runs")).filter((id) => runs.some((one) => one.id === id));
  if (!chosen.length) chosen = run ? [run] : [];
  let metrics = split(query.get("metrics"));
  let known = [];
  let answer = null;
  let from = null;
  let to = null;
  let curveSource = null;
  let metricSources = new Map();
  const facts = new Map();
  // A run keeps its colour while others come and go.
  const paint = (id) => runs.findIndex((one) => one.id === id);
  const nameOf = (id) => runs.find((one) => one.id === id)?.name ?? id;

  function showRuns(value, text) {
    problem.show(text);
    if (!value) return;
    runs = value;
    const focused = document.activeElement?.value;
    fill(list, runs.map((one) => el("label", {},
      el("input", { type: "checkbox", value: one.id, checked: chosen.includes(one.id), onchange: (event) => pick(one.id, event.target.checked) }),
      el("span", { class: "mark", style: { background: colour(paint(one.id)) } }),
      el("span", {}, one.name, el("span", { class: "quiet" }, `${one.member && one.member !== one.name ? ` · ${one.member}` : ""} · ${words(one.state)} · ${number(one.step)} steps`)))));
    if (focused) list.querySelector(`input[value="${CSS.escape(focused)}"]`)?.focus();
  }

  function pick(id, isWanted) {
    chosen = isWanted ? [...chosen, id] : chosen.filter((one) => one !== id);
    choose({ runs: chosen.join(",") });
    readMetrics();
    ask();
  }

  function readMetrics() {
    for (const [id, source] of metricSources) {
      if (chosen.includes(id)) continue;
      source.close();
      metricSources.delete(id);
      facts.delete(id);
    }
    for (const id of chosen) {
      if (metricSources.has(id)) continue;
      metricSources.set(id, live.follow(`/api/metrics?run=${encodeURIComponent(id)}`, ["metrics", "curves"], (value, text) => {
        facts.set(id, value ?? { error: text });
        showMetrics();
      }));
    }
    showMetrics();
  }

  function showMetrics() {
    const all = new Map();
    for (const value of facts.values()) for (const one of value.names ?? []) all.set(one.name, one);
    known = [...all.values()].sort((a, b) => a.name.localeCompare(b.name));
    if (!metrics.length && known.length) {
      metrics = LIKED.filter((name) => all.has(name)).slice(0, FIRST_NAMES);
      if (!metrics.length) metrics = known.slice(0, FIRST_NAMES).map((one) => one.name);
      ask();
    }
    const wanted = JSON.stringify(known.map((one) => one.name));
    if (names.dataset.names !== wanted) {
      names.dataset.names = wanted;
      fill(names, known.map((one) => el("label", { title: one.meaning },
        el("input", { type: "checkbox", value: one.name, checked: metrics.includes(one.name), onchange: (event) => pickMetric(one.name, event.target.checked) }), el("span"), el("span", {}, one.name, one.unit ? el("span", { class: "quiet" }, ` ${one.unit}`) : null))));
    }
    fill(health, [...facts].map(([id, value]) => {
      const pieces = [];
      if (value.error) pieces.push(value.error);
      if (value.problem) pieces.push(value.problem);
      if (value.reading < 1) pieces.push(`${Math.floor(100 * value.reading)} % of the file is taken in so far.`);
      return pieces.length ? el("p", { class: "trouble", role: "status" }, `${nameOf(id)}: ${pieces.join(" ")}`) : null;
    }));
  }

  function pickMetric(name, isWanted) {
    metrics = isWanted ? [...metrics, name] : metrics.filter((one) => one !== name);
    choose({ metrics: metrics.join(",") });
    ask();
  }

  function zoom(low, high) {
    [from, to] = [low, high];
    whole.disabled = from === null;
    say(stretch, from === null ? "Drag over a chart to look closer; double-click for all of it." : `Steps ${number(from)} to ${number(to)}.`);
    ask();
  }

  function ask() {
    if (!chosen.length || !metrics.length) {
      curveSource?.close();
      curveSource = null;
      answer = { curves: [] };
      draw();
      return;
    }
    const parts = [...chosen.map((id) => `run=${encodeURIComponent(id)}`), ...metrics.map((name) => `name=${encodeURIComponent(name)}`), `points=${POINTS}`];
    if (from !== null) parts.push(`from=${from}`, `to=${to}`);
    const path = `/api/curves?${parts.join("&")}`;
    if (curveSource) curveSource.turnTo(path);
    else curveSource = live.follow(path, ["curves", "metrics"], showCurves);
  }

  function showCurves(value, text) {
    curveTrouble.show(text);
    if (!value) return;
    answer = value;
    draw();
  }

  function draw() {
    if (!answer) return;
    for (const [name, chart] of shownCharts) {
      if (metrics.includes(name)) continue;
      chart.close();
      shownCharts.delete(name);
    }
    const nodes = metrics.map((name) => {
      const about = known.find((one) => one.name === name);
      if (!shownCharts.has(name)) shownCharts.set(name, createChart({ title: about?.unit ? `${name}, ${about.unit}` : name, meaning: about?.meaning, height: 190, zoom, isLarge: true }));
      const curves = answer.curves.filter((curve) => curve.name === name).map((curve) => ({ ...curve, run: nameOf(curve.run), colour: paint(curve.run) }));
      const chart = shownCharts.get(name);
      queueMicrotask(() => chart.show(curves, { logarithmic: logarithmic.checked }));
      return chart.node;
    });
    if (!nodes.length) fill(charts, el("p", { class: "empty" }, chosen.length ? "Choose a metric." : "Choose a run."));
    else if (nodes.length !== charts.children.length || nodes.some((node, index) => charts.children[index] !== node)) fill(charts, nodes);
    tabulate();
  }

  function tabulate() {
    const cell = (name, id) => {
      const curve = answer.curves.find((one) => one.name === name && one.run === id);
      return curve?.step.length ? `${number(curve.last.at(-1))} at ${number(curve.step.at(-1))}` : "–";
    };
    fill(values, el("table", {}, el("caption", { class: "hidden-text" }, "Newest values"),
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Metric"), chosen.map((id) => el("th", { scope: "col" }, nameOf(id))))),
      el("tbody", {}, metrics.map((name) => el("tr", {}, el("th", { scope: "row" }, name), chosen.map((id) => el("td", {}, cell(name, id))))))));
  }

  const source = live.follow("/api/runs", ["runs", "now"], (value, text) => showRuns(Array.isArray(value) ? value : value?.runs, text));
  readMetrics();
  ask();
  return {
    close() {
      for (const one of [source, curveSource, ...metricSources.values()]) one?.close();
      for (const chart of shownCharts.values()) chart.close();
    },
    recolour() {
      for (const chart of shownCharts.values()) chart.recolour();
      showRuns(runs, "");
    },
  };
}
