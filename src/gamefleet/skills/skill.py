"""A skill as data, as JSON, and as the JSON schema that a model answers by.

Job: one immutable `Skill`, read from JSON that may have been written by a model and is therefore checked whole. Place
in the data flow: proposer -> `Skill.from_json` -> verification -> scheduler -> trainer. Left out: what its expressions
mean (`expression`) and whether it makes sense in a world (`verify`).

    {"name": "Place_Table", "description": "Put a crafting table down.", "requires": {"wood": 2},
     "consumes": {"wood": 2}, "gain": {"near_table": 1}, "reward": "gained(near_table)",
     "success": "near_table >= 1", "max_steps": 100, "depends_on": null}
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gamefleet.errors import ConfigError, nearest

if TYPE_CHECKING:
    from gamefleet.skills.world import SkillWorld

NAME_PATTERN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,47}")
"""Names become folders, sessions and files; nothing else may be in them."""

MAX_EXPRESSION_CHARACTERS = 400
MAX_DESCRIPTION_CHARACTERS = 400
MAX_SOURCE_CHARACTERS = 8000
MAX_AMOUNTS = 16
MAX_DEPENDENCIES = 16
MAX_STEPS = 10_000
LARGEST_AMOUNT = 1e6
SCHEMA_AMOUNTS = 9
"""Amounts that a model may ask for, unless all ranges are smaller: the smallest pack of the games here."""

KEYS = ("name", "description", "requires", "consumes", "gain", "reward", "success", "max_steps", "depends_on", "python")


class SkillRefusedError(ConfigError):
    """What should be a skill is none: a field is missing, unknown, of the wrong type or out of its range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """What one expert is trained for.

    Args:
        name: What it is called, unique in a graph.
        requires: Features that must be at least this when it starts.
        consumes: Features that it uses up, and how much.
        gain: Features that are at least this when it has succeeded.
        reward: Expression: the reward of one step.
        success: Expression: whether the skill is done; not 0 means yes.
        max_steps: Steps after which an episode is cut.
        description: One or two sentences for people.
        depends_on: Names of skills that it builds on; None to have them resolved from `requires`.
        python: Source of a module whose functions take the place of both expressions; refused unless asked for, and
            run in a sandbox only. Empty for a skill that is data.
    """

    name: str
    requires: Mapping[str, float] = field(default_factory=dict)
    consumes: Mapping[str, float] = field(default_factory=dict)
    gain: Mapping[str, float]
    reward: str
    success: str
    max_steps: int
    description: str = ""
    depends_on: tuple[str, ...] | None = None
    python: str = ""

    @classmethod
    def from_json(cls, value: Any) -> Skill:
        """Read a skill that anybody may have written.

        Args:
            value: What JSON holds. `requires`, `consumes` and `gain` are either objects `{"wood": 2}` or, as models
                with a schema write them, lists `[{"feature": "wood", "amount": 2}]`.

        Raises:
            SkillRefusedError: It is not a skill; says which field and why.
        """
        if not isinstance(value, Mapping):
            raise SkillRefusedError("A skill is a JSON object", value=_short(value), remedy=f"Keys: {', '.join(KEYS)}.")
        for key in value:
            if key not in KEYS:
                raise SkillRefusedError(
                    "Unknown key of a skill", value=_short(key), remedy=nearest(str(key)[:48], KEYS)
                )
        python = _source(value)
        stand_in = "python" if python else None
        name = _text(value, "name", 48)
        if not NAME_PATTERN.fullmatch(name):
            raise SkillRefusedError(
                "Not a name for a skill",
                value=name,
                where="name",
                remedy="Letters, digits and _, letter first, max 48.",
            )
        return cls(
            name=name,
            description=_text(value, "description", MAX_DESCRIPTION_CHARACTERS, default=""),
            requires=_amounts(value, "requires"),
            consumes=_amounts(value, "consumes"),
            gain=_amounts(value, "gain"),
            reward=_text(value, "reward", MAX_EXPRESSION_CHARACTERS, default=stand_in),
            success=_text(value, "success", MAX_EXPRESSION_CHARACTERS, default=stand_in),
            max_steps=_steps(value),
            depends_on=_dependencies(value),
            python=python,
        )

    def as_json(self) -> dict[str, Any]:
        """The skill as plain JSON values; `from_json` reads it back equal."""
        return {
            "name": self.name,
            "description": self.description,
            "requires": dict(self.requires),
            "consumes": dict(self.consumes),
            "gain": dict(self.gain),
            "reward": self.reward,
            "success": self.success,
            "max_steps": self.max_steps,
            "depends_on": None if self.depends_on is None else list(self.depends_on),
            **({"python": self.python} if self.python else {}),
        }


