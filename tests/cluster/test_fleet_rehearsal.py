"""The rehearsal of `make fleet-demo` in its short form: a scancel, a laptop without power, and everything adds up."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.mark.long
@pytest.mark.timeout(900)
def test_jobs_and_laptops_train_together_while_one_of_each_is_killed(
    repository: Path, tmp_path: Path, require_program: Callable[[str, str], str]
) -> None:
    for program in ("slurmctld", "ssh", "rsync"):
        require_program(program, "make fleet-demo installs it")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "gamefleet.testing.fleet_rehearsal", "--short", "--seed", "7"),
            *("--config", str(repository / "configs" / "smoke.toml"), "--folder", str(tmp_path / "demo")),
        ],
        capture_output=True,
        text=True,
        timeout=800,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"KILLED job \d+ of red-m\d by scancel, at version \d+", done.stdout)
    assert re.search(r"KILLED (alices|bobs)-laptop by SIGKILL to its \d+ processes", done.stdout)
    assert re.search(r"^  red-m0 +chain of \d+ jobs +[1-9]", done.stdout, re.MULTILINE)
    assert re.search(r"merged versions: [1-9]", done.stdout)
    assert len(re.findall(r"^  ok  ", done.stdout, re.MULTILINE)) == 6
    assert "FAILED" not in done.stdout
