"""The columns of a row: none overlap, none are missing."""

from gamefleet.games.showdown import layout, tables


def test_the_blocks_fill_the_row_without_gap_or_overlap() -> None:
    starts = [layout.mon_at(side, slot) for side in (0, 1) for slot in range(layout.TEAM_SIZE)]

    assert starts == list(range(0, layout.SIDES, layout.MON_WIDTH))
    assert [layout.side_at(0), layout.side_at(1)] == [layout.SIDES, layout.SIDES + layout.SIDE_WIDTH]
    assert layout.FIELD == layout.SIDES + 2 * layout.SIDE_WIDTH
    assert layout.WIDTH == layout.FIELD + layout.FIELD_WIDTH


def test_every_side_condition_has_its_own_column() -> None:
    named = {
        "spikes": layout.SPIKES,
        "stealthrock": layout.STEALTH_ROCK,
        "reflect": layout.REFLECT,
        "tailwind": layout.TAILWIND,
        "gmaxcannonade": layout.CANNONADE,
    }

    for key, column in named.items():
        assert layout.SIDE_CONDITIONS[column - layout.CONDITIONS] == key
    assert layout.CONDITIONS == layout.VOLATILES + layout.VOLATILE_WORDS
    assert len(set(layout.SIDE_CONDITIONS)) == layout.SIDE_WIDTH - layout.CONDITIONS


def test_every_volatile_fits_into_the_words_for_them() -> None:
    assert max(tables.volatiles().values()) < layout.VOLATILE_WORDS * layout.WORD_BITS
    assert len(set(tables.volatiles().values())) == len(tables.volatiles())
