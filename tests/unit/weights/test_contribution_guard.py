"""What is refused, and the sentence that says why; one bad member of four never reaches the average."""

import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from gamefleet.errors import RunFolderError
from gamefleet.weights.content import Content
from gamefleet.weights.deltas import measure
from gamefleet.weights.guard import OK, judge_content, judge_manifest, judge_together
from gamefleet.weights.manifests import Blob, Contribution, Norm, Rejection, Version, as_json
from gamefleet.weights.moments import Moments
from gamefleet.weights.quarantine import refused, rejection, release
from gamefleet.weights.settings import MergeSettings

Make = Callable[..., Content]
SETTINGS = MergeSettings()
HEAD = Version(
    version=30,
    lineage="11",
    parent=29,
    kind="merge",
    included={"a": 4},
    checksums={"a": "ff"},
    rolled_back=[14, 15],
)
GOOD = Contribution(
    member="a",
    token="t",
    seq=5,
    lineage="11",
    compatibility={},
    base=29,
    since=29,
    included=4,
    samples=100,
    updates=10,
    total_samples=1000,
    total_updates=100,
    step=1000,
    published_at=0.0,
    blob=Blob(name="x", size_bytes=1, xxh3="ee"),
)


def test_every_way_in_which_a_manifest_can_be_wrong_has_its_sentence(fleet) -> None:
    facts = fleet.facts
    good = replace(GOOD, compatibility=facts.compatibility)
    parts = {**facts.compatibility["parts"], "reward": {"badge": 1.0}}
    cases = {
        "incompatible": (
            {"compatibility": {"hash": "cd", "parts": parts}},
            "trained something else: reward.badge: 5.0 here, 1.0 there"
        ),
        "lineage": ({"lineage": "22"}, "began from other first weights: lineage 11 here, 22 there"),
        "implausible": ({"samples": 0}, "claims 0 samples"),
        "replayed": ({"seq": 4}, "has been merged before: the same weights again"),
        "base": ({"base": 31}, "grew from version 31, which is unknown here"),
        "rolled back": ({"base": 15, "since": 15}, "grew from version 15, and that line was rolled back"),
        "stale": ({"since": 9}, "is work on version 9, 21 versions ago; at most 20 are let in"),
        "overlap": ({"included": 3}, "covers work of which a part was merged meanwhile"),
    }  # fmt: skip

    assert judge_manifest(good, facts, HEAD, SETTINGS).is_ok
    for kind, (change, reason) in cases.items():
        verdict = judge_manifest(replace(good, **change), facts, HEAD, SETTINGS)
        assert (verdict.kind, verdict.reason) == (kind, reason)
        assert verdict.is_quarantined == (kind != "overlap")
    for change in ({"updates": -1}, {"updates": 10**15}, {"samples": -5}):
        assert judge_manifest(replace(good, **change), facts, HEAD, SETTINGS).kind == "implausible"
    again = replace(good, blob=Blob(name="x", size_bytes=1, xxh3="ff"))
    assert judge_manifest(again, facts, HEAD, SETTINGS).kind == "replayed", "the same blob under a higher number"
    assert judge_manifest(replace(good, compatibility={}), facts, HEAD, SETTINGS).kind == "incompatible"
    assert judge_manifest(replace(good, base=-1, since=-1), facts, HEAD, SETTINGS).kind == "base"


def test_other_arrays_are_named(network: Make) -> None:
    head = network()
    moments = {"obs": Moments(count=1.0, mean=np.zeros(3, np.float32), deviation=np.zeros(3, np.float32))}
    others = {
        "arrays/network/w: float32[64,4] here, float64[64,4] there": {
            **head.arrays, "network/w": head.arrays["network/w"].astype(np.float64)
        },
        "arrays/network/w: float32[64,4] here, float32[4,64] there": {
            **head.arrays, "network/w": head.arrays["network/w"].T
        },
        "arrays/extra: absent here, float32[1] there": {**head.arrays, "extra": np.ones(1, np.float32)},
    }  # fmt: skip

    for words, arrays in others.items():
        assert words in judge_content(Content(arrays=arrays), head).reason
    assert "moments/obs: absent here, mean float32[3]" in judge_content(replace(head, moments=moments), head).reason


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("name", ["network/w", "curiosity/w"])
def test_numbers_that_are_not_finite_are_found_wherever_they_are(network: Make, value: float, name: str) -> None:
    bad = network().copy()
    bad.arrays[name].reshape(-1)[17] = value

    assert judge_content(bad, network()).kind == "not finite"


