// The table: one game of the run move by move, as a spectator sees it, and how the last games went. `panel.py` beside
// this file says what stands in `data` (the game's numbers) and in the frames that the run writes while it plays.

import { createBars } from "/static/bars.js";
import { el, fill, say, trouble } from "/static/dom.js";
import { clock, number, percent } from "/static/format.js";

const MOVE_MS = 900;
const SHOWN_MOVES = 14;

const STYLE = `
.hanabi { display: grid; grid-template-columns: minmax(0, 1fr) minmax(260px, 380px); gap: 14px; align-items: start; }
.hanabi .bar input { flex: 1; min-width: 120px; }
.hanabi .bar output { min-width: 8.5em; }
.hanabi .facts { grid-template-columns: repeat(auto-fit, minmax(80px, max-content)); gap: 6px 26px; margin-bottom: 14px; }
.hb-row { display: flex; flex-wrap: wrap; gap: 8px; }
.hb-hands { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 372px), 1fr)); gap: 10px; margin: 12px 0 10px; }
.hb-hand { border: 1px solid var(--grid); border-radius: 8px; padding: 8px 10px 10px; min-width: 0; }
.hb-hand.moves { border: 2px dashed var(--accent); padding: 7px 9px 9px; }
.hb-hand h3 { margin-bottom: 6px; display: flex; flex-wrap: wrap; gap: 0 10px; }
.hb-hand h3 .quiet { font-weight: 400; }
.hb-card { display: grid; justify-items: center; gap: 5px; width: 62px; }
.hb-face {
  width: 56px; height: 58px; border-radius: 7px; display: grid; place-content: center; justify-items: center;
  font-size: 26px; font-weight: 700; line-height: 1; color: #14171c; border: 1px solid rgb(0 0 0 / 0.35);
}
.hb-face small { font-size: 10px; font-weight: 600; line-height: 1.5; }
.hb-face.none { background: none; border: 1px dashed var(--line); color: var(--quiet); }
.hb-face.touched { outline: 3px solid var(--accent); outline-offset: 1px; }
.hb-small { width: auto; min-width: 30px; height: 26px; padding: 0 5px; font-size: 14px; border-radius: 4px; display: inline-grid; grid-auto-flow: column; gap: 3px; align-items: baseline; }
.hb-0 { background: #f2857c; } .hb-1 { background: #ecc83c; } .hb-2 { background: #68c47c; } .hb-3 { background: #ececf0; } .hb-4 { background: #7cacf5; }
.hb-known { display: grid; gap: 2px; }
.hb-known i { width: 8px; height: 8px; border-radius: 2px; border: 1px solid var(--line); background: none; }
.hb-known i.can { border-color: rgb(0 0 0 / 0.4); }
.hb-known i.can.hb-0 { background: #f2857c; } .hb-known i.can.hb-1 { background: #ecc83c; } .hb-known i.can.hb-2 { background: #68c47c; }
.hb-known i.can.hb-3 { background: #ececf0; } .hb-known i.can.hb-4 { background: #7cacf5; }
.hb-told { font-size: 12px; font-weight: 600; min-height: 17px; line-height: 17px; }
.hb-moves button { text-align: left; border: 0; background: none; padding: 2px 0; min-height: 24px; width: 100%; }
.hb-moves li[aria-current] button { font-weight: 650; }
.hb-moves { max-height: none; }
.hb-moves li { grid-template-columns: 2em 1fr; align-items: baseline; }
.hb-below { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 280px), 1fr)); gap: 12px; align-items: start; }
.hb-piles { display: grid; gap: 6px; }
@media (max-width: 900px) { .hanabi { grid-template-columns: minmax(0, 1fr); } }
@media (max-width: 600px) {
  .hb-row { gap: 4px; }
  .hb-card { width: 56px; }
  .hb-face { width: 50px; height: 50px; }
  .hb-small { width: auto; height: 26px; }
}
`;

