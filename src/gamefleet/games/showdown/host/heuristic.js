// A hand-written player: fights duels that it expects to win, leaves those that it expects to lose, and uses the other
// moves where they pay. Like a person it sees its own team, and of the other side what the battle has shown.
'use strict';

const { Scene } = require('./scene.js');
const { benched, moveOptions, maySwitch } = require('./choices.js');
const { effectiveness } = require('./damage.js');

const SWITCH_MARGIN = 0.9;
const HEALING = new Set(['recover', 'softboiled', 'roost', 'slackoff', 'milkdrink', 'healorder', 'shoreup', 'strengthsap', 'moonlight', 'morningsun',
  'synthesis', 'wish', 'rest', 'junglehealing', 'lunarblessing']);
const HAZARDS = { stealthrock: 0.5, spikes: 0.3, toxicspikes: 0.25, stickyweb: 0.4 };
const REMOVERS = new Set(['rapidspin', 'defog', 'mortalspin', 'tidyup', 'courtchange']);
const PIVOTS = new Set(['uturn', 'voltswitch', 'flipturn', 'teleport', 'partingshot', 'chillyreception', 'batonpass', 'shedtail']);
const SCREENS = { reflect: 'reflect', lightscreen: 'lightscreen', auroraveil: 'auroraveil' };
const WANTED_STAT = { Physical: 'atk', Special: 'spa' };

function chooseHeuristic(battle, side, request, memory) {
  const scene = new Scene(battle, side);
  if (request.teamPreview) return preview(scene, request);
  const places = benched(request);
  if (request.forceSwitch) return places.length ? `switch ${bestPlace(scene, places, 0).place}` : 'pass';
  if (!scene.theirs) return moveOptions(request)[0].text;
  const options = moveOptions(request);
  const mayLeave = maySwitch(request) && places.length > 0;
  const leaving = mayLeave ? bestPlace(scene, places, 1) : null;
  const stay = stayValue(scene);
  if (leaving && shouldLeave(scene, stay, leaving, memory)) {
    memory.leftAt = battle.turn;
    return `switch ${leaving.place}`;
  }
  const gain = leaving ? leaving.value - stay : 0;
  const scored = options.filter(({ gimmick }) => !gimmick).map((option) => ({ option, score: moveScore(scene, option, gain) }));
  const best = scored.reduce((a, b) => (b.score > a.score ? b : a));
  return withGimmick(scene, request, options, best.option);
}

/** Lead with the Pokémon that does best against the shown team on average. */
function preview(scene, request) {
  let best = 1, most = -Infinity;
  for (let place = 1; place <= request.side.pokemon.length; place++) {
    const mon = scene.member(place);
    let sum = 0;
    for (const theirs of scene.other.pokemon) sum += preliminary(scene, mon, theirs);
    if (sum > most) [best, most] = [place, sum];
  }
  return `team ${best}`;
}

/** By types alone: what each can do to the other. */
function preliminary(scene, mon, theirs) {
  const shown = theirs.species.types, mine = mon.types;
  const give = Math.max(...mine.map((type) => effectiveness(scene.dex, type, shown, '')));
  const take = Math.max(...shown.map((type) => effectiveness(scene.dex, type, mine, '')));
  return give - take + (mon.baseSpeed - theirs.species.baseStats.spe) / 200;
}

/**
 * Who should come in.
 * @param hitsTaken how many attacks of the active opponent it takes while it comes in
 */
function bestPlace(scene, places, hitsTaken) {
  let best = { place: places[0], value: -Infinity };
  for (const place of places) {
    const mon = scene.member(place);
    const value = scene.theirs ? arrivalValue(scene, mon, hitsTaken) : mon.hp;
    if (value > best.value) best = { place, value };
  }
  return best;
}

function arrivalValue(scene, mon, hitsTaken) {
  const lost = scene.entryCost(mon) + hitsTaken * 0.8 * scene.threat(mon);
  return scene.duel(mon, lost) - 0.1 * lost;
}

