"""Battles against a policy of the simulator, as a game.

Job: lanes of a host in, rows of steps out. Place in the data flow: actors call `step`; what they find in their rows
comes from the pure modules beside this one. Left out: rules (the simulator), state, observations and rewards.

One process of the simulator plays all battles of a batch. A step is one decision of the learner's side: a turn, or a
replacement. The team preview is answered with the team in its own order.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gamefleet.errors import ConfigError, IncompatibleError
from gamefleet.games.base import GameSpec, ScriptedPlayer
from gamefleet.games.batch import StepRows
from gamefleet.games.showdown.config import ShowdownConfig
from gamefleet.games.showdown.host.grades import STRONGEST
from gamefleet.games.showdown.host.host import Answer, BattleHost, Command, own_host
from gamefleet.games.showdown.live import LiveBattle, LiveDecision
from gamefleet.games.showdown.observe import ACTIONS, ARRAYS
from gamefleet.games.showdown.players_network import LEADS
from gamefleet.games.showdown.render import PICTURE_SHAPE, picture_of
from gamefleet.games.showdown.reward import MILESTONES, TERMS, cell_of, milestones_of, progress_of, terms_of
from gamefleet.games.showdown.saved import VERSION, SavedBattle, game_version, pack, unpack
from gamefleet.games.single import SingleGame

LEARNER, OPPONENT = "Learner", "Opponent"


def make_spec(config: ShowdownConfig) -> GameSpec:
    """The spec for these settings."""
    return GameSpec(
        name="showdown",
        version=VERSION,
        observations=ARRAYS,
        actions=ACTIONS,
        reward_terms=TERMS,
        milestones=MILESTONES,
        max_episode_steps=config.max_episode_steps,
        picture_shape=PICTURE_SHAPE,
        legal="legal",
    )


@dataclass(slots=True, kw_only=True)
class Battle:
    """One battle of a batch.

    Args:
        seed: Teams, chance and the learner's side follow from it.
        side: The learner's.
        live: What the learner's side sees.
        choices: Of the learner so far.
        first_choice: Choices that were made before the episode began.
        decision: What is asked now; the last one after the end.
        before: The row of the decision before.
        result: 1 won, -1 lost, 0 neither (yet).
        is_over: The battle has ended.
    """

    seed: str
    side: int
    live: LiveBattle
    choices: list[str] = field(default_factory=list)
    first_choice: int = 0
    decision: LiveDecision | None = None
    before: NDArray[np.int16] | None = None
    result: int = 0
    is_over: bool = False

    @property
    def now(self) -> LiveDecision:
        """The present decision."""
        assert self.decision is not None
        return self.decision


class ShowdownBatch:
    """Many battles on one host; see `BatchGame`.

    Args:
        config: The game.
        rows: Receive the steps.

    Raises:
        MissingDependencyError: The simulator is not installed.
    """

    def __init__(self, config: ShowdownConfig, rows: StepRows) -> None:
        self.config = config
        self._rows = rows
        self._host: BattleHost | None = None
        self._battles: dict[int, Battle] = {}

    @property
    def host(self) -> BattleHost:
        """The simulator's process, started when it is first needed."""
        if self._host is None:
            self._host = own_host()
        return self._host

    @functools.cached_property
    def _number(self) -> int:
        return self.host.number()

    def _lane(self, env: int) -> str:
        return f"{self._number} {env}"

    def reset(self, envs: NDArray[np.int64], seeds: Sequence[int]) -> None:
        """Begin battles; a seed decides teams, chance and the learner's side."""
        saved = [beginning(self.config, str(seed)) for seed in seeds]
        self._open(envs.tolist(), saved)
        for env in envs.tolist():
            self._show(env, is_first=True)

    def step(self, envs: NDArray[np.int64], actions: NDArray[np.int16]) -> None:
        """Answer one decision in each battle.

        Raises:
            ValueError: An action is not legal, or its battle is over.
        """
        commands = []
        for env, action in zip(envs.tolist(), actions.tolist(), strict=True):
            battle = self._battles[env]
            if battle.is_over or action not in battle.now.words:
                raise ValueError(f"game {env}: action {action} is not legal now, or the game is over")
            battle.before = battle.now.row
            battle.choices.append(battle.now.words[action])
            commands.append(self._choose(env, battle.choices[-1]))
        self._carry_out(commands)
        for env in envs.tolist():
            self._show(env, is_first=False)

    def save_states(self, envs: Sequence[int]) -> list[bytes]:
        """The battles since their beginning, some hundred bytes each; see `saved`."""
        return [pack(saved_battle(self.config, self._battles[env])) for env in envs]

    def restore_states(self, envs: Sequence[int], states: Sequence[bytes], new_episode: Sequence[bool]) -> None:
        """Go to saved battles by playing their choices again.

        Raises:
            IncompatibleError: A state is none of this game and format, or an episode would begin after the end.
        """
        saved = [unpack(state) for state in states]
        for one in saved:
            check_fits(self.config, one)
        self._open(envs, saved)
        for env, begins in zip(envs, new_episode, strict=True):
            battle = self._battles[env]
            if begins and battle.is_over:
                raise IncompatibleError("No episode can begin where a battle is over", remedy="Save states earlier.")
            if begins:
                battle.first_choice = len(battle.choices)
            self._show(env, is_first=len(battle.choices) == battle.first_choice)

    def advice(self, env: int, grade: str) -> int:
        """The action that a policy of the host would take now, of those that are legal."""
        battle = self._battles[env]
        command = {"do": "advise", "lane": self._lane(env), "side": battle.side, "grade": grade}
        choice = self.host.ask([command])[0]["choice"]
        words = battle.now.words
        return next((action for action, word in words.items() if word == choice), min(words))

    def frame(self, env: int) -> NDArray[np.uint8]:
        """A picture of one battle; uint8 `[height, width, 3]`, RGB."""
        battle = self._battles[env]
        return picture_of(battle.now.row, battle.side)

    def _open(self, envs: Sequence[int], saved: Sequence[SavedBattle]) -> None:
        """Begin battles and bring them to where their choices end."""
        commands: list[Command] = []
        for env, one in zip(envs, saved, strict=True):
            side = int(np.random.default_rng([*one.seed.encode()]).integers(2))
            first = one.first_choice
            self._battles[env] = Battle(seed=one.seed, side=side, live=LiveBattle(side), first_choice=first)
            commands.append(self._open_command(env, side, one))
        self._carry_out(commands)
        longest = max((len(one.choices) for one in saved), default=0)
        for number in range(longest):
            commands = []
            for env, one in zip(envs, saved, strict=True):
                if number < len(one.choices):
                    battle = self._battles[env]
                    battle.before = battle.now.row
                    battle.choices.append(one.choices[number])
                    commands.append(self._choose(env, one.choices[number]))
            self._carry_out(commands)

    def _open_command(self, env: int, side: int, saved: SavedBattle) -> Command:
        players: list[dict[str, Any]] = [{"name": LEARNER, "grade": None}, {"name": OPPONENT, "grade": saved.opponent}]
        if side == 1:
            players.reverse()
        place = {"do": "open", "lane": self._lane(env), "format": saved.format}
        return {**place, "seed": f"game {saved.seed}", "players": players}

    def _choose(self, env: int, choice: str) -> Command:
        return {"do": "choose", "lane": self._lane(env), "side": self._battles[env].side, "choice": choice}

    def _carry_out(self, commands: Sequence[Command]) -> None:
        """Send commands, and answer previews that come back."""
        while commands:
            commands = list(self._hear(self.host.ask(commands)))

    def _hear(self, answers: Sequence[Answer]) -> Iterator[Command]:
        for answer in answers:
            env = int(answer["lane"].partition(" ")[2])
            battle = self._battles[env]
            if answer["kind"] == "end":
                battle.is_over = True
                battle.result = 0 if answer["winner"] < 0 else (1 if answer["winner"] == battle.side else -1)
                battle.decision = battle.live.ending(battle.decision)
            elif answer["kind"] == "refused":
                if not answer["reason"].startswith("[Unavailable"):
                    raise ConfigError("The simulator refused a legal action", value=answer["reason"])
            else:
                battle.live.hear(answer["lines"])
                request = answer["request"]
                if request and request.get("teamPreview"):
                    battle.live.meet(request)
                    yield self._choose(env, LEADS)
                elif request:
                    battle.decision = battle.live.decide(request)

    def _show(self, env: int, *, is_first: bool) -> None:
        """Write the row of one battle."""
        rows, battle = self._rows, self._battles[env]
        decision, side = battle.now, battle.side
        for name, array in decision.obs.items():
            rows.obs[name][env] = array
        before = decision.row if is_first or battle.before is None else battle.before
        rows.terms[env] = terms_of(self.config, before, decision.row, side, 0 if is_first else battle.result)
        num_steps = len(battle.choices) - battle.first_choice
        rows.terminated[env] = battle.is_over
        rows.truncated[env] = not battle.is_over and num_steps >= self.config.max_episode_steps
        rows.milestones[env] = milestones_of(decision.row, side, battle.result)
        rows.cell[env] = cell_of(decision.row)
        rows.progress[env] = progress_of(decision.row, side, battle.result)


