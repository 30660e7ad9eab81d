"""Pictures made of small grey images: rows of them, and maps where each stands at its point.

All images of a figure are one raster, so that a page stays light. An image is paper (0) and ink
(1), opaque and in a thin grey frame: it is legible on a white and on a dark page.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from coupled_flows.geometry.errors import Array, check_array, check_integer

# Browsers show every dot of a raster that they enlarge, and drop some of one that they shrink: in
# rows a pixel of an image is three dots wide, on maps a single one, and frames are always one.
ZOOM = 3
GAP = 3
FRAME = 190
Raster = NDArray[np.uint8]


def mosaic(ax: Axes, rows: Mapping[str, ArrayLike]) -> Axes:
    """Draw rows of images of one size, each row with its name.

    Parameters
    ----------
    ax : Axes
    rows : mapping of str to array_like, shape (n, height, width)
        From the top; n >= 1 may differ from row to row. Values from 0, paper, to 1, ink.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If there is no row, a row has no image or one of another size, or a value is no number from
        0 to 1.

    Examples
    --------
    >>> from coupled_flows.display.figures import canvas
    >>> figure, ax = canvas()
    >>> ax = mosaic(ax, {"paper": np.zeros((3, 8, 8)), "ink": np.ones((2, 8, 8))})
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['paper', 'ink']
    """
    if not rows:
        raise ValueError(f"rows must have at least one entry; got {rows!r}")
    drawn = {name: _framed(f"rows[{name!r}]", images, ZOOM) for name, images in rows.items()}
    first = next(iter(drawn.values()))
    height, width = first.shape[1] + GAP, first.shape[2] + GAP
    longest = max(map(len, drawn.values()))
    raster: Raster = np.zeros((height * len(rows) - GAP, width * longest - GAP, 4), np.uint8)
    for i, (name, images) in enumerate(drawn.items()):
        if images.shape[1:] != first.shape[1:]:
            raise ValueError(
                f"rows[{name!r}] must have images of the size of the first row's; got shape"
                f" {np.shape(rows[name])}"
            )
        for j, image in enumerate(images):
            _paste(raster, image, i * height, j * width)
    ax.imshow(raster, interpolation="none")
    ax.set_yticks(np.arange(len(rows)) * height + (height - GAP) / 2 - 0.5, [*rows])
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    return ax


def thumbnails(
    ax: Axes, points: ArrayLike, images: ArrayLike, *, columns: int = 30, rows: int = 20
) -> Axes:
    """Draw images at their points in the plane, one in each cell of a grid.

    Of the images whose points fall into a cell, the one nearest to its centre is drawn, in the
    whole cell: a thumbnail is at most half a cell from its point, and the rest stays unseen.

    Parameters
    ----------
    ax : Axes
        Gets the range of the points, and the shape that makes cells as wide as high as an image.
    points : array_like, shape (n, 2)
    images : array_like, shape (n, height, width)
        Values from 0, paper, to 1, ink.
    columns, rows : int
        Cells of the grid, >= 2.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If points and images are not as many, points do not spread in both directions, a value is
        no number from 0 to 1, or `columns` or `rows` < 2.

    Examples
    --------
    >>> from coupled_flows.display.figures import canvas
    >>> figure, ax = canvas()
    >>> corners = [[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [1.0, 2.0]]
    >>> ax = thumbnails(ax, corners, np.ones((4, 8, 8)), columns=5, rows=3)
    >>> [float(x) for x in ax.get_xlim()]  # the first and the last cell have their centres at 0, 1
    [-0.125, 1.125]
    """
    columns = check_integer("columns", columns, least=2)
    rows = check_integer("rows", rows, least=2)
    where = check_array("points", points, ("n", 2))
    tiles = _framed("images", images, 1)
    if len(where) != len(tiles):
        raise ValueError(f"images must be as many as the {len(where)} points; got {len(tiles)}")
    low, high = where.min(axis=0), where.max(axis=0)
    if not (high > low).all():
        raise ValueError(f"points must spread in both directions; got the range {low} to {high}")
    shape = np.array([columns, rows])
    side = (high - low) / (shape - 1)
    cell = np.rint((where - low) / side).astype(int)
    off = np.linalg.norm((where - low) / side - cell, axis=1)
    height, width = tiles.shape[1:]
    raster: Raster = np.zeros((height * rows, width * columns, 4), np.uint8)
    for i in np.argsort(-off, kind="stable"):  # the nearest last, on top
        _paste(raster, tiles[i], height * (rows - 1 - cell[i, 1]), width * cell[i, 0])
    (left, right), (bottom, top) = zip(low - side / 2, high + side / 2, strict=True)
    ax.imshow(raster, interpolation="none", extent=(left, right, bottom, top), aspect="auto")
    ax.set_box_aspect(height * rows / (width * columns))
    return ax


def _framed(name: str, images: ArrayLike, zoom: int) -> Raster:
    """Return images in grey, `zoom` times as large and in their frames, (n, height, width)."""
    ink: Array = check_array(name, images, ("n", "height", "width"))
    if not ink.size:
        raise ValueError(f"{name} must have at least one image; got shape {ink.shape}")
    if ink.min() < 0 or ink.max() > 1:
        worst = ink.min() if ink.min() < 0 else ink.max()
        raise ValueError(f"{name} must be from 0, paper, to 1, ink; got {worst:g}")
    grey = np.rint(255 * (1 - ink)).astype(np.uint8)
    large = grey.repeat(zoom, axis=1).repeat(zoom, axis=2)
    return np.pad(large, ((0, 0), (1, 1), (1, 1)), constant_values=FRAME)


def _paste(raster: Raster, image: Raster, top: int, left: int) -> None:
    part = raster[top : top + image.shape[0], left : left + image.shape[1]]
    part[..., :3] = image[..., None]
    part[..., 3] = 255
