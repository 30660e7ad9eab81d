"""What circle and sphere share: interpolation, laws on nodes, transitions, evolution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coupled_flows import (
    BarkerWalk,
    BoundedWalk,
    CircleLaw,
    FourierGenerator,
    GeodesicWalk,
    Langevin,
    MetropolisWalk,
    PointLaw,
    RetractionWalk,
    RingLaw,
    Sphere,
    Torus,
    ZonalGenerator,
    ZonalLaw,
    fourier,
    linear,
    zero,
)
from coupled_flows.generators.spectral import SpectralGenerator
from coupled_flows.geometry.errors import Array
from coupled_flows.geometry.workspace import Workspace
from coupled_flows.walks.steps import Walk

CIRCLE = FourierGenerator(Langevin(Torus(1), fourier(cos={1: 1.0}, sin={2: 0.3}), 1.5), 32)
SPHERE = ZonalGenerator(Langevin(Sphere(2), linear([0.0, 0.0, -1.0]), 1.3), 32)
each = pytest.mark.parametrize("generator", [CIRCLE, SPHERE], ids=["circle", "sphere"])
KINDS = ["geodesic", "retraction", "sphere", "ball", "metropolis", "barker"]


def make(kind: str, problem: Langevin, h: float) -> Walk:
    if kind in ("sphere", "ball"):
        return BoundedWalk(problem, h, kind)
    table: dict[str, Any] = {
        "geodesic": GeodesicWalk,
        "retraction": RetractionWalk,
        "metropolis": MetropolisWalk,
        "barker": BarkerWalk,
    }
    walk: Walk = table[kind](problem, h)
    return walk


def point(generator: SpectralGenerator) -> PointLaw | RingLaw:
    if generator is CIRCLE:
        return PointLaw(np.array([[1.0]]), manifold=Torus(1))
    return RingLaw(np.array([0.3]))


def density(generator: SpectralGenerator) -> Any:
    if generator is CIRCLE:
        return generator.law(lambda x: np.exp(np.sin(x[:, 0])))
    return generator.law(lambda z: np.exp(-z))


def moments(law: Any) -> Any:
    assert isinstance(law, CircleLaw | ZonalLaw)
    return law.moments


@each
def test_interpolation_is_exact_for_the_basis(generator: SpectralGenerator) -> None:
    x = generator.langevin.manifold.random_point(20, np.random.default_rng(1))
    if generator is CIRCLE:
        f, g = np.cos(32 * generator.nodes[:, 0] - 1), np.cos(32 * x[:, 0] - 1)
    else:
        f, g = generator.nodes[:, 2] ** 20, x[:, 2] ** 20
    # 65 terms, with phases 32 t good to 32 * 1e-15
    np.testing.assert_allclose(generator.interpolate(f, x), g, rtol=0, atol=65 * 32e-15)
    np.testing.assert_allclose(
        generator.interpolate(f, generator.nodes), f, rtol=0, atol=65 * 32e-15
    )
    both = generator.interpolate(np.column_stack([f, 2 * f]), x)
    np.testing.assert_allclose(both[:, 1], 2 * both[:, 0], rtol=0, atol=1e-12)


@each
def test_laws_become_weights_and_come_back(generator: SpectralGenerator) -> None:
    law = density(generator)
    weights = generator.weights_of(law)
    # rounding of sums of 65 terms
    np.testing.assert_allclose(moments(generator.law_of(weights)), moments(law), rtol=0, atol=1e-14)
    assert weights.sum() == pytest.approx(1, abs=1e-14)
    # weights integrate what is resolved
    f = np.cos(generator.nodes[:, -1])
    expected = law.mean(lambda x: np.cos(x if generator is SPHERE else x[:, 0]))
    assert weights @ f == pytest.approx(float(expected), abs=1e-13)


@each
def test_a_point_integrates_by_interpolation(generator: SpectralGenerator) -> None:
    weights = generator.weights_of(point(generator))
    value = math.cos(1.0) if generator is CIRCLE else math.cos(0.3)
    assert weights @ np.cos(generator.nodes[:, -1]) == pytest.approx(value, abs=1e-13)


@each
@given(s=st.floats(0, 2), t=st.floats(0, 2))
@settings(max_examples=30)
def test_evolution_is_a_semigroup(generator: SpectralGenerator, s: float, t: float) -> None:
    law = density(generator)
    twice = generator.evolve(generator.evolve(law, s), t)
    # two changes of basis, orthogonal to 1e-14, roots of mass down to exp(-2)
    np.testing.assert_allclose(
        moments(twice), moments(generator.evolve(law, s + t)), rtol=0, atol=1e-12
    )


@each
def test_evolution_is_the_dual_of_the_semigroup(generator: SpectralGenerator) -> None:
    f = np.sin(2 * generator.nodes[:, -1]) + generator.nodes[:, -1] ** 0
    for law in (density(generator), point(generator)):
        for time in (0.1, 1.0):
            left = generator.weights_of(generator.evolve(law, time)) @ f
            right = generator.weights_of(law) @ generator.semigroup(f, time)
            assert left == pytest.approx(right, abs=1e-12)


@each
@pytest.mark.parametrize("time", [0.0, 1e-3, 0.3, 1.0, 1e3])
def test_evolution_keeps_mass(generator: SpectralGenerator, time: float) -> None:
    for law in (density(generator), point(generator)):
        weights = generator.weights_of(generator.evolve(law, time))
        assert weights.sum() == pytest.approx(1, abs=1e-12)  # demanded


@each
def test_pi_stays(generator: SpectralGenerator) -> None:
    pi = generator.stationary
    np.testing.assert_allclose(moments(generator.evolve(pi, 2.0)), moments(pi), rtol=0, atol=1e-13)


@each
def test_one_time_gives_a_law_and_many_a_list(generator: SpectralGenerator) -> None:
    law = density(generator)
    many = generator.evolve(law, np.array([0.0, 0.5, 2.0]))
    assert isinstance(many, list)
    assert many[0] is law
    for got, time in zip(many, [0.0, 0.5, 2.0], strict=True):
        np.testing.assert_array_equal(moments(got), moments(generator.evolve(law, time)))
    assert generator.evolve(law, [0.5])[0] is not law
    assert generator.evolve(law, []) == []


# -- transitions --------------------------------------------------------------------------------


@each
@pytest.mark.parametrize("kind", KINDS)
def test_transitions_keep_mass_and_a_stationary_law(
    generator: SpectralGenerator, kind: str
) -> None:
    transition = generator.transition(make(kind, generator.langevin, 0.1))
    n = len(generator.nodes)
    # rows of 65 products of 65 terms
    np.testing.assert_allclose(
        transition.matrix.sum(axis=1), np.ones(n), rtol=0, atol=65 * 65 * 2**-53
    )
    np.testing.assert_allclose(
        transition.apply(np.ones(n)), np.ones(n), rtol=0, atol=65 * 65 * 2**-53
    )
    weights = transition.weights
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    # a linear system of condition 1/(0.1 gap) < 100
    np.testing.assert_allclose(weights @ transition.matrix, weights, rtol=0, atol=1e-13)
    f = np.sin(generator.nodes[:, -1])
    assert transition.stationary_mean(transition.apply(f)) == pytest.approx(
        transition.stationary_mean(f), abs=1e-13
    )
    late = transition.evolve(density(generator), 1000)
    # 1000 steps of 0.1 leave exp(-100 gap)
    np.testing.assert_allclose(moments(late), moments(transition.stationary), rtol=0, atol=1e-12)


@each
@pytest.mark.parametrize("kind", KINDS)
def test_the_walks_poisson_equation(generator: SpectralGenerator, kind: str) -> None:
    h = 0.05
    transition = generator.transition(make(kind, generator.langevin, h))
    f = np.cos(generator.nodes[:, -1]) + 0.5 * np.sin(2 * generator.nodes[:, -1])
    phi = transition.poisson(f)
    # a linear system of condition 1/(h gap) < 100
    np.testing.assert_allclose(
        phi - transition.apply(phi), h * (f - transition.stationary_mean(f)), rtol=0, atol=1e-13
    )
    assert abs(transition.stationary_mean(phi)) < 1e-12
    # the sum over steps is the other solution: h sum_k P^k (f - pi f)
    total: Array = np.zeros_like(f)
    term: Array = h * (f - transition.stationary_mean(f))
    for _ in range(4000):
        total += term
        term = transition.apply(term)
    np.testing.assert_allclose(phi, total, rtol=0, atol=1e-10)
    both = transition.poisson(np.column_stack([f, 2 * f + 1]))
    np.testing.assert_allclose(both, np.column_stack([phi, 2 * phi]), rtol=0, atol=1e-12)


@each
def test_the_walks_corrector_tends_to_the_diffusions(generator: SpectralGenerator) -> None:
    f = np.cos(generator.nodes[:, -1])
    phi = generator.poisson(f)
    gaps = [
        np.abs(generator.transition(GeodesicWalk(generator.langevin, h)).poisson(f) - phi).max()
        for h in (2e-3, 1e-3)
    ]
    # of order one, with a relative h of the next order times constants below 50
    assert gaps[0] / gaps[1] == pytest.approx(2, rel=0.1)


@each
@pytest.mark.parametrize("kind", ["geodesic", "barker"])
def test_steps_add_up(generator: SpectralGenerator, kind: str) -> None:
    walk = make(kind, generator.langevin, 0.1)
    transition = generator.transition(walk)
    start = density(generator)
    path = transition.evolve(start, 6, every=2)
    assert len(path) == 4
    assert path[0] is start
    np.testing.assert_allclose(
        moments(path[3]), moments(transition.evolve(start, 6)), rtol=0, atol=1e-15
    )
    np.testing.assert_allclose(
        moments(transition.evolve(path[1], 4)), moments(path[3]), rtol=0, atol=1e-13
    )
    np.testing.assert_array_equal(moments(generator.evolve_walk(walk, start, 6)), moments(path[3]))
    assert transition.evolve(start, 0) is start
    # many small steps: P_h^n f is the mean under the law, both ways
    f = np.cos(generator.nodes[:, -1])
    g = f
    for _ in range(6):
        g = transition.apply(g)
    left = generator.weights_of(path[3]) @ f
    assert left == pytest.approx(generator.weights_of(start) @ g, abs=1e-13)


@each
def test_what_a_transition_knows(generator: SpectralGenerator) -> None:
    transition = generator.transition(GeodesicWalk(generator.langevin, 0.1))
    assert transition.step == 0.1
    np.testing.assert_array_equal(transition.nodes, generator.nodes)


@each
def test_steps_that_do_not_fit_are_refused(generator: SpectralGenerator) -> None:
    transition = generator.transition(GeodesicWalk(generator.langevin, 0.1))
    with pytest.raises(ValueError, match="every must divide n_steps = 7; got 2"):
        transition.evolve(density(generator), 7, every=2)
    other = GeodesicWalk(
        Langevin(
            generator.langevin.manifold,
            fourier() if generator is CIRCLE else linear([0.0, 0.0, 1.0]),
        ),
        0.1,
    )
    with pytest.raises(
        ValueError, match=r"walk must be a walk of the generator's own .*got one of"
    ):
        generator.transition(other)
    with pytest.raises(
        ValueError, match=r"walk must be a walk of the generator's own .*got one of"
    ):
        generator.evolve_walk(other, density(generator), 1)


def test_a_walk_of_ones_own_is_refused_not_taken_for_another() -> None:
    @dataclass(frozen=True)
    class Lazy(GeodesicWalk):
        """Stays where it is."""

        def advance(self, x: Array, rng: np.random.Generator, work: Workspace) -> None:
            pass

    for generator in (CIRCLE, SPHERE):
        with pytest.raises(TypeError, match=r"walk must be one of GeodesicWalk.*got .*Lazy"):
            generator.transition(Lazy(generator.langevin, 0.1))


def test_moments_beyond_the_generator_are_refused_not_dropped() -> None:
    fine = CircleLaw.from_density(lambda x: 1 + 0.5 * np.cos(9 * x[:, 0]), modes=16)
    coarse = FourierGenerator(Langevin(Torus(1), zero()), modes=4)
    with pytest.raises(ValueError, match=r"law must have no more moments.*4; got one of size 0.25"):
        coarse.evolve(fine, 1.0)
    cap = ZonalLaw.from_density(lambda z: 1 + z**5, degree=8)
    with pytest.raises(ValueError, match="law must have no more moments"):
        ZonalGenerator(Langevin(Sphere(2), zero()), degree=3).evolve(cap, 1.0)
