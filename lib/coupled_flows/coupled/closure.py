"""The coupled flow on R^d with a quadratic potential: mean, covariance and weights, closed.

With U = (x - c)'A(x - c)/2 every force is linear in x, so a Gaussian law stays Gaussian. With
K = kappa W' T^{-1} W, Sigma = C + mm' and (7),

    dm/dt = K m - A (m - c),    dC/dt = (K - A) C + C (K - A) + (2/beta) I,
    dW/dt = gamma (W Sigma - T W),

and F and both dissipations are in closed form.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import solve_ivp

from coupled_flows.coupled.functional import CoupledPath, Coupling
from coupled_flows.generators.gaussian import GaussianGenerator
from coupled_flows.geometry.errors import Array, DivergenceError, check_array, check_type
from coupled_flows.measure.laws import GaussianLaw
from coupled_flows.walks.langevin import Langevin
from coupled_flows.weights.flow import check_times, not_empty

# a second moment that has grown so much has run away
RUNAWAY = 1e9


@dataclass(frozen=True, eq=False)
class GaussianPath(CoupledPath):
    """Laws and weights of the Gaussian case at some times; made by `GaussianClosure`."""

    laws: list[GaussianLaw]

    @property
    def moments(self) -> Array:
        """Sigma = C + mm' at each time, (time, d, d)."""
        return np.array([second_moments(law.mean, law.covariance) for law in self.laws])


