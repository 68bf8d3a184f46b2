// The frame around the pages: title, run, the sentence that says the state, tabs, keys. One page is open at a time; its
// name, its run and its choices stand in the address after #, so that a link leads back to the same view.

import { Live } from "./api.js";
import { el, fill, say } from "./dom.js";
import { sentence } from "./format.js";
import { isTyping, showKeys, themeButton } from "./keys.js";
import * as agents from "./agents.js";
import * as averaging from "./averaging.js";
import * as chain from "./chain.js";
import * as checks from "./checks.js";
import * as machines from "./machines.js";
import * as now from "./now.js";
import * as panels from "./panels.js";
import * as runs from "./runs.js";
import * as skills from "./skills.js";

const PAGES = [
  ["skills", "Skills", skills],
  ["now", "Now", now],
  ["agents", "Agents", agents],
  ["map", "Map", panels],
  ["chain", "Chain", chain],
  ["machines", "Machines", machines],
  ["averaging", "Averaging", averaging],
  ["runs", "Runs", runs],
  ["checks", "Checks", checks],
];

const part = (name) => document.getElementById(name);
const content = part("content");
let site = null;
let open = null; // {name, close, recolour, keys}
let state = null; // the source of the sentence

const live = new Live((text) => {
  part("offline").hidden = !text;
  say(part("offline"), text ? `${text} What you see is the last answer; asking again by itself.` : "");
});

