"""Settings files: our sections, and the flat keys that older files of the same agents use.

Job: read TOML, YAML and JSON, and translate keys such as `total_steps` or `training.num_envs`. Place in the data flow:
file -> nested settings, for `config`. Left out: checking names and values.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from gamefleet.errors import ConfigError, nearest

TRANSLATED: Mapping[str, str] = {
    "run_name": "run.name",
    "total_steps": "run.total_steps",
    "checkpoint_interval": "run.checkpoint_interval_steps",
    "max_runtime_seconds": "run.max_runtime_s",
    "device": "run.device",
    "seed": "run.seed",
    "num_envs": "actors.num_envs",
    "num_workers": "actors.num_workers",
    "batch_size": "learner.batch_size",
    "learning_rate": "learner.learning_rate",
    "gamma": "learner.discount",
    "n_step": "learner.num_steps",
    "buffer_size": "replay.capacity_steps",
}
"""Flat key -> our name; also inside a `training` section."""

NOT_YET = frozenset({"stream", "stream_port", "stream_top_k", "collaboration"})
"""Keys that are understood but whose feature this version does not have; they are reported, not refused."""

PARSERS: Mapping[str, Callable[[str], Any]] = {
    ".toml": tomllib.loads,
    ".yaml": yaml.safe_load,
    ".yml": yaml.safe_load,
    ".json": json.loads,
}


def read_settings_file(path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Read a file of settings.

    Args:
        path: `*.toml`, `*.yaml`, `*.yml` or `*.json`.

    Returns:
        Nested settings, and the keys that mean something this version does not do.

    Raises:
        ConfigError: The file is missing, of another kind, or malformed; the parser's line is in the message.
    """
    if path.suffix not in PARSERS:
        raise ConfigError("Unknown kind of settings file", value=str(path), remedy=nearest(path.suffix, PARSERS))
    try:
        content = PARSERS[path.suffix](path.read_text())
    except OSError as error:
        raise ConfigError(f"Cannot read the settings file: {error.strerror}", value=str(path)) from error
    except (ValueError, yaml.YAMLError) as error:
        message = " ".join(str(error).split())
        raise ConfigError(f"The settings file is malformed: {message}", where=path, remedy="Correct it.") from error
    if content is None:
        return {}, ()
    if not isinstance(content, dict):
        raise ConfigError("The settings file must hold sections", value=type(content).__name__, where=path)
    return translate(content)


def translate(content: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Bring flat keys into our sections; everything else stays as it is and is checked later."""
    flat = {**content, **content.get("training", {})} if isinstance(content.get("training"), Mapping) else content
    settings: dict[str, Any] = {
        key: dict(value) if isinstance(value, Mapping) else value
        for key, value in flat.items()
        if key not in TRANSLATED and key not in NOT_YET and key not in ("training", "run_dir")
    }
    if "run_dir" in flat:
        folder = PurePosixPath(str(flat["run_dir"]))
        settings.setdefault("run", {}).update(runs_folder=str(folder.parent), name=folder.name)
    for key, name in TRANSLATED.items():
        if key in flat:
            section, _, setting = name.partition(".")
            settings.setdefault(section, {})[setting] = flat[key]
    return settings, tuple(key for key in flat if key in NOT_YET)
