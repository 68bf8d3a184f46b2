"""Who plays on a ladder: scripted players by name, and networks from runs and checkpoints.

Job: turn what a user writes into contestants. Place in the data flow: `ladder_matches` asks before anything is played.
Left out: playing, and copies of what was promoted (`ladder_promoted`).

A network's name is that of one checkpoint, `RUN@STEP`, with ` tT` behind it where its temperature is T and not 0. It
can be written wherever a player is named, as long as the run or the ladder has that checkpoint.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gamefleet.errors import ConfigError, nearest

if TYPE_CHECKING:
    from gamefleet.cli.ladder_matches import LadderRequest
    from gamefleet.games.recorded import Contestant, Matches

PLAYERS = "players"
"""Folder of the ladder that says which weights a name stands for."""

PROMOTED = "promoted"
"""Folder of the ladder with the checkpoints that were promoted, one folder for each, as in a run."""

NAMED = re.compile(r"(?P<run>.+)@(?P<step>\d+)(?: t(?P<temperature>\d+(?:\.\d+)?(?:e-?\d+)?))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A player who was found, and not loaded yet.

    Args:
        name: Under which its results are kept.
        checkpoint: Folder of the network's checkpoint; None for a scripted player.
        temperature: Of the network.
    """

    name: str
    checkpoint: Path | None = None
    temperature: float = 0.0

    @property
    def step(self) -> int:
        """Of the checkpoint."""
        from gamefleet.runs.checkpoint_reading import step_of

        assert self.checkpoint is not None
        return step_of(self.checkpoint)

    @property
    def run(self) -> str:
        """Name of the checkpoint's run."""
        assert self.checkpoint is not None
        return run_of(self.checkpoint)


def entry_of(word: str, request: LadderRequest, matches: Matches) -> Entry:
    """The player that a user means: of a run its newest checkpoint, and that one from then on.

    Raises:
        ConfigError: There is no such player.
        CheckpointError: The run has no checkpoint.
    """
    from gamefleet.runs.checkpoint_reading import find_checkpoint

    place = next((path for path in (Path(word), request.runs_folder / word) if is_run(path)), None)
    if place is not None:
        return network_entry(find_checkpoint(place), request.temperature)
    named = NAMED.fullmatch(word)
    folder = checkpoint_named(named["run"], int(named["step"]), request) if named else None
    if named is not None and folder is not None:
        own = named["temperature"]
        return network_entry(folder, request.temperature if own is None else float(own))
    # A scripted player may have a parameter, as heuristic@0.25; the game itself refuses what it does not know.
    is_place = "/" in word or word.startswith(".") or (named is not None and int(named["step"]) > 1)
    if word.partition("@")[0] not in matches.scripted and is_place:
        raise unknown_player(word, matches.scripted)
    return Entry(name=word)


def network_entry(checkpoint: Path, temperature: float) -> Entry:
    """The player that a checkpoint is."""
    from gamefleet.runs.checkpoint_reading import step_of

    warmth = f" t{temperature:g}" if temperature else ""
    name = f"{run_of(checkpoint)}@{step_of(checkpoint)}{warmth}"
    return Entry(name=name, checkpoint=checkpoint, temperature=temperature)


def run_of(checkpoint: Path) -> str:
    """Name of a checkpoint's run; the folder of a copy has the step in its name as well."""
    from gamefleet.runs.checkpoint_reading import step_of

    return checkpoint.parent.parent.name.removesuffix(f"@{step_of(checkpoint)}")


def checkpoint_named(run: str, step: int, request: LadderRequest) -> Path | None:
    """The checkpoint of one step: the ladder's own copy, or that of a run; None where neither has it."""
    from gamefleet.runs.paths import RunPaths

    places = (request.folder / PROMOTED / f"{Path(run).name}@{step}", Path(run), request.runs_folder / run)
    folders = (RunPaths(place).checkpoint(step) for place in places)
    return next((folder for folder in folders if is_run(folder)), None)


