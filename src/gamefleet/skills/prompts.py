"""What a model is told, from text files that users may edit.

Job: read the files, put the question in. Place in the data flow: `ProposalContext` -> messages -> `client`. Left out:
the schema (`skill.skill_schema`) and the sending.

A folder holds `system.md`, `python.md` (which follows it where skills may be Python), `request.md`, `repair.md` and
`limits.toml`; what it lacks is taken from those that come along. `$name` stands for a part of the question, `$$` for a
dollar sign. What is put in is not looked through again, so nothing that a model once wrote can ask for more.
"""

from __future__ import annotations

import json
import string
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gamefleet.errors import ConfigError, nearest
from gamefleet.files import make_folder, write_bytes
from gamefleet.skills.cost import PRICES
from gamefleet.skills.proposer import Failure, KnownSkill, ProposalContext, Rejection, plain
from gamefleet.skills.skill import MAX_SOURCE_CHARACTERS
from gamefleet.skills.world import Fact, Feature

FOLDER = Path(__file__).parent / "prompts"
"""The files that come along."""

PLACEHOLDERS = {
    "system.md": ("world", "max_dependencies", "features", "actions", "facts"),
    "python.md": ("max_characters",),
    "request.md": ("known", "failures", "rejections", "wanted"),
    "repair.md": ("reasons",),
}

LIMITS = "limits.toml"

MOST_BYTES = 100_000
"""Of one file."""

MOST_STATISTIC = 200
"""Characters of the statistics of one skill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """Texts with placeholders, and limits.

    Args:
        system: Who is asked, for what, by which rules.
        python: How to answer with Python, where that is allowed.
        request: What there is, and what is wanted.
        repair: What was wrong with the answer.
        max_dependencies: How many skills a skill may directly build on.
        most_skills: How many known skills are told, the newest.
        most_failures: How many failures, the newest.
        most_rejections: How many rejections, the newest.
    """

    system: string.Template
    python: string.Template
    request: string.Template
    repair: string.Template
    max_dependencies: int
    most_skills: int
    most_failures: int
    most_rejections: int

    def dependency_limit(self, context: ProposalContext) -> int:
        """The lower one of the question's limit and the file's."""
        return min(self.max_dependencies, context.max_dependencies)

    def messages(self, context: ProposalContext) -> list[dict[str, str]]:
        """The conversation's beginning."""
        world = context.world
        system = self.system.substitute(
            world=world.name,
            max_dependencies=self.dependency_limit(context),
            features=_listed(_feature(feature) for feature in world.features),
            actions=", ".join(world.actions),
            facts=_listed(_fact(fact) for fact in world.facts),
        )
        if context.allows_python:
            system += "\n" + self.python.substitute(max_characters=MAX_SOURCE_CHARACTERS)
        request = self.request.substitute(
            known=_listed(_known(known) for known in context.known[-self.most_skills :]),
            failures=_listed(_failure(failure) for failure in context.failures[-self.most_failures :]),
            rejections=_listed(_rejection(one) for one in context.rejections[-self.most_rejections :]),
            wanted=context.wanted,
        )
        return [{"role": "system", "content": system}, {"role": "user", "content": request}]

    def complaint(self, reasons: Iterable[str]) -> dict[str, str]:
        """The message that an unusable answer is followed by."""
        return {"role": "user", "content": self.repair.substitute(reasons=" ".join(reasons))}


def load_prompts(folder: Path | None = None) -> Prompts:
    """Read the files of a folder.

    Args:
        folder: The user's; None for those that come along.

    Raises:
        ConfigError: A file cannot be read, or holds an unknown placeholder or limit.
    """
    texts = {name: _template(name, *_read(folder, name)) for name in PLACEHOLDERS}
    limits = _limits(*_read(folder, LIMITS))
    return Prompts(
        system=texts["system.md"],
        python=texts["python.md"],
        request=texts["request.md"],
        repair=texts["repair.md"],
        **limits,
    )


def lay_out(folder: Path) -> None:
    """Put the files that come along, and the prices, into a folder for a user to edit; what is there already stays.

    Raises:
        StorageFullError: The disk or quota is full.
        RunFolderError: The folder cannot be written.
    """
    make_folder(folder)
    for source in (*(FOLDER / name for name in (*PLACEHOLDERS, LIMITS)), PRICES):
        if not (folder / source.name).exists():
            write_bytes(folder / source.name, source.read_bytes())


def _read(folder: Path | None, name: str) -> tuple[str, Path]:
    path = FOLDER / name if folder is None or not (folder / name).exists() else folder / name
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ConfigError(f"A prompt of more than {MOST_BYTES} bytes", where=path, remedy="Shorten it.")
        return path.read_text(), path
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read a prompt ({error})", where=path, remedy="Mend or remove the file.") from error


def _template(name: str, text: str, path: Path) -> string.Template:
    template = string.Template(text)
    known = PLACEHOLDERS[name]
    if not template.is_valid():
        raise ConfigError("A lone $ in a prompt", where=path, remedy="Write $$ for a dollar sign.")
    for found in template.get_identifiers():
        if found not in known:
            raise ConfigError("Unknown placeholder", value=f"${found}", where=path, remedy=nearest(found, known))
    return template


def _limits(text: str, path: Path) -> dict[str, int]:
    defaults: dict[str, int] = tomllib.loads((FOLDER / LIMITS).read_text())
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"Not TOML ({error})", where=path, remedy="Mend the line that is named.") from error
    for name, value in given.items():
        if name not in defaults:
            raise ConfigError("Unknown limit", value=name, where=path, remedy=nearest(name, defaults))
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 1000:
            raise ConfigError("A limit is a whole number from 1 to 1000", value=value, where=f"{path}, {name}")
    return {**defaults, **given}


def _listed(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines) or "- none"


def _feature(feature: Feature) -> str:
    span = "0 or 1" if feature.is_bit else f"{feature.low:g} to {feature.high:g}"
    return f"{feature.name} ({span}): {feature.meaning}"


def _fact(fact: Fact) -> str:
    words = [f"{fact.name}: {fact.how}"]
    for label, amounts in (("requires", fact.requires), ("consumes", fact.consumes), ("gives", fact.gain)):
        if amounts:
            words.append(f"{label} {_amounts(amounts)}")
    return "; ".join(words)


def _amounts(amounts: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {amount:g}" for name, amount in amounts.items())


def _known(known: KnownSkill) -> str:
    skill = known.skill
    parts = [f"{skill.name} ({known.status})", f"gain: {_amounts(skill.gain)}"]
    parts += [f"requires: {_amounts(skill.requires)}"] if skill.requires else []
    parts += [f"builds on: {', '.join(known.dependencies)}"] if known.dependencies else []
    return "; ".join(parts) + _statistics(known.statistics)


def _failure(failure: Failure) -> str:
    return f"{_as_text(failure.skill.as_json())}: {plain(failure.reason)}{_statistics(failure.statistics)}"


def _rejection(rejection: Rejection) -> str:
    what = _as_text(rejection.skill) if rejection.skill else "an answer that was no skill"
    return f"{what}: {plain(' '.join(rejection.reasons))}"


def _statistics(statistics: Mapping[str, Any]) -> str:
    plain_values = {
        name: round(value, 4) if isinstance(value, float) else value
        for name, value in statistics.items()
        if isinstance(value, int | float | str) and not isinstance(value, bool)
    }
    return f"; training: {plain(_as_text(plain_values), MOST_STATISTIC)}" if plain_values else ""


def _as_text(value: Mapping[str, Any]) -> str:
    return plain(json.dumps(value, default=str), 1500)
