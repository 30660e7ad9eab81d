"""The coupling that one would write down first, without its logarithm: for comparison."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from coupled_flows.coupled.functional import Coupling
from coupled_flows.geometry.errors import Array
from coupled_flows.weights.flow import WeightFlow
from coupled_flows.weights.flows import TraceFlow


@dataclass(frozen=True, eq=False)
class NaiveCoupling(Coupling):
    """The coupling without its logarithm: -(kappa/2) Tr(W Sigma W') on |W| = 1.

    The field is -(kappa/2) |W x|^2, the weights follow the trace flow, which keeps |W| = 1. On R^d
    it is bounded from every start only if kappa is below the smallest eigenvalue of A; above, F
    has no lower bound and generic starts run away.

    Parameters
    ----------
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
    >>> from coupled_flows import NaiveCoupling
    >>> coupling = NaiveCoupling(kappa=2.0)
    >>> sigma, W = np.diag([2.0, 1.0]), np.array([[0.6, 0.8]])
    >>> coupling.field(np.array([[1.0, 2.0]]), W, coupling.tension(sigma, W))
    array([-4.84])
    """

    kind: str = field(default="logtrace", init=False)

    @property
    def flow(self) -> type[WeightFlow]:
        return TraceFlow

    def tension(self, sigma: Array, W: Array) -> Array:
        """Return T = I, whatever Sigma and W."""
        m = W.shape[-2]
        return np.broadcast_to(np.eye(m), (*W.shape[:-2], m, m))

    def energy(self, sigma: Array, W: Array, name: str = "W") -> Array:
        """Return -Tr(W Sigma W')/2.

        Raises
        ------
        ValueError
            If |W| is not 1: what the weights descend is this energy on the unit sphere.
        """
        size = np.hypot.reduce(W, axis=(-2, -1))
        if (np.abs(size - 1) > 1e-6).any():
            raise ValueError(f"{name} must have |W| = 1 for a naive coupling; got {size}")
        return -np.einsum("...ij,...jk,...ik->...", W, sigma, W) / 2

    def weight_dissipation(self, sigma: Array, W: Array) -> Array:
        """Return gamma kappa |W Sigma - Tr(W Sigma W') W|^2."""
        velocity = self.flow.drift(W, sigma)
        return self.gamma * self.kappa * np.einsum("...ij,...ij->...", velocity, velocity)
