"""Wasserstein distances: through POT for point clouds, by quantiles for laws of one angle.

`wasserstein` returns the distance itself, root taken, in the manifold's own units (radians on
circle and sphere). POT's conventions (p-th powers, a silent 0 for bad input) end in this room.
Its solver for the circle is not used: it misses the minimum for few or unequal atoms.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
from numpy.typing import ArrayLike

from coupled_flows.geometry.errors import Array, check_real, check_type
from coupled_flows.geometry.manifold import Manifold
from coupled_flows.geometry.manifolds import Torus
from coupled_flows.measure.laws import GaussianLaw, Law, PointLaw
from coupled_flows.measure.transport import (
    Atoms,
    atoms_on_circle,
    atoms_on_line,
    between_angles,
    one_angle,
)

# quadrature is right to 1e-11 up to this power; powers of small distances stay numbers
HIGHEST, LEAST = 32, 1e-290


def wasserstein(
    a: Law | ArrayLike, b: Law | ArrayLike, p: float = 2, manifold: Manifold | None = None
) -> float:
    """Return the Wasserstein distance W_p of two laws, with the geodesic distance as cost.

    Parameters
    ----------
    a, b : Law, or array_like of shape (n, p)
        Laws, or points (equal weights) with `manifold`.
    p : float
        Power, from 1 to 32. Gaussian laws: 2 only.
    manifold : Manifold, optional
        Where the points lie; needed only if both are points.

    Returns
    -------
    float
        (inf over couplings of E dist(X, Y)^p)^(1/p): the distance, not its power.

    Raises
    ------
    TypeError
        If `a` or `b` is neither law nor points.
    ValueError
        If the two live on different manifolds, a density is not resolved by its series, or
        there is no method for the pair (the message says what to do instead), or `p` is not from 1
        to 32, or too high for clouds so near.

    Notes
    -----
    Two laws on the circle: the distance of the quantile functions, minimised over the rotation
    as a real number; the integrand is convex in it. Two laws on S^2 symmetric about the z axis:
    the distance of the polar-angle quantiles; exact for the geodesic distance, atoms included,
    since the polar angle is 1-Lipschitz and the coupling along meridians attains it. Two
    Gaussian laws: Bures' formula. Two point clouds: sorted on a line; on the circle sorted too,
    with the rotation found by bisection; elsewhere POT's exact solver.

    Examples
    --------
    >>> from coupled_flows import Torus
    >>> round(wasserstein([[0.1]], [[6.2]], manifold=Torus(1)), 4)
    0.1832
    """
    p = check_real("p", p, least=1, most=HIGHEST)
    law_a, law_b = _as_laws(a, b, manifold)
    if law_a.manifold != law_b.manifold:
        raise ValueError(
            f"a and b must live on one manifold; got {law_a.manifold!r} and {law_b.manifold!r}"
        )
    if isinstance(law_a, GaussianLaw) and isinstance(law_b, GaussianLaw):
        if p != 2:
            raise ValueError(f"p must be 2 for Gaussian laws; got {p:g}")
        return _bures(law_a, law_b)
    if isinstance(law_a, PointLaw) and isinstance(law_b, PointLaw):
        return _between_points(law_a, law_b, p)
    circle = law_a.manifold == Torus(1)
    one = one_angle(law_a, circle)
    two = one_angle(law_b, circle)
    if one is None or two is None:
        raise ValueError(
            f"a and b: there is no exact method for a {type(law_a).__name__} and a"
            f" {type(law_b).__name__}; compare samples of both, law.sample(n, rng), and their"
            " noise_floor"
        )
    return between_angles(one, two, p, circle)


def _as_laws(a: Law | ArrayLike, b: Law | ArrayLike, manifold: Manifold | None) -> tuple[Law, Law]:
    known = [law.manifold for law in (a, b) if isinstance(law, Law)]
    if manifold is None:
        if not known:
            raise ValueError("manifold must be given when a and b are points; got None")
        manifold = known[0]
    check_type("manifold", manifold, Manifold, "a manifold, such as Sphere(2)")
    laws = []
    for name, law in (("a", a), ("b", b)):
        if isinstance(law, Law):
            if law.manifold != manifold:
                raise ValueError(f"{name} must live on {manifold!r}; got a law on {law.manifold!r}")
            laws.append(law)
        else:
            points = manifold.check_points(name, law)
            if not len(points):
                raise ValueError(f"{name} must hold at least one point; got none")
            laws.append(PointLaw(points, manifold=manifold))
    return laws[0], laws[1]


def _bures(a: GaussianLaw, b: GaussianLaw) -> float:
    # |m_a - m_b|^2 + min over orthogonal Q of |A^(1/2) - B^(1/2) Q|^2: the square is a sum of
    # squares, so that nearby laws keep their digits where the trace formula would cancel
    root_a, root_b = _root(a.covariance), _root(b.covariance)
    left, _, right = np.linalg.svd(root_b @ root_a)
    gap = root_a - root_b @ left @ right
    return math.hypot(float(np.linalg.norm(a.mean - b.mean)), float(np.linalg.norm(gap)))


def _root(covariance: Array) -> Array:
    scale, frame = np.linalg.eigh(covariance)
    return (frame * np.sqrt(np.maximum(scale, 0.0))) @ frame.T


def _between_points(a: PointLaw, b: PointLaw, p: float) -> float:
    if a.points.shape[1] == 1:
        line = Atoms.of(a.points[:, 0], a.weights), Atoms.of(b.points[:, 0], b.weights)
        if a.manifold == Torus(1):
            return atoms_on_circle(*line, p)
        return atoms_on_line(*line, p, rotation=None)
    import ot  # here, since it loads scikit-learn and the laws of one angle do without

    distance = a.manifold.pairwise(a.points, b.points)
    scale = float(distance.max())
    if scale == 0:
        return 0.0
    distance /= scale  # its power neither overflows nor vanishes
    distance **= p
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what POT only warns of is an error here
        plan = ot.emd(np.asarray(a.weights), np.asarray(b.weights), distance, numItermax=10**7)
    plan[plan <= sum(plan.shape) * 2.0**-51] = 0.0  # made by the rounding of masses
    power = np.vdot(plan, distance)
    if power < LEAST and p > 1 and (first := _between_points(a, b, 1.0)) > 0:
        raise ValueError(
            f"p must leave powers of distances within the range of numbers; got {p:g} for clouds"
            f" {first:g} apart on a scale of {scale:g}"
        )
    return scale * max(float(power), 0.0) ** (1 / p)
