"""The parts of the model client that need no server: answers, prompts, prices, patience, records, the choice."""

import contextlib
import json
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.skills.model_cases import CONTEXT, GOOD, KEY, WOOD, Naps, make_proposer, skill_text

from gamefleet.errors import ConfigError
from gamefleet.skills.catalogue import CatalogueProposer
from gamefleet.skills.client_answer import Answer, GarbledError, find_object, read_answer
from gamefleet.skills.client_endpoint import RequestFailedError, Trouble, find_endpoint
from gamefleet.skills.client_retries import Caller, Patience
from gamefleet.skills.cost import BudgetSpentError, Caps, Meter, Price, find_price, most_tokens, read_prices
from gamefleet.skills.prompts import FOLDER, PLACEHOLDERS, lay_out, load_prompts
from gamefleet.skills.proposer import KnownSkill, ModelAwayError, Usage, plain
from gamefleet.skills.proposer_choice import ProposerSettings, choose_proposer
from gamefleet.skills.replayed import Conversation, Exchange, ReplayProposer
from gamefleet.skills.skill import Skill
from gamefleet.testing.model_server import ModelServer, Reply
from gamefleet.testing.small_model import ask_small_model

PIECES = [b"data: ", b"{", b"}", b"[DONE]", b"\n", b'"a":1']


def chunk(text: str, finish: str | None = None) -> bytes:
    choice = {"delta": {"content": text}, "finish_reason": finish}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


def test_a_stream_is_put_together_with_or_without_its_end_mark() -> None:
    assert read_answer(chunk("a") + chunk("b", "stop") + b"data: [DONE]\n\n").text == "ab"
    assert read_answer(chunk("a") + chunk("b", "length")).finish == "length"
    assert read_answer(chunk("a") + b"data: [DONE]\n\n").finish == "stop"


def test_comments_and_other_fields_of_a_stream_are_passed_over() -> None:
    assert read_answer(b": still here\n\nevent: message\n" + chunk("a", "stop")).text == "a"


def test_a_stream_without_an_end_is_no_answer() -> None:
    with pytest.raises(GarbledError, match="ends in the middle"):
        read_answer(chunk("a") + chunk("b"))


@settings(max_examples=200)
@given(
    st.binary(max_size=200)
    | st.lists(st.sampled_from([b"data: ", b"{", b"}", b"[DONE]", b"\n", b'"a":1'])).map(b"".join)
)
def test_whatever_bytes_come_they_are_an_answer_or_garbled(data: bytes) -> None:
    with contextlib.suppress(GarbledError):
        assert isinstance(read_answer(data), Answer)


@pytest.mark.parametrize("choices", [None, [], "x", [None], [{"delta": None}], [{"delta": {"content": 7}}]])
def test_choices_of_any_shape_are_an_empty_answer(choices: object) -> None:
    assert read_answer(json.dumps({"choices": choices}).encode()).text == ""


@settings(max_examples=200)
@given(st.text(max_size=300))
def test_whatever_a_model_writes_an_object_is_found_or_none(text: str) -> None:
    assert find_object(text) is None or isinstance(find_object(text), dict)
    assert find_object(f"{text.replace('{', '')}{GOOD}") is not None


@given(st.text(max_size=500))
def test_what_is_shown_is_one_printable_line(text: str) -> None:
    assert plain(text, 100).isprintable()
    assert len(plain(text, 100)) <= 100


def test_the_prompt_names_every_feature_action_and_fact(tmp_path: Path) -> None:
    system, request = load_prompts().messages(CONTEXT)

    for name in (*CONTEXT.world.names, *CONTEXT.world.actions, *(fact.name for fact in CONTEXT.world.facts)):
        assert name in system["content"]
    assert "room for 3 more" in request["content"]


def test_a_user_may_edit_one_file_and_leave_the_others(tmp_path: Path) -> None:
    (tmp_path / "request.md").write_text("$$5 for $wanted skills.\n")

    _, request = load_prompts(tmp_path).messages(CONTEXT)

    assert request["content"] == "$5 for 3 skills.\n"


def test_the_limit_of_dependencies_is_the_lower_one(tmp_path: Path) -> None:
    (tmp_path / "limits.toml").write_text("max_dependencies = 2\n")

    prompts = load_prompts(tmp_path)

    assert "at most 2, or null" in prompts.messages(CONTEXT)[0]["content"]
    assert prompts.dependency_limit(replace(CONTEXT, max_dependencies=1)) == 1


