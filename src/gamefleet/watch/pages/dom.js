// Builds elements. Text enters a page through textContent only, so a hostile name is shown, never run.

/** One element: `el("button", {class: "plain", onclick: f, "aria-pressed": "true"}, "text", child, ...)`. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  set(node, properties);
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** One element of a drawing. */
export function svg(tag, properties = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(properties)) node.setAttribute(name, String(value));
  node.append(...children.filter((child) => child !== null));
  return node;
}

function set(node, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") node.className = value;
    else if (name === "style") Object.assign(node.style, value);
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
}

/** Replace what a node shows; a text that stays the same is left alone, so that nothing is announced twice. */
export function say(node, text) {
  const wanted = text === null || text === undefined ? "" : String(text);
  if (node.textContent !== wanted) node.textContent = wanted;
}

/** Replace all children. */
export function fill(node, ...children) {
  node.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
}

/** A place where one source's trouble is said, instead of its data. */
export function trouble() {
  const node = el("p", { class: "trouble", role: "alert", hidden: true });
  return {
    node,
    show(text) {
      node.hidden = !text;
      say(node, text || "");
    },
  };
}

/** A table with sortable headings; columns are {key, title, number, sort, cell(row) -> text or node}. */
export function table(caption, columns, { label = caption, initial = null } = {}) {
  let order = initial ?? { key: columns[0].key, down: false };
  let shown = [];
  const body = el("tbody");
  const heads = columns.map((column) => {
    const button = el("button", { type: "button", class: "sort", onclick: () => sortBy(column.key) }, column.title);
    return el("th", { scope: "col", class: column.number ? "number" : "", title: column.meaning }, button);
  });
  const node = el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
    el("table", {}, el("caption", { class: "hidden-text" }, caption), el("thead", {}, el("tr", {}, heads)), body),
  );
  function sortBy(key) {
    order = { key, down: order.key === key ? !order.down : Boolean(columns.find((c) => c.key === key).number) };
    draw();
  }
  function draw() {
    const column = columns.find((candidate) => candidate.key === order.key);
    const value = column.sort ?? ((row) => row[column.key]);
    const rows = [...shown].sort((a, b) => compare(value(a), value(b)) * (order.down ? -1 : 1));
    heads.forEach((head, index) => {
      const sorted = columns[index].key === order.key ? (order.down ? "descending" : "ascending") : "none";
      head.setAttribute("aria-sort", sorted);
    });
    fill(body, rows.map(line));
  }
  function line(row) {
    const cells = columns.map((column, index) => {
      const content = column.cell ? column.cell(row) : row[column.key];
      const properties = { class: [column.number ? "number" : "", column.tone?.(row) ?? ""].join(" ").trim() };
      const text = content === null || content === undefined || content === "" ? "–" : content;
      return index === 0 ? el("th", { scope: "row" }, text) : el("td", properties, text);
    });
    return el("tr", {}, cells);
  }
  return {
    node,
    show(rows) {
      shown = rows;
      draw();
    },
  };
}

function compare(a, b) {
  const missing = (value) => value === null || value === undefined || Number.isNaN(value);
  if (missing(a) || missing(b)) return Number(missing(a)) - Number(missing(b));
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}
