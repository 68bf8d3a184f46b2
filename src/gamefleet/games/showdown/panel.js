// The replay player: one battle decision by decision, with both teams and what a policy thinks. `panel.py` beside this
// file says what stands in `data` (an example) and in the battles that a run writes.

import { el, fill, say, trouble } from "/static/dom.js";
import { clock, number, percent } from "/static/format.js";

const DECISION_MS = 1100;
const SHOWN_ACTIONS = 6;
const SHOWN_CHOICES = 14;

const STYLE = `
.showdown { display: grid; grid-template-columns: minmax(0, 1fr) minmax(240px, 340px); gap: 14px; align-items: start; }
.showdown .bar input { flex: 1; min-width: 120px; }
.sd-sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr)); gap: 12px; margin-top: 12px; }
.sd-team { display: grid; gap: 6px; padding: 0; margin: 8px 0; list-style: none; }
.sd-mon { border: 1px solid var(--grid); border-radius: 8px; padding: 6px 10px 8px; min-width: 0; }
.sd-mon.active { border: 2px solid var(--accent); padding: 5px 9px 7px; }
.sd-mon.down { text-decoration: line-through; }
.sd-name { display: flex; flex-wrap: wrap; gap: 0 10px; justify-content: space-between; }
.sd-hp { height: 8px; border-radius: 4px; border: 1px solid var(--line); overflow: hidden; margin: 4px 0; }
.sd-hp i { display: block; height: 100%; background: #4caf60; }
.sd-hp i.half { background: #d0a020; } .sd-hp i.low { background: #d04038; }
.sd-odds { display: grid; grid-template-columns: minmax(0, 1fr) 4.5em; gap: 2px 10px; }
.sd-odds .chosen { font-weight: 650; }
.sd-odds meter { width: 100%; }
@media (max-width: 900px) { .showdown { grid-template-columns: minmax(0, 1fr); } }
`;

export default function mountBattle(root, { data, run, live }) {
  const style = new CSSStyleSheet();
  style.replaceSync(STYLE);
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, style];

  let newest = { battle: data.example, note: "An example that comes with gamefleet: the run has not told of a battle yet." };
  let shown = null;
  let at = 0;
  let isPlaying = !matchMedia("(prefers-reduced-motion: reduce)").matches;

  const problem = trouble();
  const play = el("button", { type: "button", onclick: () => setPlaying(!isPlaying) }, "Pause");
  const back = el("button", { type: "button", onclick: () => choose(at - 1), "aria-label": "One decision back" }, "◀");
  const forth = el("button", { type: "button", onclick: () => choose(at + 1), "aria-label": "One decision on" }, "▶");
  const slider = el("input", { type: "range", min: "0", max: "0", value: "0", "aria-label": "Decision of the battle", oninput: () => choose(Number(slider.value)) });
  const place = el("output", { class: "quiet" });
  const next = el("button", { type: "button", onclick: () => take(0) }, "Newest battle");
  const whose = el("p", { class: "quiet" });
  const board = el("div", {});
  const opinions = el("div", {});
  const log = el("ol", { class: "log" });
  fill(root, problem.node, el("div", { class: "showdown" },
    el("section", { class: "card", "aria-label": "Battle" }, el("div", { class: "bar" }, play, back, slider, forth, place, next), whose, board),
    el("div", { class: "stack" },
      el("section", { class: "card" }, el("h2", {}, "What the policy thinks"), opinions),
      el("section", { class: "card" }, el("h2", {}, "Choices, the last ones first"), log))));

  const source = live.follow(`/api/recent?run=${encodeURIComponent(run)}`, ["recent"], (value, text) => {
    problem.show(text);
    const battle = value?.panels?.battle;
    if (!battle?.frames?.length) return;
    newest = { battle, note: `At step ${number(value.step)} of the run, ${clock(value.time)}.` };
    if (shown.battle === data.example) take(isPlaying ? 0 : battle.frames.length - 1);
    else showBar();
  });

  function take(first) {
    shown = newest;
    slider.max = String(shown.battle.frames.length - 1);
    say(whose, `${shown.battle.format}. ${ending(shown.battle)} ${shown.note}`);
    go(first);
  }

  function go(decision) {
    at = Math.max(0, Math.min(decision, shown.battle.frames.length - 1));
    const frame = shown.battle.frames[at];
    fill(board, boardOf(frame));
    fill(opinions, opinionsOf(frame));
    fill(log, choicesOf(shown.battle.frames, at));
    showBar();
  }

  function showBar() {
    if (!shown) return;
    slider.value = String(at);
    say(place, `Decision ${number(at + 1)} of ${number(shown.battle.frames.length)}`);
    say(play, isPlaying ? "Pause" : "Play");
    back.disabled = at === 0;
    forth.disabled = at === shown.battle.frames.length - 1;
    next.disabled = newest === shown;
  }

  function choose(decision) {
    setPlaying(false);
    go(decision);
  }

  function setPlaying(wanted) {
    isPlaying = wanted;
    if (isPlaying && at === shown.battle.frames.length - 1) take(0);
    else showBar();
  }

  const timer = setInterval(() => {
    if (!isPlaying || document.hidden) return;
    if (at < shown.battle.frames.length - 1) go(at + 1);
    else if (newest !== shown) take(0);
  }, DECISION_MS);

  take(0);
  return {
    close() {
      clearInterval(timer);
      source.close();
      document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== style);
    },
  };
}