def test_a_dependency_beyond_the_limit_goes_back_to_the_model(tmp_path: Path) -> None:
    known = tuple(
        KnownSkill(skill=replace(Skill.from_json(WOOD), name=name), index=index, status="done")
        for index, name in enumerate("ABC")
    )
    answers = [Reply(text=skill_text(depends_on=["A", "B", "C"])), Reply(text=skill_text(depends_on=["A"]))]
    with ModelServer(answers) as server:
        proposal = make_proposer(server, tmp_path).propose(replace(CONTEXT, known=known, max_dependencies=2))

    assert proposal.skill is not None
    assert proposal.skill.depends_on == ("A",)
    assert "more than 2 skills" in server.questions[1].body["messages"][3]["content"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("system.md", "Use $feature.", "Did you mean 'features'"),
        ("request.md", "It costs $5.", "lone \\$"),
        ("limits.toml", "max_dependencys = 3", "Did you mean 'max_dependencies'"),
        ("limits.toml", "max_dependencies = 0", "from 1 to 1000"),
        ("limits.toml", "max_dependencies =", "Not TOML"),
        ("repair.md", "x" * 200_000, "more than"),
    ],
)
def test_a_mistake_in_a_prompt_is_named(name: str, text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)

    with pytest.raises(ConfigError, match=words) as caught:
        load_prompts(tmp_path)
    assert name in str(caught.value.where)


def test_prompts_are_laid_out_for_editing_and_never_overwritten(tmp_path: Path) -> None:
    lay_out(tmp_path / "prompts")
    (tmp_path / "prompts" / "repair.md").write_text("Mine: $reasons")
    lay_out(tmp_path / "prompts")

    expected = {*PLACEHOLDERS, "limits.toml", "prices.toml"}
    assert {path.name for path in (tmp_path / "prompts").iterdir()} == expected
    assert (tmp_path / "prompts" / "repair.md").read_text() == "Mine: $reasons"
    assert (tmp_path / "prompts" / "system.md").read_text() == (FOLDER / "system.md").read_text()


def test_what_a_model_wrote_asks_for_nothing_when_it_comes_back_in_a_prompt() -> None:
    sly = replace(Skill.from_json(WOOD), name="Sly", description="$known $$ {wanted} ${reasons}")
    context = replace(CONTEXT, failures=(), known=(KnownSkill(skill=sly, index=0, status="done"),))

    complaint = load_prompts().complaint(["$known is not a name"])

    assert "$known is not a name" in complaint["content"]
    assert load_prompts().messages(context)


def test_prices_are_a_file_that_users_may_correct(tmp_path: Path) -> None:
    mine = tmp_path / "prices.toml"
    mine.write_text(
        '[models."gpt-5"]\ntokens_in = 2\ntokens_out = 20\n[models."own"]\ntokens_in = 0.5\ntokens_out = 1\n'
    )
    prices = read_prices(mine)

    assert prices["gpt-5"] == Price(tokens_in=2, tokens_out=20)
    assert prices["gpt-4o-mini"] == read_prices()["gpt-4o-mini"]
    assert find_price("own", prices, is_local=True) == Price(tokens_in=0.5, tokens_out=1)
    assert find_price("gpt-5-2025-08-07", prices, is_local=False) == prices["gpt-5"]
    assert find_price("gpt-5-chat", prices, is_local=False) is None
    assert find_price("anything", prices, is_local=True) == Price(tokens_in=0, tokens_out=0)


@pytest.mark.parametrize(
    "text", ["", "models = 3", '[models."x"]\ntokens_in = -1\ntokens_out = 1', '[models."x"]\ntokens_in = 1', "[["]
)
def test_a_mistake_in_prices_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text(text)

    with pytest.raises(ConfigError, match="rice"):
        read_prices(tmp_path / "prices.toml")


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 900))), st.integers(1, 20_000))
def test_no_sequence_of_requests_goes_beyond_a_cap(requests: list[tuple[int, int]], cap: int) -> None:
    meter = Meter(price=Price(tokens_in=1, tokens_out=10), caps=Caps(tokens=cap, cost=0.02))
    for text_bytes, tokens_out in requests:
        try:
            meter.check(most_tokens(text_bytes, 2), 900)
        except BudgetSpentError:
            continue
        meter.add(text_bytes, tokens_out, is_estimated=False)

    assert meter.spent.tokens_in + meter.spent.tokens_out <= cap
    assert (meter.spent.cost or 0) <= 0.02


def test_what_was_spent_before_the_price_was_known_counts_at_that_price() -> None:
    spent = Usage(tokens_in=1_000_000, tokens_out=0, cost=None)

    meter = Meter(price=Price(tokens_in=2, tokens_out=0), caps=Caps(cost=1), spent=spent)

    with pytest.raises(BudgetSpentError, match=r"2.0000 of 1.00"):
        meter.check(1, 1)


