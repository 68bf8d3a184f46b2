"""A conversation with a model on disk: written while it goes on, counted after a restart, played again without a model.

Job: one JSON line for each answer and each request that got none; a proposer that gives the recorded answers once more.
Place in the data flow: `client` writes, `ReplayProposer` reads. Left out: reading a skill out of an answer
(`client_skill`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gamefleet.errors import ConfigError
from gamefleet.files import explained, make_folder
from gamefleet.skills.client_skill import read_skill
from gamefleet.skills.proposer import Proposal, ProposalContext, Usage, plain
from gamefleet.skills.skill import SkillRefusedError

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One line of a conversation.

    Args:
        text: What was answered; empty where nothing was.
        usage: What it took.
        problem: Why there is no answer; empty where there is one.
    """

    text: str
    usage: Usage
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A file to which exchanges are added.

    Args:
        path: Its folder is made when the first line is written; None keeps nothing.
    """

    path: Path | None

    def add(self, exchange: Exchange, details: Mapping[str, Any]) -> None:
        """Add a line that survives a power cut.

        Args:
            exchange: What was answered.
            details: What else is worth knowing: model, time, messages; no key.

        Raises:
            StorageFullError: The disk or quota is full.
            RunFolderError: The file cannot be written.
        """
        if self.path is None:
            return
        usage = exchange.usage
        line = {
            **details,
            "version": VERSION,
            "text": exchange.text,
            "problem": exchange.problem,
            "usage": {
                "tokens_in": usage.tokens_in,
                "tokens_out": usage.tokens_out,
                "cost": usage.cost,
                "requests": usage.requests,
                "is_estimated": usage.is_estimated,
            },
        }
        make_folder(self.path.parent)
        with explained(self.path), open(self.path, "ab") as stream:
            # A line that a power cut left half is closed first.
            stream.write(b"\n" * _is_torn(self.path) + json.dumps(line).encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())

    def exchanges(self) -> list[Exchange]:
        """All whole lines, oldest first; nothing where there is no file."""
        if self.path is None or not self.path.exists():
            return []
        found = (_exchange(line) for line in self.path.read_bytes().splitlines())
        return [exchange for exchange in found if exchange is not None]

    def usage(self) -> Usage:
        """What the run took so far."""
        return sum((exchange.usage for exchange in self.exchanges()), Usage())


def _is_torn(path: Path) -> bool:
    data = path.read_bytes()[-1:]
    return bool(data) and data != b"\n"


def _exchange(line: bytes) -> Exchange | None:
    try:
        value = json.loads(line)
        usage = value["usage"]
        cost = None if usage["cost"] is None else float(usage["cost"])
        return Exchange(
            text=str(value["text"]),
            problem=str(value["problem"]),
            usage=Usage(
                tokens_in=int(usage["tokens_in"]),
                tokens_out=int(usage["tokens_out"]),
                cost=cost,
                requests=int(usage["requests"]),
                is_estimated=bool(usage["is_estimated"]),
            ),
        )
    except (ValueError, KeyError, TypeError, RecursionError):  # torn by a power cut, or not ours
        return None


class ReplayProposer:
    """Gives the recorded answers again, in their order, and takes nothing.

    Answers that name a skill which the graph knows or refused are passed over, so a restart goes on where it was.

    Args:
        path: The conversation.

    Raises:
        ConfigError: There is no such file, or no answer in it.
    """

    def __init__(self, path: Path) -> None:
        try:
            exchanges = Conversation(path=path).exchanges() if path.exists() else []
        except OSError as error:
            raise ConfigError(f"Cannot read a conversation ({error})", where=path) from error
        self._path = path
        self._answers = [exchange.text for exchange in exchanges if not exchange.problem]
        self._next = 0
        if not self._answers:
            raise ConfigError(
                "No recorded conversation",
                where=path,
                remedy="A run with a model writes conversation.jsonl; name that.",
            )

    def propose(self, context: ProposalContext) -> Proposal:
        """The next recorded answer that is a skill; raises nothing. See `Proposer.propose`."""
        problem = ""
        while self._next < len(self._answers):
            text = self._answers[self._next]
            self._next += 1
            try:
                skill = read_skill(text, context, context.max_dependencies)
            except SkillRefusedError as error:
                problem = plain(str(error))
                continue
            return Proposal(skill=skill, text=f"recorded: {plain(skill.description)}")
        text = f"the conversation {self._path} holds no further skill"
        return Proposal(skill=None, text=f"{text} ({problem})" if problem else text, is_exhausted=True)
