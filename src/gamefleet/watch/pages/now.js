// Now: the best agent playing, how far the run is, six curves, what is wrong, what happened last.

import { createChart } from "./chart.js";
import { el, fill, say, trouble } from "./dom.js";
import { clock, duration, moment, number, percent, sentence, words } from "./format.js";
import { Frames, caption, draw, fit } from "./frames.js";

const FRAMES_PER_S = 15;
const EVENTS = 40;

/** A dark screen that shows the best agent, or says why there is no picture. */
function bestScreen(context) {
  const canvas = el("canvas", { width: 160, height: 144, role: "img", "aria-label": "The best agent's screen", hidden: true });
  const film = el("video", { controls: true, loop: true, muted: true, playsinline: true, hidden: true, "aria-label": "The run's last film" });
  const picture = el("img", { alt: "The run's last picture", hidden: true });
  const why = el("p");
  const sleep = el("div", { class: "sleep" }, why);
  const over = el("p", { class: "over", hidden: true });
  const screen = el("div", { class: "screen" }, canvas, film, picture, sleep, over);
  const line = el("p", { class: "caption" });
  const node = el("figure", { "aria-label": "Best agent" }, screen, line);
  let media = null;
  let isLive = false;
  let streaming = null;
  let isRecorded = false;

  let frames = null;
  let last = null;
  function begin() {
    frames = new Frames((header, bitmap) => {
      isLive = true;
      canvas.hidden = false;
      sleep.hidden = film.hidden = picture.hidden = true;
      draw(canvas, bitmap, screen.clientWidth, room());
      fill(line, caption(header));
      last = header.id;
      over.hidden = true;
    });
    frames.watch({ watch: "best", top_k: 1, fps: FRAMES_PER_S });
  }
  const room = () => Math.max(160, window.innerHeight - 230);
  const observer = new ResizeObserver(() => !canvas.hidden && fit(canvas, screen.clientWidth, room()));
  observer.observe(screen);

  function rest() {
    if (isLive && !frames?.isQuiet(last)) return;
    if (isLive) {
      say(over, "No new picture for some seconds: the last one stands.");
      over.hidden = false;
      return;
    }
    const isFilm = media && /\.(mp4|webm)$/i.test(media);
    film.hidden = !isFilm;
    picture.hidden = !media || isFilm;
    if (isRecorded) say(why, "This run learns from records. It plays no games, so it has no picture.");
    else say(why, sentence(streaming?.why) || "No agent is streaming its picture. Runs that play show it here by themselves.");
    say(line, media ? `The last ${isFilm ? "film" : "picture"} of this run; no agent is streaming.` : "");
    sleep.hidden = false;
  }
  const timer = setInterval(rest, 1000);
  const source = context.live.follow("/api/agents", ["agents"], (value) => {
    streaming = value?.streaming ?? null;
    // A server that takes in no pictures has no line for them either.
    if (streaming && streaming.listening !== false && !frames) begin();
    rest();
  });
  return {
    node,
    mood(learnsFromRecords) {
      isRecorded = learnsFromRecords;
      rest();
    },
    film(address) {
      if (address === media) return;
      media = address;
      if (address && /\.(mp4|webm)$/i.test(address)) film.src = address;
      else if (address) picture.src = address;
      rest();
    },
    close() {
      clearInterval(timer);
      observer.disconnect();
      frames?.close();
      source.close();
    },
  };
}

