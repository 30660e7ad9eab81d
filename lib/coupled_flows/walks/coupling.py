"""Two walks of one problem with different steps, moved by one noise: close in every sample.

Distances between laws that are smaller than what samples can tell apart are bounded by the
distance of two such walkers, which are a coupling of the two laws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from coupled_flows.geometry.errors import Array, DivergenceError, check_type
from coupled_flows.geometry.workspace import Workspace
from coupled_flows.walks.engine import run
from coupled_flows.walks.steps import GaussianWalk


def simulate_coupled(
    coarse: GaussianWalk,
    fine: GaussianWalk,
    start: ArrayLike,
    n_steps: int,
    rng: np.random.Generator,
    *,
    threads: int | None = None,
) -> tuple[Array, Array]:
    """Run pairs of walkers of one problem, a coarse and a fine one, moved by one noise.

    Parameters
    ----------
    coarse, fine : GeodesicWalk or RetractionWalk
        Walks of one Langevin problem; `coarse.step` is m times `fine.step`, m = 1, 2, 3, ...
    start : array_like, shape (n, p)
        Where the two walkers of each pair start, one row each.
    n_steps : int
        Number of steps of the coarse walk, >= 0; the fine one takes m times as many.
    rng : numpy.random.Generator
        Gives one child seed to each block of 25 000 pairs; two calls with one `rng` differ.
    threads : int, optional
        Number of threads, as for `simulate`; the numbers do not depend on it.

    Returns
    -------
    x, y : ndarray, shape (n, p)
        The coarse and the fine walkers after `n_steps` coarse steps, pair by pair.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above.
    DivergenceError
        If a walker leaves the finite numbers: carries the coarse step, and as `state`, of shape
        (2, n, p), the last finite one of the coarse and of the fine walkers.

    Notes
    -----
    During a coarse step the fine walker stands at y_0, ..., y_(m-1) and draws its noise there:
    zeta_k, Gaussian in the tangent space at y_k with covariance 2 h/(beta m) I, h = coarse.step.
    The coarse walker, at x, takes its step with the sum of all zeta_k, each transported from y_k
    to x along the shortest geodesic. Transport is an isometry that is known when zeta_k is drawn,
    so given the past each term is Gaussian in the tangent space at x with covariance
    2 h/(beta m) I, whatever the earlier ones were: they are independent, and their sum is what
    the coarse walk would draw. Each walker has exactly the law of its own walk.

    A pair is a coupling of the two laws, so (E dist(x, y)^p)^(1/p) bounds their Wasserstein
    distance W_p (see `coupled_distance`). On a compact manifold with U smooth E dist(x, y)^2 is
    O(h^2) up to any fixed time: from one point the two walkers differ after a coarse step by
    O(h^(3/2)), in the mean by O(h^2), and from two points they move apart by a factor 1 + O(h) at
    most, in mean square.

    Examples
    --------
    >>> from coupled_flows import GeodesicWalk, Langevin, Sphere, linear, simulate_coupled
    >>> problem = Langevin(Sphere(2), linear([0.0, 0.0, -2.0]))
    >>> coarse, fine = (GeodesicWalk(problem, h) for h in (0.01, 0.005))
    >>> north = np.tile([0.0, 0.0, 1.0], (1000, 1))
    >>> x, y = simulate_coupled(coarse, fine, north, 100, np.random.default_rng(1))
    >>> bool(Sphere(2).dist(x, y).mean() < 0.01)
    True
    """
    for name, walk in (("coarse", coarse), ("fine", fine)):
        check_type(name, walk, GaussianWalk, "a GeodesicWalk or a RetractionWalk")
        # a walk of one's own that draws its noise in another way would be moved by this one
        if type(walk).advance is not GaussianWalk.advance:
            raise TypeError(f"{name} must take its steps by drive alone; got {walk!r}")
    if fine.langevin != coarse.langevin:
        raise ValueError(
            f"fine must be a walk of the coarse one's problem, {coarse.langevin!r};"
            f" got {fine.langevin!r}"
        )
    pair = Pair(coarse, fine, _substeps(coarse, fine))
    points = coarse.langevin.manifold.check_points("start", start)
    both = np.concatenate([points, points], axis=1)
    try:
        x, y = _apart(run(pair.advance, coarse.step, both, n_steps, rng, threads=threads))
    except DivergenceError as error:
        state = np.stack(_apart(error.state))
        raise DivergenceError(error.message, error.step, state) from None
    return x, y


def _substeps(coarse: GaussianWalk, fine: GaussianWalk) -> int:
    ratio = coarse.step / fine.step
    if ratio < 2**31:
        m = round(ratio)
        if m >= 1 and abs(ratio - m) <= 1e-9 * m:
            return m
    raise ValueError(
        "fine must have a step of which that of coarse is a whole multiple;"
        f" got {fine.step!r} for {coarse.step!r}"
    )


def _apart(both: Array) -> tuple[Array, Array]:
    p = both.shape[1] // 2
    return both[:, :p].copy(), both[:, p:].copy()


@dataclass(frozen=True)
class Pair:
    """A coarse and a fine walk, for the engine: one block holds the coordinates of both."""

    coarse: GaussianWalk
    fine: GaussianWalk
    substeps: int

    def advance(self, both: Array, rng: np.random.Generator, work: Workspace) -> None:
        p, n = len(both) // 2, both.shape[1]
        x, y = both[:p], both[p:]
        total = work.take("total", p, n)
        total[:] = 0.0
        for _ in range(self.substeps):
            w = rng.standard_normal(out=work.take("w", p, n))
            w *= self.fine.noise
            lent = work.take("lent", p, n)
            np.copyto(lent, w)
            self.coarse.langevin.manifold.carry(y, x, lent, work)
            total += lent
            self.fine.drive(y, w, work)
        self.coarse.drive(x, total, work)
