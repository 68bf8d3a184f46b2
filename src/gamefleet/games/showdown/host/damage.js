// How much one Pokémon hurts another, estimated from what the player of one side can see.
//
// Own numbers are exact. Those of the other side are what its species, level and visible boosts make likely; hidden items,
// abilities and moves stay hidden. The estimate is the mean of the damage formula, in parts of the target's full HP.
'use strict';

const BOOSTS = [0.25, 0.28, 0.33, 0.4, 0.5, 0.66, 1, 1.5, 2, 2.5, 3, 3.5, 4];
const SPEED_ITEMS = { choicescarf: 1.5, ironball: 0.5, machobrace: 0.5 };
const POWER_ITEMS = { lifeorb: 1.3, expertbelt: 1.08, muscleband: 1.05, wiseglasses: 1.05 };
const TYPE_ABILITIES = {
  levitate: 'Ground', eartheater: 'Ground', flashfire: 'Fire', wellbakedbody: 'Fire', voltabsorb: 'Electric', motordrive: 'Electric',
  lightningrod: 'Electric', waterabsorb: 'Water', stormdrain: 'Water', dryskin: 'Water', sapsipper: 'Grass',
};
const HURT_BY_HALF = { thickfat: ['Fire', 'Ice'], heatproof: ['Fire'], purifyingsalt: ['Ghost'] };
const UNSURE_POWER = { lowkick: 60, grassknot: 60, heavyslam: 60, heatcrash: 60, gyroball: 60, electroball: 60, return: 102, frustration: 102,
  flail: 40, reversal: 40, naturepower: 80, spitup: 40, fling: 30, magnitude: 70, present: 40, storedpower: 40, powertrip: 40,
  crushgrip: 60, wringout: 60, eruption: 100, waterspout: 100, dragonenergy: 100, punishment: 60, trumpcard: 50, lastrespects: 60,
  ragefist: 60, hardpress: 60, beatup: 45, naturesmadness: 0, superfang: 0, ruination: 0, hiddenpower: 60 };
const HALVES = new Set(['superfang', 'naturesmadness', 'ruination']);
const ASSUMED_POWER = 80;

function typesOf(pokemon) {
  if (pokemon.terastallized) return [pokemon.terastallized];
  return (pokemon.illusion || pokemon).types;
}

function factor(stage) {
  return BOOSTS[Math.max(-6, Math.min(6, stage)) + 6];
}

/** A Pokémon of the side that decides: everything is known. */
function own(pokemon) {
  return {
    pokemon, isOwn: true, types: typesOf(pokemon), level: pokemon.level, stats: pokemon.storedStats, boosts: pokemon.boosts, maxHp: pokemon.maxhp,
    hp: pokemon.hp / pokemon.maxhp, status: pokemon.status, item: pokemon.item, ability: pokemon.ability, baseTypes: pokemon.types,
    baseSpeed: pokemon.species.baseStats.spe, volatiles: pokemon.volatiles,
  };
}

/** A Pokémon of the other side: as its species usually is. */
function foe(pokemon, gen) {
  const shown = pokemon.illusion || pokemon, base = shown.species.baseStats, level = shown.level, stats = {};
  const spare = gen <= 2 ? 94 : 52;
  for (const stat of ['atk', 'def', 'spa', 'spd', 'spe']) stats[stat] = Math.floor(((2 * base[stat] + spare) * level) / 100) + 5;
  const abilities = Object.values(shown.species.abilities);
  return {
    pokemon, isOwn: false, types: typesOf(pokemon), level, stats, boosts: pokemon.boosts,
    maxHp: base.hp === 1 ? 1 : Math.floor(((2 * base.hp + spare) * level) / 100) + level + 10,
    hp: pokemon.hp / pokemon.maxhp, status: pokemon.status, item: '', ability: abilities.length === 1 ? abilities[0].toLowerCase().replace(/\W/g, '') : '',
    baseTypes: shown.types, baseSpeed: base.spe, volatiles: pokemon.volatiles,
  };
}

function speed(mon, gen) {
  let value = mon.stats.spe * factor(mon.boosts.spe || 0) * (SPEED_ITEMS[mon.item] || 1);
  if (mon.status === 'par') value *= gen >= 7 ? 0.5 : 0.25;
  return value;
}

