// Skills: the graph in layers, what each skill waits for, who trains it, and how its proposal was judged.

import { el, fill, say, svg, trouble } from "./dom.js";
import { duration, moment, number, percent, second, sentence, words } from "./format.js";

const BOX = { width: 190, height: 62, across: 58, down: 16, edge: 10 };
const TONES = {
  completed: "good", running: "busy", evaluating: "busy", merging: "busy", queued: "busy", ready: "busy",
  failed: "serious", rejected: "serious", blocked: "warning", cancelled: "warning",
};

export function open(root, { live, query, choose }) {
  const problem = trouble();
  const note = el("p", { class: "empty" }, "Reading…");
  const graphs = el("div", { class: "stack" });
  fill(root, problem.node, note, graphs);
  let shown = null;
  let chosen = query.get("skill") ?? "";

  function pick(name) {
    chosen = name;
    choose({ skill: name });
    draw();
    document.getElementById("skill-details")?.scrollIntoView({ block: "nearest" });
  }

  function draw() {
    const all = shown?.graphs ?? [];
    note.hidden = all.length > 0;
    say(note, "There is no graph of skills here: `gamefleet skills run` begins one.");
    const opened = new Set([...graphs.querySelectorAll("details[open]")].map((node) => node.dataset.part));
    const focused = document.activeElement?.dataset?.skill;
    const scrolled = [...graphs.querySelectorAll(".graph-scroll")].map((node) => node.scrollLeft);
    fill(graphs, all.map((graph) => card(graph, { chosen, pick, opened })));
    [...graphs.querySelectorAll(".graph-scroll")].forEach((node, index) => { node.scrollLeft = scrolled[index] ?? 0; });
    if (focused) graphs.querySelector(`[data-skill="${CSS.escape(focused)}"]`)?.focus();
  }

  const source = live.follow("/api/skills", ["skills"], (value, text) => {
    problem.show(text);
    shown = value ?? shown;
    if (value) draw();
  }, { everyMs: 2000 });
  return { close: () => source.close(), recolour: () => shown && draw() };
}

function card(graph, { chosen, pick, opened }) {
  const byName = new Map(graph.skills.map((skill) => [skill.skill_name, skill]));
  const details = byName.get(chosen) ?? null;
  return el("section", { class: "card" },
    el("h2", {}, `${graph.name} `, el("span", { class: "quiet" }, [graph.env_name, graph.proposer && `proposed by ${words(graph.proposer)}`].filter(Boolean).join(", "))),
    graph.trouble ? el("p", { class: "trouble" }, graph.trouble) : null,
    facts(graph),
    graph.skills.length ? drawing(graph, byName, chosen, pick) : el("p", { class: "empty" }, "No skill has been proposed yet."),
    details ? about(details, byName) : el("p", { class: "quiet" }, graph.skills.length ? "Choose a skill to see its proposal, who trains it, and how it did." : ""),
    refusals(graph.rejections ?? [], opened.has(`refused-${graph.name}`), graph.name));
}

function facts(graph) {
  const counts = Object.entries(graph.counts ?? {}).map(([status, count]) => `${number(count)} ${words(status)}`);
  const usage = graph.usage ?? {};
  const tokens = (usage.tokens_in ?? 0) + (usage.tokens_out ?? 0);
  const frontier = graph.frontier ?? {};
  const rows = [
    ["State", words(graph.state) || "–"],
    ["Skills", counts.join(", ") || "none yet"],
    ["Frontier", frontier.state ? words(frontier.state) : "–"],
    ["Tokens", tokens ? `${number(usage.tokens_in)} in, ${number(usage.tokens_out)} out` : "none used"],
    ["Cost", typeof usage.cost_usd === "number" && usage.cost_usd > 0 ? `$${usage.cost_usd.toFixed(4)}${usage.cap_usd ? ` of $${number(usage.cap_usd)}` : ""}` : "–"],
    ["Changed", second(graph.updated_at)],
  ];
  return el("div", {},
    el("dl", { class: "facts skill-facts" }, rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))),
    frontier.why ? el("p", { class: "quiet" }, sentence(frontier.why)) : null);
}

/** Columns of boxes from left to right; a line leads from what a skill needs to the skill. */
function drawing(graph, byName, chosen, pick) {
  const tallest = Math.max(1, ...graph.layers.map((layer) => layer.length));
  const height = tallest * (BOX.height + BOX.down) - BOX.down + 2 * BOX.edge;
  const width = graph.layers.length * (BOX.width + BOX.across) - BOX.across + 2 * BOX.edge;
  const places = new Map();
  graph.layers.forEach((layer, column) => {
    const pad = (height - layer.length * (BOX.height + BOX.down) + BOX.down) / 2;
    layer.forEach((name, row) => places.set(name, { x: BOX.edge + column * (BOX.width + BOX.across), y: pad + row * (BOX.height + BOX.down) }));
  });
  const lines = graph.skills.flatMap((skill) => (skill.dependencies ?? []).filter((name) => places.has(name)).map((name) => edge(places.get(name), places.get(skill.skill_name), toneOf(byName.get(name)), [name, skill.skill_name].includes(chosen))));
  return el("div", { class: "graph-scroll scroll", tabindex: "0", role: "region", "aria-label": `Skills of ${graph.name}` },
    el("div", { class: "graph", style: { width: `${width}px`, height: `${height}px` } },
      svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, ...lines),
      graph.layers.flat().map((name) => box(byName.get(name), places.get(name), name === chosen, pick))));
}

