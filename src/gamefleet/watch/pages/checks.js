// Checks: what `gamefleet doctor` finds, with what to do.

import { post } from "./api.js";
import { el, fill, say, trouble } from "./dom.js";
import { moment, number } from "./format.js";

const TONES = { ok: "good", good: "good", passed: "good", warning: "warning", failed: "serious", error: "serious", serious: "serious" };

export function open(root, { live }) {
  const problem = trouble();
  const state = el("p", { role: "status" }, "Reading…");
  const start = el("button", { type: "button", class: "main", onclick: run }, "Run the checks");
  const groups = el("div", { class: "stack" });
  fill(root, problem.node, el("div", { class: "bar" }, start, state), groups);

  async function run() {
    start.disabled = true;
    try {
      await post("/api/checks");
      problem.show("");
      say(state, "The checks are running…");
      source.refresh();
    } catch (error) {
      problem.show(error.message);
      start.disabled = false;
    }
  }

  function show(value, text) {
    problem.show(text);
    if (!value) return;
    const isRunning = value.state === "running";
    start.disabled = isRunning;
    const results = value.results ?? [];
    const bad = results.filter((one) => TONES[one.status] === "serious").length;
    const odd = results.filter((one) => TONES[one.status] === "warning").length;
    const sentences = {
      never: "The checks have not been run since this server started.",
      running: `The checks are running; ${number(results.length)} are done.`,
      done: `${number(results.length)} checks, ${bad ? `${number(bad)} failed` : "none failed"}${odd ? `, ${number(odd)} with a warning` : ""}; ${moment(value.done_at ?? value.at)}.`,
    };
    say(state, sentences[value.state] ?? String(value.state));
    const names = [...new Set(results.map((one) => one.group || "Checks"))];
    fill(groups, names.map((name) => el("section", { class: "card" }, el("h2", {}, name), el("ul", { class: "checks" }, results.filter((one) => (one.group || "Checks") === name).map(line)))));
  }
  const source = live.follow("/api/checks", ["checks"], show, { everyMs: 2000 });
  return { close: () => source.close() };
}

function line(one) {
  return el("li", {}, el("strong", { class: TONES[one.status] ?? "quiet" }, one.status), el("span", {}, one.name), el("span", { class: "found" }, one.found), one.remedy ? el("span", { class: "remedy" }, one.remedy) : null);
}
