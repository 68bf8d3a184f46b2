"""Checks on what a skill's expressions compute: on steps that may happen, and on such as show its gain or do not.

Job: refuse rewards that are constant, unbounded, or paid for the wrong thing, and successes that are there from the
start, never come, or come without the gain. Place in the data flow: the last stage of `verify`. Left out: training.

A reward that is 0 in all of random play may just be rare; therefore made-up steps count, too.

Axes: num: states; features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.skills.dependencies import needs
from gamefleet.skills.expression import Expression, parse_expression
from gamefleet.skills.functions import Evaluated, FunctionPart, Functions
from gamefleet.skills.program import Program, compile_program
from gamefleet.skills.verify_states import (
    Pairs,
    SampledStates,
    lifted,
    pairs_with_gain,
    pairs_without_gain,
    with_values,
)
from gamefleet.skills.verify_words import WordCase
from gamefleet.skills.world import States

RunProgram = Callable[[Program, Any, Any], Any]
"""As `program.run_program`."""


NUM_POOL = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberCase:
    """A skill's expressions and the states that they are tried on.

    Args:
        words: The skill and its world.
        reward: Its reward.
        success: Its success.
        run: Runs compiled expressions as the trainer will.
        sampled: Steps that may happen, those of random play among them.
        play: float32[steps + 1, num, features] of random play; None where there is none.
        starts: float32[num, features] where the skill starts.
        shown: Steps that show the gain.
        not_shown: Steps that do not.
    """

    words: WordCase
    reward: Evaluated
    success: Evaluated
    run: RunProgram
    sampled: Pairs
    play: States | None
    starts: States
    shown: Pairs
    not_shown: Pairs

    def everywhere(self) -> Pairs:
        """All steps there are."""
        return Pairs.joined([self.sampled, self.shown, self.not_shown])

    def rewards(self, pairs: Pairs) -> NDArray[np.float32]:
        """float32[num]: the reward of each step."""
        return np.asarray(self.reward.evaluate(np, pairs.now, pairs.before))

    def succeeds(self, pairs: Pairs) -> NDArray[np.bool_]:
        """bool[num]: whether the skill has succeeded after each step."""
        return np.asarray(self.success.evaluate(np, pairs.now, pairs.before) != 0)

    def meets(self, states: States, least: Any) -> NDArray[np.bool_]:
        """bool[num]: whether all features are at least what is asked."""
        columns = [self.words.world.column(name) for name in least]
        return np.asarray((states[:, columns] >= np.asarray(list(least.values()), np.float32)).all(axis=1))

    def random_success_rate(self) -> float | None:
        """How often random play succeeds within the limit; None where none is at hand that starts as the skill does."""
        if self.play is None or self.words.plan:
            return None
        play = self.play[: self.words.skill.max_steps + 1]
        succeeded = self.success.evaluate(np, play[1:], play[:-1]) != 0
        return float(succeeded.any(axis=0).mean())

    def statistics(self) -> dict[str, Any]:
        """What the next proposal may want to know."""
        rewards, rate = self.rewards(self.everywhere()), self.random_success_rate()
        return {
            "reward_range": [round(float(rewards.min()), 4), round(float(rewards.max()), 4)],
            "random_success_rate": None if rate is None else round(rate, 3),
        }


def make_case(words: WordCase, states: SampledStates, run: RunProgram, python: Functions | None = None) -> NumberCase:
    """Parse a skill's expressions, unless functions take their place, and lift fresh states to where it starts."""
    skill, world = words.skill, words.world
    achieved = {feature.name: 0.0 for feature in world.features if feature.name.startswith("did_")}
    starts = with_values(lifted(states.starts, world, {**words.holdings}), world, achieved)
    starts = lifted(starts, world, needs(skill))
    return NumberCase(
        words=words,
        reward=parse_expression(skill.reward, world.names) if python is None else FunctionPart(python, 0),
        success=parse_expression(skill.success, world.names) if python is None else FunctionPart(python, 1),
        run=run,
        sampled=Pairs(now=states.now, before=states.before),
        play=states.play,
        starts=starts,
        shown=pairs_with_gain(starts, world, skill),
        not_shown=pairs_without_gain(starts, world, skill),
    )


def check_runs(case: NumberCase) -> list[str]:
    """The compiled expressions run on a batch of states: right shape and type, finite, equal to the tree."""
    now, before = case.sampled.now[:NUM_POOL], case.sampled.before[:NUM_POOL]
    reasons = []
    for part, expression in (("reward", case.reward), ("success", case.success)):
        if isinstance(expression, Expression):
            found = np.asarray(case.run(compile_program(expression), now, before))
        else:
            found = np.asarray(expression.evaluate(np, now, before))
        if found.shape != now.shape[:1] or found.dtype != np.float32:
            reasons.append(f"{part}: gave {found.dtype}{list(found.shape)} for {len(now)} states, not one number each.")
        elif not np.isfinite(found).all():
            reasons.append(f"{part}: is not finite in {int((~np.isfinite(found)).sum())} of {len(now)} states.")
        elif not np.allclose(found, expression.evaluate(np, now, before), rtol=1e-5, atol=1e-6):
            reasons.append(f"{part}: the compiled expression differs from the text.")
    return reasons