def failing(times: int, trouble: Trouble) -> Callable[[], Answer]:
    left = [trouble] * times

    def request() -> Answer:
        if left:
            raise RequestFailedError(left.pop(), "no")
        return Answer(text="", finish="stop")

    return request


def test_waits_double_up_to_a_limit() -> None:
    naps = Naps()
    patience = Patience(tries=9, first_wait_s=1, longest_wait_s=20, requests_per_minute=1e9)
    caller = Caller(patience=patience, clock=lambda: 0.0, sleep=naps, rng=random.Random(1))

    caller.call(failing(8, Trouble.BROKEN))

    waits = [seconds for seconds in naps.seconds if seconds > 1e-3]
    for wait, longest in zip(waits, [1, 2, 4, 8, 16, 20, 20, 20], strict=True):
        assert longest / 2 <= wait <= longest


@pytest.mark.parametrize("trouble", list(Trouble))
def test_only_what_may_pass_is_tried_again(trouble: Trouble) -> None:
    caller = Caller(patience=Patience(tries=2), clock=lambda: 0.0, sleep=Naps(), rng=random.Random(1))

    with pytest.raises(ModelAwayError if trouble.may_pass else RequestFailedError):
        caller.call(failing(2, trouble))


@pytest.mark.parametrize(
    ("address", "is_fine"),
    [
        ("http://127.0.0.1:11434/v1", True),
        ("http://localhost:8080/v1/", True),
        ("http://[::1]:8000/v1", True),
        ("http://10.1.2.3:8000/v1", True),
        ("ftp://127.0.0.1/v1", False),
        ("127.0.0.1:11434", False),
        ("http://user:secret@127.0.0.1/v1", False),
        ("http://127.0.0.1:99999/v1", False),
        ("http://127.0.0.1/v1?key=secret", False),
        ("http:///v1", False),
        ("http://127.0.0.1/\x1b[2J", False),
    ],
)
def test_an_address_is_looked_at_before_anything_is_sent(address: str, is_fine: bool) -> None:
    if is_fine:
        endpoint = find_endpoint({"OPENAI_BASE_URL": address})
        assert endpoint.is_local
        assert not endpoint.base_url.endswith("/")
    else:
        with pytest.raises(ConfigError) as caught:
            find_endpoint({"OPENAI_BASE_URL": address})
        assert "secret" not in str(caught.value)
        assert str(caught.value).isprintable()


@pytest.mark.parametrize("key", ["sk-\nX-Evil: 1", "sk-ünïcode", "two words"])
def test_a_key_that_is_none_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        find_endpoint({"OPENAI_API_KEY": key})
    assert key not in str(caught.value)


def test_a_server_elsewhere_needs_a_key() -> None:
    with pytest.raises(ConfigError, match=r"No key for https://api\.openai\.com/v1"):
        find_endpoint({})


def test_an_endpoint_does_not_show_its_key() -> None:
    assert KEY not in repr(find_endpoint({"OPENAI_API_KEY": KEY}))


@pytest.mark.parametrize(
    ("name", "llm_name", "environment", "line"),
    [
        (None, None, {}, "proposer: catalogue (no network), as neither --llm_name nor OPENAI_API_KEY is set"),
        ("auto", None, {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}, "proposer: catalogue (no network), as neither"),
        ("catalogue", "gpt-4o-mini", {"OPENAI_API_KEY": KEY}, "proposer: catalogue (no network), as asked for"),
        (None, None, {"OPENAI_API_KEY": KEY}, "proposer: gpt-5 at https://api.openai.com/v1, as OPENAI_API_KEY is set"),
        (None, "gpt-4o-mini", {"OPENAI_API_KEY": KEY}, "proposer: gpt-4o-mini at https://api.openai.com/v1, as --llm"),
        (None, "qwen3:4b", {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}, "proposer: qwen3:4b at http://127.0.0.1:9/v1"),
        ("llm", None, {"OPENAI_API_KEY": KEY}, "proposer: gpt-5 at https://api.openai.com/v1, as asked for"),
    ],
)
def test_the_choice_follows_what_is_set_and_says_so(
    name: str | None, llm_name: str | None, environment: dict[str, str], line: str
) -> None:
    proposer, said = choose_proposer(name, llm_name, environment)

    assert said.startswith(line)
    assert "\n" not in said
    assert KEY not in said
    assert isinstance(proposer, CatalogueProposer) == ("catalogue" in line)


