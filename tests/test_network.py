"""Communication graphs: the averaging of gossip, its spectral gap, agents that fall silent."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupled_flows.coupled.network import Network

UNIT = 2.0**-53
seeds = st.integers(0, 2**32 - 1)


def some_network(seed: int) -> Network:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 30))
    upper = np.triu(rng.random((n, n)) < rng.random(), 1)
    return Network(upper | upper.T)


@given(seed=seeds)
def test_gossip_keeps_the_mean_and_needs_only_neighbours(seed: int) -> None:
    network = some_network(seed)
    P, n = network.matrix.toarray(), network.size
    assert (P >= 0).all()
    assert (P == P.T).all()
    assert not P[~network.links & ~np.eye(n, dtype=bool)].any()
    # n terms that add up to 1
    np.testing.assert_allclose(P.sum(axis=1), 1, rtol=n * UNIT)
    held = np.random.default_rng(seed).standard_normal((n, 2, 3))
    mixed = network.mix(held, 3)
    np.testing.assert_allclose(mixed, np.einsum("ij,jmD->imD", P @ P @ P, held), atol=1e-14, rtol=0)
    np.testing.assert_allclose(mixed.mean(axis=0), held.mean(axis=0), atol=1e-14, rtol=0)
    assert (network.mix(held, 0) == held).all()


@given(seed=seeds, rounds=st.integers(1, 5))
def test_what_differs_shrinks_by_the_gap_and_no_faster_where_it_is_slowest(
    seed: int, rounds: int
) -> None:
    network = some_network(seed)
    P = network.matrix.toarray()
    values, frame = np.linalg.eigh(P)
    np.testing.assert_allclose(network.eigenvalues, values[::-1], rtol=0, atol=1e-14)
    assert (network.gap > 1e-12) == network.connected
    rate = 1 - network.gap
    held = np.random.default_rng(seed).standard_normal(network.size)
    off = held - held.mean()
    left = network.mix(off, rounds)
    assert np.linalg.norm(left) <= rate**rounds * np.linalg.norm(off) + 1e-14
    others = frame[:, np.argsort(-np.abs(values), kind="stable")]
    slowest = others[:, 1] if network.connected and network.size > 1 else None
    if slowest is not None:
        shrunk = np.linalg.norm(network.mix(slowest, rounds))
        assert shrunk == pytest.approx(rate**rounds, rel=0, abs=1e-13)


def test_the_gaps_of_rings_and_of_complete_graphs_in_closed_form() -> None:
    for n in (4, 5, 10, 101):
        # circulant: 1/3 (1 + 2 cos(2 pi k/n))
        gap = 2 / 3 * (1 - math.cos(2 * math.pi / n))
        assert Network.ring(n).gap == pytest.approx(gap, rel=0, abs=1e-14)
    for n in (1, 2, 3, 7):
        network = Network.complete(n)
        assert network.gap == pytest.approx(1, rel=0, abs=1e-14)
        np.testing.assert_allclose(network.matrix.toarray(), np.full((n, n), 1 / n), rtol=1e-15 * n)
    # three that speak with three others: 1, 1/4 and (1 - 3)/4, of which the last is the slowest
    sides = np.arange(6) < 3
    assert Network(sides != sides[:, None]).gap == pytest.approx(1 / 2, rel=0, abs=1e-14)
    # small rings are complete; a line of three: rows (2 1 0)/3, (1 1 1)/3, (0 1 2)/3
    for n in (1, 2, 3):
        assert (Network.ring(n).links == Network.complete(n).links).all()
    np.testing.assert_allclose(Network.grid(1, 3).eigenvalues, [1, 2 / 3, 0], rtol=0, atol=1e-15)


def test_a_grid_has_the_neighbours_of_its_squares() -> None:
    network = Network.grid(3, 4)
    assert network.degrees.reshape(3, 4).tolist() == [[2, 3, 3, 2], [3, 4, 4, 3], [2, 3, 3, 2]]
    assert np.flatnonzero(network.links[5]).tolist() == [1, 4, 6, 9]
    assert np.flatnonzero(network.links[4]).tolist() == [0, 5, 8]  # not 3, of the row above
    assert network.connected
    assert Network.grid(1, 1).size == 1


def test_random_graphs_are_connected_and_have_their_density() -> None:
    rng = np.random.default_rng(1)
    networks = [Network.random(40, 0.3, rng) for _ in range(20)]
    assert all(network.connected for network in networks)
    # 20 x 780 pairs; fewer than one graph in a million is not connected
    share = np.mean([network.degrees.sum() / (40 * 39) for network in networks])
    assert abs(share - 0.3) <= 5 * math.sqrt(0.3 * 0.7 / (20 * 780))
    again = Network.random(40, 0.3, np.random.default_rng(1))
    assert (again.links == networks[0].links).all()
    with pytest.raises(ValueError, match=r"probability must be so large that a graph of 9 agents"):
        Network.random(9, 0.0, rng)


def test_silence_cuts_links_and_leaves_pieces() -> None:
    ring = Network.ring(6)
    line = ring.without([0])
    assert line.gap == 0
    assert line.degrees.tolist() == [0, 1, 2, 2, 2, 1]
    held = np.arange(6.0)
    assert line.mix(held)[0] == 0
    # five in a line agree on the mean of what they hold
    np.testing.assert_allclose(line.mix(held, 400)[1:], 3, rtol=1e-12)
    pieces = line.without([3]).mix(held, 400)
    np.testing.assert_allclose(pieces, [0, 1.5, 1.5, 3, 4.5, 4.5], rtol=1e-12)
    assert ring.without([]).links.tolist() == ring.links.tolist()


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: Network(None), r"links must be an array of truth values"),  # type: ignore[arg-type]
        (lambda: Network(np.eye(2)), r"links must be an array"),  # type: ignore[arg-type]
        (lambda: Network(np.eye(2, dtype=bool)), r"links must be symmetric and False on the diag"),
        (lambda: Network(np.triu(np.ones((2, 2), bool), 1)), r"links must be symmetric"),
        (lambda: Network(np.zeros((2, 3), bool)), r"links must have shape \(n, n\)"),
        (lambda: Network(np.zeros((0, 0), bool)), r"links must have shape \(n, n\)"),
        (lambda: Network.ring(0), r"n must be an integer >= 1; got 0"),
        (lambda: Network.grid(2, 0), r"columns must be an integer >= 1; got 0"),
        (lambda: Network.grid(0, 2), r"rows must be an integer >= 1; got 0"),
        (lambda: Network.complete(-1), r"n must be an integer >= 1; got -1"),
        (lambda: Network.random(3, 1.5, np.random.default_rng(1)), r"probability must be .* <= 1"),
        (lambda: Network.random(3, 0.5, 1), r"rng must be a numpy"),  # type: ignore[arg-type]
        (lambda: Network.ring(3).mix([1.0, 2.0]), r"values must have shape \(3,\)"),
        (lambda: Network.ring(3).mix([1.0, 2.0, math.nan]), r"values must be finite"),
        (lambda: Network.ring(3).mix([[1.0], [1.0, 2.0], [3.0]]), r"values must be an array"),
        (lambda: Network.ring(3).mix(1.0), r"values must have shape"),
        (lambda: Network.ring(3).mix(np.ones(3), -1), r"rounds must be an integer >= 0; got -1"),
        (lambda: Network.ring(3).without(3), r"agents must be the numbers of agents; got 3"),  # type: ignore[arg-type]
        (lambda: Network.ring(3).without([3]), r"agents must be an integer < 3; got 3"),
        (lambda: Network.ring(3).without([-1]), r"agents must be an integer >= 0; got -1"),
    ],
)
def test_bad_input_is_named(call: Any, match: str) -> None:
    with pytest.raises((TypeError, ValueError), match=match):
        call()
