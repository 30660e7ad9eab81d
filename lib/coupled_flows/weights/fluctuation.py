"""The Gaussian fluctuation of slow weights round the averaged flow."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from coupled_flows.generators.spectral import SpectralTransition
from coupled_flows.geometry.errors import Array, DivergenceError, check_real
from coupled_flows.geometry.potentials import Embedding
from coupled_flows.weights.corrector import check_weights, flow_named, solve
from coupled_flows.weights.flow import WeightFlow, check_times
from coupled_flows.weights.ode import integrate

# time in units of 1/(gamma lambda_1): as many steps, some minutes
LONGEST = 1e6
LARGEST = 1e4


def fluctuation_covariance(
    transition: SpectralTransition,
    flow: str | type[WeightFlow],
    W0: ArrayLike,
    times: ArrayLike,
    *,
    gamma: float = 1.0,
    embedding: Embedding | None = None,
    poisson: str = "walk",
) -> Array:
    """Return the covariance of the Gaussian limit Z of (W - averaged)/sqrt(eps) as eps -> 0.

    Along the averaged flow W,

        dZ = gamma derivative(W, Sigma_h, Z) ds + gamma drift(W, dB),    Z(0) = 0,

    where B is Brownian with the covariance C_h of time averages of S. So the covariance Q of the
    m D entries of Z, row by row, solves with J the matrix of derivative(W, Sigma_h, .)

        dQ/ds = gamma (J Q + Q J') + gamma^2 E[drift(W, B_1) (x) drift(W, B_1)].

    It is gamma times the covariance for speed 1 at the time gamma s.

    Parameters
    ----------
    transition : SpectralTransition
        As `flow`, `W0`, `gamma`, `embedding`, `poisson` for `slow_weights`.
    flow : "hebb", "trace", "subspace", "sanger", or such a class
    W0 : array_like, shape (m, D)
        Entries up to 1e4: of larger ones, rounding of their squares would be seen in the result.
    times : array_like, shape (k,)
        Slow times >= 0, in any order, up to 1e6/(gamma lambda_1): the work grows like that.
    gamma : float
    embedding : Embedding, optional
    poisson : "walk" or "diffusion"

    Returns
    -------
    ndarray, shape (k, m * D, m * D)
        To 1e-9 of its size.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above.
    DivergenceError
        If the covariance leaves the finite numbers, as that of Hebb's rule does: `step` is the
        number of times before that (equal ones counted once), `state` the covariance at the last.

    Examples
    --------
    >>> from coupled_flows import FourierGenerator, GeodesicWalk, Langevin, Torus, zero
    >>> problem = Langevin(Torus(1), zero())
    >>> transition = FourierGenerator(problem, 4).transition(GeodesicWalk(problem, 1e-4))
    >>> Q = fluctuation_covariance(transition, "hebb", [[1.0, 0.0]], [0.0, 1.0])
    >>> bool(np.allclose(Q[1], np.e / 16 * np.eye(2)))  # for step -> 0
    True
    """
    corrector = solve(transition, embedding, poisson)
    flow, first = flow_named(flow), check_weights(W0, corrector)
    if (top := float(np.abs(first).max())) > LARGEST:
        raise ValueError(f"W0 must have entries up to {LARGEST:g}; got {top:g}")
    speed = check_real("gamma", gamma, above=0)
    when, place = np.unique(check_times(times), return_inverse=True)
    fastest = float(np.linalg.norm(corrector.mean, 2))
    if speed * fastest * when[-1] > LONGEST:
        raise ValueError(
            f"times must be at most {LONGEST:g}/(gamma lambda_1); got {when[-1]:g} with gamma ="
            f" {speed:g}, lambda_1 = {fastest:g}"
        )
    size = first.size
    directions = np.eye(size).reshape(size, *first.shape)

    def rate(_: float, state: Array) -> Array:
        W, Q = state[:size].reshape(first.shape), state[size:].reshape(size, size)
        J = flow.derivative(W, corrector.mean, directions).reshape(size, size).T
        noise = flow.drift(W, corrector.noise).reshape(-1, size)
        dQ = J @ Q + Q @ J.T + noise.T @ noise
        return np.concatenate([flow.drift(W, corrector.mean).ravel(), dQ.ravel()])

    with np.errstate(all="ignore"):  # what is not finite is found and reported below
        path = integrate(
            rate,
            np.concatenate([first.ravel(), np.zeros(size**2)]),
            speed * when,
            rtol=1e-10,
            atol=1e-12 * min(1.0, top),
        )
        found = speed * path[:, size:].reshape(-1, size, size)
    reached = int(np.isfinite(found).all(axis=(1, 2)).sum())
    if reached < len(when):
        raise DivergenceError(
            f"the covariance left the finite numbers before time {when[reached]:g}; the error"
            " carries the last finite one asked for; earlier times may be served",
            step=reached,
            state=found[reached - 1] if reached else np.zeros((size, size)),
        )
    return found[place]