def test_moments_that_no_rows_can_have_are_refused(network: Make) -> None:
    sane = Moments(count=3.0, mean=np.zeros(3, np.float32), deviation=np.ones(3, np.float32))
    head = replace(network(), moments={"obs": sane})

    assert judge_content(head, head).is_ok
    nan = np.full(3, np.nan, np.float32)
    for change in ({"count": -1.0}, {"count": float("inf")}, {"mean": nan}, {"deviation": -sane.deviation}):
        assert judge_content(replace(head, moments={"obs": replace(sane, **change)}), head).kind == "not finite"


def test_a_change_beyond_what_is_usual_is_shortened_and_far_beyond_it_refused(network: Make) -> None:
    base = network(0, 500)
    recent = [Norm(norm=1.0, updates=10)] * 5

    def verdict(norm: float, updates: int):
        change = np.full((500, 4), norm * np.sqrt(updates / 2000), np.float32)
        moved = replace(base, arrays={**base.arrays, "network/w": base.arrays["network/w"] + change})
        return judge_together(measure([moved], [base]), [updates], recent, SETTINGS)[0]

    assert verdict(2.9, 10) == OK
    assert verdict(6.0, 10).is_ok
    assert verdict(6.0, 10).part == pytest.approx(0.5, rel=1e-4)
    found = verdict(9.1, 10)
    assert found.kind == "norm"
    assert found.reason.startswith("changed the network 9.1 times as much as is usual for 10 updates; at most 9 times")
    assert verdict(3.1 * 3, 1000) == OK, "a hundred times the updates may have gone straight on"
    assert verdict(9.1 * 10, 1000).kind == "norm"


HONEST = 0.01


def walk(content: Content, rng: np.random.Generator) -> dict[str, np.ndarray]:
    shape = content.arrays["network/w"].shape
    drift = np.cos(np.arange(np.prod(shape))).reshape(shape)
    return {"network/w": HONEST * (rng.normal(size=shape) + 0.3 * drift)}


def spoil(kind: str, honest: Content, base: Content, rng: np.random.Generator) -> Content:
    weights, before = honest.arrays["network/w"], base.arrays["network/w"]
    spoiled = {
        "NaN": np.where(rng.random(weights.shape) < 0.01, np.nan, weights),
        "infinite": np.where(rng.random(weights.shape) < 0.01, np.inf, weights),
        "60 times": before + 60 * (weights - before),
        "-5 times": before - 5 * (weights - before),
        "random": rng.normal(size=weights.shape),
    }[kind]
    return replace(honest, arrays={**honest.arrays, "network/w": spoiled.astype(np.float32)})


@pytest.mark.parametrize("kind", ["NaN", "infinite", "60 times", "-5 times", "random"])
def test_one_bad_member_of_four_is_set_aside_and_the_average_is_that_of_the_others(
    fleet, network: Make, fast_disk: None, kind: str
) -> None:
    settings = replace(fleet.at_once, wait_s=1e9)
    rng = np.random.default_rng(1)
    learners = fleet.joined(["a", "b", "bad", "c"], network(0, 2500), settings)
    bad = learners[2]
    store = fleet.store()
    for number in range(5):
        version = store.head().version
        base = store.content(version)
        for learner in learners:
            learner.learn(walk(learner.content, rng))
        honest = {one.member.member: one.content.arrays["network/w"].copy() for one in learners if one is not bad}
        bad.content = spoil(kind, bad.content, base, rng)
        for learner in [bad, *(one for one in learners if one is not bad)]:
            learner.sync()

        head = store.head()
        assert [one.member for one in head.inputs] == ["a", "b", "c"]
        found = store.content(head.version).arrays["network/w"]
        np.testing.assert_allclose(found, sum(honest.values()) / 3, atol=1e-6)
        for learner in learners:
            learner.sync()
        assert np.isfinite(bad.content.arrays["network/w"]).all(), "it goes on from the fleet's weights"
        assert len(store.refused().seqs["bad"]) == min(number + 1, 3)
    assert store.refused().members == {"bad"}
    assert store.head().totals["bad"].rejected == 3
    assert (
        "3 contributions in a row were refused, the last one because it " in fleet.paths.quarantine("bad").read_text()
    )

    release(fleet.paths, "bad")
    for learner in learners:
        learner.learn(walk(learner.content, rng))
        learner.sync()
    assert "bad" in [one.member for one in store.head().inputs]


