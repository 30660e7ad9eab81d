"""Closed surfaces of triangles in R^3: what one must be, and two families that are."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse import csgraph

from coupled_flows.geometry.errors import Array, check_array, check_integer

Index = NDArray[np.signedinteger[Any]]
# areas, and rates of the same size upside down, stay numbers
LARGEST, SMALLEST = 1e100, 1e-100
# of the longest side: the cross product is right to 4 u of its square, a few digits of this
THINNEST = 1e-12
FINEST = 10


@dataclass(frozen=True, eq=False)
class Surface:
    """A closed, connected, oriented surface of triangles in R^3.

    Half-edge 3 t + a runs from corner a of triangle t to the next corner; its twin runs back, in
    the triangle beyond.

    Parameters
    ----------
    vertices : array_like, shape (n, 3)
    triangles : array_like of int, shape (k, 3)
        Indices of the corners, all seen counterclockwise from one side of the surface.

    Attributes
    ----------
    areas : ndarray, shape (k,)
    cotangents : ndarray, shape (k, 3)
        Of the angle opposite to each half-edge.
    half_edges : sparse array of int, shape (n, n)
        At (i, j) the half-edge from vertex i to vertex j.
    twins : ndarray of int, shape (3 k,)

    Raises
    ------
    TypeError
        If `vertices` holds no numbers, or `triangles` no integers.
    ValueError
        If a vertex is not finite, an index out of range, a vertex in no triangle, a triangle
        without area (up to rounding), an edge in one triangle (the rim of a hole) or in more than
        two, two neighbours are oriented differently, a vertex joins sheets that share no edge
        there, or the surface falls into pieces. Whether it passes through itself is not examined.

    Examples
    --------
    >>> corners = [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    >>> Surface(corners, [[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]]).areas.round(3)
    array([0.5  , 0.5  , 0.866, 0.5  ])
    """

    vertices: Array
    triangles: Index
    areas: Array = field(init=False, repr=False)
    cotangents: Array = field(init=False, repr=False)
    half_edges: sparse.csr_array = field(init=False, repr=False)
    twins: Index = field(init=False, repr=False)

    def __post_init__(self) -> None:
        vertices = check_array("vertices", self.vertices, ("n", 3)).copy()
        largest = np.abs(vertices).max(initial=0.0)
        if not SMALLEST <= largest <= LARGEST:
            raise ValueError(
                "vertices must have a largest coordinate of size"
                f" {SMALLEST:g} to {LARGEST:g}; got {largest:g}"
            )
        triangles = _check_triangles(self.triangles, len(vertices))
        areas, cotangents = _shapes(vertices, triangles)
        half_edges, twins = _joined(triangles, len(vertices))
        _check_sheets(triangles, half_edges, twins)
        for name, value in {
            "vertices": vertices,
            "triangles": triangles,
            "areas": areas,
            "cotangents": cotangents,
            "half_edges": half_edges,
            "twins": twins,
        }.items():
            object.__setattr__(self, name, value)
        parts = (half_edges.data, half_edges.indices, half_edges.indptr)
        for array in (vertices, triangles, areas, cotangents, twins, *parts):
            array.flags.writeable = False


def icosphere(level: int) -> tuple[Array, Index]:
    """Return an icosahedron in the unit sphere, its triangles cut in four `level` times.

    Midpoints of edges are pushed out to the sphere. Twelve vertices have five neighbours, none of
    them on an axis; all others have six.

    Parameters
    ----------
    level : int
        From 0 to 10.

    Returns
    -------
    vertices : ndarray, shape (n, 3)
        n = 10 * 4^level + 2 unit vectors; those of a coarser level come first.
    triangles : ndarray of int, shape (2 n - 4, 3)
        Counterclockwise from outside.

    Raises
    ------
    TypeError, ValueError
        If `level` is not an integer from 0 to 10.

    Examples
    --------
    >>> vertices, triangles = icosphere(7)
    >>> vertices.shape, triangles.shape
    ((163842, 3), (327680, 3))
    """
    if check_integer("level", level) > FINEST:
        raise ValueError(f"level must be at most {FINEST}; got {level}")
    # the corners of three golden rectangles, each across the next
    golden = (1 + np.sqrt(5)) / 2
    rectangle = np.array([[0.0, a, b * golden] for a in (1, -1) for b in (1, -1)])
    vertices = np.concatenate([np.roll(rectangle, turn, axis=1) for turn in range(3)])
    apart = np.linalg.norm(vertices[:, None] - vertices, axis=2)
    triples = np.array(list(combinations(range(12), 3)))
    sides = apart[triples, np.roll(triples, 1, axis=1)]
    triangles = triples[sides.max(axis=1) < 2.5]  # the sides are 2, other distances above 3
    inwards = np.linalg.det(vertices[triangles]) < 0
    triangles[inwards] = triangles[inwards, ::-1]
    vertices /= np.linalg.norm(vertices, axis=1, keepdims=True)
    for _ in range(level):
        a, b, c = triangles.T
        sides = np.concatenate([[a, b], [b, c], [c, a]], axis=1)
        n = len(vertices)
        edges, place = np.unique(sides.min(axis=0) * n + sides.max(axis=0), return_inverse=True)
        middle = vertices[edges // n] + vertices[edges % n]
        middle /= np.linalg.norm(middle, axis=1, keepdims=True)
        vertices = np.concatenate([vertices, middle])
        ab, bc, ca = n + place.reshape(3, -1)
        corners = [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
        triangles = np.concatenate([np.column_stack(three) for three in corners])
    return vertices, triangles


def torus_mesh(n: int, m: int, radii: tuple[float, float] = (2.0, 1.0)) -> tuple[Array, Index]:
    """Return a torus of revolution about the z axis, in n m squares cut in two.

    The point of angles (s, t) is ((R + r cos t) cos s, (R + r cos t) sin s, r sin t).

    Parameters
    ----------
    n, m : int
        Steps of s, round the axis, and of t, round the tube; at least 3.
    radii : (float, float)
        R and r, with R > r > 0.

    Returns
    -------
    vertices : ndarray, shape (n m, 3)
        Vertex m i + j has s = 2 pi i/n and t = 2 pi j/m.
    triangles : ndarray of int, shape (2 n m, 3)
        Counterclockwise from outside.

    Raises
    ------
    TypeError, ValueError
        If `n` or `m` is not an integer >= 3, or `radii` no pair of numbers R > r > 0.

    Examples
    --------
    >>> vertices, triangles = torus_mesh(40, 20)
    >>> vertices.shape, triangles.shape
    ((800, 3), (1600, 3))
    """
    n, m = check_integer("n", n, least=3), check_integer("m", m, least=3)
    large, small = check_array("radii", radii, (2,)).tolist()
    if not large > small > 0:
        raise ValueError(f"radii must be R > r > 0; got {large:g} and {small:g}")
    i, j = (index.ravel() for index in np.divmod(np.arange(n * m), m))
    s, t = 2 * np.pi * i / n, 2 * np.pi * j / m
    away = large + small * np.cos(t)
    vertices = np.column_stack([away * np.cos(s), away * np.sin(s), small * np.sin(t)])
    right, up = (i + 1) % n, (j + 1) % m
    here, east, north, far = m * i + j, m * right + j, m * i + up, m * right + up
    lower, upper = np.column_stack([here, east, far]), np.column_stack([here, far, north])
    return vertices, np.concatenate([lower, upper])


def _check_triangles(value: ArrayLike, n: int) -> Index:
    """Return triangles as an array of indices below n that name every vertex."""
    try:
        given = np.asarray(value)
        if given.dtype.kind not in "iu":
            raise TypeError
    except (TypeError, ValueError, OverflowError):
        raise TypeError(
            f"triangles must be an array of integers of shape (k, 3); got {value!r}"
        ) from None
    if given.ndim != 2 or given.shape[1] != 3 or not len(given):
        raise ValueError(f"triangles must have shape (k, 3), k >= 1; got shape {given.shape}")
    if (wrong := (given < 0) | (given >= n)).any():
        row, corner = np.argwhere(wrong)[0]
        raise ValueError(
            f"triangles must be indices from 0 to {n - 1} into vertices; got"
            f" {given[row, corner]} in triangle {row}"
        )
    triangles = given.astype(np.int64)
    lonely = np.flatnonzero(np.bincount(triangles.ravel(), minlength=n) == 0)
    if len(lonely):
        raise ValueError(
            f"vertices must each be a corner of triangles; got {len(lonely)} that"
            f" {'is' if len(lonely) == 1 else 'are'} not, such as vertex {lonely[0]}"
        )
    return triangles


def _shapes(vertices: Array, triangles: Index) -> tuple[Array, Array]:
    """Return areas and cotangents of the angles opposite to the half-edges."""
    unit = np.abs(vertices).max()  # fourth powers of lengths occur
    coordinates = np.ascontiguousarray(vertices.T) / unit
    corners = [coordinates.take(triangles[:, a], axis=1) for a in range(3)]
    first, second, third = (corners[(a + 1) % 3] - corners[a] for a in range(3))
    cross = first[[1, 2, 0]] * second[[2, 0, 1]] - first[[2, 0, 1]] * second[[1, 2, 0]]
    twice = np.sqrt(np.einsum("ij,ij->j", cross, cross))
    longest = np.max([np.einsum("ij,ij->j", side, side) for side in (first, second, third)], axis=0)
    flat = np.flatnonzero(~(twice > THINNEST * longest))
    if len(flat):
        t = flat[0]
        raise ValueError(
            f"triangles must have an area, beyond rounding; got {len(flat)} without, such as"
            f" triangle {t} of vertices {_named(*triangles[t])}, of area"
            f" {twice[t] / 2 * unit**2:g} and longest side {np.sqrt(longest[t]) * unit:g}"
        )
    pairs = ((second, third), (third, first), (first, second))
    # between the sides that leave the corner opposite: one of them runs the other way
    cotangents = np.stack([-np.einsum("ij,ij->j", *pair) / twice for pair in pairs], axis=1)
    return twice * (unit * unit / 2), cotangents


def _joined(triangles: Index, n: int) -> tuple[sparse.csr_array, Index]:
    """Return the half-edges by their ends, and the twin of each."""
    count = triangles.size
    tail, head = triangles.ravel(), triangles[:, [1, 2, 0]].ravel()
    edges = sparse.coo_array((np.arange(count), (tail, head)), (n, n)).tocsr()
    back = edges.T.tocsr()  # which leaves its indices sorted, too
    if edges.nnz < count or not np.array_equal(edges.indices, back.indices):
        raise ValueError(_fault(tail, head, n))
    twins = np.empty(count, np.int64)
    twins[edges.data] = back.data
    return edges, twins


def _fault(tail: Index, head: Index, n: int) -> str:
    """Say which edge is not shared by two triangles that run along it in opposite directions."""
    low, high = np.minimum(tail, head), np.maximum(tail, head)
    edges, place, uses = np.unique(low * n + high, return_inverse=True, return_counts=True)

    def at(edge: int) -> str:
        two = [int(t) for t in np.flatnonzero(place == edge) // 3]
        return f"the edge between vertices {_named(*divmod(edges[edge], n))}, in triangles {two}"

    if (crowded := np.flatnonzero(uses > 2)).size:
        which = at(crowded[0])
        return f"triangles must meet in twos along an edge; got {crowded.size} in more: {which}"
    if (rim := np.flatnonzero(uses == 1)).size:
        which = at(rim[0])
        return f"triangles must close up; got {rim.size} edges of a single one (a hole): {which}"
    forward = np.bincount(place, tail < head, len(edges))
    turned = np.flatnonzero(forward != 1)
    return (
        "triangles must run along a shared edge in opposite directions; got"
        f" {turned.size} edges where they do not, as {at(turned[0])}: one of the two is flipped"
    )


def _check_sheets(triangles: Index, half_edges: sparse.csr_array, twins: Index) -> None:
    """Refuse a vertex that joins several sheets, and a surface in several pieces."""
    count, n = triangles.size, half_edges.shape[0]
    # the next half-edge that leaves the same vertex, round it: the twin of the one that arrives
    arrives = np.arange(count).reshape(-1, 3)[:, [2, 0, 1]].ravel()
    rows = np.arange(count + 1)
    turning = sparse.csr_array((np.ones(count), twins[arrives], rows), (count, count))
    fans, fan = csgraph.connected_components(turning, connection="strong")
    if fans > n:
        first = np.unique(fan, return_index=True)[1]
        sheets = np.bincount(triangles.ravel()[first])
        pinched = np.flatnonzero(sheets > 1)
        raise ValueError(
            f"vertices must have their triangles in one ring; got {len(pinched)} where sheets"
            f" touch, such as vertex {pinched[0]} with {sheets[pinched[0]]} rings"
        )
    graph = sparse.csr_array((np.ones(count), half_edges.indices, half_edges.indptr), (n, n))
    pieces, piece = csgraph.connected_components(graph, connection="strong")
    if pieces > 1:
        other = int(np.argmax(piece != piece[0]))
        raise ValueError(
            f"triangles must form one connected surface; got {pieces} pieces, vertices 0 and"
            f" {other} in different ones"
        )


def _named(*vertices: int) -> str:
    return ", ".join(map(str, vertices[:-1])) + f" and {vertices[-1]}"
