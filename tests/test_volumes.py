"""Finite volumes of the coupled flow: fluxes of the right sign, and a rate of F that is exact."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupled_flows import Embedding, Langevin, Potential, Sphere, Torus, fourier, linear, zero
from coupled_flows.coupled.functional import Coupling
from coupled_flows.coupled.volumes import CellFlow, bernoulli, bernoulli_slope
from coupled_flows.geometry.errors import Array
from coupled_flows.measure.cells import CellLaw, CircleCells, ZonalCells

U = 2.0**-53
KINDS = ["logtrace", "logdet"]
both_kinds = pytest.mark.parametrize("kind", KINDS)


def random_flow(seed: int, kind: str, n: int = 48) -> tuple[CellFlow, Array, Array]:
    """Return a flow on the circle (even seeds) or the sphere (odd ones), masses and weights."""
    rng = np.random.default_rng(seed)
    kappa, gamma, beta = 10 ** rng.uniform([-2, -1, -1], [1, 1, 1.3])
    cells: CellLaw
    if seed % 2 == 0:
        waves = 2 * rng.normal(size=(2, 4))
        U = fourier(cos=dict(enumerate(waves[0], 1)), sin=dict(enumerate(waves[1], 1)))
        langevin = Langevin(Torus(1), U, beta)
        W: Array = rng.normal(size=(rng.integers(1, 3), 2))
        cells, embedding = CircleCells.uniform(n), Torus(1).embedding
    else:
        a, b = 3 * rng.normal(size=2)
        langevin = Langevin(Sphere(2), zonal(a, b), beta)
        turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        small, _ = np.linalg.qr(rng.normal(size=(2, 2)))
        axis, plane = np.array([[0.0, 0.0, 1.0]]), np.eye(3)[:2]
        W = [axis, small @ plane, turn * [1.0, 1.0, 1.7]][rng.integers(3)]
        cells, embedding = ZonalCells.uniform(n), Sphere(2).embedding
    flow = CellFlow(langevin, Coupling(kind, kappa, gamma, embedding), cells)
    W = flow.check_weights("W", W * 10 ** rng.uniform(-1, 0.5))
    spread = rng.uniform(0, 3)
    return flow, type(cells)(cells.volumes * np.exp(spread * rng.normal(size=n))).masses, W


def zonal(a: float, b: float) -> Potential:
    """Return a z + b z^2."""

    def gradient(x: Array) -> Array:
        return (a + 2 * b * x[:, 2:]) * [0.0, 0.0, 1.0]

    return Potential(lambda x: a * x[:, 2] + b * x[:, 2] ** 2, gradient)


def fluxes(flow: CellFlow, masses: Array, V: Array) -> Array:
    left, right = flow.faces
    rho = masses / flow.cells.volumes
    there, back, _ = flow.rates(V)
    return there * rho[left] - back * rho[right]


def rate(flow: CellFlow, masses: Array, W: Array) -> Array:
    """Return dp/dt of the masses."""
    left, right = flow.faces
    out = np.zeros_like(masses)
    J = fluxes(flow, masses, flow.field(masses, W))
    np.add.at(out, left, -J)
    np.add.at(out, right, J)
    return out


# -- the flux -------------------------------------------------------------------------------------


@given(d=st.floats(-1e4, 1e4))
def test_bernoulli_s_function(d: float) -> None:
    one, other = bernoulli(np.array([d, -d]))
    assert one >= 0
    # B(-d) = B(d) + d, and B(d) = B(-d) e^{-d}
    assert abs(other - one - d) <= 4 * U * max(one, other)
    if abs(d) < 700:
        assert abs(one - other * np.exp(-d)) <= 4 * U * (1 + abs(d)) * one


@given(d=st.floats(-30, 30))
def test_its_slope(d: float) -> None:
    width = 1e-5
    ahead, behind = bernoulli(np.array([d + width, d - width]))
    # the difference errs by width^2 B'''/6 + u |B|/width
    assert abs(bernoulli_slope(np.array(d)) - (ahead - behind) / (2 * width)) < 2e-9


@pytest.mark.parametrize("seed", range(6))
def test_nothing_flows_in_the_law_of_gibbs(seed: int) -> None:
    flow, masses, W = random_flow(seed, "logdet")
    V = flow.field(masses, W)
    gibbs = flow.cells.volumes * np.exp(-flow.langevin.beta * (V - V.min()))
    left, _ = flow.faces
    J = fluxes(flow, gibbs, V)
    there, _, _ = flow.rates(V)
    scale = there * (gibbs / flow.cells.volumes)[left]
    # exp(-beta V) has the rounding of its exponent
    assert (np.abs(J) <= 20 * U * (1 + flow.langevin.beta * np.ptp(V)) * scale + 1e-300).all()


@both_kinds
@given(seed=st.integers(0, 10**6))
def test_the_flux_has_the_sign_of_the_fall_of_mu(kind: str, seed: int) -> None:
    flow, masses, W = random_flow(seed, kind)
    left, right = flow.faces
    V = flow.field(masses, W)
    mu = V + np.log(masses / flow.cells.volumes) / flow.langevin.beta
    J, fall = fluxes(flow, masses, V), mu[left] - mu[right]
    clear = np.abs(fall) > 1e-10 * (1 + np.abs(mu).max())
    assert (np.sign(J) == np.sign(fall))[clear].all()


# -- F and its rate -------------------------------------------------------------------------------


@both_kinds
@given(seed=st.integers(0, 10**6))
def test_f_falls_at_the_rate_of_the_two_dissipations_exactly(kind: str, seed: int) -> None:
    flow, masses, W = random_flow(seed, kind)
    of_law, of_weights = flow.dissipation(masses, W)
    assert of_law >= 0
    assert of_weights >= 0
    # central differences along dp/dt and dW/dt, short against the masses and weights themselves
    p_rate = rate(flow, masses, W)
    s = 1e-5 / float(np.abs(p_rate / masses).max())
    ahead, behind = (flow.free_energy(masses + sign * s * p_rate, W) for sign in (1, -1))
    size = 1 + abs(ahead)
    # s^2 F'''/6 is 1e-10 of the rate; u F/s is rounding
    assert abs((ahead - behind) / (2 * s) + of_law) < 1e-7 * of_law + 10 * U * size / s
    W_rate = flow.coupling.weight_rate(flow.sigma(masses), W)
    s = 1e-5 * float(np.abs(W).max() / max(np.abs(W_rate).max(), 1e-12))
    ahead, behind = (flow.free_energy(masses, W + sign * s * W_rate) for sign in (1, -1))
    smallest = np.linalg.svd(W, compute_uv=False)[-1]
    slack = 1e-10 * (np.abs(W).max() / smallest) ** 3  # log det bends where W is nearly singular
    assert abs((ahead - behind) / (2 * s) + of_weights) < (
        (1e-7 + slack) * of_weights + (20 * U * size + slack * 1e-5 * flow.coupling.kappa) / s
    )


def test_f_and_its_parts_are_the_integrals() -> None:
    # rho = (1 + a cos t)/2 pi, U = cos t, W = (w, 0), "logdet", m = 1
    a, w, kappa, beta = 0.5, 0.7, 1.3, 2.0
    coupling = Coupling("logdet", kappa, embedding=Torus(1).embedding)
    law = CircleCells.from_density(lambda t: 1 + a * np.cos(t[:, 0]), 200)
    flow = CellFlow(Langevin(Torus(1), fourier(cos={1: 1.0}), beta), coupling, law)
    # E log rho = log((1 + b)/2) + 1 - b - log 2 pi, b = (1 - a^2)^(1/2);  E cos = a/2
    b = np.sqrt(1 - a**2)
    entropy = np.log((1 + b) / 2) + 1 - b - np.log(2 * np.pi)
    energy = w**2 / 2 - np.log(w**2 / 2) / 2  # E cos^2 = 1/2
    exact = a / 2 + entropy / beta + kappa * energy
    assert abs(flow.free_energy(law.masses, np.array([[w, 0.0]])) - exact) < 1e-13


@pytest.mark.parametrize("where", ["circle", "sphere"])
def test_the_dissipation_of_the_law_is_the_integral_up_to_the_square_of_the_width(
    where: str,
) -> None:
    # mu = V + log(rho)/beta is a short sum; E |mu'|^2 by a fine quadrature
    beta, kappa, errors = 1.5, 1.2, []
    for n in (64, 128, 256, 512):
        law: CellLaw
        if where == "circle":
            law = CircleCells.from_density(lambda t: np.exp(np.cos(t[:, 0] - 1)), n)
            langevin = Langevin(Torus(1), fourier(cos={1: 0.5}, sin={2: 0.7}), beta)
            W = np.array([[0.3, 0.5]])
        else:
            law = ZonalCells.from_density(lambda z: np.exp(z - z**2), n)
            langevin, W = Langevin(Sphere(2), zonal(1.0, 0.5), beta), np.array([[0.0, 0.0, 0.7]])
        coupling = Coupling("logdet", kappa, embedding=langevin.manifold.embedding)
        flow = CellFlow(langevin, coupling, law)
        T = (W @ flow.sigma(law.masses) @ W.T).item()
        if where == "circle":
            t = law.places[:, 0]
            y, dy = np.array([np.cos(t), np.sin(t)]), np.array([-np.sin(t), np.cos(t)])
            slope = -0.5 * np.sin(t) + 1.4 * np.cos(2 * t) - np.sin(t - 1) / beta
            slope -= kappa * (W @ y)[0] * (W @ dy)[0] / T
            exact = law.masses @ slope**2
        else:
            z = law.places
            slope = 1.0 + z + (1 - 2 * z) / beta - kappa * 0.49 * z / T
            exact = law.masses @ ((1 - z**2) * slope**2)
        errors.append(abs(flow.dissipation(law.masses, W)[0] - exact))
    assert (np.abs(-np.diff(np.log2(errors)) - 2) < 0.1).all()


def test_an_empty_cell_has_no_dissipation() -> None:
    flow, masses, W = random_flow(0, "logdet")
    masses = masses.copy()
    masses[3] = 0.0
    assert np.isfinite(flow.free_energy(masses, W))
    with pytest.raises(ValueError, match="law must have mass in every cell"):
        flow.dissipation(masses, W)


def test_singular_features_have_no_energy() -> None:
    flow, masses, _ = random_flow(0, "logdet")
    for method in (flow.free_energy, flow.dissipation):
        with pytest.raises(ValueError, match="W must have linearly independent rows"):
            method(masses, np.ones((2, 2)))


# -- laws symmetric about the z axis --------------------------------------------------------------

AXIS, PLANE = np.array([[0.0, 0.0, 2.0]]), np.array([[0.6, 0.8, 0.0], [-0.8, 0.6, 0.0]])
ALL = np.vstack([PLANE, AXIS])


def on_sphere(kind: str, potential: Potential | None = None) -> CellFlow:
    langevin = Langevin(Sphere(2), zonal(1.0, -2.0) if potential is None else potential)
    coupling = Coupling(kind, 1.0, embedding=Sphere(2).embedding)
    return CellFlow(langevin, coupling, ZonalCells.uniform(32))


@both_kinds
@pytest.mark.parametrize("W", [AXIS, PLANE, ALL, np.vstack([AXIS, -AXIS])[:1]])
def test_weights_that_keep_the_symmetry_are_taken(kind: str, W: Array) -> None:
    np.testing.assert_array_equal(on_sphere(kind).check_weights("W", W), W)


@both_kinds
@pytest.mark.parametrize(
    "W",
    [[[1.0, 0.0, 0.0]], [[1.0, 0.0, 1.0]], [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], [[1e-6, 0.0, 1.0]]],
)
def test_weights_that_break_it_are_refused(kind: str, W: Any) -> None:
    with pytest.raises(ValueError, match="W0 must see laws that are symmetric about the z axis"):
        on_sphere(kind).check_weights("W0", W)


def test_the_trace_asks_for_more_than_the_row_space() -> None:
    W = PLANE * [[1.0], [2.0]]
    on_sphere("logdet").check_weights("W", W)
    with pytest.raises(ValueError, match="W must see laws that are symmetric"):
        on_sphere("logtrace").check_weights("W", W)


@both_kinds
def test_what_the_axis_sees_is_the_field_at_every_azimuth(kind: str) -> None:
    # the field at any point of a ring equals that of the ring's mean second moments
    flow = on_sphere(kind)
    rng = np.random.default_rng(1)
    masses = ZonalCells(rng.random(32)).masses
    T = flow.coupling.tension(flow.sigma(masses), ALL)
    field = flow.field(masses, ALL) - flow.potential
    z, turn = flow.cells.places, rng.uniform(0, 6, 32)
    ring = np.column_stack([np.cos(turn), np.sin(turn), z])
    ring[:, :2] *= np.sqrt(1 - z**2)[:, None]
    np.testing.assert_allclose(flow.coupling.field(ring, ALL, T), field, rtol=0, atol=1e-13)


@both_kinds
def test_rounding_does_not_break_the_symmetry(kind: str) -> None:
    # a part 1e-14 along the axis would grow, and win, as the axis has the largest eigenvalue
    flow = on_sphere(kind, zonal(0.0, -3.0))
    W = flow.check_weights("W", PLANE + np.array([0.0, 0.0, 1e-14]))
    masses = ZonalCells.from_density(lambda z: np.exp(3 * z**2), 32).masses
    for _ in range(100):
        W = flow.coupling.weight_step(flow.sigma(masses), W, 1.0)
    assert (W[:, 2] == 0).all()
    flow.check_weights("W", W)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: on_sphere("logdet", linear([1.0, 0.0, 0.0])), "potential that depends on z only"),
        (
            lambda: CellFlow(
                Langevin(Sphere(2), zero()),
                Coupling("logdet", 1.0, embedding=Embedding(lambda x: 2 * x, lambda x: x)),
                ZonalCells.uniform(8),
            ),
            "embedding must leave points of Sphere(2) as they are",
        ),
        (
            lambda: CellFlow(
                Langevin(Torus(1), zero()), Coupling("logdet", 1.0), ZonalCells.uniform(8)
            ),
            "law must live on Torus(1); got one on Sphere(2)",
        ),
        (lambda: on_sphere("logdet").check_weights("W", np.ones((1, 2))), "W must have shape"),
        (lambda: on_sphere("logdet").check_weights("W", np.ones((0, 3))), "W must not be empty"),
        (lambda: on_sphere("logdet").check_weights("W", 0 * AXIS), "W must have T > 0"),
    ],
)
def test_what_does_not_fit_is_refused(make: Any, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        make()
