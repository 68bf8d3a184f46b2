"""Three skills of the toy world that build on one another, as JSON, for tests of proposals."""

from typing import Any

WOOD: dict[str, Any] = {
    "name": "Collect_Wood",
    "gain": {"wood": 5},
    "reward": "gained(wood)",
    "success": "wood >= 5",
    "max_steps": 100,
}
TABLE: dict[str, Any] = {
    "name": "Place_Table",
    "requires": {"wood": 2},
    "consumes": {"wood": 2},
    "gain": {"near_table": 1},
    "reward": "gained(near_table)",
    "success": "near_table >= 1",
    "max_steps": 50,
}
PICKAXE: dict[str, Any] = {
    "name": "Make_Pickaxe",
    "requires": {"near_table": 1},
    "consumes": {"wood": 1},
    "gain": {"wood_pickaxe": 1},
    "reward": "gained(wood_pickaxe)",
    "success": "wood_pickaxe >= 1",
    "max_steps": 50,
}
