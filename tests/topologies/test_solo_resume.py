"""A run that is cut and resumed is bit-identical to one that was not, whatever the number of workers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xxhash

from gamefleet.games import open_game
from gamefleet.games.base import GamePackage
from gamefleet.runs.checkpoint import CheckpointStore
from gamefleet.runs.paths import RunPaths
from gamefleet.topologies.build import build_solo
from gamefleet.topologies.config import make_config, merge
from gamefleet.topologies.restoring import checkpoint_parts, restore_from
from gamefleet.topologies.solo import Solo

SMALL: dict[str, Any] = {
    "game": {"max_episode_steps": 60},
    "network": {"hidden_size": 16, "head_size": 8, "encoder": {"features": 16}},
    "learner": {
        "batch_size": 4,
        "num_steps": 3,
        "learning_starts_steps": 60,
        "replay_ratio": 2.0,
        "target_update_interval_updates": 3,
    },
    "curiosity": {"enabled": True, "hidden_size": 16, "output_size": 8, "warm_up_steps": 20},
    "replay": {"capacity_steps": 1_000, "unroll": 8, "burn_in": 4},
    "actors": {"num_envs": 4, "num_workers": 0, "refresh_every_steps": 5},
    "curriculum": {"kind": "archive", "start_fraction": 0.3},
    "run": {"seed": 3, "device": "cpu"},
}
NUM_ROUNDS = 14


@pytest.fixture(scope="module")
def package() -> GamePackage:
    return open_game("pokemon_red")


def wiring(package: GamePackage, **changes: Any) -> Solo:
    settings: dict[str, Any] = {}
    merge(settings, SMALL)
    for name, value in changes.items():
        merge(settings, {name.split("__")[0]: {name.split("__")[1]: value}})
    return build_solo(package, make_config(package, settings))


def fingerprint(solo: Solo) -> dict[str, str]:
    """Hash of everything that shapes the future: each part, the replay's memory, and the next batches it would draw."""
    parts = {name: hash_of(tree) for name, tree in checkpoint_parts(solo).items()}
    content = solo.replay._content()
    parts["replay"] = hash_of({**content.arrays, **content.tables, "facts": dict(content.facts)})
    return parts


def hash_of(tree: Any) -> str:
    digest = xxhash.xxh3_128()
    feed(digest, tree)
    return digest.hexdigest()


def feed(digest: Any, tree: Any) -> None:
    if isinstance(tree, Mapping):
        for name in sorted(tree):
            digest.update(str(name).encode())
            feed(digest, tree[name])
    elif isinstance(tree, np.ndarray):
        digest.update(f"{tree.dtype}{tree.shape}".encode())
        digest.update(np.ascontiguousarray(tree).tobytes())
    elif isinstance(tree, bytes):
        digest.update(tree)
    else:
        digest.update(repr(tree).encode())


@pytest.fixture(scope="module")
def uncut(package: GamePackage) -> dict[int, dict[str, str]]:
    with wiring(package) as solo:
        history = {}
        for number in range(1, NUM_ROUNDS + 1):
            solo.run_round()
            history[number] = fingerprint(solo)
        assert solo.updates > 10
    return history


@pytest.mark.parametrize("cuts", [(1,), (4, 9), (7, 8, 12)])
def test_a_run_that_is_cut_is_bit_identical_to_one_that_is_not(
    package: GamePackage, uncut: dict[int, dict[str, str]], cuts: tuple[int, ...], tmp_path: Path
) -> None:
    store = store_in(tmp_path / "run", package)
    number = 0
    for cut in [*cuts, NUM_ROUNDS]:
        with wiring(package) as solo:
            loaded = store.load_newest().checkpoint
            if loaded is not None:
                restore_from(solo, loaded)
                assert fingerprint(solo) == uncut[number], "what was restored is what was saved"
            while number < cut:
                solo.run_round()
                number += 1
            store.save(solo.steps, checkpoint_parts(solo), replay=solo.save_replay)
            final = fingerprint(solo)
    assert final == uncut[NUM_ROUNDS]


def test_a_wiring_that_goes_back_to_an_older_checkpoint_forgets_what_came_after(
    package: GamePackage, uncut: dict[int, dict[str, str]], tmp_path: Path
) -> None:
    store = store_in(tmp_path / "run", package)
    with wiring(package) as solo:
        for number in range(1, NUM_ROUNDS + 1):
            solo.run_round()
            if number == 6:
                older = store.save(solo.steps, checkpoint_parts(solo), replay=solo.save_replay)
        restore_from(solo, older)
        for number in range(7, NUM_ROUNDS + 1):
            solo.run_round()
            assert fingerprint(solo) == uncut[number]


def test_the_number_of_workers_does_not_change_the_result(
    package: GamePackage, uncut: dict[int, dict[str, str]]
) -> None:
    with wiring(package, actors__num_workers=2) as solo:
        for _ in range(NUM_ROUNDS):
            solo.run_round()
        assert fingerprint(solo) == uncut[NUM_ROUNDS]


def store_in(root: Path, package: GamePackage) -> CheckpointStore:
    from gamefleet.topologies.build import compatibility

    config = make_config(package, SMALL)
    paths = RunPaths(root)
    paths.checkpoints.mkdir(parents=True)
    spec = package.make_game(config.game).spec
    return CheckpointStore(paths, compatibility=compatibility(package, spec, config), fence=lambda: None)