function stayValue(scene) {
  const { mine } = scene;
  let value = scene.duel(mine);
  const boosts = Object.entries(mine.boosts).filter(([stat]) => ['atk', 'spa', 'spe', 'def', 'spd'].includes(stat));
  value += 0.08 * boosts.reduce((sum, [, stage]) => sum + stage, 0);
  if (mine.status === 'slp' || mine.status === 'frz') value -= 0.25;
  if (mine.status === 'tox') value -= 0.1;
  if (mine.volatiles.perishsong && mine.volatiles.perishsong.duration <= 1) value -= 2;
  if (mine.volatiles.leechseed) value -= 0.1;
  if (mine.volatiles.yawn && !mine.status) value -= 0.3;
  return value;
}

function shouldLeave(scene, stay, leaving, memory) {
  const { mine } = scene;
  // Whoever is about to fall anyway, and is no longer worth much, had better strike once more.
  const isDoomed = mine.hp < 0.25 && !scene.isFaster(mine);
  const isTired = memory.leftAt !== undefined && scene.battle.turn - memory.leftAt <= 1;
  const margin = SWITCH_MARGIN + (isDoomed ? 0.4 : 0) + (isTired ? 0.5 : 0);
  return leaving.value > 0 && leaving.value - stay > margin;
}

function moveScore(scene, option, gain) {
  const move = scene.move(option.id);
  if (!move.exists || option.id === 'recharge' || option.id === 'struggle') return 0;
  return move.category === 'Status' ? statusScore(scene, move, gain) : attackScore(scene, move, gain);
}

function attackScore(scene, move, gain) {
  const { mine, theirs } = scene;
  const dealt = scene.hurts(mine, move);
  if (!dealt) return -1;
  const isFirst = move.priority > 0 || (move.priority === 0 && scene.isFaster(mine));
  const falls = scene.threat(mine) >= mine.hp;
  let score = Math.min(dealt, theirs.hp);
  if (dealt >= theirs.hp) score += isFirst ? 0.6 : falls ? 0.15 : 0.4;
  else if (falls && !isFirst) score *= 0.5;
  if (move.accuracy !== true) score *= 0.6 + 0.4 * (move.accuracy / 100);
  if (move.selfdestruct) score -= scene.threat(mine) >= mine.hp ? 0.25 : 0.3 + mine.hp;
  if (move.flags.recharge) score -= scene.gen === 1 && dealt >= theirs.hp ? 0 : 0.25;
  if (move.self && move.self.boosts) score -= 0.04 * -Math.min(0, ...Object.values(move.self.boosts));
  if (move.recoil || move.hasCrashDamage) score -= 0.05;
  if (move.drain) score += 0.25 * Math.min(dealt, theirs.hp) * (1 - mine.hp);
  return score + sideEffects(scene, move, gain, dealt);
}

function sideEffects(scene, move, gain, dealt) {
  let score = 0;
  const isOver = dealt >= scene.theirs.hp;
  if (PIVOTS.has(move.id) && gain > 0) score += 0.4 * gain;
  if (REMOVERS.has(move.id)) score += removalScore(scene);
  if (isOver) return score;
  if (move.id === 'knockoff') score += 0.06;
  for (const secondary of move.secondaries || []) {
    const chance = (secondary.chance || 100) / 100;
    if (secondary.status && !scene.theirs.status) score += 0.25 * chance;
    if (secondary.volatileStatus === 'flinch' && scene.isFaster(scene.mine)) score += 0.3 * chance;
    if (secondary.boosts) score += 0.1 * chance;
    if (secondary.self && secondary.self.boosts) score += 0.15 * chance;
  }
  return score;
}

