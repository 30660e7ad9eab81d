"""What couples a law and weights: the part of the free energy in which both stand.

With Sigma = E x x' of the embedded points x of a law rho,

    F(rho, W) = E U + (1/beta) E log rho + kappa E(W; Sigma)                                    (6)

where E is the energy of a weight flow: E_tr with T = Tr(W Sigma W') I, or E_det with
T = W Sigma W'. Its derivatives are the field that the points see, and the velocity of the weights:

    -(kappa/2) (Wx)' T^{-1} (Wx),       dW/dt = gamma (W Sigma - T W) = -gamma T grad_W E.       (7)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from coupled_flows.geometry.errors import Array, check_array, check_choice, check_real, check_type
from coupled_flows.geometry.potentials import Embedding
from coupled_flows.measure.laws import Law
from coupled_flows.weights.energies import log_det_energy, log_trace_energy
from coupled_flows.weights.flow import WeightFlow
from coupled_flows.weights.flows import SubspaceFlow, TraceFlow
from coupled_flows.weights.graded import frame

_ENERGIES = {"logtrace": log_trace_energy, "logdet": log_det_energy}
_FLOWS: dict[str, type[WeightFlow]] = {"logtrace": TraceFlow, "logdet": SubspaceFlow}
# exponents beyond which the turn of the features, which nothing depends on, is not followed
FAR = 300.0
# N = I + ... with no eigenvalue above this loses no digit in a root
ROUND = 10.0


@dataclass(frozen=True, eq=False)
class CoupledPath:
    """A law and weights at some times; made by `CoupledFlow.solve_density`.

    Attributes
    ----------
    times : ndarray, shape (time,)
    laws : sequence of Law
        `CircleCells`, `ZonalCells` or `GaussianLaw`.
    weights : ndarray, shape (time, m, D)
    free_energy : ndarray, shape (time,)
        F, equation (6).
    dissipation : ndarray, shape (time, 2)
        The two parts of -dF/dt, of the law and of the weights, equation (7).
    """

    times: Array
    laws: Sequence[Law]
    weights: Array
    free_energy: Array
    dissipation: Array


@dataclass(frozen=True, eq=False)
class Coupling:
    """The coupling kappa E(W; Sigma) of (6), and what (7) needs of it.

    In all methods Sigma is (..., D, D), W is (..., m, D), T is (..., m, m), and embedded points y
    are rows: (n, D), or (..., n, D) for as many W and T. But for `weight_step` the methods are
    inner loops: they check what only they can see.

    Parameters
    ----------
    kind : "logdet" or "logtrace"
    kappa : float
        Strength of the coupling, >= 0.
    gamma : float
        Speed of the weights, > 0.
    embedding : Embedding, optional
        Where points are seen by the weights; by default as they are.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above.

    Examples
    --------
    >>> from coupled_flows import Coupling
    >>> coupling = Coupling("logdet", kappa=2.0)
    >>> sigma, W = np.diag([2.0, 1.0]), np.array([[1.0, 1.0]])
    >>> T = coupling.tension(sigma, W)
    >>> coupling.field(np.array([[1.0, 2.0]]), W, T)  # -(1 + 2)^2/3
    array([-3.])
    """

    kind: str
    kappa: float
    gamma: float = 1.0
    embedding: Embedding | None = None

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, ("logdet", "logtrace"))
        object.__setattr__(self, "kappa", check_real("kappa", self.kappa, least=0))
        object.__setattr__(self, "gamma", check_real("gamma", self.gamma, above=0))
        allowed = "an Embedding, such as Torus(1).embedding"
        check_type("embedding", self.embedding, (Embedding, type(None)), allowed)

    @property
    def flow(self) -> type[WeightFlow]:
        """The flow of the weights while Sigma rests: `TraceFlow` or `SubspaceFlow`."""
        return _FLOWS[self.kind]

    def seen(self, points: Array) -> Array:
        """Return points (n, p) as embedded points (n, D), unchecked."""
        return points if self.embedding is None else self.embedding.value(points)

    def embed(self, points: Array) -> Array:
        """Return points (n, p) as embedded points (n, D), checked.

        Raises
        ------
        TypeError, ValueError
            If the embedding cannot take them, or gives another shape or a value that is not finite.
        """
        try:
            seen = self.seen(points)
        except (ValueError, IndexError) as error:
            raise ValueError(
                f"the coupling's embedding must take points of shape {points.shape}; got: {error}"
            ) from error
        return check_array("embedding.value(x)", seen, (len(points), "D"))

    def pull(self, points: Array, ambient: Array, y: Array | None = None) -> Array:
        """Return covectors (n, D) at embedded points y in point coordinates: J(x)' v, (n, p)."""
        if self.embedding is None:
            return ambient
        return self.embedding.pull(points, self.seen(points) if y is None else y, ambient)

    def second_moments(self, y: Array, mass: Array | None = None) -> Array:
        """Return Sigma = sum_i p_i y_i y_i' of embedded points with masses (n,), equal ones else.

        It is symmetric to the last digit.
        """
        weighted = y / len(y) if mass is None else y * mass[:, None]
        sigma = weighted.T @ y
        return (sigma + sigma.T) / 2

    def square(self, sigma: Array, W: Array) -> Array:
        """Return what there is to know of T: the number Tr(W Sigma W') as (..., 1, 1), or T.

        It is linear in Sigma; the field at y is -(kappa/2) Tr(Q^{-1} q) for the squares Q of Sigma
        and q of y y'.
        """
        square = W @ sigma @ np.swapaxes(W, -1, -2)
        if self.kind == "logtrace":
            return np.trace(square, axis1=-2, axis2=-1)[..., None, None]
        return (square + np.swapaxes(square, -1, -2)) / 2

    def spanning(self, W: Array) -> Array:
        """Return weights with the same field: for the determinant orthonormal rows, else W.

        T of rows that are nearly parallel has the square of their condition number.

        Raises
        ------
        ValueError
            If the rows that the determinant sees are linearly dependent.
        """
        if self.kind == "logtrace":
            return W
        frame, triangle = np.linalg.qr(W.T)
        sizes, left = np.linalg.norm(W, axis=1), np.zeros(len(W))
        left[: len(triangle)] = np.abs(np.diag(triangle))
        if (left <= W.shape[1] * np.finfo(np.float64).eps * sizes).any():
            raise ValueError(
                "W must have T > 0, linearly independent rows; got rows of lengths"
                f" {sizes} that lie {left} outside the span of those before"
            )
        return np.asarray(frame.T)

    def tension(self, sigma: Array, W: Array) -> Array:
        """Return T: Tr(W Sigma W') I for the trace, W Sigma W' for the determinant."""
        square = self.square(sigma, W)
        return square * np.eye(W.shape[-2]) if self.kind == "logtrace" else square

    def energy(self, sigma: Array, W: Array, name: str = "W") -> Array:
        """Return E_tr or E_det, equations (4) and (5), without the factor kappa.

        Raises
        ------
        ValueError
            If T is singular: the energy is infinite there. The error calls the weights `name`.
        """
        return _ENERGIES[self.kind](W, sigma, name)

    def whitened(self, W: Array, T: Array) -> Array:
        """Return K (..., m, D) with K'K = W' T^{-1} W.

        Raises
        ------
        ValueError
            If T is not positive definite.
        """
        own = np.diagonal(T, axis1=-2, axis2=-1)
        try:
            root = np.linalg.cholesky(T)
            # of a singular T rounding may leave a little more than nothing
            pivots = np.diagonal(root, axis1=-2, axis2=-1) ** 2
            if (pivots <= 4 * own.shape[-1] * np.finfo(np.float64).eps * own).any():
                raise np.linalg.LinAlgError
        except np.linalg.LinAlgError:
            lowest = float(np.linalg.eigvalsh(T).min())
            raise ValueError(
                f"W must have T > 0 for a force on the points; got the eigenvalue {lowest:g} of T"
            ) from None
        return np.linalg.solve(root, W)

    def field(self, y: Array, W: Array, T: Array) -> Array:
        """Return -(kappa/2) (W y)' T^{-1} (W y) at embedded points: (..., n).

        Raises
        ------
        ValueError
            If T is not positive definite.
        """
        features = y @ np.swapaxes(self.whitened(W, T), -1, -2)
        return -self.kappa / 2 * np.einsum("...nm,...nm->...n", features, features)

    def force(self, y: Array, W: Array, T: Array) -> Array:
        """Return kappa W' T^{-1} W y at embedded points, less the gradient of `field`: (..., n, D).

        Raises
        ------
        ValueError
            If T is not positive definite.
        """
        K = self.whitened(W, T)
        return self.kappa * (y @ np.swapaxes(K, -1, -2) @ K)

    def weight_rate(self, sigma: Array, W: Array) -> Array:
        """Return dW/dt = gamma (W Sigma - T W)."""
        return self.gamma * self.flow.drift(W, sigma)

    def weight_step(self, sigma: ArrayLike, W: ArrayLike, time: float) -> Array:
        """Return W after a time at rest of Sigma (D, D), exactly: of any length.

        For the trace by the closed form (3). For the determinant the representative N^{-1/2} E of
        (5), which differs from W by a rotation of the features: neither F nor the field sees it,
        and it is of third order in the time.

        Parameters
        ----------
        sigma : array_like, shape (D, D)
        W : array_like, shape (m, D)
        time : float
            >= 0.

        Returns
        -------
        ndarray, shape (m, D)

        Raises
        ------
        TypeError, ValueError
            If an argument is not as above.
        """
        flow = self.flow(sigma, self.gamma)  # type: ignore[arg-type]
        W, time = flow.check_start(W, "W"), check_real("time", time, least=0)
        if isinstance(flow, TraceFlow):
            return flow.closed_form(W, [time])[0]
        _, turn = flow.spectrum
        start, x = W @ turn, flow.exponents(time)
        if x.max() < 1:
            N = np.eye(len(W)) + start * np.expm1(2 * x) @ start.T
            sizes, axes = np.linalg.eigh(N)
            if sizes[-1] <= ROUND:
                return axes / np.sqrt(sizes) @ axes.T @ (start * np.exp(x)) @ turn.T
        # R = L^{-1} E, L L' = N, has the right W'W; L = N^{1/2} Q turns it to N^{-1/2} E = Q R
        grown = np.sqrt(np.expm1(2 * np.minimum(x, FAR)))[:, None] * start.T
        triangle = np.asarray(np.linalg.qr(np.concatenate([np.eye(len(W)), grown]), mode="r"))
        left, _, right = np.linalg.svd(triangle.T * np.sign(np.diag(triangle)))
        return left @ right @ frame(x, start) @ turn.T

    def weight_dissipation(self, sigma: Array, W: Array) -> Array:
        """Return gamma kappa Tr(G' T G), G = grad_W E = W - T^{-1} W Sigma: the second part of (7).

        That is (kappa/gamma) Tr(V' T^{-1} V) for the velocity V of the weights.

        Raises
        ------
        ValueError
            If T is singular.
        """
        velocity = self.flow.drift(W, sigma)
        try:
            share = np.linalg.solve(self.tension(sigma, W), velocity)
        except np.linalg.LinAlgError:
            raise ValueError("W must have T > 0 for a dissipation; got a singular T") from None
        return self.gamma * self.kappa * np.einsum("...ij,...ij->...", velocity, share)
