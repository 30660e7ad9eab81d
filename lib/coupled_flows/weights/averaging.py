"""Slow weights on a fast walk, and what stands between them and the averaged flow.

Fast index k, slow time s = eps h k, G(W, S) = gamma drift(W, S) linear in S; Phi, Sigma_h and the
martingale increments dM as in `corrector`. With them the weights are rewritten without error:

    W_{k+1} = W_k + eps h G(W_k, S(X_k))
            = W_k + eps h G(W_k, Sigma_h) + eps G(W_k, dM_{k+1})
                  - eps G(W_k, Phi(X_{k+1}) - Phi(X_k)),

and U_k = W_k + eps G(W_k, Phi(X_k)), which takes the last bracket up, has the increment

    U_{k+1} - U_k = eps h G(W_k, Sigma_h) + eps G(W_k, dM_{k+1})
                  + eps [G(W_{k+1}, Phi(X_{k+1})) - G(W_k, Phi(X_{k+1}))].

The steps of martingales are uncorrelated: T/(eps h) of them, each of size eps, leave sqrt(eps).
The bracket is eps h DG(W_k, Phi(X_{k+1}))[G(W_k, S(X_k))] + O(eps^2), of which
E[Phi(X_{k+1}) | X_k] = (P_h Phi)(X_k) remains on the mean: a drift eps mbar(W) with

    mbar(W) = E_pi_h[ DG(W, (P_h Phi)(X))[G(W, S(X))] ].

Everything else that is of order eps^2 in one step has mean 0 under pi_h, because Phi has, or is a
martingale's step; it leaves eps^2 (1/eps)^{1/2} = eps^{3/2}. No term is lost to the step h.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from coupled_flows.generators.spectral import SpectralTransition
from coupled_flows.geometry.errors import Array, DivergenceError, check_real
from coupled_flows.geometry.potentials import Embedding
from coupled_flows.measure.estimates import Estimate
from coupled_flows.walks.engine import simulate
from coupled_flows.weights.corrector import Corrector, check_weights, flow_named, solve
from coupled_flows.weights.flow import WeightFlow


@dataclass(frozen=True, eq=False)
class SlowWeights:
    """Slow weights along many paths of a fast walk, and four approximations of them.

    Two measures over all steps, each with its standard error; |.| is the root of the sum of squares
    of all entries. An `_error` is (E sup_k |difference|^2)^{1/2}, an `_rms` is
    sup_k (E |difference|^2)^{1/2}: not larger, and nearer to its order, as the largest of many
    steps of a path comes near that of the limit only slowly. Being the largest of many estimated
    means, an `_rms` is biased upward, by up to a few of its standard errors.

    Attributes
    ----------
    times : ndarray, shape (time,)
        Slow times s = eps h k.
    points : ndarray, shape (time, n, p)
        The walkers.
    weights : ndarray, shape (time, n, m, D)
        W.
    averaged : ndarray, shape (time, m, D)
        The averaged flow, W with Sigma_h in place of S(X_k).
    driven : ndarray, shape (time, n, m, D)
        The averaged flow driven by the martingale of the same path.
    lifted : ndarray, shape (time, n, m, D)
        U = W + eps gamma drift(W, Phi(X)).
    second : ndarray, shape (time, n, m, D)
        The driven flow from U at time 0, with the drift eps mbar; approximates U.
    averaged_error, averaged_rms : Estimate
        Of W - averaged: of order eps^{1/2}.
    driven_error, driven_rms : Estimate
        Of W - driven: of order eps.
    corrected_error, corrected_rms : Estimate
        Of W - corrected: of order eps, as a rule with a smaller constant.
    second_error, second_rms : Estimate
        Of U - second: of order eps^{3/2}.
    """

    times: Array
    points: Array
    weights: Array
    averaged: Array
    driven: Array
    lifted: Array
    second: Array
    averaged_error: Estimate
    driven_error: Estimate
    corrected_error: Estimate
    second_error: Estimate
    averaged_rms: Estimate
    driven_rms: Estimate
    corrected_rms: Estimate
    second_rms: Estimate

    @property
    def corrected(self) -> Array:
        """The driven flow with eps gamma (drift(W_0, Phi(X_0)) - drift(W, Phi(X))) added."""
        corrector = self.lifted - self.weights
        return self.driven + corrector[0] - corrector


def slow_weights(
    transition: SpectralTransition,
    flow: str | type[WeightFlow],
    W0: ArrayLike,
    eps: float,
    time: float,
    start: ArrayLike,
    rng: np.random.Generator,
    *,
    gamma: float = 1.0,
    every: int | None = None,
    embedding: Embedding | None = None,
    poisson: str = "walk",
    threads: int | None = None,
    progress: bool = False,
) -> SlowWeights:
    """Run slow weights on a fast walk beside the flows that approximate them.

    Along one path X_0, X_1, ... of the walk, with G(W, S) = gamma drift(W, S) and S(x) = y y' for
    the features y of x:

        weights     W_{k+1} = W_k + eps h G(W_k, S(X_k))
        averaged    W_{k+1} = W_k + eps h G(W_k, Sigma_h)
        driven      D_{k+1} = D_k + eps h G(D_k, Sigma_h) + eps G(D_k, dM_{k+1})
        second      V_{k+1} = V_k + eps h (G(V_k, Sigma_h) + eps mbar(V_k)) + eps G(V_k, dM_{k+1})

    from W_0, second from U_0 = W_0 + eps G(W_0, Phi(X_0)); notation and orders: the module.

    Parameters
    ----------
    transition : SpectralTransition
        The walk's own one-step operator, `generator.transition(walk)`.
    flow : "hebb", "trace", "subspace", "sanger", or such a class
        As `HebbFlow`, `TraceFlow`, `SubspaceFlow`, `SangerFlow`.
    W0 : array_like, shape (m, D)
        The weights at time 0, of every path.
    eps : float
        Ratio of the two speeds, > 0.
    time : float
        Slow time to run, a multiple of eps h; it takes time/(eps h) steps.
    start : array_like, shape (n, p)
        Where the walkers start, n >= 2.
    rng : numpy.random.Generator
    gamma : float
        Speed of the weights, > 0.
    every : int, optional
        Record the start and every `every`-th step; by default start and end.
    embedding : Embedding, optional
        Gives the features; by default the manifold's own.
    poisson : "walk" or "diffusion"
        Whose Sigma and Phi. With those of the diffusion, and Phi - h (S - Sigma) for P Phi, the
        error of averaged tends to something of order h, and that of second is of order eps h.
    threads : int, optional
        As for `simulate`; the numbers do not depend on it.
    progress : bool
        Show a tqdm bar (needs tqdm).

    Returns
    -------
    SlowWeights

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above, or the nodes of `transition` do not hold the products of
        two features.
    DivergenceError
        If weights become so large that their squares are not finite (the explicit update needs
        eps h gamma |S| small): carries the step and the last W of all paths, (n, m, D).

    Notes
    -----
    The averaged flow here takes the steps of W: the solution of the differential equation differs
    by O(eps h). The drift mbar costs one singular value decomposition of E_pi[(P Phi) (x) S],
    and then two products for each of its at most D(D + 1)/2 terms. Memory: recorded times only.

    That the nodes of `transition` hold S is checked, not that they hold Phi: a large step, or the
    kinks of Metropolis' acceptance, may need more of them. Double them, and compare.

    Examples
    --------
    >>> from coupled_flows import FourierGenerator, GeodesicWalk, Langevin, Torus, fourier
    >>> problem = Langevin(Torus(1), fourier(cos={2: -0.5}))
    >>> transition = FourierGenerator(problem, 16).transition(GeodesicWalk(problem, 0.1))
    >>> start, rng = np.zeros((100, 1)), np.random.default_rng(1)
    >>> run = slow_weights(transition, "trace", [[0.5, 0.5]], 0.02, 1.0, start, rng)
    >>> run.weights.shape
    (2, 100, 1, 2)
    >>> run.averaged_error.value > run.driven_error.value > run.second_error.value
    True
    """
    corrector = solve(transition, embedding, poisson)
    flow, first = flow_named(flow), check_weights(W0, corrector)
    eps, speed = check_real("eps", eps, above=0), check_real("gamma", gamma, above=0)
    n_steps = _steps(check_real("time", time, above=0), eps * transition.step)
    points = transition.generator.langevin.manifold.check_points("start", start)
    if len(points) < 2:
        raise ValueError(f"start must have at least two rows; got {len(points)}")
    every = n_steps if every is None else every
    slow = _Run(corrector, flow, first, eps, transition.step, speed, points, every)
    path = simulate(
        transition.walk, points, n_steps, rng, every, slow.observe,
        threads=threads, progress=progress,
    )  # fmt: skip
    weights, driven, second, lifted = np.array(slow.recorded).swapaxes(0, 1)
    return SlowWeights(
        times=np.arange(len(path)) * (eps * transition.step * every),
        points=path,
        weights=weights,
        averaged=np.stack(slow.means),
        driven=driven,
        lifted=lifted,
        second=second,
        **{f"{name}_error": _root(sup) for name, sup in zip(_GAPS, slow.sups, strict=True)},
        **{f"{name}_rms": _root(peak) for name, peak in zip(_GAPS, slow.peaks, strict=True)},
    )


_GAPS = ("averaged", "driven", "corrected", "second")


class _Run:
    """The observer of the walk: weights, driven and second of all paths step side by side."""

    def __init__(
        self,
        corrector: Corrector,
        flow: type[WeightFlow],
        start: Array,
        eps: float,
        h: float,
        gamma: float,
        points: Array,
        every: int,
    ) -> None:
        self.corrector, self.flow, self.every, self.h = corrector, flow, every, h
        self.speed = np.float64(eps * gamma)  # its square may be inf, which is found and reported
        self.S, self.phi = corrector.at(points)
        self.mean = start
        # the walkers' axis the densest, as in S and Phi: matrices are small, walkers many
        entries = np.broadcast_to(start[..., None], (3, *start.shape, len(points)))
        self.states = np.moveaxis(entries.copy(), -1, 1)
        self.lifted = self.lift()
        self.states[2] = self.lifted
        self.begun = self.lifted - start
        # of the squares: largest of each path, and those of the step of largest mean
        self.sups, self.peaks = np.zeros((2, len(_GAPS), len(points)))
        self.highest = np.zeros(len(_GAPS))
        self.recorded, self.means = [self.state()], [start]

    def lift(self) -> Array:
        """Return U = W + eps gamma drift(W, Phi(X))."""
        with np.errstate(all="ignore"):  # as in `observe`
            return self.states[0] + self.speed * self.flow.drift(self.states[0], self.phi)

    def state(self) -> Array:
        return np.concatenate([self.states, self.lifted[None]])

    def observe(self, k: int, x: Array, x_next: Array) -> None:
        """Take the weights from X_k to X_{k+1}."""
        flow, speed, h, before = self.flow, self.speed, self.h, self.states
        slow = h * self.S
        self.S, phi = self.corrector.at(x_next)
        driven = slow + phi
        driven -= self.phi  # h Sigma + dM, since P Phi = Phi - h (S - Sigma)
        self.phi = phi
        with np.errstate(all="ignore"):  # what is not finite is found and reported below
            self.states = before + speed * flow.drift(before, np.stack([slow, driven, driven]))
            self.states[2] += speed**2 * h * self.corrector.bend(flow, before[2])
            self.mean = self.mean + speed * h * flow.drift(self.mean, self.corrector.mean)
            self.lifted = self.lift()
            W, D, V = self.states
            gaps = np.stack([W - self.mean, W - D, self.lifted - self.begun - D, self.lifted - V])
            squares = np.einsum("...ij,...ij->...", gaps, gaps)
        if not np.isfinite(squares).all():
            raise DivergenceError(
                f"the weights left the numbers with finite squares at step {k + 1}"
                f" (eps gamma step = {speed * h:g}); the error carries those before; smaller ones"
                " may cure it",
                step=k + 1,
                state=before[0],
                path=np.stack(self.recorded)[:, 0],
            )
        np.maximum(self.sups, squares, out=self.sups)
        means = _means(squares)
        higher = means > self.highest
        self.peaks[higher], self.highest[higher] = squares[higher], means[higher]
        if (k + 1) % self.every == 0:
            self.recorded.append(self.state())
            self.means.append(self.mean)


def _steps(time: float, slow: float) -> int:
    """Return how many steps of length `slow` take the time."""
    n_steps = round(min(time / slow, 2.0**53))
    if n_steps < 1 or abs(time - n_steps * slow) > 1e-9 * time:
        raise ValueError(f"time must be a positive multiple of eps * step = {slow:g}; got {time!r}")
    return n_steps


def _means(squares: Array) -> Array:
    """Return the means of rows, which are finite if they are."""
    return (squares / squares.shape[1]).sum(axis=1)


def _root(squares: Array) -> Estimate:
    """Return the root of the mean, with its standard error."""
    largest = float(squares.max())
    if not largest:
        return Estimate(0.0, 0.0)
    shares = squares / largest
    value = float(np.sqrt(shares.mean()))
    error = float(shares.std(ddof=1)) / (2 * value * np.sqrt(len(shares)))
    return Estimate(np.sqrt(largest) * value, np.sqrt(largest) * error)
