"""The data walk: a reversible Markov chain on a cloud of points, equation (1e).

The kernel is summed over all points within the cutoff, the point itself included, so that every
sum is at least 1. Nothing is dropped in silence: `neglected` bounds what the cutoff leaves out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph
from scipy.sparse.linalg import LinearOperator, cg
from scipy.spatial import cKDTree

from coupled_flows.generators.kernel import Index, by_rows, full_kernel, near_kernel, sums
from coupled_flows.generators.operators import Transition
from coupled_flows.geometry.errors import Array, check_array, check_real, check_type
from coupled_flows.geometry.manifolds import Euclidean
from coupled_flows.measure.laws import Law, PointLaw

# asked of conjugate gradients, and what rounding may leave of it
RESIDUAL, WORST = 1e-13, 1e-8
# squares of coordinates, and products of two powers of kernel sums, stay numbers
LARGEST = 1e140
# a smaller probability is lost in the rounding of its row
SMALLEST = 2.0**-53


@dataclass(frozen=True, eq=False)
class DataWalk(Transition):
    """The walk on points x_1 .. x_N whose jumps are weighed by a Gaussian kernel, equation (1e).

    Parameters
    ----------
    points : array_like, shape (N, D)
        Embedded points, N >= 2: a sample of a density p on a manifold of dimension d.
    bandwidth : float
        eps > 0, a length squared: the kernel is k_ij = exp(-|x_i - x_j|^2/(4 eps)), a Gaussian of
        variance 2 eps in each direction.
    alpha : float
        Any real number: 0, 1/2 and 1 are the classical ones.
    cutoff : float
        Pairs farther apart than `cutoff` standard deviations, cutoff * sqrt(2 eps), are left out;
        infinity keeps them all, in N^2 entries.

    Attributes
    ----------
    matrix : sparse array, shape (N, N)
        P, in compressed rows.
    kernel_sums : ndarray, shape (N,)
        q_i = sum_j k_ij; q_i/(N (4 pi eps)^{d/2}) estimates p(x_i).
    weights : ndarray, shape (N,)
        The exact stationary law, d_i/sum d.
    neglected : float
        A bound on what the cutoff changes: the total variation distance between a row of P and
        the same row without a cutoff is at most this, for every row.

    Raises
    ------
    TypeError
        If an argument is no number or no array of numbers.
    ValueError
        If `points` is not (N, D) with N >= 2, `bandwidth` or `cutoff` not positive, or the powers
        q_i^-alpha leave the range of numbers.

    Notes
    -----
    k~_ij = k_ij/(q_i q_j)^alpha, d_i = sum_j k~_ij and P_ij = k~_ij/d_i, with k_ii = 1 kept.
    Since k~ is symmetric, d_i P_ij = d_j P_ji: the walk is reversible with respect to
    d_i/sum_j d_j, exactly, for any points. One step takes the time eps: as N grows and eps falls,
    (P - I)/eps tends to Lap + 2(1 - alpha) <grad log p, grad>, which keeps p^{2(1 - alpha)}.
    With U = -log p that is beta times the generator of the Langevin equation at the inverse
    temperature beta = 2(1 - alpha). [Coifman and Lafon, Diffusion maps, 2006; Hein, Audibert and
    von Luxburg, Graph Laplacians and their convergence on random neighborhood graphs, 2007.]

    The bound: row i lacks at most M_i = (N - n_i) e^{-c^2/2} of its sum q_i, where n_i points are
    within the cutoff c. Let T = (1 + max M_j/q_j)^|alpha|. The factors q_j^-alpha within the cutoff
    are off by ratios up to T, and what lies beyond weighs at most phi times what lies within,
    phi = T min(e^{-c^2/2} sum_j q_j^-alpha, M_i max_j q_j^-alpha) / sum_j k_ij q_j^-alpha. So the
    row without a cutoff is at least 1/(T (1 + phi)) times the row, and 1 minus that is the bound.

    Examples
    --------
    >>> from coupled_flows import Torus
    >>> angle = 2 * np.pi * np.arange(200)[:, None] / 200
    >>> walk = DataWalk(Torus(1).embedding.value(angle), bandwidth=0.01)
    >>> wave = np.cos(angle[:, 0])
    >>> rate = (wave - walk.apply(wave)) / walk.step / np.where(wave == 0, 1, wave)
    >>> bool(abs(rate[0] - 1) < 0.01)  # -Lap cos = cos
    True
    """

    points: Array
    bandwidth: float
    alpha: float = 0.5
    cutoff: float = 6.0
    kernel_sums: Array = field(init=False, repr=False)
    neglected: float = field(init=False)
    _matrix: sparse.csr_array = field(init=False, repr=False)
    _weights: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        points = check_array("points", self.points, ("N", "D"))
        if len(points) < 2 or not points.shape[1]:
            raise ValueError(f"points must be at least two rows (N, D); got shape {points.shape}")
        if (largest := np.abs(points).max()) > LARGEST:
            raise ValueError(f"points must have coordinates up to {LARGEST:g}; got {largest:g}")
        eps = check_real("bandwidth", self.bandwidth, above=0)
        alpha = check_real("alpha", self.alpha)
        if isinstance(self.cutoff, float | np.floating) and self.cutoff == math.inf:
            cutoff, kernel = math.inf, full_kernel(points, eps)
        else:
            cutoff = check_real("cutoff", self.cutoff, above=0)
            kernel = near_kernel(points, eps, cutoff * math.sqrt(2 * eps))
        q = by_rows(kernel, sums)
        scale = _powers(q, alpha)

        def normalise(data: Array, column: Index, first: Index) -> Array:
            data *= scale[column]  # the factor of the row goes with its norm
            total = sums(data, column, first)
            data /= np.repeat(total, np.diff(first, append=len(data)))
            return total

        mass = by_rows(kernel, normalise)
        beyond = math.exp(-cutoff * cutoff / 2)
        missing = (len(points) - np.diff(kernel.indptr)) * beyond
        far = np.max(np.minimum(beyond * scale.sum(), missing * scale.max()) / mass)
        with np.errstate(over="ignore"):
            spread = abs(alpha) * np.log1p(np.max(missing / q))
            lost = spread + np.log1p(np.exp(spread) * far)
        for name, value in {
            "points": points.copy(),
            "bandwidth": eps,
            "alpha": alpha,
            "cutoff": cutoff,
            "kernel_sums": q,
            "neglected": float(-np.expm1(-lost)),
            "_weights": scale * mass / (scale @ mass),
            "_matrix": kernel,
        }.items():
            object.__setattr__(self, name, value)
        arrays = (kernel.data, kernel.indices, kernel.indptr, self.points, q, self._weights)
        for array in arrays:
            array.flags.writeable = False

    @property
    def nodes(self) -> Array:
        """The points, (N, D)."""
        return self.points

    @property
    def matrix(self) -> sparse.csr_array:
        """P, (N, N); its rows sum to 1."""
        return self._matrix

    @cached_property
    def multiplier(self) -> Array | sparse.csr_array:
        """P, as a full array if no entry is missing: its products are several times as fast."""
        n = len(self.points)
        return self.matrix.data.reshape(n, n) if self.matrix.nnz == n * n else self.matrix

    @property
    def step(self) -> float:
        """The time of one step: eps."""
        return self.bandwidth

    @property
    def weights(self) -> Array:
        """The exact stationary law on the points, (N,)."""
        return self._weights

    def weights_of(self, law: Law) -> Array:
        """Return a law on the data points as weights (N,).

        Raises
        ------
        TypeError, ValueError
            If `law` is not a PointLaw, or one of its points is none of the data points.
        """
        check_type("law", law, PointLaw, "a PointLaw on the data points")
        assert isinstance(law, PointLaw)
        space = Euclidean(self.points.shape[1])
        if law.manifold != space:
            raise ValueError(f"law must live on {space!r}; got a law on {law.manifold!r}")
        far, row = self._tree.query(law.points)
        if far.max() > 0:
            worst = law.points[int(np.argmax(far))]
            raise ValueError(f"law must have its points among the data points; got {worst}")
        return np.bincount(row, law.weights, len(self.points)).astype(np.float64)

    def law_of(self, weights: Array) -> PointLaw:
        """Return the law with those weights (N,) on the points."""
        return PointLaw(self.points, weights, Euclidean(self.points.shape[1]))

    @cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self.points)

    @cached_property
    def root(self) -> Array:
        """The root of the weights: S = root P / root is symmetric, of norm 1 with this vector."""
        return np.sqrt(self.weights)

    def deflated(self, f: Array) -> Array:
        """Return S f - 3 root (root . f): constants move from the eigenvalue 1 of S to -2."""
        root = self.root.reshape(-1, *[1] * (f.ndim - 1))
        return root * (self.multiplier @ (f / root) - 3 * (self.root @ f))

    def solve(self, f: Array, lam: float) -> Array:
        """Return the solution of (lam - (P - I)/eps) u = f of mean 0, lam >= 0; f has mean 0.

        The squares of f must be numbers; `poisson` and `resolvent` take any f.

        Raises
        ------
        ValueError
            If `lam` is 0 and the points fall into several pieces.
        ArithmeticError
            If they hang together so loosely that rounding decides.
        """
        if lam == 0:
            self.check_connected()
        n, root, shift = len(self.points), self.root, lam * self.step

        def operator(v: Array) -> Array:
            return (1 + shift) * v - self.deflated(v)

        symmetric = LinearOperator((n, n), matvec=operator, dtype=np.float64)
        columns = root[:, None] * f
        found = np.empty_like(columns)
        for j, column in enumerate(columns.T):
            found[:, j], left = cg(symmetric, column, rtol=RESIDUAL, maxiter=20 * n)
            residual = np.linalg.norm(operator(found[:, j]) - column)
            if left or not residual <= WORST * np.linalg.norm(column):
                raise ArithmeticError(
                    f"conjugate gradients did not reach {RESIDUAL:g}: the points are so loosely"
                    " connected that rounding decides; a larger bandwidth or cutoff connects them"
                )
        found *= self.step / root[:, None]
        return found - self.weights @ found

    def _solve(self, f: Array, lam: float) -> Array:
        return self.solve(f, lam)

    @cached_property
    def _pieces(self) -> int:
        return int(csgraph.connected_components(self.matrix > SMALLEST, directed=False)[0])

    def check_connected(self) -> None:
        """Refuse points that fall into pieces.

        Raises
        ------
        ValueError
            If some points cannot be reached from others.
        """
        pieces = self._pieces
        if pieces > 1:
            raise ValueError(
                f"points must be connected by jumps with probabilities above {SMALLEST:.0e};"
                f" got {pieces} pieces, between which the stationary law is not settled: raise"
                " bandwidth or cutoff"
            )


def _powers(q: Array, alpha: float) -> Array:
    with np.errstate(all="ignore"):
        scale = (q / q.max()) ** -alpha  # the same walk, and nearer to 1
    if not scale.max() < LARGEST * scale.min():
        raise ValueError(
            f"alpha must leave q^-alpha within the range of numbers; got {alpha:g} for kernel sums"
            f" from {q.min():g} to {q.max():g}"
        )
    return scale
