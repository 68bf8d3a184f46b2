// Agents: a wall of small screens. Only what can be seen is asked for; a click follows one agent in large.

import { el, fill, say, trouble } from "./dom.js";
import { duration, number, sentence, words } from "./format.js";
import { Frames, draw, fit } from "./frames.js";

const WALL_FRAMES_PER_S = 5;
const FOLLOW_FRAMES_PER_S = 15;
const STALE_S = 10;
const MOST_WATCHED = 64; // as many as the server takes in one wish

const ORDERS = {
  place: ["by name (steady)", (a, b) => a.id.localeCompare(b.id, "en", { numeric: true })],
  progress: ["by progress", (a, b) => b.progress - a.progress || a.id.localeCompare(b.id)],
  reward: ["by reward", (a, b) => b.reward - a.reward || a.id.localeCompare(b.id)],
};

export function open(root, context) {
  const { live, query, choose } = context;
  const problem = trouble();
  const why = el("p", { class: "empty" });
  const summary = el("span", { class: "quiet", role: "status" });
  const order = el("select", { "aria-label": "Order", onchange: () => { choose({ order: order.value }); place(); } },
    Object.entries(ORDERS).map(([key, [title]]) => el("option", { value: key }, title)));
  order.value = ORDERS[query.get("order")] ? query.get("order") : "place";
  const find = el("input", { type: "search", placeholder: "member or run", "aria-label": "Show only agents whose name holds", oninput: place });
  const wall = el("div", { class: "wall", role: "list", "aria-label": "Agents" });
  const followed = followScreen(choose);
  fill(root, problem.node, followed.node, el("div", { class: "bar" }, el("label", { class: "choice" }, "Order", order), el("label", { class: "choice" }, "Find", find), summary), why, wall);

  const tiles = new Map();
  const visible = new Set();
  let agents = [];
  let waiting = 0;
  const frames = new Frames((header, bitmap) => {
    const tile = tiles.get(header.id);
    if (!tile) return;
    if (tile.canvas.width !== bitmap.width || tile.canvas.height !== bitmap.height) {
      tile.canvas.width = bitmap.width;
      tile.canvas.height = bitmap.height;
    }
    tile.canvas.getContext("2d").drawImage(bitmap, 0, 0);
    tile.node.classList.remove("still");
  });
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const id = entry.target.dataset.id;
      if (entry.isIntersecting) visible.add(id);
      else visible.delete(id);
    }
    clearTimeout(waiting);
    waiting = setTimeout(() => frames.watch({ watch: [...visible].sort().slice(0, MOST_WATCHED), fps: WALL_FRAMES_PER_S }), 120);
  });

  function make(agent) {
    const canvas = el("canvas", { width: 160, height: 144, "aria-hidden": "true" });
    const name = el("span", { class: "name" });
    const numbers = el("span", { class: "numbers" });
    const node = el(
      "button",
      { type: "button", class: "tile still", data: { id: agent.id }, onclick: () => follow(agent.id) },
      el("span", { class: "glass" }, canvas),
      name,
      numbers,
    );
    const item = el("div", { role: "listitem" }, node);
    observer.observe(node);
    return { node, item, canvas, name, numbers };
  }

  function write(tile, agent) {
    const isStale = agent.seen_s > STALE_S;
    say(tile.name, agent.id);
    tile.node.title = `${agent.id}: ${agent.run}, ${words(agent.game)}${agent.origin ? `, began at ${agent.origin}` : ""}`;
    const pieces = [`progress ${number(agent.progress)}`, `reward ${number(agent.reward)}`, `${number(agent.steps)} steps`];
    if (isStale) pieces.push(`silent for ${duration(agent.seen_s)}`);
    fill(tile.numbers, pieces.map((text) => el("span", {}, text)));
    tile.node.setAttribute("aria-pressed", String(agent.id === followed.id()));
    tile.node.classList.toggle("still", isStale || frames.isQuiet(agent.id));
  }

  function place() {
    const text = find.value.trim().toLowerCase();
    const shown = agents.filter((agent) => !text || `${agent.id} ${agent.run}`.toLowerCase().includes(text)).sort(ORDERS[order.value][1]);
    const known = new Set(agents.map((agent) => agent.id));
    for (const [id, tile] of tiles) {
      if (known.has(id)) continue;
      observer.unobserve(tile.node);
      tile.item.remove();
      tiles.delete(id);
      visible.delete(id);
    }
    const items = shown.map((agent) => {
      if (!tiles.has(agent.id)) tiles.set(agent.id, make(agent));
      const tile = tiles.get(agent.id);
      write(tile, agent);
      return tile.item;
    });
    // Moving nodes would lose the focus: only a changed order moves them.
    if (items.length !== wall.children.length || items.some((item, index) => wall.children[index] !== item)) {
      const focused = document.activeElement;
      wall.replaceChildren(...items);
      if (wall.contains(focused)) focused.focus();
    }
    say(summary, agents.length ? `${number(shown.length)} of ${number(agents.length)} agents` : "");
  }

  function show(value, text) {
    problem.show(text);
    if (!value) return;
    agents = value.agents;
    why.hidden = agents.length > 0;
    say(why, sentence(value.streaming?.why) || "No agent is streaming. Runs that play appear here by themselves.");
    place();
    followed.update(agents);
  }

  function follow(id) {
    followed.follow(id === followed.id() ? "" : id);
    place();
    if (followed.id()) {
      followed.update(agents);
      followed.node.scrollIntoView({ block: "nearest" });
    }
  }

  function keys(event) {
    const tile = document.activeElement?.closest?.(".tile");
    if (event.key === "Escape" && followed.id()) return follow(followed.id());
    if (!tile) return undefined;
    const all = [...wall.querySelectorAll(".tile")];
    const columns = getComputedStyle(wall).gridTemplateColumns.split(" ").length;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
    const next = step && all[all.indexOf(tile) + step];
    if (!next) return undefined;
    event.preventDefault();
    return next.focus();
  }
  root.addEventListener("keydown", keys);
  if (query.get("agent")) followed.follow(query.get("agent"));
  const source = live.follow("/api/agents", ["agents"], show, { everyMs: 2000 });
  return {
    keys: [["← ↑ → ↓", "go from screen to screen"], ["Enter", "follow the chosen agent"]],
    close() {
      root.removeEventListener("keydown", keys);
      clearTimeout(waiting);
      observer.disconnect();
      source.close();
      frames.close();
      followed.close();
    },
  };
}