def check_reward_varies(case: NumberCase) -> list[str]:
    """The reward is not the same everywhere."""
    rewards = case.rewards(case.everywhere())
    if rewards.max() - rewards.min() > 1e-6:
        return []
    return [f"reward: is {float(rewards[0]):g} in all of {len(rewards)} steps. Pay for the gain, as gained(FEATURE)."]


def check_reward_pays_for_gain(case: NumberCase) -> list[str]:
    """Steps that show the gain are paid better than those that do not."""
    paid, unpaid = float(case.rewards(case.shown).mean()), float(case.rewards(case.not_shown).mean())
    if paid > unpaid + 1e-6:
        return []
    return [
        f"reward: a step that reaches the gain is paid {paid:.3g}, one that does not {unpaid:.3g}. Pay for the gain."
    ]


def check_success_is_not_there_yet(case: NumberCase) -> list[str]:
    """Where the skill starts, it has not succeeded."""
    share = float(case.succeeds(Pairs(now=case.starts, before=case.starts)).mean())
    if share == 0.0:
        return []
    return [
        f"success: is already true in {share:.0%} of the states where the skill starts. Ask for more than is there."
    ]


def check_success_follows_gain(case: NumberCase) -> list[str]:
    """Wherever the gain is reached, the skill has succeeded."""
    share = float(case.succeeds(case.shown).mean())
    if share == 1.0:
        return []
    gain = ", ".join(f"{name} >= {amount:g}" for name, amount in case.words.skill.gain.items())
    return [
        f"success: is false in {1 - share:.0%} of the states that reach the gain ({gain}). Test the state after the "
        "step, not what one step gains, and list in gain all that success asks for."
    ]


def check_success_holds_gain(case: NumberCase) -> list[str]:
    """The skill has not succeeded where its gain is not there: what builds on it would start without."""
    pairs = Pairs.joined([case.sampled, case.not_shown])
    wrong = case.succeeds(pairs) & ~case.meets(pairs.now, case.words.skill.gain)
    if not wrong.any():
        return []
    gain = ", ".join(f"{name} >= {amount:g}" for name, amount in case.words.skill.gain.items())
    return [
        f"success: is true in {int(wrong.sum())} of {len(wrong)} steps after which {gain} does not hold. Test for it."
    ]


def check_reward_is_bounded(case: NumberCase) -> list[str]:
    """No step is paid more than the limit, or costs more."""
    largest = float(np.abs(case.rewards(case.everywhere())).max())
    limit = case.words.limits.largest_reward
    return [] if largest <= limit else [f"reward: reaches {largest:.4g} in one step; keep it within +-{limit:g}."]


def check_standing_still_pays_nothing(case: NumberCase) -> list[str]:
    """A step after which all is as before is not paid, unless the skill has succeeded."""
    states = np.concatenate([case.starts, case.sampled.before])
    still = Pairs(now=states, before=states)
    paid = case.rewards(still)[~case.succeeds(still)]
    if not len(paid) or paid.max() <= 1e-6:
        return []
    return [
        f"reward: standing still is paid up to {float(paid.max()):.3g} a step. Pay for changes, as gained(FEATURE)."
    ]


def check_not_too_easy(case: NumberCase) -> list[str]:
    """Random play does not succeed most of the time, where the skill could ask for more.

    Only of skills that start in fresh worlds, as the random play did, and only of amounts: a table that is placed is
    placed, however easily.
    """
    skill, world = case.words.skill, case.words.world
    rate = case.random_success_rate()
    can_rise = any(
        not world.feature(name).is_bit and amount < world.feature(name).high for name, amount in skill.gain.items()
    )
    if rate is None or rate <= case.words.limits.largest_random_rate or case.words.plan or not can_rise:
        return []
    return [f"Random play succeeds in {rate:.0%} of episodes: too easy. Raise the goal."]


NUMBER_CHECKS: tuple[tuple[str, Callable[[NumberCase], list[str]]], ...] = (
    ("runs", check_runs),
    ("reward_varies", check_reward_varies),
    ("reward_pays_for_gain", check_reward_pays_for_gain),
    ("success_at_start", check_success_is_not_there_yet),
    ("success_follows_gain", check_success_follows_gain),
    ("success_holds_gain", check_success_holds_gain),
    ("reward_bounded", check_reward_is_bounded),
    ("standing_still", check_standing_still_pays_nothing),
    ("too_easy", check_not_too_easy),
)
