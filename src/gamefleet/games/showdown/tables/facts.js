// Prints the tables of species, moves, items, abilities and types as TSV, for gamefleet.games.showdown.tables.build.
// Run: node facts.js PACKAGE_FOLDER. One line per run of generations in which the facts are the same.
"use strict";
const { Dex } = require(process.argv[2]);
const GENERATIONS = [1, 2, 3, 4, 5, 6, 7, 8, 9];
const dexes = GENERATIONS.map((gen) => Dex.forGen(gen));
dexes.forEach((dex) => dex.includeData());
const toId = (text) => ("" + (text || "")).toLowerCase().replace(/[^a-z0-9]+/g, "");
const sorted = (entries) => entries.filter((entry) => entry.exists).sort((a, b) => (a.num - b.num) || (a.id < b.id ? -1 : 1));

const species = sorted(Dex.species.all()), moves = sorted(Dex.moves.all());
const items = Dex.items.all().filter((item) => item.exists).sort((a, b) => (a.id < b.id ? -1 : 1));
const abilities = Dex.abilities.all().filter((ability) => ability.exists && ability.id !== "noability").sort((a, b) => (a.id < b.id ? -1 : 1));
const types = ["Normal", "Fire", "Water", "Electric", "Grass", "Ice", "Fighting", "Poison", "Ground", "Flying", "Psychic",
  "Bug", "Rock", "Ghost", "Dragon", "Dark", "Steel", "Fairy", "Stellar", "Bird"];
const ids = (list, first) => new Map(list.map((entry, index) => [toId(entry.id || entry), index + first]));
const speciesIds = ids(species, 1), moveIds = ids(moves, 1), itemIds = ids(items, 2), abilityIds = ids(abilities, 2);
const typeIds = ids(types, 2);
const typeId = (name) => (name ? typeIds.get(toId(name)) || 0 : 0);
const STATUSES = ["", "brn", "par", "slp", "frz", "psn", "tox"];
const TARGETS = ["normal", "self", "allySide", "foeSide", "all", "randomNormal", "scripted", "any", "allAdjacent",
  "allAdjacentFoes", "adjacentFoe", "adjacentAlly", "adjacentAllyOrSelf", "allyTeam", "allies"];
const MOVE_FLAGS = ["contact", "sound", "punch", "bite", "slicing", "pulse", "bullet", "powder", "wind", "dance", "heal",
  "charge", "recharge", "protect", "reflectable"];

const percent = (fraction) => (fraction ? Math.round((100 * fraction[0]) / fraction[1]) : 0);
const bits = (list) => list.reduce((sum, value, index) => sum + (value ? 2 ** index : 0), 0);

function formeKind(entry) {
  if (entry.isMega || entry.isPrimal) return 1;
  if (entry.id.endsWith("gmax")) return 2;
  if (entry.battleOnly) return 3;
  return entry.forme ? 4 : 0;
}

function speciesFacts(entry) {
  // Genders and evolutions are those of today: the first generation had neither genders nor later evolutions.
  const today = Dex.species.get(entry.id);
  const stats = entry.baseStats, own = entry.abilities;
  return [entry.num, speciesIds.get(toId(entry.baseSpecies)) || 0, formeKind(entry), typeId(entry.types[0]), typeId(entry.types[1]),
    stats.hp, stats.atk, stats.def, stats.spa, stats.spd, stats.spe, Math.min(32767, entry.weighthg), today.evos.length ? 1 : 0,
    ...["0", "1", "H", "S"].map((key) => abilityIds.get(toId(own[key])) || 0),
    { N: 1, M: 2, F: 3 }[today.gender] || 0, itemIds.get(toId(entry.requiredItem)) || 0];
}

function secondaryFacts(move) {
  const secondary = (move.secondaries && move.secondaries[0]) || move.secondary;
  const status = move.status || (secondary && secondary.status) || "";
  return [Math.max(0, STATUSES.indexOf(status)), secondary ? secondary.chance || 100 : 0];
}

function behaviour(move) {
  return bits([move.selfSwitch, move.forceSwitch, move.selfdestruct, move.ohko, move.multihit, move.stallingMove,
    move.sideCondition, move.weather, move.terrain || move.pseudoWeather, move.boosts || (move.self && move.self.boosts),
    move.volatileStatus, move.isZ, move.isMax, move.damage || move.damageCallback, move.thawsTarget]);
}

