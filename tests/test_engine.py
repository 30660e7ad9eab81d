"""The engine: numbers that depend on the seed alone, observers, memory, divergence."""

from __future__ import annotations

import pickle
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from coupled_flows import (
    BarkerWalk,
    BoundedWalk,
    DivergenceError,
    Euclidean,
    GeodesicWalk,
    Langevin,
    MetropolisWalk,
    Potential,
    RetractionWalk,
    Sphere,
    Torus,
    fourier,
    linear,
    quadratic,
    simulate,
)
from coupled_flows.geometry.errors import Array
from coupled_flows.walks.steps import Walk

SPHERE = Langevin(Sphere(2), linear([0.5, 0.0, -2.0]))
CIRCLE = Langevin(Torus(1), fourier(cos={1: 1.0}))
WALKS: dict[str, Walk] = {
    "geodesic": GeodesicWalk(SPHERE, 0.05),
    "retraction": RetractionWalk(SPHERE, 0.05),
    "bounded": BoundedWalk(SPHERE, 0.05),
    "ball": BoundedWalk(CIRCLE, 0.05, law="ball"),
    "metropolis": MetropolisWalk(CIRCLE, 0.05),
    "barker": BarkerWalk(SPHERE, 0.05),
}
WALK = WALKS["geodesic"]
every_walk = pytest.mark.parametrize("walk", WALKS.values(), ids=WALKS.keys())


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def points(walk: Walk, n: int) -> Array:
    return walk.langevin.manifold.random_point(n, rng(99))


def ignore(k: int, x: Array, x_next: Array) -> None:
    pass


# -- the numbers ----------------------------------------------------------------------------


@every_walk
def test_the_same_seed_gives_the_same_numbers(walk: Walk) -> None:
    start = points(walk, 13_000)
    assert (simulate(walk, start, 5, rng()) == simulate(walk, start, 5, rng())).all()
    assert (simulate(walk, start, 5, rng()) != simulate(walk, start, 5, rng(2))).any()


@every_walk
def test_the_numbers_depend_neither_on_threads_nor_on_what_is_recorded_or_seen(walk: Walk) -> None:
    start = points(walk, 30_000)
    expected = simulate(walk, start, 6, rng(), threads=1)
    for threads in (1, 2, 3, 5):
        for every in (None, 2):
            for observe in (None, ignore):
                got = simulate(walk, start, 6, rng(), every, observe, threads=threads)
                assert ((got if every is None else got[-1]) == expected).all()


def test_two_calls_with_one_generator_differ() -> None:
    start, one = points(WALK, 10), rng()
    assert (simulate(WALK, start, 3, one) != simulate(WALK, start, 3, one)).any()


def test_walkers_of_different_blocks_have_noise_of_their_own() -> None:
    start = np.tile([[0.0, 0.0, 1.0]], (30_000, 1))
    assert len(np.unique(simulate(WALK, start, 1, rng()), axis=0)) == 30_000


@pytest.mark.parametrize("n", [0, 1, 24_999, 25_000, 25_001, 60_000])
def test_any_number_of_walkers_can_walk(n: int) -> None:
    start = points(WALK, n)
    seen: list[tuple[int, int]] = []
    path = simulate(WALK, start, 4, rng(), 2, lambda k, x, y: seen.append((len(x), len(y))))
    assert path.shape == (3, n, 3)
    assert seen == [(n, n)] * 4
    assert (simulate(WALK, start, 4, rng()) == path[-1]).all()
    assert (path[0] == start).all()
    assert n == 0 or (path[1:] != path[:-1]).any(axis=(1, 2)).all()


@pytest.mark.parametrize("observe", [None, ignore])
def test_no_steps_leave_the_start(observe: Any) -> None:
    start = points(WALK, 7)
    final = simulate(WALK, start, 0, rng(), observe=observe)
    assert (final == start).all()
    assert not np.shares_memory(final, start)
    path = simulate(WALK, start, 0, rng(), 5, observe)
    assert path.shape == (1, 7, 3)
    assert (path[0] == start).all()


def test_a_path_holds_every_step_that_was_asked_for() -> None:
    start = points(WALK, 50)
    fine = simulate(WALK, start, 66, rng(), every=1)
    assert fine.shape == (67, 50, 3)
    for every in (2, 3, 11, 33, 66):
        assert (simulate(WALK, start, 66, rng(), every=every) == fine[::every]).all()


