"""A record is shown as training sees it, and whatever goes wrong with that does not end training."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from gamefleet.errors import IncompatibleError
from gamefleet.learners.sequence import Precision, SequenceLearner
from gamefleet.learners.sequence_settings import SequenceSettings
from gamefleet.testing.toys import recorded
from gamefleet.topologies.sequence.config import make_sequence_config
from gamefleet.topologies.sequence.data import Corpus, open_corpus, prepare
from gamefleet.topologies.sequence.shown import AsTrained, show_record
from gamefleet.topologies.snapshot import WORDS

ROWS, PLACES = 2, 8


def learner(precision: Precision = "float32") -> SequenceLearner:
    torch.manual_seed(0)
    network = recorded.make_network({})
    network.eval()
    return SequenceLearner(network, SequenceSettings(), batch_size=16, total_steps=1, precision=precision)


@pytest.fixture
def corpus(tmp_path: Path) -> Iterator[Corpus]:
    settings = make_sequence_config(recorded.PACKAGE, {"data": {"mock": True, "mock_records": 60}}).data
    found = open_corpus(recorded.PACKAGE, prepare(recorded.PACKAGE, settings, tmp_path), settings)
    with closing(found.dataset):
        yield found


def show(corpus: Corpus, media: Path, describe: Callable[..., Mapping[str, Any]]) -> None:
    media.mkdir()
    game = replace(recorded.recorded(), describe=describe)
    show_record(game, corpus, media, learner(), 3, shape=(ROWS, PLACES))


def question(length: int) -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor]:
    """A trajectory of that length, as a game's panel asks about it."""
    rng = torch.Generator().manual_seed(length)
    obs = {
        "cue": torch.randint(4, (1, length), generator=rng, dtype=torch.uint8),
        "legal": torch.full((1, length, 1), 0b11110000, dtype=torch.uint8),
    }
    place = torch.arange(length, dtype=torch.int32)[None]
    return obs, torch.ones_like(place), place


@pytest.mark.parametrize(
    "mishap",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nOf the allocated memory ..."),
        RuntimeError("the compiler could not"),
        ValueError("not this form"),
        IndexError("list index out of range"),
        IncompatibleError("The bytes are no record"),
    ],
    ids=lambda mishap: type(mishap).__name__,
)
def test_a_record_that_cannot_be_shown_is_one_line_in_the_log(
    corpus: Corpus, tmp_path: Path, mishap: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def describe(data: bytes, network: Any, device: str) -> Mapping[str, Any]:
        raise mishap

    show(corpus, tmp_path / "media", describe)

    (line,) = caplog.messages
    assert line.startswith("training goes on; record ")
    assert f"{type(mishap).__name__}: {str(mishap).splitlines()[0]}" in line
    assert "\n" not in line
    assert list((tmp_path / "media").iterdir()) == []


def test_numbers_that_are_none_are_not_shown(corpus: Corpus, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    show(corpus, tmp_path / "media", lambda data, network, device: {"win": float("nan")})

    assert "ValueError" in caplog.text


def test_a_record_is_shown_with_what_the_network_says(corpus: Corpus, tmp_path: Path) -> None:
    def describe(data: bytes, network: Any, device: str) -> Mapping[str, Any]:
        with torch.inference_mode():
            return {"device": device, "values": network(*question(5)).value[0].tolist()}

    show(corpus, tmp_path / "media", describe)

    told = json.loads((tmp_path / "media" / WORDS).read_text())
    assert (told["step"], told["panels"]["device"], len(told["panels"]["values"])) == (3, "cpu", 5)


@pytest.mark.parametrize("length", [1, 5, 8, 9, 16, 20])
def test_a_network_is_asked_in_the_form_of_training_and_answers_as_to_its_rows(length: int) -> None:
    asked = learner()
    forms = []
    asked.network.register_forward_pre_hook(
        lambda _network, inputs: forms.append((*inputs[1].shape, inputs[1].dtype, torch.is_inference_mode_enabled()))
    )
    obs, segment, position = question(length)

    with torch.inference_mode():
        found = AsTrained(asked, (ROWS, PLACES))(obs, segment, position)
    assert set(forms) == {(ROWS, PLACES, torch.int64, False)}
    with torch.no_grad():
        rows = [slice(begin, begin + PLACES) for begin in range(0, length, PLACES)]
        expected = [
            asked.network({name: array[:, row] for name, array in obs.items()}, segment[:, row], position[:, row] % 8)
            for row in rows
        ]

    torch.testing.assert_close(found.logits, torch.cat([one.logits for one in expected], dim=1))
    torch.testing.assert_close(found.value, torch.cat([one.value for one in expected], dim=1))


def test_a_network_is_asked_in_the_precision_of_training() -> None:
    asked = learner("bfloat16")
    seen = []
    asked.network.register_forward_pre_hook(lambda *_: seen.append(torch.is_autocast_enabled("cpu")))

    with torch.no_grad():
        AsTrained(asked, (ROWS, PLACES))(*question(5))

    assert seen == [True]