function moveFacts(move) {
  const accuracy = move.accuracy === true ? 0 : move.accuracy;
  return [typeId(move.type), { Status: 0, Physical: 1, Special: 2 }[move.category], move.basePower, accuracy,
    move.noPPBoosts ? move.pp : Math.floor((move.pp * 8) / 5), move.priority, TARGETS.indexOf(move.target) + 1, move.critRatio || 1,
    percent(move.drain), percent(move.recoil), percent(move.heal), ...secondaryFacts(move),
    bits(MOVE_FLAGS.map((flag) => move.flags[flag])), behaviour(move),
    move.isMax ? 2 : move.isZ ? 1 : 0, (move.zMove && move.zMove.basePower) || 0, (move.maxMove && move.maxMove.basePower) || 0];
}

function itemKind(item) {
  if (item.isBerry) return 1;
  if (item.isGem) return 2;
  if (item.megaStone) return 3;
  if (item.zMove) return 4;
  if (item.isChoice) return 5;
  if (item.onPlate || item.forcedForme) return 6;
  return 0;
}

function itemFacts(item) {
  const stone = item.megaStone;
  const mega = stone ? (typeof stone === "string" ? stone : Object.values(stone)[0]) : "";
  const type = item.zMoveType || item.onPlate || item.onMemory || (item.isGem ? item.id.replace("gem", "") : "") ||
    (item.naturalGift && item.naturalGift.type);
  return [item.num || 0, itemKind(item), typeId(type), speciesIds.get(toId(mega)) || 0,
    typeof item.zMove === "string" ? moveIds.get(toId(item.zMove)) || 0 : 0, moveIds.get(toId(item.zMoveFrom)) || 0,
    (item.fling && item.fling.basePower) || 0];
}

function runs(list, firstId, get, facts) {
  const lines = [];
  list.forEach((entry, index) => {
    let last = null;
    GENERATIONS.forEach((gen, place) => {
      if (gen < (entry.gen || 1)) return;
      const past = get(dexes[place], entry.id);
      const values = facts(past.exists ? past : entry).join("\t");
      if (last && last.values === values) { last.to = gen; return; }
      last = { from: gen, to: gen, values };
      lines.push([index + firstId, entry.id, entry.name, entry.gen || 1, last]);
    });
  });
  return lines.map(([id, key, name, since, run]) => [id, key, name, since, run.from, run.to, run.values].join("\t"));
}

function chart() {
  const lines = [];
  types.forEach((type, index) => {
    let last = null;
    GENERATIONS.forEach((gen, place) => {
      const entry = dexes[place].types.get(type);
      const taken = entry && entry.damageTaken;
      const values = types.map((attack) => (taken ? [100, 200, 50, 0][taken[attack] || 0] : 100)).join("\t");
      if (last && last.values === values) { last.to = gen; return; }
      last = { from: gen, to: gen, values };
      lines.push([index + 2, toId(type), type, 1, last]);
    });
  });
  return lines.map(([id, key, name, since, run]) => [id, key, name, since, run.from, run.to, run.values].join("\t"));
}

function cosmetic() {
  const lines = [];
  for (const entry of species) {
    for (const forme of entry.cosmeticFormes || []) lines.push([toId(forme), forme, entry.id].join("\t"));
  }
  return lines;
}

const HEAD = ["id", "key", "name", "since", "from_gen", "to_gen"];
const tables = {
  species: [[...HEAD, "num", "base", "forme", "type1", "type2", "hp", "atk", "def", "spa", "spd", "spe", "weight_hg", "evolves",
    "ability1", "ability2", "ability3", "ability4", "gender", "required_item"],
    runs(species, 1, (dex, id) => dex.species.get(id), speciesFacts)],
  moves: [[...HEAD, "type", "category", "power", "accuracy", "pp", "priority", "target", "crit_ratio", "drain_percent",
    "recoil_percent", "heal_percent", "status", "chance", "flags", "behaviour", "kind", "z_power", "max_power"],
    runs(moves, 1, (dex, id) => dex.moves.get(id), moveFacts)],
  items: [[...HEAD, "num", "kind", "type", "mega", "z_move", "z_from", "fling_power"],
    runs(items, 2, (dex, id) => dex.items.get(id), itemFacts)],
  abilities: [[...HEAD, "num"], runs(abilities, 2, (dex, id) => dex.abilities.get(id), (ability) => [ability.num || 0])],
  types: [[...HEAD, ...types.map((type) => "from_" + toId(type))], chart()],
  cosmetic: [["key", "name", "looks_of"], cosmetic()],
};
const out = {};
for (const [name, [header, lines]] of Object.entries(tables)) out[name] = header.join("\t") + "\n" + lines.join("\n") + "\n";
process.stdout.write(JSON.stringify(out));
