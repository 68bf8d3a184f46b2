// Colour-blind-safe colours for counts: dark blue over green to yellow, lightness rising steadily (the viridis map).

const STOPS = [
  [68, 1, 84], [71, 39, 119], [62, 73, 137], [48, 103, 141], [37, 130, 142],
  [30, 157, 136], [53, 183, 120], [109, 206, 88], [181, 222, 43], [253, 231, 37],
];

// Blue to orange through grey, for the difference of two runs: blue is more of the first, orange more of the second.
const DIFFERENCE = [[33, 102, 172], [103, 169, 207], [150, 150, 150], [239, 138, 98], [200, 80, 20]];

function between(stops, share) {
  const place = Math.min(1, Math.max(0, share)) * (stops.length - 1);
  const index = Math.min(stops.length - 2, Math.floor(place));
  const rest = place - index;
  return stops[index].map((channel, k) => Math.round(channel + (stops[index + 1][k] - channel) * rest));
}

/** [red, green, blue] of a count on a logarithmic scale up to `most`. */
export function heat(count, most) {
  // The darkest eighth is left out: on a dark page it could not be told from ground where nobody stood.
  return between(STOPS, most <= 1 ? 0.5 : 0.12 + (0.88 * Math.log(count)) / Math.log(most));
}

/** [red, green, blue] of how much more often the second of two counts is, on a logarithmic scale. */
export function difference(first, second) {
  return between(DIFFERENCE, 0.5 + Math.log2((second + 1) / (first + 1)) / 12);
}

/** A CSS gradient of one of the scales, for legends. */
export function gradient(kind) {
  const stops = kind === "difference" ? DIFFERENCE : STOPS.map((_, k) => between(STOPS, 0.12 + (0.88 * k) / 9));
  return `linear-gradient(to right, ${stops.map((stop) => `rgb(${stop.join(" ")})`).join(", ")})`;
}
