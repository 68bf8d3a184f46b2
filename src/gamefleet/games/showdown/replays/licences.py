"""Where battles can be had: the public collections, their columns, and whom to name when they are used.

Job: one table of sources. Place in the data flow: `download` asks it; its citations are printed and kept beside the
data. Left out: fetching (`hub`), reading rows (`sources`).

The licence of a collection stands on its page and may change, so it is asked for at the download and printed then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gamefleet.errors import ConfigError, nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A kind of raw battles.

    Args:
        name: On the command line.
        repository: Data set on the Hugging Face hub; empty when files are given with `--from`.
        about: One sentence.
        citation: Whom to cite.
        licence_note: What is known of the licence without asking the hub.
    """

    name: str
    repository: str
    about: str
    citation: str
    licence_note: str


SIMULATOR: Final = "Logs are made by Pokémon Showdown (MIT licence), https://github.com/smogon/pokemon-showdown."

SOURCES: Final = (
    Source(
        name="pokechamp",
        repository="milkkarten/pokechamp",
        about="About 2.13 million battles of 2024 and 2025 in more than 37 formats, with the players' rating ranges.",
        citation="Karten, Nguyen, Jin: PokéChamp: an Expert-level Minimax Language Agent. ICML 2025. arXiv:2503.04094.",
        licence_note="See https://huggingface.co/datasets/milkkarten/pokechamp.",
    ),
    Source(
        name="metamon-raw",
        repository="jakegrigsby/metamon-raw-replays",
        about="Public replays of singles formats, about 2 million battles, names replaced.",
        citation="Grigsby, Xie, Sasek, Zheng, Zhu: Human-Level Competitive Pokémon via Scalable Offline Reinforcement "
        "Learning with Transformers. RLC 2025. arXiv:2504.04395.",
        licence_note="See https://huggingface.co/datasets/jakegrigsby/metamon-raw-replays.",
    ),
    Source(
        name="replay-json",
        repository="",
        about="Replays as replay.pokemonshowdown.com gives them with .json at the end, one per file or per line.",
        citation="Pokémon Showdown replays, https://replay.pokemonshowdown.com.",
        licence_note="Ask the players, or keep them to yourself.",
    ),
    Source(
        name="logs",
        repository="",
        about="Plain battle logs, one per file.",
        citation="Pokémon Showdown, https://pokemonshowdown.com.",
        licence_note="Ask the players, or keep them to yourself.",
    ),
)


def source_named(name: str) -> Source:
    """Find a source.

    Raises:
        ConfigError: There is none of that name; lists them.
    """
    for source in SOURCES:
        if source.name == name:
            return source
    raise ConfigError(
        "No such source of battles", value=name, where="--source", remedy=nearest(name, [one.name for one in SOURCES])
    )
