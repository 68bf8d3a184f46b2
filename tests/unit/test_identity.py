"""Ids, seeds and hashes are the same on every machine, and differ where they must."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamefleet.identity import Identity, compatibility_hash, derive_seed, first_difference, fresh_run_name

LEAVES = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4)
SETTINGS = st.recursive(
    st.dictionaries(st.text(max_size=3), LEAVES, max_size=4),
    lambda inner: st.dictionaries(st.text(max_size=3), LEAVES | inner, max_size=4),
    max_leaves=8,
)


def hash_of(**parts: object) -> str:
    whole: dict[str, object] = {"game_version": "1", "observation": {}, "reward": {}, "architecture": {}}
    return compatibility_hash(**{**whole, **parts})  # type: ignore[arg-type]


def test_an_identity_reads_from_the_run_to_the_environment() -> None:
    assert str(Identity(run="demo", attempt=2, environment="e3")) == "demo/attempt 2/m0/a0/e3"


def test_unknown_levels_of_an_identity_are_left_out() -> None:
    assert str(Identity(run="demo")) == "demo/m0/a0"


def test_seeds_never_change_because_resumed_runs_depend_on_them() -> None:
    assert derive_seed(0, purpose="reset") == 6899638218779071134
    assert derive_seed(7, purpose="replay", member="m1", actor="a2", environment="e3") == 3869087709117934895


def test_seeds_do_not_depend_on_the_process() -> None:
    program = "from gamefleet.identity import derive_seed; print(derive_seed(3, purpose='exploration'))"

    printed = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }

    assert printed == {f"{derive_seed(3, purpose='exploration')}\n".encode()}


@pytest.mark.parametrize(
    "other",
    [
        {"run_seed": 2},
        {"purpose": "replay"},
        {"member": "m1"},
        {"actor": "a1"},
        {"environment": "e0"},
        {"member": "a0", "actor": "m0"},
    ],
)
def test_every_level_has_a_stream_of_its_own(other: dict[str, object]) -> None:
    ours: dict[str, object] = {"run_seed": 1, "purpose": "reset"}

    assert derive_seed(**ours) != derive_seed(**{**ours, **other})  # type: ignore[arg-type]


def test_names_that_run_together_do_not_share_a_stream() -> None:
    assert derive_seed(1, purpose="x", member="m1", actor="1a") != derive_seed(1, purpose="x", member="m11", actor="a")


@given(st.integers(), st.text())
def test_seeds_fit_in_63_bits(run_seed: int, purpose: str) -> None:
    assert 0 <= derive_seed(run_seed, purpose=purpose) < 2**63


def test_neighbouring_seeds_share_no_bits_by_rule() -> None:
    seeds = [derive_seed(number, purpose="reset") for number in range(2000)]

    assert len(set(seeds)) == 2000
    for bit in range(63):
        share = sum(seed >> bit & 1 for seed in seeds) / len(seeds)
        assert 0.4 < share < 0.6


@pytest.mark.parametrize("part", ["observation", "reward", "architecture"])
def test_the_hash_changes_with_every_part(part: str) -> None:
    assert hash_of() != hash_of(**{part: {"a": 1}})
    assert hash_of() != hash_of(game_version="2")


def test_the_same_settings_in_another_part_give_another_hash() -> None:
    assert hash_of(reward={"a": 1}) != hash_of(architecture={"a": 1})


def test_the_hash_does_not_depend_on_the_order_of_keys() -> None:
    assert hash_of(reward={"a": 1, "b": {"c": 2, "d": 3}}) == hash_of(reward={"b": {"d": 3, "c": 2}, "a": 1})


def test_a_setting_that_is_not_a_number_is_refused_rather_than_hashed() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        hash_of(reward={"badges": float("nan")})


def test_the_first_difference_is_named_by_its_path_with_both_values() -> None:
    ours = {"reward": {"badges": 5.0, "levels": 1.0}, "version": "1"}
    theirs = {"reward": {"badges": 1.0, "levels": 2.0}, "version": "1"}

    assert first_difference(ours, theirs) == "reward.badges: 5.0 here, 1.0 there"


def test_a_key_that_only_one_side_has_is_a_difference() -> None:
    assert first_difference({"core": "gru"}, {}) == "core: 'gru' here, '(absent)' there"
    assert first_difference({}, {"core": "gru"}) == "core: '(absent)' here, 'gru' there"


@given(SETTINGS, SETTINGS)
def test_settings_hash_alike_exactly_when_no_difference_can_be_named(
    ours: dict[str, object], theirs: dict[str, object]
) -> None:
    assert (hash_of(reward=ours) == hash_of(reward=theirs)) == (first_difference(ours, theirs) == "")


@given(SETTINGS)
def test_settings_do_not_differ_from_themselves(settings: dict[str, object]) -> None:
    assert first_difference(settings, settings) == ""


def test_fresh_run_names_begin_with_the_game_and_are_plain_folder_names() -> None:
    names = {fresh_run_name("red") for _ in range(20)}

    assert len(names) > 15
    assert all(name.startswith("red-") and "/" not in name and " " not in name for name in names)