def beginning(config: ShowdownConfig, seed: str) -> SavedBattle:
    """A battle before its first choice."""
    names = {"format": config.battle_format, "opponent": config.opponent, "seed": seed}
    return SavedBattle(game=game_version(), **names, choices=(), first_choice=0)


def saved_battle(config: ShowdownConfig, battle: Battle) -> SavedBattle:
    """A battle as far as it was played."""
    begun = beginning(config, battle.seed)
    return msgspec.structs.replace(begun, choices=tuple(battle.choices), first_choice=battle.first_choice)


def check_fits(config: ShowdownConfig, saved: SavedBattle) -> None:
    """Raise an IncompatibleError unless a saved battle is of this format and opponent."""
    asked = (config.battle_format, config.opponent)
    if (saved.format, saved.opponent) != asked:
        raise IncompatibleError(
            "The saved battle is of another format or opponent",
            value=f"{saved.format} against {saved.opponent}",
            where=f"this game is {asked[0]} against {asked[1]}",
            remedy="Play the game that saved it.",
        )


class Advised:
    """The host's strongest policy in the learner's place.

    Args:
        game: Plays one battle.
    """

    def __init__(self, game: SingleGame[ShowdownBatch]) -> None:
        self._game = game

    def act(self) -> int:
        """See `ScriptedPlayer`."""
        return self._game.batch.advice(0, STRONGEST)


def make_batch(config: ShowdownConfig, rows: StepRows) -> ShowdownBatch:
    """Many battles over the rows of a vector."""
    return ShowdownBatch(config, rows)


def make_game(config: ShowdownConfig) -> SingleGame[ShowdownBatch]:
    """One battle."""
    return SingleGame(make_spec(config), lambda rows: ShowdownBatch(config, rows))


def make_scripted(game: Any) -> ScriptedPlayer:
    """A player for a game of `make_game`."""
    return Advised(game)
