"""Laws on cells: exact areas, exact quadrature, and a distribution that inverts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupled_flows import (
    CircleLaw,
    FourierGenerator,
    Langevin,
    Sphere,
    Torus,
    ZonalGenerator,
    ZonalLaw,
    wasserstein,
    zero,
)
from coupled_flows.geometry.errors import Array
from coupled_flows.measure.cells import CellLaw, CircleCells, ZonalCells

U = 2.0**-53
KINDS: list[type[CellLaw]] = [CircleCells, ZonalCells]
both_kinds = pytest.mark.parametrize("kind", KINDS)
WHOLE = {CircleCells: 2 * np.pi, ZonalCells: 4 * np.pi}


def rough(kind: type[CellLaw], n: int = 30, seed: int = 1) -> CellLaw:
    return kind(np.random.default_rng(seed).random(n) ** 3)


def bump(kind: type[CellLaw]) -> Callable[[Array], Array]:
    """Return a smooth density, unnormalised."""
    if kind is CircleCells:
        return lambda x: np.exp(np.cos(x[:, 0]) + 0.5 * np.sin(2 * x[:, 0]))
    return lambda z: np.exp(2 * z - z**2)


# -- cells ----------------------------------------------------------------------------------------


@both_kinds
@pytest.mark.parametrize("n", [4, 5, 64, 301])
def test_the_cells_fill_the_manifold(kind: type[CellLaw], n: int) -> None:
    law = kind.uniform(n)
    assert abs(law.volumes.sum() - WHOLE[kind]) < 10 * n * U
    assert law.manifold.belongs(law.nodes).all()
    np.testing.assert_allclose(law.masses, law.volumes / WHOLE[kind], rtol=1e-13)
    # E log density of the uniform law is minus the logarithm of the volume
    assert abs(law.entropy() + np.log(WHOLE[kind])) < 10 * n * U


@pytest.mark.parametrize("n", [4, 5, 64, 301])
def test_every_zone_holds_its_node(n: int) -> None:
    law = ZonalCells.uniform(n)
    assert isinstance(law, ZonalCells)
    assert (law.edges[:-1] < law.places).all()
    assert (law.places < law.edges[1:]).all()
    np.testing.assert_array_equal(law.edges, -law.edges[::-1])
    np.testing.assert_allclose(2 * np.pi * np.diff(law.edges), law.volumes, rtol=0, atol=10 * n * U)


@both_kinds
def test_means_of_smooth_functions_are_right_to_rounding(kind: type[CellLaw]) -> None:
    # the rules converge geometrically: 64 nodes are more than these densities need
    law = kind.from_density(bump(kind), 64)
    if kind is CircleCells:
        exact = CircleLaw.from_density(bump(kind), 48)
        f: Callable[[Array], Array] = lambda x: np.cos(3 * x[:, 0])  # noqa: E731
    else:
        exact = ZonalLaw.from_density(bump(kind), 48)  # type: ignore[assignment]
        f = lambda z: z**3  # noqa: E731
    assert abs(law.mean(f) - exact.mean(f)) < 1e-13


@pytest.mark.parametrize("degree", [1, 2])
def test_conductances_make_the_laplacian(degree: int) -> None:
    # on the circle cos k t, on S^2 P_l(z): sum over faces of c (f - f_next)^2 is the integral of
    # |grad f|^2, k^2 or l(l+1) times that of f^2, up to the square of the width
    for kind, rate in ((CircleCells, degree**2), (ZonalCells, degree * (degree + 1))):
        errors = []
        for n in (40, 80, 160):
            law = kind.uniform(n)
            x = law.places
            if kind is CircleCells:
                f, step = np.cos(degree * x[:, 0]), np.arange(n)
            else:
                f, step = (x if degree == 1 else 1.5 * x**2 - 0.5), np.arange(n - 1)
            energy = law.conductances @ (f[step] - f[(step + 1) % n]) ** 2
            errors.append(abs(energy / (law.volumes @ f**2) - rate))
        order = -np.diff(np.log2(errors))
        assert (np.abs(order - 2) < 0.1).all()


# -- laws -----------------------------------------------------------------------------------------


@both_kinds
@given(seed=st.integers(0, 10**6), n=st.integers(4, 60))
def test_quantiles_invert_the_distribution(kind: type[CellLaw], seed: int, n: int) -> None:
    law = rough(kind, n, seed)
    share = (np.arange(50) + 0.5) / 50
    np.testing.assert_allclose(law.distribution(law.quantiles(50)), share, rtol=0, atol=2e-14)


@both_kinds
def test_the_density_is_the_slope_of_the_distribution(kind: type[CellLaw]) -> None:
    law, angle = rough(kind), np.linspace(0.05, 3.0, 37)
    d = 1e-6
    rise = (law.distribution(angle + d) - law.distribution(angle - d)) / (2 * d)
    # no edge of a cell is that near; rounding leaves u/d, the curvature of z in the angle d^2
    np.testing.assert_allclose(rise, law.angle_density(angle), rtol=1e-8, atol=1e-9)


@both_kinds
def test_the_density_is_constant_in_a_cell_and_has_its_mass(kind: type[CellLaw]) -> None:
    law = rough(kind)
    density = law.density(law.places)  # type: ignore[attr-defined]
    # an edge of a cell has u, which is 1e-13 of a width, and less than that of 1/400
    np.testing.assert_allclose(density * law.volumes, law.masses, rtol=1e-12)


@both_kinds
def test_samples_have_the_law(kind: type[CellLaw]) -> None:
    law, n = rough(kind), 20_000
    x = law.sample(n, np.random.default_rng(3))
    angle = x[:, 0] if kind is CircleCells else np.arccos(np.clip(x[:, 2], -1, 1))
    assert law.manifold.belongs(x).all()
    share = np.sort(law.distribution(angle))
    # Kolmogorov: P(sup |F_n - F| > 1.95/sqrt n) = 0.001
    gap = np.abs(share - (np.arange(n) + 0.5) / n).max()
    assert gap < 1.95 / np.sqrt(n)


@both_kinds
def test_the_distance_to_a_smooth_law_is_of_second_order(kind: type[CellLaw]) -> None:
    # inside a cell mass is moved by the width times the relative slope, itself of the width
    exact = (
        FourierGenerator(Langevin(Torus(1), zero()), 40).law(bump(kind))
        if kind is CircleCells
        else ZonalGenerator(Langevin(Sphere(2), zero()), 40).law(bump(kind))
    )
    far = [wasserstein(kind.from_density(bump(kind), n), exact) for n in (25, 50, 100)]
    order = -np.diff(np.log2(far))
    assert (np.abs(order - 2) < 0.1).all()


@both_kinds
def test_the_distance_of_laws_on_cells_is_that_of_many_quantiles(kind: type[CellLaw]) -> None:
    one, two = rough(kind, 20, 1), rough(kind, 33, 2)
    n = 20_000
    gap = one.quantiles(n) - two.quantiles(n)
    if kind is ZonalCells:
        # the midpoint rule for a quantile function with kinks
        assert abs(wasserstein(one, two) - np.sqrt((gap**2).mean())) < 1e-5
    assert wasserstein(one, two) <= np.sqrt((gap**2).mean()) + 1e-5
    assert wasserstein(one, one) < 1e-12


# -- what is refused ------------------------------------------------------------------------------


@both_kinds
@pytest.mark.parametrize(
    ("masses", "error", "said"),
    [
        ([1.0, 1.0], ValueError, "masses must be those of 4 cells or more; got 2"),
        ([1.0, -1.0, 1.0, 1.0], ValueError, "must be non-negative with a positive, finite sum"),
        ([1e308] * 4, ValueError, "masses must be non-negative with a positive, finite sum"),
        ([0.0] * 4, ValueError, "must be non-negative with a positive, finite sum"),
        ([1.0, np.nan, 1.0, 1.0], ValueError, "masses must be finite; got nan"),
        ("many", TypeError, "masses must be an array of real numbers"),
    ],
)
def test_masses_are_checked(
    kind: type[CellLaw], masses: Any, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=re.escape(said)):
        kind(masses)


@both_kinds
def test_densities_and_numbers_of_cells_are_checked(kind: type[CellLaw]) -> None:
    with pytest.raises(ValueError, match="n must be an integer >= 4; got 3"):
        kind.uniform(3)
    with pytest.raises(ValueError, match="density must be non-negative"):
        kind.from_density(lambda x: -np.ones(len(x)), 8)
    with pytest.raises(TypeError, match="density must be a function"):
        kind.from_density(3.0, 8)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"density\(x\) must have shape"):
        kind.from_density(lambda x: np.ones((len(x), 2)) * np.nan, 8)


def test_heights_and_angles_are_checked() -> None:
    with pytest.raises(ValueError, match=r"z must lie in \[-1, 1\]"):
        ZonalCells.uniform(8).density([1.5])  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="x"):
        CircleCells.uniform(8).density([[7.0]])  # type: ignore[attr-defined]


@both_kinds
def test_masses_cannot_be_changed(kind: type[CellLaw]) -> None:
    given_masses = np.ones(8)
    law = kind(given_masses)
    given_masses[0] = 5.0
    assert law.masses[0] == 1 / 8
    with pytest.raises(ValueError, match="read-only"):
        law.masses[0] = 1.0
