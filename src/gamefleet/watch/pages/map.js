// A map of where the players of a run went, for any game whose places are areas of tiles. The game's panel says which
// areas there are, how large they are and where they lie: {areas: [{id, name, width, height, x, y, walls?}], unit}.
// `walls` holds one string per row, "#" where nobody can walk. Counts are drawn one pixel per tile and then enlarged, so
// that a map of a whole world costs no more than a picture.

import { colour } from "/static/chart.js";
import { el, fill, say, trouble } from "/static/dom.js";
import { number, percent } from "/static/format.js";
import { difference, gradient, heat } from "/static/scale.js";

const MARGIN = 2; // tiles around the world
const LONGEST_STEP = 2; // tiles; a trail that jumps further went through a door
const PLAY_MS = 350;
const ZOOM = [0.5, 60]; // pixels per tile

const look = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Mount a map into `root`; `data` is the game's, the rest is what every panel gets. */
export function mountMap(root, { data, run, runs, live, query, choose }) {
  const world = new World(data);
  const named = (id) => runs.find((one) => one.id === id)?.name ?? id;
  let other = runs.some((one) => one.id === query.get("with")) ? query.get("with") : "";
  let mode = query.get("mode") === "difference" ? "difference" : "beside";
  let at = null; // index of a slice, or null for the newest
  let playing = 0;
  const seen = new Map(); // run -> newest answer
  const sources = new Map();
  const camera = { scale: 0, x: 0, y: 0 };

  const problem = trouble();
  const compare = el("select", { "aria-label": "Compare with", onchange: () => { other = compare.value; choose({ with: other }); arrange(); } },
    el("option", { value: "" }, "nothing"), runs.filter((one) => one.id !== run).map((one) => el("option", { value: one.id }, one.name)));
  compare.value = other;
  const how = el("select", { "aria-label": "How to compare", onchange: () => { mode = how.value; choose({ mode }); arrange(); } },
    el("option", { value: "beside" }, "side by side"), el("option", { value: "difference" }, "difference"));
  how.value = mode;
  const trails = el("input", { type: "checkbox", checked: true, onchange: () => draw() });
  const names = el("input", { type: "checkbox", checked: true, onchange: () => draw() });
  const slider = el("input", { type: "range", min: "0", max: "0", value: "0", "aria-label": "Up to which step", oninput: () => slide(Number(slider.value)) });
  const step = el("output", { class: "quiet" });
  const play = el("button", { type: "button", onclick: () => toggle() }, "Play");
  const hover = el("p", { class: "map-hover quiet" }, "Point at a tile to see its place and its count.");
  const legend = el("span", { class: "legend" });
  const views = el("div", { class: "map-views" });
  const places = el("details", { class: "card" }, el("summary", {}, "Places visited"));
  const list = el("div", { class: "scroll", tabindex: "0" });
  places.append(list);
  const buttons = [["Visited", () => home(true)], ["Everything", () => home(false)], ["+", () => zoomBy(1.4)], ["−", () => zoomBy(1 / 1.4)]];
  const labels = { "+": "Zoom in", "−": "Zoom out", Visited: "Show what was visited", Everything: "Show all areas" };
  fill(root, problem.node, el("div", { class: "map" },
    el("div", { class: "bar" },
      el("label", { class: "choice", hidden: runs.length < 2 }, "Compare with", compare), how,
      el("label", { class: "choice" }, trails, "trails"), el("label", { class: "choice" }, names, "names"),
      el("span", {}, buttons.map(([text, act]) => el("button", { type: "button", class: "plain", "aria-label": labels[text], onclick: act }, text))), legend),
    views,
    el("div", { class: "bar" }, play, slider, step), hover, places));

  let screens = [];
  const observer = new ResizeObserver(() => { fitOnce(); draw(); });
  observer.observe(views);

  /** One canvas per run side by side, or one for the difference. */
  function arrange() {
    how.hidden = !other;
    const wanted = other ? [run, other] : [run];
    for (const [id, source] of sources) {
      if (wanted.includes(id)) continue;
      source.close();
      sources.delete(id);
      seen.delete(id);
    }
    for (const id of wanted) {
      if (!sources.has(id)) sources.set(id, live.follow(visitsPath(id), ["visits"], (value, text) => take(id, value, text)));
    }
    const shown = other && mode === "beside" ? [[run], [other]] : [wanted];
    screens = shown.map((ids) => makeScreen(ids));
    fill(views, screens.map((screen) => screen.node));
    draw();
  }

  function visitsPath(id) {
    const until = at === null ? null : seen.get(run)?.slices?.[at];
    return `/api/visits?run=${encodeURIComponent(id)}${until === null || until === undefined ? "" : `&until=${until}`}`;
  }

  const troubles = new Map();

  function take(id, value, text) {
    if (text || value?.problem) troubles.set(id, `${named(id)}: ${text || value.problem}`);
    else if (value && value.reading < 1) troubles.set(id, `${named(id)}: ${percent(value.reading)} of the file is taken in so far.`);
    else troubles.delete(id);
    problem.show([...troubles.values()].join(" "));
    if (!value) return;
    seen.set(id, value);
    world.include(value);
    if (id === run) {
      const slices = value.slices ?? [];
      slider.max = String(Math.max(0, slices.length - 1));
      if (at === null) slider.value = slider.max;
      const stands = at === null ? value.last_step : slices[at];
      slider.setAttribute("aria-valuetext", `step ${number(stands)}`);
      say(step, slices.length ? `step ${number(stands)} of ${number(slices.at(-1))}` : "no visits yet");
    }
    fitOnce();
    draw();
    listPlaces();
  }

  function slide(index) {
    const slices = seen.get(run)?.slices ?? [];
    at = index >= slices.length - 1 ? null : index;
    for (const [id, source] of sources) source.turnTo(visitsPath(id));
  }

  function toggle() {
    if (playing) stop();
    else {
      say(play, "Pause");
      if (Number(slider.value) >= Number(slider.max)) slider.value = "0";
      playing = setInterval(advance, PLAY_MS);
    }
  }

  function advance() {
    if (Number(slider.value) >= Number(slider.max)) return stop();
    slider.value = String(Number(slider.value) + 1);
    return slide(Number(slider.value));
  }

  function stop() {
    clearInterval(playing);
    playing = 0;
    say(play, "Play");
  }

  function makeScreen(ids) {
    const canvas = el("canvas", { tabindex: "0", role: "application" });
    const label = el("p", { class: "over", hidden: !other }, ids.length > 1 ? `${named(ids[0])} (blue) against ${named(ids[1])} (orange)` : named(ids[0]));
    canvas.setAttribute("aria-label", `Map of ${ids.map(named).join(" against ")}. Arrows move, plus and minus zoom, 0 shows what was visited; the list below holds the same counts.`);
    const screen = { ids, canvas, node: el("div", { class: "map-view" }, canvas, label) };
    listen(canvas, { pan, zoomAt, point: (x, y) => point(screen, x, y), home: () => home(true) });
    return screen;
  }

  function fitOnce() {
    if (!camera.scale && seen.has(run) && screens[0]?.canvas.clientWidth) home(true);
  }

  function home(onlyVisited) {
    const canvas = screens[0].canvas;
    const box = world.box(onlyVisited ? [...seen.values()] : []);
    const scale = Math.min(canvas.clientWidth / box.width, canvas.clientHeight / box.height);
    camera.scale = Math.min(ZOOM[1] / 2, Math.max(ZOOM[0], scale));
    camera.x = box.x + box.width / 2;
    camera.y = box.y + box.height / 2;
    draw();
  }

  function pan(dx, dy) {
    camera.x -= dx / camera.scale;
    camera.y -= dy / camera.scale;
    draw();
  }

  function zoomAt(factor, canvas, px, py) {
    const wanted = Math.min(ZOOM[1], Math.max(ZOOM[0], camera.scale * factor));
    const [fromX, fromY] = [px - canvas.clientWidth / 2, py - canvas.clientHeight / 2];
    camera.x += fromX / camera.scale - fromX / wanted;
    camera.y += fromY / camera.scale - fromY / wanted;
    camera.scale = wanted;
    draw();
  }

  function zoomBy(factor) {
    const canvas = screens[0].canvas;
    zoomAt(factor, canvas, canvas.clientWidth / 2, canvas.clientHeight / 2);
  }

  function point(screen, px, py) {
    const x = Math.floor((px - screen.canvas.clientWidth / 2) / camera.scale + camera.x);
    const y = Math.floor((py - screen.canvas.clientHeight / 2) / camera.scale + camera.y);
    const area = world.at(x, y);
    if (!area) return say(hover, "Nothing is here.");
    const counts = screen.ids.map((id) => {
      const count = seen.has(id) ? world.counts(seen.get(id)).get(world.key(x, y)) ?? 0 : 0;
      return `${screen.ids.length > 1 ? `${named(id)} ` : ""}${number(count)} steps`;
    });
    return say(hover, `${area.name}, column ${x - area.x}, row ${y - area.y}: ${counts.join(", ")}`);
  }

  let isDue = false;
  function draw() {
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(() => {
      isDue = false;
      const shown = [...seen.values()];
      const most = Math.max(1, ...shown.map((answer) => world.most(answer)));
      for (const screen of screens) paint(screen, world, camera, { seen, most, trails: trails.checked, names: names.checked });
      const isDifference = other && mode === "difference";
      fill(legend, isDifference ? named(run) : "1", el("span", { class: "ramp", style: { backgroundImage: gradient(isDifference ? "difference" : "heat") } }), isDifference ? `${named(other)} (more steps, logarithmic)` : `${number(most)} steps on a tile (logarithmic)`);
    });
  }

  function listPlaces() {
    const ids = [...sources.keys()].filter((id) => seen.has(id));
    const rows = world.places(ids.map((id) => seen.get(id)));
    fill(list, el("table", {}, el("caption", { class: "hidden-text" }, "Steps spent and tiles visited in each place"),
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Place"), ids.map((id) => [el("th", { scope: "col", class: "number" }, `${named(id)}: tiles`), el("th", { scope: "col", class: "number" }, `${named(id)}: steps`)]).flat())),
      el("tbody", {}, rows.map((row) => el("tr", {}, el("th", { scope: "row" }, row.name), row.counts.map(([tiles, steps]) => [el("td", { class: "number" }, number(tiles)), el("td", { class: "number" }, number(steps))]).flat())))));
  }

  arrange();
  return {
    keys: [["← ↑ → ↓", "move the map (when it has the focus)"], ["+ −", "zoom"], ["0", "show what was visited"]],
    recolour: () => draw(),
    update(fresh) {
      world.take(fresh);
      draw();
    },
    close() {
      stop();
      observer.disconnect();
      for (const source of sources.values()) source.close();
    },
  };
}

