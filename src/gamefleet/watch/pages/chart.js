// One chart of one metric, of one or several runs. Every bucket shows its smallest, largest and last value, so that
// nothing is hidden by drawing fewer points than were written; how many were put together is said above the chart.

import { el, fill, say } from "./dom.js";
import { compact, number } from "./format.js";

const SERIES = 8;

/** The colour of the n-th run, from the style sheet, so that it follows dark and light. */
export function colour(index) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--series-${(index % SERIES) + 1}`).trim();
}

const look = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function faint(text, share) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
  return `rgb(${r} ${g} ${b} / ${share})`;
}

/**
 * A chart that follows its box.
 *
 * `zoom(from, to)` is called when a stretch was chosen with the mouse, with nulls for all of it again.
 */
export function createChart({ title, meaning = "", height = 130, zoom = null, isLarge = false }) {
  const heading = el("h3", { class: "chart-title", title: meaning }, title);
  const value = el("output", { class: "chart-value" });
  const note = el("span", { class: "chart-note quiet" });
  const box = el("div", { class: "chart-box", role: "img" });
  const none = el("p", { class: "quiet empty", hidden: true }, "No values yet.");
  const node = el("section", { class: `chart${isLarge ? " large" : ""}` }, el("div", { class: "chart-head" }, heading, value), box, none, note);
  let plot = null;
  let shape = "";
  let curves = [];
  let isLogarithmic = false;
  const observer = new ResizeObserver(() => resize());
  observer.observe(box);

  function size() {
    return { width: Math.max(120, Math.floor(box.clientWidth)), height };
  }

  function resize() {
    if (plot && plot.width !== size().width) plot.setSize(size());
  }

  function options() {
    const series = [{}];
    const bands = [];
    curves.forEach((curve, index) => {
      const stroke = () => colour(curve.colour ?? index);
      series.push(
        { stroke: "transparent", width: 0, points: { show: false }, spanGaps: true },
        { stroke: "transparent", width: 0, points: { show: false }, spanGaps: true },
        { stroke, width: 1.5, points: { show: curve.step.length < 2, fill: stroke, size: 6 }, spanGaps: true },
      );
      bands.push({ series: [3 * index + 2, 3 * index + 1], fill: () => faint(stroke(), 0.22) });
    });
    const axis = { stroke: () => look("--quiet"), font: "11px system-ui, sans-serif", ticks: { show: false } };
    const grid = { stroke: () => look("--grid"), width: 1 };
    return {
      ...size(),
      series,
      bands,
      legend: { show: false },
      padding: [8, 16, 0, 0],
      cursor: { y: false, points: { size: 7 }, drag: { x: Boolean(zoom), y: false, setScale: false } },
      scales: {
        x: { time: false },
        y: { distr: isLogarithmic ? 3 : 1, range: isLogarithmic ? undefined : flatRange },
      },
      axes: [
        { ...axis, grid: { show: false }, size: 22, gap: 3, space: 60, values: (_, all) => all.map(compact) },
        { ...axis, grid, size: 46, gap: 4, space: 28, values: (_, all) => all.map((v) => (v === null ? "" : compact(v))) },
      ],
      hooks: { setCursor: [(u) => point(u.cursor.idx)], setSelect: [chosen] },
    };
  }

  function flatRange(_, low, high) {
    if (low === null || high === null) return [0, 1];
    const room = high > low ? (high - low) * 0.06 : Math.abs(high) * 0.1 || 1;
    return [low >= 0 && low - room < 0 ? 0 : low - room, high + room];
  }

  function chosen(u) {
    if (!zoom || u.select.width < 4) return;
    const [from, to] = [u.select.left, u.select.left + u.select.width].map((at) => u.posToVal(at, "x"));
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    zoom(Math.max(0, Math.floor(from)), Math.ceil(to));
  }

  function nearest(curve, step) {
    let low = 0;
    let high = curve.step.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (curve.step[middle] < step) low = middle + 1;
      else high = middle;
    }
    if (low > 0 && step - curve.step[low - 1] < curve.step[low] - step) low -= 1;
    return low;
  }

  /** Say the values under the cursor, or the newest. */
  function point(index) {
    const step = index === null || index === undefined || !plot ? null : plot.data[0][index];
    const pieces = curves.map((curve, which) => {
      if (!curve.step.length) return null;
      const at = step === null ? curve.step.length - 1 : nearest(curve, step);
      const [low, high, last] = [curve.low[at], curve.high[at], curve.last[at]];
      const spread = step !== null && low !== high ? ` (${number(low)} to ${number(high)})` : "";
      const text = `${curves.length > 1 ? `${curve.run} ` : ""}${number(last)}${spread}`;
      const mark = curves.length > 1 ? el("span", { class: "mark", style: { background: colour(curve.colour ?? which) } }) : null;
      return el("span", { class: "reading" }, mark, text);
    });
    fill(value, pieces.filter(Boolean), step === null ? null : el("span", { class: "quiet" }, ` at step ${number(step)}`));
  }

  function describe() {
    const parts = curves.filter((curve) => curve.step.length).map((curve) => {
      const low = Math.min(...curve.low.filter((v) => v !== null));
      const high = Math.max(...curve.high.filter((v) => v !== null));
      return `${curve.run}: last ${number(curve.last.at(-1))} at step ${number(curve.step.at(-1))}, from ${number(low)} to ${number(high)}`;
    });
    box.setAttribute("aria-label", `${title}. ${parts.join("; ") || "No values yet."}`);
    const dense = curves.filter((curve) => curve.is_decimated);
    const text = dense.map(
      (curve) =>
        `${curves.length > 1 ? `${curve.run}: ` : ""}${number(curve.num_points)} values in ${number(curve.step.length)} ` +
        "stretches: line = last, band = least to most.",
    );
    say(note, text.join(" "));
  }

  return {
    node,
    /** Draw curves of the shape of /api/curves, each with `colour` (its number) if it shall keep one. */
    show(given, { logarithmic = false } = {}) {
      curves = given;
      const filled = curves.some((curve) => curve.step.length);
      none.hidden = filled;
      box.hidden = !filled;
      describe();
      if (!filled) {
        fill(value);
        return;
      }
      const positive = (all) => (logarithmic ? all.map((v) => (v > 0 ? v : null)) : all);
      const tables = curves.map((curve) => [curve.step, positive(curve.low), positive(curve.high), positive(curve.last)]);
      const data = tables.length === 1 ? tables[0] : uPlot.join(tables);
      const wanted = JSON.stringify([logarithmic, curves.map((curve, index) => [curve.colour ?? index, curve.step.length < 2])]);
      isLogarithmic = logarithmic;
      if (plot && wanted === shape) {
        plot.setData(data);
      } else {
        plot?.destroy();
        shape = wanted;
        plot = new uPlot(options(), data, box);
        if (zoom) plot.over.addEventListener("dblclick", () => zoom(null, null));
      }
      point(null);
    },
    /** Draw again in the present colours. */
    recolour() {
      plot?.redraw(false, true);
      point(null);
    },
    close() {
      observer.disconnect();
      plot?.destroy();
    },
  };
}