def test_the_path_ends_where_the_walk_does() -> None:
    start = points(WALK, 12_600)
    end = simulate(WALK, start, 40, rng())
    assert (simulate(WALK, start, 40, rng(), every=10)[-1] == end).all()


def test_many_steps_are_the_same_as_one_step_at_a_time() -> None:
    start = points(WALK, 20)
    child = np.random.Generator(np.random.SFC64(rng().bit_generator.seed_seq.spawn(1)[0]))  # type: ignore[attr-defined]
    x = start
    for _ in range(40):
        x = WALK.step_from(x, child)
    assert (simulate(WALK, start, 40, rng()) == x).all()


def test_the_start_is_not_touched_and_nothing_returned_belongs_to_the_engine() -> None:
    for start in (points(WALK, 12_600), np.asfortranarray(points(WALK, 12_600))):
        kept = start.copy()
        shown: list[Array] = []

        def keep(k: int, x: Array, x_next: Array, shown: list[Array] = shown) -> None:
            shown.extend([x, x_next])

        for every in (None, 1):
            for observe in (None, keep):
                result = simulate(WALK, start, 2, rng(), every, observe)
                assert (start == kept).all()
                assert result.flags.writeable
                assert result.flags.c_contiguous
                assert not any(np.shares_memory(result, other) for other in [start, *shown])


def test_lists_and_single_precision_are_starts_too() -> None:
    listed = simulate(WALK, [[0, 0, 1], [0, 1, 0]], 3, rng())
    single = simulate(WALK, np.array([[0, 0, 1], [0, 1, 0]], dtype=np.float32), 3, rng())
    assert listed.dtype == single.dtype == np.float64
    assert (listed == single).all()


def test_a_bar_changes_no_number(capsys: pytest.CaptureFixture[str]) -> None:
    start = points(WALK, 13_000)
    plain = simulate(WALK, start, 5, rng())
    assert capsys.readouterr().err == ""
    for observe in (None, ignore):
        assert (simulate(WALK, start, 5, rng(), observe=observe, progress=True) == plain).all()
        assert "100%" in capsys.readouterr().err


# -- observers ------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("walk", [WALK, WALKS["ball"]], ids=["sphere", "circle"])
@pytest.mark.parametrize("n", [1, 25_000, 25_001])
def test_an_observer_sees_every_step_once_and_in_order(n: int, walk: Walk, threads: int) -> None:
    # one block or two, which lie in one piece in memory for one coordinate, else not
    start = points(walk, n)
    seen: list[tuple[int, Array, Array]] = []
    path = simulate(
        walk,
        start,
        5,
        rng(),
        1,
        lambda k, x, y: seen.append((k, x.copy(), y.copy())),
        threads=threads,
    )
    assert [k for k, _, _ in seen] == list(range(5))
    for k, x, y in seen:
        assert (x == path[k]).all()
        assert (y == path[k + 1]).all()


def test_an_observer_cannot_write() -> None:
    def write(k: int, x: Array, x_next: Array) -> None:
        for array in (x, x_next):
            assert not array.flags.writeable
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 0.0

    simulate(WALK, points(WALK, 5), 3, rng(), observe=write)


def test_an_observer_runs_in_the_thread_of_the_caller() -> None:
    import threading

    names: set[int] = set()
    simulate(
        WALK, points(WALK, 5), 3, rng(), observe=lambda k, x, y: names.add(threading.get_ident())
    )
    assert names == {threading.get_ident()}


def test_an_error_of_the_observer_reaches_the_caller() -> None:
    calls: list[int] = []

    def observe(k: int, x: Array, x_next: Array) -> None:
        calls.append(k)
        if k == 2:
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        simulate(WALK, points(WALK, 30_000), 10, rng(), observe=observe)
    assert calls == [0, 1, 2]


@pytest.mark.parametrize("observe", [None, ignore])
@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_of_the_potential_reaches_the_caller(observe: Any, threads: int) -> None:
    def gradient(x: Array) -> Array:
        if np.abs(x).max() > 40:
            raise KeyError("mine")
        return np.zeros(x.shape)

    problem = Langevin(Euclidean(1), Potential(lambda x: np.zeros(len(x)), gradient))
    walk = GeodesicWalk(problem, 20.0)
    with pytest.raises(KeyError, match="mine"):
        simulate(walk, np.zeros((26_000, 1)), 100, rng(), observe=observe, threads=threads)