export function open(root, context) {
  const { live, withRun, run } = context;
  const best = bestScreen(context);
  const problem = trouble();
  const facts = el("dl", { class: "facts" });
  const bar = el("progress", { "aria-label": "Steps done", max: 1, value: 0 });
  const milestones = el("ol", { class: "log" });
  const milestoneCard = el("section", { class: "card" }, el("h2", {}, "Milestones"), milestones);
  const alarms = el("ul", { class: "alarms", "aria-label": "Alarms" });
  const curves = el("div", { class: "curves" });
  const curveTrouble = trouble();
  const happened = el("ol", { class: "log", tabindex: "0", "aria-label": "Newest events" });
  const eventTrouble = trouble();
  fill(
    root,
    problem.node,
    el(
      "div",
      { class: "now" },
      el("div", { class: "stack" }, best.node, milestoneCard),
      el(
        "div",
        { class: "stack" },
        alarms,
        el("section", { class: "card", "aria-label": "How far" }, bar, facts),
        curveTrouble.node,
        curves,
        el("section", { class: "card" }, el("h2", {}, "What happened"), eventTrouble.node, happened),
      ),
    ),
  );
  if (!run) return { close: () => best.close() };

  const charts = new Map();
  let names = [];
  let curveSource = null;
  const sources = [live.follow(withRun("/api/now"), ["now"], showNow)];
  sources.push(live.follow(withRun(`/api/events?limit=${EVENTS}`), ["events"], showEvents));

  function showNow(value, text) {
    problem.show(text);
    if (!value) return;
    const total = value.total_steps;
    const isTraining = value.state === "training";
    fact(facts, [
      ["Steps", number(value.step)],
      ["Done", total ? percent(value.step / total) : "–"],
      ["Steps/s", isTraining ? number(value.steps_per_s) : "–"],
      ["Time left", isTraining ? duration(value.seconds_left) : "–"],
      value.is_recorded
        ? ["Decisions/s", isTraining ? number(value.values["speed/decisions_per_s"]) : "–"]
        : ["Milestones", `${value.milestones.reached.length}${value.milestones.total ? ` of ${value.milestones.total}` : ""}`],
    ]);
    best.mood(value.is_recorded);
    milestoneCard.hidden = value.is_recorded;
    bar.hidden = !total;
    bar.value = total ? value.step / total : 0;
    fill(
      milestones,
      value.milestones.reached.length
        ? [...value.milestones.reached].reverse().map((one) => entry(clock(one.time), `${words(one.name)}, step ${number(one.step)}`, moment(one.time)))
        : el("li", {}, el("span", { class: "quiet" }, "None yet.")),
    );
    fill(alarms, (value.alarms ?? []).map(alarm));
    alarms.hidden = !value.alarms?.length;
    best.film(value.best?.picture ?? null);
    ask(value.curves ?? []);
  }

  function ask(wanted) {
    if (JSON.stringify(wanted) === JSON.stringify(names)) return;
    names = wanted;
    curveSource?.close();
    if (!names.length) return;
    const asked = names.map((name) => `name=${encodeURIComponent(name)}`).join("&");
    curveSource = live.follow(withRun(`/api/curves?${asked}&points=400`), ["curves", "metrics"], showCurves);
  }

  function showCurves(value, text) {
    curveTrouble.show(text);
    for (const name of names) {
      const curve = value?.curves.find((one) => one.name === name);
      if (!charts.has(name)) charts.set(name, createChart({ title: name, height: 118 }));
      if (curve) charts.get(name).show([curve]);
    }
    const nodes = names.map((name) => charts.get(name).node);
    if (nodes.some((node) => node.parentNode !== curves)) fill(curves, nodes);
  }

  function showEvents(value, text) {
    eventTrouble.show(text);
    if (!value) return;
    const rows = Array.isArray(value) ? value : (value.events ?? []);
    fill(
      happened,
      rows.length
        ? rows.slice(0, EVENTS).map((row) => entry(clock(row.time), event(row), moment(row.time)))
        : el("li", {}, el("span", { class: "quiet" }, "Nothing yet.")),
    );
  }

  return {
    close() {
      best.close();
      for (const source of [...sources, curveSource]) source?.close();
      for (const chart of charts.values()) chart.close();
    },
    recolour() {
      for (const chart of charts.values()) chart.recolour();
    },
  };
}

function alarm(one) {
  const isSerious = one.level === "serious";
  return el(
    "li",
    { class: isSerious ? "serious-alarm" : "" },
    el("strong", { class: isSerious ? "serious" : "warning" }, isSerious ? "Serious: " : "Warning: "),
    one.text,
    one.remedy ? el("span", { class: "remedy" }, ` ${one.remedy}`) : null,
  );
}

/** `checkpoint saved at step 400: seconds 0.6`, as much of it as is known. */
function event(row) {
  const where = typeof row.step === "number" ? ` at step ${number(row.step)}` : "";
  // Moments inside an event are for programs; the event's own time stands beside it.
  const details = String(row.text ?? "").split(", ").filter((part) => part && !/_at \d/.test(part));
  return `${words(row.kind)}${where}${details.length ? `: ${words(details.join(", "))}` : ""}`;
}

function entry(when, text, title) {
  return el("li", {}, el("span", { class: "quiet", title }, when), el("span", {}, text));
}

function fact(list, pairs) {
  fill(list, pairs.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}
