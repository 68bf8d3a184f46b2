"""Which proposer a run takes, and the line that says so.

Job: from a name, a model's name and the environment to a `Proposer`. Place in the data flow: the command line or the
job graph calls it once at the start of a run. Left out: the proposers.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gamefleet.errors import ConfigError, nearest
from gamefleet.skills.cache import AnswerCache, default_folder
from gamefleet.skills.catalogue import CatalogueProposer
from gamefleet.skills.client import ModelSettings, OpenAIProposer
from gamefleet.skills.client_endpoint import Endpoint, find_endpoint, make_client
from gamefleet.skills.client_line import ModelLine
from gamefleet.skills.client_retries import Caller, Patience
from gamefleet.skills.cost import PRICES, Caps, Meter, find_price, read_prices
from gamefleet.skills.prompts import lay_out, load_prompts
from gamefleet.skills.proposer import Proposer, plain
from gamefleet.skills.replayed import Conversation, ReplayProposer

DEFAULT_MODEL = "gpt-5"

REPLAY = "replay:"
"""How the name begins of a proposer that repeats a conversation: `replay:FILE`."""

NAMES = ("auto", "catalogue", "llm", "replay:FILE")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposerSettings:
    """What a proposer that asks a model needs beyond the model's name.

    Args:
        conversation: Where everything is written down; it is also what the caps count over restarts.
        prompts: Folder of the user's prompts and prices, made and filled where something is missing; None takes those
            that come along.
        caps: What the run may take.
        patience: When to try again.
        model: How the model is asked.
    """

    conversation: Path | None = None
    prompts: Path | None = None
    caps: Caps = field(default_factory=Caps)
    patience: Patience = field(default_factory=Patience)
    model: ModelSettings = field(default_factory=ModelSettings)


def choose_proposer(
    name: str | None,
    llm_name: str | None,
    environment: Mapping[str, str],
    settings: ProposerSettings | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[Proposer, str]:
    """Choose who proposes.

    Args:
        name: `catalogue`, `llm`, `replay:FILE`; `auto` or None takes the model if `llm_name` or `OPENAI_API_KEY` is
            given, and the catalogue otherwise.
        llm_name: The model, as its server calls it; None or empty takes `gpt-5`.
        environment: Variables of the process; `OPENAI_API_KEY` and `OPENAI_BASE_URL` are read from it.
        settings: For a model.
        sleep: How to wait between tries.

    Returns:
        The proposer, and one line for people: which, and why.

    Raises:
        ConfigError: No such proposer, no address, no key, or a file that cannot be used.
        MissingDependencyError: A model is asked for and the `openai` package is not there.
    """
    settings = ProposerSettings() if settings is None else settings
    wanted = name or "auto"
    if wanted.startswith(REPLAY):
        path = Path(wanted.removeprefix(REPLAY))
        return ReplayProposer(path), f"proposer: the conversation recorded in {path}, as asked for"
    if wanted not in NAMES:
        raise ConfigError("No such proposer", value=wanted, where="--proposer", remedy=nearest(wanted, NAMES))
    reason = _reason(wanted, llm_name, environment)
    if wanted == "catalogue" or not reason:
        why = "as asked for" if wanted == "catalogue" else "as neither --llm_name nor OPENAI_API_KEY is set"
        return CatalogueProposer(), f"proposer: catalogue (no network), {why}"
    return _model(llm_name or DEFAULT_MODEL, reason, environment, (settings, sleep))


def _reason(wanted: str, llm_name: str | None, environment: Mapping[str, str]) -> str:
    """Why a model is asked; empty where none is."""
    if wanted == "llm":
        return "as asked for"
    if llm_name:
        return "as --llm_name says"
    return "as OPENAI_API_KEY is set" if environment.get("OPENAI_API_KEY", "").strip() else ""


def _model(
    model: str,
    reason: str,
    environment: Mapping[str, str],
    rest: tuple[ProposerSettings, Callable[[float], None]],
) -> tuple[Proposer, str]:
    settings, sleep = rest
    if not model.isprintable() or len(model) > 200:
        raise ConfigError("Not the name of a model", value=plain(model, 80), where="--llm_name")
    endpoint = find_endpoint(environment)
    make_client(endpoint).close()  # a missing package or an unusable proxy is said before anything trains
    prices = None
    if settings.prompts is not None:
        lay_out(settings.prompts)
        prices = settings.prompts / PRICES.name
    conversation = Conversation(path=settings.conversation)
    price = find_price(model, read_prices(prices), is_local=endpoint.is_local)
    line = ModelLine(
        endpoint=endpoint,
        model=model,
        caller=Caller(patience=settings.patience, clock=time.monotonic, sleep=sleep, rng=random.Random()),
        meter=Meter(price=price, caps=settings.caps, spent=conversation.usage()),
        cache=AnswerCache(folder=default_folder(environment)),
        conversation=conversation,
        now=time.time,
    )
    proposer = OpenAIProposer(line=line, settings=settings.model, prompts=load_prompts(settings.prompts))
    return proposer, _announcement(model, reason, endpoint, line.meter)


def _announcement(model: str, reason: str, endpoint: Endpoint, meter: Meter) -> str:
    caps = meter.caps
    if meter.price is None:
        money = f"at most {caps.tokens} tokens (its price is not known, so dollars are not capped)"
    else:
        money = f"at most {caps.tokens} tokens and {caps.cost:.2f} US dollars"
    open_line = "" if endpoint.base_url.startswith("https:") or endpoint.is_local else "; the line is not encrypted"
    return f"proposer: {model} at {endpoint.base_url}, {reason}; {money}{open_line}"
