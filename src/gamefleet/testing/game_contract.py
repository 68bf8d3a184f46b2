"""What every game must do, as checks that take a game package.

Job: the conformance check shared by all games, public so that a game of your own can use it. Place in the data flow:
tests. Left out: what is particular to a game.

Each check raises `AssertionError` with what was broken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gamefleet.errors import IncompatibleError
from gamefleet.games.base import Game, GamePackage, GameSpec, Step

MakeGame = Callable[[], Game]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptStep:
    """A step whose arrays are copies.

    Args:
        obs: Copies of the observation arrays.
        terms: Copy of the reward terms.
        terminated: As in `Step`.
        truncated: As in `Step`.
        milestones: Copy of the milestones.
        cell: As in `Step`.
        progress: As in `Step`.
    """

    obs: dict[str, NDArray[Any]]
    terms: NDArray[np.float32]
    terminated: bool
    truncated: bool
    milestones: NDArray[np.bool_]
    cell: int
    progress: float


def keep(step: Step) -> KeptStep:
    """Copy a step, because the next one may overwrite its arrays."""
    return KeptStep(
        obs={name: array.copy() for name, array in step.obs.items()},
        terms=step.terms.copy(),
        terminated=step.terminated,
        truncated=step.truncated,
        milestones=step.milestones.copy(),
        cell=step.cell,
        progress=step.progress,
    )


def assert_same_step(first: KeptStep, second: KeptStep, what: str) -> None:
    """Two steps are equal in every array and number.

    Args:
        first: A step.
        second: The step that should equal it.
        what: What is compared, for the message.
    """
    for name, array in first.obs.items():
        assert np.array_equal(array, second.obs[name]), f"{what}: observation {name!r} differs"
    for name in ("terms", "milestones"):
        assert np.array_equal(getattr(first, name), getattr(second, name)), f"{what}: {name} differ"
    for name in ("terminated", "truncated", "cell", "progress"):
        a, b = getattr(first, name), getattr(second, name)
        assert a == b, f"{what}: {name} is {a} and {b}"


def play(game: Game, actions: Sequence[int]) -> list[KeptStep]:
    """Play actions until they or the episode end."""
    steps: list[KeptStep] = []
    for action in actions:
        steps.append(keep(game.step(action)))
        if steps[-1].terminated or steps[-1].truncated:
            break
    return steps


def play_choices(game: Game, first: KeptStep, choices: Sequence[int]) -> list[KeptStep]:
    """Play any numbers: where only some actions are legal, each number picks one of those.

    Args:
        game: Stands at `first`.
        first: The step before the first choice.
        choices: Not negative; actions as they are where all are always legal.
    """
    steps: list[KeptStep] = []
    last = first
    for choice in choices:
        if last.terminated or last.truncated:
            break
        last = keep(game.step(_legal_choice(game.spec, last, choice)))
        steps.append(last)
    return steps


def _legal_choice(spec: GameSpec, step: KeptStep, choice: int) -> int:
    if not spec.legal:
        return choice
    legal = np.flatnonzero(np.unpackbits(step.obs[spec.legal], count=spec.num_actions))
    assert legal.size, "an episode that goes on has a legal action"
    return int(legal[choice % legal.size])


def check_step_fits_spec(spec: GameSpec, step: KeptStep) -> None:
    """Names, shapes, dtypes and ranges of a step are those of the spec."""
    assert tuple(step.obs) == tuple(array.name for array in spec.observations), "observation names or their order"
    for array in spec.observations:
        value = step.obs[array.name]
        assert value.shape == array.shape, f"{array.name}: shape {value.shape}, spec says {array.shape}"
        assert value.dtype == np.dtype(array.dtype), f"{array.name}: dtype {value.dtype}, spec says {array.dtype}"
        inside = value.size == 0 or (value.min() >= array.low and value.max() <= array.high)
        assert inside, f"{array.name}: a value lies outside [{array.low}, {array.high}]"
    assert step.terms.shape == (len(spec.reward_terms),), "one term per name"
    assert step.terms.dtype == np.float32, "terms are float32"
    assert np.isfinite(step.terms).all(), "terms are finite"
    assert step.milestones.shape == (len(spec.milestones),), "one bool per milestone"
    assert step.milestones.dtype == np.bool_, "milestones are bool"
    assert 0 <= step.cell < 2**64, "a cell has 64 bits"
    assert not (step.terminated and step.truncated), "an episode ends in one way"


def check_spec(package: GamePackage, spec: GameSpec) -> None:
    """The spec is complete, documented and serialisable."""
    assert spec.name == package.name
    assert spec.version, "a game has a version"
    for names in (spec.actions, spec.reward_terms, spec.milestones, [array.name for array in spec.observations]):
        assert len(set(names)) == len(names), f"names are not unique: {names}"
    assert all(array.meaning for array in spec.observations), "every array says what it holds"
    msgspec.json.encode(spec.observation_json())


def check_quests(package: GamePackage, spec: GameSpec) -> None:
    """Quests end in milestones and form a directed acyclic graph."""
    known: set[str] = set()
    for quest in package.quests:
        assert quest.goal in spec.milestones, f"quest {quest.name} ends in no milestone: {quest.goal}"
        missing = set(quest.requires) - known
        assert not missing, f"quest {quest.name} requires {missing}, which do not come before it"
        assert quest.name not in known, f"quest {quest.name} exists twice"
        known.add(quest.name)


def check_config(package: GamePackage) -> None:
    """The configuration has defaults for everything and survives JSON."""
    config = package.config_type()
    fields = msgspec.json.decode(msgspec.json.encode(asdict(config)))
    assert msgspec.convert(fields, package.config_type) == config, "the configuration changes on its way through JSON"
    msgspec.json.encode(package.reward_json(config))


def check_steps(game: Game, actions: Sequence[int]) -> None:
    """Resets and steps fit the spec; milestones only grow; the first step pays nothing."""
    first = keep(game.reset(1))
    check_step_fits_spec(game.spec, first)
    assert not first.terms.any(), "a reset pays nothing"
    assert not first.terminated, "an episode starts alive"
    assert not first.truncated, "an episode starts alive"
    reached = first.milestones
    for step in play_choices(game, first, actions):
        check_step_fits_spec(game.spec, step)
        assert (step.milestones >= reached).all(), "a milestone was lost"
        reached = step.milestones


def check_determinism(make: MakeGame, actions: Sequence[int]) -> None:
    """The same seed and actions give the same steps, in the same game and in another."""
    games = (make(), make())
    runs = []
    for game in (games[0], games[1], games[0]):
        first = keep(game.reset(7))
        runs.append([first, *play_choices(game, first, actions)])
    for other in runs[1:]:
        assert len(other) == len(runs[0]), "episodes of equal seeds differ in length"
        for index, (a, b) in enumerate(zip(runs[0], other, strict=True)):
            assert_same_step(a, b, f"step {index} of the same seed and actions")


def check_exact_restore(make: MakeGame, before: Sequence[int], after: Sequence[int]) -> None:
    """A saved episode continues exactly, here and in another game; saving changes nothing."""
    game, other = make(), make()
    played = play_choices(game, keep(game.reset(3)), before)
    saved = game.save_state()
    assert game.save_state() == saved, "saving twice gives different bytes"
    wanted = play_choices(game, played[-1], after)
    for place in (game, other):
        restored = keep(place.restore_state(saved, new_episode=False))
        assert_same_step(played[-1], restored, "the restored step")
        for index, (a, b) in enumerate(zip(wanted, play_choices(place, restored, after), strict=True)):
            assert_same_step(a, b, f"step {index} after the restore")


def check_fresh_restore(make: MakeGame, before: Sequence[int]) -> None:
    """An episode that starts at a saved state keeps its milestones and starts its counters anew."""
    game = make()
    reached = play_choices(game, keep(game.reset(3)), before)[-1].milestones
    step = keep(game.restore_state(game.save_state(), new_episode=True))
    assert not step.terms.any(), "the first step of an episode pays nothing"
    assert not step.truncated, "the step counter starts anew"
    assert not step.milestones[~reached].any(), "a milestone appeared by restoring"


def check_refuses_garbage(make: MakeGame) -> None:
    """Bytes that are no state are refused with `IncompatibleError`."""
    game = make()
    for garbage in (b"", b"nonsense", bytes(1000)):
        try:
            game.restore_state(garbage, new_episode=True)
        except IncompatibleError:
            continue
        raise AssertionError(f"{garbage[:10]!r} was taken for a state")


def check_game(package: GamePackage, config: Any = None, *, num_steps: int = 40, seed: int = 0) -> None:
    """All checks.

    Args:
        package: The game.
        config: Its settings; the defaults if None.
        num_steps: Random actions per check.
        seed: Of the random actions.
    """
    chosen = package.config_type() if config is None else config

    def make() -> Game:
        return package.make_game(chosen)

    game = make()
    rng = np.random.default_rng(seed)
    actions: list[int] = rng.integers(game.spec.num_actions, size=num_steps).tolist()
    half = actions[: max(num_steps // 2, 1)]
    check_config(package)
    check_spec(package, game.spec)
    check_quests(package, game.spec)
    check_steps(game, actions)
    check_determinism(make, actions)
    check_exact_restore(make, _living_prefix(make(), half), actions)
    check_fresh_restore(make, _living_prefix(make(), half))
    check_refuses_garbage(make)


def _living_prefix(game: Game, actions: list[int]) -> list[int]:
    """As many of the actions as leave the episode of seed 3 alive, at least one."""
    for index, step in enumerate(play_choices(game, keep(game.reset(3)), actions)):
        if step.terminated or step.truncated:
            return actions[: max(index, 1)]
    return actions
