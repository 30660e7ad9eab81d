"""The distance between the convex hulls of two clouds of points, by Wolfe's algorithm."""

from __future__ import annotations

import numpy as np

from coupled_flows.geometry.errors import Array

EPS = float(np.finfo(np.float64).eps)


def hull_gap(a: Array, b: Array) -> float:
    """Return the distance between the convex hulls of a (n, m) and b (k, m); 0 if they meet.

    It is the length of the shortest point p of the hull of all a_i - b_j, which Wolfe (1976) finds
    in finitely many steps: p is the nearest point of a simplex of such differences, its corners;
    the difference v that is least along p joins them, and corners without weight leave. At the end
    none is less than p: as <p, a_i - b_j> >= |p|^2 two hyperplanes across p keep the hulls |p|
    apart. Rounding leaves |p|^2 - <p, v> up to 32 m u size^2; what is returned is how far those
    hyperplanes are apart. It is never more than the distance, and less by that over |p| at most:
    hulls nearer than some 1e-8 of their size may count as meeting.

    Raises
    ------
    ArithmeticError
        If rounding keeps the steps from ending.
    """
    middle = a.max(axis=0) / 2 + a.min(axis=0) / 2
    a, b = a - middle, b - middle
    size = float(max(np.abs(a).max(initial=0.0), np.abs(b).max(initial=0.0)))
    if not size:
        return 0.0
    a, b = a / size, b / size
    corners: Array = a[:1] - b[:1]
    share: Array = np.ones(1)
    for _ in range(100 * (len(a) + len(b))):
        p = share @ corners
        v = a[np.argmin(a @ p)] - b[np.argmax(b @ p)]
        if p @ (p - v) <= 16 * len(p) * EPS or (corners == v).all(axis=1).any():
            length = np.linalg.norm(p)
            return size * max(float(v @ p / length), 0.0) if length > 0 else 0.0
        corners, share = _shortest(np.vstack([corners, v]), np.append(share, 0.0))
    raise ArithmeticError("the distance between hulls was not found; rounding keeps it from ending")


def _shortest(corners: Array, share: Array) -> tuple[Array, Array]:
    """Return the corners that carry the shortest point of their hull, and their shares in it."""
    while True:
        # the shortest point of the plane through the corners
        edges = corners[1:] - corners[0]
        rest = np.linalg.lstsq(edges.T, -corners[0], rcond=None)[0]
        best = np.append(1 - rest.sum(), rest)
        if (best > 0).all():
            return corners, best
        # towards it as far as the hull goes; what has no weight there leaves
        out = best <= 0
        way = share[out] / (share[out] - best[out])
        reach = way.min()
        share = share + reach * (best - share)
        stays = share > 0
        stays[np.flatnonzero(out)[way == reach]] = False
        corners, share = corners[stays], share[stays] / share[stays].sum()
