"""A graph of skills in a real browser: drawn in layers, live, and harmless whatever its file says."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.watch.conftest import Pages
from tests.watch.page_rules import CONTRAST, NAMELESS, WIDER_THAN_THE_WINDOW
from tests.watch.sites import HOSTILE, Dashboard

from gamefleet.files import write_json
from gamefleet.watch.providers import Providers
from gamefleet.watch.skill_graphs import STATE_FILE

PLACES = "return [...document.querySelectorAll('.skill')].map((one) => [one.dataset.skill, one.offsetLeft])"


def skill(name: str, status: str, *dependencies: str, **more: Any) -> dict[str, Any]:
    proposal = {"source": "gpt-4o-mini", "tokens_in": 1200, "tokens_out": 300, "cost_usd": 0.0123}
    judged = {"accepted": True, "reasons": [], "statistics": {"random_success": 0.03125}}
    told = {"name": name, "reward": "gained(wood)", "success": "wood >= 5"}
    basic = {"skill_name": name, "status": status, "dependencies": list(dependencies), "attempts": 1, "index": 0}
    return basic | {"skill": told, "proposal": proposal, "verdict": judged} | more


def state(wood: str, table: str) -> dict[str, Any]:
    trained = {"success_rate": 0.96, "lower_bound": 0.92, "episodes": 256, "frames": 135_000, "seconds": 65.0}
    skills = [
        skill("Collect_Wood", wood, executor="tmux", session="gamefleet_e0_Collect_Wood", host="node1", **trained),
        skill("Place_Table", table, "Collect_Wood", progress={"success_rate": 0.25, "frames": 2048}),
        skill("Make_Sword", "waiting", "Place_Table", "Collect_Wood"),
        skill("Eat_Cow", "failed", failure={"kind": "did_not_learn", "reason": HOSTILE}),
    ]
    return {
        "version": 1,
        "env_name": HOSTILE,
        "proposer": "gpt-4o-mini",
        "state": "running",
        "updated_at": time.time(),
        "usage": {"tokens_in": 4800, "tokens_out": 1200, "cost_usd": 0.0492, "cap_usd": 5},
        "frontier": {"state": "blocked", "why": "every proposal waits for a skill that trains"},
        "skills": skills,
        "rejections": [{"skill_name": HOSTILE, "reasons": ["the reward never changes"], "at": time.time()}],
    }


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Dashboard, Path]]:
    file = tmp_path / "graph" / STATE_FILE
    file.parent.mkdir()
    write_json(file, state("running", "waiting"))
    dashboard = Dashboard([file.parent], Providers())
    dashboard.start()
    yield dashboard, file
    dashboard.stop()


def test_a_graph_is_drawn_in_layers_and_follows_its_scheduler(pages: Pages, served: tuple[Dashboard, Path]) -> None:
    dashboard, file = served
    pages.open(dashboard.at("skills"))
    pages.find(".skill")
    columns = dict(pages.run(PLACES))
    assert columns["Collect_Wood"] == columns["Eat_Cow"] < columns["Place_Table"] < columns["Make_Sword"]
    assert len(pages.all(".edge")) == 3
    pages.wait_for_text("#state", "Graph: running, 4 skills")
    assert pages.find("#state").get_attribute("data-state") == "training"
    pages.wait_for_text("[data-skill=Place_Table]", "waiting")

    write_json(file, state("completed", "running"))

    pages.wait_for_text("[data-skill=Place_Table]", "running · 25 %")
    pages.wait_for_text("[data-skill=Collect_Wood]", "completed · 96 %")
    assert len(pages.all(".edge-met")) == 2
    assert pages.complaints() == []


def test_a_skill_tells_its_proposal_verdict_cost_and_place(pages: Pages, served: tuple[Dashboard, Path]) -> None:
    for scheme, width in (("light", 1280), ("dark", 390)):
        pages.prefer(scheme)
        pages.resize(width, 860, is_phone=width < 600)
        pages.open(served[0].at("skills?skill=Collect_Wood"))
        pages.wait_for_text("#skill-details", "tmux attach -t gamefleet_e0_Collect_Wood")
        for told in ("on node1", "96 % of 256", "at least 92 %", "1,500 tokens, $0.0123", "wood >= 5", "0.03125"):
            assert told in pages.text("#skill-details")
        assert "4,800 in, 1,200 out" in pages.text(".skill-facts")
        assert "$0.0492 of $5" in pages.text(".skill-facts")
        assert "the reward never changes" in pages.text("#content")
        assert pages.run(CONTRAST) == []
        assert pages.run(NAMELESS) == []
        assert pages.run(WIDER_THAN_THE_WINDOW) <= 0
        assert pages.run("return window.harm") is None
        assert pages.complaints() == []


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"skills": 3}',
        '{"skills": [1, {"skill_name": 5}, {"skill_name": "A", "dependencies": "B"}]}',
        json.dumps({"skills": [skill("A", "running", "B"), skill("B", "running", "A", "nobody")], "frontier": 7}),
        json.dumps({"skills": [{"skill_name": "A", "skill": {}, "progress": None}], "usage": {"cost_usd": "much"}}),
    ],
)
def test_whatever_stands_in_the_file_the_page_stays(content: str, pages: Pages, served: tuple[Dashboard, Path]) -> None:
    dashboard, file = served
    file.write_text(content)
    pages.open(dashboard.at("skills"))
    pages.wait_for_text("#content", "graph")
    assert pages.complaints() == []

    write_json(file, state("completed", "running"))

    pages.wait_for_text("[data-skill=Place_Table]", "running")