export default function mountTable(root, { data, run, live }) {
  const style = new CSSStyleSheet();
  style.replaceSync(STYLE);
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, style];

  const table = new Table(data);
  let newest = null; // what the run told last
  let shown = null; // the game on the table: {frames, step, time, environment}
  let at = 0;
  let isPlaying = !matchMedia("(prefers-reduced-motion: reduce)").matches;

  const problem = trouble();
  const empty = el("p", { class: "empty" }, "The run has not told of a game yet. While it plays it writes one down every few seconds.");
  const play = el("button", { type: "button", onclick: () => setPlaying(!isPlaying) }, "Pause");
  const slider = el("input", { type: "range", min: "0", max: "0", value: "0", "aria-label": "Move of the game", oninput: () => choose(Number(slider.value)) });
  const place = el("output", { class: "quiet" });
  const next = el("button", { type: "button", onclick: () => take(newest, 0) }, "Newest game");
  const whose = el("span", { class: "quiet" });
  const board = el("div", {});
  const moves = el("ol", { class: "log hb-moves" });
  const piles = el("div", { class: "hb-piles" });
  const scores = scoresOf(data);
  const note = el("p", { class: "quiet" }, "You see every card; no player sees the own hand. The squares below a card are the cards that its owner can still take it for, as far as hints tell, colour by colour from 1 up; below them stands what was hinted.");
  const content = el("div", { class: "hanabi", hidden: true },
    el("div", { class: "stack" },
      el("section", { class: "card", "aria-label": "Table" }, el("div", { class: "bar" }, play, slider, place, next, whose), board, note),
      el("div", { class: "hb-below" },
        el("section", { class: "card" }, el("h2", {}, "Scores of the last games"), scores.node),
        el("section", { class: "card" }, el("h2", {}, "Discarded"), piles))),
    el("section", { class: "card" }, el("h2", {}, "Moves, the last one first"), moves));
  fill(root, problem.node, empty, content);

  const source = live.follow(`/api/recent?run=${encodeURIComponent(run)}`, ["recent"], (value, text) => {
    problem.show(text);
    if (!value) return;
    try {
      hear(value);
    } catch (error) {
      problem.show(`What the run told of a game cannot be shown: ${error.message}`);
    }
  });

  function hear(value) {
    scores.show(value.episodes);
    const frames = value.panels?.table?.frames;
    if (!Array.isArray(frames) || !frames.length) return;
    newest = { frames, step: value.step, time: value.time, environment: value.environment };
    if (!shown) take(newest, isPlaying ? 0 : frames.length - 1);
    else showBar();
  }

  function take(game, first) {
    if (!game) return;
    shown = game;
    empty.hidden = true;
    content.hidden = false;
    slider.max = String(game.frames.length - 1);
    say(whose, `agent ${number(game.environment)}, at step ${number(game.step)} of the run, ${clock(game.time)}`);
    go(first);
  }

  function go(move) {
    at = Math.max(0, Math.min(move, shown.frames.length - 1));
    const frame = shown.frames[at];
    fill(board, table.board(frame));
    fill(moves, table.moves(shown.frames, at, choose));
    fill(piles, table.piles(frame));
    showBar();
  }

  function showBar() {
    slider.value = String(at);
    say(place, `Move ${number(at)} of ${number(shown.frames.length - 1)}`);
    say(play, isPlaying ? "Pause" : "Play");
    next.disabled = newest === shown;
  }

  function choose(move) {
    setPlaying(false);
    go(move);
  }

  function setPlaying(wanted) {
    isPlaying = wanted;
    if (isPlaying && shown && at === shown.frames.length - 1) take(newest, 0);
    else if (shown) showBar();
  }

  const timer = setInterval(() => {
    if (!isPlaying || !shown || document.hidden) return;
    if (at < shown.frames.length - 1) go(at + 1);
    else if (newest !== shown) take(newest, 0);
  }, MOVE_MS);

  return {
    close() {
      clearInterval(timer);
      source.close();
      document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== style);
    },
  };
}

/** Draws situations of one kind of game. */
class Table {
  constructor(data) {
    this.data = data;
    this.letters = data.colors.map((name) => name[0].toUpperCase());
  }

  name(card) {
    const { colors, num_ranks: ranks } = this.data;
    return card < 0 ? "an unknown card" : `${colors[Math.floor(card / ranks)]} ${(card % ranks) + 1}`;
  }

  short(card) {
    const { num_ranks: ranks } = this.data;
    return `${this.letters[Math.floor(card / ranks)]}${(card % ranks) + 1}`;
  }

  face(card, isTouched = false) {
    const color = Math.floor(card / this.data.num_ranks);
    const marks = isTouched ? " touched" : "";
    if (card < 0) return el("span", { class: `hb-face none${marks}` }, "?");
    return el("span", { class: `hb-face hb-${color}${marks}` }, String((card % this.data.num_ranks) + 1), el("small", {}, this.data.colors[color]));
  }

  board(frame) {
    const hands = frame.hands.map((hand, player) => this.hand(frame, hand, player));
    return [this.facts(frame), this.fireworks(frame), el("div", { class: "hb-hands" }, hands)];
  }

