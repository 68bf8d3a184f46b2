"""Settings of PPO, free of JAX.

Job: every number of the algorithm, with its default. Place in the data flow: whoever trains with PPO makes one; it is
fixed when the program is compiled. Left out: what is played and what is rewarded, which are arguments.
"""

from __future__ import annotations

from dataclasses import dataclass

from gamefleet.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class PpoSettings:
    """How to train.

    Args:
        num_envs: Environments that are moved together.
        rollout_steps: Steps of each of them per update.
        epochs: Passes over the steps of a rollout.
        minibatches: Parts of a pass, each one optimizer step.
        updates_per_call: Updates in one call of the compiled program.
        learning_rate: Of Adam.
        discount: Per step.
        trace_decay: Lambda of generalised advantage estimation.
        clip_ratio: How far the probability of an action may move in an update.
        entropy_weight: In the loss.
        value_weight: In the loss.
        max_gradient_norm: Longer gradients are shortened to it.
        width: Units of each hidden layer.
        success_bonus: Added to the reward of a step that succeeds.
        death_penalty: Taken off the reward of a step that dies.
        shrinks_rewards: Divide rewards by the running deviation of discounted returns while that is above 1.
        normalises_observations: Shift and scale observations by their running mean and deviation.
    """

    num_envs: int = 128
    rollout_steps: int = 16
    epochs: int = 4
    minibatches: int = 4
    updates_per_call: int = 4
    learning_rate: float = 1e-3
    discount: float = 0.98
    trace_decay: float = 0.95
    clip_ratio: float = 0.2
    entropy_weight: float = 0.01
    value_weight: float = 0.5
    max_gradient_norm: float = 0.5
    width: int = 128
    success_bonus: float = 1.0
    death_penalty: float = 0.5
    shrinks_rewards: bool = True
    normalises_observations: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be divided.

        Raises:
            ConfigError: A rollout does not divide into the minibatches, or a count is not positive.
        """
        counts = (self.num_envs, self.rollout_steps, self.epochs, self.minibatches, self.updates_per_call, self.width)
        if min(counts) < 1:
            raise ConfigError("Counts of PPO must be positive", value=counts)
        if self.steps_per_update % self.minibatches:
            raise ConfigError(
                f"{self.num_envs} environments x {self.rollout_steps} steps do not divide into minibatches",
                value=self.minibatches,
                remedy="Choose a number of environments that is a multiple of the minibatches.",
            )

    @property
    def steps_per_update(self) -> int:
        """Environment steps of one update."""
        return self.num_envs * self.rollout_steps

    @property
    def steps_per_call(self) -> int:
        """Environment steps of one call of the compiled program."""
        return self.steps_per_update * self.updates_per_call
