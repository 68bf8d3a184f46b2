"""One expert as one file: the network of one skill, what it was trained for, and a checksum over both.

Job: the form in which an expert leaves its training, lies in the graph's folder and is handed to others. Place in the
data flow: written by the job that trains a skill, verified and read by the store of experts and by children of that
skill. Left out: which experts count (`experts`), and what the arrays compute (`learners`).

The file is a `weights.snapshot` file, so that anything that reads `.safetensors` reads it: the skill stands in `run`,
the attempt in `version`, the frames in `step`, and the rest in `compatibility_parts` and `provenance`.

    body/0/w [observation_size, width]   body/0/b [width]     ...    body/<last>/w [width, width]
    policy/w [width, num_actions]        policy/b             value/w [width, 1]   value/b

Other names are taken as they are: copies of dependencies that were tuned on, gates, networks of other programs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gamefleet.errors import CheckpointError, ConfigError, CorruptCheckpointError, IncompatibleError
from gamefleet.files import Fence, write_bytes
from gamefleet.identity import first_difference
from gamefleet.untrusted import NotPlainError, read_plain
from gamefleet.weights.snapshot import Snapshot, Weights, decode, encode

KIND = "expert 1"
CAP_BYTES = 4 << 30
"""No expert is larger: a folder that others can write to must not fill our memory."""

SKILL_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,47}")
"""Names of skills become folders."""

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertFacts:
    """What must be known about an expert.

    Args:
        skill: The skill that it was trained for.
        index: The skill's global number, the same over all attempts.
        attempt: Which try at training made it, from 1.
        env_name: The environment that it plays.
        feature_hash: Of that environment's observations and features.
        observation_size: Numbers of one observation.
        num_actions: Actions to choose from.
        frames: Environment steps that it was trained on.
        seed: Of its training.
    """

    skill: str
    index: int
    attempt: int
    env_name: str
    feature_hash: str
    observation_size: int
    num_actions: int
    frames: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Expert:
    """A trained network; nobody changes its arrays any more.

    Args:
        facts: What it was trained for.
        params: Arrays by name, as the module's docstring lists them.
    """

    facts: ExpertFacts
    params: Arrays


def checked(expert: Expert) -> Expert:
    """Give an expert back, or refuse what must never be published.

    Raises:
        ConfigError: The skill's name or a number cannot be right.
        CheckpointError: There are no arrays, or one is not finite.
    """
    facts = expert.facts
    where = f"expert {facts.index} of skill {facts.skill!r}"
    if SKILL_NAME.fullmatch(facts.skill) is None:
        raise ConfigError(
            "This cannot be the name of a skill",
            value=facts.skill,
            remedy="Use up to 48 letters, digits and underscores, beginning with a letter.",
        )
    if facts.index < 0 or facts.attempt < 1:
        raise ConfigError(f"Index {facts.index} or attempt {facts.attempt} of an expert is too small", where=where)
    bad = [name for name, array in expert.params.items() if array.dtype.kind == "f" and not np.isfinite(array).all()]
    if bad or not expert.params:
        what = f"The array {bad[0]!r} of an expert is not finite" if bad else "An expert has no arrays"
        raise CheckpointError(what, where=where, remedy="Its training diverged: train the skill again.")
    return expert


def to_bytes(expert: Expert) -> bytes:
    """The content of a file; the same expert always gives the same bytes.

    Raises:
        ConfigError: As `checked` does.
        CheckpointError: Likewise.
    """
    facts = checked(expert).facts
    parts = {
        "env_name": facts.env_name,
        "features": facts.feature_hash,
        "observation_size": facts.observation_size,
        "num_actions": facts.num_actions,
    }
    snapshot = Snapshot(
        weights=Weights(version=facts.attempt, arrays=dict(expert.params)),
        run=facts.skill,
        step=facts.frames,
        compatibility={"hash": facts.feature_hash, "parts": parts},
        provenance={"kind": KIND, "index": facts.index, "seed": facts.seed},
    )
    return encode(snapshot)


def from_bytes(data: bytes, *, where: object = None) -> Expert:
    """Verify and understand the content of a file.

    Args:
        data: What `to_bytes` returned.
        where: File that it came from, for errors.

    Raises:
        CorruptCheckpointError: It is damaged, or holds no expert.
        IncompatibleError: It is of a format that this version does not know.
    """
    snapshot = decode(data, where=where)
    if snapshot.provenance.get("kind") != KIND:
        raise damaged(f"These weights are no expert: {str(snapshot.provenance.get('kind'))[:40]!r}", where)
    parts = snapshot.compatibility["parts"]
    raw = {
        "skill": snapshot.run,
        "attempt": snapshot.weights.version,
        "frames": snapshot.step,
        "feature_hash": snapshot.compatibility["hash"],
        **{name: parts.get(name) for name in ("env_name", "observation_size", "num_actions")},
        **{name: snapshot.provenance.get(name) for name in ("index", "seed")},
    }
    try:
        facts = msgspec.convert(raw, ExpertFacts, strict=True)
        return checked(Expert(facts=facts, params=snapshot.weights.arrays))
    except (msgspec.ValidationError, ConfigError) as error:
        raise damaged(f"The facts of an expert cannot be right: {error}", where) from error


def write_expert(path: Path, expert: Expert, *, fence: Fence | None = None) -> None:
    """Write one file, atomically.

    Raises:
        ConfigError: As `checked` does.
        CheckpointError: Likewise.
        StorageFullError: No space; what lay at `path` is untouched.
        RunFolderError: The folder is missing or not writable.
    """
    write_bytes(path, to_bytes(expert), fence=fence)


def read_expert(path: Path) -> Expert:
    """Read and verify one file by its own checksum.

    Raises:
        CheckpointError: There is no such file, or it cannot be opened.
        CorruptCheckpointError: It is damaged, or holds no expert.
    """
    return from_bytes(read_file(path), where=path)


def read_file(path: Path) -> bytes:
    """The bytes of a file that somebody else may have changed.

    Raises:
        CheckpointError: There is no such file, or it cannot be opened.
        CorruptCheckpointError: It is no plain file, or too large.
    """
    try:
        return read_plain(path, max_bytes=CAP_BYTES)
    except NotPlainError as error:
        raise damaged(f"The file of an expert {error}", path) from error
    except OSError as error:
        raise CheckpointError(
            f"The file of an expert cannot be opened: {error.strerror}",
            where=path,
            remedy="Check the path; `gamefleet skills retry SKILL` trains a skill again whose expert is lost.",
        ) from error


def check_plays(facts: ExpertFacts, *, env_name: str, feature_hash: str, observation_size: int) -> None:
    """Fail unless an expert sees what it was trained to see.

    Args:
        facts: Of the expert.
        env_name: The environment to play.
        feature_hash: Of its observations and features.
        observation_size: Of its observations.

    Raises:
        IncompatibleError: Names the first difference.
    """
    ours = {"env_name": env_name, "feature_hash": feature_hash, "observation_size": observation_size}
    theirs = {name: getattr(facts, name) for name in ours}
    difference = first_difference(ours, theirs)
    if difference:
        raise IncompatibleError(
            f"The expert {facts.index} of skill {facts.skill!r} was trained for something else: {difference}",
            remedy="Use the environment that it was trained in, or another graph folder (--graph-path).",
        )


def described(params: Arrays) -> dict[str, str]:
    """Types and shapes by name, as `float32[8,4]`."""
    return {name: f"{one.dtype.name}[{','.join(map(str, one.shape))}]" for name, one in sorted(params.items())}


def damaged(what: str, where: object) -> CorruptCheckpointError:
    """The error for an expert that cannot be trusted."""
    remedy = "It is not used. Copy the file from a backup, or train that skill again (`gamefleet skills retry SKILL`)."
    return CorruptCheckpointError(what, where=where, remedy=remedy)
