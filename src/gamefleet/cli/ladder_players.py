"""Who plays on a ladder: scripted players by name, and networks from runs and checkpoints.

Job: turn what a user writes into contestants. Place in the data flow: `ladder_matches` asks before anything is played.
Left out: playing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gamefleet.errors import ConfigError

if TYPE_CHECKING:
    from gamefleet.cli.ladder_matches import LadderRequest
    from gamefleet.games.recorded import Contestant, Matches

PLAYERS = "players"
"""Folder of the ladder that says which weights a name stands for."""


def contestants(request: LadderRequest, matches: Matches) -> dict[str, Contestant]:
    """Players by the names under which their results are kept.

    Raises:
        ConfigError: One is not known, or two have one name.
    """
    found: dict[str, Contestant] = {}
    for name in request.players or matches.scripted:
        player = contestant(name, request, matches)
        if player.name in found:
            raise ConfigError("A player was named twice", value=player.name, where="--player")
        found[player.name] = player
    return found


def contestant(name: str, request: LadderRequest, matches: Matches) -> Contestant:
    """One player: a checkpoint or run where there is one of that name, or else a scripted one."""
    from gamefleet.cli.ladder_matches import unknown_player
    from gamefleet.games.recorded import Contestant

    place = next((path for path in (Path(name), request.runs_folder / name) if is_run(path)), None)
    if place is not None:
        return from_checkpoint(place, request)
    # A scripted player may have a parameter, as heuristic@0.25; the game itself refuses what it does not know.
    if name.partition("@")[0] not in matches.scripted and ("/" in name or name.startswith(".")):
        raise unknown_player(name, matches.scripted)
    return Contestant(name=name)


def is_run(path: Path) -> bool:
    """Whether a path is a run's or a checkpoint's folder."""
    return (path / "manifest.json").is_file() or (path / "MANIFEST.json").is_file()


def from_checkpoint(place: Path, request: LadderRequest) -> Contestant:
    """The network of a checkpoint, under the name `RUN@STEP`, with its temperature where it has one.

    Raises:
        ConfigError: It plays another game, or the ladder knows other weights under this name.
        CheckpointError: There is no checkpoint, or it does not fit.
    """
    from gamefleet.games.recorded import Contestant
    from gamefleet.runs.checkpoint_reading import find_checkpoint, open_checkpoint, step_of

    folder = find_checkpoint(place)
    device = chosen_device(request.device)
    checkpoint = open_checkpoint(folder)
    network, row_decisions = network_of(folder, request.game, checkpoint.part("model"), device)
    warmth = f" t{request.temperature:g}" if request.temperature else ""
    name = f"{folder.parent.parent.name}@{step_of(folder)}{warmth}"
    keep_identity(request.folder / PLAYERS, name, str(checkpoint.manifest["files"]["model.safetensors"]["xxh3"]))
    return Contestant(
        name=name,
        network=network,
        temperature=request.temperature,
        device=device,
        memory_decisions=row_decisions,
    )


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
    from gamefleet.topologies.sequence_config import make_sequence_config

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
