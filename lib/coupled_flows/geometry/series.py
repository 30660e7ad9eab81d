"""Cosine and sine by series, in place and without a branch; Gauss-Legendre rules, kept.

On angles that change from call to call, as those of walkers do, numpy's own functions lose more
time to mispredicted branches than a polynomial takes to evaluate.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from coupled_flows.geometry.errors import Array

_SINC = [(-1) ** k / math.factorial(2 * k + 1) for k in range(16)]
_SINE_OF_TURNS = [2 * math.pi * c * (2 * math.pi) ** (2 * k) for k, c in enumerate(_SINC[:11])]


def cos_sinc(square: Array, cos: Array, sinc: Array) -> bool:
    """Write cos r and sin(r)/r into `cos` and `sinc`, given r^2; say whether a series did it.

    Where every r is below 1 a Taylor polynomial in r^2, just long enough for the largest r,
    gives sin(r)/r to the last digit; otherwise the functions themselves are called.
    """
    largest = float(square.max(initial=0.0))
    if not largest < 1.0:  # also when it is not a number, which the caller finds out
        np.maximum(square, 0.0, out=square)
        np.sqrt(square, out=square)
        np.cos(square, out=cos)
        np.sin(square, out=sinc)
        np.divide(sinc, square, out=sinc, where=square > 0)
        sinc[square == 0] = 1.0
        return False
    degree, omitted = 1, largest**2 / 120
    while omitted > 2.0**-54:
        degree += 1
        omitted *= largest / ((2 * degree + 2) * (2 * degree + 3))
    np.multiply(square, _SINC[degree], out=sinc)
    sinc += _SINC[degree - 1]
    for k in range(degree - 2, -1, -1):
        sinc *= square
        sinc += _SINC[k]
    np.multiply(sinc, sinc, out=cos)
    cos *= square
    np.subtract(1.0, cos, out=cos)
    np.sqrt(cos, out=cos)
    return True


def cos_turns(turns: Array) -> Array:
    """Overwrite an array of angles, in turns, with their cosines; return it.

    cos(2 pi z) = sin(2 pi (1/4 - |z|)) for z in [-1/2, 1/2], by the Taylor polynomial of the
    sine, whose first omitted term is below 1e-18 there.
    """
    nearest = np.rint(turns)
    turns -= nearest
    np.abs(turns, out=turns)
    np.subtract(0.25, turns, out=turns)
    square = np.multiply(turns, turns, out=nearest)
    sine = square * _SINE_OF_TURNS[-1]
    for coefficient in _SINE_OF_TURNS[-2:0:-1]:
        sine += coefficient
        sine *= square
    sine += _SINE_OF_TURNS[0]
    turns *= sine
    return turns


@lru_cache(maxsize=64)
def gauss_legendre(order: int) -> tuple[Array, Array]:
    """Return nodes in [-1, 1] and weights of the Gauss-Legendre rule, read-only and kept.

    The weights are 2/sum (2l + 1) P_l^2 over l < order, right to rounding; NumPy's lose three
    digits near the ends.
    """
    nodes, _ = np.polynomial.legendre.leggauss(order)
    values = np.polynomial.legendre.legvander(nodes, order - 1)
    weights = 2 / (values**2 @ (2 * np.arange(order) + 1.0))
    nodes.flags.writeable = weights.flags.writeable = False
    return nodes, weights
