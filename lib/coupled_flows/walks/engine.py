"""The one engine: blocks of walkers, component first, in place, threads over blocks.

Each block of walkers has its own child generator, so the numbers depend on the seed alone: not
on the number of threads, not on what is recorded or observed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from coupled_flows.geometry.errors import (
    Array,
    DivergenceError,
    check_every,
    check_integer,
    check_rng,
    check_type,
)
from coupled_flows.geometry.workspace import Workspace
from coupled_flows.walks.steps import Walk, read_only

BLOCK = 25_000
_CHECK = 32
Observer = Callable[[int, Array, Array], None]
# overwrites a block of walkers, component first, with their next positions
Step = Callable[[Array, np.random.Generator, Workspace], None]


def simulate(
    walk: Walk,
    start: ArrayLike,
    n_steps: int,
    rng: np.random.Generator,
    every: int | None = None,
    observe: Observer | None = None,
    *,
    threads: int | None = None,
    progress: bool = False,
) -> Array:
    """Run independent walkers.

    Parameters
    ----------
    walk : Walk
    start : array_like, shape (n, p)
        Where the walkers start, one row each.
    n_steps : int
        Number of steps, >= 0.
    rng : numpy.random.Generator
        Gives one child seed to each block of 25 000 walkers; two calls with one `rng` differ.
    every : int, optional
        Record the start and then every `every`-th step; `n_steps` must be a multiple of it.
    observe : callable, optional
        `observe(k, x, x_next)` is called for k = 0 .. n_steps - 1 with all walkers before and
        after step k + 1, as read-only arrays (n, p) that the next step overwrites.
    threads : int, optional
        Number of threads; by default the number of processors this process may use. The
        numbers do not depend on it.
    progress : bool
        Show a tqdm bar (needs tqdm).

    Returns
    -------
    ndarray
        The final points (n, p), or with `every` the path (time, n, p), start included.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above.
    DivergenceError
        If a walker leaves the finite numbers: carries the step, the last finite state of all
        walkers and the path recorded until then.

    Notes
    -----
    Memory is a few arrays of the size of `start`, whatever `n_steps`, unless `every` asks for
    the path. Without an observer all steps of a block are taken in one go, which keeps it in
    the processor's cache.

    Examples
    --------
    >>> from coupled_flows import GeodesicWalk, Langevin, Sphere, linear, simulate
    >>> walk = GeodesicWalk(Langevin(Sphere(2), linear([0.0, 0.0, -2.0])), step=0.01)
    >>> start = np.tile([0.0, 0.0, 1.0], (1000, 1))
    >>> path = simulate(walk, start, 200, np.random.default_rng(1), every=100)
    >>> path.shape
    (3, 1000, 3)
    """
    check_type("walk", walk, Walk, "a walk, such as GeodesicWalk(langevin, step)")
    points = walk.langevin.manifold.check_points("start", start)
    return run(walk.advance, walk.step, points, n_steps, rng, every, observe, threads, progress)


def run(
    advance: Step,
    h: float,
    start: Array,
    n_steps: int,
    rng: np.random.Generator,
    every: int | None = None,
    observe: Observer | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> Array:
    """Do what `simulate` says, for anything that advances rows of finite numbers by a time h."""
    n_steps = check_integer("n_steps", n_steps)
    every = None if every is None else check_every(every, n_steps)
    if observe is not None and not callable(observe):
        raise TypeError(f"observe must be a function of (k, x, x_next); got {observe!r}")
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    workers = check_integer("threads", workers if threads is None else threads, least=1)

    n = len(start)
    seeds = check_rng(rng).bit_generator.seed_seq.spawn(-(-n // BLOCK))  # type: ignore[attr-defined]
    blocks = _Run(advance, h, start, n_steps, every, seeds)
    with ThreadPoolExecutor(workers) as pool, _bar(progress, n_steps, n) as bar:
        if observe is None:
            first = list(pool.map(lambda b: blocks.block(b, n_steps, bar), range(len(seeds))))
            lost = min((step for step in first if step is not None), default=None)
        else:
            lost = blocks.observed(observe, pool, bar)
    if lost is not None:
        raise _diverged(blocks, lost)
    return blocks.final.T.copy() if every is None else blocks.path


@dataclass
class _Run:
    """One call of `run`: its blocks, where they stand, and what was recorded."""

    advance: Step
    h: float
    start: Array
    n_steps: int
    every: int | None
    seeds: list[np.random.SeedSequence]
    final: Array = field(init=False)
    path: Array = field(init=False)

    def __post_init__(self) -> None:
        self.final = self.start.T.copy()
        if self.every is not None:
            self.path = np.empty((self.n_steps // self.every + 1, *self.start.shape))
            self.path[0] = self.start

    def generators(self) -> list[np.random.Generator]:
        return [np.random.Generator(np.random.SFC64(seed)) for seed in self.seeds]

    def block(self, b: int, n_steps: int, bar: _Bar) -> int | None:
        """Take all steps of one block; return the first step that was not finite, if any."""
        part = slice(b * BLOCK, (b + 1) * BLOCK)
        rng = np.random.Generator(np.random.SFC64(self.seeds[b]))
        x, work = np.ascontiguousarray(self.final[:, part]), Workspace()
        lost = None
        with np.errstate(all="ignore"):  # what is not finite is found and reported below
            for first in range(0, n_steps, _CHECK):
                steps = range(first + 1, min(first + _CHECK, n_steps) + 1)
                before, state = x.copy(), rng.bit_generator.state
                self._take(x, rng, work, steps, part)
                bar.add(len(steps) * x.shape[1])
                if not np.isfinite(x).all():
                    x, rng.bit_generator.state = before, state
                    lost = self._first_lost(x, rng, work, steps)
                    break
        self.final[:, part] = x
        return lost

    def _take(
        self,
        x: Array,
        rng: np.random.Generator,
        work: Workspace,
        steps: range,
        part: slice,
    ) -> None:
        for k in steps:
            self.advance(x, rng, work)
            if self.every is not None and k % self.every == 0:
                self.path[k // self.every, part] = x.T

    def _first_lost(
        self, x: Array, rng: np.random.Generator, work: Workspace, steps: range
    ) -> int | None:
        """Retake steps one by one until one is not finite."""
        for k in steps:
            self.advance(x, rng, work)
            if not np.isfinite(x).all():
                return k
        return None

    def observed(self, observe: Observer, pool: ThreadPoolExecutor, bar: _Bar) -> int | None:
        """Take the steps of all blocks side by side, showing each to the observer."""
        parts = [slice(b * BLOCK, (b + 1) * BLOCK) for b in range(len(self.seeds))]
        blocks = [
            (self.final[:, part].copy(), rng, Workspace())  # moved in place, so no view
            for part, rng in zip(parts, self.generators(), strict=True)
        ]
        here, there = self.final, self.final.copy()

        def ahead(b: int) -> bool:
            x, rng, work = blocks[b]
            with np.errstate(all="ignore"):
                self.advance(x, rng, work)
            there[:, parts[b]] = x
            return bool(np.isfinite(x).all())

        # handing a step to another thread and waiting for it takes as long as a thousand walkers
        side_by_side = map if len(blocks) == 1 else pool.map
        for k in range(self.n_steps):
            if not all(list(side_by_side(ahead, range(len(blocks))))):
                return k + 1
            observe(k, read_only(here.T), read_only(there.T))
            here, there = there, here
            self.final = here
            if self.every is not None and (k + 1) % self.every == 0:
                self.path[(k + 1) // self.every] = here.T
            bar.add(len(self.start))
        return None


def _diverged(run: _Run, lost: int) -> DivergenceError:
    again = _Run(run.advance, run.h, run.start, lost - 1, None, run.seeds)
    for b in range(len(run.seeds)):
        again.block(b, lost - 1, _Bar())
    return DivergenceError(
        f"the walk left the finite numbers at step {lost} (step = {run.h:g}); the error"
        " carries the last finite state; a smaller step may cure it",
        step=lost,
        state=again.final.T.copy(),
        path=None if run.every is None else run.path[: (lost - 1) // run.every + 1].copy(),
    )


class _Bar:
    """No bar; also what a bar is asked to do."""

    def add(self, walker_steps: int) -> None:
        pass

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *exception: object) -> None:
        pass


class _TqdmBar(_Bar):
    def __init__(self, total: int) -> None:
        from tqdm.auto import tqdm

        self._bar = tqdm(total=total, unit="walker-steps", unit_scale=True)

    def add(self, walker_steps: int) -> None:
        self._bar.update(walker_steps)

    def __exit__(self, *exception: object) -> None:
        self._bar.close()


def _bar(progress: bool, n_steps: int, n: int) -> _Bar:
    return _TqdmBar(n_steps * n) if progress else _Bar()
