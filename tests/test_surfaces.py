"""Closed surfaces of triangles: two families, their geometry, and what is refused."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupled_flows import fit_order, icosphere, torus_mesh
from coupled_flows.geometry.errors import Array
from coupled_flows.geometry.surfaces import Index, Surface

U = 2.0**-53
CORNERS = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
FACES = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])


def rough(level: int, seed: int) -> tuple[Array, Index]:
    """Return an icosphere whose vertices are moved, numbered and turned at random."""
    rng = np.random.default_rng(seed)
    vertices, triangles = icosphere(level)
    vertices = vertices * (1 + 0.2 * rng.random((len(vertices), 1)))
    number = rng.permutation(len(vertices))
    moved = np.empty_like(vertices)
    moved[number] = vertices
    triangles = number[triangles[rng.permutation(len(triangles))]]
    turn = (np.arange(3) + rng.integers(3, size=(len(triangles), 1))) % 3
    return moved, np.take_along_axis(triangles, turn, axis=1)


def volume(vertices: Array, triangles: Index) -> float:
    """Return the volume inside; negative if triangles run clockwise seen from outside."""
    a, b, c = vertices[triangles].transpose(1, 0, 2)
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


# -- the families ----------------------------------------------------------------------------------


@pytest.mark.parametrize("level", range(5))
def test_an_icosphere_is_one(level: int) -> None:
    vertices, triangles = icosphere(level)
    n, k = 10 * 4**level + 2, 20 * 4**level
    assert vertices.shape == (n, 3)
    assert triangles.shape == (k, 3)
    # a norm takes three roundings, and dividing by it another
    np.testing.assert_allclose(np.linalg.norm(vertices, axis=1), 1, rtol=0, atol=4 * U)
    surface = Surface(vertices, triangles)
    assert n - surface.half_edges.nnz // 2 + k == 2  # Euler
    assert sorted(np.bincount(triangles.ravel())) == [5] * 12 + [6] * (n - 12)
    assert volume(vertices, triangles) > 0
    # with every point its antipode: the vertices add up to 0, and nothing has a direction
    assert np.abs(vertices.sum(axis=0)).max() <= n * U
    np.testing.assert_allclose(3 * vertices.T @ vertices, n * np.eye(3), rtol=0, atol=n * n * U)
    # level by level: nested
    if level:
        assert np.array_equal(vertices[: (n - 2) // 4 + 2], icosphere(level - 1)[0])


def test_level_zero_is_the_icosahedron() -> None:
    surface = Surface(*icosphere(0))
    edges = surface.half_edges.tocoo()
    lengths = np.linalg.norm(surface.vertices[edges.row] - surface.vertices[edges.col], axis=1)
    side = 1 / math.sin(2 * math.pi / 5)
    np.testing.assert_allclose(lengths, side, rtol=8 * U)
    np.testing.assert_allclose(surface.areas, math.sqrt(3) / 4 * side**2, rtol=16 * U)
    np.testing.assert_allclose(surface.cotangents, 1 / math.sqrt(3), rtol=16 * U)


@pytest.mark.parametrize(("n", "m", "radii"), [(3, 3, (2.0, 1.0)), (12, 7, (1.0, 0.3))])
def test_a_torus_is_one(n: int, m: int, radii: tuple[float, float]) -> None:
    large, small = radii
    vertices, triangles = torus_mesh(n, m, radii)
    surface = Surface(vertices, triangles)
    assert vertices.shape == (n * m, 3)
    assert triangles.shape == (2 * n * m, 3)
    assert n * m - surface.half_edges.nnz // 2 + 2 * n * m == 0
    assert (np.bincount(triangles.ravel()) == 6).all()
    assert volume(vertices, triangles) > 0
    x, y, z = vertices.T
    # ten operations, each below R + r
    off = np.hypot(np.hypot(x, y) - large, z) - small
    assert np.abs(off).max() <= 10 * (large + small) * U
    i, j = 2, m - 1
    s, t = 2 * math.pi * i / n, 2 * math.pi * j / m
    away = large + small * math.cos(t)
    at = [away * math.cos(s), away * math.sin(s), small * math.sin(t)]
    np.testing.assert_allclose(vertices[m * i + j], at, rtol=0, atol=10 * (large + small) * U)


def test_their_areas_and_volumes_tend_to_those_of_the_smooth_surfaces() -> None:
    spheres = [icosphere(level) for level in range(2, 6)]
    tori = [torus_mesh(2 * m, m) for m in (10, 20, 40, 80)]
    for meshes, area, inside in (
        (spheres, 4 * math.pi, 4 / 3 * math.pi),
        (tori, 8 * math.pi**2, 4 * math.pi**2),
    ):
        steps = [2.0**-k for k in range(4)]
        for found in (
            [area - Surface(*mesh).areas.sum() for mesh in meshes],
            [inside - volume(*mesh) for mesh in meshes],
        ):
            # the next term is of order 4: at most a tenth of the first on the coarsest mesh
            assert fit_order(steps, found).slope == pytest.approx(2, abs=0.05)


# -- the geometry of any ---------------------------------------------------------------------------


@given(seed=st.integers(0, 1000), scale=st.sampled_from([1e-99, 1.0, 1e99]))
def test_areas_and_angles_are_those_of_the_triangles(seed: int, scale: float) -> None:
    vertices, triangles = rough(1, seed)
    surface = Surface(scale * vertices, triangles)
    corners = scale * vertices[triangles]
    a, b, c = (
        np.linalg.norm(corners[:, (i + 2) % 3] - corners[:, (i + 1) % 3], axis=1) for i in range(3)
    )
    s = (a + b + c) / 2
    heron = np.sqrt(s / scale * ((s - a) / scale) * ((s - b) / scale) * ((s - c) / scale))
    # least angle of these triangles: s - a loses at most a factor of 100
    np.testing.assert_allclose(surface.areas / scale**2, heron, rtol=2000 * U)
    for opposite, (p, q, r) in {0: (a, b, c), 1: (b, c, a), 2: (c, a, b)}.items():
        angle = np.arccos(
            (p**2 / scale**2 + q**2 / scale**2 - r**2 / scale**2) / (2 * p * q) * scale**2
        )
        np.testing.assert_allclose(
            surface.cotangents[:, opposite], 1 / np.tan(angle), rtol=0, atol=2000 * U
        )
    x, y, z = surface.cotangents.T
    np.testing.assert_allclose(x * y + y * z + z * x, 1, rtol=500 * U)


@given(seed=st.integers(0, 1000))
def test_half_edges_have_twins(seed: int) -> None:
    vertices, triangles = rough(1, seed)
    surface = Surface(vertices, triangles)
    count = triangles.size
    edges = surface.half_edges.tocoo()
    assert sorted(edges.data) == list(range(count))
    tail, head = np.empty(count, int), np.empty(count, int)
    tail[edges.data], head[edges.data] = edges.row, edges.col
    assert np.array_equal(tail, triangles.ravel())
    assert np.array_equal(head, np.roll(triangles, -1, axis=1).ravel())
    assert np.array_equal(tail[surface.twins], head)
    assert np.array_equal(head[surface.twins], tail)
    assert np.array_equal(surface.twins[surface.twins], np.arange(count))


def test_what_is_given_is_copied_and_kept() -> None:
    vertices: Array = CORNERS.copy()
    triangles: Any = FACES.astype(np.uint8)
    surface = Surface(vertices, triangles)
    vertices[:], triangles[:] = 7, 7
    assert np.array_equal(surface.vertices, CORNERS)
    assert np.array_equal(surface.triangles, FACES)
    for kept in (surface.vertices, surface.triangles):
        with pytest.raises(ValueError, match="read-only"):
            kept[0] = 0
    assert Surface(CORNERS.tolist(), FACES.tolist()).areas.sum() == surface.areas.sum()
    # from the other side it is a surface, too
    assert Surface(CORNERS, FACES[:, ::-1]).areas.sum() == pytest.approx(surface.areas.sum())


# -- refusals --------------------------------------------------------------------------------------


def refused(vertices: Any, triangles: Any, *said: str) -> None:
    with pytest.raises(ValueError, match=".*".join(said)):
        Surface(vertices, triangles)


def test_holes_are_refused() -> None:
    refused(CORNERS, FACES[1:], "triangles must close up; got 3 edges", "0 and 1,", r"\[0\]")
    vertices, triangles = icosphere(2)
    refused(vertices, np.delete(triangles, [5, 100], 0), "triangles must close up; got 6 edges")
    open_tube = triangles[np.abs(vertices[triangles][:, :, 2]).max(axis=1) < 0.9]
    used, number = np.unique(open_tube, return_inverse=True)
    refused(vertices[used], number.reshape(-1, 3), "triangles must close up; got")


def test_a_triangle_too_many_is_refused() -> None:
    again = np.concatenate([FACES, FACES[2:3]])
    refused(
        CORNERS, again, "must meet in twos along an edge; got 3 in more", "1 and 2", r"\[0, 2, 4\]"
    )
    # two tetrahedra that share an edge, four triangles along it
    vertices = np.concatenate([CORNERS, [[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]])
    other = np.array([0, 4, 5, 3])[FACES]
    refused(vertices, np.concatenate([FACES, other]), "got 1 in more", "0 and 3,")


@given(seed=st.integers(0, 1000), flips=st.integers(1, 20))
def test_flipped_triangles_are_refused(seed: int, flips: int) -> None:
    vertices, triangles = rough(1, seed)
    which = np.random.default_rng(seed).choice(len(triangles), flips, replace=False)
    bad = triangles.copy()
    bad[which] = bad[which, ::-1]
    with pytest.raises(ValueError, match="triangles must run along a shared edge in opp") as caught:
        Surface(vertices, bad)
    said = re.search(
        r"between vertices (\d+) and (\d+), in triangles \[(\d+), (\d+)\]", str(caught.value)
    )
    assert said
    low, high, first, second = map(int, said.groups())
    assert {low, high} <= set(bad[first]) & set(bad[second])
    assert (first in which) != (second in which)


def test_a_surface_with_one_side_is_refused() -> None:
    # a torus glued with a turn, a Klein bottle: every edge is shared by two, and no orientation is
    n, m = 5, 4
    i, j = (index.ravel() for index in np.divmod(np.arange(n * m), m))

    def at(i: Index, j: Index) -> Index:
        turned = np.where(i >= n, -j, j)
        return m * (i % n) + turned % m

    here, east, north, far = at(i, j), at(i + 1, j), at(i, j + 1), at(i + 1, j + 1)
    triangles = np.concatenate(
        [np.column_stack([here, east, far]), np.column_stack([here, far, north])]
    )
    vertices = np.random.default_rng(1).standard_normal((n * m, 3))
    refused(vertices, triangles, "in opposite directions; got 4 edges where they do not")


def test_triangles_without_area_are_refused() -> None:
    message = "triangles must have an area, beyond rounding; got"
    refused(
        CORNERS,
        [[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 2, 3]],
        message,
        "1 .*3 of vertices 2, 2 and 3",
    )
    flat = CORNERS.copy()
    flat[3] = [0.5, 0.5, 0.0]  # on the edge from 1 to 2
    refused(flat, FACES, message, "1 without, such as triangle 2 of vertices 1, 2 and 3, of area 0")
    for scale in (1e-99, 1.0, 1e99):
        refused(flat * scale, FACES, message)
        thin = flat.copy()
        thin[3] += 3e-13  # heights below 1e-12 of the sides
        refused(thin * scale, FACES, message)
        thin[3] += 3e-12
        Surface(thin * scale, FACES)
    refused(np.ones((4, 3)), FACES, message, "4 without")


def test_vertices_of_no_triangle_are_refused() -> None:
    lonely = np.concatenate([CORNERS, [[5.0, 5.0, 5.0]]])
    refused(lonely, FACES, "vertices must each be a corner of triangles; got 1 that is not, .*4")
    lonely = np.concatenate([np.ones((2, 3)), CORNERS])
    refused(lonely, FACES + 2, "got 2 that are not, such as vertex 0")


def test_pieces_are_refused() -> None:
    two = np.concatenate([CORNERS, CORNERS + 3])
    both = np.concatenate([FACES, FACES + 4])
    refused(two, both, "triangles must form one connected surface; got 2 pieces, vertices 0 and 4")


def test_sheets_that_touch_in_a_vertex_are_refused() -> None:
    # two tetrahedra with one corner in common: its capacity is 0, the diffusion does not pass it
    vertices = np.concatenate([CORNERS, -CORNERS[1:]])
    other = np.array([0, 4, 5, 6])[FACES]
    for shift in range(7):
        number = (np.arange(7) + shift) % 7
        moved = np.empty_like(vertices)
        moved[number] = vertices
        refused(
            moved,
            number[np.concatenate([FACES, other])],
            f"vertices must have their triangles in one ring; got 1 where.*vertex {shift} with 2",
        )


@pytest.mark.parametrize(
    ("triangles", "said"),
    [
        (
            [[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 4]],
            "from 0 to 3 into vertices; got 4 in triangle 3",
        ),
        ([[0, 2, 1], [0, -1, 3], [1, 2, 3], [2, 0, 3]], "got -1 in triangle 1"),
        (np.array([[0, 1, 2**63]], np.uint64), "got 9223372036854775808 in triangle 0"),
        (np.zeros((0, 3), int), r"shape \(k, 3\), k >= 1; got shape \(0, 3\)"),
        ([0, 1, 2], r"shape \(k, 3\), k >= 1; got shape \(3,\)"),
        ([[0, 1, 2, 3]], r"got shape \(1, 4\)"),
    ],
)
def test_triangles_must_be_indices(triangles: Any, said: str) -> None:
    refused(CORNERS, triangles, "triangles must ", said)


@pytest.mark.parametrize(
    "triangles",
    [None, "faces", [[0.0, 1.0, 2.0]], [[True, False, True]], [[0, 1], [1, 2, 3]], {}, 1.5],
)
def test_triangles_must_be_integers(triangles: Any) -> None:
    with pytest.raises(TypeError, match="triangles must be an array of integers of shape"):
        Surface(CORNERS, triangles)


@pytest.mark.parametrize(
    ("vertices", "said"),
    [
        (np.where(CORNERS > 0, math.nan, 0), r"vertices must be finite; got nan at index \(1, 0\)"),
        (np.where(CORNERS > 0, math.inf, 0), r"vertices must be finite; got inf at index \(1, 0\)"),
        (CORNERS * 1e150, r"vertices must have a largest coordinate of .* to 1e\+100; got 1e\+150"),
        (
            CORNERS * 1e-150,
            "vertices must have a largest coordinate of size 1e-100 to .*; got 1e-150",
        ),
        (CORNERS[:, :2], r"vertices must have shape \(n, 3\); got shape \(4, 2\)"),
        (np.zeros((0, 3)), "vertices must have a largest coordinate of .*; got 0"),
    ],
)
def test_vertices_must_be_points_of_space(vertices: Any, said: str) -> None:
    refused(vertices, FACES, said)


@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        (lambda: icosphere(-1), ValueError, "level must be an integer >= 0; got -1"),
        (lambda: icosphere(11), ValueError, "level must be at most 10; got 11"),
        (lambda: icosphere(1.0), TypeError, "level must be an integer >= 0; got 1.0"),  # type: ignore[arg-type]
        (lambda: torus_mesh(2, 3), ValueError, "n must be an integer >= 3; got 2"),
        (lambda: torus_mesh(3, 2), ValueError, "m must be an integer >= 3; got 2"),
        (lambda: torus_mesh(3, 3, (1, 1)), ValueError, "radii must be R > r > 0; got 1 and 1"),
        (lambda: torus_mesh(3, 3, (1, 0)), ValueError, "radii must be R > r > 0; got 1 and 0"),
        (lambda: torus_mesh(3, 3, (1, math.nan)), ValueError, "radii must be finite"),
    ],
)
def test_sizes_out_of_range_are_refused(call: Any, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=re.escape(said)):
        call()
