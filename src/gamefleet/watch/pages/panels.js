// The panels that a game brings: the map, hands, a battle. This page knows no game; it loads the module that the game's
// folder holds, and gives it its data. A panel's module has a default export `(root, context)` and may return
// {update, recolour, close, keys}; context = {data, run, runs, live, query, choose}.

import { el, fill, trouble } from "./dom.js";

export function open(root, context) {
  const { site, run, query, choose, live } = context;
  const all = site.panels ?? [];
  const game = site.runs.find((one) => one.id === run)?.game;
  const mine = all.filter((panel) => !game || panel.game === game);
  const chosen = mine.find((panel) => panel.name === query.get("panel")) ?? mine[0];
  const problem = trouble();
  const place = el("div");
  const tabs = el("div", { class: "bar", role: "group", "aria-label": "Panels", hidden: mine.length < 2 },
    mine.map((panel) => el("button", { type: "button", "aria-pressed": String(panel === chosen), onclick: () => { choose({ panel: panel.name }); context.route(); } }, panel.title)));
  fill(root, tabs, problem.node, place);
  let mounted = null;
  let isClosed = false;
  const handle = {
    keys: [],
    close() {
      isClosed = true;
      source?.close();
      mounted?.close?.();
    },
    recolour() {
      mounted?.recolour?.();
    },
  };
  let source = null;
  if (!chosen) {
    fill(place, el("p", { class: "empty" }, "The game of this run has no panel."));
    return handle;
  }
  const script = import(chosen.script);
  const address = chosen.data.replace(/run=(ID)?$/, `run=${encodeURIComponent(run)}`);
  source = live.follow(address, ["panels"], async (data, text) => {
    problem.show(text);
    if (!data || isClosed) return;
    try {
      const module = await script;
      if (isClosed) return;
      if (mounted?.update) {
        mounted.update(data);
        return;
      }
      mounted = module.default(place, { data, run, runs: site.runs.filter((one) => one.game === game), live, query, choose });
      handle.keys.push(...(mounted?.keys ?? []));
    } catch (error) {
      problem.show(`The panel "${chosen.title}" cannot be shown: ${error.message}`);
    }
  });
  return handle;
}
