"""Pictures as bytes."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray

from gamefleet.transport.pictures import encode, looks_like

Image = pytest.importorskip("PIL.Image")


def decoded(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.mark.parametrize("num_colours", [1, 2, 3, 4, 5, 16, 17, 200, 256])
@pytest.mark.parametrize("size", [(144, 160), (7, 13), (1, 1)])
def test_a_picture_of_few_colours_becomes_a_png_with_a_palette_that_shows_exactly_it(
    num_colours: int, size: tuple[int, int]
) -> None:
    rng = np.random.default_rng(num_colours)
    palette = rng.integers(0, 256, (num_colours, 3), dtype=np.uint8)
    picture = palette[rng.integers(0, num_colours, size)]
    encoded = encode(picture)
    assert (encoded.codec, encoded.height, encoded.width) == ("png", *size)
    assert np.array_equal(decoded(encoded.data), picture)
    assert looks_like("png", encoded.data, width=size[1], height=size[0])


def test_four_shades_take_two_bits_a_pixel_at_most() -> None:
    picture = np.random.default_rng(0).choice(np.array([0, 85, 153, 255], np.uint8), (144, 160))
    assert len(encode(picture[..., None].repeat(3, axis=2)).data) < 144 * 160 / 4 + 400


def test_a_small_picture_of_many_colours_loses_nothing_and_a_large_one_is_a_jpeg() -> None:
    rng = np.random.default_rng(1)
    small = rng.integers(0, 256, (64, 63, 3), dtype=np.uint8)
    encoded = encode(small)
    assert encoded.codec == "webp"
    assert np.array_equal(decoded(encoded.data), small)
    slope = np.add.outer(np.arange(480), np.arange(640)) % 256
    large = np.stack([slope, slope[:, ::-1], slope // 2], axis=2).astype(np.uint8)
    encoded = encode(large)
    assert encoded.codec == "jpeg"
    assert np.abs(decoded(encoded.data).astype(int) - large).mean() < 8


def test_what_is_no_picture_of_the_size_that_is_said_is_noticed() -> None:
    png = encode(np.zeros((10, 20, 3), np.uint8)).data
    assert not looks_like("png", png, width=20_000, height=10)
    assert not looks_like("webp", png, width=20, height=10)
    assert not looks_like("svg", b"<svg onload=alert(1)>", width=20, height=10)
    assert not looks_like("png", png[:10], width=20, height=10)
