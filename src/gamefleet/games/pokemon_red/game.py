"""The game: emulator in, steps out.

Job: one environment. Place in the data flow: actors call `step`; everything it returns comes from the pure modules
beside this one. Left out: reward, observation and milestone logic (`reward`, `observe`, `milestones`) and the emulator
itself (`emulator`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gamefleet.errors import ConfigError, nearest
from gamefleet.games.base import FlagRow, GameSpec, Step
from gamefleet.games.pokemon_red import milestones as story
from gamefleet.games.pokemon_red import tables
from gamefleet.games.pokemon_red.config import PokemonRedConfig
from gamefleet.games.pokemon_red.emulator import Emulator
from gamefleet.games.pokemon_red.observe import ARRAYS, Observer
from gamefleet.games.pokemon_red.places import Places
from gamefleet.games.pokemon_red.profile import Profile, open_profile
from gamefleet.games.pokemon_red.reader import StateReader
from gamefleet.games.pokemon_red.reward import TERMS, Ledger
from gamefleet.games.pokemon_red.saved import FORMAT, SavedState, pack, unpack
from gamefleet.games.pokemon_red.start import boot, load_start, randomize
from gamefleet.games.pokemon_red.state import State, describe_flags

VERSION = "1"
ACTIONS = ("down", "left", "right", "up", "a", "b", "start")


def make_spec(config: PokemonRedConfig) -> GameSpec:
    """The game's spec; only the episode length depends on the settings."""
    return GameSpec(
        name="pokemon_red",
        version=VERSION,
        observations=ARRAYS,
        actions=ACTIONS,
        reward_terms=TERMS,
        milestones=tuple(milestone.name for milestone in story.milestones()),
        max_episode_steps=config.max_episode_steps,
        picture_shape=(144, 160),
    )