  facts(frame) {
    const { max_score: most, information_tokens: hints, life_tokens: lives } = this.data;
    const pairs = [
      ["Score", `${number(frame.score)} of ${number(most)}`],
      ["Hint tokens", `${number(frame.information)} of ${number(hints)}`],
      ["Lives", `${number(frame.lives)} of ${number(lives)}`],
      ["Deck", number(frame.deck)],
      ["", frame.is_over ? (frame.lives ? (frame.score === most ? "A perfect game" : "The game is over") : "Lost: no life is left") : ""],
    ];
    return el("dl", { class: "facts" }, pairs.filter(([, value]) => value).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
  }

  fireworks(frame) {
    const ranks = this.data.num_ranks;
    const last = frame.move?.type === "play" && frame.move.is_fitting ? frame.move.card : -1;
    const cards = frame.fireworks.map((height, color) => {
      const face = height ? this.face(color * ranks + height - 1, color * ranks + height - 1 === last) : el("span", { class: "hb-face none" }, "–", el("small", {}, this.data.colors[color]));
      return el("li", {}, face);
    });
    return el("section", { "aria-label": "Fireworks" }, el("h3", {}, "Fireworks"), el("ul", { class: "hb-row" }, cards));
  }

  hand(frame, hand, player) {
    const isNext = frame.player === player;
    const touched = frame.move?.target === player ? frame.move.slots : [];
    const cards = hand.map((card, slot) => this.card(card, frame.known[player][slot], touched.includes(slot))).filter(Boolean);
    const heading = el("h3", {}, `Player ${player + 1}`, isNext ? el("span", { class: "quiet" }, "to move, and does not see this hand") : null);
    return el("section", { class: `hb-hand${isNext ? " moves" : ""}`, "aria-label": `Hand of player ${player + 1}` }, heading, el("ul", { class: "hb-row" }, cards));
  }

  /** A card and what its owner knows of it; nothing for an empty place. */
  card(card, [possible, color, rank], isTouched) {
    if (card < 0 && !possible) return null;
    const { num_ranks: ranks, colors } = this.data;
    const kinds = Array.from({ length: colors.length * ranks }, (_, kind) => kind).filter((kind) => (possible >> kind) & 1);
    const told = [color >= 0 ? colors[color] : "", rank >= 0 ? String(rank + 1) : ""].filter(Boolean).join(" ");
    const squares = Array.from({ length: colors.length * ranks }, (_, kind) => el("i", { class: (possible >> kind) & 1 ? `can hb-${Math.floor(kind / ranks)}` : "" }));
    const known = el("span", { class: "hb-known", "aria-hidden": "true", style: { gridTemplateColumns: `repeat(${ranks}, max-content)` }, title: `its owner can take it for ${kinds.map((kind) => this.short(kind)).join(" ")}` }, squares);
    const words = el("span", { class: "hidden-text" }, `; its owner can take it for ${kinds.length} cards: ${kinds.map((kind) => this.name(kind)).join(", ")}; hinted: `);
    return el("li", { class: "hb-card" }, this.face(card, isTouched), known, words, el("span", { class: "hb-told" }, told || el("span", { class: "quiet" }, "–")));
  }

  sentence(move) {
    const who = `Player ${move.player + 1}`;
    if (move.type === "play") return `${who} plays card ${move.slot + 1}, ${this.name(move.card)}: ${move.is_fitting ? "it fits" : "it does not fit, a life is lost"}`;
    if (move.type === "discard") return `${who} discards card ${move.slot + 1}, ${this.name(move.card)}`;
    const cards = move.slots.map((slot) => slot + 1);
    const subject = cards.length > 1 ? `cards ${cards.join(", ")} are` : `card ${cards[0]} is`;
    return `${who} tells player ${move.target + 1}: ${subject} ${this.data.values[move.value]}`;
  }

  moves(frames, at, choose) {
    const first = Math.max(0, at - SHOWN_MOVES + 1);
    const rows = frames.slice(first, at + 1).map((frame, index) => ({ move: frame.move, index: first + index })).reverse().filter((row) => row.move);
    if (!rows.length) return [el("li", { class: "quiet" }, "None yet.")];
    return rows.map(({ move, index }) => el("li", { "aria-current": index === at ? "step" : null }, el("span", { class: "quiet" }, number(index)), el("button", { type: "button", onclick: () => choose(index) }, this.sentence(move))));
  }

  piles(frame) {
    const ranks = this.data.num_ranks;
    const piles = this.data.colors.map((name, color) => {
      const cards = frame.discarded.slice(color * ranks, (color + 1) * ranks).flatMap((count, rank) => Array.from({ length: count }, () => rank));
      return cards.length ? el("div", { class: "hb-row", role: "group", "aria-label": name }, cards.map((rank) => el("span", { class: `hb-face hb-small hb-${color}` }, String(rank + 1), el("small", {}, this.letters[color])))) : null;
    }).filter(Boolean);
    return piles.length ? piles : [el("p", { class: "quiet" }, "Nothing yet.")];
  }
}

/** How the last games went: mean, perfect games, and how many games had each score. */
function scoresOf(data) {
  const facts = el("dl", { class: "facts" });
  const bars = createBars({ title: "Scores of the last games", from: 0, to: data.max_score, unit: "score" });
  const note = el("p", { class: "quiet" });
  return {
    node: el("div", {}, facts, bars.node, note),
    show(episodes) {
      const count = episodes?.count ?? 0;
      const found = episodes?.return;
      const share = (score) => (count ? (found?.bars ?? []).reduce((sum, [low, , times]) => sum + (low === score ? times : 0), 0) / count : null);
      const pairs = [["Mean", number(found?.mean)], ["Perfect", percent(share(data.max_score))], ["No point", percent(share(0))]];
      fill(facts, pairs.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
      bars.show(found);
      say(note, count ? `The last ${number(count)} games that training finished, exploring moves included. A lost game has no point.` : "No game is finished yet.");
    },
  };
}