const toneOf = (skill) => TONES[skill?.status] ?? "idle";

function edge(from, to, tone, isChosen) {
  const [x1, y1, x2, y2] = [from.x + BOX.width, from.y + BOX.height / 2, to.x, to.y + BOX.height / 2];
  const bend = Math.max(24, (x2 - x1) / 2);
  return svg("path", { d: `M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`, class: `edge ${tone === "good" ? "edge-met" : ""} ${isChosen ? "edge-chosen" : ""}` });
}

function box(skill, place, isChosen, pick) {
  const share = shareOf(skill);
  return el("button", {
    type: "button", class: `skill skill-${toneOf(skill)}`, "aria-pressed": String(isChosen), data: { skill: skill.skill_name },
    style: { left: `${place.x}px`, top: `${place.y}px`, width: `${BOX.width}px`, height: `${BOX.height}px` },
    title: skill.skill_name, onclick: () => pick(isChosen ? "" : skill.skill_name),
  },
  el("span", { class: "skill-name" }, words(skill.skill_name)),
  el("span", { class: "skill-state" }, words(skill.status), share === null ? "" : ` · ${percent(share)}`),
  share === null ? null : el("span", { class: "skill-share", "aria-hidden": "true" }, el("span", { style: { width: `${100 * Math.min(1, Math.max(0, share))}%` } })));
}

/** The share of episodes that succeed: evaluated, or as training sees it. */
function shareOf(skill) {
  for (const value of [skill.success_rate, skill.progress?.success_rate]) if (typeof value === "number") return value;
  return null;
}

function about(skill, byName) {
  const unmet = (skill.dependencies ?? []).filter((name) => byName.get(name)?.status !== "completed");
  const place = [skill.executor, skill.job && `job ${skill.job}`, skill.host && `on ${skill.host}`].filter(Boolean).join(", ");
  const training = skill.progress ?? {};
  const rows = [
    ["State", [words(skill.status), unmet.length && !["completed", "failed"].includes(skill.status) ? `needs ${unmet.map(words).join(", ")}` : ""].filter(Boolean).join("; ")],
    ["Expert", number(skill.index)],
    ["Builds on", (skill.dependencies ?? []).map(words).join(", ") || "nothing"],
    ["Runs", place || "–"],
    ["Watch it", skill.session && ["launching", "running"].includes(skill.status) ? el("code", {}, `tmux attach -t ${skill.session}`) : "–"],
    ["Attempts", number(skill.attempts)],
    ["Began", moment(skill.started_at)],
    ["Trained for", duration(skill.seconds ?? training.seconds)],
    ["Steps", number(skill.frames ?? training.frames)],
    ["Success", typeof skill.success_rate === "number" ? `${percent(skill.success_rate)} of ${number(skill.episodes)} evaluated episodes (at least ${percent(skill.lower_bound)} with 95 % confidence)` : typeof training.success_rate === "number" ? `${percent(training.success_rate)} of the newest training episodes` : "–"],
    ["Proposal", proposal(skill.proposal)],
  ];
  const verdict = skill.verdict ?? {};
  return el("section", { id: "skill-details", class: "skill-details", "aria-label": `Skill ${skill.skill_name}` },
    el("h2", {}, words(skill.skill_name)),
    skill.failure ? el("p", { class: "trouble" }, sentence([words(skill.failure.kind), skill.failure.reason].filter(Boolean).join(": "))) : null,
    el("dl", { class: "skill-rows" }, rows.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]).flat()),
    el("h3", {}, "What was proposed"),
    el("pre", { tabindex: "0", "aria-label": "The proposal" }, JSON.stringify(skill.skill ?? {}, null, 2)),
    el("h3", {}, verdict.accepted === false ? "Why it was refused" : "How it was judged"),
    reasons(verdict));
}

function proposal(told) {
  if (!told) return "–";
  const tokens = (told.tokens_in ?? 0) + (told.tokens_out ?? 0);
  const cost = typeof told.cost_usd === "number" && told.cost_usd > 0 ? `, $${told.cost_usd.toFixed(4)}` : "";
  return `${words(told.source)}${tokens ? `, ${number(tokens)} tokens` : ""}${cost}`;
}

function reasons(verdict) {
  const found = (verdict.reasons ?? []).map((text) => el("li", {}, sentence(text)));
  const measured = Object.entries(verdict.statistics ?? {}).map(([name, value]) => el("li", { class: "quiet" }, `${words(name)}: ${typeof value === "number" ? number(value) : typeof value === "string" ? value : JSON.stringify(value)}`));
  return found.length + measured.length ? el("ul", {}, found, measured) : el("p", { class: "quiet" }, verdict.accepted ? "It passed every check." : "–");
}

function refusals(rejections, isOpen, name) {
  if (!rejections.length) return null;
  const rows = [...rejections].reverse().map((one) => el("li", {}, el("span", { class: "quiet" }, second(one.at)), el("span", {}, `${words(one.skill_name)}: ${(one.reasons ?? []).join("; ")}`)));
  return el("details", { open: isOpen, data: { part: `refused-${name}` } }, el("summary", {}, `Refused proposals: ${number(rejections.length)}`), el("ul", { class: "log" }, rows));
}
