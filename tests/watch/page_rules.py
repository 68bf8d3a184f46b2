"""Rules that every page keeps, as scripts for the browser."""

NAMELESS = """
// Controls and pictures that a screen reader has no name for.
const named = (node) => {
  const label = node.getAttribute("aria-label") || node.getAttribute("alt") || node.getAttribute("title");
  const by = (node.getAttribute("aria-labelledby") || "").split(" ").some((id) => id && document.getElementById(id));
  const inLabel = node.labels && [...node.labels].some((one) => one.textContent.trim());
  const text = ["BUTTON", "A", "SUMMARY"].includes(node.tagName) && node.textContent.trim();
  return Boolean(label || by || inLabel || text);
};
const inside = (node) => node.parentElement.closest("[aria-hidden=true], [role=img]");
const seen = (node) => node.checkVisibility() && node.ariaHidden !== "true" && !inside(node);
const controls = "button, a[href], input, select, canvas, video, img";
const wanted = `${controls}, [role=img], [role=application], nav, [tabindex='0']`;
const found = [...document.querySelectorAll(wanted)].filter((node) => seen(node) && !named(node));
return found.map((node) => node.outerHTML.slice(0, 120));
"""

CONTRAST = """
// Texts whose contrast to what lies behind them is below 4.5 (3 where they are large), as WCAG 2 computes it.
const parse = (text) => {
  const found = text.match(/[\\d.]+/g).map(Number);
  return [found[0], found[1], found[2], found.length > 3 ? found[3] : 1];
};
const light = (colour) => {
  const linear = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  const [r, g, b] = colour.slice(0, 3).map(linear);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const over = (top, below) => [0, 1, 2].map((k) => top[k] * top[3] + below[k] * (1 - top[3])).concat(1);
const behind = (node) => {
  const layers = [];
  for (let at = node; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
  return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 1]);
};
const bad = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode.parentElement;
  const style = getComputedStyle(node);
  const text = walker.currentNode.textContent.trim();
  if (!text || !node.checkVisibility() || node.closest("svg, option, button:disabled")) continue;
  const ground = behind(node);
  const [a, b] = [light(over(parse(style.color), ground)), light(ground)].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  const size = parseFloat(style.fontSize);
  const needed = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
  if (ratio < needed) bad.push(`${ratio.toFixed(2)}: ${text.slice(0, 40)}`);
}
return bad;
"""

WIDER_THAN_THE_WINDOW = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
