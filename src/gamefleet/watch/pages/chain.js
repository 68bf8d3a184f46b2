// Chain: one lane per chain of jobs, with its waiting, its running, its saves and the gaps between jobs.

import { el, fill, say, svg, trouble } from "./dom.js";
import { clock, duration, moment, number, second, words } from "./format.js";

const LANE = { top: 18, height: 26, queue: 8, bottom: 20 };
const WINDOWS = [["all of it", null], ["last 48 h", 172800], ["last 12 h", 43200], ["last 2 h", 7200]];
const ENDED_WELL = new Set(["done", "finished", "stopped", "completed"]);
const ENDED_BADLY = /kill|fail|crash|lost|node|timeout|oom|cancel|superseded/i;
const KINDS = [
  ["seg-run", "running, or ended at its limit"], ["seg-end", "ended for good"], ["seg-killed", "killed or failed"],
  ["seg-queued", "waiting in the queue"], ["seg-gap", "no training between two jobs"], ["seg-plan", "expected"],
];

export function open(root, { live, withRun, run }) {
  const problem = trouble();
  const note = el("p", { class: "empty" }, "Reading…");
  const stretch = el("select", { onchange: () => draw() }, WINDOWS.map(([title], index) => el("option", { value: String(index) }, title)));
  const legend = el("div", { class: "legend" }, KINDS.map(([kind, text]) => el("span", {}, svg("svg", { width: 18, height: 10, viewBox: "0 0 18 10", "aria-hidden": "true" }, svg("rect", { x: 1, y: 1, width: 16, height: 8, class: kind })), ` ${text}`)), el("span", {}, "light lines: saves"));
  const bar = el("div", { class: "bar", hidden: true }, el("label", { class: "choice" }, "Show", stretch), legend);
  const lanes = el("div");
  fill(root, el("section", { class: "card" }, problem.node, note, bar, lanes));
  let shown = null;
  const observer = new ResizeObserver(() => draw());
  observer.observe(lanes);

  function draw() {
    if (!shown) return;
    const chains = shown.chains ?? [];
    note.hidden = chains.length > 0;
    bar.hidden = chains.length === 0;
    say(note, shown.available === false ? shown.why || "No chain of jobs carries this run: it was started by hand." : "No job has been handed in yet.");
    const width = Math.max(280, lanes.clientWidth);
    const at = shown.at ?? Date.now() / 1000;
    // What was opened stays open while the lanes are drawn anew.
    const opened = new Set([...lanes.querySelectorAll("details[open]")].map((node) => node.dataset.chain));
    const axis = axisOf(chains.map((chain) => [chain, jobsOf(chain)]), at, WINDOWS[stretch.value][1]);
    fill(lanes, chains.map((chain) => lane(chain, jobsOf(chain), { width, at, ...axis, isOpen: opened.has(chain.name) })));
  }

  const jobsOf = (chain) => chain.jobs ?? shown.jobs ?? [];
  const path = run ? withRun("/api/chain") : "/api/chain";
  const source = live.follow(path, ["chain"], (value, text) => {
    problem.show(text);
    shown = value ?? shown;
    draw();
  }, { everyMs: 5000 });
  const clockwork = setInterval(draw, 30000);
  return {
    close() {
      clearInterval(clockwork);
      observer.disconnect();
      source.close();
    },
  };
}

const known = (value) => typeof value === "number" && Number.isFinite(value);

function timesOf(legs) {
  return legs.flatMap((leg) => [leg.queued_at, leg.started_at, leg.ended_at]).filter(known);
}

/** One axis for all lanes, so that what stands one below the other happened at the same time. */
function axisOf(pairs, at, span) {
  const times = pairs.flatMap(([chain, jobs]) => [...timesOf(chain.legs ?? []), ...jobs.flatMap((job) => [job.expected_start, job.ends_at]).filter(known)]);
  const last = Math.max(at, ...times);
  return { last, first: Math.min(at, span === null ? Math.min(...times) : Math.max(Math.min(...times), at - span)) };
}

function kind(leg) {
  const outcome = String(leg.outcome ?? "");
  if (ENDED_BADLY.test(outcome)) return "seg-killed";
  return ENDED_WELL.has(outcome) ? "seg-end" : "seg-run";
}

function lane(chain, jobs, view) {
  const legs = chain.legs ?? [];
  const heading = el("h2", {}, `${chain.name} `, el("span", { class: "quiet" }, [chain.state === "unknown" ? "what is queued is not known here" : words(chain.state), chain.reason].filter(Boolean).join(": ")));
  const waiting = jobs.map((job) => el("li", {}, jobLine(job)));
  const table = el("details", { data: { chain: chain.name }, open: view.isOpen }, el("summary", {}, `${count(legs)}, ${gaps(legs)}`), el("div", { class: "scroll", tabindex: "0" }, legTable(legs)));
  return el("section", { class: "lane", "aria-label": `Chain ${chain.name}` }, heading, waiting.length ? el("ul", {}, waiting) : null, drawing(chain, legs, jobs, view), table);
}

function count(legs) {
  return `${number(legs.length)} ${legs.length === 1 ? "job" : "jobs"}`;
}

function jobLine(job) {
  const state = words(String(job.state).toLowerCase());
  const pieces = [`Job ${job.id}: ${state === "pending" ? "queued" : state}${job.host ? ` on ${job.host}` : ""}`];
  if (job.reason_text) pieces.push(job.reason_text);
  if (job.expected_start) pieces.push(`expected to start ${clock(job.expected_start)}`);
  if (job.ends_at) pieces.push(`ends ${clock(job.ends_at)}`);
  return pieces.join("; ");
}

