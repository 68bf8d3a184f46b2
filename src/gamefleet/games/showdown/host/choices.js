// What a request allows, and the plain policies: random, and by base power as printed on the move.
'use strict';

const FORMS = [['canTerastallize', 'terastallize'], ['canMegaEvo', 'mega'], ['canUltraBurst', 'ultra'], ['canDynamax', 'dynamax']];

function isFainted(pokemon) {
  return pokemon.condition.endsWith(' fnt');
}

/** Places of the team, from 1, that may come in. */
function benched(request) {
  const team = request.side.pokemon;
  const wantsFainted = Boolean(request.forceSwitch && team[0].reviving);
  const places = [];
  for (let place = 1; place < team.length; place++) {
    if (!team[place].active && isFainted(team[place]) === wantsFainted) places.push(place + 1);
  }
  return places;
}

/** Every way of using the active Pokémon's moves: {slot, id, gimmick, text}; slots from 0. */
function moveOptions(request) {
  const active = request.active[0], list = [];
  active.moves.forEach((move, slot) => {
    if (move.disabled) return;
    const text = `move ${slot + 1}`;
    list.push({ slot, id: move.id, gimmick: '', text });
    for (const [flag, word] of FORMS) if (active[flag]) list.push({ slot, id: move.id, gimmick: word, text: `${text} ${word}` });
    if (active.canZMove && active.canZMove[slot]) list.push({ slot, id: move.id, gimmick: 'zmove', text: `${text} zmove` });
  });
  return list.length ? list : [{ slot: 0, id: 'struggle', gimmick: '', text: 'move 1' }];
}

function maySwitch(request) {
  const active = request.active[0];
  return !active.trapped && !active.maybeTrapped;
}

function sample(list, draw) {
  return list[Math.floor(draw() * list.length)];
}

/** Uniform over moves and switches; a form or Z-move in one of four cases where there is one. */
function chooseRandom(request, draw) {
  if (request.teamPreview) return `team ${1 + Math.floor(draw() * request.side.pokemon.length)}`;
  const places = benched(request);
  if (request.forceSwitch) return places.length ? `switch ${sample(places, draw)}` : 'pass';
  const all = moveOptions(request), plain = all.filter(({ gimmick }) => !gimmick);
  const special = all.filter(({ gimmick }) => gimmick);
  const options = special.length && draw() < 0.25 ? special : plain;
  const texts = options.map(({ text }) => text);
  if (maySwitch(request)) texts.push(...places.map((place) => `switch ${place}`));
  return sample(texts, draw);
}

/** The highest base power as printed; it switches only when it must, to anyone. */
function choosePower(dex, request, draw) {
  if (request.teamPreview || request.forceSwitch) return chooseRandom(request, draw);
  let best = null, most = -1;
  for (const option of moveOptions(request)) {
    if (option.gimmick) continue;
    const power = dex.moves.get(option.id).basePower || 0;
    if (power > most) [best, most] = [option, power];
  }
  return best.text;
}

module.exports = { benched, moveOptions, maySwitch, chooseRandom, choosePower };
