"""Global and local numbers of experts.

Job: give the few experts that one plan needs numbers without gaps, and find the way back. Place in the data flow:
between the graph, where an expert keeps its global number for ever, and one mixture, whose arrays are stacked. Left
out: loading experts (`experts`) and the text of a skill's module, which shows both tables.

A view is only read: experts in the graph's folder never change because of it, so any number of skills may use the same
dependency at the same time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gamefleet.errors import ConfigError


@dataclass(frozen=True, slots=True)
class LocalView:
    """The experts of one plan.

    Args:
        indices: Global numbers in the order of the plan; the place is the local number. The last is the skill's own.
    """

    indices: tuple[int, ...]

    @property
    def global_to_local(self) -> dict[int, int]:
        """Local numbers by global ones."""
        return {index: local for local, index in enumerate(self.indices)}

    @property
    def local_to_global(self) -> dict[int, int]:
        """Global numbers by local ones."""
        return dict(enumerate(self.indices))

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[int]:
        return iter(self.indices)

    def to_local(self, index: int) -> int:
        """The local number of an expert.

        Raises:
            ConfigError: The plan does not use it.
        """
        if index not in self.indices:
            raise ConfigError(
                "This plan does not use that expert",
                value=index,
                remedy=f"Experts of the plan: {', '.join(map(str, self.indices))}.",
            )
        return self.indices.index(index)

    def to_global(self, local: int) -> int:
        """The global number of the expert at a place.

        Raises:
            ConfigError: The plan is shorter.
        """
        if not 0 <= local < len(self.indices):
            last = len(self.indices) - 1
            raise ConfigError("There is no such place in this plan", value=local, remedy=f"Places go from 0 to {last}.")
        return self.indices[local]


def local_view(plan: Sequence[int]) -> LocalView:
    """Number the experts of a plan.

    Args:
        plan: Global numbers: the dependencies in order, then the skill itself. A skill that a plan plays more than once
            has one expert.

    Raises:
        ConfigError: The plan is empty, or holds what is no index.
    """
    indices = tuple(dict.fromkeys(plan))
    if not indices or any(isinstance(index, bool) or index < 0 for index in indices):
        raise ConfigError("These are no experts of a plan", value=list(plan), remedy="Indices go from 0 upwards.")
    return LocalView(indices)
