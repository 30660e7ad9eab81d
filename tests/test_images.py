"""Pictures of small images: each is where it should be, in its own grey, and no other is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from coupled_flows.display.figures import Picture, canvas
from coupled_flows.display.images import mosaic, thumbnails

Array = NDArray[np.floating[Any]]


def axes() -> Any:
    return canvas()[1]


def raster(ax: Any) -> NDArray[np.uint8]:
    (drawn,) = ax.images
    shown: NDArray[np.uint8] = np.asarray(drawn.get_array())
    assert shown.dtype == np.uint8
    assert drawn.get_interpolation() == "none"  # every pixel as it is
    return shown


def noise(n: int, height: int = 5, width: int = 4, seed: int = 1) -> Array:
    return np.random.default_rng(seed).random((n, height, width))


def grey(image: Array) -> NDArray[np.uint8]:
    """Return the 256 greys of an image: paper is white."""
    levels = [[round(255 * (1 - ink)) for ink in line] for line in image.tolist()]
    return np.array(levels, np.uint8)


def runs(empty: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return where the stretches begin and end that are not empty."""
    edges = np.flatnonzero(np.diff(np.r_[True, empty, True].astype(int)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def inside(tile: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Take the frame off an opaque tile, and return the greys of its image."""
    assert (tile[..., 3] == 255).all()
    assert (tile[..., 0] == tile[..., 1]).all()
    assert (tile[..., 0] == tile[..., 2]).all()
    whole = tile[..., 0]
    rim = {*whole[0], *whole[-1], *whole[:, 0], *whole[:, -1]}
    assert len(rim) == 1
    assert 0 < rim.pop() < 255  # seen on paper and on ink
    zoom = (whole.shape[0] - 2) // shape[0]
    assert whole.shape == (zoom * shape[0] + 2, zoom * shape[1] + 2)
    blocks = whole[1:-1, 1:-1].reshape(shape[0], zoom, shape[1], zoom)
    assert (blocks == blocks[:, :1, :, :1]).all()  # an image's pixel is a square of one grey
    return blocks[:, 0, :, 0]


# -- rows of images --------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(1, 9), st.integers(1, 9))
def test_every_row_holds_its_images_in_order(counts: list[int], height: int, width: int) -> None:
    rows = {f"row {i}": noise(n, height, width, seed=i) for i, n in enumerate(counts)}
    ax = axes()
    assert mosaic(ax, rows) is ax
    shown = raster(ax)
    lines = runs((shown[..., 3] == 0).all(axis=1))
    assert len(lines) == len(rows)
    for (top, bottom), images in zip(lines, rows.values(), strict=True):
        tiles = runs((shown[top:bottom, :, 3] == 0).all(axis=0))
        assert len(tiles) == len(images)
        for (left, right), image in zip(tiles, images, strict=True):
            found = inside(shown[top:bottom, left:right], (height, width))
            assert np.array_equal(found, grey(image))


def test_columns_of_a_mosaic_stand_under_each_other() -> None:
    ax = mosaic(axes(), {"long": noise(5), "short": noise(2)})
    shown = raster(ax)
    (a, b), (c, d) = runs((shown[..., 3] == 0).all(axis=1))
    assert (
        runs((shown[c:d, :, 3] == 0).all(axis=0)) == runs((shown[a:b, :, 3] == 0).all(axis=0))[:2]
    )


def test_names_stand_beside_the_middle_of_their_rows() -> None:
    ax: Any = mosaic(axes(), {"first": noise(3), "second": noise(1), "third": noise(2)})
    assert [label.get_text() for label in ax.get_yticklabels()] == ["first", "second", "third"]
    lines = runs((raster(ax)[..., 3] == 0).all(axis=1))
    # dot k reaches from k - 1/2 to k + 1/2
    assert [*ax.get_yticks()] == [(top + bottom - 1) / 2 for top, bottom in lines]
    assert not len(ax.get_xticks())
    low, high = sorted(ax.get_ylim())
    assert (low, high) == (-0.5, len(raster(ax)) - 0.5)  # nothing is cut off


def test_paper_is_white_and_ink_is_black() -> None:
    ax = mosaic(axes(), {"both": [np.zeros((3, 3)), np.ones((3, 3))]})
    shown = raster(ax)
    (left, right), (a, b) = runs((shown[..., 3] == 0).all(axis=0))
    assert (inside(shown[:, left:right], (3, 3)) == 255).all()
    assert (inside(shown[:, a:b], (3, 3)) == 0).all()


BAD_IMAGES = [
    np.zeros((2, 3)),  # one image, or a row of pixels
    np.zeros((0, 3, 3)),
    np.zeros((2, 0, 3)),
    np.full((1, 2, 2), 1.01),
    np.full((1, 2, 2), -0.01),
    np.full((1, 2, 2), math.nan),
    np.full((1, 2, 2), 1j),
    np.full((1, 2, 2), "ink"),
    None,
    "images",
    [[[0.0, 1.0], [0.5]]],
]


@pytest.mark.parametrize("bad", BAD_IMAGES, ids=str)
def test_what_is_no_image_is_refused(bad: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=r"^rows\['a'\] must .*got "):
        mosaic(axes(), {"a": bad})
    with pytest.raises((ValueError, TypeError), match=r"^images must .*got "):
        thumbnails(axes(), [[0.0, 0.0], [1.0, 1.0]], bad)


def test_images_of_a_mosaic_have_one_size() -> None:
    with pytest.raises(ValueError, match=r"^rows\['b'\] must .*got shape \(2, 4, 5\)"):
        mosaic(axes(), {"a": noise(2, 5, 4), "b": noise(2, 4, 5)})


def test_a_mosaic_has_a_row() -> None:
    with pytest.raises(ValueError, match=r"^rows must .*got "):
        mosaic(axes(), {})


# -- images at points ------------------------------------------------------------------------------


def cells(ax: Any, columns: int, rows: int) -> NDArray[np.uint8]:
    """Return the raster in cells (rows, columns, height, width, 4), the lowest row first."""
    shown = raster(ax)
    height, width = shown.shape[0] // rows, shown.shape[1] // columns
    assert shown.shape == (rows * height, columns * width, 4)
    return shown.reshape(rows, height, columns, width, 4).swapaxes(1, 2)[::-1]


@given(st.integers(1, 10**6), st.integers(2, 60), st.integers(2, 7), st.integers(2, 7))
def test_a_cell_shows_the_image_nearest_to_its_centre(
    seed: int, n: int, columns: int, rows: int
) -> None:
    points = np.random.default_rng(seed).standard_normal((n, 2)) * [3.0, 0.2] + [10.0, 0.0]
    images = noise(n, seed=seed)
    ax = axes()
    assert thumbnails(ax, points, images, columns=columns, rows=rows) is ax
    drawn = cells(ax, columns, rows)
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    # where each point falls, from the limits of the axes alone
    u = (points - [left, bottom]) / [right - left, top - bottom] * [columns, rows]
    assert (u > 0).all()
    assert (u < [columns, rows]).all()  # nothing is cut off
    for j in range(rows):
        for i in range(columns):
            here = [k for k in range(n) if math.floor(u[k, 0]) == i and math.floor(u[k, 1]) == j]
            tile = drawn[j, i]
            if not here:
                assert (tile[..., 3] == 0).all()
                continue
            best = min(here, key=lambda k: math.hypot(u[k, 0] - i - 0.5, u[k, 1] - j - 0.5))
            assert np.array_equal(inside(tile, images.shape[1:]), grey(images[best]))


def test_the_first_and_the_last_cell_have_their_centres_at_the_extremes() -> None:
    points = np.array([[-1.0, 0.0], [3.0, 8.0], [0.0, 2.0]])
    ax: Any = thumbnails(axes(), points, noise(3), columns=5, rows=9)
    assert (*ax.get_xlim(), *ax.get_ylim()) == (-1.5, 3.5, -0.5, 8.5)


def test_cells_have_the_shape_of_their_images() -> None:
    ax: Any = thumbnails(axes(), [[0.0, 0.0], [1.0, 1.0]], noise(2, 8, 8), columns=20, rows=10)
    assert ax.get_box_aspect() == 0.5


@pytest.mark.parametrize(
    ("points", "n", "sizes", "name"),
    [
        ([[0.0, 0.0], [1.0, 1.0]], 3, {}, "images"),
        (np.zeros((2, 3)), 2, {}, "points"),
        ([[0.0, math.inf], [1.0, 1.0]], 2, {}, "points"),
        ([[0.0, 0.0], [1.0, 0.0]], 2, {}, "points"),  # no height
        ([[0.5, 0.0]], 1, {}, "points"),
        ("points", 2, {}, "points"),
        ([[0.0, 0.0], [1.0, 1.0]], 2, {"columns": 1}, "columns"),
        ([[0.0, 0.0], [1.0, 1.0]], 2, {"columns": 2.5}, "columns"),
        ([[0.0, 0.0], [1.0, 1.0]], 2, {"rows": 0}, "rows"),
        ([[0.0, 0.0], [1.0, 1.0]], 2, {"rows": None}, "rows"),
    ],
)
def test_thumbnails_refuse_what_cannot_be_placed(
    points: Any, n: int, sizes: dict[str, Any], name: str
) -> None:
    with pytest.raises((ValueError, TypeError), match=rf"^{name} must .*got "):
        thumbnails(axes(), points, noise(n), **sizes)


# -- on a page -------------------------------------------------------------------------------------


def test_a_picture_holds_the_images_as_one_raster() -> None:
    figure, (left, right) = canvas(1, 2)
    mosaic(left, {"a": noise(7), "b": noise(4)})
    thumbnails(right, np.random.default_rng(3).random((500, 2)), noise(500))
    svg = Picture(figure, alt="Rows of noise beside a map of noise, to look at its SVG.").svg()
    assert svg.count("<image ") == 2
    assert svg.count("data:image/png;base64,") == 2
    assert "pixelated" in svg  # enlarged by the browser without blur
