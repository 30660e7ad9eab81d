"""The generator on the circle against waves, differences, heat kernels, and a banded matrix."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.linalg import expm
from scipy.stats import norm

from coupled_flows import (
    CircleLaw,
    FourierGenerator,
    Langevin,
    PointLaw,
    Potential,
    Sphere,
    Torus,
    ZonalLaw,
    fourier,
    zero,
)
from coupled_flows.geometry.errors import Array

Complex = NDArray[np.complex128]
TURN = 2 * math.pi


def free(beta: float = 2.0, modes: int = 16) -> FourierGenerator:
    return FourierGenerator(Langevin(Torus(1), zero(), beta), modes)


@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_without_a_potential_the_eigenvalues_are_squares(beta: float) -> None:
    generator = free(beta)
    t = generator.nodes[:, 0]
    for k in range(17):
        for wave in (np.cos(k * t), np.sin(k * t)):
            # sums of 33 terms of size up to 256/beta
            np.testing.assert_allclose(
                generator.apply(wave), -(k**2) / beta * wave, rtol=0, atol=33 * 256 / beta * 2**-51
            )
    assert generator.gap == pytest.approx(1 / beta, rel=1e-12)


@pytest.mark.parametrize("k", [1, 2, 5, 16])
def test_poisson_without_a_potential_is_in_closed_form(k: int) -> None:
    generator = free(2.0)
    wave = np.cos(k * generator.nodes[:, 0])
    # beta cos(k t)/k^2; eigenvectors good to 1e-14
    np.testing.assert_allclose(generator.poisson(wave), 2 * wave / k**2, rtol=0, atol=2e-13)
    np.testing.assert_allclose(
        generator.resolvent(wave, 0.7), wave / (0.7 + k**2 / 2), rtol=0, atol=2e-13
    )
    np.testing.assert_allclose(
        generator.semigroup(wave, 0.3), wave * math.exp(-0.3 * k**2 / 2), rtol=0, atol=2e-13
    )
    # C(f) = 2 <f, phi> = beta/k^2
    assert generator.asymptotic_covariance(wave)[0, 0] == pytest.approx(2 / k**2, rel=1e-11)


PROBLEM = Langevin(Torus(1), fourier(cos={1: 1.0}, sin={2: 0.3}), 1.5)


def test_the_generator_is_the_written_one() -> None:
    generator = FourierGenerator(PROBLEM, 48)

    def f(t: Array) -> Array:
        return np.exp(np.sin(t)) * np.cos(t)

    t = generator.nodes[:, 0]
    # derivatives by the complex step (first) and by differences of it (second)
    h = 1e-3
    first = np.imag(f(t + 1e-200j)) * 1e200  # type: ignore[arg-type]

    def slope(t: Array) -> Array:
        return np.imag(f(t + 1e-200j)) * 1e200  # type: ignore[arg-type]

    second = (
        45 * (slope(t + h) - slope(t - h))
        - 9 * (slope(t + 2 * h) - slope(t - 2 * h))
        + (slope(t + 3 * h) - slope(t - 3 * h))
    ) / (60 * h)
    pull = -np.sin(t) + 0.6 * np.cos(2 * t)
    # difference of order 6: h^6/140 f^(8) < 1e-17, rounding 1e-16/h = 1e-13, times 3;
    # L by matrices of size 48^2/beta, over masses that differ by exp(3.5): 2300 * 33 * 2^-52
    np.testing.assert_allclose(
        generator.apply(f(t)), second / 1.5 - pull * first, rtol=0, atol=1e-9
    )


# -- evolution ----------------------------------------------------------------------------------


@pytest.mark.parametrize("time", [0.05, 0.5, 3.0])
def test_without_a_potential_a_point_becomes_a_heat_kernel(time: float) -> None:
    beta = 2.0
    law = free(beta, 64).evolve(PointLaw(np.array([[1.0]]), manifold=Torus(1)), time)
    assert isinstance(law, CircleLaw)
    t = np.linspace(0, TURN, 30, endpoint=False)
    turns = TURN * np.arange(-4, 5)[:, None]
    wrapped = norm(1.0, math.sqrt(2 * time / beta)).pdf(t + turns).sum(axis=0)
    # demanded: 1e-10; exp(-64^2 * 0.025) = 1e-45 is dropped
    np.testing.assert_allclose(law.density(t[:, None]), wrapped, rtol=0, atol=1e-10)


def galerkin(slope: Any, beta: float, start: Complex, time: float, modes: int) -> Complex:
    """Moments E exp(-i k X): d m_k/dt = -k^2/beta m_k + i k sum_j u_j m_(k-j), by expm."""
    k = np.arange(-modes, modes + 1)
    n = 8 * modes
    u = np.fft.fft(slope(np.arange(n) * TURN / n)) / n
    # E [i k U' e^(-ikX)] with U' = sum_j u_j e^(ijX)
    matrix = np.diag(-(k**2) / beta).astype(complex)
    matrix += 1j * k[:, None] * u[np.subtract.outer(k, k)]
    moments = np.concatenate([np.conj(start[:0:-1]), start])
    return (expm(time * matrix) @ moments)[modes:]


PROBLEMS = [
    (fourier(cos={1: 1.0}), lambda t: -np.sin(t), 1.0),
    (fourier(cos={2: 0.5}, sin={1: 0.3}), lambda t: -np.sin(2 * t) + 0.3 * np.cos(t), 2.0),
    (fourier(cos={3: 1.0}, sin={1: 2.0}), lambda t: -3 * np.sin(3 * t) + 2 * np.cos(t), 1.5),
]


@pytest.mark.parametrize("time", [0.01, 0.1, 1.0])
@pytest.mark.parametrize(("potential", "slope", "beta"), PROBLEMS)
def test_evolution_against_a_matrix_exponential_in_fourier_space(
    potential: Potential, slope: Any, beta: float, time: float
) -> None:
    modes = 64
    generator = FourierGenerator(Langevin(Torus(1), potential, beta), modes)
    t = np.arange(1024) * (TURN / 1024)
    weight = np.exp(np.sin(t)) * (1 + 0.5 * np.cos(3 * t))
    start = np.exp(-1j * np.outer(np.arange(modes + 1), t)) @ weight / weight.sum()
    law = generator.evolve(
        generator.law(lambda x: np.exp(np.sin(x[:, 0])) * (1 + 0.5 * np.cos(3 * x[:, 0]))), time
    )
    assert isinstance(law, CircleLaw)
    # demanded: 1e-10
    np.testing.assert_allclose(
        law.moments, galerkin(slope, beta, start, time, modes), rtol=0, atol=1e-10
    )


@pytest.mark.parametrize("time", [0.1, 1.0])
@pytest.mark.parametrize(("potential", "slope", "beta"), PROBLEMS)
def test_a_point_against_a_matrix_exponential_in_fourier_space(
    potential: Potential, slope: Any, beta: float, time: float
) -> None:
    modes = 64
    generator = FourierGenerator(Langevin(Torus(1), potential, beta), modes)
    law = generator.evolve(PointLaw(np.array([[1.0]]), manifold=Torus(1)), time)
    assert isinstance(law, CircleLaw)
    expected = galerkin(slope, beta, np.exp(-1j * np.arange(modes + 1)), time, modes)
    # demanded: 1e-10
    np.testing.assert_allclose(law.moments, expected, rtol=0, atol=1e-10)


def test_late_laws_are_stationary() -> None:
    generator = FourierGenerator(PROBLEM, 32)
    law = generator.evolve(PointLaw(np.array([[1.0]]), manifold=Torus(1)), 200 / generator.gap)
    pi = generator.stationary
    assert isinstance(law, CircleLaw)
    assert isinstance(pi, CircleLaw)
    # exp(-200), and orthogonality of eigenvectors to 1e-14
    np.testing.assert_allclose(law.moments, pi.moments, rtol=0, atol=1e-13)
    total = quad(lambda t: math.exp(-1.5 * (math.cos(t) + 0.3 * math.sin(2 * t))), 0, TURN)[0]
    t = np.linspace(0, 6, 10)
    # quad's own 1.5e-8
    np.testing.assert_allclose(
        pi.density(t[:, None]), np.exp(-1.5 * (np.cos(t) + 0.3 * np.sin(2 * t))) / total, rtol=1e-8
    )


# -- what is asked of it --------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [Langevin(Sphere(2), zero()), Langevin(Torus(2), zero())])
def test_other_manifolds_are_refused(bad: Langevin) -> None:
    with pytest.raises(ValueError, match=r"langevin must be on Torus\(1\); got"):
        FourierGenerator(bad, 8)


@pytest.mark.parametrize(
    ("potential", "modes"),
    [(fourier(cos={40: 1.0}), 16), (fourier(cos={1: 15.0}), 16), (fourier(sin={10: 0.5}), 12)],
)
def test_potentials_that_are_not_resolved_are_refused(potential: Potential, modes: int) -> None:
    with pytest.raises(ValueError, match=r"modes must be large enough to resolve exp\(-beta U\)"):
        FourierGenerator(Langevin(Torus(1), potential), modes)


@pytest.mark.parametrize("k", [33, 66, 20])
def test_a_wave_that_the_nodes_mistake_for_another_is_refused(k: int) -> None:
    # on 33 nodes cos 33 t is 1 and cos 20 t is cos 13 t
    with pytest.raises(ValueError, match="modes must be large enough"):
        FourierGenerator(Langevin(Torus(1), fourier(cos={k: 0.1})), 16)


@pytest.mark.parametrize(
    "law", [ZonalLaw(np.array([1.0])), PointLaw(np.eye(3), manifold=Sphere(2)), None, "uniform"]
)
def test_laws_on_another_manifold_are_refused(law: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"law must be .*got"):
        free().evolve(law, 1.0)


def test_a_smooth_law_that_the_nodes_would_cut_is_refused() -> None:
    # 8 modes would cut a heat kernel of variance 0.02 at exp(-0.81) = 0.4449
    sharp = CircleLaw(np.exp(-0.01 * np.arange(33) ** 2))
    with pytest.raises(ValueError, match=r"law must have no more moments .*, 8; got .*0\.444858"):
        free(2.0, 8).evolve(sharp, 1.0)


def test_a_point_is_cut_and_refused_when_it_is_used_too_early() -> None:
    generator = free(2.0, 8)
    start = PointLaw(np.array([[0.0]]), manifold=Torus(1))
    early = generator.evolve(start, 0.0001)
    assert isinstance(early, CircleLaw)
    with pytest.raises(ValueError, match=r"density must be resolved .*more modes, or a later time"):
        early.quantiles(3)
    late = generator.evolve(start, 1.0)
    assert isinstance(late, CircleLaw)
    # later the modes that were cut are below exp(-81/2) = 3e-18
    np.testing.assert_allclose(late.moments, np.exp(-0.5 * np.arange(9) ** 2), rtol=0, atol=1e-13)


def test_waves_are_right_to_a_few_units_each() -> None:
    k, angle = np.arange(1, 130), np.random.default_rng(4).uniform(0, TURN, (2000, 1))
    # of 43 bits, so that k t is exact
    points = np.round(angle * 2.0**40) / 2.0**40
    exact = np.hstack([np.cos(points * k), np.sin(points * k)])
    values = free(modes=129).basis(points)
    # k products, each right to sqrt(5) u, of factors that are right to u
    assert (np.abs(values[:, 1:] - exact) <= 4 * 2.0**-53 * np.hstack([k, k])).all()
    assert (values[:, 0] == 1).all()