def skill_schema(world: SkillWorld, *, allows_python: bool = False) -> dict[str, Any]:
    """A JSON schema by which a model answers with one skill of a world.

    Every key is required and no other allowed, as servers with strict structured output demand. What may be enumerated
    is: several servers enforce enumerations and ignore ranges. What comes back is checked again by `Skill.from_json`.

    Args:
        world: Has the features.
        allows_python: Whether there is a key for Python, too; it is empty for a skill that is data.
    """
    text = {"type": "string"}
    most = int(min(SCHEMA_AMOUNTS, max(feature.high for feature in world.features)))
    item = _closed(feature={"type": "string", "enum": list(world.names)}, amount=_integers(range(1, most + 1)))
    amounts = {"type": "array", "items": item}
    return _closed(
        name=text,
        description=text,
        requires=amounts,
        consumes=amounts,
        gain=amounts,
        reward=text,
        success=text,
        max_steps=_integers((25, 50, 100, 150, 200, 300, 500, 1000)),
        depends_on={"type": ["array", "null"], "items": text},
        **({"python": text} if allows_python else {}),
    )


def _closed(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _integers(choices: Iterable[int]) -> dict[str, Any]:
    return {"type": "integer", "enum": list(choices)}


def _text(value: Mapping[Any, Any], key: str, limit: int, default: str | None = None) -> str:
    found = value.get(key, default)
    if not isinstance(found, str):
        raise SkillRefusedError(f"A skill's {key} is a text", value=_short(found), where=key)
    found = found.strip() or (default or "")
    if len(found) > limit or not found.isprintable():
        raise SkillRefusedError(f"At most {limit} printable characters", value=_short(found), where=key)
    if not found and default is None:
        raise SkillRefusedError(f"A skill needs a {key}", where=key)
    return found


def _source(value: Mapping[Any, Any]) -> str:
    found = value.get("python")
    if found is None:
        return ""
    if not isinstance(found, str) or len(found) > MAX_SOURCE_CHARACTERS:
        raise SkillRefusedError(f"Source of at most {MAX_SOURCE_CHARACTERS} characters", where="python")
    return found if found.strip() else ""


def _amounts(value: Mapping[Any, Any], key: str) -> dict[str, float]:
    found = value.get(key, {})
    if isinstance(found, list):
        pairs = [_pair(item, key) for item in found]
        if len(dict(pairs)) != len(pairs):
            raise SkillRefusedError("A feature is listed twice", value=_short(found), where=key)
        found = dict(pairs)
    if not isinstance(found, Mapping) or len(found) > MAX_AMOUNTS:
        raise SkillRefusedError(f"{key} maps at most {MAX_AMOUNTS} features to amounts", value=_short(found), where=key)
    return {_feature(name, key): _amount(amount, f"{key}.{name}") for name, amount in found.items()}


def _pair(item: Any, key: str) -> tuple[str, Any]:
    if not isinstance(item, Mapping) or set(item) != {"feature", "amount"}:
        raise SkillRefusedError('An item is {"feature": NAME, "amount": NUMBER}', value=_short(item), where=key)
    return _feature(item["feature"], key), item["amount"]


def _feature(name: Any, key: str) -> str:
    if not isinstance(name, str) or not NAME_PATTERN.fullmatch(name):
        raise SkillRefusedError("Not the name of a feature", value=_short(name), where=key)
    return name


def _amount(amount: Any, where: str) -> float:
    is_number = isinstance(amount, int | float) and not isinstance(amount, bool)
    if not is_number or not math.isfinite(amount) or not 0 < amount <= LARGEST_AMOUNT:
        raise SkillRefusedError("An amount is a number above 0", value=_short(amount), where=where)
    return float(amount)


def _steps(value: Mapping[Any, Any]) -> int:
    steps = value.get("max_steps")
    is_whole = not isinstance(steps, bool) and isinstance(steps, int | float) and steps == steps // 1
    if not is_whole or not 1 <= steps <= MAX_STEPS:  # type: ignore[operator] # a number, or is_whole is False
        raise SkillRefusedError(f"A whole number from 1 to {MAX_STEPS}", value=_short(steps), where="max_steps")
    return int(steps)  # type: ignore[arg-type] # as above


def _dependencies(value: Mapping[Any, Any]) -> tuple[str, ...] | None:
    found = value.get("depends_on")
    if found is None:
        return None
    if not isinstance(found, list | tuple) or len(found) > MAX_DEPENDENCIES:
        raise SkillRefusedError(f"A list of at most {MAX_DEPENDENCIES} skills", value=_short(found), where="depends_on")
    for name in found:
        if not isinstance(name, str) or not NAME_PATTERN.fullmatch(name):
            raise SkillRefusedError("Not the name of a skill", value=_short(name), where="depends_on")
    return tuple(dict.fromkeys(found))


def _short(value: object) -> object:
    """At most 80 characters of what a stranger wrote: errors go into logs and prompts."""
    text = repr(value)
    return value if len(text) <= 80 else text[:77] + "..."
