"""Means of basis functions one step after a point, for every walk, without sampling.

The step's noise is integrated by rules that are exact to rounding for the polynomials at hand:
trapezoidal for Gaussian noise and for directions, Gauss-Legendre between the kinks of an
acceptance probability.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from coupled_flows.geometry.errors import Array
from coupled_flows.geometry.manifolds import TURN
from coupled_flows.geometry.series import gauss_legendre
from coupled_flows.walks.reversible import BarkerWalk, MetropolisWalk
from coupled_flows.walks.steps import BoundedWalk, GeodesicWalk, RetractionWalk, Walk

Rows = NDArray[np.intp]
# a standard Gaussian has mass 2e-17 beyond this
REACH = 8.5
LARGEST_DEGREE = 4000


# The rules below are those of these walks and of no other: a walk of one's own, derived from one of
# them too, moves by its own `advance` and is refused.
KNOWN = (GeodesicWalk, RetractionWalk, BoundedWalk, MetropolisWalk, BarkerWalk)


def check_known(walk: Walk) -> None:
    """Refuse a walk whose one-step operator is not written here.

    Raises
    ------
    TypeError
        If `walk` is of another class than the library's own.
    """
    if type(walk) not in KNOWN:
        names = ", ".join(kind.__name__ for kind in KNOWN)
        raise TypeError(f"walk must be one of {names}; got {walk!r}")


# -- the circle ---------------------------------------------------------------------------------


def circle_step(walk: Walk, nodes: Array, modes: int, basis: Callable[[Array], Array]) -> Array:
    """Return the mean of 1, cos k t, sin k t one step after each node (n, 1), as (n, 2 modes + 1).

    After a step without rejection the mean of exp(i k t) is exp(i k (t - h U'(t))) times the
    noise's characteristic function at k; with rejection it is an integral over the line.
    """
    if isinstance(walk, MetropolisWalk | BarkerWalk):
        return _accepted_on_line(walk, nodes[:, 0], modes)
    moved = nodes - walk.step * walk.langevin.gradient(nodes)
    k = walk.noise * np.arange(1, modes + 1)
    if not isinstance(walk, BoundedWalk):
        damping = np.exp(-(k**2) / 2)
    elif walk.law == "sphere":
        damping = np.cos(k)
    else:
        damping = np.sinc(walk.radius * k / np.pi)
    return basis(moved) * np.concatenate([[1.0], damping, damping])


def _accepted_on_line(walk: MetropolisWalk | BarkerWalk, angles: Array, modes: int) -> Array:
    # everything but the proposal is periodic: beyond half a turn its density is wrapped
    reach = min(REACH * walk.spread, np.pi)
    panels = math.ceil(2 * reach)
    evenly = np.linspace(-reach, reach, panels + 1)
    node, weight = gauss_legendre(48 + math.ceil(modes * reach / panels))
    k = np.arange(1, modes + 1)
    out = np.empty((len(angles), 2 * modes + 1))
    known: Array = np.empty(0)
    here = _energy_on_line(walk, angles)
    for i, kinks in enumerate(_kinks(walk, angles, reach)):
        cuts = np.union1d(evenly, kinks)
        if not np.array_equal(cuts, known):
            known = cuts
            half = np.diff(cuts)[:, None] / 2
            jump = (cuts[:-1, None] + half + half * node).ravel()
            density = _wrapped_gaussian(jump, walk.spread)
            proposed = (half * weight).ravel() * density
            waves = np.exp(1j * np.outer(jump, k))
        rise = _energy_on_line(walk, angles[i] + jump) - here[i]
        mass = proposed * walk.acceptance(rise)
        stayed = 1 - mass.sum()
        mean = (mass @ waves + stayed) * np.exp(1j * k * angles[i])
        out[i] = np.concatenate([[1.0], mean.real, mean.imag])
    return out


def _wrapped_gaussian(jump: Array, spread: float) -> Array:
    """Return the density at jumps in [-pi, pi] of a centred Gaussian, wrapped around the circle."""
    if REACH * spread <= np.pi:
        return np.exp(-0.5 * (jump / spread) ** 2) / (spread * math.sqrt(TURN))
    k = np.arange(1, math.ceil(REACH / spread) + 1)
    waves = np.cos(np.outer(jump, k)) @ np.exp(-0.5 * (k * spread) ** 2)
    return (0.5 + waves) / np.pi


def _energy_on_line(walk: Walk, angles: Array) -> Array:
    points = np.ravel(angles)[:, None] % TURN
    return walk.langevin.beta * walk.langevin.energy(points).reshape(np.shape(angles))


def _kinks(walk: MetropolisWalk | BarkerWalk, angles: Array, reach: float) -> list[Array]:
    """Return, for each angle, the jumps at which the acceptance has kinks, and the ends."""
    ends = np.array([-reach, reach])
    if isinstance(walk, BarkerWalk):
        return [ends] * len(angles)
    here = _energy_on_line(walk, angles)

    def sign(row: Rows, jump: Array) -> Array:
        return np.sign(_energy_on_line(walk, angles[row] + jump) - here[row])

    jumps = np.linspace(-reach, reach, 801)
    rows = np.repeat(np.arange(len(angles))[:, None], len(jumps), axis=1)
    signs = sign(rows, np.broadcast_to(jumps, rows.shape))
    slope = np.sign(walk.langevin.gradient(angles[:, None])[:, 0])
    low = np.broadcast_to(jumps[:-1], signs[:, 1:].shape).copy()
    high = np.broadcast_to(jumps[1:], signs[:, 1:].shape).copy()
    left, right = signs[:, :-1].copy(), signs[:, 1:].copy()
    # beside the point itself the sign of the rise is that of the slope
    left[:, 400], right[:, 399] = slope, -slope
    low[:, 400], high[:, 399] = 1e-9 * reach, -1e-9 * reach
    return _roots(sign, low, high, left, right, np.append(ends, 0.0))


def _roots(
    sign: Callable[[Rows, Array], Array],
    low: Array,
    high: Array,
    left: Array,
    right: Array,
    always: Array,
) -> list[Array]:
    """Return, for each row of brackets, where the sign changes, with points that always count."""
    row, cell = np.nonzero(left * right < 0)
    a, b, before = low[row, cell], high[row, cell], left[row, cell]
    for _ in range(50):
        middle = (a + b) / 2
        same = sign(row, middle) == before
        a, b = np.where(same, middle, a), np.where(same, b, middle)
    root = (a + b) / 2
    return [np.unique(np.concatenate([always, root[row == i]])) for i in range(len(low))]


# -- the sphere, functions of z -----------------------------------------------------------------


def zonal_step(walk: Walk, nodes: Array, degree: int) -> Array:
    """Return the mean of P_0 .. P_degree of z one step after each node (n, 3), as (n, degree + 1).

    The nodes lie on the meridian y = 0, x >= 0.
    """
    z, sine = nodes[:, 2], nodes[:, 0]
    if isinstance(walk, MetropolisWalk | BarkerWalk):
        return _accepted_on_sphere(walk, z, degree)
    south = np.column_stack([z, np.zeros_like(z), -sine])  # e_theta
    drift = -walk.step * np.einsum("ij,ij->i", walk.langevin.gradient(nodes), south)
    along, across, weight = _tangent_noise(walk, degree, float(np.abs(drift).max()))
    out = np.empty((len(z), degree + 1))
    for i in range(len(z)):
        v = drift[i] + along
        length = np.hypot(v, across)
        if isinstance(walk, RetractionWalk):
            after = (z[i] - sine[i] * v) / np.sqrt(1 + length**2)
        else:
            after = np.cos(length) * z[i] - np.sinc(length / np.pi) * sine[i] * v
        out[i] = weight @ legendre.legvander(np.clip(after, -1.0, 1.0), degree)
    return out


def _tangent_noise(walk: Walk, degree: int, drift: float) -> tuple[Array, Array, Array]:
    """Return noise vectors in the tangent plane, by components, and their weights of sum 1.

    P_l after a geodesic step is an entire function of the noise, of exponential type l times
    its scale, which is all a trapezoidal rule needs to be exact to rounding. A retraction has
    branch points where |v|^2 = -1, which ask for a finer rule.
    """
    if isinstance(walk, BoundedWalk):
        reach = walk.noise * walk.radius
        directions = 2 * math.ceil(degree * (reach + drift) / 2) + 64
        _check_size(walk, directions, 20_000)
        psi = (np.arange(directions) + 0.5) * (np.pi / directions)  # the other half mirrors it
        if walk.law == "sphere":
            radius, mass = np.array([reach]), np.array([1.0])
        else:
            node, weight = gauss_legendre(32 + math.ceil(degree * (reach + drift) / 2))
            radius, mass = reach * (node + 1) / 2, weight * (node + 1) / 2
        along = np.outer(radius, np.cos(psi)).ravel()
        across = np.outer(radius, np.sin(psi)).ravel()
        return along, across, np.repeat(mass / mass.sum() / directions, directions)
    depth = REACH
    if isinstance(walk, RetractionWalk):
        depth = min(REACH, 0.5 / walk.noise)
    spacing = TURN / (degree * walk.noise + REACH**2 / 2 / depth + depth / 2)
    count = math.ceil(REACH / spacing)
    _check_size(walk, count, 300)
    xi = spacing * np.arange(-count, count + 1)
    mass = np.exp(-(xi**2) / 2)
    half = np.where(xi[count:] == 0, 1.0, 2.0) * mass[count:]  # the other half mirrors it
    weight = np.outer(mass, half).ravel()
    along = np.repeat(xi, count + 1) * walk.noise
    across = np.tile(xi[count:], len(xi)) * walk.noise
    return along, across, weight / weight.sum()


def _check_size(walk: Walk, nodes: int, most: int) -> None:
    if nodes > most:
        raise ValueError(
            f"walk must have a smaller step: its noise winds around the sphere, and {walk.step:g}"
            f" asks for {nodes} nodes in a direction (allowed: {most})"
        )


def _accepted_on_sphere(walk: MetropolisWalk | BarkerWalk, z: Array, degree: int) -> Array:
    """As `zonal_step`, for a proposal of density sum_l (2l+1)/2 q_l P_l(z) P_l(z') in z'.

    That is the law of the height z' after a geodesic step of random direction whose length has
    q_l = E P_l(cos |v|), by the addition theorem.
    """
    top = math.ceil(REACH / walk.spread) + 8
    if top > LARGEST_DEGREE:
        raise ValueError(
            f"walk must have step >= {(REACH / LARGEST_DEGREE / walk.spread) ** 2 * walk.step:.1g}"
            f" for this rule on the sphere; got {walk.step:g}"
        )
    node, weight = gauss_legendre(64 + math.ceil(top * walk.spread * REACH / 2))
    length = REACH * (node + 1) / 2
    mass = weight * length * np.exp(-(length**2) / 2)
    q = mass @ legendre.legvander(np.cos(walk.spread * length), top) / mass.sum()
    q *= (2 * np.arange(top + 1) + 1) / 2

    node, weight = gauss_legendre(96 + (top + degree) // 2)
    out = np.empty((len(z), degree + 1))
    known: Array = np.empty(0)
    energy = _energy_on_sphere(walk, z)
    for i, cuts in enumerate(_latitudes(walk, z)):
        if not np.array_equal(cuts, known):
            known = cuts
            half = np.diff(cuts)[:, None] / 2
            y = (cuts[:-1, None] + half + half * node).ravel()
            area = (half * weight).ravel()
            polynomials = legendre.legvander(y, max(top, degree))
        here = legendre.legvander(z[i : i + 1], max(top, degree))[0]
        density = polynomials[:, : top + 1] @ (q * here[: top + 1])
        mass = area * density * walk.acceptance(_energy_on_sphere(walk, y) - energy[i])
        stayed = 1 - mass.sum()
        out[i] = mass @ polynomials[:, : degree + 1] + stayed * here[: degree + 1]
    return out


def _energy_on_sphere(walk: Walk, z: Array) -> Array:
    heights = np.ravel(z)
    x = np.sqrt(np.maximum((1 - heights) * (1 + heights), 0.0))
    points = np.column_stack([x, np.zeros_like(x), heights])
    return walk.langevin.beta * walk.langevin.energy(points).reshape(np.shape(z))


def _latitudes(walk: MetropolisWalk | BarkerWalk, z: Array) -> list[Array]:
    """Return, for each height, where the acceptance has kinks, with both poles."""
    poles = np.array([-1.0, 1.0])
    if isinstance(walk, BarkerWalk):
        return [poles] * len(z)
    here = _energy_on_sphere(walk, z)

    def sign(row: Rows, height: Array) -> Array:
        return np.sign(_energy_on_sphere(walk, height) - here[row])

    # one grid for all, the heights themselves in it, where the sign is 0 and ends a bracket
    grid = np.unique(np.concatenate([np.cos(np.linspace(np.pi, 0, 801)), z]))
    rows = np.repeat(np.arange(len(z))[:, None], len(grid), axis=1)
    signs = sign(rows, np.broadcast_to(grid, rows.shape))
    signs[np.arange(len(z)), np.searchsorted(grid, z)] = 0.0
    low = np.broadcast_to(grid[:-1], signs[:, 1:].shape)
    high = np.broadcast_to(grid[1:], signs[:, 1:].shape)
    found = _roots(sign, low, high, signs[:, :-1], signs[:, 1:], poles)
    return [np.unique(np.append(cuts, height)) for cuts, height in zip(found, z, strict=True)]
