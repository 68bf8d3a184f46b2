// Plays battles in the simulator and prints, one JSON object per line, what a spectator saw and what was true.
// Run: node truth.js PACKAGE_FOLDER FORMAT FIRST_SEED NUM_BATTLES [--exotic] [--sheets] [--channels]
// --exotic puts rare moves and species into the teams, --sheets prints |showteam| lines, --channels adds both players' own logs.
"use strict";
const [packageFolder, format, firstSeed, count, ...flags] = process.argv.slice(2);
const { Battle, Teams, Dex } = require(packageFolder);
const { extractChannelMessages } = require(packageFolder + "/dist/sim/battle.js");
const isExotic = flags.includes("--exotic"), hasSheets = flags.includes("--sheets"), hasChannels = flags.includes("--channels");

// mulberry32, a small seeded generator: the same seed plays the same battles
function dice(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 4294967296;
  };
}

const pick = (roll, list) => list[Math.floor(roll() * list.length)];
const EXOTIC_MOVES = ["metronome", "sleeptalk", "copycat", "uturn", "voltswitch", "batonpass", "encore", "revivalblessing", "mimic",
  "transform", "roar", "whirlwind", "pursuit", "trick", "disable", "outrage", "solarbeam", "hyperbeam", "protect", "substitute",
  "perishsong", "haze", "spikes", "stealthrock", "toxicspikes", "rapidspin", "defog", "courtchange", "healbell", "wish", "rest",
  "futuresight", "explosion", "destinybond", "taunt", "torment", "mirrormove", "assist", "naturepower", "bide", "wrap", "rollout",
  "skillswap", "roleplay", "psychup", "heartswap", "topsyturvy", "bellydrum", "shedtail", "partingshot", "teleport", "flipturn",
  "instruct", "magiccoat", "snatch", "focuspunch", "mefirst", "thief", "knockoff", "recycle", "soak", "reflecttype", "trickroom",
  "wonderroom", "magicroom", "gravity", "tailwind", "electricterrain", "lightscreen", "reflect", "auroraveil", "snowscape",
  "healingwish", "painsplit", "yawn", "confuseray", "leechseed", "curse", "attract", "imprison", "healblock", "embargo"];
const EXOTIC_SPECIES = [["Zoroark", "Illusion"], ["Zoroark-Hisui", "Illusion"], ["Ditto", "Imposter"], ["Golisopod", "Emergency Exit"],
  ["Oricorio", "Dancer"], ["Espeon", "Magic Bounce"], ["Gardevoir", "Trace"], ["Castform", "Forecast"], ["Mimikyu", "Disguise"],
  ["Eiscue", "Ice Face"], ["Palafin", "Zero to Hero"], ["Wishiwashi", "Schooling"], ["Aegislash", "Stance Change"],
  ["Cofagrigus", "Mummy"], ["Kecleon", "Protean"], ["Meloetta", "Serene Grace"], ["Smeargle", "Moody"]];

function dress(team, roll, gen, dex) {
  const baseOf = (species) => dex.species.get(species).baseSpecies;
  team.forEach((set, place) => {
    if (roll() < 0.4) set.name = pick(roll, ["Ann", "Bo b", "Cé", "x: y", "(from) 1", "p2a: Q"]) + place;
    if (gen === 7 && roll() < 0.25) {
      const type = dex.moves.get(pick(roll, set.moves)).type;
      const crystal = dex.items.all().find((item) => item.zMoveType === type && item.zMove === true);
      if (crystal) set.item = crystal.name;
    }
    if (!isExotic) return;
    if (roll() < 0.12) {
      const [species, ability] = pick(roll, EXOTIC_SPECIES);
      if (dex.species.get(species).gen <= gen && !team.some((other) => baseOf(other.species) === baseOf(species))) { set.species = species; set.ability = ability; set.gender = ""; if (!set.name) set.name = species; }
    }
    if (roll() < 0.1) set.item = pick(roll, ["Eject Button", "Eject Pack", "Red Card", "White Herb", "Custap Berry", "Choice Scarf", "Focus Sash"]);
    set.moves = set.moves.map((move) => {
      const other = pick(roll, EXOTIC_MOVES);
      return roll() < 0.3 && dex.moves.get(other).gen <= gen && !set.moves.includes(other) ? other : move;
    });
    set.moves = [...new Set(set.moves)];
  });
  return team;
}

function makeTeam(roll, seed, gen, dex) {
  const source = format.includes("nationaldex") && roll() < 0.6 ? pick(roll, ["gen7randombattle", "gen6randombattle"]) :
    `gen${gen}randombattle`;
  const team = Teams.generate(source, { seed: `${seed},1,2,3` });
  if (!format.includes("random")) for (const set of team) set.level = 100;
  return dress(team, roll, gen, dex);
}

function moveScore(move, foe, dex, roll) {
  if (move.category === "Status") return 35 * (0.3 + roll());
  const power = move.basePower || 60;
  if (!foe || !dex.getImmunity(move.type, foe.types)) return 1;
  return power * 2 ** dex.getEffectiveness(move.type, foe.types) * (0.4 + roll());
}