def test_a_member_that_learns_faster_than_ever_is_merged_in_part_and_then_whole(fleet, network: Make) -> None:
    """As a fleet does whose agent finds something new after a long time: the others are away, and nobody is wrong."""
    learner, other = fleet.joined(["a", "b"], network(0, 500), replace(fleet.at_once, max_age_versions=10_000))
    store = fleet.store()
    rng = np.random.default_rng(3)
    other.learn(walk(other.content, rng))
    other.sync()
    for _ in range(25):
        learner.learn(walk(learner.content, rng))
        learner.sync()

    parts = []
    for _ in range(15):
        before = store.content(store.head().version).arrays["network/w"]
        learner.learn({name: 6 * change for name, change in walk(learner.content, rng).items()})
        published = learner.content.arrays["network/w"].copy()
        learner.sync()
        (given,) = store.head().inputs
        merged = store.content(store.head().version).arrays["network/w"]
        np.testing.assert_allclose(merged - before, given.part * (published - before), atol=1e-5)
        np.testing.assert_array_equal(learner.content.arrays["network/w"], merged)
        parts.append(given.part)

    assert 0.4 < parts[0] < 0.6
    assert parts[-1] == 1.0, "what is usual has grown"
    assert store.refused().seqs == {}


def test_releasing_who_is_not_in_quarantine_says_who_is(fleet, network: Make) -> None:
    fleet.joined(["a"], network())
    with pytest.raises(RunFolderError, match=r"not in quarantine: 'a'.*No member is"):
        release(fleet.paths, "a")


def test_a_member_in_quarantine_publishes_nothing_until_it_is_released(fleet, network: Make) -> None:
    learner, other = fleet.joined(["a", "b"], network())
    fleet.paths.quarantine("a").write_text('{"member": "a", "seq": 0, "reason": "by hand"}')
    learner.learn({"network/w": 1.0})

    assert learner.sync() is None
    assert not fleet.paths.contribution("a", 1).exists()
    other.learn({"network/w": 2.0})
    other.sync()
    assert learner.sync().kind == "rollback"
    fleet.paths.quarantine("a").unlink()
    learner.learn({"network/w": 1.0})
    learner.sync()
    assert fleet.store().head().included == {"a": 1, "b": 1}


@pytest.mark.long
def test_honest_random_walks_are_never_refused(fleet, network: Make, fast_disk: None) -> None:
    rng = np.random.default_rng(2)
    chance = random.Random(2)
    learners = fleet.joined(["a", "b", "c", "d"], network(0, 300), replace(fleet.at_once, wait_s=1e9))
    for _ in range(200):
        for learner in learners:
            for _ in range(chance.randint(1, 6)):
                learner.learn(walk(learner.content, rng))
            learner.sync()

    head = fleet.store().head()
    assert head.version >= 199
    assert fleet.store().refused().seqs == {}
    assert all(one.merges >= 199 for one in head.totals.values())


def damaged_one(fleet, learners) -> tuple[Contribution, bytes]:
    """A contribution of `b` that waits, and its blob's bytes."""
    from gamefleet.weights.manifests import read

    _, other = learners
    other.member.may_merge = False
    other.learn({"network/w": 0.5})
    other.sync()
    manifest = read(fleet.paths.contribution("b", 1), Contribution)
    return manifest, (fleet.paths.weights("b") / manifest.blob.name).read_bytes()


def refused_again(fleet, one) -> Rejection:
    """Let `a` look; the verdict about `b`'s contribution, which is then forgotten, and nothing merged."""
    one.member._merger.merge_if_due()
    verdict = rejection(fleet.paths, "b", 1)
    assert verdict is not None
    assert fleet.store().head().version == 0
    for path in fleet.paths.rejected.iterdir():
        path.unlink()
    return verdict


