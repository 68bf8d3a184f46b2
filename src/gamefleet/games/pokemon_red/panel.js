// Where the players went. All drawing is the dashboard's own map; the areas come from `panel.py` beside this file.

import { mountMap } from "/static/map.js";

export default mountMap;
