"""What the tests of model clients share: a world's question, a good answer, a proposer with hurried patience."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gamefleet.skills.client import ModelSettings, OpenAIProposer
from gamefleet.skills.client_retries import Patience
from gamefleet.skills.cost import Caps
from gamefleet.skills.proposer import ProposalContext, Proposer
from gamefleet.skills.proposer_choice import ProposerSettings, choose_proposer
from gamefleet.testing.crafting import WORLD
from gamefleet.testing.model_server import ModelServer

KEY = "sk-test-0123456789abcdef"

CONTEXT = ProposalContext(world=WORLD, wanted=3, max_dependencies=4)

WOOD: dict[str, Any] = {
    "name": "Collect_Wood",
    "description": "Gather wood.",
    "requires": [],
    "consumes": [],
    "gain": [{"feature": "wood", "amount": 4}],
    "reward": "min(wood, 4) - min(before(wood), 4)",
    "success": "wood >= 4",
    "max_steps": 100,
    "depends_on": None,
}

GOOD = json.dumps(WOOD)


def skill_text(**changes: Any) -> str:
    return json.dumps({**WOOD, **changes})


class Naps:
    """Instead of sleeping: remembers for how long, so that no test waits."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def make_proposer(
    server: ModelServer,
    folder: Path,
    *,
    sleep: Naps | None = None,
    caps: Caps | None = None,
    environment: Mapping[str, str] | None = None,
    model: str = "test-model",
    **settings: Any,
) -> OpenAIProposer:
    """A proposer as a run makes it, that asks this server and keeps everything in a folder."""
    variables = {
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": server.base_url,
        "GAMEFLEET_PROPOSALS_CACHE": str(folder / "cache"),
        **(environment or {}),
    }
    wanted = ProposerSettings(
        conversation=folder / "conversation.jsonl",
        caps=Caps() if caps is None else caps,
        patience=Patience(requests_per_minute=1e9),
        model=ModelSettings(**settings),
    )
    proposer: Proposer
    proposer, _ = choose_proposer("llm", model, variables, wanted, sleep=Naps() if sleep is None else sleep)
    assert isinstance(proposer, OpenAIProposer)
    return proposer


def conversation(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "conversation.jsonl").read_text().splitlines()]


def everything_below(folder: Path) -> str:
    return "\n".join(path.read_text() for path in sorted(folder.rglob("*")) if path.is_file())