def test_a_truncated_or_flipped_blob_is_refused_wherever_the_damage_is(fleet, network: Make, fast_disk: None) -> None:
    learners = fleet.joined(["a", "b"], network(0, 20))
    manifest, data = damaged_one(fleet, learners)
    path = fleet.paths.weights("b") / manifest.blob.name
    chance = random.Random(0)
    for length in [0, 1, 7, 8, 9, *(chance.randrange(len(data)) for _ in range(60)), len(data) - 1]:
        path.write_bytes(data[:length])
        assert f"{length} bytes, its manifest says {len(data)}" in refused_again(fleet, learners[0]).reason
    for place in [*range(100), *(chance.randrange(len(data)) for _ in range(150))]:
        flipped = bytearray(data)
        flipped[place] ^= 1 << chance.randrange(8)
        path.write_bytes(flipped)
        assert "fails its checksum" in refused_again(fleet, learners[0]).reason
    path.write_bytes(data + b"x")
    assert "damaged" in refused_again(fleet, learners[0]).reason
    path.write_bytes(data)
    assert learners[0].member._merger.merge_if_due()


def test_a_blob_whose_checksum_is_right_but_whose_content_is_not_is_refused(fleet, network: Make) -> None:
    import json

    import xxhash

    learners = fleet.joined(["a", "b"], network(0, 20))
    manifest, data = damaged_one(fleet, learners)
    chance = random.Random(1)
    flipped = [bytearray(data) for _ in range(60)]
    for one in flipped:
        one[chance.randrange(len(one))] ^= 1 << chance.randrange(8)
    deep = b"[" * 100_000
    header = json.dumps({"__metadata__": {"provenance": "x"}}).encode()
    hostile = [b"", b"\x00" * 8, len(deep).to_bytes(8, "little") + deep, b"\xff" * 64]
    hostile += [len(header).to_bytes(8, "little") + header, data[:100], *map(bytes, flipped)]
    for number, content in enumerate(hostile):
        blob = Blob(name=f"{number}.safetensors", size_bytes=len(content), xxh3=xxhash.xxh3_128_hexdigest(content))
        (fleet.paths.weights("b") / blob.name).write_bytes(content)
        fleet.paths.contribution("b", 1).write_text(json.dumps(as_json(replace(manifest, blob=blob))))
        assert "is damaged" in refused_again(fleet, learners[0]).reason


def test_a_manifest_that_is_no_manifest_is_refused(fleet, network: Make) -> None:
    learners = fleet.joined(["a", "b"], network(0, 20))
    manifest, _ = damaged_one(fleet, learners)
    path = fleet.paths.contribution("b", 1)
    text = path.read_text()
    blob = manifest.blob.name
    hostile = [
        "",
        "{",
        "[]",
        "null",
        '{"seq": 1}',
        "[" * 100_000,
        text[:200],
        text.replace('"updates": 1', '"updates": "x"'),
    ]
    hostile += [text.replace('"seq": 1', '"seq": 2'), text.replace('"member": "b"', '"member": "a"'), "x" * (5 << 20)]
    hostile += [text.replace(blob, "../../a/member.json"), text.replace(blob, "/etc/passwd"), text.replace(blob, ".x")]
    hostile += [text.replace(f'"size_bytes": {manifest.blob.size_bytes}', f'"size_bytes": {10**12}')]
    hostile += [text.replace("gamefleet shared 1", "gamefleet shared 9")]
    for content in hostile:
        path.write_text(content)
        assert refused_again(fleet, learners[0]).reason.startswith(
            ("has a damaged manifest", "says it is", "is damaged")
        )


def test_a_blob_that_has_not_arrived_yet_is_no_reason_to_refuse(fleet, network: Make) -> None:
    learners = fleet.joined(["a", "b"], network(0, 20))
    manifest, data = damaged_one(fleet, learners)
    path = fleet.paths.weights("b") / manifest.blob.name
    path.unlink()

    assert not learners[0].member._merger.merge_if_due()
    assert refused(fleet.paths).seqs == {}
    path.write_bytes(data)
    assert learners[0].member._merger.merge_if_due()
