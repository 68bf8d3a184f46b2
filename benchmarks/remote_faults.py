"""What happens to a run when the line breaks, or either side of it?

Real processes on this machine: a learner and a coordinator of a small run whose result is known from one machine. Each
case does something to them; the hash of the final weights says whether an update was lost or applied twice. Network
namespaces and the full disk need root. With `--write` the table goes into docs/reliability.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "reliability.md"
BEGIN, END = "<!-- remote faults -->", "<!-- end of remote faults -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/reliability.md")
    parser.add_argument("--kills", type=int, default=25, help="of each side")
    parser.add_argument("--sleep-s", type=float, default=30.0)
    parser.add_argument("--only", default="", help="names of cases, with commas between")
    arguments = parser.parse_args()
    sys.path.insert(0, str(REPOSITORY))
    from tests.topologies import remote_cases

    from gamefleet.transport.link_settings import LinkTimes
    from table import markdown, provenance

    usual = LinkTimes()
    cases: dict[str, Callable[[], remote_cases.Found]] = {
        "learner": partial(remote_cases.killed, "learner", arguments.kills, seed=1),
        "coordinator": partial(remote_cases.killed, "coordinator", arguments.kills, seed=1),
        "asleep": partial(remote_cases.asleep, arguments.sleep_s, usual),
        "half_open": partial(remote_cases.half_open, arguments.sleep_s / 2, usual),
        "older_checkpoint": remote_cases.older_checkpoint,
        "disturbed": partial(remote_cases.disturbed, 20),
        "tunnel": partial(remote_cases.tunnel, 3),
        "two_coordinators": remote_cases.two_coordinators,
        "taken": remote_cases.taken,
        "wrong_token": remote_cases.wrong_token,
        "strangers": partial(remote_cases.strangers, 1000),
        "fuzzed": partial(remote_cases.fuzzed, 20_000, seed=1),
        "full_disk": remote_cases.full_disk,
    }
    chosen = arguments.only.split(",") if arguments.only else list(cases)
    rows = []
    for name in chosen:
        rows.append(remote_cases.as_row(cases[name]()))
        print(rows[-1], flush=True)
    table = markdown(rows)
    print(table)
    if arguments.write:
        facts = "\n".join(f"- {key}: {value}" for key, value in provenance().items())
        text = PAGE.read_text()
        before, after = text.split(BEGIN)[0], text.split(END)[1]
        PAGE.write_text(f"{before}{BEGIN}\n{facts}\n\n{table}\n{END}{after}")


if __name__ == "__main__":
    main()
