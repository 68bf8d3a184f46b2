"""Settings files: our sections, and the flat keys that the guides' files use.

Job: read TOML, YAML and JSON, translate keys such as `total_steps` or `training.num_envs`, and note the line of each
value. Place in the data flow: file -> nested settings, for `config`. Left out: checking names and values.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

import yaml

from gamefleet.errors import ConfigError, nearest
from gamefleet.topologies.layers import Origins, Settings, flattened, merge, nested

TRANSLATED: Mapping[str, str] = {
    "run_name": "run.name",
    "total_steps": "run.total_steps",
    "checkpoint_interval": "run.checkpoint_interval_steps",
    "max_runtime_seconds": "run.max_runtime_s",
    "device": "run.device",
    "seed": "run.seed",
    "num_envs": "actors.num_envs",
    "num_workers": "actors.num_workers",
    "num_iterations": "run.num_iterations",
    "games_per_iteration": "run.games_per_iteration",
    "train_steps_per_iteration": "run.updates_per_iteration",
    "use_wandb": "trackers.wandb",
    "wandb_project": "trackers.project",
    "batch_size": "learner.batch_size",
    "learning_rate": "learner.learning_rate",
    "gamma": "learner.discount",
    "buffer_size": "replay.capacity_steps",
    "stream": "streaming.enabled",
    "stream_port": "streaming.port",
    "stream_top_k": "streaming.top_k",
}
"""The guides' key -> our name; on the top level and inside a `training` section."""

AUTO = "auto"
FLAT_SECTION = "training"
RUN_FOLDER = "run_dir"
SECRET = "auth_token"
"""Not a setting: it shall never stand in a run folder; see `read_secret`."""

OF_SECTION: Mapping[str, Mapping[str, str]] = {
    "network": {
        "gpu_host": "remote.gpu_host",
        "gpu_port": "remote.gpu_port",
        "inference": "remote.inference",
    },
    "model": {
        name: f"network.encoder.{name}"
        for name in ("max_players", "max_colors", "max_ranks", "max_hand_size", "d_model", "num_heads", "num_layers")
    },
}
"""Keys that mean something else than our settings in a section of the guides; `network` is the computers' there."""

VALUES: Mapping[str, Callable[[Any], Any]] = {
    "use_wandb": lambda value: ("online" if value else "off") if isinstance(value, bool) else value,
    "train_steps_per_iteration": lambda value: None if value == AUTO else value,
}
"""The guides' values in our words."""

FOREIGN_SECTIONS = ("model", FLAT_SECTION)
"""Sections of the guides' files that are none of ours."""

CLOSE = 0.8

