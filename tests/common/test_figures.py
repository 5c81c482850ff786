"""What figures show: there is always something to be seen of what is there."""

import io

import numpy as np
import pytest
from matplotlib.image import imread

from helpers.common.figures import BLUE, Picture, tokens_per_line

LENGTHS = {
    "all alike": [80] * 1000,
    "all alike, and few": [80] * 3,
    "one": [7],
    "one of one token": [1],
    "as many of each": list(range(1, 511)),
    "at the limit": [510] * 40,
    "just beyond": [511, 512],
    "very long": [1_000_000] * 3,
    "a million times one": [1] * 1000 + [1_000_000],
    "two far apart": [1, 5_000],
    "near to each other": [100_000, 100_001],
}


def blue(picture: Picture) -> np.ndarray:
    """For each column of the picture, how many pixels of it are of the bars."""
    picture.axes[0].get_legend().remove()
    pixels = imread(io.BytesIO(picture._repr_png_()))[..., :3]
    wanted = [int(BLUE[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return (np.abs(pixels - wanted).max(axis=2) < 0.02).sum(axis=0)


@pytest.mark.parametrize("limit", [510, 24])
@pytest.mark.parametrize("name", LENGTHS)
def test_every_length_is_seen_in_the_histogram(name: str, limit: int) -> None:
    lengths = LENGTHS[name]
    picture = tokens_per_line(lengths, limit)
    heights = [bar.get_height() for bar in picture.axes[0].patches]
    assert sum(heights) == len(lengths)
    seen = blue(picture)
    assert (seen > 10).sum() >= 3 * min(len(set(lengths)), 2)
    left, right = picture.axes[0].get_xlim()
    assert left <= min(lengths) and max(lengths) <= right and left <= limit <= right


@pytest.mark.parametrize("name", LENGTHS)
def test_lengths_that_are_counted_are_drawn_alike(name: str) -> None:
    values, counts = np.unique(LENGTHS[name], return_counts=True)
    one, other = tokens_per_line(LENGTHS[name], 510), tokens_per_line(values, 510, counts)
    assert one._repr_png_() == other._repr_png_()


def test_no_lines_are_an_empty_picture() -> None:
    assert not blue(tokens_per_line([], 510)).any()
