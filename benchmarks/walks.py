"""Walk speed: each walk of the library against its floor, and against the peers.

The floor of a walk is the time one thread takes to draw p = `point_dim` float64 normals with
PCG64 for every walker and step, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import environment
from benchmarks.clock import Contestant, Reading, Spread, interleave, per_unit, ratio
from benchmarks.contestants import Check, Floor, Ours, Peer, Plain, Walker
from benchmarks.memory import growth
from benchmarks.problems import MEAN_Z, STEP, problems
from benchmarks.report import Result, spread, table, verdict

THREADS = (1, 2)
MEMORY_TARGET = 100.0  # MB
MEMORY_STEPS = (10, 100, 1000)

INTRODUCTION = """\
All rows: {walkers} walkers, step h = {step:g}, beta = 1, Gaussian noise, float64 unless it says
otherwise. *Floor* is the time to draw as many PCG64 float64 normals as a point has coordinates,
for each walker and step, on one thread. *Threads*: asked for, and in brackets the cores really at
work (processor time over wall time). *Check*: a mean over the walkers after the last round, and its
stationary value; a row whose check is further off than h and five standard errors is marked
WRONG. *Off*: the largest distance of a walker from the sphere."""


@dataclass(frozen=True)
class _Times:
    """All readings of a run."""

    readings: dict[str, list[Reading]]
    floors: dict[int, Floor]
    walkers: int

    def of(self, walker: Walker, point_dim: int) -> tuple[Spread, Spread]:
        """Return nanoseconds per walker-step, and their ratio to the floor."""
        floor = self.floors[point_dim]
        units, base = self.walkers * walker.steps, self.walkers * floor.steps
        nanoseconds = per_unit(self.readings[walker.name], units)
        return nanoseconds, ratio(self.readings, walker.name, units, floor.name, base)

    def threads(self, walker: Walker) -> str:
        """Return the threads asked for and the cores at work."""
        cores = Spread.of([reading.cores for reading in self.readings[walker.name]])
        return f"{walker.threads} [{cores.median:.1f}]"


def run(folder: Path, walkers: int, rounds: int, with_peers: bool) -> Result:
    """Time everything side by side and return the tables.

    Parameters
    ----------
    folder : Path
        Where the peers' environment is made.
    walkers, rounds : int
    with_peers : bool
        False leaves the peers out (nothing is installed).
    """
    ours = [
        Ours(problem, threads, walkers, 50 if problem.point_dim > 3 else 100)
        for problem in problems()
        for threads in THREADS
    ]
    dimensions = sorted({one.problem.point_dim for one in ours})
    floors = {p: Floor(p, walkers, 300 // p) for p in dimensions}
    with _peers(folder, walkers, with_peers) as (peers, trouble):
        print("  every walk runs until nothing is left of its start", flush=True)
        others: list[Walker] = [Plain(walkers, 50)]
        for walker in (*ours, *others):
            _settle(walker)
        for peer in peers:
            try:
                _settle(peer)
                others.append(peer)
            except environment.PeerError as error:
                trouble += f" {peer.name}: {error}."
        contestants: list[Contestant] = [*floors.values(), *ours, *others]
        times = _Times(interleave(contestants, rounds), floors, walkers)
    tables = [
        INTRODUCTION.format(walkers=walkers, step=STEP),
        _floors(times),
        _engine(ours, times),
        _against_peers(ours, others, times),
        _memory(walkers),
    ]
    if trouble:
        tables.append(f"**Peers are missing:** {trouble}")
    right = all(walker.check().right for walker in (*ours, *others))
    return Result("\n\n".join(tables), right and not trouble)


def _settle(walker: Walker) -> None:
    for _ in range(round(walker.settle / (STEP * walker.steps))):
        walker.run()


@contextmanager
def _peers(folder: Path, walkers: int, wanted: bool) -> Iterator[tuple[list[Peer], str]]:
    families: list[environment.Family] = []
    trouble = ""
    try:
        try:
            python = environment.python_of_peers(folder / "peers") if wanted else Path()
            for name in ("torch", "jax") if wanted else ():
                for threads in THREADS:
                    families.append(environment.start(python, name, threads, walkers, 50))
        except environment.PeerError as error:
            trouble = f"{error}."
            print(f"  {trouble}", flush=True)
        yield [Peer(f, i, walkers, 50) for f in families for i in range(len(f.offers))], trouble
    finally:
        for family in families:
            family.end()


def _floors(times: _Times) -> str:
    rows = []
    for p, floor in times.floors.items():
        nanoseconds = per_unit(times.readings[floor.name], times.walkers * floor.steps)
        rows.append([f"p = {p} normals", spread(nanoseconds, 1)])
    return "### The floors\n\n" + table(["floor", "ns per walker-step"], rows)


def _engine(ours: Sequence[Ours], times: _Times) -> str:
    head = ["problem", "walk", "threads", "ns per walker-step", "× floor", "target", "check", "off"]
    rows = []
    for one in ours:
        nanoseconds, to_floor = times.of(one, one.problem.point_dim)
        check = one.check()
        rows.append(
            [
                one.problem.name,
                one.computes,
                times.threads(one),
                spread(nanoseconds, 1),
                spread(to_floor),
                verdict(to_floor.median, one.problem.target[one.threads]),
                _check(check),
                _off(check),
            ]
        )
    return "### The library's walks, each against its own floor\n\n" + table(head, rows)


def _against_peers(ours: Sequence[Ours], others: Sequence[Walker], times: _Times) -> str:
    head = ["library", "computes", "threads", "float", "ns per walker-step", "× floor", "× ours"]
    head += ["check", "off"]
    # Each peer is compared with our row of as many threads, in the same round.
    same = {one.threads: one for one in ours if one.problem is ours[0].problem}
    rows = []
    for walker in (*same.values(), *others):
        nanoseconds, to_floor = times.of(walker, 3)
        match = same[walker.threads]
        units, base = times.walkers * walker.steps, times.walkers * match.steps
        to_ours = ratio(times.readings, walker.name, units, match.name, base)
        check = walker.check()
        rows.append(
            [
                walker.name.split(",")[0] if walker is not match else "**coupled_flows**",
                walker.computes,
                times.threads(walker),
                str(walker.width),
                spread(nanoseconds, 1),
                spread(to_floor),
                spread(to_ours),
                _check(check),
                _off(check),
            ]
        )
    return (
        "### S^2 with U = -2 z: the library and its peers\n\n"
        f"The same problem for all, E z = coth 2 - 1/2 = {MEAN_Z:.4f}. *× ours*: against our row of"
        " as many threads. *Ambient R^3*: these libraries know no sphere. The fields are extended"
        " from it homogeneously (as they stand, walkers that come off it run away to infinity),"
        " every run starts on it, and z is that of x/\\|x\\|.\n\n" + table(head, rows)
    )


def _memory(walkers: int) -> str:
    rows = []
    for steps in MEMORY_STEPS:
        used = growth(walkers, steps)
        size = "could not be measured here" if used is None else f"{used:.0f} MB"
        target = "" if used is None else verdict(used, MEMORY_TARGET, " MB")
        rows.append([str(steps), size, target])
    return (
        "### Memory\n\nBy how much the process's peak grows during `simulate` on S^2, two threads,"
        " `every` not given.\n\n" + table(["steps", "growth", "target"], rows)
    )


def _check(check: Check) -> str:
    said = f"{check.what} = {check.value:.4f} ({check.expected:.4f})"
    return said if check.right else f"**WRONG:** {said}"


def _off(check: Check) -> str:
    return "" if check.off is None else f"{check.off:.0e}"
