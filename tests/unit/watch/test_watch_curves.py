"""A curve keeps every extreme in a fixed amount of memory."""

from hypothesis import given
from hypothesis import strategies as st

from gamefleet.watch.curves import CAPACITY, Curve


def filled(values: list[float]) -> Curve:
    curve = Curve()
    for step, value in enumerate(values):
        curve.add(step, value)
    return curve


def test_a_short_curve_is_shown_point_by_point() -> None:
    view = filled([3.0, 1.0, 2.0]).view(points=100)

    assert view["step"] == [0, 1, 2]
    assert view["low"] == view["high"] == view["last"] == [3.0, 1.0, 2.0]
    assert view["num_points"] == 3
    assert view["is_decimated"] is False


def test_one_spike_among_a_million_points_is_never_lost_and_memory_stays_as_it_is() -> None:
    values = [0.0] * 200_000
    values[123_457] = 99.0
    curve = filled(values)
    view = curve.view(points=300)

    assert max(view["high"]) == 99.0
    assert len(curve.steps) <= CAPACITY
    assert len(view["step"]) <= 300
    assert view["num_points"] == 200_000
    assert view["is_decimated"] is True


@given(
    st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=5 * CAPACITY),
    st.integers(1, 2 * CAPACITY),
)
def test_stretches_have_the_extremes_and_the_end_of_what_they_hold(values: list[float], points: int) -> None:
    view = filled(values).view(points=points)
    begin = 0

    for step, low, high, last in zip(view["step"], view["low"], view["high"], view["last"], strict=True):
        held = values[begin : step + 1]
        assert (low, high, last) == (min(held), max(held), held[-1])
        begin = step + 1
    assert begin == len(values)
    assert len(view["step"]) <= points


def test_a_window_leaves_out_what_ends_outside_of_it() -> None:
    view = filled([float(number) for number in range(100)]).view(points=1000, first=10, last=20)

    assert view["step"] == list(range(10, 21))
    assert filled([1.0]).view(points=10, first=5)["step"] == []
