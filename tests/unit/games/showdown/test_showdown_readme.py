"""The game's page says what the code says."""

from importlib import resources

from gamefleet.games.showdown.observe import ARRAYS
from gamefleet.games.showdown.replays.reasons import REASONS

README = (resources.files("gamefleet.games.showdown") / "README.md").read_text()


def test_every_array_is_described() -> None:
    for array in ARRAYS:
        shape = "x".join(map(str, array.shape))
        assert f"| `{array.name}` | {shape} | {array.dtype} | {array.meaning} |" in README
    assert f"{sum(array.num_bytes for array in ARRAYS)} bytes" in README


def test_every_reason_of_a_refusal_is_described() -> None:
    assert [reason for reason in REASONS if f"| `{reason}` |" not in README] == []
