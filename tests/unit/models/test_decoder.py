"""The decoder: tokens see the past of their own trajectory and nothing else, by every kind of attention."""

import pytest
import torch
from torch import Tensor

from gamefleet.errors import ConfigError
from gamefleet.models.decoder import (
    Decoder,
    attention,
    visible_blocks,
    visible_matrix,
    visible_spans,
)
from gamefleet.models.decoder_settings import SIZES, DecoderSettings

SMALL = DecoderSettings(layers=2, width=32, heads=2, feedforward=48)
SEGMENT = torch.tensor([[1] * 5 + [2] * 6 + [0] * 5, [1] * 16])
POSITION = torch.tensor([[*range(5), *range(6), *[0] * 5], list(range(16))])


def decoder() -> Decoder:
    torch.manual_seed(0)
    return Decoder(SMALL)


def tokens() -> Tensor:
    return torch.randn(2, 16, 32, generator=torch.Generator().manual_seed(1))


def changed_places(changed: tuple[int, int]) -> list[tuple[int, int]]:
    """Places whose result changes when one place's token does."""
    model, before = decoder(), tokens()
    after = before.clone()
    after[changed] += 1.0
    difference = (model(after, SEGMENT, POSITION) - model(before, SEGMENT, POSITION)).abs().amax(-1)
    return [(int(row), int(place)) for row, place in (difference > 1e-7).nonzero()]


@torch.no_grad()
def test_a_token_changes_itself_and_the_later_ones_of_its_segment_only() -> None:
    assert changed_places((0, 2)) == [(0, 2), (0, 3), (0, 4)]
    assert changed_places((0, 5)) == [(0, place) for place in range(5, 11)]
    assert changed_places((1, 14)) == [(1, 14), (1, 15)]


@torch.no_grad()
def test_a_trajectory_gives_the_same_alone_and_packed_beside_others() -> None:
    model, packed = decoder(), tokens()

    alone = model(packed[:1, 5:11], torch.ones(1, 6, dtype=torch.int64), torch.arange(6)[None])

    torch.testing.assert_close(model(packed, SEGMENT, POSITION)[:1, 5:11], alone)


@torch.no_grad()
def test_only_distances_between_positions_matter() -> None:
    model, packed = decoder(), tokens()

    torch.testing.assert_close(model(packed, SEGMENT, POSITION + 100), model(packed, SEGMENT, POSITION))
    assert not torch.allclose(model(packed, SEGMENT, POSITION * 2), model(packed, SEGMENT, POSITION))


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_all_forms_of_the_mask_give_the_same() -> None:
    generator = torch.Generator().manual_seed(2)
    queries, keys, values = (torch.randn(2, 2, 16, 16, generator=generator) for _ in range(3))

    blocks, spans, matrix = (
        attention(queries, keys, values, form(SEGMENT)) for form in (visible_blocks, visible_spans, visible_matrix)
    )

    torch.testing.assert_close(blocks, matrix)
    torch.testing.assert_close(spans, matrix)
    assert visible_spans(SEGMENT) == ((0, 0, 5), (0, 5, 11), (0, 11, 16), (1, 0, 16))


def test_empty_places_and_gradients_through_them_are_finite() -> None:
    model = decoder()

    model(tokens(), torch.zeros_like(SEGMENT), POSITION).sum().backward()

    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_half_precision_changes_little(precision: torch.dtype) -> None:
    model = decoder()
    with torch.autocast("cpu", dtype=precision):
        half = model(tokens(), SEGMENT, POSITION)

    torch.testing.assert_close(half.float(), model(tokens(), SEGMENT, POSITION), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("size", SIZES)
def test_the_count_of_parameters_is_the_modules_count(size: str) -> None:
    with torch.device("meta"):
        model = Decoder(SIZES[size])

    assert sum(parameter.numel() for parameter in model.parameters()) == SIZES[size].num_parameters()


def test_200m_is_24_layers_of_1024_with_16_heads_and_within_5_percent_of_its_name() -> None:
    shape = SIZES["200M"]

    assert (shape.layers, shape.width, shape.heads, shape.feedforward) == (24, 1024, 16, 1408)
    assert abs(shape.num_parameters() / 200e6 - 1) < 0.05
    assert list(SIZES) == ["tiny", "15M", "50M", "200M"]


def test_a_shape_that_cannot_be_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="width / heads is even"):
        DecoderSettings(layers=1, width=30, heads=4, feedforward=8)
    with pytest.raises(ConfigError, match="layers"):
        DecoderSettings(layers=0, width=32, heads=4, feedforward=8)