PARSERS: Mapping[str, Callable[[str], Any]] = {
    ".toml": tomllib.loads,
    ".yaml": yaml.safe_load,
    ".yml": yaml.safe_load,
    ".json": json.loads,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsFile:
    """What a file asks for.

    Args:
        settings: In our sections.
        origins: Line of each value.
    """

    settings: Settings
    origins: Origins = field(default_factory=dict)


def read_settings_file(path: Path) -> SettingsFile:
    """Read a file of settings.

    Args:
        path: `*.toml`, `*.yaml`, `*.yml` or `*.json`.

    Raises:
        ConfigError: The file is missing, of another kind, or malformed; the parser's line is in the message.
    """
    content, text = read_content(path)
    return translate(content, path=path, text=text)


def read_content(path: Path) -> tuple[Mapping[str, Any], str]:
    """What a file of settings holds, and its text; raises as `read_settings_file` does."""
    if path.suffix not in PARSERS:
        raise ConfigError("Unknown kind of settings file", value=str(path), remedy=nearest(path.suffix, PARSERS))
    try:
        text = path.read_text()
        content = PARSERS[path.suffix](text)
    except OSError as error:
        raise ConfigError(
            f"Cannot read the settings file: {error.strerror}", value=str(path), remedy="Correct the path."
        ) from error
    except (ValueError, yaml.YAMLError) as error:
        message = " ".join(str(error).split())
        raise ConfigError(f"The settings file is malformed: {message}", where=path, remedy="Correct it.") from error
    if not isinstance(content, dict | None):
        raise ConfigError(
            "A settings file holds sections", value=type(content).__name__, where=path, remedy="See configs/."
        )
    return content or {}, text


def translate(content: Mapping[str, Any], *, path: Path, text: str = "") -> SettingsFile:
    """Bring the guides' keys into our sections; everything else stays as it is and is checked later.

    Raises:
        ConfigError: Two keys of the file mean the same setting and differ.
    """
    refuse_misspelt(content, path=path, text=text)
    translated = SettingsFile(settings={})
    for prefix, level in levels(content):
        for key, value in level.items():
            if key != SECRET:
                _translate_key((*prefix, str(key)), value, translated, path=path, text=text)
    return translated


def refuse_misspelt(content: Mapping[str, Any], *, path: Path, text: str) -> None:
    """Refuse what is nearly a section of the guides, and keys of their `model` that it does not have.

    Raises:
        ConfigError: There is one; the check of our own sections would not know what was meant.
    """
    for name, value in content.items():
        if name in FOREIGN_SECTIONS or not isinstance(value, Mapping):
            continue
        if meant := difflib.get_close_matches(name, FOREIGN_SECTIONS, n=1, cutoff=CLOSE):
            where = describe_place(path, text, (name,))
            raise ConfigError("There is no such section", value=name, where=where, remedy=f"Did you mean {meant[0]!r}?")
    model, known = content.get("model"), OF_SECTION["model"]
    for key in model if isinstance(model, Mapping) else ():
        if key not in known:
            where = describe_place(path, text, ("model", key))
            raise ConfigError("[model] has no such setting", value=key, where=where, remedy=nearest(key, known))


def levels(content: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """The parts of a file whose keys are looked at one by one: (sections above them, keys and values).

    Raises:
        ConfigError: A section is a value.
    """
    flat = content.get(FLAT_SECTION, {})
    if not isinstance(flat, Mapping):
        raise ConfigError("This is a section, not a value", value=flat, where=FLAT_SECTION)
    plain = {key: value for key, value in content.items() if key != FLAT_SECTION}
    for section, known in OF_SECTION.items():
        inner = content.get(section)
        if isinstance(inner, Mapping):
            plain[section] = {key: value for key, value in inner.items() if key not in (*known, SECRET)}
            if not plain[section]:
                del plain[section]
            yield (section,), {key: value for key, value in inner.items() if key in known}
    yield (), plain
    yield (FLAT_SECTION,), flat


def _translate_key(keys: tuple[str, ...], value: Any, into: SettingsFile, *, path: Path, text: str) -> None:
    key = keys[-1]
    found = _in_our_words(keys, value)
    for name, inner in flattened(found):
        origin = describe_place(path, text, keys if len(keys) > 1 or key in TRANSLATED else tuple(name.split(".")))
        if name in into.origins and dict(flattened(into.settings))[name] != inner:
            raise ConfigError(
                f"Two keys set {name} to different values",
                value=inner,
                where=origin,
                remedy=f"See {into.origins[name]}.",
            )
        into.origins[name] = origin
    merge(into.settings, found)


def _in_our_words(keys: tuple[str, ...], value: Any) -> Settings:
    key = keys[-1]
    if key == RUN_FOLDER:
        folder = PurePath(str(value))
        return {"run": {"runs_folder": str(folder.parent), "name": folder.name}}
    if key in VALUES:
        value = VALUES[key](value)
    known = {**TRANSLATED, **OF_SECTION["network"], **OF_SECTION.get(keys[0], {})}
    if key in known:
        return nested(known[key], value)
    if keys == ("run",) and isinstance(value, Mapping) and value.get("updates_per_iteration") == AUTO:
        value = {**value, "updates_per_iteration": None}
    return nested(".".join(keys), value)


def read_secret(path: Path) -> str:
    """The token that a file of settings holds beside its settings; empty when it holds none.

    Raises:
        ConfigError: The file cannot be read.
    """
    content = read_content(path)[0]
    for level in (content, *(content.get(section) for section in ("network", FLAT_SECTION))):
        if isinstance(level, Mapping) and level.get(SECRET):
            return str(level[SECRET])
    return ""


def describe_place(path: Path, text: str, keys: tuple[str, ...]) -> str:
    """The file and, where it can be found, the line of a key."""
    line = line_of(text, keys)
    return f"{path}, line {line}" if line else str(path)


def line_of(text: str, keys: tuple[str, ...]) -> int:
    """The line, from 1, that sets a key of a TOML, YAML or JSON text; 0 when it cannot be told.

    The parsers keep no positions, so this looks for the names one after the other, as `key:`, `key =` or `[key]`.
    """
    lines = text.splitlines()
    at = 0
    for key in keys:
        pattern = re.compile(rf"""(^|[\s\[{{.,])["']?{re.escape(key)}["']?\s*[\].:=]""")
        found = next((index for index in range(at, len(lines)) if pattern.search(lines[index])), None)
        if found is None:
            return 0
        at = found
    return at + 1
