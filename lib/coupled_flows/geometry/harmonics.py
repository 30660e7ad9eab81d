"""Real spherical harmonics on S^2, as polynomials in x, y and z, and a grid that integrates them.

    Y_lm = Q_lm(z) T_m(x, y),    Q_lm = sqrt((2l + 1) (l - |m|)!/(l + |m|)!) d^|m| P_l/dz^|m|,
    T_m = sqrt(2) Re (x + iy)^m for m > 0,   1 for m = 0,   sqrt(2) Im (x + iy)^|m| for m < 0.

They have mean square 1 over the sphere: Y_l0 = sqrt(2l + 1) P_l(z). No angle is taken, so that the
poles are points like others. Column l^2 + l + m of a table holds Y_lm.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from coupled_flows.geometry.errors import Array
from coupled_flows.geometry.series import gauss_legendre


def degrees_and_orders(degree: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return l and m of the harmonics up to `degree`, column by column."""
    levels = np.arange(degree + 1)
    of = np.repeat(levels, 2 * levels + 1)
    return of, np.arange(len(of)) - of * (of + 1)


def harmonics(points: Array, degree: int) -> Array:
    """Return the harmonics up to `degree` at points (k, 3), as (k, (degree + 1)^2)."""
    around_axis = _around_axis(points, degree)
    values = np.empty(((degree + 1) ** 2, len(points)))
    for k, in_height in enumerate(_in_heights(points[:, 2], degree)):
        rows = values[k**2 : (k + 1) ** 2]
        np.multiply(in_height[:0:-1], around_axis[2 * degree + 1 - k :], out=rows[:k])
        np.multiply(in_height, around_axis[: k + 1], out=rows[k:])
    return values.T


def harmonic_slopes(points: Array, degree: int) -> tuple[Array, Array]:
    """Return the derivatives of the harmonics to the south and to the east, each as a table.

    With s = sqrt(x^2 + y^2) they are (|m| z Q_lm/s - s Q_lm') T_m and -m Q_lm T_-m/s, where
    Q_lm' = sqrt((l - |m|)(l + |m| + 1)) Q_l,|m|+1. The points are no poles.
    """
    of, order = degrees_and_orders(degree)
    z, s = points[:, 2], np.hypot(points[:, 0], points[:, 1])
    in_height, around_axis = _in_height(z, degree), _around_axis(points, degree)
    m = abs(order)
    values = in_height[of, m] / s
    rise = np.sqrt((of - m) * (of + m + 1))[:, None] * in_height[of, m + 1]
    south = (m[:, None] * z * values - s * rise) * around_axis[order]
    east = -order[:, None] * values * around_axis[-order]
    return south.T, east.T


def south_and_east(points: Array) -> tuple[Array, Array]:
    """Return the unit tangent vectors to the south and to the east at points (k, 3), no poles."""
    x, y, z = points.T
    s = np.hypot(x, y)
    return np.column_stack([x * z / s, y * z / s, -s]), np.column_stack([-y / s, x / s, 0 * s])


def harmonic_grid(degree: int) -> tuple[Array, Array]:
    """Return points (k, 3) and weights (k,) of sum 1 that integrate polynomials to 2 degree.

    degree + 1 Gauss-Legendre heights, 2 degree + 1 equally spaced meridians; none is a pole. The
    weights are the reciprocals of sum_l Y_l0^2, right to the last digits near the poles too, where
    those of NumPy's rule lack three.
    """
    height, _ = gauss_legendre(degree + 1)
    meridians = 2 * degree + 1
    turn = np.exp(2j * np.pi / meridians * np.arange(meridians))
    z = np.repeat(height, meridians)
    around = np.outer(np.sqrt((1 - height) * (1 + height)), turn).ravel()
    axial = _in_height(height, degree)[:, 0]
    weights = np.repeat(1 / (axial**2).sum(axis=0), meridians)
    return np.column_stack([around.real, around.imag, z]), weights / weights.sum()


def _in_height(z: Array, degree: int) -> Array:
    """Return Q_lm(z) at [l, m] for m >= 0, which is 0 for m > l: (degree + 1, degree + 2, k)."""
    q = np.zeros((degree + 1, degree + 2, len(z)))
    for k, values in enumerate(_in_heights(z, degree)):
        q[k, : k + 1] = values
    return q


def _in_heights(z: Array, degree: int) -> Iterator[Array]:
    """Yield Q_lm(z) at index m <= l for each l; what was yielded is overwritten later."""
    # Q_lm = a_lm (z Q_l-1,m - Q_l-2,m/a_l-1,m) with a_lm^2 = (4 l^2 - 1)/(l^2 - m^2)
    of, m = np.ogrid[: degree + 1, : degree + 1]
    rise = np.sqrt(abs(4 * of**2 - 1) / np.maximum(of**2 - m**2, 1))[:, :, None]
    z = np.ascontiguousarray(z)
    last, values = np.empty((0, len(z))), np.ones((1, len(z)))
    yield values
    for k in range(1, degree + 1):
        after = np.empty((k + 1, len(z)))
        np.multiply(z, values, out=after[:k])
        last /= rise[k - 1, : k - 1]
        after[: k - 1] -= last
        after[:k] *= rise[k, :k]
        np.multiply(values[-1], np.sqrt((2 * k + 1) / (2 * k)), out=after[k])
        last, values = values, after
        yield values


def _around_axis(points: Array, degree: int) -> Array:
    """Return T_m(x, y) at index m, counted from the end for m < 0: (2 degree + 1, k)."""
    powers = np.ones((degree + 1, len(points)), dtype=complex)
    powers[1:] = points[:, 0] + 1j * points[:, 1]
    for k in range(2, degree + 1):
        powers[k] *= powers[k - 1]
    powers[1:] *= np.sqrt(2)
    return np.concatenate([powers.real, powers.imag[:0:-1]])
