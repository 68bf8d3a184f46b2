"""Where the simulator is installed, and how it gets there.

Job: find Node and the npm package, and install the package from the lock file beside this module. Place in the data
flow: before any battle; `make showdown` runs it. Left out: talking to the simulator (`host`).

The package is Pokémon Showdown (MIT licence), in the version that the lock file names, with a checksum of every file
that npm fetches. Optional packages, which only its public server needs, and install scripts are left out.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from gamefleet.errors import MissingDependencyError

PLACE = "GAMEFLEET_SHOWDOWN"
"""Environment variable: a folder where the simulator is installed, or shall be."""

REMEDY = "`python -m gamefleet.games.showdown.host.install` (or `make showdown`) installs it; it needs Node 18 and npm."
OLDEST_NODE = 18
PACKAGE = "pokemon-showdown"
SOURCES = Path(__file__).resolve().parent
"""The folder with the lock file and the JavaScript."""


def wanted_version() -> str:
    """The version of the simulator that everything here is made for."""
    wanted: str = json.loads((SOURCES / "package.json").read_text())["dependencies"][PACKAGE]
    return wanted


def install_folder(environ: Mapping[str, str]) -> Path:
    """Where the simulator belongs: what the environment says, or a cache folder of the user."""
    if environ.get(PLACE):
        return Path(environ[PLACE])
    cache = environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "gamefleet" / f"showdown-{wanted_version()}"


def find_node() -> str:
    """The path of Node.

    Raises:
        MissingDependencyError: There is none, or it is too old.
    """
    node = shutil.which("node")
    if node is None:
        raise MissingDependencyError(
            "Node is not installed, and the Pokémon Showdown simulator runs in it",
            remedy="Install Node 18 or newer (Debian: `apt install nodejs npm`; without root: https://nodejs.org).",
        )
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    found = re.match(r"v(\d+)\.", said)
    if found is None or int(found[1]) < OLDEST_NODE:
        raise MissingDependencyError("This Node is too old", value=said, where=node, remedy="Install Node 18 or newer.")
    return node


def find_package(environ: Mapping[str, str]) -> Path:
    """The folder of the installed npm package.

    Raises:
        MissingDependencyError: It is not installed, or in another version.
    """
    folder = install_folder(environ)
    for place in (folder / "node_modules" / PACKAGE, folder):
        manifest = place / "package.json"
        if (place / "dist" / "sim").is_dir() and manifest.is_file():
            version = json.loads(manifest.read_text()).get("version")
            if version == wanted_version():
                return place
            raise MissingDependencyError(
                f"The simulator is installed in version {version}; {wanted_version()} is needed",
                where=place,
                remedy=REMEDY,
            )
    raise MissingDependencyError("The Pokémon Showdown simulator is not installed", where=folder, remedy=REMEDY)


def install(environ: Mapping[str, str]) -> Path:
    """Install the simulator where it belongs, unless it is there.

    Returns:
        The folder of the package.

    Raises:
        MissingDependencyError: Node or npm are missing, or npm failed.
    """
    find_node()
    try:
        return find_package(environ)
    except MissingDependencyError:
        pass
    npm = shutil.which("npm")
    if npm is None:
        raise MissingDependencyError("npm is not installed", remedy="It comes with Node (Debian: `apt install npm`).")
    folder = install_folder(environ)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(SOURCES / name, folder / name)
    command = [npm, "ci", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MissingDependencyError(
            "npm could not install the Pokémon Showdown simulator",
            value=(done.stderr or done.stdout).strip()[-600:],
            where=folder,
            remedy=f"With a network: `cd {folder} && {' '.join(command[1:4])}`. Without one, copy that folder from a"
            f" machine that has it and set {PLACE}.",
        )
    return find_package(environ)


def main() -> None:
    """Install, and say where."""
    try:
        place = install(os.environ)
    except MissingDependencyError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
    sys.stdout.write(f"Pokémon Showdown {wanted_version()} (MIT) is in {place}\n")


if __name__ == "__main__":
    main()
