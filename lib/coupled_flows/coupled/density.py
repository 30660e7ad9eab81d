"""Implicit steps of the coupled flow on cells: F falls, whatever the length of the step.

An implicit Euler step of `CellFlow`, rho *and* T at its end, solves

    (I + tau A(T)) p+ = p,        T = sum_i p+_i q_i.

The matrix has columns of sum 1 and nothing positive off its diagonal: p+ is positive and of mass 1.
F is convex in rho, so F(p+) - F(p) <= -tau sum J (mu_i - mu_{i+1}) <= 0 for any tau; with T of the
beginning F may rise. The unknown is T alone, a number or an (m, m) matrix: Newton's method, in
features in which T is I.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg.lapack import dgbtrf, dgbtrs

from coupled_flows.coupled.volumes import CellFlow, bernoulli_slope
from coupled_flows.geometry.errors import Array, DivergenceError

# how far T may be from that of the masses: what is asked for, and what rounding may leave
WANTED, WORST = 1e-13, 1e-9
# the least part of Newton's correction that is tried, and how many starts
SHORTEST, MOST_PARTS = 2.0**-12, 60
# masses below may leave the range of numbers in a step
SMALL = 1e-250


def step_both(
    flow: CellFlow, masses: Array, W: Array, time: float, step: int = 1
) -> tuple[Array, Array]:
    """Return masses and weights after a time: masses first, at rest of W; then W, exactly.

    Parameters
    ----------
    flow : CellFlow
    masses : ndarray, shape (n,)
    W : ndarray, shape (m, D)
    time : float
        Of any length.
    step : int
        What an error calls this step.

    Returns
    -------
    tuple of ndarray

    Raises
    ------
    DivergenceError
        If the masses are not found: carries the step, and those before it.
    """
    after = step_masses(flow, masses, W, time, step)
    return after, flow.coupling.weight_step(flow.sigma(after), W, time)


def step_masses(flow: CellFlow, masses: Array, W: Array, time: float, step: int = 1) -> Array:
    """Return the masses after an implicit Euler step, W at rest; all else as for `step_both`."""
    squares = flow.coupling.square(flow.moments, flow.coupling.spanning(W))
    T = np.tensordot(masses, squares, 1)
    reached, target = 0.0, 1.0
    # where Newton's method fails for the whole time, T for a part of it is a better start
    for _ in range(MOST_PARTS):
        with np.errstate(all="ignore"):  # what is not finite is not found
            found = _newton(flow, masses, squares, T, time * target)
        if found is None:
            target = np.sqrt(reached * target) if reached else target / 256
        elif target == 1:
            return found.after
        else:
            T, reached, target = found.T, target, min(1.0, 16 * target)
    cure = "a shorter step may cure it"
    if (least := float(masses.min())) < SMALL:
        cure = f"the least of these is {least:g}, at the end of the range of numbers"
    raise DivergenceError(
        f"the masses after step {step} (of length {time:g}) were not found; the error carries those"
        f" before it; {cure}",
        step=step,
        state=masses,
    )


def _newton(flow: CellFlow, masses: Array, squares: Array, T: Array, time: float) -> Trial | None:
    """Return the step whose T is that of its masses, or None if not found from this T."""
    try:
        here = Trial(flow, masses, squares, np.linalg.cholesky(T), time)
        while WANTED < here.miss < np.inf:
            change, part = here.correction(), 1.0
            while not (there := here.moved(part * change)).miss <= (1 - part / 8) * here.miss:
                part /= 2
                if part < SHORTEST:
                    return here if here.miss <= WORST else None
            here = there
    except np.linalg.LinAlgError:
        return None
    return here if here.miss <= WANTED else None


class Trial:
    """What follows from T = C C': the masses after a step with this T, and T of them.

    All in the features C^{-1} W x, turned so that T of the masses is diagonal in them.
    """

    def __init__(self, flow: CellFlow, masses: Array, squares: Array, C: Array, time: float):
        self.flow, self.masses, self.squares, self.time = flow, masses, squares, time
        left, right = flow.faces
        self.volumes = flow.cells.volumes
        whiten = np.linalg.inv(C)
        q = whiten @ squares @ whiten.T
        V = flow.potential - flow.coupling.kappa / 2 * np.trace(q, axis1=1, axis2=2)
        there, back, self.d = flow.rates(V)

        rows, width = flow.rows
        out, into = time * there / self.volumes[left], time * back / self.volumes[right]
        band = np.zeros((3 * width + 1, len(rows)))
        band[2 * width] = 1.0
        band[2 * width, rows[left]] += out
        band[2 * width, rows[right]] += into
        # entries (i, j) of a banded matrix stand in row 2 width + i - j of column j
        band[2 * width + rows[right] - rows[left], rows[left]] -= out
        band[2 * width + rows[left] - rows[right], rows[right]] -= into
        self.factors, self.pivots, _ = dgbtrf(band, width, width)
        after = self.solved(masses[:, None])[:, 0]
        after /= after.sum()
        self.after, self.miss = after, np.inf
        if after.min() > 0 and np.isfinite(own := np.tensordot(after, q, 1)).all():
            self.sizes, turn = np.linalg.eigh(own)
            self.C, self.q = C @ turn, turn.T @ q @ turn
            if self.sizes[0] > 0:
                self.miss = float(np.linalg.norm(np.log(self.sizes)))

    @property
    def T(self) -> Array:
        """The T of this trial."""
        return self.C @ self.C.T

    def solved(self, right: Array) -> Array:
        """Return the solutions of (I + tau A) x = right, for columns (n, r)."""
        rows, width = self.flow.rows
        turned = np.empty_like(right, order="F")
        turned[rows] = right
        x, _ = dgbtrs(self.factors, width, width, turned, self.pivots)
        return x[rows]

    def correction(self) -> Array:
        """Return Newton's H: with C e^{H/2} for C, T is that of the masses to first order."""
        k = len(self.sizes)
        a, b = np.triu_indices(k)
        double = np.where(a == b, 1.0, 2.0)  # entries off the diagonal stand twice in a trace
        q = self.q[:, a, b]
        left, right = self.flow.faces
        beta, rho = self.flow.langevin.beta, self.after / self.volumes
        rise = beta * self.flow.coupling.kappa / 2 * double * (q[right] - q[left])
        scale = self.flow.cells.conductances / beta
        weight = scale * (
            bernoulli_slope(self.d) * rho[left] + bernoulli_slope(-self.d) * rho[right]
        )
        flux = self.time * weight[:, None] * rise
        change = np.zeros((len(rho), len(a)))
        change[left] -= flux
        change[right] += flux
        response = q.T @ self.solved(change)
        # T moves by (H S + S H)/2 in units of itself, S = diag(sizes), and log S is to vanish
        mean = (self.sizes[a] + self.sizes[b]) / 2
        excess = np.where(a == b, mean * np.log(self.sizes)[a], 0.0)
        H = np.empty((k, k))
        H[a, b] = H[b, a] = np.linalg.solve(np.diag(mean) - response, excess)
        return H

    def moved(self, H: Array) -> Trial:
        """Return the trial of T = C e^H C'."""
        rates, turn = np.linalg.eigh(H)
        C = self.C @ turn * np.exp(rates / 2)
        return Trial(self.flow, self.masses, self.squares, C, self.time)
