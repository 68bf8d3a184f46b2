// Policies by name. A grade is a policy with a chance of a random choice: `heuristic@0.25`.
'use strict';

const { dice } = require('./dice.js');
const { chooseRandom, choosePower, benched, moveOptions } = require('./choices.js');
const { Scene } = require('./scene.js');
const { chooseHeuristic } = require('./heuristic.js');

/** The most expected damage; it switches only when it must, to whoever can do the most. */
function chooseDamage(battle, side, request, draw) {
  if (request.teamPreview) return chooseRandom(request, draw);
  const scene = new Scene(battle, side);
  if (!scene.theirs) return chooseRandom(request, draw);
  if (request.forceSwitch) {
    const places = benched(request);
    if (!places.length) return 'pass';
    return `switch ${places.reduce((a, b) => (scene.best(scene.member(b)) > scene.best(scene.member(a)) ? b : a))}`;
  }
  const plain = moveOptions(request).filter(({ gimmick }) => !gimmick);
  const scored = plain.map((option) => ({ option, score: scene.hurts(scene.mine, scene.move(option.id)) }));
  return scored.reduce((a, b) => (b.score > a.score ? b : a)).option.text;
}

const MAKERS = {
  random: (draw) => (battle, side, request) => chooseRandom(request, draw),
  'max-power': (draw) => (battle, side, request) => choosePower(battle.dex, request, draw),
  'max-damage': (draw) => (battle, side, request) => chooseDamage(battle, side, request, draw),
  heuristic: () => {
    const memory = {};
    return (battle, side, request) => chooseHeuristic(battle, side, request, memory);
  },
};

/**
 * @param grade NAME or NAME@EPSILON
 * @param seed of its chance
 * @returns (battle, side, request) => choice
 */
function makePolicy(grade, seed) {
  const [name, epsilon] = grade.split('@');
  if (!MAKERS[name]) throw new Error(`there is no policy ${name}; choices: ${Object.keys(MAKERS).join(', ')}`);
  const draw = dice(`policy ${seed}`), policy = MAKERS[name](draw), chance = Number(epsilon || 0);
  if (!(chance >= 0 && chance <= 1)) throw new Error(`${grade}: the chance of a random choice lies between 0 and 1`);
  if (!chance) return policy;
  return (battle, side, request) => (draw() < chance ? chooseRandom(request, draw) : policy(battle, side, request));
}

module.exports = { makePolicy };
