"""What people see of a run on recorded play: one game that was set aside, with what the network thinks of it.

Job: write `media/now.json` after an evaluation. Place in the data flow: a network and a record -> the run folder ->
the dashboard's panel of the game. Left out: drawing, and curves.

The network is asked in the form and precision in which it learns: another form would be compiled anew, and might need
memory that training leaves no room for. Should it go wrong all the same, training goes on without the picture.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from gamefleet.errors import GamefleetError
from gamefleet.files import write_bytes
from gamefleet.games.recorded import RecordedGame
from gamefleet.learners.sequence import SequenceLearner
from gamefleet.models.decoder import SequenceOutput
from gamefleet.topologies.sequence.data import Corpus
from gamefleet.topologies.snapshot import WORDS

log = logging.getLogger(__name__)

MISHAPS = (GamefleetError, RuntimeError, ValueError, LookupError)
"""What asking a network about a record can end in: a lack of memory and compilers raise `RuntimeError`, NaN that JSON
cannot hold `ValueError`, a record that names what the game's tables do not have `LookupError`."""


def show_record(
    recorded: RecordedGame, corpus: Corpus, media: Path, learner: SequenceLearner, step: int, *, shape: tuple[int, int]
) -> None:
    """Describe a record, another one each time; nothing that goes wrong here is worth a run, so it is logged.

    Args:
        recorded: The game; nothing is written where no panel of it shows records.
        corpus: Records set aside, or else those that are learned from.
        media: Folder of the run.
        learner: Whose network is asked, in evaluation mode.
        step: Of the run.
        shape: Rows and decisions of a micro-batch.
    """
    if recorded.describe is None:
        return
    shown = corpus.aside or corpus.chosen
    number = int(shown.record[step % len(shown)])
    try:
        panels = recorded.describe(corpus.dataset.read(number), AsTrained(learner, shape), str(learner.device))
        told = {"step": step, "time": time.time(), "panels": panels}
        text = json.dumps(told, separators=(",", ":"), allow_nan=False)
        write_bytes(media / WORDS, text.encode())
    except MISHAPS as error:
        said = str(error).partition("\n")[0]
        log.warning("training goes on; record %d was not shown: %s: %s", number, type(error).__name__, said)


class AsTrained(nn.Module):
    """A network that is asked in rows and precision of training, whatever form a question has.

    Trajectories that are longer than a row are cut, as they are for training.

    Args:
        learner: Whose network it is.
        shape: Rows and decisions of a micro-batch.
    """

    def __init__(self, learner: SequenceLearner, shape: tuple[int, int]) -> None:
        super().__init__()
        self.network = learner.network
        self._learner, self._shape = learner, shape

    def forward(self, obs: Mapping[str, Tensor], segment: Tensor, position: Tensor) -> SequenceOutput:
        """See `SequenceNetwork`."""
        with torch.inference_mode(mode=False), torch.no_grad():  # as in evaluations, whatever is around this
            return self._answer(obs, segment.long(), position.long())

    def _answer(self, obs: Mapping[str, Tensor], segment: Tensor, position: Tensor) -> SequenceOutput:
        rows, places = self._shape
        count, length = segment.shape
        parts = {name: in_rows(array, self._shape) for name, array in obs.items()}
        segments, positions = (in_rows(array, self._shape) for array in (segment, position % places))
        found = []
        for begin in range(0, len(segments), rows):
            batch = slice(begin, begin + rows)
            with self._learner.autocast():
                part = {name: array[batch] for name, array in parts.items()}
                found.append(self.network(part, segments[batch], positions[batch]))
        logits, value = (
            torch.cat(heads)[: count * -(-length // places)].reshape(count, -1, *heads[0].shape[2:])[:, :length]
            for heads in ([one.logits for one in found], [one.value for one in found])
        )
        return SequenceOutput(logits=logits, value=value)


def in_rows(array: Tensor, shape: tuple[int, int]) -> Tensor:
    """Cut `[trajectories, decisions, ...]` into rows, and fill up with empty ones to whole batches."""
    rows, places = shape
    count, length, *rest = array.shape
    padded = array.new_zeros((count, -(-length // places) * places, *rest))
    padded[:, :length] = array
    cut = padded.reshape(-1, places, *rest)
    return torch.cat([cut, cut.new_zeros((-len(cut) % rows, places, *rest))])