function address() {
  const [name, query = ""] = location.hash.replace(/^#/, "").split("?");
  return { name, query: new URLSearchParams(query) };
}

/** Write choices into the address without a new entry in the history; null removes one. */
function choose(changes) {
  const { name, query } = address();
  for (const [key, value] of Object.entries(changes)) {
    if (value === null || value === "") query.delete(key);
    else query.set(key, value);
  }
  const text = query.toString();
  history.replaceState(null, "", `#${name || shownPages()[0][0]}${text ? `?${text}` : ""}`);
}

function shownPages() {
  const known = site?.pages?.length ? new Set(site.pages) : null;
  const wanted = PAGES.filter(([name]) => !known || known.has(name));
  return wanted.length ? wanted : PAGES;
}

function chosenRun() {
  const asked = address().query.get("run");
  const known = site?.runs ?? [];
  return known.find((run) => run.id === asked)?.id ?? known[0]?.id ?? "";
}

function withRun(path) {
  return `${path}${path.includes("?") ? "&" : "?"}run=${encodeURIComponent(chosenRun())}`;
}

function pageTitle(name, title) {
  if (name !== "map" || !site?.panels?.length) return title;
  const game = site.runs.find((run) => run.id === chosenRun())?.game;
  return (site.panels.find((panel) => panel.game === game) ?? site.panels[0]).title;
}

function showTabs() {
  const current = open?.name;
  const links = shownPages().map(([name, title]) => {
    const selected = name === current;
    return el(
      "a",
      { href: `#${name}`, role: "tab", id: `tab-${name}`, "aria-selected": String(selected), "aria-controls": "content", tabindex: selected ? "0" : "-1", onclick: (event) => turn(event, name) },
      pageTitle(name, title),
    );
  });
  const focused = document.activeElement?.id;
  fill(part("tabs"), links);
  if (focused?.startsWith("tab-")) part(focused)?.focus();
}

function turn(event, name) {
  event.preventDefault();
  const run = address().query.get("run");
  location.hash = `${name}${run ? `?run=${encodeURIComponent(run)}` : ""}`;
}

function showSite(value, problem) {
  if (problem) {
    say(part("state"), problem);
    return;
  }
  const before = site && { run: chosenRun(), runs: JSON.stringify(site.runs), panels: JSON.stringify(site.panels) };
  site = value;
  const copied = value.copy ? ` (copy of ${value.copy.from})` : "";
  say(part("title"), value.title + copied);
  document.title = `${value.title} · gamefleet`;
  const many = value.runs.length > 1;
  part("run-choice").hidden = !many;
  fill(
    part("run"),
    value.runs.map((run) => el("option", { value: run.id, selected: run.id === chosenRun() }, run.member && run.member !== run.name ? `${run.name} (${run.member})` : run.name)),
  );
  part("run").value = chosenRun();
  if (!before || isOutdated(before)) route();
  else showTabs();
}

/** Whether the open page was made from what no longer holds; others are left alone, with what was chosen on them. */
function isOutdated(before) {
  const isGone = !shownPages().some(([name]) => name === open.name);
  const isWanted = address().name !== open.name && shownPages().some(([name]) => name === address().name);
  const isMap = open.name === "map" && (before.runs !== JSON.stringify(site.runs) || before.panels !== JSON.stringify(site.panels));
  return isGone || isWanted || isMap || before.run !== chosenRun();
}

function showState(value, problem) {
  const line = part("state");
  line.dataset.state = problem ? "unknown" : value.state;
  const copy = site?.copy;
  const stale = copy?.error ? ` The copy is not fresh: ${copy.error}` : "";
  say(line, sentence(problem || value.sentence) + stale);
}

function route() {
  if (!site) return;
  const { name } = address();
  const pages = shownPages();
  const [key, title, module] = pages.find((page) => page[0] === name) ?? pages[0];
  open?.close();
  fill(content);
  const context = { live, site, run: chosenRun(), withRun, query: address().query, choose, route };
  open = { name: key, ...module.open(content, context) };
  content.setAttribute("aria-labelledby", `tab-${key}`);
  content.dataset.page = key;
  document.title = `${pageTitle(key, title)} · ${site.title} · gamefleet`;
  showTabs();
  part(`tab-${key}`)?.scrollIntoView({ block: "nearest", inline: "nearest" });
  if (chosenRun()) {
    if (state) state.turnTo(withRun("/api/now"));
    else state = live.follow(withRun("/api/now"), ["now"], showState);
  } else if (!state) {
    const graphs = site.pages?.includes("skills");
    if (graphs) state = live.follow("/api/skills", ["skills"], showState, { everyMs: 5000 });
    else say(part("state"), "There is no run here yet.");
  }
}

const toggleTheme = themeButton(part("theme"), () => open?.recolour?.());

function keyList() {
  const general = [
    ["1 … 9", "open a page"],
    ["← →", "go from page to page"],
    ["t", "dark or light"],
    ["?", "this list"],
    ["Esc", "close, or stop following"],
  ];
  return [...general, ...(open?.keys ?? [])];
}

function neighbour(step) {
  const names = shownPages().map((page) => page[0]);
  const next = names[(names.indexOf(open.name) + step + names.length) % names.length];
  turn(new Event("key"), next);
  requestAnimationFrame(() => part(`tab-${next}`)?.focus());
}

document.addEventListener("keydown", (event) => {
  if (isTyping(event) || part("keys").open) return;
  const pages = shownPages();
  // Arrows belong to what has the focus: a map, a wall, a list; with none, or a tab's, they change pages.
  const focused = document.activeElement;
  const inTabs = !focused || focused === document.body || focused.getAttribute("role") === "tab";
  if (event.key === "?") showKeys(keyList());
  else if (event.key === "t") toggleTheme();
  else if (/^[1-9]$/.test(event.key) && pages[event.key - 1]) turn(event, pages[event.key - 1][0]);
  else if (inTabs && event.key === "ArrowRight") neighbour(1);
  else if (inTabs && event.key === "ArrowLeft") neighbour(-1);
  else return;
  event.preventDefault();
});

part("help").addEventListener("click", () => showKeys(keyList()));
part("run").addEventListener("change", (event) => {
  choose({ run: event.target.value });
  route();
});
window.addEventListener("hashchange", route);

live.follow("/api/site", ["site", "runs"], showSite);
