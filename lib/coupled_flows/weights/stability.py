"""How large a step the explicit update may take."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from coupled_flows.geometry.errors import Array
from coupled_flows.weights.flows import TraceFlow


def step_limit(sigma: ArrayLike, W0: ArrayLike) -> Array:
    """Return 1/(lambda_1 max(|W_0|^2, 3/2)): a learning rate that is safe for ever.

    Parameters
    ----------
    sigma : array_like, shape (D, D)
        Second moments; symmetric, positive semidefinite, not zero.
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
    *Theorem.* One update W+ = W + eta (W Sigma - T W), T = Tr(W Sigma W') > 0, with
    eta max(lambda_1, T) <= 1 has

        |W+|^2 - 3/2 <= (1 - eta T)^2 (|W|^2 - 3/2),        E_tr(W+) <= E_tr(W).

    As T <= lambda_1 |W|^2, a constant eta up to this limit fulfils the condition at every step,
    and |W_k|^2 <= max(|W_0|^2, 3/2). The constant 1 is sharp: near an aligned W of length 1 the
    energy rises as soon as eta lambda_1 > 1.

    *Per sample*, with x x' for Sigma, the bound holds if eta <= 1/max(|x|^2, |W x|^2), and so for
    ever with eta <= 1/(R^2 max(|W_0|^2, 3/2)), R = max |x|. Single samples may raise the energy.

    *Subspace flow.* The bound holds for the largest singular value in place of |W|, if eta times
    the largest eigenvalues of Sigma and of W Sigma W' is at most 1; so this limit serves it too.

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
    if top <= 0:
        raise ValueError(f"sigma must have a positive eigenvalue for a limit; got {top:g} at most")
    W0 = flow.check_weights(W0, "W0")
    with np.errstate(over="ignore", under="ignore"):
        return 1 / (top * np.maximum((W0**2).sum(axis=(-2, -1)), 1.5))
