// Teams for any singles format, drawn from a seed.
//
// Formats with random teams use the simulator's generator. For the others a pool of sets is made once per format: sets
// of that generation's random battles at level 100, each one checked by the simulator's own validator, and a team is six
// species of the pool that the validator accepts together.
'use strict';

const { dice, simulatorSeed, shuffled } = require('./dice.js');

const POOL_SETS = 180;
const MOST_ROUNDS = 200;
const TEAM_SIZE = 6;
const WEAK_TIERS = new Set(['ZU', 'ZUBL', 'LC', 'NFE', 'PU', '(PU)']);

class Teams {
  /** @param simulator the npm package */
  constructor(simulator) {
    this.simulator = simulator;
    this.pools = new Map();
  }

  /** A packed team of a format. */
  draw(formatName, seed) {
    const format = this.simulator.Dex.formats.get(formatName);
    if (!format.exists) throw new Error(`the simulator knows no format ${formatName}`);
    if (format.gameType !== 'singles') throw new Error(`${format.id} is ${format.gameType}; only singles are played here`);
    const { Teams: teams } = this.simulator;
    if (format.team) return teams.pack(teams.generate(format, { seed: simulatorSeed(`team ${seed}`) }));
    return teams.pack(this._pick(format, dice(`team ${format.id} ${seed}`)));
  }

  _pick(format, draw) {
    const pool = this._pool(format);
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const team = [], species = new Set();
      for (const set of shuffled(pool, draw)) {
        if (species.has(set.base)) continue;
        species.add(set.base);
        team.push(set.set);
        if (team.length === TEAM_SIZE) break;
      }
      if (team.length === TEAM_SIZE && !this._validator(format).validateTeam(structuredClone(team))) return team;
    }
    throw new Error(`no valid team was found for ${format.id}`);
  }

  _pool(format) {
    if (!this.pools.has(format.id)) this.pools.set(format.id, this._makePool(format));
    return this.pools.get(format.id);
  }

  _validator(format) {
    if (!this.validators) this.validators = new Map();
    if (!this.validators.has(format.id)) this.validators.set(format.id, new this.simulator.TeamValidator(format.id));
    return this.validators.get(format.id);
  }

  _makePool(format) {
    const { Dex, Teams: teams } = this.simulator;
    const dex = Dex.forFormat(format);
    const isStrong = /(?:ou|ubers|ag|nationaldex)$/.test(format.id);
    const source = `gen${dex.gen}randombattle`, pool = [];
    for (let round = 0; round < MOST_ROUNDS && pool.length < POOL_SETS; round++) {
      for (const drawn of teams.generate(source, { seed: simulatorSeed(`pool ${source} ${round}`) })) {
        const species = dex.species.get(drawn.species);
        if (isStrong && WEAK_TIERS.has(species.tier)) continue;
        const set = { ...drawn, name: '', level: 100, shiny: false, gigantamax: false };
        if (!this._validator(format).validateTeam([structuredClone(set)])) pool.push({ set, base: species.baseSpecies });
      }
    }
    return pool;
  }
}

module.exports = { Teams };