class PokemonRed:
    """One environment on one emulator.

    Args:
        config: The settings.
        profile: The ROM and how its episodes start.
    """

    def __init__(self, config: PokemonRedConfig, profile: Profile) -> None:
        self.spec = make_spec(config)
        self._config = config
        self._profile = profile
        self._emulator = Emulator(profile.rom)
        self._reader = StateReader(self._emulator.memory)
        self._observer = Observer(self._emulator.picture)
        self._ledger = Ledger(config.rewards)
        self._book = story.MilestoneBook()
        self._places = Places()
        self._num_steps = 0
        self._terms = _no_terms()
        self._is_over = False
        self._stop_at = _stop_index(config.stop_at_milestone, self.spec.milestones)
        names = ("wJoyIgnore", "wGrassRate")
        self._joy_ignore, self._grass_rate = (tables.symbols()[name].address for name in names)
        if config.start_state:
            load_start(self._emulator, config.start_state, game_version=VERSION, rom_sha1=profile.sha1)
        else:
            boot(self._emulator, profile)
        # PyBoy saves its renderer only once a frame was drawn; else restored pictures can be off by a row.
        self._emulator.wait(1, render=True)
        self._start = self._emulator.save()
        self._state = self._reader.read()

    @property
    def state(self) -> State:
        """The decoded state of this moment, for tools."""
        return self._state

    @property
    def is_cartridge(self) -> bool:
        """Our own cartridge is played, not a user's ROM."""
        return self._profile.name == "cartridge"

    def reset(self, seed: int) -> Step:
        """Start an episode at the game's beginning.

        Args:
            seed: Decides the game's random numbers, unless `randomize_start` is off.

        Returns:
            The first step, with zero terms.
        """
        self._emulator.load(self._start)
        if self._config.randomize_start:
            randomize(self._emulator, self._profile, seed)
        self._emulator.wait(1, render=True)
        return self._begin()

    def step(self, action: int) -> Step:
        """Press a button for 8 of 24 frames.

        Args:
            action: Index into `ACTIONS`.

        Returns:
            What it caused.
        """
        self._emulator.press(ACTIONS[action])
        if self._config.auto_skip_text and self._emulator.memory[self._joy_ignore]:
            self._skip_scene()
        last, self._state = self._state, self._reader.read()
        state = self._state
        if state.map_id != last.map_id:
            self._thin_encounters()
        self._num_steps += 1
        is_new = self._places.visit(state)
        was_at_end = self._is_at_end(last)
        self._book.note(state)
        # Only getting there ends an episode: one that starts beyond the end goes on until it is truncated.
        self._is_over = self._is_at_end(state) and not was_at_end
        self._terms = self._ledger.settle(state, self._places, is_new_tile=is_new)
        return self._show()

    def save_state(self) -> bytes:
        """The whole state: emulator, step counter, visited tiles, accounts and milestones."""
        episode = {
            "num_steps": self._num_steps,
            "terms": self._terms.tobytes(),
            "is_over": self._is_over,
            "places": self._places.export_state(),
            "ledger": self._ledger.export_state(),
            "milestones": np.packbits(self._book.reached).tobytes(),
        }
        return pack(
            SavedState(
                format=FORMAT,
                game_version=VERSION,
                rom_sha1=self._profile.sha1,
                emulator=self._emulator.save(),
                episode=episode,
            )
        )

    def restore_state(self, state: bytes, *, new_episode: bool) -> Step:
        """Go to a saved state; `Game.restore_state` says what `new_episode` does.

        Args:
            state: What `save_state` returned.
            new_episode: Start an episode there instead of continuing the saved one.

        Returns:
            The step at that moment; of a fresh episode, with zero terms.

        Raises:
            IncompatibleError: The bytes are not a state of this version and ROM.
        """
        saved = unpack(state, game_version=VERSION, rom_sha1=self._profile.sha1)
        episode = saved.episode
        self._emulator.load(saved.emulator)
        if new_episode:
            return self._begin()
        self._state = self._reader.read()
        self._num_steps, self._is_over = episode["num_steps"], episode["is_over"]
        self._places.import_state(episode["places"])
        self._ledger.import_state(episode["ledger"], self._state)
        reached = np.unpackbits(np.frombuffer(episode["milestones"], np.uint8), count=len(self._book.reached))
        self._book.resume(self._state, reached)
        self._terms = np.frombuffer(episode["terms"], np.float32).copy()
        self._observer.forget()
        return self._show()

    def frame(self) -> NDArray[np.uint8]:
        """The present picture, uint8 `[144, 160, 3]`."""
        return self._emulator.rgb()

    def spot(self) -> tuple[int, int, int]:
        """Map number and tile; see `Placed`."""
        return self._state.map_id, self._state.x, self._state.y

    def describe_flags(self) -> tuple[FlagRow, ...]:
        """Every event and story flag with its present value; see `Flagged`."""
        return tuple(describe_flags(self._state))

    def read(self, address: int, length: int) -> bytes:
        """Bytes of the Game Boy's memory, for scripted players and tools."""
        return bytes(self._emulator.memory[address : address + length])

    def close(self) -> None:
        """Stop the emulator."""
        self._emulator.close()

    def _begin(self) -> Step:
        """Start an episode at the emulator's present moment."""
        self._state = state = self._reader.read()
        self._thin_encounters()
        self._num_steps = 0
        self._is_over = False
        self._places = Places()
        self._places.visit(state)
        self._ledger.open(state)
        self._book.open(state)
        self._terms = _no_terms()
        self._observer.forget()
        return self._show()

    def _show(self) -> Step:
        state, reached, story_progress = self._state, self._book.reached, self._book.story_progress
        self._observer.show(state, self._places)
        return Step(
            obs=self._observer.arrays,
            terms=self._terms,
            terminated=self._is_over,
            truncated=not self._is_over and self._num_steps >= self.spec.max_episode_steps,
            milestones=reached.copy(),
            cell=story.cell(state, story_progress=story_progress, cell_tiles=self._config.cell_tiles),
            progress=float(state.story.num_badges + story_progress),
        )

    def _is_at_end(self, state: State) -> bool:
        return state.has_won or (self._stop_at is not None and bool(self._book.reached[self._stop_at]))

    def _skip_scene(self) -> None:
        """Press A while the game ignores buttons, so that no step is spent where nothing can be decided."""
        for _ in range(self._config.max_skipped_presses):
            self._emulator.press("a", render=False)
            if not self._emulator.memory[self._joy_ignore]:
                break
        # The picture must be the one that the next action answers.
        self._emulator.wait(1, render=True)

    def _thin_encounters(self) -> None:
        """Scale the rate of wild encounters that the game has just loaded with a map."""
        if self._config.encounter_scale < 1.0:
            rate = self._emulator.memory[self._grass_rate]
            self._emulator.write(self._grass_rate, int(rate * self._config.encounter_scale))


def _no_terms() -> NDArray[np.float32]:
    return np.zeros(len(TERMS), np.float32)


def _stop_index(name: str, milestones: tuple[str, ...]) -> int | None:
    if not name:
        return None
    if name not in milestones:
        raise ConfigError(
            "No such milestone", value=name, where="game.stop_at_milestone", remedy=nearest(name, milestones)
        )
    return milestones.index(name)


def make_game(config: PokemonRedConfig) -> PokemonRed:
    """Open one environment.

    Args:
        config: The settings.

    Returns:
        The game, ready for `reset` or `restore_state`.

    Raises:
        RomError: The ROM is missing or unknown.
        ConfigError: `stop_at_milestone` names no milestone.
        MissingDependencyError: PyBoy is not installed.
    """
    return PokemonRed(config, open_profile(config.rom))