/** The followed agent in large, above the wall. */
function followScreen(choose) {
  const canvas = el("canvas", { width: 160, height: 144, role: "img" });
  const screen = el("div", { class: "screen" }, canvas);
  const title = el("h2");
  const facts = el("dl", { class: "facts" });
  const line = el("p", { class: "quiet" });
  const stop = el("button", { type: "button", onclick: () => api.follow("") }, "Stop following");
  const node = el("section", { class: "follow card", hidden: true, "aria-label": "Followed agent" }, screen, el("div", { class: "stack" }, title, facts, line, el("div", {}, stop)));
  let id = "";
  let frames = null;
  const api = {
    node,
    id: () => id,
    follow(wanted) {
      id = wanted;
      choose({ agent: id || null });
      node.hidden = !id;
      frames?.close();
      frames = null;
      if (!id) return;
      say(title, id);
      canvas.setAttribute("aria-label", `Screen of ${id}`);
      canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
      fit(canvas, Math.min(640, node.parentElement?.clientWidth ?? 640), 576);
      frames = new Frames((header, bitmap) => {
        draw(canvas, bitmap, Math.min(640, (node.parentElement?.clientWidth ?? 640) - 30), Math.max(288, window.innerHeight - 260));
        numbers(header);
      });
      frames.watch({ watch: [id], fps: FOLLOW_FRAMES_PER_S });
    },
    update(agents) {
      if (!id) return;
      const agent = agents.find((one) => one.id === id);
      say(line, agent ? `${agent.run}, ${words(agent.game)}${agent.origin ? `, began at ${agent.origin}` : ""}; ${number(agent.fps)} pictures/s; heard ${duration(agent.seen_s)} ago` : "This agent is not connected at present. It is shown again when it comes back.");
      if (agent && frames?.isQuiet(id)) numbers(agent);
    },
    close() {
      frames?.close();
    },
  };
  function numbers(agent) {
    const reached = Array.isArray(agent.milestones) ? agent.milestones.length : agent.milestones;
    const pairs = [["Progress", agent.progress], ["Milestones", reached], ["Reward", agent.reward], ["Steps", agent.steps]];
    fill(facts, pairs.filter(([, value]) => value !== undefined).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, number(value)))));
  }
  return api;
}

