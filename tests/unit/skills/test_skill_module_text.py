"""The module that people read says what the skill says; it is proved without running it, and here by running it."""

import importlib.util
import itertools
import random
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from tests.unit.skills.random_expressions import NAMES, random_expressions, random_states

from gamefleet.skills.expression import parse_expression
from gamefleet.skills.module_text import disagreements, write_module
from gamefleet.skills.skill import Skill

NUM_SKILLS = 60


def make(reward: str, success: str, **rest: str) -> Skill:
    return Skill(name="Make_Pickaxe", gain={"stone": 2}, reward=reward, success=success, max_steps=50, **rest)  # type: ignore[arg-type]


def load(text: str, folder: Path) -> ModuleType:
    """Import a module that was just written; each has a name of its own."""
    path = folder / f"module_{abs(hash(text))}.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ordinary_states(seed: int, num: int) -> np.ndarray:
    states = random_states(seed, num)
    is_ordinary = np.isfinite(states) & (np.abs(states) < 100) & (np.abs(states) > 1e-3)
    return np.where(is_ordinary, states, 0).astype(np.float32)


def test_the_head_is_the_one_that_people_look_for() -> None:
    text = write_module(make("gained(stone)", "stone >= 2"), [0, 1, 5], NAMES)

    assert text.splitlines()[:4] == [
        "# Auto-generated training module for: Make_Pickaxe",
        "# Global expert index: 5",
        "GLOBAL_TO_LOCAL = {0: 0, 1: 1, 5: 2}",
        "LOCAL_TO_GLOBAL = {0: 0, 1: 1, 2: 5}",
    ]


def test_a_module_can_be_imported_and_its_functions_called(tmp_path: Path) -> None:
    skill = make("gained(stone) - 0.1 * (wood % 2)", "stone >= 2 and near_table", description='a "quoted" \\ text')
    module = load(write_module(skill, [3], NAMES), tmp_path)
    now, before = dict.fromkeys(NAMES, 1.0) | {"stone": 2.0}, dict.fromkeys(NAMES, 0.0)

    assert module.reward(now, before) == pytest.approx(1.9)
    assert module.success(now, before) is True
    assert (skill.name, skill.description, {"stone": 2}) == (module.NAME, module.DESCRIPTION, module.GAIN)


def test_modules_of_random_skills_give_what_the_tree_gives_on_random_states(tmp_path: Path) -> None:
    # Where values leave the tree's range it cuts them and plain Python does not.
    chosen = (
        one for one in random_expressions(11, 4 * NUM_SKILLS) if "999999" not in one.text and "1e-9" not in one.text
    )
    expressions = list(itertools.islice(chosen, 2 * NUM_SKILLS))
    now, before = ordinary_states(1, 24), ordinary_states(2, 24)
    for reward, success in zip(expressions[::2], expressions[1::2], strict=True):
        skill = make(reward.text, success.text)
        text = write_module(skill, [0, 7], NAMES)
        assert disagreements(text, skill, NAMES, now, before) == []

        module = load(text, tmp_path)
        rows = [
            (dict(zip(NAMES, a.tolist(), strict=True)), dict(zip(NAMES, b.tolist(), strict=True)))
            for a, b in zip(now, before, strict=True)
        ]
        rewards = [module.reward(*row) for row in rows]
        successes = [module.success(*row) for row in rows]

        # In double precision both sides round alike.
        exact = reward.evaluate(np, now.astype(np.float64), before.astype(np.float64))
        np.testing.assert_allclose(rewards, exact, rtol=1e-9, atol=1e-15, err_msg=reward.text)
        assert successes == (success.evaluate(np, now.astype(np.float64), before.astype(np.float64)) != 0).tolist()


def test_a_module_that_was_changed_is_found_out() -> None:
    skill = make("gained(stone) / 3", "stone >= 2")
    text = write_module(skill, [0, 1, 5], NAMES)
    now, before = ordinary_states(3, 64), ordinary_states(4, 64)
    changes = [
        (", 3)", ", 4)", "reward differs"),
        (">= 2", ">= 3", "success differs"),
        ("'Make_Pickaxe'", "'Make_Sword'", "NAME is"),
        ("{0: 0, 1: 1, 2: 5}", "{0: 0, 1: 1, 2: 6}", "do not undo"),
        ("def reward", "def rewards", "reward is no expression"),
        ("float(", "float(__import__('os').getpid() + ", "reward is no expression"),
        ("bool(", "bool(open('x').read() or ", "success is no expression"),
        ("GAIN = {'stone': 2}", "GAIN = {[]: 2}", "cannot be read"),
        ("def success", "def def success", "cannot be read"),
        ("GAIN", "x" * 30_000, "cannot be read"),
    ]

    assert disagreements(text, skill, NAMES, now, before) == []
    for old, replacement, reason in changes:
        changed = text.replace(old, replacement)
        assert changed != text
        found = disagreements(changed, skill, NAMES, now, before)
        assert any(reason in line for line in found), (old, found)


def test_names_and_words_of_strangers_are_literals_in_the_module() -> None:
    rng = random.Random(0)
    letters = "\"'\\#\n{}()abc;=é"
    for _ in range(50):
        words = "".join(rng.choices(letters, k=30))
        text = write_module(make("wood", "wood", description=words), [0], NAMES)

        assert f"DESCRIPTION = {words!a}\n" in text


def test_reading_back_and_parsing_again_gives_the_same_tree() -> None:
    for expression in random_expressions(5, 50):
        assert parse_expression(expression.text, NAMES).nodes == expression.nodes