/** The areas, and what answers about visits say on their tiles. */
class World {
  #counts = new WeakMap();

  constructor(data) {
    this.take(data);
  }

  take(data) {
    this.areas = data.areas ?? [];
    this.byId = new Map(this.areas.map((area) => [String(area.id), area]));
    this.left = Math.min(0, ...this.areas.map((area) => area.x)) - MARGIN;
    this.top = Math.min(0, ...this.areas.map((area) => area.y)) - MARGIN;
    this.#measure();
    this.#counts = new WeakMap();
  }

  #measure() {
    this.width = Math.max(1, ...this.areas.map((area) => area.x + area.width)) + MARGIN - this.left;
    this.height = Math.max(1, ...this.areas.map((area) => area.y + area.height)) + MARGIN - this.top;
    this.walls = null;
  }

  /** Make room below the others for areas that the game's table does not know, rather than hide their visits. */
  include(answer) {
    for (const [id, flat] of Object.entries(answer.tiles ?? {})) {
      if (this.byId.has(id)) continue;
      let [width, height] = [1, 1];
      for (let k = 0; k < flat.length; k += 3) {
        width = Math.min(256, Math.max(width, flat[k] + 1));
        height = Math.min(256, Math.max(height, flat[k + 1] + 1));
      }
      const area = { id, name: `area ${id}`, width, height, x: 0, y: this.top + this.height + MARGIN };
      this.areas.push(area);
      this.byId.set(id, area);
      this.#measure();
    }
  }

  key(x, y) {
    return (y - this.top) * 65536 + (x - this.left);
  }

  at(x, y) {
    return this.areas.find((area) => x >= area.x && y >= area.y && x < area.x + area.width && y < area.y + area.height);
  }

  /** Tile -> steps; worked out once per answer. */
  counts(answer) {
    let counts = this.#counts.get(answer);
    if (counts) return counts;
    counts = new Map();
    for (const [id, flat] of Object.entries(answer.tiles ?? {})) {
      const area = this.byId.get(id);
      if (!area) continue;
      for (let k = 0; k + 2 < flat.length; k += 3) {
        if (flat[k] < 0 || flat[k + 1] < 0 || flat[k] >= area.width || flat[k + 1] >= area.height) continue;
        counts.set(this.key(area.x + flat[k], area.y + flat[k + 1]), flat[k + 2]);
      }
    }
    this.#counts.set(answer, counts);
    return counts;
  }

  most(answer) {
    let most = 1;
    for (const count of this.counts(answer).values()) if (count > most) most = count;
    return most;
  }

  /** The rectangle that holds all areas with visits of `answers`, or all areas. */
  box(answers) {
    const visited = new Set(answers.flatMap((answer) => Object.keys(answer.tiles ?? {})));
    const areas = visited.size ? this.areas.filter((area) => visited.has(String(area.id))) : this.areas;
    if (!areas.length) return { x: 0, y: 0, width: 10, height: 10 };
    const x = Math.min(...areas.map((area) => area.x)) - MARGIN;
    const y = Math.min(...areas.map((area) => area.y)) - MARGIN;
    return { x, y, width: Math.max(...areas.map((a) => a.x + a.width)) + MARGIN - x, height: Math.max(...areas.map((a) => a.y + a.height)) + MARGIN - y };
  }

  /** Per place [tiles, steps] of each answer, the most visited place first. */
  places(answers) {
    const sums = new Map();
    answers.forEach((answer, which) => {
      for (const [id, flat] of Object.entries(answer.tiles ?? {})) {
        if (!sums.has(id)) sums.set(id, answers.map(() => [0, 0]));
        const sum = sums.get(id)[which];
        for (let k = 0; k + 2 < flat.length; k += 3) {
          sum[0] += 1;
          sum[1] += flat[k + 2];
        }
      }
    });
    const total = (counts) => counts.reduce((all, [, steps]) => all + steps, 0);
    return [...sums].map(([id, counts]) => ({ name: this.byId.get(id)?.name ?? `area ${id}`, counts })).sort((a, b) => total(b.counts) - total(a.counts));
  }
}

