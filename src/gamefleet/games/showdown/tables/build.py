"""Write the tables from the simulator's npm package: `python -m gamefleet.games.showdown.tables.build --package DIR`.

Job: keep the files beside this module regenerable. Place in the data flow: run by hand when the simulator's version
changes; a test runs it again and compares. Left out: volatiles.tsv, which is written by hand.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

from gamefleet.errors import MissingDependencyError
from gamefleet.files import write_bytes
from gamefleet.games.showdown.tables import SOURCE

HERE = Path(__file__).parent


def tables(package: Path) -> dict[str, str]:
    """The text of every table by name, from the simulator in `package`.

    Raises:
        MissingDependencyError: node or the package is not there, or node failed.
    """
    try:
        done = subprocess.run(
            ["node", str(HERE / "facts.js"), str(package.resolve())], capture_output=True, check=True, timeout=300
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise MissingDependencyError(
            "the simulator's facts cannot be read",
            value=str(error),
            where=package,
            remedy="Install node, run `make showdown` and name the folder of its pokemon-showdown package.",
        ) from error
    comment = f"# Written by gamefleet.games.showdown.tables.build from {SOURCE}; do not edit.\n"
    return {name: comment + text for name, text in json.loads(done.stdout).items()}


def main() -> None:
    """Rewrite every table beside this module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--package", type=Path, required=True, help="folder of the npm package pokemon-showdown")
    for name, text in tables(parser.parse_args().package).items():
        write_bytes(HERE / f"{name}.tsv", text.encode())


if __name__ == "__main__":
    main()
