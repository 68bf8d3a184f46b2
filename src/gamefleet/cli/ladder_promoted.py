"""Promotion: is a candidate better than the best so far, and who was promoted, with its weights.

Job: play until the gate is sure, and keep what was promoted. Place in the data flow: beside `ladder_matches`, which
plays. Left out: the test itself (`rating.sprt`).

Whoever was promoted is one checkpoint, whatever becomes of its run: its weights are copied into the ladder's folder,
and later candidates meet those. A copy is a folder as a run has it, with one checkpoint that holds weights only.

    FOLDER/
    ├─ best.json            who was promoted last: player, run, step, temperature, checksum of the weights
    └─ promoted/RUN@STEP/   manifest.json  resolved.json  checkpoints/step-000123456/
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gamefleet.cli.ladder_matches import PlayingLadder, Say, matches_of, open_ladder
from gamefleet.cli.ladder_players import (
    PLAYERS,
    PROMOTED,
    checkpoint_named,
    entry_of,
    keep_identity,
    weights_of,
)
from gamefleet.errors import CheckpointError, ConfigError
from gamefleet.files import (
    TEMPORARY_PREFIX,
    make_folder,
    open_atomic,
    read_json,
    remove_folder,
    sync_folder,
    write_json,
)
from gamefleet.rating.results import Result
from gamefleet.rating.schedule import mirrored, pair_of, schedule

if TYPE_CHECKING:
    from gamefleet.cli.ladder_matches import LadderRequest
    from gamefleet.cli.ladder_players import Entry
    from gamefleet.rating.sprt import Gate, Verdict

BEST: Final = "best.json"
GATE_BLOCKS: Final = 4
"""Blocks between two looks at a candidate's standing."""

COPIED: Final = ("model.safetensors", "state.json")
"""Of a checkpoint; its optimizer is many times as large, and plays nothing."""

TOLD: Final = {"better": "promoted", "not better": "not promoted", "play on": "not decided; more --blocks would decide"}


def promotion(request: LadderRequest, candidate: str, best: str, *, gate: Gate, blocks: int, say: Say) -> Verdict:
    """Let a candidate play against the best so far until the gate is sure, or `blocks` are played; keep a promotion.

    Raises:
        ConfigError: Nobody was promoted yet and nobody was named, or both are one.
        CheckpointError: A checkpoint is missing or does not fit.
    """
    matches = matches_of(request.game)
    challenger = entry_of(candidate, request, matches)
    champion = entry_of(best or best_of(request), request, matches)
    if challenger.name == champion.name:
        raise ConfigError(
            "A candidate cannot be better than itself",
            value=challenger.name,
            where="--promote, --best",
            remedy="A run stands for its newest checkpoint: train on, or name another one.",
        )
    ladder = open_ladder(request, (challenger, champion))
    # Before it plays, because its run may delete the checkpoint meanwhile.
    is_new = keep(request.folder, challenger)
    verdict: Verdict = "play on"
    try:
        verdict = decided(ladder, gate=gate, blocks=blocks, say=say)
    finally:
        if is_new and verdict != "better":
            remove_folder(place_of(request.folder, challenger))
    if verdict == "better":
        note_promotion(request.folder, challenger, champion.name)
    return verdict


def decided(ladder: PlayingLadder, *, gate: Gate, blocks: int, say: Say) -> Verdict:
    """Play the first of two players against the second until the gate is sure.

    Args:
        ladder: Of both.
        gate: What a promotion needs.
        blocks: At most.
        say: Tells the user.
    """
    challenger, champion = ladder.players
    verdict: Verdict = "play on"
    scores: list[float] = []
    for end in range(GATE_BLOCKS, blocks + GATE_BLOCKS, GATE_BLOCKS):
        games = schedule([challenger, champion], blocks=min(end, blocks), done=ladder.results)
        for _ in ladder.play_games(games) if games else ():
            pass
        scores = block_scores(ladder.results, challenger, champion, min(end, blocks))
        verdict = gate.verdict(scores)
        if verdict != "play on":
            break
    share = 100 * sum(scores) / max(1, len(scores))
    say(f"{challenger} got {share:.1f} % of {2 * len(scores)} games against {champion}: {TOLD[verdict]}")
    return verdict


def block_scores(results: Sequence[Result], challenger: str, champion: str, blocks: int) -> list[float]:
    """Mean score of the challenger in each whole block."""
    sums: dict[int, list[float]] = {}
    pair = {game.block: pair_of(game) for game in mirrored(challenger, champion, range(blocks))}
    for result in results:
        if pair.get(result.block) == result.pair:
            mine = result.score if result.first == challenger else 1.0 - result.score
            sums.setdefault(result.block, []).append(mine)
    return [sum(scores) / len(scores) for _, scores in sorted(sums.items()) if len(scores) == 2]


