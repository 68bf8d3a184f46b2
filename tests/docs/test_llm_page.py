"""The page about models says the prices, caps and names that the code has."""

import re
from pathlib import Path

import pytest

from gamefleet.skills.cache import CACHE_VARIABLE
from gamefleet.skills.client import ModelSettings
from gamefleet.skills.client_endpoint import Endpoint
from gamefleet.skills.client_retries import Patience
from gamefleet.skills.cost import PRICES, Caps, read_prices
from gamefleet.skills.prompts import FOLDER
from gamefleet.skills.proposer_choice import DEFAULT_MODEL, NAMES

QUESTION_TOKENS, ANSWER_TOKENS, THINKING_ANSWER_TOKENS, NUM_SKILLS = 4000, 300, 4000, 20


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs" / "llm.md").read_text()


def test_the_table_of_prices_is_the_file(page: str) -> None:
    rows = re.findall(r"^\| `(gpt-[^`]+)` \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", page, re.MULTILINE)
    prices = read_prices()

    assert {name for name, *_ in rows} == set(prices)
    for name, tokens_in, tokens_out, cost in rows:
        price = prices[name]
        answer = THINKING_ANSWER_TOKENS if name.startswith("gpt-5") else ANSWER_TOKENS
        assert (float(tokens_in), float(tokens_out)) == (price.tokens_in, price.tokens_out)
        assert f"{price.of(NUM_SKILLS * QUESTION_TOKENS, NUM_SKILLS * answer):.2f}" == cost


def test_the_numbers_are_the_defaults(page: str) -> None:
    assert f"({Caps().tokens:,})" in page
    assert f"({Caps().cost:.0f} US dollars)" in page
    assert (ModelSettings().max_repairs, Patience().tries) == (3, 5)
    assert (Patience().longest_wait_s, Patience().longest_asked_s) == (60, 300)
    endpoint = Endpoint(base_url="http://127.0.0.1/v1", key="")
    assert (endpoint.read_timeout_s, endpoint.total_timeout_s) == (120, 600)


def test_every_name_is_the_code_s(page: str) -> None:
    for word in (DEFAULT_MODEL, CACHE_VARIABLE, *NAMES[1:], *(path.name for path in FOLDER.iterdir()), PRICES.name):
        assert word in page
