"""What strangers write as an expression: everything but arithmetic over named features is refused."""

import contextlib
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamefleet.errors import ConfigError
from gamefleet.skills.expression import ExpressionRefusedError, parse_expression
from gamefleet.skills.expression_check import MAX_CHARACTERS, MAX_DEPTH, MAX_NODES
from gamefleet.skills.program import NUM_INSTRUCTIONS, compile_program

NAMES = ("wood", "stone", "health", "near_table")


@pytest.fixture(scope="module")
def corpus(repository: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads(
        (repository / "tests" / "golden" / "skills" / "hostile_expressions.json").read_text()
    )
    return found


def test_the_hostile_corpus_is_large_and_has_no_text_twice(corpus: dict[str, list[str]]) -> None:
    texts = [text for group in corpus.values() for text in group]

    assert len(texts) == len(set(texts)) >= 200


def test_every_hostile_text_is_refused_as_an_expression(corpus: dict[str, list[str]]) -> None:
    accepted = []
    for group in corpus.values():
        for text in group:
            try:
                parse_expression(text, NAMES)
                accepted.append(text)
            except ExpressionRefusedError:
                pass

    assert accepted == []


def test_a_refusal_is_short_however_long_the_text(corpus: dict[str, list[str]]) -> None:
    for group in corpus.values():
        for text in group:
            with pytest.raises(ExpressionRefusedError) as refused:
                parse_expression(text, NAMES)
            assert len(str(refused.value)) < 900
            assert str(refused.value).isprintable()


def test_reading_hostile_texts_imports_and_opens_nothing(corpus: dict[str, list[str]], tmp_path: Path) -> None:
    happened: list[str] = []
    watched = {"open", "import", "exec", "os.system", "subprocess.Popen", "socket.__new__", "ctypes.dlopen"}
    is_watching = True

    def watch(event: str, _: object) -> None:
        # The hook cannot be taken off again. Python's parser announces itself as `compile`, so that is allowed.
        if is_watching and event in watched:
            happened.append(event)

    sys.addaudithook(watch)
    for group in corpus.values():
        for text in group:
            with pytest.raises(ExpressionRefusedError):
                parse_expression(text, NAMES)
    is_watching = False

    assert happened == []


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_and_nothing_else_happens(text: str) -> None:
    with contextlib.suppress(ExpressionRefusedError):
        assert parse_expression(text, NAMES).nodes


@given(st.text(alphabet="()+-*/%<>=!,. 019ewodstnahlifr", max_size=80))
def test_text_of_allowed_characters_is_read_or_refused_too(text: str) -> None:
    try:
        expression = parse_expression(text, NAMES)
    except ExpressionRefusedError:
        return
    assert int(compile_program(expression).length) <= NUM_INSTRUCTIONS


@pytest.mark.parametrize(
    "text",
    [
        "gained(wood)",
        "wood",
        " wood ",
        "3",
        "True",
        "max(gained(wood), 0) + 0.01 * (before(health) - health)",
        "wood >= 3 and health > 0 and not near_table",
        "1.0 if gained(stone) > 0 else -0.01",
        "clip(gained(wood), 0, 1) - 0.1 * max(-gained(health), 0)",
        "min(wood, stone, health, 9) % 2 // 1 / 3",
        "sqrt(abs(wood - stone)) != +2",
        ".5 * wood + 1e-3 + 2.",
    ],
)
def test_what_a_skill_needs_is_allowed(text: str) -> None:
    assert parse_expression(text, NAMES).nodes


def test_an_unknown_name_is_refused_with_the_nearest_feature_and_its_place() -> None:
    with pytest.raises(ExpressionRefusedError, match=r"Unknown name: 'wod' \(character 8\)\. Did you mean 'wood'\?"):
        parse_expression("gained(wod)", NAMES)


def test_a_chain_of_comparisons_is_refused_with_what_to_write_instead() -> None:
    with pytest.raises(ExpressionRefusedError, match="a < b and b < c"):
        parse_expression("1 < wood < 3", NAMES)


def test_a_text_at_the_limits_is_read_and_one_beyond_is_not() -> None:
    longest = f"min({', '.join(['wood'] * 8)})"  # 15 operations
    parse_expression(f"max({', '.join([longest] * 5)})", NAMES)
    parse_expression("-" * MAX_DEPTH + "wood", NAMES)
    parse_expression("1".rjust(MAX_CHARACTERS), NAMES)
    parse_expression("(" * 32 + "wood" + ")" * 32, NAMES)
    parse_expression("1000000", NAMES)
    too_many = f"max({', '.join([longest] * 6)})".replace("wood", "1")
    for text in (
        too_many,
        "-" * (MAX_DEPTH + 1) + "wood",
        "(" * 33 + "wood" + ")" * 33,
        "1".rjust(MAX_CHARACTERS + 1),
        "1000000.5",
    ):
        with pytest.raises(ExpressionRefusedError):
            parse_expression(text, NAMES)


@pytest.mark.parametrize("value", [None, 1, 1.5, b"wood", ["wood"], {"wood": 1}])
def test_what_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(ExpressionRefusedError, match="An expression is a text"):
        parse_expression(value, NAMES)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["min", "before", "and", "a b", "1a", "wöod"])
def test_a_world_whose_features_clash_with_the_language_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="feature's name"):
        parse_expression("wood", ("wood", name))


def test_every_expression_fits_into_a_program() -> None:
    assert MAX_NODES <= NUM_INSTRUCTIONS