def test_the_choice_says_what_is_capped_and_what_is_not() -> None:
    hosted = {"OPENAI_API_KEY": KEY}
    _, known = choose_proposer("llm", "gpt-5", hosted, ProposerSettings(caps=Caps(tokens=10_000, cost=1.5)))
    _, unknown = choose_proposer("llm", "some-model", hosted)
    _, open_line = choose_proposer("llm", "m", {**hosted, "OPENAI_BASE_URL": "http://models.example.org/v1"})

    assert "at most 10000 tokens and 1.50 US dollars" in known
    assert "its price is not known, so dollars are not capped" in unknown
    assert "the line is not encrypted" in open_line


def test_prices_beside_the_prompts_are_the_ones_that_count(tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text('[models."house-model"]\ntokens_in = 1\ntokens_out = 2\n')

    _, line = choose_proposer("llm", "house-model", {"OPENAI_API_KEY": KEY}, ProposerSettings(prompts=tmp_path))

    assert "US dollars" in line


@pytest.mark.parametrize(("name", "llm_name"), [("catalog", None), ("llm", "a\x1b[2J"), ("replay:missing", None)])
def test_a_choice_that_is_none_is_refused(name: str, llm_name: str | None) -> None:
    with pytest.raises(ConfigError):
        choose_proposer(name, llm_name, {"OPENAI_API_KEY": KEY})


def test_a_recorded_conversation_gives_the_same_skills_without_a_server(tmp_path: Path) -> None:
    answers = [Reply(text="nonsense"), Reply(text=GOOD), Reply(text=skill_text(name="Collect_More"))]
    with ModelServer(answers) as server:
        proposer = make_proposer(server, tmp_path)
        first = proposer.propose(CONTEXT).skill
        assert first is not None
        known = (KnownSkill(skill=first, index=0, status="done"),)
        second = proposer.propose(replace(CONTEXT, known=known)).skill

    again, line = choose_proposer(f"replay:{tmp_path / 'conversation.jsonl'}", None, {})
    replayed = [again.propose(CONTEXT), again.propose(replace(CONTEXT, known=known))]

    assert "recorded in" in line
    assert [proposal.skill for proposal in replayed] == [first, second]
    assert all(proposal.usage == Usage() for proposal in replayed)
    assert again.propose(CONTEXT).is_exhausted


def test_a_replay_goes_on_after_a_restart_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "conversation.jsonl"
    for name in ("A", "B", "C"):
        Conversation(path=path).add(Exchange(text=skill_text(name=name), usage=Usage()), {})
    skill = replace(Skill.from_json(WOOD), name="A")
    context = replace(CONTEXT, known=(KnownSkill(skill=skill, index=0, status="failed"),))

    proposal = ReplayProposer(path).propose(context)

    assert proposal.skill is not None
    assert proposal.skill.name == "B"


def test_a_line_that_a_power_cut_left_half_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "conversation.jsonl"
    record = Conversation(path=path)
    record.add(Exchange(text="one", usage=Usage(tokens_in=5)), {})
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:40])
    record.add(Exchange(text="two", usage=Usage(tokens_in=7)), {})

    assert [exchange.text for exchange in record.exchanges()] == ["one", "two"]
    assert record.usage().tokens_in == 12


@pytest.mark.parametrize("line", ["{}", "7", "null", '{"text": 1}', "[" * 9000, '{"usage": {"cost": "free"}}'])
def test_lines_that_are_no_exchange_are_passed_over(line: str, tmp_path: Path) -> None:
    path = tmp_path / "conversation.jsonl"
    path.write_text(line + "\n")

    assert Conversation(path=path).exchanges() == []
    with pytest.raises(ConfigError, match="No recorded conversation"):
        ReplayProposer(path)


def test_the_prompts_that_come_along_are_whole(tmp_path: Path) -> None:
    for name in PLACEHOLDERS:
        shutil.copy(FOLDER / name, tmp_path / name)
    load_prompts(tmp_path)
    for name, placeholders in PLACEHOLDERS.items():
        text = (FOLDER / name).read_text()
        assert [word for word in placeholders if f"${word}" not in text] == []


def test_the_small_model_program_says_what_came_of_each_answer(tmp_path: Path) -> None:
    lines: list[str] = []
    answers = [Reply(text=GOOD), *[Reply(text="Wood! Wood! Wood!")] * 4, Reply(status=401, text="no")]
    with ModelServer(answers) as server:
        variables = {"OPENAI_BASE_URL": server.base_url, "GAMEFLEET_PROPOSALS_CACHE": ""}
        found = ask_small_model(variables, tmp_path, 3, lines.append)

    assert found == 1
    assert lines[1].startswith("1: Collect_Wood, would be trained (2 requests")
    assert "4 answers in a row were no skill" in lines[2]
    assert lines[3].startswith("3: no answer")
