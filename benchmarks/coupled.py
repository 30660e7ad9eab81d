"""The coupled flow: particles against their walk, densities against banded solves, agents."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.linalg.lapack import dgbtrf, dgbtrs

from benchmarks.clock import Contestant, Reading, Spread, interleave, per_unit, ratio, timed
from benchmarks.report import Result, spread, table
from coupled_flows import (
    CoupledFlow,
    GeodesicWalk,
    Langevin,
    Network,
    Sphere,
    Torus,
    fit_order,
    fourier,
    linear,
    simulate,
    simulate_gossip,
)
from coupled_flows.coupled.density import step_both
from coupled_flows.coupled.gossip import GossipPath
from coupled_flows.coupled.particles import ParticlePath
from coupled_flows.coupled.volumes import CellFlow
from coupled_flows.geometry.errors import Array
from coupled_flows.measure.cells import CellLaw, CircleCells, ZonalCells

PROBLEMS = {
    "circle": Langevin(Torus(1), fourier(cos={1: 0.5})),
    "S^2": Langevin(Sphere(2), linear([0.0, 0.0, -2.0])),
}
KAPPA, STEP = 2.0, 0.01
# particles in a swarm, and how many of their steps are timed at once
SWARMS, PARTICLE_STEPS = (1_000, 10_000, 100_000), 400_000
CELLS, SOLVES = (64, 256, 1024, 4096), 20
AGENTS, AGENT_STEPS = (64, 256, 1024), 20
# the time up to which errors are compared, how large they may be, and what particles are off by:
# so many times their step, and so much over the root of their number
END, ERRORS, BIAS, CHANCE = 0.5, (4e-3, 1e-3), 0.44, 0.28

PARTICLES = """\
`simulate_particles`, logdet with m features, against `simulate` with the same geodesic walk, start
and steps h = {step:g}; one thread, {work} particle-steps in a run. *Observed*: the walk with an
observer that does nothing, as particles have one: then all blocks of points wait after each step.
*× walk*: within a round. *Growth*: exponent of the processor time of a step in the number of
particles, the least of the rounds at each, with its range between neighbouring sizes. *Check*:
Tr Sigma = 1 and points on the manifold."""

DENSITY = """\
Steps of `solve_density`, implicit, h = {step:g}, one feature, against as many solves with LAPACK's
banded factorisation (dgbtrf, dgbtrs) of a matrix of the same size and band: the least that an
implicit step can take; Newton's method for T factors several in a step. *Check*: masses of sum 1,
and F falls."""

EQUAL = """\
Eigenvalues of Sigma at t = {end:g} on S^2, U = -2 z, one feature, kappa = {kappa:g}, from the
uniform law: the largest error against {fine} cells, steps extrapolated to 0. *Density*: the longest
step and the fewest cells that are near enough, by halves. *Particles*: geodesic walk with the step
whose bias is 4/5 of the error, and the number whose chance is 3/5; their error is the root mean
square over the rounds, each with another seed. One thread."""

GOSSIP = """\
`simulate_gossip` on S^2, logdet, two features, one round on T and on W in each step, from a fixed
network. *Mixing*: P times T and P times W alone, as often. *Growth*: exponent of the processor
time of a step in the number of agents. *Check*: all points on the sphere, and what was sent."""


@dataclass
class Run:
    """One row: so many steps of something, against what, and what its result must satisfy."""

    name: str
    call: Callable[[], object]
    steps: int = 1
    size: int = 1
    base: Run | None = None
    wrong: Callable[[object], str] = lambda _: ""
    said: str = ""
    found: list[str] = field(default_factory=list)

    def run(self) -> Reading:
        """Run, timed; then look at the result."""
        made: list[object] = []
        reading = timed(lambda: made.append(self.call()))
        self.found += [fault] if (fault := self.wrong(made.pop())) else []
        return reading

    @property
    def check(self) -> str:
        """What is wrong with the row, if anything."""
        return f"**WRONG:** {self.found[0]}" if self.found else ""


Readings = Mapping[str, Sequence[Reading]]


def run(
    rounds: int,
    swarms: Sequence[int] = SWARMS,
    cells: Sequence[int] = CELLS,
    agents: Sequence[int] = AGENTS,
    errors: Sequence[float] = ERRORS,
) -> Result:
    """Time everything side by side and return the tables."""
    work = f"{PARTICLE_STEPS:,}".replace(",", " ")
    parts, sound = [], True
    for title, text, thing, base, groups in (
        ("Particles", PARTICLES.format(step=STEP, work=work), "particle", "walk",
         particles(swarms)),
        ("Densities", DENSITY.format(step=STEP), "cell", "banded", densities(cells)),
        ("Agents", GOSSIP, "agent", "gossip", gossips(agents)),
        ("At equal error", EQUAL.format(end=END, kappa=KAPPA, fine=FINE), "", "density",
         [equals(error) for error in errors]),
    ):  # fmt: skip
        print(f"  {title.lower()}", flush=True)
        every = [one for group in groups for one in group]
        readings = _side_by_side(every, rounds)
        show = _steps(groups, readings, thing, base) if thing else _errors(every, readings)
        parts += [f"### {title}", text, show]
        sound &= not any(one.found for one in every)
    return Result("\n\n".join(parts), sound)


def _side_by_side(every: Sequence[Run], rounds: int) -> Readings:
    for one in every:
        one.call()  # what is imported or kept at the first call is no part of it
    contestants: list[Contestant] = [*every]
    return interleave(contestants, rounds)


def _steps(groups: Sequence[Sequence[Run]], readings: Readings, thing: str, base: str) -> str:
    rows = []
    for group in groups:
        for one in group:
            a_step = [1e6 * each.seconds / one.steps for each in readings[one.name]]
            rows.append(
                [
                    one.name,
                    spread(Spread.of(a_step), 0),
                    spread(per_unit(readings[one.name], one.steps * one.size), 0),
                    _times(one, readings),
                    _growth(group, readings) if one is group[-1] else "",
                    one.check,
                ]
            )
    head = [
        "what, where",
        "µs per step",
        f"ns per step and {thing}",
        f"× {base}",
        "growth",
        "check",
    ]
    return table(head, rows)


def _errors(every: Sequence[Run], readings: Readings) -> str:
    rows = []
    for one in every:
        seconds = Spread.of([each.seconds for each in readings[one.name]])
        rows.append([one.name, one.said, spread(seconds, 3), _times(one, readings), one.check])
    return table(["what", "error", "seconds", "× density", "check"], rows)


def _times(one: Run, readings: Readings) -> str:
    base = one.base or one
    return spread(ratio(readings, one.name, one.steps, base.name, base.steps))


def _growth(group: Sequence[Run], readings: Readings) -> str:
    """Return the exponent of a step's processor time in the size, the least of the rounds at each.

    With its range between neighbouring sizes.
    """
    if len(group) < 2:
        return ""
    least = [
        min(each.seconds * each.cores for each in readings[one.name]) / one.steps for one in group
    ]
    return str(fit_order([one.size for one in group], least))


# -- particles ------------------------------------------------------------------------------------


def particles(swarms: Sequence[int]) -> list[list[Run]]:
    """Return, for each problem, the walk, the walk observed and particles, at all sizes."""
    groups = list[list[Run]]()
    for where, problem in PROBLEMS.items():
        flow = CoupledFlow(problem, KAPPA)
        manifold, wrong = problem.manifold, _off_manifold(flow)
        inputs = flow.coupling.embed(manifold.random_point(1, np.random.default_rng(1))).shape[1]
        kinds: dict[str, list[Run]] = {}
        for n in swarms:
            start, steps = manifold.random_point(n, np.random.default_rng(1)), PARTICLE_STEPS // n
            at, walk = f"{where}, {n}", GeodesicWalk(problem, STEP)
            base = Run(f"walk, {at}", _walked(walk, start, steps, None), steps, n)
            observed = _walked(walk, start, steps, lambda k, x, x_next: None)
            kinds.setdefault("walk", []).append(base)
            kinds.setdefault("observed", []).append(
                Run(f"observed, {at}", observed, steps, n, base)
            )
            for m in range(1, inputs + 1):
                call = _coupled(flow, start, np.eye(m, inputs) + 0.1, steps)
                row = Run(f"**particles**, m = {m}, {at}", call, steps, n, base, wrong)
                kinds.setdefault(f"m = {m}", []).append(row)
        groups += kinds.values()
    return groups


def _walked(
    walk: GeodesicWalk,
    start: Array,
    steps: int,
    observe: Callable[[int, Array, Array], None] | None,
) -> Callable[[], object]:
    return lambda: simulate(
        walk, start, steps, np.random.default_rng(2), observe=observe, threads=1
    )


def _coupled(flow: CoupledFlow, start: Array, W0: Array, steps: int) -> Callable[[], object]:
    return lambda: flow.simulate_particles(
        start, W0, STEP, steps, np.random.default_rng(2), keep_points=False, threads=1
    )


def _off_manifold(flow: CoupledFlow) -> Callable[[object], str]:
    def wrong(path: object) -> str:
        assert isinstance(path, ParticlePath)
        off = abs(float(np.trace(path.moments[-1])) - 1)
        on = flow.langevin.manifold.belongs(path.laws[-1].points).all()
        return "" if on and off < 1e-12 else f"Tr Sigma is off by {off:.0e}"

    return wrong


# -- densities ------------------------------------------------------------------------------------


def densities(cells: Sequence[int]) -> list[list[Run]]:
    """Return, for each problem, steps of the density and banded solves, at all sizes."""
    groups = []
    for where, problem in PROBLEMS.items():
        steps, solves = list[Run](), list[Run]()
        for n in cells:
            kind: type[CellLaw] = CircleCells if where == "circle" else ZonalCells
            W = np.array([[0.3, 0.4]] if where == "circle" else [[0.0, 0.0, 0.7]])
            flow = CoupledFlow(problem, KAPPA)
            on = CellFlow(problem, flow.coupling, kind.uniform(n))
            at = f"{where}, {n} cells"
            base = Run(f"banded, {at}", _banded(n, on.rows[1]), SOLVES, n)
            wrong = _rises(on, W)
            steps.append(Run(f"**density**, {at}", _stepped(on, W), SOLVES, n, base, wrong))
            solves.append(base)
        groups += [steps, solves]
    return groups


def _stepped(flow: CellFlow, W: Array) -> Callable[[], object]:
    def call() -> object:
        masses, weights = flow.cells.masses, W
        for _ in range(SOLVES):
            masses, weights = step_both(flow, masses, weights, STEP)
        return masses, weights

    return call


def _banded(n: int, width: int) -> Callable[[], object]:
    rng = np.random.default_rng(1)
    band, right = rng.random((3 * width + 1, n)), rng.random((n, 1))
    band[2 * width] += 4 * width  # so that it dominates

    def call() -> object:
        for _ in range(SOLVES):
            factors, pivots, _ = dgbtrf(band, width, width)
            x, _ = dgbtrs(factors, width, width, right, pivots)
        return x

    return call


def _rises(flow: CellFlow, W: Array) -> Callable[[object], str]:
    before = flow.free_energy(flow.cells.masses, W)

    def wrong(result: object) -> str:
        assert isinstance(result, tuple)
        masses, weights = result
        after = flow.free_energy(masses, weights)
        good = after < before and abs(masses.sum() - 1) < 1e-12
        return "" if good else f"F from {before:g} to {after:g}"

    return wrong


# -- at equal error -------------------------------------------------------------------------------

FINE, UNIFORM = 512, np.ones_like
LINE = [[0.0, 0.0, 0.5]]


def _solved(cells: int, steps: int) -> Array:
    """Return the eigenvalues of Sigma by the density, in the order of the axes."""
    flow = CoupledFlow(PROBLEMS["S^2"], KAPPA)
    path = flow.solve_density(UNIFORM, LINE, [END], cells=cells, step=END / steps)
    z2 = float(path.laws[-1].mean(lambda z: z**2))  # type: ignore[attr-defined]
    return np.array([(1 - z2) / 2, (1 - z2) / 2, z2])


@functools.cache
def _exact() -> Array:
    """Return the same with steps extrapolated to 0."""
    return 2 * _solved(FINE, 512) - _solved(FINE, 256)


def equals(error: float) -> list[Run]:
    """Return particles and a density that are as near as that."""
    exact = _exact()

    def miss(cells: int, steps: int) -> float:
        return float(np.abs(_solved(cells, steps) - exact).max())

    steps = next(2**k for k in range(1, 12) if miss(128, 2**k) <= 0.8 * error)
    cells = next(2**k for k in range(3, 8) if miss(2**k, steps) <= error)
    near = miss(cells, steps)
    n_steps = math.ceil(END * BIAS / (0.8 * error))
    n = math.ceil((CHANCE / (0.6 * error)) ** 2)
    flow, seeds, squares = CoupledFlow(PROBLEMS["S^2"], KAPPA), iter(range(1000)), list[float]()

    def simulated() -> object:
        rng = np.random.default_rng(next(seeds))
        start = Sphere(2).random_point(n, rng)
        h = END / n_steps
        path = flow.simulate_particles(start, LINE, h, n_steps, rng, keep_points=False, threads=1)
        return np.linalg.eigvalsh(path.moments[-1])

    def off(found: object) -> str:
        squares.append(float(np.abs(found - exact).max() ** 2))  # type: ignore[operator]
        swarm.said = f"{math.sqrt(np.mean(squares)):.1e}"
        # five standard errors of chance, the bias beside it
        return "" if math.sqrt(squares[-1]) < 4 * error else f"off by {math.sqrt(squares[-1]):.0e}"

    density = Run(f"density, {cells} cells, {steps} steps", lambda: _solved(cells, steps))
    density.said = f"{near:.1e}"
    swarm = Run(f"**particles**, {n}, {n_steps} steps", simulated, base=density, wrong=off)
    return [density, swarm]


# -- agents ---------------------------------------------------------------------------------------


def gossips(agents: Sequence[int]) -> list[list[Run]]:
    """Return agents on a ring and on a complete graph, and mixing alone, at all sizes."""
    W0 = np.eye(2, 3) + 0.1
    groups = []
    for name, build in (("ring", Network.ring), ("complete", Network.complete)):
        whole, mixing = list[Run](), list[Run]()
        for n in agents:
            network = build(n)
            start, links = Sphere(2).random_point(n, np.random.default_rng(1)), network.links.sum()
            at = f"{name}, {n} agents, {links // 2} links"
            call, wrong = _gossip(network, start, W0), _not_sent(network, W0)
            whole.append(Run(f"**gossip**, {at}", call, AGENT_STEPS, n, wrong=wrong))
            call = _mixed(network, W0)
            mixing.append(Run(f"mixing, {at}", call, AGENT_STEPS, n, whole[-1]))
        groups += [whole, mixing]
    return groups


def _gossip(network: Network, start: Array, W0: Array) -> Callable[[], object]:
    def call() -> object:
        rng, problem = np.random.default_rng(2), PROBLEMS["S^2"]
        return simulate_gossip(problem, network, start, W0, STEP, AGENT_STEPS, rng, kappa=KAPPA)

    return call


def _mixed(network: Network, W0: Array) -> Callable[[], object]:
    m, D = W0.shape
    T, W = np.ones((network.size, m, m)), np.ones((network.size, m, D))

    def call() -> object:
        for _ in range(AGENT_STEPS):
            network.mix(T)
            network.mix(W)
        return W

    return call


def _not_sent(network: Network, W0: Array) -> Callable[[object], str]:
    m, D = W0.shape
    numbers = AGENT_STEPS * (m * D + m * (m + 1) // 2)

    def wrong(path: object) -> str:
        assert isinstance(path, GossipPath)
        sent = (path.sent[-1] == numbers * network.degrees).all()
        return "" if sent and Sphere(2).belongs(path.points[-1]).all() else "another path"

    return wrong
