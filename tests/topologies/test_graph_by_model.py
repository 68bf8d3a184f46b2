"""A graph whose skills a model proposes: the whole command against a server that misbehaves now and then."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gamefleet.skills.catalogue import CatalogueProposer
from gamefleet.skills.proposer import KnownSkill, ProposalContext
from gamefleet.testing.crafting import WORLD
from gamefleet.testing.model_server import ModelServer, Reply, Understanding

KEY = "sk-test-0123456789abcdef"

COMMAND = [
    sys.executable, "-m", "gamefleet.cli.main", "skills", "run", "--env_name", WORLD.name, "--executor", "local",
    "--max_nodes", "2", "--total_timesteps", "4e5",
]  # fmt: skip


def answers(num: int) -> list[str]:
    """The catalogue's first skills, as a model would write them."""
    known: tuple[KnownSkill, ...] = ()
    texts = []
    for index in range(num):
        skill = CatalogueProposer().propose(ProposalContext(world=WORLD, known=known, wanted=6 - index)).skill
        assert skill is not None
        known += (KnownSkill(skill=skill, index=index, status="done", dependencies=skill.depends_on or ()),)
        texts.append(json.dumps(skill.as_json()))
    return texts


@pytest.mark.long
def test_a_model_proposes_and_its_key_stays_with_the_proposer(tmp_path: Path) -> None:
    wood, table = answers(2)
    idle = json.dumps({**json.loads(table), "name": "Stand_Still", "reward": "1"})
    script = [
        Reply(status=429, headers={"Retry-After": "0"}),
        Reply(text="Let me think about wood."),
        Reply(text=wood),
        Reply(text=idle, cut_after=100),
        Reply(text=idle),
        Reply(text=table),
    ]
    forms = Understanding(formats=("json_object_schema",), enforced=("json_object_schema",), refusal=500)
    graph = tmp_path / "graph"
    with ModelServer(script, forms, key=KEY) as server:
        environment = {
            **os.environ,
            "OPENAI_BASE_URL": server.base_url,
            "OPENAI_API_KEY": KEY,
            "GAMEFLEET_PROPOSALS_CACHE": str(tmp_path / "cache"),
        }
        command = [*COMMAND, "--llm_name", "test-model", "--graph-path", str(graph)]
        run = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300)

    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.startswith(
        f"proposer: test-model at {server.base_url}, as --llm_name says; at most 2000000 tokens"
    )
    state = json.loads((graph / "scheduler_state.json").read_text())
    assert [(skill["skill_name"], skill["status"]) for skill in state["skills"]] == [
        ("Collect_Wood", "completed"),
        ("Place_Table", "completed"),
    ]
    assert [rejection["skill_name"] for rejection in state["rejections"]] == ["Stand_Still"]
    assert "standing still" in server.questions[-1].body["messages"][1]["content"]
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert KEY.encode() not in written + run.stdout.encode() + run.stderr.encode()
