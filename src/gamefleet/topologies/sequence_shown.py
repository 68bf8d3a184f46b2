"""What people see of a run on recorded play: one game that was set aside, with what the network thinks of it.

Job: write `media/now.json` after an evaluation. Place in the data flow: a network and a record -> the run folder ->
the dashboard's panel of the game. Left out: drawing, and curves.
"""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

from torch import nn

from gamefleet.errors import GamefleetError
from gamefleet.files import write_bytes
from gamefleet.games.recorded import RecordedGame
from gamefleet.topologies.sequence_data import Corpus
from gamefleet.topologies.snapshot import WORDS

log = logging.getLogger(__name__)


def show_record(recorded: RecordedGame, corpus: Corpus, media: Path, network: nn.Module, step: int) -> None:
    """Describe a record, another one each time; nothing that goes wrong here is worth a run, so it is logged.

    Args:
        recorded: The game; nothing is written where no panel of it shows records.
        corpus: Records set aside, or else those that are learned from.
        media: Folder of the run.
        network: In evaluation mode, on its device.
        step: Of the run.
    """
    if recorded.describe is None:
        return
    shown = corpus.aside or corpus.chosen
    number = int(shown.record[step % len(shown)])
    device = str(next(network.parameters()).device)
    try:
        panels = recorded.describe(corpus.dataset.read(number), network, device)
        told = {"step": step, "time": time.time(), "panels": panels}
        text = json.dumps(told, separators=(",", ":"), allow_nan=False)
        write_bytes(media / WORDS, text.encode())
    except GamefleetError as error:
        log.warning("no record was shown: %s", error)
