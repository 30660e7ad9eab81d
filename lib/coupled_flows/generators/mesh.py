"""The generator on a surface of triangles, by linear finite elements."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.linalg import eigh
from scipy.sparse.csgraph import reverse_cuthill_mckee
from scipy.sparse.linalg import LinearOperator, cg, splu

from coupled_flows.generators.dense import LARGEST_BARRIER
from coupled_flows.generators.lanczos import largest
from coupled_flows.generators.operators import Generator
from coupled_flows.geometry.errors import Array, check_array, check_real, check_type
from coupled_flows.geometry.potentials import Potential
from coupled_flows.geometry.surfaces import Surface

# asked of conjugate gradients, and what rounding may leave of it
RESIDUAL, WORST = 1e-12, 1e-6
# where few eigenvalues are left to ask for, all of them are computed
DENSE = 200


class MeshGenerator(Generator):
    """The generator on a closed surface of triangles in R^3, by linear finite elements (P1).

    Parameters
    ----------
    vertices : array_like, shape (n, 3)
    triangles : array_like of int, shape (k, 3)
        Corners of each triangle, all counterclockwise from one side: `icosphere`, `torus_mesh`,
        or any closed surface from a file.
    potential : Potential
        Its values at the vertices are used, its gradient is not.
    beta : float
        Inverse temperature, > 0.

    Attributes
    ----------
    surface : Surface
    nodes : ndarray, shape (n, 3)
        The vertices.
    mass : ndarray, shape (n,)
        The integral of each hat function over pi, by the vertices of each triangle (lumped).
    conductances : sparse array, shape (n, n)
        c_ij of the edges: (L f)_i = sum_j c_ij (f_j - f_i)/mass_i.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If the triangles do not form one closed oriented surface (see `Surface`, which says what
        is wrong and where), `beta` is not positive, the potential is not finite at a vertex, the
        barrier too high for float64, or the rates beyond its range.

    Notes
    -----
    The weak form of L u = f, <grad u, grad v>_pi/beta = -<f, v>_pi, on continuous functions that
    are linear on each triangle. So c_ij = (w cot a + w' cot a')/(2 beta), with the angles a, a'
    opposite to the edge in its two triangles and w = exp(-beta U)/Z there, U the mean over the
    corners: "the cotangent formula" (the mean of exp(-beta U) errs about twice as much).
    [Dziuk, Finite elements for the Beltrami operator on arbitrary surfaces, 1988.]

    The mass is lumped: L is a sparse matrix, self-adjoint for `mass` exactly, and no order is
    lost, since a third of a triangle's area at each corner integrates linear functions. (Areas
    of the points nearest to a vertex do not; they may be negative, too.)

    Solutions, means and eigenvalues converge to those of the smooth surface on which the vertices
    lie with the square of the mesh size h; the largest error with h^2 log(1/h), where a vertex
    is unlike its neighbours. `apply` need not converge: (L f)_i is L f in the mean over a hat
    function, and near its value at the vertex only where the triangles about it are alike. Where
    the two angles opposite to an edge add up to more than pi its conductance is negative, and a
    resolvent of f >= 0 may dip below 0.

    Equations are solved by conjugate gradients on the symmetric matrix M^{-1/2} K M^{-1/2}, in
    the complement of its kernel. The preconditioner is a V-cycle of smoothed aggregation (pyamg)
    set up with that kernel, kept from one call to the next of the same lambda. They leave 1e-12
    of f in L2(pi), or what rounding leaves, u times the largest rate over lambda + gap; where that
    is above 1e-6 they raise ArithmeticError. Eigenfunctions come by Lanczos' method from a sparse
    factorisation.

    Examples
    --------
    >>> from coupled_flows import MeshGenerator, icosphere, zero
    >>> generator = MeshGenerator(*icosphere(4), zero())
    >>> z = generator.nodes[:, 2]  # -Lap z = 2 z on the sphere
    >>> bool(np.allclose(generator.poisson(z), z / 2, atol=2e-3))
    True
    """

    def __init__(
        self, vertices: ArrayLike, triangles: ArrayLike, potential: Potential, beta: float = 1.0
    ) -> None:
        self.surface = surface = Surface(vertices, triangles)  # type: ignore[arg-type]
        self.potential: Potential = check_type(
            "potential", potential, Potential, "a Potential, such as zero()"
        )
        self.beta = check_real("beta", beta, above=0)
        self.nodes = surface.vertices
        n = len(self.nodes)
        energy = check_array("potential.value(vertices)", potential.value(self.nodes), (n,))
        with np.errstate(over="ignore"):
            energy = self.beta * (energy - energy.min())
        if not energy.max() <= LARGEST_BARRIER:
            raise ValueError(
                f"potential must have beta (max U - min U) <= {LARGEST_BARRIER:g} here;"
                f" got {energy.max():g}"
            )
        weight = np.exp(-energy)
        patches = np.bincount(surface.triangles.ravel(), np.repeat(surface.areas / 3, 3), n)
        mass = weight * patches
        self.mass = mass / mass.sum()
        of_triangle = np.exp(-energy[surface.triangles].mean(axis=1))
        edges = surface.half_edges
        with np.errstate(all="ignore"):
            half = surface.cotangents * (of_triangle / (2 * self.beta * mass.sum()))[:, None]
            both = half.ravel() + half.ravel()[surface.twins]
            self.conductances = sparse.csr_array((both[edges.data], edges.indices, edges.indptr))
            self._leaving = self.conductances.sum(axis=1)
            within = np.isfinite(self._leaving / self.mass).all()
        if not within:
            raise ValueError(
                "vertices must be so far apart that rates, 1/(beta length^2), are within the range"
                f" of numbers; got beta = {self.beta:g}"
            )
        c = self.conductances
        for array in (self.mass, c.data, c.indices, c.indptr):
            array.flags.writeable = False
        self._kept: tuple[float, sparse.csr_array, LinearOperator] | None = None

    @cached_property
    def matrix(self) -> sparse.csr_array:  # type: ignore[override]
        """L, in compressed rows, (n, n)."""
        return self._scaled(-1 / self.mass, np.ones(len(self.mass)))

    @cached_property
    def _symmetric(self) -> sparse.csr_array:
        """-L conjugated with the root of the mass: symmetric, with the kernel `root`."""
        return self._scaled(1 / self._root, 1 / self._root)

    @cached_property
    def _root(self) -> Array:
        return np.sqrt(self.mass)

    def _scaled(self, left: Array, right: Array) -> sparse.csr_array:
        """Return the stiffness matrix, with its rows and columns multiplied."""
        c = self.conductances
        rows = np.repeat(left, np.diff(c.indptr))
        beside = sparse.csr_array((c.data * rows * right[c.indices], c.indices, c.indptr), c.shape)
        return sparse.diags_array(self._leaving * left * right, format="csr") - beside

    def _preconditioned(self, lam: float) -> tuple[sparse.csr_array, LinearOperator]:
        """Return lam - L, made symmetric, and a V-cycle for it; the last of them is kept."""
        kept = self._kept  # read once: another thread may replace it
        if kept is None or kept[0] != lam:
            # imported here: most programs solve no equation on a mesh, and it takes its time
            from pyamg import smoothed_aggregation_solver

            shift = sparse.diags_array(np.full(len(self.mass), lam), format="csr")
            matrix = self._symmetric + shift if lam else self._symmetric
            levels = smoothed_aggregation_solver(
                matrix,
                self._root[:, None],
                strength=("symmetric", {"theta": 0.08}),
                # 4/3 over the largest eigenvalue, 3/2 of the 2 that sums of rows give on regular
                # meshes; to compute it would start a power iteration at random
                smooth=("jacobi", {"omega": 16 / 9, "weighting": "local"}),
                improve_candidates=None,
                max_coarse=50,
            )
            self._kept = kept = (lam, matrix, levels.aspreconditioner())
        return kept[1:]

    def _solve(self, f: Array, lam: float) -> Array:
        matrix, cycle = self._preconditioned(lam)
        n, root = len(self.mass), self._root

        def projected(operator: sparse.csr_array | LinearOperator) -> LinearOperator:
            # what rounding puts into the kernel would stay in the residual for ever
            return LinearOperator((n, n), matvec=lambda v: self._project(operator @ v), dtype=float)

        left, right = projected(matrix), projected(cycle)
        found = np.empty_like(f)
        for j, values in enumerate(f.T):
            # twice: of what is nearly a constant the first leaves rounding
            column = self._project(self._project(root * values))
            found[:, j], _ = cg(left, column, rtol=RESIDUAL, maxiter=1000, M=right)
            residual, size = np.linalg.norm(left @ found[:, j] - column), np.linalg.norm(column)
            if not residual <= WORST * size:
                raise ArithmeticError(
                    f"conjugate gradients must leave at most {WORST:g} of f; got"
                    f" {residual / size:g}: the triangles are so uneven, or the barrier so high,"
                    " that rounding decides"
                )
        return found / root[:, None]

    def _project(self, v: Array) -> Array:
        """Return a vector less its part along `root`."""
        return v - self._root * (self._root @ v)

    def _lowest(self, count: int) -> tuple[Array, Array]:
        n, others, root = len(self.mass), count - 1, self._root
        rates: Array = np.empty(0)
        frame: Array = np.empty((n, 0))
        if others and (n <= DENSE or others > n // 4):
            full = self._symmetric.toarray()
            # the constants above all others
            full += np.linalg.norm(full, 1) * np.outer(root, root)
            rates, frame = eigh(full, subset_by_index=(0, others - 1))
        elif others:
            times, frame = largest(self._inverse(), others, least=0.0)
            rates, frame = 1 / times[::-1], frame[:, ::-1]
        return np.append(0.0, np.maximum(rates, 0.0)), np.column_stack([root, frame])

    def _inverse(self) -> LinearOperator:
        """Return the inverse of the symmetric matrix on the complement of its kernel.

        One value is set to 0 and its equation left out: the others imply it, since the sum over
        all, weighted with the root of the mass, vanishes.
        """
        n = len(self.mass)
        # neighbours near one another: what orders the elimination is slow on other numberings
        rest = reverse_cuthill_mckee(self._symmetric, symmetric_mode=True)[1:]
        grounded = self._symmetric[rest][:, rest].tocsc()
        factors = splu(
            grounded,
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )

        def solve(v: Array) -> Array:
            out = np.zeros(n)
            out[rest] = factors.solve(self._project(v.ravel())[rest])
            return self._project(out)

        return LinearOperator((n, n), matvec=solve, dtype=np.float64)