function effectiveness(dex, type, types, ability) {
  if (type === '???' || type === 'Stellar') return 1;
  if (!dex.getImmunity(type, types)) return 0;
  if (TYPE_ABILITIES[ability] === type) return 0;
  const halved = HURT_BY_HALF[ability] && HURT_BY_HALF[ability].includes(type) ? 0.5 : 1;
  const times = Math.pow(2, dex.getEffectiveness(type, types)) * halved;
  return ability === 'wonderguard' && times <= 1 ? 0 : times;
}

function typeOf(move, mon, gen) {
  if (move.id === 'hiddenpower' && mon.pokemon.hpType) return mon.pokemon.hpType;
  if (move.id === 'terablast' && mon.pokemon.terastallized) return mon.pokemon.terastallized;
  if (move.id === 'ivycudgel' || move.id === 'ragingbull') return mon.baseTypes[mon.baseTypes.length - 1];
  if (move.id === 'judgment' || move.id === 'multiattack' || move.id === 'revelationdance') return mon.types[0];
  if (move.type === 'Normal' && gen >= 6) {
    const skin = { pixilate: 'Fairy', aerilate: 'Flying', refrigerate: 'Ice', galvanize: 'Electric' }[mon.ability];
    if (skin && move.category !== 'Status') return skin;
  }
  return move.type;
}

function hits(move, ability) {
  if (!move.multihit) return 1;
  if (typeof move.multihit === 'number') return move.multihit;
  return ability === 'skilllink' ? 5 : 3;
}

/** Power of a move in this situation, before stats. */
function power(move, attacker, target) {
  let value = move.basePower || UNSURE_POWER[move.id] || 0;
  value *= hits(move, attacker.ability);
  if (move.id === 'facade' && attacker.status) value *= 2;
  if (move.id === 'acrobatics' && !attacker.item) value *= 2;
  if ((move.id === 'hex' || move.id === 'infernalparade') && target.status) value *= 2;
  if ((move.id === 'venoshock' || move.id === 'barbbarrage') && target.status.endsWith('tox')) value *= 2;
  if (move.id === 'eruption' || move.id === 'waterspout') value *= 1.5 * attacker.hp;
  if (attacker.ability === 'technician' && value <= 60) value *= 1.5;
  if (attacker.ability === 'sheerforce' && move.secondaries) value *= 1.3;
  return value;
}

/** How often a move works when it is used blindly, 0 to 1. */
function reliability(dex, move, attacker, target, scene) {
  let value = move.accuracy === true ? 1 : move.accuracy / 100;
  if (scene.weather === 'raindance' && (move.id === 'thunder' || move.id === 'hurricane')) value = 1;
  if (scene.weather === 'hail' && move.id === 'blizzard') value = 1;
  if (move.id === 'dreameater' || move.id === 'nightmare') value *= target.status === 'slp' ? 1 : 0;
  if (move.id === 'snore' || move.id === 'sleeptalk') value *= attacker.status === 'slp' ? 1 : 0;
  if (move.id === 'fakeout' || move.id === 'firstimpression') value *= attacker.pokemon.activeMoveActions ? 0 : 1;
  if (move.id === 'focuspunch') value *= 0.35;
  if (move.id === 'suckerpunch' || move.id === 'thunderclap') value *= 0.75;
  if (move.id === 'lastresort' || move.id === 'belch') value *= 0.3;
  if (move.flags.charge && !attacker.volatiles.twoturnmove) value *= move.id === 'solarbeam' && scene.weather === 'sunnyday' ? 1 : 0.5;
  if (move.flags.futuremove) value *= 0.5;
  if (move.ohko) value = target.level > attacker.level || (scene.gen === 1 && speed(attacker, 1) < speed(target, 1)) ? 0 : 0.25;
  return value;
}

