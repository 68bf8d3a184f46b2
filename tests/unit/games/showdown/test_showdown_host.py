"""The simulator's process: how it is found, what it answers, and how strong its policies are."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gamefleet.errors import ConfigError, MissingDependencyError, WorkerError
from gamefleet.games.showdown.host.grades import RATINGS, grade, rating_of
from gamefleet.games.showdown.host.host import BattleHost
from gamefleet.games.showdown.host.install import PLACE, SOURCES, find_package, wanted_version
from gamefleet.games.showdown.match import MatchPlan, play_match
from gamefleet.games.showdown.players import scripted_player


@pytest.fixture(scope="module")
def host(simulator: Path) -> Iterator[BattleHost]:
    with BattleHost() as opened:
        yield opened


def battle(format_name: str, first: str, second: str, seed: str = "1") -> dict[str, object]:
    players = [{"name": "a", "grade": first}, {"name": "b", "grade": second}]
    keeps = {"log": True, "truth": True, "inputs": True}
    return {"do": "play", "format": format_name, "seed": seed, "players": players, "keeps": keeps}


def test_whoever_lacks_the_simulator_is_told_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(MissingDependencyError, match="make showdown"):
        find_package({PLACE: str(tmp_path)})


def test_a_simulator_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dist" / "sim").mkdir(parents=True)
    (tmp_path / "package.json").write_text(json.dumps({"version": "0.0.1"}))

    with pytest.raises(MissingDependencyError, match=r"0\.0\.1"):
        find_package({PLACE: str(tmp_path)})


def test_what_is_installed_is_pinned_with_checksums() -> None:
    lock = json.loads((SOURCES / "package-lock.json").read_text())
    packages = {name: facts for name, facts in lock["packages"].items() if name}

    assert packages["node_modules/pokemon-showdown"]["version"] == wanted_version()
    assert all("integrity" in facts for facts in packages.values())


def test_the_host_says_which_simulator_it_is(host: BattleHost) -> None:
    answer = host.ask([{"do": "hello"}])[0]

    assert answer["version"] == wanted_version()
    assert {"gen1ou", "gen9randombattle"} <= set(answer["formats"])


@pytest.mark.parametrize("format_name", ["gen1randombattle", "gen7ou"])
def test_a_battle_follows_from_its_seed(host: BattleHost, format_name: str) -> None:
    command = battle(format_name, "heuristic@0.1", "max-damage")
    with BattleHost() as another:
        first, second, elsewhere = host.ask([command])[0], host.ask([command])[0], another.ask([command])[0]

    assert first["log"] == second["log"] == elsewhere["log"]
    assert first["truth"] == elsewhere["truth"]
    assert first["errors"] == [0, 0]
    assert first["log"] != host.ask([battle(format_name, "heuristic@0.1", "max-damage", "2")])[0]["log"]


def test_what_does_not_exist_is_refused_and_the_host_goes_on(host: BattleHost) -> None:
    for command, said in (
        (battle("gen1nonsense", "random", "random"), "no format"),
        (battle("gen1ou", "genius", "random"), "no policy"),
        (battle("gen9doublesou", "random", "random"), "only singles"),
    ):
        with pytest.raises(ConfigError, match=said):
            host.ask([command])
    assert host.ask([{"do": "hello"}])


def test_a_host_that_died_is_an_error_that_says_so(simulator: Path) -> None:
    with BattleHost() as doomed:
        doomed.ask([{"do": "hello"}])
        os.kill(doomed.pid, 9)
        with pytest.raises(WorkerError, match="ended"):
            doomed.ask([{"do": "hello"}])


def test_grades_lie_between_random_play_and_their_policy() -> None:
    assert rating_of(grade("heuristic", 0.5)) == (RATINGS["heuristic"] + RATINGS["random"]) / 2
    assert grade("random") == "random"
    with pytest.raises(ConfigError, match="between 0 and 1"):
        grade("heuristic", 1.5)
    with pytest.raises(ConfigError, match="Did you mean 'heuristic'"):
        grade("heuristics")


@pytest.mark.parametrize(
    ("stronger", "weaker"), [("heuristic", "max-damage"), ("max-damage", "random"), ("max-power", "random")]
)
def test_policies_are_graded(host: BattleHost, stronger: str, weaker: str) -> None:
    plan = MatchPlan(format="gen1randombattle", blocks=range(12))
    rows = list(play_match(host, scripted_player(stronger), scripted_player(weaker), plan))

    assert sum(row.score for row in rows) > 0.6 * len(rows)
