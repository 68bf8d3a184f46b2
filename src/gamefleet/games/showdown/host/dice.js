// Seeded chance for policies and team building, apart from the simulator's own: mulberry32 behind a string hash.
'use strict';

/** FNV-1a, so that any text can be a seed. */
function hash(text) {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return value;
}

/** @returns a function that draws from [0, 1). */
function dice(seed) {
  let state = hash(String(seed));
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 4294967296;
  };
}

/** Four 16-bit numbers: the form of seed that the simulator takes. */
function simulatorSeed(seed) {
  const draw = dice(`simulator ${seed}`);
  return [0, 0, 0, 0].map(() => Math.floor(draw() * 65536)).join(',');
}

function shuffled(items, draw) {
  const list = items.slice();
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(draw() * (i + 1));
    [list[i], list[j]] = [list[j], list[i]];
  }
  return list;
}

module.exports = { dice, simulatorSeed, shuffled };
