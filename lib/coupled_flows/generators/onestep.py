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

from coupled_flows.geometry.errors import Array
from coupled_flows.geometry.manifolds import TURN
from coupled_flows.geometry.series import gauss_legendre
from coupled_flows.walks.reversible import BarkerWalk, MetropolisWalk
from coupled_flows.walks.steps import BoundedWalk, RetractionWalk, Walk

# a standard Gaussian has mass 2e-17 beyond this
REACH = 8.5


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
    reach = REACH * walk.spread
    node, weight = gauss_legendre(48 + math.ceil(modes * reach / 2))
    k = np.arange(1, modes + 1)
    out = np.empty((len(angles), 2 * modes + 1))
    known: Array = np.empty(0)
    for i, angle in enumerate(angles):
        cuts = _kinks(walk, angle, reach)
        if not np.array_equal(cuts, known):
            known = cuts
            half = np.diff(cuts)[:, None] / 2
            jump = (cuts[:-1, None] + half + half * node).ravel()
            density = np.exp(-0.5 * (jump / walk.spread) ** 2) / (walk.spread * math.sqrt(TURN))
            proposed = (half * weight).ravel() * density
            waves = np.exp(1j * np.outer(jump, k))
        mass = proposed * walk.acceptance(_rise_on_line(walk, angle, angle + jump))
        stayed = 1 - mass.sum()
        mean = (mass @ waves + stayed) * np.exp(1j * k * angle)
        out[i] = np.concatenate([[1.0], mean.real, mean.imag])
    return out


def _rise_on_line(walk: Walk, angle: float, y: Array) -> Array:
    points = np.append(y, angle)[:, None] % TURN
    energy = walk.langevin.beta * walk.langevin.energy(points)
    return energy[:-1] - energy[-1]


def _kinks(walk: MetropolisWalk | BarkerWalk, angle: float, reach: float) -> Array:
    """Return the jumps where the acceptance probability has kinks, with the ends of the reach."""
    if isinstance(walk, BarkerWalk):
        return np.array([-reach, reach])
    grid = np.linspace(angle - reach, angle + reach, 801)
    sign = np.sign(_rise_on_line(walk, angle, grid))
    slope = np.sign(walk.langevin.gradient(np.array([[angle]]))[0, 0])
    low, high = grid[:-1].copy(), grid[1:].copy()
    left, right = sign[:-1].copy(), sign[1:].copy()
    # beside the point itself the sign of the rise is that of the slope
    left[400], right[399] = slope, -slope
    low[400], high[399] = angle + 1e-9 * reach, angle - 1e-9 * reach
    change = left * right < 0
    low, high, left = low[change], high[change], left[change]
    for _ in range(50):
        middle = (low + high) / 2
        same = np.sign(_rise_on_line(walk, angle, middle)) == left
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return np.unique(np.concatenate([[-reach, 0.0, reach], (low + high) / 2 - angle]))


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
    xi = spacing * np.arange(-count, count + 1)
    mass = np.exp(-(xi**2) / 2)
    half = np.where(xi[count:] == 0, 1.0, 2.0) * mass[count:]  # the other half mirrors it
    weight = np.outer(mass, half).ravel()
    along = np.repeat(xi, count + 1) * walk.noise
    across = np.tile(xi[count:], len(xi)) * walk.noise
    return along, across, weight / weight.sum()


def _accepted_on_sphere(walk: MetropolisWalk | BarkerWalk, z: Array, degree: int) -> Array:
    """As `zonal_step`, for a proposal of density sum_l (2l+1)/2 q_l P_l(z) P_l(z') in z'.

    That is the law of the height z' after a geodesic step of random direction whose length has
    q_l = E P_l(cos |v|), by the addition theorem.
    """
    top = math.ceil(REACH / walk.spread) + 8
    node, weight = gauss_legendre(64 + math.ceil(top * walk.spread * REACH / 2))
    length = REACH * (node + 1) / 2
    mass = weight * length * np.exp(-(length**2) / 2)
    q = mass @ legendre.legvander(np.cos(walk.spread * length), top) / mass.sum()
    q *= (2 * np.arange(top + 1) + 1) / 2

    node, weight = gauss_legendre(96 + (top + degree) // 2)
    out = np.empty((len(z), degree + 1))
    known: Array = np.empty(0)
    for i, height in enumerate(z):
        cuts = _latitudes(walk, height)
        if not np.array_equal(cuts, known):
            known = cuts
            half = np.diff(cuts)[:, None] / 2
            y = (cuts[:-1, None] + half + half * node).ravel()
            area = (half * weight).ravel()
            polynomials = legendre.legvander(y, max(top, degree))
        here = legendre.legvander([height], max(top, degree))[0]
        density = polynomials[:, : top + 1] @ (q * here[: top + 1])
        mass = area * density * walk.acceptance(_rise(walk, height, y))
        stayed = 1 - mass.sum()
        out[i] = mass @ polynomials[:, : degree + 1] + stayed * here[: degree + 1]
    return out


def _rise(walk: Walk, height: float, y: Array) -> Array:
    z = np.append(y, height)
    x = np.sqrt(np.maximum((1 - z) * (1 + z), 0.0))
    energy = walk.langevin.beta * walk.langevin.energy(np.column_stack([x, 0 * x, z]))
    return energy[:-1] - energy[-1]


def _latitudes(walk: MetropolisWalk | BarkerWalk, height: float) -> Array:
    """Return the heights where the acceptance probability has kinks, with both poles."""
    if isinstance(walk, BarkerWalk):
        return np.array([-1.0, 1.0])
    grid = np.unique(np.concatenate([np.cos(np.linspace(np.pi, 0, 801)), [height]]))
    sign = np.sign(_rise(walk, height, grid))
    here = int(np.searchsorted(grid, height))
    change = sign[:-1] * sign[1:] < 0
    low, high, left = grid[:-1][change], grid[1:][change], sign[:-1][change]
    for _ in range(50):
        middle = (low + high) / 2
        same = np.sign(_rise(walk, height, middle)) == left
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return np.unique(np.concatenate([[-1.0, grid[here], 1.0], (low + high) / 2]))
