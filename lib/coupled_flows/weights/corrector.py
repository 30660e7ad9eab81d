"""The Poisson equation of a fast walk for the second moments of its features.

With features y = y(x) in R^D and S(x) = y y', entry by entry,

    (I - P_h) Phi = h (S - Sigma_h),    Sigma_h = pi_h S,    pi_h Phi = 0,

for the walk's own one-step operator and stationary law, so that along the walk

    h S(X_k) = h Sigma_h + dM_{k+1} - (Phi(X_{k+1}) - Phi(X_k)),
    dM_{k+1} = Phi(X_{k+1}) - (P_h Phi)(X_k),    E[dM_{k+1} | X_0, ..., X_k] = 0,

exactly, whatever the step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from coupled_flows.generators.spectral import SpectralGenerator, SpectralTransition
from coupled_flows.geometry.errors import Array, check_array, check_choice, check_type
from coupled_flows.geometry.potentials import Embedding
from coupled_flows.weights.flow import WeightFlow
from coupled_flows.weights.flows import HebbFlow, SangerFlow, SubspaceFlow, TraceFlow
from coupled_flows.weights.products import product

FLOWS: dict[str, type[WeightFlow]] = {
    "hebb": HebbFlow,
    "trace": TraceFlow,
    "subspace": SubspaceFlow,
    "sanger": SangerFlow,
}
OPERATORS = ("walk", "diffusion")
UNHELD = 1e-7
NEGLIGIBLE = 1e-14


@dataclass(frozen=True, eq=False)
class Corrector:
    """S and Phi at any point, and what they are on the mean.

    Attributes
    ----------
    generator : SpectralGenerator
        Interpolates.
    embedding : Embedding
    mean : ndarray, shape (D, D)
        Sigma_h.
    solution : ndarray, shape (n, D * D)
        Coefficients of Phi.
    left, right : ndarray, shape (r, D, D)
        Matrices with E_pi[(P_h Phi) (x) S] = sum_i left_i (x) right_i, r <= D(D + 1)/2.
    noise : ndarray, shape (q, D, D)
        Matrices with C_h = sum_i noise_i (x) noise_i: the asymptotic covariance of S, which is
        E_pi[dM (x) dM]/h.
    """

    generator: SpectralGenerator
    embedding: Embedding
    mean: Array
    solution: Array
    left: Array
    right: Array
    noise: Array

    def at(self, points: Array) -> tuple[Array, Array]:
        """Return S and Phi at points (n, p), both (n, D, D), each entry's values side by side."""
        y = np.ascontiguousarray(self.embedding.value(points).T)
        phi = self.solution.T @ self.generator.basis(points).T
        S = y[:, None] * y
        return S.transpose(2, 0, 1), phi.reshape(S.shape).transpose(2, 0, 1)

    def bend(self, flow: type[WeightFlow], W: Array) -> Array:
        """Return E_pi[D drift(W, P_h Phi)[drift(W, S)]] at weights (n, m, D): mbar/gamma^2."""
        along = flow.drift(W, self.right[:, None])
        A, B = product(W, self.left[:, None]), product(along, self.left[:, None]).sum(axis=0)
        # as `flow.derivative`, summed over the terms: the decay is linear in each argument
        turned = flow.decay(A, along, W) + flow.decay(A, W, along)
        return B - flow.decay(B, W, W) - turned.sum(axis=0)


def solve(transition: SpectralTransition, embedding: Embedding | None, poisson: str) -> Corrector:
    """Return the corrector of the walk, or for `poisson="diffusion"` what the diffusion puts there.

    Raises
    ------
    TypeError, ValueError
        If `transition` is not a walk's one-step operator, `embedding` not an Embedding, `poisson`
        not one of its two values, or S is not a function that the nodes hold.
    """
    check_type("transition", transition, SpectralTransition, "made by a generator's transition")
    own = check_choice("poisson", poisson, OPERATORS) == "walk"
    generator = transition.generator
    manifold = generator.langevin.manifold
    features = manifold.embedding if embedding is None else embedding
    check_type("embedding", features, Embedding, "an Embedding(value, jacobian)")

    moments = _second_moments(features, generator.nodes)
    off = manifold.random_point(32, np.random.default_rng(0))
    there = _second_moments(features, off)
    miss = float(np.abs(generator.interpolate(moments, off) - there).max())
    if miss > UNHELD * float(np.abs(there).max()):
        raise ValueError(
            "transition must hold the products of two features of embedding; got one whose nodes"
            f" give them with an error of {miss:g} elsewhere"
        )

    operator = transition if own else generator
    phi = operator.poisson(moments)
    law = transition.weights if own else generator.mass
    ahead = transition.apply(phi) if own else phi
    size = round(moments.shape[1] ** 0.5)
    u, scale, v = np.linalg.svd((law[:, None] * ahead).T @ moments)
    left, right = _matrices(u.T, scale), _matrices(v, scale)
    spread, axes = np.linalg.eigh(operator.asymptotic_covariance(moments))
    return Corrector(
        generator=generator,
        embedding=features,
        mean=operator.stationary_mean(moments).reshape(size, size),
        solution=generator.analysis @ phi,
        left=left,
        right=right,
        noise=_matrices(axes.T, spread),
    )


def flow_named(flow: str | type[WeightFlow]) -> type[WeightFlow]:
    """Return a flow's class, given itself or by its name."""
    if isinstance(flow, type) and issubclass(flow, WeightFlow):
        return flow
    return FLOWS[check_choice("flow", flow, tuple(FLOWS))]


def check_weights(W0: ArrayLike, corrector: Corrector) -> Array:
    """Return W0 as weights (m, D) of the corrector's features."""
    start = check_array("W0", W0, ("m", len(corrector.mean)))
    if not start.size:
        raise ValueError(f"W0 must have at least one row; got shape {start.shape}")
    return start


def _second_moments(embedding: Embedding, points: Array) -> Array:
    """Return S at points (n, p) in columns, (n, D * D)."""
    y = check_array("embedding.value(x)", embedding.value(points), (len(points), "D"))
    if not y.shape[1]:
        raise ValueError("embedding must give at least one feature; got none")
    return (y[:, :, None] * y[:, None, :]).reshape(len(y), -1)


def _matrices(rows: Array, scale: Array) -> Array:
    """Return the rows as symmetric matrices times the root of their scale, those that count."""
    size = round(rows.shape[1] ** 0.5)
    kept = scale > NEGLIGIBLE * np.abs(scale).max(initial=0.0)
    matrices = (np.sqrt(scale[kept])[:, None] * rows[kept]).reshape(-1, size, size)
    return (matrices + matrices.transpose(0, 2, 1)) / 2
