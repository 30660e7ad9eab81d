"""How large a step the explicit update may take."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from coupled_flows.geometry.errors import Array
from coupled_flows.weights.flows import TraceFlow

# 1 over it is a number
SMALLEST = float(np.finfo(np.float64).tiny)


def step_limit(sigma: ArrayLike, W0: ArrayLike) -> Array:
    """Return 1/(lambda_1 max(|W_0|^2, 3/2)): a learning rate that is safe for ever.

    Parameters
    ----------
    sigma : array_like, shape (D, D)
        Second moments; symmetric, positive semidefinite, with an eigenvalue of at least 2.3e-308.
    W0 : array_like, shape (..., m, D)
        The start.

    Returns
    -------
    ndarray, shape (...)
        A number for W0 of shape (m, D).

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above.

    Notes
    -----
    *Theorem.* Let W+ = W + eta (W Sigma - T W), T = Tr(W Sigma W') > 0, a = eta lambda_1.

    1. If a <= 2:  |W+|^2 - b <= (1 - eta T)^2 (|W|^2 - b),  b = 1 + a/2.
       So |W+|^2 <= max(|W|^2, b) if also eta T <= 2, or if |W|^2 <= 1 + 2/a.
    2. If a <= 1 and eta T <= 1:  E_tr(W+) <= E_tr(W).

    As T <= lambda_1 |W|^2, a constant eta up to this limit has eta T <= 1 at every step: always
    |W_k|^2 <= max(|W_0|^2, 3/2), and E_tr never rises. Neither 1 in part 2 can be larger: aligned W
    with eta T = 1 gain energy if a > 1, and those with eta T = 1 + a are taken to 0. The bound
    alone holds up to eta = 2/(lambda_1 max(1, |W_0|^2 - 1)), and that is sharp: with any larger eta
    some aligned start, no longer than W_0, diverges. At equality such a start, if |W_0|^2 >= 2,
    stands on a cycle that repels: rounding may throw it out, so stay a part 1e-9 below.

    *Per sample*, with x x' for Sigma, part 1 keeps the weights bounded if at each step
    eta <= 2/max(|x|^2, |W x|^2); so does the constant 2/(R^2 max(1, |W_0|^2 - 1)), R = max |x|.
    Single samples may raise the energy.

    *Subspace flow.* With s the square of the largest singular value, s(W+) <= max(s(W), 3/2) if eta
    times the largest eigenvalues of Sigma and of W Sigma W' is at most 1; so this limit serves too.

    Examples
    --------
    >>> eta = step_limit([[2.0, 0.0], [0.0, 1.0]], [[0.6, 0.8]])
    >>> round(float(eta), 3)
    0.333
    >>> TraceFlow([[2.0, 0.0], [0.0, 1.0]]).update([[0.6, 0.8]], eta, steps=100).round(6)
    array([[1., 0.]])
    """
    flow = TraceFlow(sigma)  # type: ignore[arg-type]
    top = flow.spectrum[0][-1]
    if top < SMALLEST:
        raise ValueError(
            f"sigma must have an eigenvalue of at least {SMALLEST:g} for a limit; got {top:g}"
        )
    W0 = flow.check_weights(W0, "W0")
    with np.errstate(over="ignore", under="ignore"):
        return 1 / (top * np.maximum((W0**2).sum(axis=(-2, -1)), 1.5))
