"""A process that parses the parts it is given.

Job: read part numbers from standard input, make them, answer on standard output. Place in the data flow: started by
`pool`. Left out: which parts are to be made.

Started as `python -P -m gamefleet.topologies.recorded.worker OUTPUT_DIR`. It ends with its input, which the kernel
closes even for a parent that was killed; a part that is in work then is finished or left, and never half there.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TextIO

import msgspec

from gamefleet.errors import GamefleetError
from gamefleet.topologies.recorded.parts import PartReport, load_plan, make_part


class Answer(msgspec.Struct, kw_only=True):
    """What became of one part.

    Attributes:
        part: Its number.
        report: Its counts; None when it could not be made.
        error: Why, in the words of the error; then empty otherwise.
    """

    part: int
    report: PartReport | None = None
    error: str = ""


def serve(folder: Path, numbers: TextIO, answers: TextIO) -> None:
    """Make parts until the input ends."""
    plan = load_plan(folder)
    for line in numbers:
        number = int(line)
        try:
            answer = Answer(part=number, report=make_part(folder, plan, number))
        except GamefleetError as error:
            answer = Answer(part=number, error=str(error))
        answers.write(msgspec.json.encode(answer).decode() + "\n")
        answers.flush()


if __name__ == "__main__":
    try:
        serve(Path(sys.argv[1]), sys.stdin, sys.stdout)
    except BrokenPipeError:  # the parent is gone
        sys.exit(1)