function sideName(side) {
  return `Player ${side + 1}`;
}

function ending(battle) {
  if (battle.winner === null || battle.winner === undefined) return "";
  if (battle.winner < 0) return "A tie.";
  const how = battle.end === "normal" ? "" : ` (${battle.end})`;
  return `${sideName(battle.winner)} won${how}.`;
}

function boardOf(frame) {
  const field = frame.field.length ? frame.field.join(", ") : "nothing on the field";
  return [el("p", {}, `Turn ${number(frame.turn)}: ${field}`), el("div", { class: "sd-sides" }, frame.sides.map(teamOf))];
}

function teamOf(side, index) {
  const around = [
    ...side.conditions.map(([name, count]) => (count > 1 ? `${name} ×${count}` : name)),
    ...side.boosts.map(([name, stage]) => `${name} ${stage > 0 ? "+" : "−"}${Math.abs(stage)}`),
  ];
  const mons = side.mons.map((mon, slot) => monOf(mon, slot === side.active));
  return el("section", { "aria-label": `Team of player ${index + 1}` },
    el("h3", {}, sideName(index)), el("p", { class: "quiet" }, around.length ? around.join(", ") : "no effects"),
    el("ul", { class: "sd-team" }, mons));
}

function monOf(mon, isActive) {
  if (!mon) return el("li", { class: "sd-mon quiet" }, "not seen yet");
  const share = mon.hp / 1000;
  const marks = `sd-mon${isActive ? " active" : ""}${mon.hp ? "" : " down"}`;
  const level = share > 0.5 ? "" : share > 0.2 ? "half" : "low";
  const facts = [mon.item, mon.ability, mon.tera ? `Tera ${mon.tera}` : "", mon.moves.join(", ")].filter(Boolean).join(" · ");
  return el("li", { class: marks },
    el("div", { class: "sd-name" }, el("strong", {}, mon.name), el("span", {}, `${percent(share)} ${mon.status === "fnt" ? "fainted" : mon.status}`)),
    el("div", { class: "sd-hp", "aria-hidden": "true" }, el("i", { class: level, style: { width: `${share * 100}%` } })),
    el("span", { class: "quiet" }, facts || "nothing shown"));
}

function opinionsOf(frame) {
  const found = frame.sides.map((side, index) => (side.policy ? opinionOf(side, index) : null)).filter(Boolean);
  return found.length ? found : [el("p", { class: "quiet" }, "No policy was asked about this decision.")];
}

function opinionOf(side, index) {
  const rows = side.policy.actions.slice(0, SHOWN_ACTIONS).flatMap(([name, chance]) => {
    const marks = name === side.choice ? "chosen" : "";
    return [el("span", { class: marks }, name), el("span", { class: marks }, percent(chance))];
  });
  return el("section", { "aria-label": `Policy for player ${index + 1}` },
    el("h3", {}, `${sideName(index)}: ${percent(side.policy.win)} to win`), el("div", { class: "sd-odds" }, rows));
}

function choicesOf(frames, at) {
  const rows = [];
  for (let decision = at; decision >= 0 && rows.length < SHOWN_CHOICES; decision--) {
    frames[decision].sides.forEach((side, index) => {
      if (side.asked) rows.push(el("li", {}, el("span", { class: "quiet" }, `turn ${number(frames[decision].turn)}`), `${sideName(index)}: ${side.choice ?? "not shown"}`));
    });
  }
  return rows.length ? rows : [el("li", { class: "quiet" }, "None yet.")];
}
