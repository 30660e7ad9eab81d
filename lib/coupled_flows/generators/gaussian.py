"""The generator on R^d with a quadratic potential: laws stay Gaussian, in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import overload

import numpy as np

from coupled_flows.geometry.errors import (
    Array,
    DivergenceError,
    check_array,
    check_every,
    check_integer,
    check_type,
)
from coupled_flows.geometry.manifolds import Euclidean
from coupled_flows.measure.laws import GaussianLaw, Law
from coupled_flows.walks.langevin import Langevin
from coupled_flows.walks.steps import GeodesicWalk, RetractionWalk, Walk


class GaussianGenerator:
    """The Ornstein-Uhlenbeck generator: R^d, U = (x - c)'A(x - c)/2 + constant, A > 0.

    Parameters
    ----------
    langevin : Langevin
        On `Euclidean(d)`, with a quadratic potential (`quadratic(A)`, or a Potential whose
        gradient is affine).

    Attributes
    ----------
    rates : ndarray, shape (d,)
        Eigenvalues of A, ascending.
    frame : ndarray, shape (d, d)
        Eigenvectors of A, in columns.
    centre : ndarray, shape (d,)
        c, the minimum of U.

    Raises
    ------
    TypeError
        If `langevin` is of another type.
    ValueError
        If the manifold is another one, the gradient not affine, or A not positive definite.

    Examples
    --------
    >>> from coupled_flows import Euclidean, GaussianGenerator, Langevin, quadratic
    >>> generator = GaussianGenerator(Langevin(Euclidean(1), quadratic([[2.0]]), beta=1.0))
    >>> generator.stationary.covariance
    array([[0.5]])
    """

    def __init__(self, langevin: Langevin) -> None:
        check_type("langevin", langevin, Langevin, "a Langevin problem")
        if not isinstance(langevin.manifold, Euclidean):
            raise ValueError(f"langevin must be on Euclidean(d); got {langevin.manifold!r}")
        self.langevin = langevin
        d = langevin.manifold.dim
        offset = langevin.gradient(np.zeros((1, d)))[0]
        hessian = langevin.gradient(np.eye(d)) - offset
        probe = np.random.default_rng(0).standard_normal((4, d)) * 3
        misfit = float(np.abs(langevin.gradient(probe) - offset - probe @ hessian).max())
        size = float(np.abs(hessian).max(initial=0.0) + np.abs(offset).max(initial=0.0))
        if misfit > 1e-9 * (1 + size) or np.abs(hessian - hessian.T).max() > 1e-9 * (1 + size):
            raise ValueError(
                "langevin must have a quadratic potential; its gradient differs from an affine"
                f" map by {misfit:g}"
            )
        self.rates, self.frame = np.linalg.eigh((hessian + hessian.T) / 2)
        if self.rates[0] <= 1e-14 * abs(self.rates[-1]):
            raise ValueError(
                "langevin must have a positive definite quadratic potential; got the eigenvalue"
                f" {self.rates[0]:g}"
            )
        self.centre = -self.frame @ (self.frame.T @ offset / self.rates)

    @property
    def gap(self) -> float:
        """The spectral gap, the smallest eigenvalue of A, in units of 1/time."""
        return float(self.rates[0])

    @property
    def stationary(self) -> GaussianLaw:
        """The law pi: mean c, covariance A^{-1}/beta."""
        return self.gaussian(
            np.zeros(len(self.rates)), np.diag(1 / self.rates) / self.langevin.beta
        )

    def gaussian(self, mean: Array, covariance: Array) -> GaussianLaw:
        """Return the Gaussian law with that mean less c and covariance in the eigenframe of A."""
        return GaussianLaw(self.centre + self.frame @ mean, self.frame @ covariance @ self.frame.T)

    def in_frame(self, law: Law) -> tuple[Array, Array]:
        """Return mean less c and covariance of a Gaussian law in the eigenframe of A.

        Raises
        ------
        TypeError, ValueError
            If `law` is not a `GaussianLaw` on the generator's space.
        """
        gaussian = check_type("law", law, GaussianLaw, "a GaussianLaw")
        if gaussian.manifold != self.langevin.manifold:
            raise ValueError(
                f"law must live on {self.langevin.manifold!r}; got one on {gaussian.manifold!r}"
            )
        mean = self.frame.T @ (gaussian.mean - self.centre)
        return mean, self.frame.T @ gaussian.covariance @ self.frame

    @overload
    def evolve(self, law: Law, times: float) -> GaussianLaw: ...
    @overload
    def evolve(self, law: Law, times: Array | list[float]) -> list[GaussianLaw]: ...
    def evolve(
        self, law: Law, times: float | Array | list[float]
    ) -> GaussianLaw | list[GaussianLaw]:
        """Return the diffusion's law after some time.

        Mean c + e^{-At}(m - c); covariance e^{-At} C e^{-At} + (1 - e^{-2At}) A^{-1}/beta.

        Parameters
        ----------
        law : GaussianLaw
            At time 0.
        times : float or array_like of float, shape (k,)
            Times >= 0.

        Returns
        -------
        GaussianLaw, or list of GaussianLaw for an array of times

        Raises
        ------
        TypeError, ValueError
            If `law` is not Gaussian on the same space, or a time is negative.
        """
        mean, covariance = self.in_frame(law)
        when = check_array("times", np.atleast_1d(times), ("k",))
        if when.min(initial=0.0) < 0:
            raise ValueError(f"times must be >= 0; got {when.min():g}")
        laws = []
        for t in when:
            decay = np.exp(-self.rates * t)
            fresh = -np.expm1(-2 * self.rates * t) / (self.rates * self.langevin.beta)
            laws.append(
                self.gaussian(decay * mean, np.outer(decay, decay) * covariance + np.diag(fresh))
            )
        return laws[0] if np.ndim(times) == 0 else laws

    def transition(self, walk: Walk) -> GaussianTransition:
        """Return the one-step operator of a walk with Gaussian steps.

        Parameters
        ----------
        walk : GeodesicWalk or RetractionWalk
            On R^d both are the Euler walk.

        Returns
        -------
        GaussianTransition

        Raises
        ------
        TypeError, ValueError
            If `walk` is another walk (its law would not stay Gaussian) or of another problem.
        """
        check_type(
            "walk",
            walk,
            (GeodesicWalk, RetractionWalk),
            "a GeodesicWalk or RetractionWalk (the law of another walk does not stay Gaussian)",
        )
        if walk.langevin != self.langevin:
            raise ValueError(
                "walk must be a walk of the generator's own Langevin problem; got one of"
                f" {walk.langevin!r}"
            )
        return GaussianTransition(self, walk)

    def evolve_walk(self, walk: Walk, law: Law, n_steps: int) -> GaussianLaw:
        """Return the walk's law after `n_steps` steps; see `transition`.

        Raises
        ------
        TypeError, ValueError
            As `transition` and `GaussianTransition.evolve`.
        """
        return self.transition(walk).evolve(law, n_steps)


@dataclass(frozen=True, eq=False)
class GaussianTransition:
    """The Euler walk on R^d with a quadratic potential, on Gaussian laws.

    Parameters
    ----------
    generator : GaussianGenerator
    walk : Walk
    """

    generator: GaussianGenerator
    walk: Walk

    @property
    def factors(self) -> Array:
        """What a step multiplies each eigendirection by: 1 - h a."""
        return 1 - self.walk.step * self.generator.rates

    @property
    def stationary(self) -> GaussianLaw:
        """The stationary law: mean c, covariance Sigma_h = (1/beta)(A - h A^2/2)^{-1}.

        Raises
        ------
        ValueError
            If h a_max >= 2: then there is none.
        """
        rates, h = self.generator.rates, self.walk.step
        if h * rates[-1] >= 2:
            raise ValueError(
                f"step must be below 2/a_max = {2 / rates[-1]:g} for a stationary law; got {h:g}"
            )
        covariance = np.diag(1 / (rates - h * rates**2 / 2)) / self.walk.langevin.beta
        return self.generator.gaussian(np.zeros(len(rates)), covariance)

    @overload
    def evolve(self, law: Law, n_steps: int) -> GaussianLaw: ...
    @overload
    def evolve(self, law: Law, n_steps: int, every: int) -> list[GaussianLaw]: ...
    def evolve(
        self, law: Law, n_steps: int, every: int | None = None
    ) -> GaussianLaw | list[GaussianLaw]:
        """Return the walk's law after `n_steps` steps.

        Parameters
        ----------
        law : GaussianLaw
            The law of the start.
        n_steps : int
            >= 0.
        every : int, optional
            Return a list: the start, and the law after each `every` steps.

        Returns
        -------
        GaussianLaw, or list of GaussianLaw with `every`

        Raises
        ------
        TypeError, ValueError
            If `law` is not Gaussian on the same space, or `n_steps` or `every` not as above.
        DivergenceError
            If h a_max > 2 and the law leaves the finite numbers.
        """
        n_steps = check_integer("n_steps", n_steps)
        if every is None:
            return self._after(law, n_steps)
        return [self._after(law, k) for k in range(0, n_steps + 1, check_every(every, n_steps))]

    def _after(self, law: Law, n_steps: int) -> GaussianLaw:
        mean, covariance = self.generator.in_frame(law)
        if n_steps == 0:
            return self.generator.gaussian(mean, covariance)
        r = self.factors
        largest = float(np.abs(r).max())
        if largest > 1 and n_steps * 2 * math.log(largest) > 600:
            limit = math.floor(300 / math.log(largest))
            last = self._after(law, limit)
            raise DivergenceError(
                f"the walk's law leaves the range of float64 at about step {limit + 1}:"
                f" step * a_max = {self.walk.step * self.generator.rates[-1]:g} exceeds 2",
                step=limit + 1,
                state=last.mean[None, :],
            )
        noise = 2 * self.walk.step / self.walk.langevin.beta
        # the geometric sum of r^(2k), k < n, with 1 - r^2 = h a (2 - h a) free of cancellation
        pull = self.walk.step * self.generator.rates
        drop = pull * (2 - pull)
        with np.errstate(divide="ignore"):  # r = 0: its logarithm is -inf, and the sum is 1
            risen = -np.expm1(n_steps * np.log1p(-drop))
        total = np.divide(risen, drop, out=np.full_like(drop, n_steps), where=drop != 0)
        power = r**n_steps
        return self.generator.gaussian(
            power * mean, np.outer(power, power) * covariance + np.diag(noise * total)
        )
