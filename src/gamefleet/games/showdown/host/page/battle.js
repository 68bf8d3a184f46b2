// A person's side of a battle in a browser: the server's own websocket, its lines as text, its requests as buttons.
// Nothing comes from elsewhere, so that it works on a machine without a network.

const FORMS = [["canMegaEvo", "mega", "Mega Evolution"], ["canUltraBurst", "ultra", "Ultra Burst"], ["canDynamax", "dynamax", "Dynamax"], ["canTerastallize", "terastallize", "Terastallization"]];
const SILENT = new Set(["", "t:", "upkeep", "gametype", "player", "teamsize", "gen", "tier", "rated", "rule", "clearpoke", "teampreview", "request", "init", "title", "j", "l", "n", "inactive", "inactiveoff", "html", "uhtml", "raw", "deinit", "bigerror"]);

const asked = new URLSearchParams(location.search);
const format = asked.get("format") ?? "gen1randombattle";
const opponent = asked.get("opponent") ?? "Agent";
const name = `Person ${Math.floor(Math.random() * 9000) + 1000}`;

const part = (id) => document.getElementById(id);
const socket = new WebSocket(`ws://${location.host}/showdown/websocket`);
let room = "";
let isKnown = false;

socket.onmessage = ({ data }) => {
  const lines = String(data).split("\n");
  const place = lines[0].startsWith(">") ? lines.shift().slice(1) : "";
  for (const line of lines) hear(place, line);
};
socket.onclose = () => tell("The server has gone.");
part("begin").onclick = begin;

function send(text, where = "") {
  socket.send(`${where}|${text}`);
}

function tell(words) {
  part("said").textContent = words;
}

function id(text) {
  return text.toLowerCase().replace(/[^a-z0-9]/g, "");
}

function begin() {
  part("begin").disabled = true;
  part("log").replaceChildren();
  if (asked.get("team")) send(`/utm ${asked.get("team")}`);
  send(`/challenge ${opponent}, ${format}`);
  tell(`Waiting for ${opponent}.`);
}

function hear(place, line) {
  const [, kind, ...rest] = line.split("|");
  if (kind === "challstr") send(`/trn ${name},0,`);
  else if (kind === "updateuser" && id(rest[0]) === id(name) && !isKnown) {
    isKnown = true;
    part("begin").disabled = false;
    tell(`You are ${name}; ${format} against ${opponent}.`);
  } else if (kind === "popup") {
    part("begin").disabled = false;
    tell(rest.join(" "));
  } else if (place.startsWith("battle-")) hearBattle(place, kind, rest, line);
}

function hearBattle(place, kind, rest, line) {
  room = place;
  if (kind === "request" && rest.join("|")) offer(JSON.parse(rest.join("|")));
  else if (kind === "win" || kind === "tie") end(kind, rest[0] ?? "");
  else if (kind === "error") tell(rest.join(" "));
  else write(kind, rest, line);
}

function end(kind, winner) {
  part("choices").replaceChildren();
  part("begin").disabled = false;
  tell(kind === "tie" ? "A tie." : id(winner) === id(name) ? "You won." : "You lost.");
  send("/noreply /leave", room);
}

function write(kind, rest, line) {
  if (!line.startsWith("|") || SILENT.has(kind ?? "")) return;
  const entry = document.createElement("span");
  if (kind === "turn") entry.className = "turn";
  const words = rest.filter(Boolean).join(", ");
  entry.textContent = kind === "turn" ? `Turn ${rest[0]}\n` : `${kind.replace(/^-/, "  ")}: ${words}\n`;
  part("log").append(entry);
  part("log").scrollTop = part("log").scrollHeight;
}

function offer(request) {
  part("choices").replaceChildren();
  if (request.wait) return tell("Waiting for the other side.");
  tell("Your choice.");
  for (const [choice, words] of options(request)) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = words;
    button.onclick = () => {
      part("choices").replaceChildren();
      tell("Waiting for the other side.");
      send(`/choose ${choice}|${request.rqid}`, room);
    };
    part("choices").append(button);
  }
}

function options(request) {
  const team = request.side.pokemon, found = [];
  const described = (member) => `${member.details.split(",")[0]} ${member.condition}`;
  if (request.teamPreview) return team.map((member, place) => [`team ${place + 1}`, `Lead with ${described(member)}`]);
  const active = request.active?.[0];
  if (active) found.push(...moves(active));
  if (active?.trapped) return found;
  const wantsFainted = Boolean(team[0].reviving);
  team.forEach((member, place) => {
    const isThere = !member.active && member.condition.endsWith(" fnt") === wantsFainted;
    if (isThere) found.push([`switch ${place + 1}`, `${wantsFainted ? "Revive" : "Switch to"} ${described(member)}`]);
  });
  return found;
}

function moves(active) {
  const found = [];
  active.moves.forEach((move, place) => {
    if (move.disabled) return;
    const text = `move ${place + 1}`, pp = move.pp === undefined ? "" : ` (${move.pp}/${move.maxpp})`;
    found.push([text, `${move.move}${pp}`]);
    for (const [flag, word, words] of FORMS) if (active[flag]) found.push([`${text} ${word}`, `${move.move} with ${words}`]);
    if (active.canZMove?.[place]) found.push([`${text} zmove`, `${move.move} as ${active.canZMove[place].move}`]);
  });
  return found;
}