# -- memory ---------------------------------------------------------------------------------


def peak(run: Callable[[], object]) -> float:
    """Most memory that a call holds at once, in units of 1e6 bytes."""
    tracemalloc.start()
    run()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most / 1e6


@pytest.mark.parametrize("observe", [None, ignore])
def test_memory_does_not_grow_with_the_number_of_steps(observe: Any) -> None:
    start = points(WALK, 100_000)
    few, many = (
        peak(lambda n=n: simulate(WALK, start, n, rng(), observe=observe, threads=2))  # type: ignore[misc]
        for n in (2, 70)
    )
    # the promise; and a state is 2.4: less than one more for 35 times the steps
    assert max(few, many) < 100
    assert many < few + 2.4


def test_ten_coordinates_fit_too() -> None:
    walk = GeodesicWalk(Langevin(Sphere(9), quadratic(np.diag(np.arange(10.0)))), 0.01)
    start = points(walk, 100_000)
    # the promise
    assert peak(lambda: simulate(walk, start, 2, rng(), threads=2)) < 100


# -- divergence -----------------------------------------------------------------------------

BLOWING_UP = GeodesicWalk(Langevin(Euclidean(1), quadratic([[1e4]]), beta=1e6), 1.0)


def first_infinite(x: Array, child: np.random.Generator) -> tuple[int, Array]:
    """Run x' = x - 1e4 x + noise until it overflows; return the step and the state before."""
    k = 0
    with np.errstate(over="ignore"):
        while True:
            k += 1
            following = x - 1e4 * x + np.sqrt(2e-6) * child.standard_normal(len(x))
            if not np.isfinite(following).all():
                return k, x
            x = following


def children(n: int) -> list[np.random.Generator]:
    return [
        np.random.Generator(np.random.SFC64(seed))
        for seed in rng().bit_generator.seed_seq.spawn(n)  # type: ignore[attr-defined]
    ]