function fixedDamage(move, attacker, target) {
  if (move.ohko) return 1;
  if (HALVES.has(move.id)) return target.hp / 2;
  if (move.id === 'endeavor') return Math.max(0, target.hp - (attacker.hp * attacker.maxHp) / target.maxHp);
  if (move.id === 'psywave') return (attacker.level * 0.75) / target.maxHp;
  if (move.damage === 'level') return attacker.level / target.maxHp;
  return typeof move.damage === 'number' ? move.damage / target.maxHp : null;
}

function weatherFactor(weather, type) {
  const isSun = weather === 'sunnyday' || weather === 'desolateland', isRain = weather === 'raindance' || weather === 'primordialsea';
  if (type === 'Fire') return isSun ? 1.5 : isRain ? 0.5 : 1;
  if (type === 'Water') return isRain ? 1.5 : isSun ? 0.5 : 1;
  return 1;
}

function sameType(attacker, type) {
  if (attacker.pokemon.terastallized) {
    const { terastallized: tera } = attacker.pokemon;
    if (tera === type) return attacker.baseTypes.includes(type) ? 2 : 1.5;
    return attacker.baseTypes.includes(type) ? 1.5 : 1;
  }
  if (!attacker.types.includes(type)) return 1;
  return attacker.ability === 'adaptability' ? 2 : 1.5;
}

function attackAndDefence(move, attacker, target, isSpecial, scene) {
  let attackStat = isSpecial ? 'spa' : 'atk', defenceStat = isSpecial ? 'spd' : 'def', holder = attacker;
  if (move.id === 'bodypress') attackStat = 'def';
  if (move.id === 'foulplay') holder = target;
  if (['psyshock', 'psystrike', 'secretsword'].includes(move.id)) defenceStat = 'def';
  let attack = holder.stats[attackStat] * factor(holder.boosts[attackStat] || 0);
  let defence = target.stats[defenceStat] * factor(target.boosts[defenceStat] || 0);
  if (!isSpecial && attacker.status === 'brn' && attacker.ability !== 'guts' && move.id !== 'facade') attack *= 0.5;
  if (!isSpecial && (attacker.ability === 'hugepower' || attacker.ability === 'purepower')) attack *= 2;
  if (attacker.ability === 'guts' && attacker.status) attack *= 1.5;
  if (attacker.item === (isSpecial ? 'choicespecs' : 'choiceband')) attack *= 1.5;
  if (target.item === 'assaultvest' && isSpecial) defence *= 1.5;
  if (target.item === 'eviolite') defence *= 1.5;
  if (move.selfdestruct && scene.gen <= 4) defence *= 0.5;
  return [attack, defence];
}

/**
 * Mean damage of a move that hits, in parts of the target's full HP (not capped by what is left).
 * @param scene {dex, gen, weather, screens: [of side 0, of side 1] as {physical, special}}
 */
function damage(scene, move, attacker, target) {
  if (move.category === 'Status') return 0;
  const type = typeOf(move, attacker, scene.gen);
  const times = effectiveness(scene.dex, type, target.types, attacker.ability === 'moldbreaker' ? '' : target.ability);
  if (!times) return 0;
  const fixed = fixedDamage(move, attacker, target);
  if (fixed !== null) return fixed;
  const isSpecial = move.category === 'Special';
  const [attack, defence] = attackAndDefence(move, attacker, target, isSpecial, scene);
  let value = (((2 * attacker.level) / 5 + 2) * power(move, attacker, target) * attack) / defence / 50 + 2;
  value *= sameType(attacker, type) * times * 0.925 * weatherFactor(scene.weather, type) * (POWER_ITEMS[attacker.item] || 1);
  if (scene.gen === 1) {
    const often = Math.min(1, (attacker.baseSpeed / 512) * (move.critRatio > 1 ? 8 : 1));
    value *= 1 + often * 0.95;
  }
  const screens = scene.screens[target.pokemon.side.n];
  if (isSpecial ? screens.special : screens.physical) value *= 0.5;
  return power(move, attacker, target) ? value / target.maxHp : 0;
}

/** An attack of a type that the other side probably has. */
function assumedMove(type, category) {
  return { id: '', type, category, basePower: ASSUMED_POWER, accuracy: 95, flags: {}, priority: 0, critRatio: 1 };
}

module.exports = { own, foe, speed, effectiveness, typeOf, damage, reliability, assumedMove, typesOf };
