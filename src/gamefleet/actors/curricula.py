"""The curricula by name.

Job: make the curriculum that the settings ask for. Place in the data flow: called once by a topology. Left out: what
they do (`curriculum`, `archive`, `quests`).
"""

from __future__ import annotations

from collections.abc import Sequence

from gamefleet.actors.archive import Archive, Swarm
from gamefleet.actors.curriculum import Beginning, Curriculum
from gamefleet.actors.quests import QuestCurriculum
from gamefleet.actors.settings import CurriculumSettings
from gamefleet.games.base import GameSpec, Quest


def make_curriculum(
    settings: CurriculumSettings, *, spec: GameSpec, quests: Sequence[Quest], num_envs: int
) -> Curriculum:
    """Make the curriculum that the settings name.

    Args:
        settings: The kind and its numbers.
        spec: The game.
        quests: The game's story; may be empty unless the kind is `quests`.
        num_envs: Number of games.

    Raises:
        ConfigError: `quests` is asked for and the game has none.
    """
    if settings.kind == "swarm":
        return Swarm(settings)
    if settings.kind == "archive":
        return Archive(settings, num_envs=num_envs)
    if settings.kind == "quests":
        return QuestCurriculum(settings, spec=spec, quests=quests, num_envs=num_envs)
    return Beginning()
