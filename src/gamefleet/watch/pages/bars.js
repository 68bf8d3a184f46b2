// A distribution as bars: how often each value came. Takes what every run tells of its episodes, `{mean, bars: [[low,
// high, count], ...]}`; a table behind it holds the same for those who do not see the drawing.

import { el, fill, svg } from "./dom.js";
import { compact, number, percent } from "./format.js";

const WIDTH = 360;
const HEIGHT = 132;
const FOOT = 18; // pixels below the bars
const HEAD = 14; // above the highest
const LABELS = 6;

/** `{node, show(distribution)}`; `from` and `to` are the whole numbers that are shown at least, each with a place. */
export function createBars({ title, from = null, to = null, unit = "value" }) {
  const drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title });
  const rows = el("tbody");
  const head = el("thead", {}, el("tr", {}, el("th", { scope: "col" }, unit), el("th", { scope: "col", class: "number" }, "count"), el("th", { scope: "col", class: "number" }, "share")));
  const table = el("details", {}, el("summary", { class: "quiet" }, "As a table"), el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${title}, as a table` }, el("table", {}, head, rows)));
  const node = el("div", { class: "bars" }, drawing, table);
  return {
    node,
    show(distribution) {
      const bars = placed(distribution?.bars ?? [], from, to);
      const total = bars.reduce((sum, bar) => sum + bar.count, 0);
      draw(drawing, bars, distribution?.mean ?? null);
      drawing.setAttribute("aria-label", `${title}: ${total ? `${number(total)} in all, mean ${number(distribution.mean)}` : "nothing yet"}`);
      fill(rows, bars.map((bar) => el("tr", {}, el("th", { scope: "row" }, bar.name), el("td", { class: "number" }, number(bar.count)), el("td", { class: "number" }, percent(total ? bar.count / total : null)))));
    },
  };
}

/** Bars by place; values that are whole numbers stand at their own place, also where nothing came between them. */
function placed(bars, from, to) {
  const found = bars.filter((bar) => Array.isArray(bar) && bar.slice(0, 3).every(Number.isFinite));
  const areWhole = found.every(([low, high]) => low === high && Number.isInteger(low));
  const low = Math.min(from ?? Infinity, ...found.map((bar) => bar[0]));
  const high = Math.max(to ?? -Infinity, ...found.map((bar) => bar[1]));
  if (!areWhole || high - low > 200 || low > high) return found.map(([start, end, count]) => ({ low: start, high: end, count, name: start === end ? number(start) : `${compact(start)} to ${compact(end)}` }));
  const counts = new Map(found.map(([value, , count]) => [value, count]));
  return Array.from({ length: high - low + 1 }, (_, place) => ({ low: low + place, high: low + place, count: counts.get(low + place) ?? 0, name: number(low + place) }));
}

function draw(drawing, bars, mean) {
  const most = Math.max(1, ...bars.map((bar) => bar.count));
  const width = WIDTH / Math.max(1, bars.length);
  const room = HEIGHT - FOOT - HEAD;
  const every = Math.max(1, Math.ceil(bars.length / LABELS));
  const parts = bars.flatMap((bar, place) => {
    const height = (bar.count / most) * room;
    const x = place * width;
    const box = svg("rect", { class: "bar-box", x: x + 0.5, y: HEIGHT - FOOT - height, width: Math.max(1, width - 1), height });
    box.append(svg("title", {}, document.createTextNode(`${bar.name}: ${number(bar.count)}`)));
    const isNamed = place % every === 0 || place === bars.length - 1;
    const crowds = place !== bars.length - 1 && bars.length - 1 - place < every;
    const label = isNamed && !crowds ? svg("text", { x: x + width / 2, y: HEIGHT - 5, "text-anchor": "middle" }, document.createTextNode(compact(bar.low))) : null;
    return [box, label];
  });
  const line = svg("line", { class: "axis-line", x1: 0, x2: WIDTH, y1: HEIGHT - FOOT, y2: HEIGHT - FOOT });
  fill(drawing, line, ...parts, ...meanMark(bars, mean, width));
}

/** A line where the mean lies, in the same measure as the bars. */
function meanMark(bars, mean, width) {
  if (!Number.isFinite(mean) || !bars.length) return [];
  const low = bars[0].low;
  const step = bars[0].high > low ? bars[0].high - low : bars.length > 1 ? bars[1].low - low : 1;
  const shift = bars[0].high > low ? 0 : 0.5;
  const x = Math.min(WIDTH - 1, Math.max(1, ((mean - low) / step + shift) * width));
  const isRight = x > WIDTH * 0.75;
  return [
    svg("line", { class: "now-line", x1: x, x2: x, y1: HEAD - 4, y2: HEIGHT - FOOT }),
    svg("text", { x: x + (isRight ? -4 : 4), y: HEAD - 4, "text-anchor": isRight ? "end" : "start" }, document.createTextNode(`mean ${number(mean)}`)),
  ];
}