function statusScore(scene, move, gain) {
  const { mine } = scene, { id } = move;
  if (HEALING.has(id)) return healScore(scene, id);
  if (HAZARDS[id] !== undefined) return hazardScore(scene, id);
  if (REMOVERS.has(id)) return removalScore(scene);
  if (SCREENS[id]) return scene.side.sideConditions[id] || mine.volatiles[id] ? -1 : 0.25 * mine.hp;
  if (PIVOTS.has(id)) return gain > 0.3 ? 0.5 * gain : -0.1;
  if (move.status) return ailmentScore(scene, move);
  if (move.boosts && move.target === 'self') return boostScore(scene, move.boosts);
  if (id === 'bellydrum') return mine.hp > 0.8 && scene.threat(mine) < 0.4 && !mine.boosts.atk ? 0.6 : -1;
  if (id === 'leechseed') return seedScore(scene);
  if (id === 'substitute') return mine.volatiles.substitute || mine.hp < 0.5 || scene.threat(mine) > 0.35 ? -1 : 0.2;
  if (id === 'confuseray' || id === 'swagger') return scene.theirs.volatiles.confusion ? -1 : 0.2;
  if (id === 'taunt' || id === 'encore') return scene.theirs.volatiles[id] ? -1 : 0.12;
  if (id === 'haze' || id === 'clearsmog') return sumPositive(scene.theirs.boosts) >= 2 ? 0.5 : -1;
  if (['whirlwind', 'roar', 'dragontail'].includes(id)) return sumPositive(scene.theirs.boosts) >= 2 ? 0.5 : 0.05;
  if (id === 'healbell' || id === 'aromatherapy') return 0.15 * scene.side.pokemon.filter(({ status, fainted }) => status && !fainted).length - 0.1;
  if (id === 'transform') return 0.5;
  if (id === 'sleeptalk') return mine.status === 'slp' ? 0.6 : -1;
  if (id === 'destinybond') return scene.threat(mine) >= mine.hp && scene.isFaster(mine) ? 0.5 : -0.5;
  return 0.03;
}

function sumPositive(boosts) {
  return Object.values(boosts).reduce((sum, stage) => sum + Math.max(0, stage), 0);
}

function healScore(scene, id) {
  const { mine } = scene, threat = scene.threat(mine);
  if (mine.hp > 0.75 && !(id === 'rest' && mine.status)) return -1;
  const healed = id === 'rest' ? 1 : 0.5;
  // Whoever is hurt faster than it heals only loses time; resting takes two more turns.
  const isSafe = (id === 'rest' ? 3 : 1) * threat < Math.min(1, mine.hp + healed) && threat < healed;
  if (!isSafe || (threat >= mine.hp && !scene.isFaster(mine))) return -0.2;
  return 0.25 + (0.75 - mine.hp) * 1.1;
}

function hazardScore(scene, id) {
  const on = scene.other.sideConditions[id], most = { spikes: 3, toxicspikes: 2 }[id] || 1;
  if (on && (on.layers || 1) >= (scene.gen === 2 ? 1 : most)) return -1;
  const left = scene.alive(scene.other) - 1;
  if (left < 2 || scene.threat(scene.mine) >= scene.mine.hp) return -0.1;
  return HAZARDS[id] * (left / 5) * (on ? 0.6 : 1);
}

function removalScore(scene) {
  const on = scene.side.sideConditions;
  const layers = ['stealthrock', 'spikes', 'toxicspikes', 'stickyweb'].filter((name) => on[name]).length;
  return layers ? 0.2 * layers * Math.min(1, (scene.alive(scene.side) - 1) / 3) : 0;
}

function ailmentScore(scene, move) {
  const { theirs, mine, dex } = scene;
  if (theirs.status || theirs.volatiles.substitute || scene.other.sideConditions.safeguard) return -1;
  if (!canAil(scene, move)) return -1;
  const sure = move.accuracy === true ? 1 : move.accuracy / 100;
  if (theirs.hp < 0.3) return 0.05;
  if (move.status === 'slp') {
    const isAsleep = scene.other.pokemon.some(({ status, fainted }) => status === 'slp' && !fainted);
    return isAsleep ? -1 : 0.85 * sure;
  }
  if (move.status === 'par') return (scene.isFaster(mine) ? 0.25 : 0.5) * sure * (scene.gen <= 2 ? 1.2 : 1);
  if (move.status === 'brn') return (theirs.stats.atk > theirs.stats.spa ? 0.5 : 0.2) * sure;
  const lasts = scene.best(mine) < 0.35 ? 0.5 : 0.25;
  return (move.status === 'tox' ? lasts : 0.6 * lasts) * sure;
}