class GaussianClosure:
    """The coupled flow on R^d, U = (x - c)'A(x - c)/2 + constant, A > 0.

    Parameters
    ----------
    langevin : Langevin
        On `Euclidean(d)`, with a quadratic potential.
    coupling : Coupling
        Of points as they are.

    Attributes
    ----------
    hessian : ndarray, shape (d, d)
        A.
    rates, frame, centre : ndarray
        Eigenvalues of A, ascending, eigenvectors in columns, and c: as in `GaussianGenerator`.

    Raises
    ------
    TypeError, ValueError
        If `langevin` is of another type or not as above, or the embedding is not the identity.

    Examples
    --------
    >>> from coupled_flows import (
    ...     Coupling, Euclidean, GaussianClosure, GaussianLaw, Langevin, quadratic
    ... )
    >>> problem = Langevin(Euclidean(2), quadratic([[1.0, 0.0], [0.0, 2.0]]))
    >>> closure = GaussianClosure(problem, Coupling("logtrace", kappa=3.0))
    >>> path = closure.solve(GaussianLaw([0.0, 0.0], np.eye(2)), [[0.6, 0.8]], [0.0, 30.0])
    >>> path.weights[-1].round(6) + 0.0, path.laws[-1].covariance.round(6) + 0.0
    (array([[1., 0.]]), array([[4. , 0. ],
           [0. , 0.5]]))
    """

    def __init__(self, langevin: Langevin, coupling: Coupling) -> None:
        generator = GaussianGenerator(langevin)
        check_type("coupling", coupling, Coupling, "a Coupling, such as Coupling('logdet', 1.0)")
        self.langevin, self.coupling = langevin, coupling
        self.rates, self.frame, self.centre = generator.rates, generator.frame, generator.centre
        self.hessian = self.frame * self.rates @ self.frame.T
        probe = np.concatenate([np.eye(self.d), np.ones((1, self.d)) / 3])
        seen = coupling.embed(probe)
        if seen.shape != probe.shape or (seen != probe).any():
            raise ValueError(
                "coupling must see points as they are, embedding=None; got another embedding"
            )

    @property
    def d(self) -> int:
        """Dimension of the space."""
        return len(self.rates)

    # -- the equations ----------------------------------------------------------------------------

    def attraction(self, sigma: Array, W: Array) -> Array:
        """Return K = kappa W' T^{-1} W: the weights pull a point x by K x."""
        W = self.coupling.spanning(W)
        pull = self.coupling.force(np.eye(self.d), W, self.coupling.tension(sigma, W))
        return (pull + pull.T) / 2

    def rate(self, mean: Array, covariance: Array, W: Array) -> tuple[Array, Array, Array]:
        """Return dm/dt, dC/dt, dW/dt.

        Parameters
        ----------
        mean : ndarray, shape (d,)
        covariance : ndarray, shape (d, d)
        W : ndarray, shape (m, d)

        Returns
        -------
        tuple of ndarray
            Of the same shapes.
        """
        sigma = second_moments(mean, covariance)
        K = self.attraction(sigma, W)
        spread = (K - self.hessian) @ covariance
        return (
            K @ mean - self.hessian @ (mean - self.centre),
            spread + spread.T + 2 / self.langevin.beta * np.eye(self.d),
            self.coupling.weight_rate(sigma, W),
        )

    def free_energy(self, law: GaussianLaw, W: ArrayLike) -> float:
        """Return F = E U + (1/beta) E log rho + kappa E(W; Sigma), equation (6).

        Parameters
        ----------
        law : GaussianLaw
            With a density.
        W : array_like, shape (m, d)

        Returns
        -------
        float

        Raises
        ------
        TypeError, ValueError
            If an argument is not as above, or the energy of W is infinite.
        """
        law, W = self.check_law(law), self.check_weights("W", W)
        mean, C = law.mean, law.covariance
        apart = mean - self.centre
        energy = float(self.langevin.energy(self.centre[None])[0])
        energy += (np.trace(self.hessian @ C) + apart @ self.hessian @ apart) / 2
        volume = np.linalg.slogdet(2 * math.pi * math.e * C)[1]
        coupled = self.coupling.kappa * self.coupling.energy(second_moments(mean, C), W)
        return float(energy - volume / 2 / self.langevin.beta + coupled)

    def dissipation(self, law: GaussianLaw, W: ArrayLike) -> Array:
        """Return the two parts of -dF/dt, equation (7): E |grad mu|^2, and that of the weights.

        Parameters
        ----------
        law : GaussianLaw
            With a density.
        W : array_like, shape (m, d)

        Returns
        -------
        ndarray, shape (2,)

        Raises
        ------
        TypeError, ValueError
            If an argument is not as above, or T is singular.
        """
        law, W = self.check_law(law), self.check_weights("W", W)
        mean, C = law.mean, law.covariance
        sigma = second_moments(mean, C)
        # grad mu at x is G (x - m) + g
        K = self.attraction(sigma, W)
        G = self.hessian - K - np.linalg.inv(C) / self.langevin.beta
        g = self.hessian @ (mean - self.centre) - K @ mean
        of_law = np.einsum("ij,jk,ik->", G, C, G) + g @ g
        return np.array([of_law, self.coupling.weight_dissipation(sigma, W)])

    # -- paths ------------------------------------------------------------------------------------

    def solve(self, law: GaussianLaw, W0: ArrayLike, times: ArrayLike) -> GaussianPath:
        """Return the coupled flow at given times, right to about 1e-10 of its size.

        Parameters
        ----------
        law : GaussianLaw
            At time 0; with a density.
        W0 : array_like, shape (m, d)
        times : array_like, shape (k,)
            Ascending, >= 0.

        Returns
        -------
        GaussianPath

        Raises
        ------
        TypeError, ValueError
            If an argument is not as above, or the energy of W0 is infinite.
        DivergenceError
            If E |x|^2 grows by a factor of 1e9: under a `NaiveCoupling`; no other does. Or if the
            solver gives up, at numbers near the end of their range. Its `step` is the position of
            the first time that is not reached, its `path` Sigma at the times before it, its `state`
            the last of these.
        """
        law, W = self.check_law(law), self.check_weights("W0", W0)
        when = check_times(times, ascending=True)
        once, place = np.unique(when, return_inverse=True)
        sigma = second_moments(law.mean, law.covariance)
        self.coupling.energy(sigma, W, "W0")  # which says if it is infinite
        shapes = [(self.d,), (self.d, self.d), W.shape]
        start = np.concatenate([law.mean, law.covariance.ravel(), W.ravel()])
        far = self.too_far(sigma, W)

        def rate(t: float, x: Array) -> Array:
            return np.concatenate([v.ravel() for v in self.rate(*_parts(x, shapes))])

        def gone(t: float, x: Array) -> float:
            return float(np.trace(second_moments(*_parts(x, shapes)[:2]))) - far

        gone.terminal = True  # type: ignore[attr-defined]
        with np.errstate(over="ignore", invalid="ignore"):  # of steps that are then shortened
            found = solve_ivp(
                rate,
                (0.0, when[-1] or 1.0),
                start,
                method="LSODA",  # strong couplings, far points and long times are stiff
                t_eval=once,
                events=gone,
                rtol=1e-12,
                atol=1e-14,
            )
        states = [_parts(x, shapes) for x in np.reshape(found.y, (len(start), -1)).T]
        if len(states) < len(once):
            first = int(np.searchsorted(place, len(states)))
            moments = [second_moments(*states[i][:2]) for i in place[:first]]
            said = (
                f"the points run away: E |x|^2 exceeds {far:g} before t = {when[first]:g}, as under"
                f" a naive coupling with kappa > a_min = {self.rates[0]:g} it may"
            )
            if found.status != 1:
                said = f"the flow was not found to t = {when[first]:g}: {found.message}"
            raise DivergenceError(
                said,
                step=first,
                state=moments[-1] if moments else sigma,
                path=np.array(moments).reshape(-1, self.d, self.d),
            )
        return self.record(when, [states[i] for i in place])

    def record(self, times: Array, states: Sequence[Sequence[Array]]) -> GaussianPath:
        """Return the path through states (mean, covariance, W) at some times."""
        laws = [GaussianLaw(mean, (C + C.T) / 2) for mean, C, _ in states]
        weights = np.array([W for *_, W in states])
        both = list(zip(laws, weights, strict=True))
        return GaussianPath(
            times,
            laws,
            weights,
            np.array([self.free_energy(*each) for each in both]),
            np.array([self.dissipation(*each) for each in both]),
        )

    # -- checks -----------------------------------------------------------------------------------

    def too_far(self, sigma: Array, W: Array) -> float:
        """Return an E |x|^2 that no start with these moments comes to under a logarithm."""
        source = self.d / self.langevin.beta + self.coupling.kappa * len(W)
        return RUNAWAY * float(np.trace(sigma) + self.centre @ self.centre + source / self.rates[0])

    def check_law(self, law: GaussianLaw) -> GaussianLaw:
        """Return the law if it lives on R^d and has a density."""
        check_type("law", law, GaussianLaw, "a GaussianLaw")
        if law.manifold != self.langevin.manifold:
            raise ValueError(
                f"law must live on {self.langevin.manifold!r}; got one on {law.manifold!r}"
            )
        sizes = np.linalg.eigvalsh(law.covariance)
        if sizes[0] <= 1e-14 * sizes[-1]:
            raise ValueError(
                f"law must have a density, a covariance > 0; got the eigenvalue {sizes[0]:g}"
            )
        return law

    def check_weights(self, name: str, W: ArrayLike) -> Array:
        """Return W as a finite array (m, d), not empty."""
        return not_empty(name, check_array(name, W, ("m", self.d)))


def _parts(x: Array, shapes: list[tuple[int, ...]]) -> list[Array]:
    ends = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
    return [part.reshape(shape) for part, shape in zip(np.split(x, ends), shapes, strict=True)]


def second_moments(mean: Array, covariance: Array) -> Array:
    """Return Sigma = C + mm'."""
    return covariance + np.outer(mean, mean)
