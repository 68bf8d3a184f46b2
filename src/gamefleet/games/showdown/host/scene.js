// One situation as the player of one side sees it, with the questions that policies ask of it.
'use strict';

const { own, foe, speed, damage, reliability, assumedMove, effectiveness, typeOf } = require('./damage.js');

class Scene {
  constructor(battle, side) {
    this.battle = battle;
    this.dex = battle.dex;
    this.gen = battle.gen;
    this.side = side;
    this.other = battle.sides[1 - side.n];
    this.weather = battle.field.weather;
    this.screens = battle.sides.map(({ sideConditions: on, active }) => ({
      physical: Boolean(on.reflect || on.auroraveil || (active[0] && active[0].volatiles.reflect)),
      special: Boolean(on.lightscreen || on.auroraveil || (active[0] && active[0].volatiles.lightscreen)),
    }));
    this.mine = side.active[0] ? own(side.active[0]) : null;
    const theirs = this.other.active[0];
    this.theirs = theirs && !theirs.fainted ? foe(theirs, this.gen) : null;
    this.threats = new Map();
    this.bests = new Map();
  }

  move(id) {
    return this.dex.moves.get(id);
  }

  /** A member of the own team by its place in the request, from 1. */
  member(place) {
    return own(this.side.pokemon[place - 1]);
  }

  /** Expected damage of one of the own moves, in parts of the target's full HP. */
  hurts(mon, move) {
    return damage(this, move, mon, this.theirs) * reliability(this.dex, move, mon, this.theirs, this);
  }

  /** The most that a member of the own team can do to the active opponent in one turn. */
  best(mon) {
    if (!this.bests.has(mon.pokemon)) {
      let most = 0;
      for (const slot of mon.pokemon.moveSlots) {
        const move = this.move(slot.id);
        if (!slot.pp || move.category === 'Status' || move.selfdestruct) continue;
        most = Math.max(most, this.hurts(mon, move) * (move.flags.recharge ? 0.6 : 1));
      }
      this.bests.set(mon.pokemon, most);
    }
    return this.bests.get(mon.pokemon);
  }

  /** The most that the active opponent probably does to a member of the own team in one turn. */
  threat(mon) {
    if (!this.threats.has(mon.pokemon)) this.threats.set(mon.pokemon, this._threat(mon));
    return this.threats.get(mon.pokemon);
  }

  _threat(mon) {
    const { theirs } = this;
    let most = 0, known = 0;
    for (const slot of theirs.pokemon.moveSlots) {
      // `used` is what everybody saw.
      if (!slot.used) continue;
      known++;
      const move = this.move(slot.id);
      most = Math.max(most, damage(this, move, theirs, mon) * reliability(this.dex, move, theirs, mon, this));
    }
    if (known >= 4) return most;
    const category = theirs.stats.atk >= theirs.stats.spa ? 'Physical' : 'Special';
    for (const type of theirs.types) {
      const kind = this.gen <= 3 ? (SPECIAL_TYPES.has(type) ? 'Special' : 'Physical') : category;
      most = Math.max(most, damage(this, assumedMove(type, kind), theirs, mon) * (1 - 0.15 * known));
    }
    return most;
  }

  isFaster(mon) {
    const mine = speed(mon, this.gen), theirs = speed(this.theirs, this.gen);
    return this.battle.field.pseudoWeather.trickroom ? mine < theirs : mine > theirs;
  }

  /**
   * How a fight to the end between one of the own Pokémon and the active opponent would go, -1 to 1.
   * @param lost HP that it loses before the fight
   */
  duel(mon, lost = 0) {
    const hp = mon.hp - lost;
    if (hp <= 0) return -1;
    const mine = Math.max(this.best(mon), 0.02), theirs = Math.max(this.threat(mon), 0.02);
    const isFaster = this.isFaster(mon);
    const toWin = Math.ceil(Math.min(this.theirs.hp / mine, 20)), toLose = Math.ceil(Math.min(hp / theirs, 20));
    if (toWin < toLose || (toWin === toLose && isFaster)) {
      const taken = theirs * (isFaster ? toWin - 1 : toWin);
      return 0.25 + 0.75 * Math.max(0, hp - taken);
    }
    const given = mine * (isFaster ? toLose : toLose - 1);
    return -0.25 - 0.75 * Math.max(0, this.theirs.hp - given);
  }

  /** HP that a Pokémon loses to what lies on the own side when it comes in. */
  entryCost(mon) {
    const on = this.side.sideConditions;
    if (mon.item === 'heavydutyboots' || mon.ability === 'magicguard') return 0;
    let cost = 0;
    if (on.stealthrock) cost += effectiveness(this.dex, 'Rock', mon.types, '') / 8;
    const isGrounded = !mon.types.includes('Flying') && mon.ability !== 'levitate';
    if (on.spikes && isGrounded) cost += [0, 1 / 8, 1 / 6, 1 / 4][on.spikes.layers || 1];
    if (on.toxicspikes && isGrounded && !mon.status && !mon.types.includes('Poison') && !mon.types.includes('Steel')) cost += 0.12;
    return cost;
  }

  alive(side) {
    return side.pokemon.filter(({ fainted }) => !fainted).length;
  }

  typeOf(move) {
    return typeOf(move, this.mine, this.gen);
  }
}

const SPECIAL_TYPES = new Set(['Fire', 'Water', 'Grass', 'Electric', 'Psychic', 'Ice', 'Dragon', 'Dark']);

module.exports = { Scene };