@pytest.mark.parametrize("observe", [None, ignore])
@pytest.mark.parametrize("every", [None, 1, 10])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_divergence_names_the_first_step_and_carries_the_last_finite_state(
    observe: Any, every: int | None, threads: int
) -> None:
    start = np.ones((100, 1))
    step, before = first_infinite(start[:, 0], children(1)[0])
    assert step > 64  # beyond what is checked at once
    with pytest.raises(DivergenceError, match=rf"at step {step} \(step = 1\)") as caught:
        simulate(BLOWING_UP, start, 200, rng(), every, observe, threads=threads)
    assert caught.value.step == step
    assert caught.value.state.shape == (100, 1)
    assert np.isfinite(caught.value.state).all()
    # the same recursion in another order of operations: 4 roundings a step
    np.testing.assert_allclose(caught.value.state[:, 0], before, rtol=4 * step * 2.0**-53)
    if every is None:
        assert caught.value.path is None
    else:
        path = caught.value.path
        assert path is not None
        assert path.shape == ((step - 1) // every + 1, 100, 1)
        assert np.isfinite(path).all()
        assert (path[0] == start).all()
        if every == 1:
            assert (path[-1] == caught.value.state).all()


@pytest.mark.parametrize("observe", [None, ignore])
def test_divergence_is_that_of_the_first_walker_of_all_blocks(observe: Any) -> None:
    # block 2 starts far out and is lost first, block 0 last
    start = np.concatenate([np.ones(25_000), np.full(25_000, 1e100), np.full(100, 1e200)])[:, None]
    firsts = [
        first_infinite(start[b * 25_000 : (b + 1) * 25_000, 0], child)[0]
        for b, child in enumerate(children(3))
    ]
    assert firsts[2] < firsts[1] < firsts[0]
    states = []
    for threads in (1, 2, 5):
        with pytest.raises(DivergenceError) as caught:
            simulate(BLOWING_UP, start, 100, rng(), 1, observe, threads=threads)
        assert caught.value.step == firsts[2]
        assert caught.value.state.shape == start.shape
        states.append(caught.value.state)
        assert caught.value.path is not None
        assert (caught.value.path[-1] == states[0]).all()
    assert (states[0] == states[1]).all()
    assert (states[0] == states[2]).all()


def test_an_observer_sees_only_finite_states() -> None:
    seen: list[int] = []

    def observe(k: int, x: Array, x_next: Array) -> None:
        assert np.isfinite(x).all()
        assert np.isfinite(x_next).all()
        seen.append(k)

    with pytest.raises(DivergenceError) as caught:
        simulate(BLOWING_UP, np.ones((10, 1)), 200, rng(), observe=observe)
    assert seen == list(range(caught.value.step - 1))


def lost_beyond(threshold: float) -> Potential:
    """Flat, and not a number beyond a threshold, which the probe of the problem does not reach."""

    def value(x: Array) -> Array:
        return np.where(np.abs(x[:, 0]) < threshold, 0.0, np.nan)

    return Potential(value, lambda x: np.where(np.abs(x) < threshold, 0.0, np.nan))


@pytest.mark.parametrize("kind", [GeodesicWalk, RetractionWalk, BoundedWalk])
@pytest.mark.parametrize("observe", [None, ignore])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_potential_that_is_not_a_number_far_out_is_found_at_its_step(
    kind: type[Walk], observe: Any, threads: int
) -> None:
    start = np.zeros((13_000, 1))
    flat = kind(Langevin(Euclidean(1), linear([0.0])), 1.0)
    path = simulate(flat, start, 60, rng(), every=1)
    beyond = np.nonzero((np.abs(path) >= 20.0).any(axis=(1, 2)))[0]
    walk = kind(Langevin(Euclidean(1), lost_beyond(20.0)), 1.0)
    with pytest.raises(DivergenceError) as caught:
        simulate(walk, start, 60, rng(), observe=observe, threads=threads)
    # the step from a place beyond is the first that is lost
    assert caught.value.step == beyond[0] + 1
    assert (caught.value.state == path[beyond[0]]).all()


@pytest.mark.parametrize("kind", [MetropolisWalk, BarkerWalk])
@pytest.mark.parametrize("observe", [None, ignore])
def test_a_reversible_walk_does_not_hide_an_energy_that_is_not_a_number(
    kind: type[Walk], observe: Any
) -> None:
    walk = kind(Langevin(Euclidean(1), lost_beyond(20.0)), 1.0)
    with pytest.raises(DivergenceError) as caught:
        simulate(walk, np.zeros((2000, 1)), 500, rng(), every=1, observe=observe)
    assert caught.value.path is not None
    assert np.abs(caught.value.path).max() < 20
    assert (caught.value.path[-1] == caught.value.state).all()


def test_divergence_at_the_first_step_carries_the_start() -> None:
    start = np.full((3, 1), 1e305)
    with pytest.raises(DivergenceError) as caught:
        simulate(BLOWING_UP, start, 10, rng(), every=5)
    assert caught.value.step == 1
    assert (caught.value.state == start).all()
    assert caught.value.path is not None
    assert caught.value.path.shape == (1, 3, 1)


def test_an_unlucky_sphere_diverges_rather_than_returning_a_nan() -> None:
    walk = RetractionWalk(Langevin(Sphere(2), linear([1e140, 0.0, 0.0])), 1e60)
    with pytest.raises(DivergenceError):
        simulate(walk, np.array([[0.0, 0.0, 1.0]]), 10, rng())


def test_the_error_survives_the_way_back_from_another_process() -> None:
    with pytest.raises(DivergenceError) as caught:
        simulate(BLOWING_UP, np.ones((3, 1)), 200, rng(), every=10)
    back = pickle.loads(pickle.dumps(caught.value))
    assert str(back) == str(caught.value)
    assert back.step == caught.value.step
    assert (back.state == caught.value.state).all()
    assert (back.path == caught.value.path).all()


# -- refusals (every argument by property: test_errors) -----------------------------------------


@pytest.mark.parametrize(("n_steps", "every"), [(10, 3), (10, 20), (1, 2)])
def test_what_is_recorded_must_divide_the_steps(n_steps: int, every: int) -> None:
    with pytest.raises(ValueError, match=rf"every must divide n_steps = {n_steps}; got {every}"):
        simulate(WALK, points(WALK, 3), n_steps, rng(), every=every)
