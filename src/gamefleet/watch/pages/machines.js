// Machines: the members that share weights or play, how fresh, how fast, how much each counts, and who is shut out; and
// the two machines of a run whose learner is elsewhere, with the line between them.

import { el, fill, say, table, trouble } from "./dom.js";
import { bytes, clock, duration, number, percent, sentence } from "./format.js";

const LATE_S = 120;
const GONE_S = 900;

export function open(root, { live }) {
  const problem = trouble();
  const note = el("p", { class: "empty" }, "Reading…");
  const summary = el("p", { class: "quiet", role: "status" });
  const rows = table("Members", [
    { key: "member", title: "Member" },
    { key: "kind", title: "Kind" },
    { key: "host", title: "Host" },
    { key: "heartbeat_age_s", title: "Heard", number: true, meaning: "Since its last sign of life, by this server's clock", cell: (m) => (m.heartbeat_age_s === null || m.heartbeat_age_s === undefined ? null : `${duration(m.heartbeat_age_s)} ago`), tone: age },
    { key: "steps_per_s", title: "Steps/s", number: true, cell: (m) => number(m.steps_per_s) },
    { key: "samples", title: "Samples", number: true, meaning: "Recorded steps that it contributed", cell: (m) => given(m, m.samples) },
    { key: "updates", title: "Updates", number: true, cell: (m) => given(m, m.updates) },
    { key: "merges", title: "Merged", number: true, meaning: "Contributions that went into a merged version", cell: (m) => given(m, m.merges) },
    { key: "rejected", title: "Refused", number: true, cell: (m) => number(m.rejected), tone: (m) => (m.rejected ? "warning" : "") },
    { key: "lag", title: "Lag", number: true, meaning: "Merged versions that it is behind the newest", cell: (m) => lag(m) },
    { key: "weight", title: "Weight", number: true, meaning: "Its share of the last merge", cell: (m) => percent(m.weight) },
    { key: "state", title: "State", sort: (m) => (m.is_quarantined ? 0 : 1), cell: standing },
  ]);
  rows.node.hidden = true;
  const members = el("section", { class: "card" }, note, summary, rows.node);
  const pairs = el("div", { class: "stack" });
  fill(root, el("div", { class: "stack" }, problem.node, pairs, members));
  const source = live.follow("/api/machines", ["machines", "members"], (value, text) => {
    problem.show(text);
    if (!value) return;
    showMembers(value);
    fill(pairs, (value.pairs ?? []).map((pair) => pairCard(pair, value.at)));
    // Where two machines are all there is, nothing has to be said of members.
    members.hidden = Boolean(value.pairs?.length) && !value.members?.length && !value.why;
  }, { everyMs: 5000 });

  function showMembers(value) {
    const members = value.members ?? [];
    note.hidden = members.length > 0;
    rows.node.hidden = members.length === 0;
    say(note, value.available === false ? value.why || "This folder has no members: one machine plays and learns alone." : "No member has joined yet.");
    const fresh = members.filter((m) => m.heartbeat_age_s !== null && m.heartbeat_age_s < LATE_S);
    const steps = fresh.reduce((sum, m) => sum + (m.steps_per_s ?? 0), 0);
    const shut = members.filter((m) => m.is_quarantined).length;
    say(summary, members.length ? `${number(fresh.length)} of ${number(members.length)} members heard within ${duration(LATE_S)}; ${number(Math.round(steps))} steps/s together; ${shut ? `${number(shut)} shut out` : "none shut out"}` : "");
    rows.show(members);
  }
  return { close: () => source.close() };
}

/** A run that is played on one machine and learned on another: both, and the line. */
function pairCard(pair, now) {
  const { coordinator, learner, line } = pair;
  const isAway = learner.status === "out of reach";
  const away = isAway && learner.since ? ` for ${duration(Math.max(0, now - learner.since))}` : "";
  return el("section", { class: "card", "aria-label": `The two machines of ${pair.run}` },
    el("h2", {}, `${pair.run} `, el("span", { class: isAway ? "serious" : "quiet" }, sentence(pair.sentence))),
    el("div", { class: "pair" },
      machine("Coordinator: plays", [
        ["Host", coordinator.host || "–", "long"],
        ["Heard", coordinator.heard_s === null ? "–" : `${duration(coordinator.heard_s)} ago`],
        ["Games", number(coordinator.games)],
        ["Steps", number(coordinator.step)],
        ["Saved at", number(coordinator.saved_step)],
        ["Steps/s", number(coordinator.steps_per_s)],
        ["Attempt", number(coordinator.attempt)],
      ]),
      machine("Learner: learns", [
        ["Where", learner.where || "–", "long"],
        ["State", el("span", { class: isAway ? "serious" : learner.status === "at work" ? "good" : "" }, `${learner.status}${away}`)],
        ["Why", learner.why, "long"],
        ["Updates", number(learner.updates)],
        ["Updates/s", number(learner.updates_per_s)],
        ["Idle", percent(learner.idle_share)],
      ]),
      machine("The line", [
        ["Sent", bytes(line.sent_bytes)],
        ["Received", bytes(line.received_bytes)],
        ["Paused in all", duration(line.paused_s)],
        ["Lost in all", number(line.losses)],
        ["Last lost", line.lost_at ? clock(line.lost_at, now) : ""],
        ["Last back", line.back_at ? clock(line.back_at, now) : ""],
      ])),
    el("p", { class: "quiet" }, "Idle is the share of time that the learner waits for work; bytes and pauses are those of this attempt, losses those of the whole run. All of it is what the coordinator wrote down; ", el("code", {}, "gamefleet monitor"), " asks the learner itself."));
}

function machine(title, pairs) {
  const shown = pairs.filter(([, value]) => value !== "" && value !== null);
  return el("section", { "aria-label": title }, el("h3", {}, title), el("dl", { class: "facts" }, shown.map(([name, value, kind]) => el("div", { class: kind }, el("dt", {}, name), el("dd", {}, value)))));
}

/** Who only plays gives no weights, so nothing is counted of them. */
function given(member, value) {
  return member.kind === "actors" && !value ? "–" : number(value);
}

function age(member) {
  const seconds = member.heartbeat_age_s;
  if (seconds === null || seconds === undefined) return "";
  return seconds > GONE_S ? "serious" : seconds > LATE_S ? "warning" : "good";
}

function lag(member) {
  if (member.lag === null || member.lag === undefined) return "–";
  return member.version === undefined || member.version === null ? number(member.lag) : `${number(member.lag)} (v${number(member.version)})`;
}

function standing(member) {
  if (member.is_quarantined) return el("span", { class: "serious" }, `shut out: ${member.reason || "no reason was written down"}`);
  const late = age(member);
  if (late === "serious") return el("span", { class: "serious" }, `gone${member.reason ? `: ${member.reason}` : ""}`);
  if (late === "warning") return el("span", { class: "warning" }, `late${member.reason ? `: ${member.reason}` : ""}`);
  return member.reason || "takes part";
}