def note_promotion(folder: Path, entry: Entry, over: str) -> None:
    """Write down who is the best now, and over whom."""
    from gamefleet.runs.paths import RunPaths

    facts: dict[str, Any] = {"player": entry.name, "run": None, "step": None, "over": over}
    if entry.checkpoint is not None:
        facts |= {"run": entry.run, "step": entry.step, "temperature": entry.temperature}
        facts["weights"] = weights_of(RunPaths(place_of(folder, entry)).checkpoint(entry.step))
    write_json(folder / BEST, facts)


def keep(folder: Path, entry: Entry) -> bool:
    """Copy a player's checkpoint into the ladder's folder, whole or not at all.

    Returns:
        Whether this call did it: scripted players need no copy, and some are there already.

    Raises:
        CheckpointError: The checkpoint is gone, or damaged.
        ConfigError: It has become another one since it was looked at.
        StorageFullError: The disk or quota is full.
    """
    from gamefleet.runs.paths import RunPaths

    if entry.checkpoint is None or place_of(folder, entry).exists():
        return False
    place = place_of(folder, entry)
    make_folder(place.parent)
    making = place.with_name(f"{TEMPORARY_PREFIX}{place.name}-{secrets.token_hex(6)}")
    try:
        copy_checkpoint(entry.checkpoint, making)
        keep_identity(folder / PLAYERS, place.name, weights_of(RunPaths(making).checkpoint(entry.step)))
        os.rename(making, place)
        sync_folder(place.parent)
    except FileNotFoundError as error:
        raise CheckpointError(
            "A checkpoint is gone that is to be copied",
            where=entry.checkpoint,
            remedy="A run keeps its newest ones only: call this again, for the one that is the newest now.",
        ) from error
    except OSError:
        if not place.is_dir():
            raise
        return False  # somebody else was faster
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return True


def copy_checkpoint(checkpoint: Path, root: Path) -> None:
    """Make a run's folder with the weights of one checkpoint.

    Raises:
        FileNotFoundError: The checkpoint or its run is gone.
        CorruptCheckpointError: It is damaged.
    """
    from gamefleet.runs.checkpoint_files import read_manifest_file, verify, write_manifest_file
    from gamefleet.runs.paths import RunPaths

    run, copy = RunPaths(checkpoint.parent.parent), RunPaths(root)
    folder = copy.checkpoints / checkpoint.name
    make_folder(folder)
    for source, target in ((run.manifest, copy.manifest), (run.resolved, copy.resolved)):
        copy_file(source, target)
    manifest = read_manifest_file(checkpoint)
    files = {name: manifest["files"][name] for name in COPIED if name in manifest["files"]}
    for name, expected in files.items():
        copy_file(checkpoint / name, folder / name)
        verify(folder / name, expected)
    write_manifest_file(folder, {**manifest, "files": files})


def copy_file(source: Path, target: Path) -> None:
    """Copy a file, so that it survives a power cut."""
    with source.open("rb") as stream, open_atomic(target) as out:
        shutil.copyfileobj(stream, out, 1 << 20)


def place_of(folder: Path, entry: Entry) -> Path:
    """Where a player's copy is or would be; the same for all its temperatures."""
    return folder / PROMOTED / f"{entry.run}@{entry.step}"


def best_of(request: LadderRequest) -> str:
    """Who was promoted last, as a word for `entry_of` that means these weights and this temperature only.

    Raises:
        ConfigError: Nobody was, the note is damaged, or the weights are gone.
    """
    note = request.folder / BEST
    if not note.exists():
        raise ConfigError("Nobody was promoted here yet", where=request.folder, remedy="Say whom to beat with --best.")
    facts = read_json(note)
    if not {"player", "run", "step"} <= facts.keys():
        raise ConfigError("This is no note of a promotion", where=note, remedy="Say whom to beat with --best.")
    if facts["step"] is None:
        return str(facts["player"])
    run, step = str(facts["run"]), int(facts["step"])
    if checkpoint_named(run, step, request) is None:
        raise ConfigError(
            "The weights that were promoted last are gone",
            value=facts["player"],
            where=request.folder / PROMOTED,
            remedy="Say whom to beat with --best.",
        )
    return f"{run}@{step} t{float(facts.get('temperature') or 0.0)!r}"