/** From the end of each job that trained to the next one that did; jobs between them that never did are part of it. */
function gaps(legs) {
  const trained = legs.filter((leg) => known(leg.training_at));
  const found = trained.slice(1).map((leg, index) => trained[index].gap_s ?? leg.training_at - trained[index].ended_at).filter(known);
  return found.length ? `longest gap ${duration(Math.max(...found))}` : "no gap measured";
}

function drawing(chain, legs, jobs, { width, at, first, last }) {
  if (!timesOf(legs).length) return el("p", { class: "quiet" }, "No job has started yet.");
  const x = (time) => 4 + ((Math.min(last, Math.max(first, time)) - first) / Math.max(1, last - first)) * (width - 8);
  const height = LANE.top + LANE.height + LANE.queue + LANE.bottom + 6;
  const parts = [];
  const rect = (from, to, y, size, name, title) => {
    if (!known(from) || !known(to) || to < first) return;
    parts.push(svg("rect", { x: x(from), y, width: Math.max(1.5, x(to) - x(from)), height: size, class: name, rx: 2 }, title ? withTitle(title) : null));
  };
  legs.forEach((leg, index) => {
    const begin = leg.started_at;
    const end = leg.ended_at ?? (known(begin) ? at : null);
    rect(leg.queued_at, begin ?? leg.ended_at ?? at, LANE.top + LANE.height + 3, LANE.queue, "seg-queued", `Job ${leg.job ?? leg.number} waited ${duration((begin ?? at) - leg.queued_at)}`);
    rect(begin, end, LANE.top, LANE.height, kind(leg), legTitle(leg, at));
    for (const save of leg.checkpoints ?? []) {
      if (known(save) && save >= first) parts.push(svg("line", { x1: x(save), x2: x(save), y1: LANE.top + 3, y2: LANE.top + LANE.height - 3, class: "seg-save" }));
    }
    const before = legs[index - 1]?.ended_at;
    const again = leg.training_at ?? end;
    if (known(before) && known(again) && again > before) rect(before, again, LANE.top + LANE.height / 2 - 3, 6, "seg-gap", `No training for ${duration(legs[index - 1].gap_s ?? again - before)}${ours(legs[index - 1])}`);
    const middle = known(begin) && end >= first ? x(Math.max(begin, first)) : null;
    if (middle !== null && x(end) - middle > 34) parts.push(svg("text", { x: middle + 4, y: LANE.top - 5 }, String(leg.number)));
  });
  for (const job of jobs) {
    const from = job.expected_start ?? (job.ends_at ? at : null);
    const until = job.ends_at ?? job.expected_start;
    if (until > at) rect(from, until, LANE.top, LANE.height, "seg-plan", jobLine(job));
  }
  const base = height - LANE.bottom + 4;
  parts.push(svg("line", { x1: 4, x2: width - 4, y1: base - 4, y2: base - 4, class: "axis-line" }), svg("line", { x1: x(at), x2: x(at), y1: 4, y2: base - 2, class: "now-line" }, withTitle(`now, ${second(at)}`)));
  for (const [time, anchor] of ticks(first, last, width)) parts.push(svg("text", { x: x(time), y: base + 10, "text-anchor": anchor }, last - first < 900 ? second(time, at) : clock(time, at)));
  const label = `${chain.name}: ${count(legs)} from ${clock(first, at)} to ${clock(last, at)}; ${gaps(legs)}`;
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": label }, ...parts);
}

/** How much of the gap after a job was neither the queue's nor a late machine's. */
function ours(leg) {
  return typeof leg.ours_s === "number" ? `, ${duration(leg.ours_s)} of it our own` : "";
}

function withTitle(text) {
  const node = svg("title");
  node.textContent = text;
  return node;
}

function ticks(first, last, width) {
  const count = Math.max(2, Math.min(7, Math.floor(width / 130)));
  return Array.from({ length: count }, (_, index) => {
    const anchor = index === 0 ? "start" : index === count - 1 ? "end" : "middle";
    return [first + ((last - first) * index) / (count - 1), anchor];
  });
}

function legTitle(leg, at) {
  const ran = leg.started_at ? `${duration((leg.ended_at ?? at) - leg.started_at)}` : "not started";
  return `Job ${leg.job ?? ""} (number ${leg.number}) on ${leg.host || "?"}: ${ran}, steps ${number(leg.from_step)} to ${number(leg.to_step)}, ${leg.outcome ? words(leg.outcome) : "running"}`;
}

function legTable(legs) {
  const titles = ["Number", "Job", "Host", "Queued", "Started", "Ended", "From step", "To step", "Outcome", "Gap after it", "Our own part"];
  const rows = [...legs].reverse().map((leg) => {
    const cells = [leg.job, leg.host, second(leg.queued_at), second(leg.started_at), second(leg.ended_at), number(leg.from_step), number(leg.to_step), words(leg.outcome) || (leg.started_at && !leg.ended_at ? "running" : ""), duration(leg.gap_s), duration(leg.ours_s)];
    return el("tr", {}, el("th", { scope: "row", title: moment(leg.started_at) }, String(leg.number)), cells.map((cell) => el("td", {}, cell === null || cell === undefined || cell === "" ? "–" : String(cell))));
  });
  return el("table", {}, el("caption", { class: "hidden-text" }, "Jobs of the chain, the newest first"), el("thead", {}, el("tr", {}, titles.map((title) => el("th", { scope: "col" }, title)))), el("tbody", {}, rows));
}
