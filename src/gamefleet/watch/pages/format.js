// Numbers, times and ages as people read them. Everything takes null for "not known" and gives a dash.

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const SHORT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** 12,345 or 0.0312: whole numbers in full, others with four figures. */
export function number(value) {
  if (!isNumber(value)) return "–";
  if (Number.isInteger(value) || Math.abs(value) >= 10000) return WHOLE.format(value);
  if (value !== 0 && Math.abs(value) < 0.001) return value.toExponential(1);
  return new Intl.NumberFormat("en", { maximumSignificantDigits: 4 }).format(value);
}

/** 12.3K, for axes. */
export function compact(value) {
  if (!isNumber(value)) return "–";
  if (value !== 0 && Math.abs(value) < 0.001) return value.toExponential(0);
  return Math.abs(value) < 1000 ? String(+value.toPrecision(4)) : SHORT.format(value);
}

/** A share from 0 to 1 as a percentage. */
export function percent(share) {
  return isNumber(share) ? `${(100 * share).toFixed(share < 0.0995 && share > 0 ? 1 : 0)} %` : "–";
}

/** 12.3 MB. */
export function bytes(count) {
  return isNumber(count) ? `${SHORT.format(count).replace(/[KMBT]$/, (unit) => ` ${unit === "B" ? "G" : unit === "K" ? "k" : unit}`).replace(/\d$/, "$& ")}B` : "–";
}

/** Seconds as 8 s, 4 min 05 s, 3 h 12 min, 2 d 4 h. */
export function duration(seconds) {
  if (!isNumber(seconds)) return "–";
  const whole = Math.max(0, Math.round(seconds));
  const two = (n) => String(n).padStart(2, "0");
  if (whole < 60) return seconds < 9.95 && seconds > 0 ? `${+Math.max(0, seconds).toFixed(1)} s` : `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

/** Clock time of a moment: 14:02, with the day when it is not today. */
export function clock(time, at = Date.now() / 1000, precision = {}) {
  if (!isNumber(time)) return "–";
  const moment = new Date(time * 1000);
  const hours = moment.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", ...precision });
  if (moment.toDateString() === new Date(at * 1000).toDateString()) return hours;
  return `${moment.toLocaleDateString("en-GB", { day: "numeric", month: "short" })} ${hours}`;
}

/** 14:02:31, where things follow each other within a minute. */
export function second(time, at = Date.now() / 1000) {
  return clock(time, at, { second: "2-digit" });
}

/** A moment with seconds, for tooltips and lists. */
export function moment(time) {
  return isNumber(time) ? new Date(time * 1000).toLocaleString("en-GB") : "–";
}

/** A sentence with a capital at its beginning and a stop at its end. */
export function sentence(text) {
  const trimmed = String(text ?? "").trim();
  return trimmed && `${trimmed[0].toUpperCase()}${trimmed.slice(1)}${/[.!?…]$/.test(trimmed) ? "" : "."}`;
}

/** `milestone_reached` as `milestone reached`. */
export function words(name) {
  return String(name ?? "").replaceAll("_", " ");
}
