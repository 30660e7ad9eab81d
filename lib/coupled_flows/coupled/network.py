"""Who speaks with whom: communication graphs of agents, and the averaging that gossip does on them.

One round of gossip replaces what agent i holds by sum_j P_ij times what agent j holds. With d_i the
number of neighbours of agent i, the weights of Metropolis and Hastings

    P_ij = 1/(1 + max(d_i, d_j)) for neighbours,      P_ii = 1 - sum_j P_ij

need no more than the neighbours' degrees. P is symmetric and doubly stochastic: the mean over all
agents stays, and what differs from it shrinks by 1 - gap in each round (Xiao and Boyd 2004).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from coupled_flows.geometry.errors import (
    Array,
    check_array,
    check_integer,
    check_real,
    check_rng,
    check_type,
)

# draws of a random graph, until one is connected
DRAWS = 100


@dataclass(frozen=True, eq=False)
class Network:
    """A communication graph of n agents.

    Parameters
    ----------
    links : array_like of bool, shape (n, n)
        Whether two agents speak: symmetric, none with itself.

    Raises
    ------
    TypeError, ValueError
        If `links` is not as above.

    Examples
    --------
    >>> ring = Network.ring(4)
    >>> ring.mix(np.array([3.0, 0.0, 0.0, 0.0]))
    array([1., 1., 0., 1.])
    >>> round(ring.gap, 12)
    0.666666666667
    """

    links: NDArray[np.bool_]

    def __post_init__(self) -> None:
        try:
            links = np.array(self.links)
            if links.dtype != bool:
                raise TypeError
        except (TypeError, ValueError):
            raise TypeError(
                f"links must be an array of truth values of shape (n, n); got {self.links!r}"
            ) from None
        if links.ndim != 2 or links.shape[0] != links.shape[1] or not links.size:
            raise ValueError(f"links must have shape (n, n), n >= 1; got shape {links.shape}")
        if (links != links.T).any() or links.diagonal().any():
            raise ValueError("links must be symmetric and False on the diagonal; got others")
        links.flags.writeable = False
        object.__setattr__(self, "links", links)

    @classmethod
    def ring(cls, n: int) -> Network:
        """Return n agents in a ring, each with the two next to it, n >= 1."""
        i = np.arange(check_integer("n", n, least=1))
        off = np.abs(i - i[:, None])
        return cls((off == 1) | ((off == len(i) - 1) & (off > 0)))

    @classmethod
    def grid(cls, rows: int, columns: int) -> Network:
        """Return rows x columns agents, row by row, each with those beside, above and below it."""
        i, j = np.divmod(
            np.arange(
                check_integer("rows", rows, least=1) * check_integer("columns", columns, least=1)
            ),
            columns,
        )
        return cls(np.abs(i - i[:, None]) + np.abs(j - j[:, None]) == 1)

    @classmethod
    def complete(cls, n: int) -> Network:
        """Return n agents that all speak with all others: one round gives everyone the mean."""
        return cls(~np.eye(check_integer("n", n, least=1), dtype=bool))

    @classmethod
    def random(cls, n: int, probability: float, rng: np.random.Generator) -> Network:
        """Return a connected random graph: each two agents speak with the same probability.

        Drawn until it is connected.

        Parameters
        ----------
        n : int
            >= 1.
        probability : float
            From 0 to 1; below log(n)/n few graphs are connected.
        rng : numpy.random.Generator

        Returns
        -------
        Network

        Raises
        ------
        TypeError, ValueError
            If an argument is not as above, or none of 100 graphs is connected.
        """
        n = check_integer("n", n, least=1)
        share = check_real("probability", probability, least=0, most=1)
        check_rng(rng)
        for _ in range(DRAWS):
            upper = np.triu(rng.random((n, n)) < share, 1)
            network = cls(upper | upper.T)
            if network.connected:
                return network
        raise ValueError(
            f"probability must be so large that a graph of {n} agents is connected; got"
            f" {share:g}, and none of {DRAWS} graphs"
        )

    @property
    def size(self) -> int:
        """Number of agents."""
        return len(self.links)

    @cached_property
    def degrees(self) -> NDArray[np.intp]:
        """Number of neighbours of each agent, (n,)."""
        return self.links.sum(axis=1)

    @cached_property
    def connected(self) -> bool:
        """Whether what one agent knows can reach every other."""
        return bool(connected_components(sparse.csr_array(self.links))[0] == 1)

    @cached_property
    def matrix(self) -> sparse.csr_array:
        """P, (n, n), in compressed rows."""
        larger = np.maximum(self.degrees, self.degrees[:, None])
        P = np.where(self.links, 1 / (1 + larger), 0.0)
        np.fill_diagonal(P, 1 - P.sum(axis=1))
        return sparse.csr_array(P)

    @cached_property
    def eigenvalues(self) -> Array:
        """Eigenvalues of P, (n,), descending from 1."""
        return np.linalg.eigvalsh(self.matrix.toarray())[::-1]

    @property
    def gap(self) -> float:
        """1 - the largest |eigenvalue| but the first: 1 if all speak with all, 0 in two pieces."""
        return 1 - float(np.abs(self.eigenvalues[1:]).max(initial=0.0))

    def mix(self, values: ArrayLike, rounds: int = 1) -> Array:
        """Return what agents hold after rounds of gossip, P^rounds values.

        Parameters
        ----------
        values : array_like, shape (n, ...)
            What each agent holds.
        rounds : int
            >= 0.

        Returns
        -------
        ndarray, shape (n, ...)

        Raises
        ------
        TypeError, ValueError
            If an argument is not as above.
        """
        try:
            depth = np.ndim(values)
        except (TypeError, ValueError):
            depth = 1  # ragged: the next line says so
        held = check_array("values", values, (self.size, *["..."] * (depth - 1)))
        flat = held.reshape(self.size, -1)
        for _ in range(check_integer("rounds", rounds)):
            flat = self.matrix @ flat
        return flat.reshape(held.shape)

    def without(self, agents: Iterable[int]) -> Network:
        """Return the network after some agents have fallen silent: they keep what they hold.

        The degrees of the others fall, so their weights are new; they may be in pieces.

        Parameters
        ----------
        agents : iterable of int
            From 0 to n - 1.

        Returns
        -------
        Network

        Raises
        ------
        TypeError, ValueError
            If an agent is not as above.
        """
        check_type("agents", agents, Iterable, "the numbers of agents")
        links = self.links.copy()
        for agent in agents:
            i = self.check_agent("agents", agent)
            links[i, :] = links[:, i] = False
        return Network(links)

    def check_agent(self, name: str, agent: int) -> int:
        """Return an agent's number, or raise an error naming `name`."""
        i = check_integer(name, agent)
        if i >= self.size:
            raise ValueError(f"{name} must be an integer < {self.size}; got {agent!r}")
        return i