/** Whether types let a status through. */
function canAil(scene, move) {
  const { theirs, gen, dex } = scene, { types } = theirs;
  if (['psn', 'tox'].includes(move.status)) return !types.includes('Poison') && !(types.includes('Steel') && gen >= 2);
  if (move.status === 'brn') return !types.includes('Fire');
  if (move.status === 'par') {
    if (gen >= 6 && types.includes('Electric')) return false;
    return move.id !== 'thunderwave' || dex.getImmunity('Electric', types) ;
  }
  if (move.flags.powder && gen >= 6 && types.includes('Grass')) return false;
  return theirs.ability !== 'insomnia' && theirs.ability !== 'vitalspirit';
}

function boostScore(scene, boosts) {
  const { mine, theirs } = scene, threat = scene.threat(mine);
  if (threat >= mine.hp || mine.hp < 0.4) return -0.3;
  const turns = Math.min(mine.hp / Math.max(threat, 0.05), 6);
  if (turns < 2) return -0.1;
  const kinds = new Set(mine.pokemon.moveSlots.map(({ id }) => WANTED_STAT[scene.move(id).category]));
  let worth = 0;
  for (const [stat, stages] of Object.entries(boosts)) {
    if (stages < 0 || (mine.boosts[stat] || 0) >= 4) continue;
    if (kinds.has(stat)) worth += 0.22 * stages;
    else if (stat === 'spe') worth += scene.isFaster(mine) ? 0.04 * stages : 0.2 * stages;
    else if (stat === 'def' || stat === 'spd') worth += 0.1 * stages;
    else if (stat === 'evasion') worth += 0.15 * stages;
  }
  const isNearlyOver = theirs.hp < 0.35 || scene.best(mine) >= theirs.hp;
  return (worth * Math.min(turns, 4)) / 3 - (isNearlyOver ? 0.3 : 0) - 0.12 * Math.max(0, sumPositive(mine.boosts) - 2);
}

function seedScore(scene) {
  const { theirs } = scene;
  if (theirs.volatiles.leechseed || theirs.types.includes('Grass') || theirs.volatiles.substitute) return -1;
  return theirs.hp > 0.4 ? 0.35 : 0.05;
}

/** Add a form or a Z-move where this is the moment for it. */
function withGimmick(scene, request, options, chosen) {
  const kinds = new Map(options.filter(({ slot, gimmick }) => gimmick && slot === chosen.slot).map((option) => [option.gimmick, option]));
  const { mine, theirs } = scene, move = scene.move(chosen.id);
  for (const word of ['mega', 'ultra']) if (kinds.has(word)) return kinds.get(word).text;
  const isAttack = move.category !== 'Status', dealt = isAttack ? scene.hurts(mine, move) : 0;
  if (kinds.has('zmove') && isAttack && dealt < theirs.hp && dealt * 1.8 >= Math.min(theirs.hp, 0.9)) return kinds.get('zmove').text;
  if (kinds.has('dynamax') && isAttack && mine.hp > 0.7 && dealt < theirs.hp && scene.duel(mine) > -0.5) return kinds.get('dynamax').text;
  if (kinds.has('terastallize') && shouldTerastallize(scene, move, dealt)) return kinds.get('terastallize').text;
  return chosen.text;
}

function shouldTerastallize(scene, move, dealt) {
  const { mine, theirs, dex } = scene, tera = mine.pokemon.teraType;
  if (mine.hp < 0.5 || move.category === 'Status') return false;
  const before = Math.max(...theirs.types.map((type) => effectiveness(dex, type, mine.types, '')));
  const after = Math.max(...theirs.types.map((type) => effectiveness(dex, type, [tera], '')));
  const isStronger = scene.typeOf(move) === tera || move.id === 'terablast';
  if (isStronger && after <= 1 && dealt < theirs.hp && dealt * 1.4 >= 0.45 * theirs.hp) return true;
  return before >= 2 && after < 1 && theirs.hp > 0.4;
}

module.exports = { chooseHeuristic };
