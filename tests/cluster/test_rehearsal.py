"""The rehearsal of `make cluster-demo` in its short form: a limit, a scancel, a lost node, and nothing lost."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gamefleet.testing.local_slurm import LocalSlurm


@pytest.mark.long
def test_a_real_run_survives_a_limit_a_scancel_and_a_lost_node(
    slurm: LocalSlurm, repository: Path, tmp_path: Path
) -> None:
    # The fixture stands for "the packages are there"; the rehearsal starts a SLURM of its own.
    done = subprocess.run(
        [
            *(sys.executable, "-m", "gamefleet.testing.rehearsal", "--limits", "1"),
            *("--config", str(repository / "configs" / "smoke.toml"), "--runs-folder", str(tmp_path)),
        ],
        capture_output=True,
        text=True,
        timeout=1700,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "was cancelled; leg" in done.stdout
    assert re.search(r"the node n\d of leg \d+ \(job \d+\) was killed", done.stdout)
    assert "steps lost: 0;" in done.stdout
    [run] = tmp_path.glob("cluster-demo-*")
    assert len(list((run / "fleet" / "m0" / "legs").iterdir())) >= 4
    assert json.loads((run / "state.json").read_text())["status"] == "stopped"