function answer(request, battle, side, roll, dex) {
  if (request.teamPreview) return "team " + [1, 2, 3, 4, 5, 6].slice(0, request.side.pokemon.length).sort(() => roll() - 0.5).join("");
  const mons = request.side.pokemon;
  const bench = mons.map((mon, place) => [mon, place + 1]).filter(([mon]) => !mon.active);
  const able = bench.filter(([mon]) => !mon.condition.endsWith(" fnt")).map(([, place]) => place);
  if (request.forceSwitch) {
    const fallen = bench.filter(([mon]) => mon.condition.endsWith(" fnt")).map(([, place]) => place);
    const places = mons[0].reviving ? fallen : able;
    return places.length ? `switch ${pick(roll, places)}` : "pass";
  }
  const active = request.active[0];
  if (!active.trapped && able.length && roll() < 0.2) return `switch ${pick(roll, able)}`;
  const foe = side.foe.active[0];
  let best = 1, bestScore = -1;
  active.moves.forEach((entry, place) => {
    if (entry.disabled) return;
    const score = moveScore(dex.moves.get(entry.id), foe, dex, roll);
    if (score > bestScore) { best = place + 1; bestScore = score; }
  });
  if (active.canZMove && roll() < 0.3) {
    const place = active.canZMove.findIndex(Boolean);
    if (place >= 0) return `move ${place + 1} zmove`;
  }
  for (const [able_, word, odds] of [[active.canMegaEvo, "mega", 0.5], [active.canUltraBurst, "ultra", 0.5], [active.canDynamax, "dynamax", 0.2],
    [active.canTerastallize, "terastallize", 0.15]]) if (able_ && roll() < odds) return `move ${best} ${word}`;
  return `move ${best}`;
}

function monFacts(mon) {
  return { uid: mon.uid, name: mon.name, species: mon.set.species, shown: mon.illusion ? mon.illusion.uid : mon.uid,
    condition: mon.getHealth().shared, now: mon.species.id, base: mon.baseSpecies.id, fainted: mon.fainted || !mon.hp, active: mon.isActive || mon.side.active[0] === mon,
    item: mon.item, ability: mon.ability, baseAbility: mon.baseAbility, status: mon.status, transformed: mon.transformed,
    illusion: !!mon.illusion, tera: mon.terastallized || "", moves: mon.baseMoveSlots.map((slot) => slot.id),
    pp: mon.baseMoveSlots.map((slot) => slot.maxpp - slot.pp), volatiles: Object.keys(mon.volatiles) };
}

function facts(battle) {
  return { turn: battle.turn, kind: battle.requestState, weather: battle.field.weather, terrain: battle.field.terrain,
    pseudo: Object.keys(battle.field.pseudoWeather),
    sides: battle.sides.map((side) => ({ asked: !!side.activeRequest && !side.activeRequest.wait,
      boosts: side.active[0] ? { ...side.active[0].boosts } : {},
      conditions: Object.fromEntries(Object.entries(side.sideConditions).map(([key, value]) => [key, value.layers || 1])),
      mons: side.pokemon.map(monFacts) })) };
}

function play(seed) {
  const dex = Dex.forFormat(format), gen = dex.gen, roll = dice(seed * 77 + gen);
  const logs = { spectator: [], p1: [], p2: [] };
  const battle = new Battle({ formatid: format, seed: `${seed},${seed + 1},${seed + 2},${seed + 3}`, rated: true, send: (type, data) => {
    if (type !== "update") return;
    const channels = extractChannelMessages(Array.isArray(data) ? data.join("\n") : data, [0, 1, 2]);
    logs.spectator.push(...channels[0]); logs.p1.push(...channels[1]); logs.p2.push(...channels[2]);
  } });
  const teams = [makeTeam(roll, seed * 2 + 1, gen, dex), makeTeam(roll, seed * 2 + 2, gen, dex)];
  battle.setPlayer("p1", { name: "Alice " + seed, team: Teams.pack(teams[0]), rating: 1500 });
  battle.setPlayer("p2", { name: "Bob|" .slice(0, 3) + seed, team: Teams.pack(teams[1]), rating: 1400 });
  for (const side of battle.sides) side.pokemon.forEach((mon, place) => { mon.uid = place; });
  const decisions = [];
  battle.sendUpdates();
  for (let round = 0; !battle.ended && round < 1200; round++) {
    const before = battle.requestState === "teampreview" ? null : facts(battle);
    const marks = hasChannels ? [logs.spectator.length, logs.p1.length, logs.p2.length] : undefined;
    const orders = battle.sides.map((side) => side.pokemon.map((mon) => mon.uid));
    const inputs = battle.inputLog.length, requests = battle.sides.map((side) => side.activeRequest);
    for (const side of battle.sides) {
      if (side.activeRequest !== requests[side.n]) continue; // the first answer was the last one needed: a new request
      if (battle.ended || !side.activeRequest || side.activeRequest.wait || side.isChoiceDone()) continue;
      if (!battle.choose(side.id, answer(side.activeRequest, battle, side, roll, dex))) battle.choose(side.id, "default");
    }
    battle.sendUpdates();
    if (!before) continue;
    before.choices = battle.inputLog.slice(inputs).filter((line) => /^>p[12] /.test(line)).map((line) => line.slice(1));
    before.orders = orders;
    before.marks = marks;
    decisions.push(before);
  }
  if (!battle.ended) battle.tie();
  battle.sendUpdates();
  const sheets = hasSheets ? battle.sides.map((side, place) => `|showteam|${side.id}|${Teams.pack(teams[place])}`) : [];
  return { id: `${format}-${seed}`, format, log: [...sheets, ...logs.spectator].join("\n"), decisions, winner: battle.winner,
    input: battle.inputLog, ...(hasChannels ? { p1: logs.p1, p2: logs.p2, spectator: logs.spectator } : {}) };
}

for (let place = 0; place < Number(count); place++) {
  try {
    process.stdout.write(JSON.stringify(play(Number(firstSeed) + place)) + "\n");
  } catch (error) {
    process.stderr.write(`${format} ${Number(firstSeed) + place}: ${error.stack}\n`);
  }
}
