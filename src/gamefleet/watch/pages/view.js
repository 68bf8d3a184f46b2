// The viewer's page: the best agents' screens, as large as fits in whole multiples of their pixels, and nothing else.
// Where nothing streams, the page says so, why, and what to do.

import { Live } from "./api.js";
import { el, fill, say } from "./dom.js";
import { number, sentence } from "./format.js";
import { Frames, caption, draw, fit } from "./frames.js";
import { isTyping, showKeys, themeButton } from "./keys.js";

const DEFAULTS = { top_k: 2, width: 800, height: 600, fps: 15 };
const CAPTION_PX = 44;

const part = (name) => document.getElementById(name);
const screens = part("screens");
const shown = new Map(); // agent -> {node, canvas, line, seen}
let settings = DEFAULTS;
let streaming = null;
let agents = [];

const live = new Live((text) => {
  part("offline").hidden = !text;
  say(part("offline"), text ? `${text} Asking again by itself.` : "");
}, { hears: false });

/** The place for one picture: the wanted size where the window holds it, less where it does not. */
function room() {
  const wide = window.innerWidth - 32;
  const columns = Math.min(Math.max(1, settings.top_k), Math.max(1, Math.floor((wide + 16) / 200)));
  const isFull = Boolean(document.fullscreenElement);
  const width = Math.min(isFull ? Infinity : settings.width, (wide - 16 * (columns - 1)) / columns);
  const rows = Math.ceil(settings.top_k / columns);
  const height = Math.min(isFull ? Infinity : settings.height, Math.max(144, (window.innerHeight - 90) / rows - CAPTION_PX));
  return [width, height];
}

function make(id) {
  const canvas = el("canvas", { width: 160, height: 144, role: "img", "aria-label": `Screen of ${id}` });
  const line = el("figcaption", { class: "caption" });
  return { node: el("figure", { data: { id } }, canvas, line), canvas, line, seen: 0 };
}

const frames = new Frames((header, bitmap) => {
  const one = shown.get(header.id) ?? make(header.id);
  one.seen = performance.now();
  shown.set(header.id, one);
  draw(one.canvas, bitmap, ...room());
  fill(one.line, caption(header));
  arrange();
});

/** Keep the newest `top_k` screens; who fell out of the selection gives up its place. */
function arrange() {
  const kept = [...shown].sort((a, b) => b[1].seen - a[1].seen);
  for (const [id, one] of kept.slice(settings.top_k)) {
    if (performance.now() - one.seen < 1500) continue;
    one.node.remove();
    shown.delete(id);
  }
  for (const one of shown.values()) if (!one.node.isConnected && screens.children.length < settings.top_k) screens.append(one.node);
}

function report() {
  arrange();
  const moving = [...shown.keys()].filter((id) => !frames.isQuiet(id));
  const state = part("state");
  part("waiting").hidden = shown.size > 0;
  state.dataset.state = moving.length ? "training" : "waiting";
  if (moving.length) say(state, `Streaming: ${moving.length === 1 ? "the best agent" : `the best ${moving.length}`} of ${number(Math.max(agents.length, moving.length))}.`);
  else if (shown.size) say(state, "No new picture for some seconds; the last ones stand. Training goes on without being watched, and pictures return by themselves.");
  else say(state, "Waiting for the first picture.");
  if (shown.size) return;
  say(part("why"), sentence(streaming?.why) || (typeof streaming?.listening === "string" && streaming.listening ? `Listening at ${streaming.listening}; nobody has connected yet.` : "Nobody has connected yet."));
  const advice = streaming?.advice ?? [
    "Start the run with streaming.enabled = true (or --set streaming.enabled=true); a run that is already training keeps its settings until its next job.",
    "On a cluster, let this viewer open the way: gamefleet view --via USER@login.cluster.example.edu:DIR.",
    "Both sides need the same token: gamefleet token send USER@login.cluster.example.edu.",
    "gamefleet doctor says which of these is missing.",
  ];
  const text = JSON.stringify(advice);
  if (part("advice").dataset.text === text) return;
  part("advice").dataset.text = text;
  fill(part("advice"), advice.map((line) => el("li", {}, line)));
}

live.follow("/api/agents", ["agents"], (value, text) => {
  if (value) {
    streaming = value.streaming ?? null;
    agents = value.agents ?? [];
    settings = { ...DEFAULTS, ...value.view };
    frames.watch({ watch: "best", top_k: settings.top_k, fps: settings.fps });
  } else {
    streaming = { why: text };
  }
  report();
}, { everyMs: 2000 });
setInterval(report, 1000);

window.addEventListener("resize", () => {
  for (const one of shown.values()) fit(one.canvas, ...room());
});
document.addEventListener("fullscreenchange", () => window.dispatchEvent(new Event("resize")));

function toggleFull() {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen?.();
}

const toggleTheme = themeButton(part("theme"), () => {});
const KEYS = [["f", "whole screen"], ["t", "dark or light"], ["?", "this list"], ["Esc", "close"]];
part("help").addEventListener("click", () => showKeys(KEYS));
part("full").addEventListener("click", toggleFull);
document.addEventListener("keydown", (event) => {
  if (isTyping(event) || part("keys").open) return;
  const act = { f: toggleFull, t: toggleTheme, "?": () => showKeys(KEYS) }[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