def is_run(path: Path) -> bool:
    """Whether a path is a run's or a checkpoint's folder."""
    return (path / "manifest.json").is_file() or (path / "MANIFEST.json").is_file()


def contestants(entries: Sequence[Entry], request: LadderRequest) -> dict[str, Contestant]:
    """Players by the names under which their results are kept.

    Raises:
        ConfigError: Two have one name, one plays another game, or the ladder knows other weights under its name.
        CheckpointError: A checkpoint does not fit.
    """
    found: dict[str, Contestant] = {}
    for entry in entries:
        if entry.name in found:
            raise ConfigError("A player was named twice", value=entry.name, where="--player")
        found[entry.name] = contestant(entry, request)
    for entry in entries:
        if entry.checkpoint is not None:
            # Of all temperatures, too: the ladder has one copy for all of them.
            for name in {entry.name, f"{entry.run}@{entry.step}"}:
                keep_identity(request.folder / PLAYERS, name, weights_of(entry.checkpoint))
    return found


def contestant(entry: Entry, request: LadderRequest) -> Contestant:
    """One player, with its network where it has one.

    Raises:
        ConfigError: It plays another game.
        CheckpointError: The checkpoint does not fit.
    """
    from gamefleet.games.recorded import Contestant
    from gamefleet.runs.checkpoint_reading import open_checkpoint

    if entry.checkpoint is None:
        return Contestant(name=entry.name)
    device = chosen_device(request.device)
    arrays = open_checkpoint(entry.checkpoint).part("model")
    network, row_decisions = network_of(entry.checkpoint, request.game, arrays, device)
    return Contestant(
        name=entry.name,
        network=network,
        temperature=entry.temperature,
        device=device,
        memory_decisions=row_decisions,
    )


def weights_of(checkpoint: Path) -> str:
    """Checksum of a checkpoint's weights."""
    from gamefleet.runs.checkpoint_files import read_manifest_file

    return str(read_manifest_file(checkpoint)["files"]["model.safetensors"]["xxh3"])


def keep_identity(folder: Path, name: str, weights: str) -> None:
    """Remember a player's weights, or compare: a run that was begun anew has checkpoints of the same names.

    Raises:
        ConfigError: The ladder's results are those of other weights.
    """
    from gamefleet.files import create_once, read_json

    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{name}.json"
    create_once(place, {"weights": weights})
    if read_json(place).get("weights") != weights:
        raise ConfigError(
            "The ladder's results of this name are those of another run's weights",
            value=name,
            where=folder.parent,
            remedy="Use another --folder, or give the new run another name.",
        )


def network_of(folder: Path, game: str, arrays: dict[str, Any], device: str) -> tuple[Any, int]:
    """A network with a checkpoint's weights, and how many decisions its rows had.

    Raises:
        ConfigError: The run plays another game.
    """
    from gamefleet.games import open_game
    from gamefleet.runs.folder import read_resolved
    from gamefleet.runs.paths import RunPaths
    from gamefleet.topologies.evaluation import load_weights
    from gamefleet.topologies.sequence.config import make_sequence_config

    resolved = read_resolved(RunPaths(folder.parent.parent))
    package = open_game(game)
    if resolved.get("game_name") != package.name or package.recorded is None:
        raise ConfigError(f"The run plays {resolved.get('game_name')}", value=game, where=folder, remedy="Name --game.")
    config = make_sequence_config(package, resolved)
    network = package.recorded.make_network(config.network_json())
    load_weights(network, arrays)
    return network.to(device).eval(), config.data.row_decisions


def chosen_device(asked: str) -> str:
    """A device by name; `auto` takes an accelerator where there is one."""
    if asked != "auto":
        return asked
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def unknown_player(name: str, scripted: Sequence[str]) -> ConfigError:
    """The error about a player who is neither scripted nor a run."""
    return ConfigError(
        "There is no such player, run or checkpoint", value=name, where="--player", remedy=nearest(name, scripted)
    )
