"""The coupled flow (6), (7): what is computed of it, behind one door."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import ArrayLike

from coupled_flows.coupled.closure import GaussianClosure
from coupled_flows.coupled.density import step_both
from coupled_flows.coupled.functional import CoupledPath, Coupling
from coupled_flows.coupled.particles import ParticlePath, simulate_particles
from coupled_flows.coupled.volumes import CellFlow
from coupled_flows.geometry.errors import Array, check_array, check_integer, check_real, check_type
from coupled_flows.geometry.manifold import Manifold
from coupled_flows.geometry.manifolds import Sphere, Torus
from coupled_flows.geometry.potentials import Embedding
from coupled_flows.measure.angles import SmoothLaw
from coupled_flows.measure.cells import CellLaw, CircleCells, ZonalCells
from coupled_flows.measure.laws import GaussianLaw, Law
from coupled_flows.walks.langevin import Langevin
from coupled_flows.weights.flow import check_times

CELLS = 256
_CELLS: dict[Manifold, type[CellLaw]] = {Torus(1): CircleCells, Sphere(2): ZonalCells}


@dataclass(frozen=True, eq=False)
class CoupledFlow:
    """A law rho and weights W that descend one functional, each seeing the other.

    With Sigma = E x x' of embedded points x, and T = W Sigma W' (for "logdet") or Tr(W Sigma W')
    (for "logtrace"),

        F(rho, W) = E U + (1/beta) E log rho + kappa (|W|^2/2 - log det T/2)                    (6)
        d rho/dt = div(rho grad mu),  mu = U + (1/beta) log rho - (kappa/2) (Wx)' T^{-1} (Wx)
        dW/dt = gamma (W Sigma - T W)
        dF/dt = -E |grad mu|^2 - gamma kappa Tr(G' T G),  G = W - T^{-1} W Sigma                 (7)

    Parameters
    ----------
    langevin : Langevin
        Manifold, potential U and beta.
    kappa : float
        Strength of the coupling, >= 0.
    gamma : float
        Speed of the weights, > 0.
    kind : "logdet" or "logtrace"
    embedding : Embedding, optional
        Where the weights see points; by default the manifold's own.

    Attributes
    ----------
    coupling : Coupling
        The part of (6) and (7) in which law and weights meet.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above.

    Examples
    --------
    Without a potential on S^2, one feature: in the end rho is proportional to exp(b z^2), where
    b E z^2 = beta kappa/2.

    >>> from coupled_flows import CoupledFlow, Langevin, Sphere, zero
    >>> flow = CoupledFlow(Langevin(Sphere(2), zero()), kappa=2.0)
    >>> start = lambda z: np.exp(z)
    >>> path = flow.solve_density(start, [[0.0, 0.0, 0.5]], [0.0, 1.0, 50.0], cells=64, step=0.5)
    >>> bool((np.diff(path.free_energy) < 0).all())
    True
    >>> law = path.laws[-1]
    >>> b, _ = np.polyfit(law.places**2, np.log(law.density(law.places)), 1)
    >>> round(float(b * law.mean(lambda z: z**2)), 6)
    1.0
    """

    langevin: Langevin
    kappa: float
    gamma: float = 1.0
    kind: str = "logdet"
    embedding: Embedding | None = None
    coupling: Coupling = field(init=False)

    def __post_init__(self) -> None:
        check_type("langevin", self.langevin, Langevin, "a Langevin problem")
        manifold = self.langevin.manifold
        seen = manifold.embedding if self.embedding is None else self.embedding
        coupling = Coupling(self.kind, self.kappa, self.gamma, seen)
        x = manifold.random_point(4, np.random.default_rng(0))
        wanted = (*coupling.embed(x).shape, manifold.point_dim)
        check_array("embedding.jacobian(x)", seen.jacobian(x), wanted)
        object.__setattr__(self, "coupling", coupling)
        for name in ("kappa", "gamma", "embedding"):
            object.__setattr__(self, name, getattr(coupling, name))

    def free_energy(self, law: Law, W: ArrayLike) -> float:
        """Return F(rho, W), equation (6).

        Parameters
        ----------
        law : Law
            On the circle, or on S^2 symmetric about the z axis: a law of cells, for which sums
            over cells stand for the integrals, or a smooth one, which is put on 256 cells first.
            On R^d with a quadratic potential: a `GaussianLaw`. Points have no F: the entropy of
            theirs is infinite.
        W : array_like, shape (m, D)
            On S^2 the span of its rows is the z axis, its orthogonal plane or R^3; for "logtrace"
            W'W = diag(a, a, b).

        Returns
        -------
        float

        Raises
        ------
        TypeError, ValueError
            If an argument is not as above, or T is singular, where F is infinite.
        """
        if self._is_gaussian(law):
            return self._closure().free_energy(law, W)
        on = self._on(self._cells(law))
        return on.free_energy(on.cells.masses, on.check_weights("W", W))

    def dissipation(self, law: Law, W: ArrayLike) -> Array:
        """Return the two parts of -dF/dt, of the law and of the weights, equation (7).

        Parameters
        ----------
        law : Law
            As for `free_energy`; with mass in every cell. On cells the first part is sum J (mu_i -
            mu_{i+1}) with the fluxes J between cells, which is the rate of F on these cells
            exactly, and E |grad mu|^2 up to the square of their width.
        W : array_like, shape (m, D)

        Returns
        -------
        ndarray, shape (2,)

        Raises
        ------
        TypeError, ValueError
            If an argument is not as above, or T is singular.
        """
        if self._is_gaussian(law):
            return self._closure().dissipation(law, W)
        on = self._on(self._cells(law))
        return on.dissipation(on.cells.masses, on.check_weights("W", W))

    def solve_density(
        self,
        density: Callable[[Array], ArrayLike] | Law,
        W0: ArrayLike,
        times: ArrayLike,
        *,
        cells: int = CELLS,
        step: float = 0.01,
    ) -> CoupledPath:
        """Solve (7) for the density and the weights.

        On the circle and for laws on S^2 symmetric about the z axis by finite volumes: masses are
        positive, their sum is 1, and F falls at each step of any length. The error is of first
        order in `step` and of second order in the width of the cells; at rest it is none but
        rounding's, once integrals over the cells are right. On R^d with a quadratic potential the
        law stays Gaussian: by its closed equations, to about 1e-10.

        Parameters
        ----------
        density : callable or Law
            The start. A positive function of points (n, 1) on the circle, of z (n,) on S^2,
            normalised for you; or a law, of cells (which are then kept) or smooth. On R^d a
            `GaussianLaw`.
        W0 : array_like, shape (m, D)
            As W for `free_energy`.
        times : array_like, shape (k,)
            >= 0, ascending.
        cells : int
            Number of cells, >= 4.
        step : float
            The longest step, > 0. From each time to the next as many equal ones as needed.

        Returns
        -------
        CoupledPath

        Raises
        ------
        TypeError, ValueError
            If an argument is not as above.
        DivergenceError
            If masses leave the range of positive numbers: carries the step, and the masses before.
        """
        times, step = check_times(times, ascending=True), check_real("step", step, above=0)
        if self._is_gaussian(density):
            return self._closure().solve(density, W0, times)
        law = self._cells(density, check_integer("cells", cells, least=4), "density")
        if law.masses.min() <= 0:
            raise ValueError("density must be positive in every cell; got an empty one")
        on = self._on(law)
        masses, W = law.masses, on.check_weights("W0", W0)
        on.free_energy(masses, W)  # which says if T is singular
        states: list[tuple[Array, Array]] = []
        n_steps = 0
        for gap in np.diff(times, prepend=0.0):
            parts = int(np.ceil(gap / step * (1 - 1e-12)))
            for _ in range(parts):
                n_steps += 1
                masses, W = step_both(on, masses, W, gap / parts, n_steps)
            states.append((masses, W))
        return CoupledPath(
            times,
            [type(law)(masses) for masses, _ in states],
            np.array([W for _, W in states]),
            np.array([on.free_energy(*state) for state in states]),
            np.array([on.dissipation(*state) for state in states]),
        )

    def simulate_particles(
        self,
        start: ArrayLike,
        W0: ArrayLike,
        step: float,
        n_steps: int,
        rng: np.random.Generator,
        every: int | None = None,
        **options: Any,
    ) -> ParticlePath:
        """Run particles coupled to weights: on any manifold, for any potential.

        Parameters
        ----------
        start : array_like, shape (n, p)
        W0 : array_like, shape (m, D)
        step : float
        n_steps : int
        rng : numpy.random.Generator
        every : int, optional
        **options
            `walk`, `keep_points`, `threads`, `progress`.

        Returns
        -------
        ParticlePath

        Raises
        ------
        TypeError, ValueError, DivergenceError
            As `coupled.particles.simulate_particles`, which says what all of these are.
        """
        return simulate_particles(
            self.langevin, self.coupling, start, W0, step, n_steps, rng, every, **options
        )

    def _is_gaussian(self, law: Any) -> TypeGuard[GaussianLaw]:
        return isinstance(law, GaussianLaw) and law.manifold == self.langevin.manifold

    def _closure(self) -> GaussianClosure:
        return GaussianClosure(self.langevin, self.coupling)

    def _on(self, cells: CellLaw) -> CellFlow:
        return CellFlow(self.langevin, self.coupling, cells)

    def _cells(self, law: Any, n: int = CELLS, name: str = "law") -> CellLaw:
        """Return a law or a density on cells."""
        kind = _CELLS.get(self.langevin.manifold)
        if kind is None:
            raise ValueError(
                f"{name} must be a GaussianLaw on {self.langevin.manifold!r}, or else langevin on"
                f" Torus(1) or Sphere(2); got {law!r}"
            )
        if isinstance(law, Law) and law.manifold != self.langevin.manifold:
            raise ValueError(
                f"{name} must live on {self.langevin.manifold!r}; got one on {law.manifold!r}"
            )
        if isinstance(law, CellLaw):
            return law
        if isinstance(law, SmoothLaw):
            # what is below rounding is that
            values = law.density(kind.uniform(n).places)  # type: ignore[attr-defined]
            least = float(values.max()) * np.finfo(np.float64).eps
            return kind.from_density(lambda _: np.maximum(values, least), n)
        if name == "law" or isinstance(law, Law) or not callable(law):
            allowed = "a law with a density" + (", or such a function" if name != "law" else "")
            raise TypeError(f"{name} must be {allowed}; got {law!r}")
        return kind.from_density(law, n)