function paint(screen, world, camera, { seen, most, trails, names }) {
  const { canvas, ids } = screen;
  const density = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (!width || !camera.scale) return;
  if (canvas.width !== Math.round(width * density) || canvas.height !== Math.round(height * density)) {
    canvas.width = Math.round(width * density);
    canvas.height = Math.round(height * density);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.fillStyle = look("--map-ground");
  pen.fillRect(0, 0, canvas.width, canvas.height);
  const scale = camera.scale * density;
  pen.setTransform(scale, 0, 0, scale, canvas.width / 2 - camera.x * scale, canvas.height / 2 - camera.y * scale);
  pen.imageSmoothingEnabled = false;
  const colours = [look("--map-area"), look("--map-wall")];
  if (!world.walls || world.wallColours !== colours.join()) {
    world.walls = wallPicture(world, colours);
    world.wallColours = colours.join();
  }
  pen.drawImage(world.walls, world.left, world.top);
  const answers = ids.map((id) => seen.get(id)).filter(Boolean);
  if (answers.length === ids.length) pen.drawImage(countPicture(world, answers, most), world.left, world.top);
  pen.lineWidth = 1 / camera.scale;
  pen.strokeStyle = look("--map-line");
  for (const area of world.areas) pen.strokeRect(area.x, area.y, area.width, area.height);
  if (trails && ids.length === 1 && answers[0]) drawTrails(pen, world, answers[0], camera.scale);
  if (names) writeNames(pen, world, camera, density, canvas, answers);
}

function wallPicture(world, [ground, wall]) {
  const picture = new OffscreenCanvas(world.width, world.height);
  const pen = picture.getContext("2d");
  for (const area of world.areas) {
    pen.fillStyle = ground;
    pen.fillRect(area.x - world.left, area.y - world.top, area.width, area.height);
    pen.fillStyle = wall;
    (area.walls ?? []).forEach((row, y) => {
      for (let x = 0; x < row.length; x += 1) if (row[x] === "#") pen.fillRect(area.x - world.left + x, area.y - world.top + y, 1, 1);
    });
  }
  return picture;
}

function countPicture(world, answers, most) {
  const picture = new OffscreenCanvas(world.width, world.height);
  const pen = picture.getContext("2d");
  const image = pen.createImageData(world.width, world.height);
  const [first, second] = answers.map((answer) => world.counts(answer));
  const keys = second ? new Set([...first.keys(), ...second.keys()]) : first.keys();
  for (const key of keys) {
    const place = 4 * (Math.floor(key / 65536) * world.width + (key % 65536));
    const shade = second ? difference(first.get(key) ?? 0, second.get(key) ?? 0) : heat(first.get(key), most);
    image.data.set([...shade, 255], place);
  }
  pen.putImageData(image, 0, 0);
  return picture;
}

/** Whether one can go from one spot to the other in a step: straight, and not through a door. */
function isOneStep([x, y], [fromX, fromY]) {
  return (x === fromX || y === fromY) && Math.abs(x - fromX) + Math.abs(y - fromY) <= LONGEST_STEP;
}

function drawTrails(pen, world, answer, scale) {
  (answer.trails ?? []).forEach((trail, which) => {
    const ink = colour(which);
    pen.strokeStyle = pen.fillStyle = ink;
    pen.lineWidth = 1.4 / scale;
    pen.globalAlpha = 0.8;
    pen.beginPath();
    let before = null;
    for (let k = 0; k + 2 < trail.spots.length; k += 3) {
      const area = world.byId.get(String(trail.spots[k]));
      const spot = area && [area.x + trail.spots[k + 1] + 0.5, area.y + trail.spots[k + 2] + 0.5];
      const isNear = spot && before && isOneStep(spot, before);
      if (spot) pen[isNear ? "lineTo" : "moveTo"](spot[0], spot[1]);
      before = spot;
    }
    pen.stroke();
    pen.globalAlpha = 1;
    if (!before) return;
    pen.beginPath();
    pen.arc(before[0], before[1], Math.max(3.5 / scale, 0.4), 0, 2 * Math.PI);
    pen.fill();
    pen.strokeStyle = look("--map-area");
    pen.lineWidth = 1 / scale;
    pen.stroke();
  });
}

/** Names in screen pixels, left out where an area is too small to hold its own; visited places first. */
function writeNames(pen, world, camera, density, canvas, answers) {
  const visited = new Set(answers.flatMap((answer) => Object.keys(answer.tiles ?? {})));
  pen.setTransform(density, 0, 0, density, 0, 0);
  pen.font = "11px system-ui, sans-serif";
  pen.textBaseline = "top";
  for (const area of world.areas) {
    const [x, y] = [(area.x - camera.x) * camera.scale + canvas.width / density / 2, (area.y - camera.y) * camera.scale + canvas.height / density / 2];
    const size = pen.measureText(area.name).width;
    if (size + 6 > area.width * camera.scale || area.height * camera.scale < 15) continue;
    pen.fillStyle = look("--map-area");
    pen.globalAlpha = 0.85;
    pen.fillRect(x + 1, y + 1, size + 6, 14);
    pen.globalAlpha = 1;
    pen.fillStyle = look(visited.has(String(area.id)) ? "--text" : "--quiet");
    pen.fillText(area.name, x + 4, y + 2.5);
  }
}

/** Mouse, touch and keys of one canvas. */
function listen(canvas, { pan, zoomAt, point, home }) {
  const fingers = new Map();
  const place = (event) => [event.offsetX, event.offsetY];
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, place(event));
  });
  for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, (event) => fingers.delete(event.pointerId));
  canvas.addEventListener("pointermove", (event) => {
    const here = place(event);
    const before = fingers.get(event.pointerId);
    if (!before) return point(...here);
    if (fingers.size === 2) {
      const rest = [...fingers].find(([id]) => id !== event.pointerId)[1];
      const spread = (a) => Math.hypot(a[0] - rest[0], a[1] - rest[1]) || 1;
      zoomAt(spread(here) / spread(before), canvas, (here[0] + rest[0]) / 2, (here[1] + rest[1]) / 2);
    } else {
      pan(here[0] - before[0], here[1] - before[1]);
    }
    fingers.set(event.pointerId, here);
    return undefined;
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoomAt(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0018)), canvas, ...place(event));
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const middle = [canvas.clientWidth / 2, canvas.clientHeight / 2];
    const acts = { ArrowLeft: () => pan(48, 0), ArrowRight: () => pan(-48, 0), ArrowUp: () => pan(0, 48), ArrowDown: () => pan(0, -48), "+": () => zoomAt(1.25, canvas, ...middle), "=": () => zoomAt(1.25, canvas, ...middle), "-": () => zoomAt(0.8, canvas, ...middle), 0: home };
    const act = acts[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    act();
    point(...middle);
  });
}
