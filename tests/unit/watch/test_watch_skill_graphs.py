"""Graphs of skills are laid out in layers, and their files are believed in nothing."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gamefleet.files import write_json
from gamefleet.watch.layers import layers
from gamefleet.watch.site import Site, kind_of
from gamefleet.watch.skill_graphs import LONGEST_TEXT, STATE_FILE, SkillGraphs, graph

NAMES = "abcdefghij"
JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES + "?"), max_size=4), max_size=10))
def test_every_node_stands_in_one_layer(dependencies: dict[str, list[str]]) -> None:
    assert sorted(name for layer in layers(dependencies) for name in layer) == sorted(dependencies)


@given(st.lists(st.sets(st.integers(0, 9)), max_size=10))
def test_without_a_circle_a_node_stands_one_past_its_last_dependency(needs: list[set[int]]) -> None:
    dependencies = {str(k): [str(one) for one in sorted(found) if one < k] for k, found in enumerate(needs)}
    depth = {name: number for number, layer in enumerate(layers(dependencies)) for name in layer}

    assert all(
        depth[name] == 1 + max((depth[one] for one in found), default=-1) for name, found in dependencies.items()
    )


def test_lines_that_need_not_cross_do_not() -> None:
    assert layers({"a": [], "b": [], "over b": ["b"], "over a": ["a"]}) == [["a", "b"], ["over a", "over b"]]


def test_a_deep_graph_takes_no_recursion() -> None:
    chain = {str(number): [str(number - 1)] if number else [] for number in range(5000)}

    assert len(layers(dict(reversed(chain.items())))) == 5000


@given(st.dictionaries(st.sampled_from(["skills", "usage", "frontier", "rejections", "state"]), JSON))
def test_a_file_may_say_anything(content: dict[str, object]) -> None:
    told = graph(content)

    assert set(told["layers"][0] if told["layers"] else []) <= {one["skill_name"] for one in told["skills"]}


def test_texts_are_cut_to_what_a_page_holds() -> None:
    told = graph({"skills": [{"skill_name": "A", "skill": {"reward": "x" * 1_000_000}}]})

    assert len(told["skills"][0]["skill"]["reward"]) == LONGEST_TEXT + 1


def test_graphs_are_found_in_a_folder_and_below_it(tmp_path: Path) -> None:
    folder = tmp_path / "skills"
    folder.mkdir()
    write_json(folder / STATE_FILE, {"skills": [{"skill_name": "A", "status": "running"}], "state": "running"})
    assert kind_of(folder) == "skills"
    for named in (folder, tmp_path):
        site = Site(folders=[named])
        site.scan()
        told = SkillGraphs()(site.graphs)
        assert told["sentence"] == "skills: running, 1 skill (1 running)."
        assert told["graphs"][0]["counts"] == {"running": 1}


def test_a_graph_that_appears_later_is_news(tmp_path: Path) -> None:
    site = Site(folders=[tmp_path])
    site.scan()
    before = site.version
    (tmp_path / "skills").mkdir()
    write_json(tmp_path / "skills" / STATE_FILE, {})

    site.scan()

    assert site.version > before
