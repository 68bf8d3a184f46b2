"""The evaluation gate: merged versions are tried out on fixed seeds, and one that plays badly is taken back.

Job: start the evaluation of a version in a process of its own, read what came of it, and say when to go back. Place in
the data flow: the member that merged a version asks between rounds; verdicts lie beside the versions. Left out: the
rollback itself (`weights.rollback`) and playing (`evaluation`).

An evaluation takes seconds to minutes, so it runs beside the learner at the lowest priority and nobody waits for it: a
bad version is in use until its verdict is there. What a verdict cannot catch in time, the guard on every contribution
does.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from gamefleet.errors import CorruptCheckpointError, GamefleetError, RunFolderError
from gamefleet.files import create_once, make_folder
from gamefleet.topologies.shared_folder.settings import GateSettings
from gamefleet.weights.manifests import Version, read
from gamefleet.weights.shared_paths import SharedPaths, numbered

NICENESS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class GateVerdict:
    """What was measured of one version.

    Args:
        version: The merged version.
        mean_return: Over the episodes.
        returns: Of each episode, in the order of the seeds.
        reason: Why it was taken back; empty when it was accepted.
        good_version: The version to go back to, when it was taken back.
    """

    version: int
    mean_return: float
    returns: tuple[float, ...]
    reason: str = ""
    good_version: int = -1


def judged(
    version: int, returns: Sequence[float], before: Sequence[GateVerdict], settings: GateSettings
) -> GateVerdict:
    """Compare a version with those accepted before it.

    Args:
        version: Its number.
        returns: Of its episodes.
        before: Earlier verdicts, oldest first.
        settings: What is allowed.
    """
    mean = statistics.fmean(returns)
    verdict = GateVerdict(version=version, mean_return=mean, returns=tuple(returns))
    accepted = [earlier for earlier in before if not earlier.reason][-settings.least_verdicts :]
    if len(accepted) < settings.least_verdicts:
        return verdict
    usual = statistics.median(earlier.mean_return for earlier in accepted)
    if mean >= usual - settings.max_drop * abs(usual):
        return verdict
    reason = f"mean return {mean:.3g} where versions before it reached {usual:.3g}"
    return replace(verdict, reason=reason, good_version=accepted[-1].version)


class Gate:
    """Watches the versions that one member merges.

    Args:
        paths: The shared folder.
        settings: When, on how many episodes, how strict.
        log: Where the evaluating process writes what it has to say.
    """

    def __init__(self, paths: SharedPaths, settings: GateSettings, *, log: Path) -> None:
        self._paths = paths
        self._settings = settings
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def offer(self, version: int) -> None:
        """A version was merged here: evaluate it when it is its turn and nothing else is being evaluated."""
        every = self._settings.every_versions
        if every == 0 or version == 0 or version % every or self.is_busy():
            return
        settings = json.dumps(asdict(self._settings))
        command = [sys.executable, "-P", "-m", "gamefleet.topologies.shared_folder.gate"]
        command += [str(self._paths.root), str(version), settings]
        with open(self._log, "ab") as output:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def is_busy(self) -> bool:
        """Whether a version is being evaluated; its verdict is a file, which every member may read."""
        if self._process is not None and self._process.poll() is not None:
            self._process = None
        return self._process is not None

    def close(self) -> None:
        """End an evaluation that is going on; it left nothing behind."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def standing_refusal(paths: SharedPaths, head: Version) -> GateVerdict | None:
    """The newest verdict, if it refuses a version from which the fleet still goes on; otherwise None.

    Whoever evaluated it may have been killed before it went back, so every member looks, until somebody has.
    """
    numbers = [number for number in numbered(paths.verdicts) if number <= head.version]
    verdict = read_verdict(paths, numbers[-1]) if numbers else None
    is_standing = verdict is not None and verdict.reason and verdict.version not in head.rolled_back
    return verdict if is_standing else None


def read_verdict(paths: SharedPaths, version: int) -> GateVerdict | None:
    """The verdict on a version; None when there is none that can be read."""
    try:
        return read(paths.verdict(version), GateVerdict)
    except (OSError, CorruptCheckpointError):
        return None


def read_verdicts(paths: SharedPaths, before: int) -> list[GateVerdict]:
    """All verdicts on versions below a number, oldest first."""
    found = (read_verdict(paths, number) for number in numbered(paths.verdicts) if number < before)
    return [verdict for verdict in found if verdict is not None]


def evaluate_version(paths: SharedPaths, version: int, settings: GateSettings) -> GateVerdict:
    """Let a merged version play the fixed seeds.

    Raises:
        GamefleetError: The version is gone, or the game cannot be played here.
    """
    from gamefleet.games import open_game
    from gamefleet.topologies.build import make_network
    from gamefleet.topologies.config import GAME_NAME, make_config
    from gamefleet.topologies.evaluation import Player, evaluation_seeds, load_weights, play_seeds
    from gamefleet.weights.content import NETWORK, below
    from gamefleet.weights.store import SharedStore

    store = SharedStore(paths, clock=time.time)
    facts = store.facts()
    if facts is None:
        raise RunFolderError("There is no fleet in this shared folder", where=paths.root, remedy="Check the path.")
    resolved: Mapping[str, Any] = facts.settings
    package = open_game(str(resolved[GAME_NAME]))
    config = make_config(package, resolved)
    config = replace(config, actors=replace(config.actors, num_workers=0), run=replace(config.run, device="cpu"))
    network = make_network(package, package.make_spec(config.game), config)
    load_weights(network, below(NETWORK, store.content(version).arrays))
    player = Player(name=f"version {version}", checkpoint=None, package=package, config=config, network=network)
    results = play_seeds(player, seeds=evaluation_seeds(settings.episodes), max_steps=settings.max_episode_steps)
    returns = [float(result.summary.total_return) for result in results]
    return judged(version, returns, read_verdicts(paths, version), settings)


def main(arguments: Sequence[str]) -> None:
    """Evaluate one version and write its verdict: called as a module, with FOLDER VERSION SETTINGS."""
    folder, version, settings = arguments
    os.nice(NICENESS)
    paths = SharedPaths(Path(folder))
    try:
        verdict = evaluate_version(paths, int(version), GateSettings(**json.loads(settings)))
        make_folder(paths.verdict(verdict.version).parent)
        create_once(paths.verdict(verdict.version), asdict(verdict))
    except GamefleetError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
