"""Carrying out what a curriculum wants.

Job: show every step to the curriculum, save the states that it wishes for, cut the episodes that it interrupts, and ask
it where games go. Place in the data flow: between the actor and the curriculum. Left out: what is wished for and why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.actors.accounts import Accounts
from gamefleet.actors.curriculum import Curriculum, Sight
from gamefleet.actors.policy import make_rng
from gamefleet.actors.saved import SavedState, pack
from gamefleet.actors.steps import Restart, Vector, VectorStep
from gamefleet.errors import IncompatibleError


class Explorer:
    """See the module's docstring.

    Args:
        vector: The games.
        curriculum: Decides.
        accounts: Of the episodes in progress.
        seed: Of the run.
    """

    def __init__(self, vector: Vector, curriculum: Curriculum, accounts: Accounts, *, seed: int) -> None:
        self._vector = vector
        self._curriculum = curriculum
        self._accounts = accounts
        self._rng = make_rng(seed, purpose="curriculum")
        self._num_saved = 0
        self._interrupt: tuple[int, ...] = ()

    def take_interrupts(self, view: VectorStep) -> tuple[int, ...]:
        """Games whose episodes are to be cut now; asked once per step."""
        interrupt, self._interrupt = self._interrupt, ()
        return tuple(env for env in interrupt if not view.ended[env])

    def choose(self, envs: Iterable[int]) -> dict[int, Restart]:
        """Where some games go next, asked in their order."""
        return {env: self._curriculum.choose(env, self._rng) for env in sorted(envs)}

    def show(self, view: VectorStep, fresh: NDArray[np.bool_], total_steps: int) -> tuple[SavedState, ...]:
        """Show a step and save what is wished for.

        Args:
            view: The step, already in the accounts.
            fresh: bool `[env, milestone]`, reached by it.
            total_steps: The run's steps.

        Returns:
            The saved states, which the curriculum now keeps.
        """
        accounts = self._accounts
        sight = Sight(view=view, fresh=fresh, origins=accounts.origins, path_steps=accounts.path_steps)
        wishes = self._curriculum.observe(sight)
        self._interrupt = wishes.interrupt
        # Nothing can be explored from an episode's end.
        envs = [env for env in wishes.save if not view.ended[env]]
        if not envs:
            return ()
        states = self._vector.save_states(envs)
        pairs = zip(envs, states, strict=True)
        saved = tuple(self._label(env, state, sight, total_steps) for env, state in pairs if state)
        for entry in saved:
            self._curriculum.keep(entry)
        return saved

    def export_state(self) -> dict[str, Any]:
        """Everything that shapes the future, the curriculum included, as JSON values, arrays and bytes."""
        return {
            "kind": type(self._curriculum).__name__,
            "interrupt": list(self._interrupt),
            "num_saved": self._num_saved,
            "rng": self._rng.bit_generator.state,
            "curriculum": self._curriculum.export_state(),
        }

    def import_state(self, state: Mapping[str, Any]) -> None:
        """Continue exactly from `export_state`.

        Raises:
            IncompatibleError: The state is of another curriculum.
        """
        present = type(self._curriculum).__name__
        saved = state.get("kind", present)  # checkpoints of the first days have none
        if saved != present:
            raise IncompatibleError(
                f"The checkpoint has another curriculum: {saved}, the settings ask for {present}",
                where="curriculum.kind",
                remedy="Take back that setting, use another run name, or start anew with --fresh.",
            )
        self._interrupt = tuple(state["interrupt"])
        self._num_saved = int(state["num_saved"])
        self._rng.bit_generator.state = state["rng"]
        self._curriculum.import_state(state["curriculum"])

    def _label(self, env: int, state: bytes, sight: Sight, total_steps: int) -> SavedState:
        self._num_saved += 1
        view, reached = sight.view, np.flatnonzero(sight.fresh[env])
        milestone = self._vector.spec.milestones[reached[-1]] if len(reached) else "cell"
        return SavedState(
            name=f"{milestone}#{self._num_saved}",
            milestone=milestone,
            env=env,
            parent=sight.origins[env],
            total_steps=total_steps,
            episode_steps=int(self._accounts.num_steps[env]),
            path_steps=int(sight.path_steps[env]),
            cell=int(view.cell[env]),
            progress=float(view.progress[env]),
            milestones=view.milestones[env].copy(),
            packed=pack(state),
        )
