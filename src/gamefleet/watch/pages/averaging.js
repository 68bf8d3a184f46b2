// Averaging: what each merged version was made of, with which weights, and what was refused and why.

import { colour } from "./chart.js";
import { el, fill, say, trouble } from "./dom.js";
import { moment, number, percent, second, words } from "./format.js";

const VERSIONS = 60;

export function open(root, { live }) {
  const problem = trouble();
  const note = el("p", { class: "empty" }, "Reading…");
  const legend = el("p", { class: "legend", "aria-label": "Members" });
  const body = el("tbody");
  const titles = ["Version", "Merged", "Rule", "Weights of the contributions", "Contributions", "Refused", "Judgement"];
  const list = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Merged versions", hidden: true },
    el("table", {}, el("caption", { class: "hidden-text" }, "Merged versions, the newest first"), el("thead", {}, el("tr", {}, titles.map((title) => el("th", { scope: "col" }, title)))), body));
  const more = el("p", { class: "quiet" });
  fill(root, el("section", { class: "card" }, problem.node, note, legend, list, more));
  const numbers = new Map();
  let shown = null;

  const paint = (member) => {
    if (!numbers.has(member)) numbers.set(member, numbers.size);
    return colour(numbers.get(member));
  };

  function draw() {
    const versions = [...(shown.versions ?? [])].sort((a, b) => b.version - a.version);
    const recent = versions.slice(0, VERSIONS);
    note.hidden = versions.length > 0;
    list.hidden = versions.length === 0;
    say(note, shown.available === false ? shown.why || "Nothing is averaged here: the run does not share its weights." : "No version has been merged yet.");
    const opened = new Set([...body.querySelectorAll("details[open]")].map((node) => node.dataset.version));
    fill(body, recent.map((version) => row(version, shown.head, paint, opened.has(String(version.version)))));
    fill(legend, [...numbers.keys()].map((member) => el("span", {}, el("span", { class: "mark", style: { background: paint(member) } }), member)));
    say(more, versions.length > recent.length ? `The newest ${number(recent.length)} of ${number(versions.length)} versions.` : "");
  }
  const source = live.follow("/api/averaging", ["averaging", "machines"], (value, text) => {
    problem.show(text);
    shown = value ?? shown;
    if (value) draw();
  }, { everyMs: 5000 });
  return { close: () => source.close(), recolour: () => shown && draw() };
}

function row(version, head, paint, isOpen) {
  const inputs = version.inputs ?? [];
  const total = inputs.reduce((sum, input) => sum + (input.weight ?? 0), 0) || 1;
  const bar = el("div", { class: "shares", role: "img", "aria-label": inputs.map((i) => `${i.member} ${percent(i.weight / total)}`).join(", ") || "no contributions" },
    inputs.map((input) => el("span", { style: { width: `${(100 * (input.weight ?? 0)) / total}%`, background: paint(input.member) }, title: `${input.member}: ${percent(input.weight / total)}` })));
  const details = inputs.map((input) => el("li", {}, `${input.member} ${percent(input.weight / total)}`, el("span", { class: "quiet" }, describe(input))));
  const refused = (version.rejected ?? []).map((one) => el("li", { class: "warning" }, `${one.member}: ${one.reason}`));
  const name = version.version === head ? el("span", {}, `${number(version.version)} `, el("span", { class: "good" }, "newest")) : number(version.version);
  return el("tr", {}, el("th", { scope: "row" }, name), el("td", { title: moment(version.at) }, second(version.at)), el("td", { class: "whole" }, rule(version)), el("td", {}, bar), el("td", { class: "whole" }, details.length ? el("details", { data: { version: version.version }, open: isOpen }, el("summary", {}, `${number(details.length)} ${details.length === 1 ? "member" : "members"}`), el("ul", {}, details)) : "–"), el("td", {}, refused.length ? el("ul", {}, refused) : "–"), el("td", {}, verdict(version.verdict)));
}

function rule(version) {
  const name = typeof version.rule === "object" ? version.rule?.rule : version.rule;
  const settings = Object.entries(typeof version.rule === "object" ? (version.rule ?? {}) : {}).filter(([key]) => key !== "rule");
  const title = settings.map(([key, value]) => `${words(key)} ${typeof value === "object" ? JSON.stringify(value) : value}`).join(", ");
  return el("span", { title }, words([version.kind, name].filter(Boolean).join(", ")), version.reason ? el("span", { class: "warning" }, `: ${version.reason}`) : null);
}

function describe(input) {
  const parts = [];
  if (input.samples !== undefined && input.samples !== null) parts.push(`${number(input.samples)} samples`);
  if (input.age !== undefined && input.age !== null) parts.push(`age ${number(input.age)}`);
  if (input.norm !== undefined && input.norm !== null) parts.push(`norm ${number(input.norm)}`);
  if (input.cosine !== undefined && input.cosine !== null) parts.push(`cosine ${number(input.cosine)}`);
  return parts.length ? ` (${parts.join(", ")})` : "";
}

function verdict(value) {
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value === "string") return words(value);
  const played = `mean return ${number(value.mean_return)} of ${number(value.returns?.length)} episodes`;
  return value.reason ? el("span", { class: "serious" }, `taken back: ${value.reason}`) : el("span", {}, el("span", { class: "good" }, "kept"), `, ${played}`);
}
