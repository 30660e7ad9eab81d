"""Weight flows against `solve_ivp` at equal accuracy; slow weights against their walk alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.integrate import solve_ivp

from benchmarks.clock import Contestant, Reading, Spread, interleave, ratio, timed
from benchmarks.report import Result, spread, table
from coupled_flows import (
    FourierGenerator,
    GeodesicWalk,
    HarmonicGenerator,
    Langevin,
    Potential,
    SangerFlow,
    Sphere,
    SubspaceFlow,
    Torus,
    TraceFlow,
    fourier,
    simulate,
    slow_weights,
)
from coupled_flows.geometry.errors import Array
from coupled_flows.weights.corrector import solve
from coupled_flows.weights.flow import WeightFlow

# features, inputs, starts
SIZES = ((1, 2, 1), (2, 10, 1), (2, 10, 5), (5, 50, 1))
KINDS: tuple[type[WeightFlow], ...] = (TraceFlow, SubspaceFlow, SangerFlow)
TIMES = np.linspace(0.0, 20.0, 21)
ACCURACY = 1e-12
TOLERANCES = tuple(10.0**-k for k in range(9, 14))
# extrapolated midpoint rule, for the reference: points in a unit of time, steps of its rows
FINE, ROWS = 4, (2, 4, 6, 8, 10, 12, 14)

PATHS, STEPS, STEP, EPS = 2_000, 500, 0.1, 0.02

FLOWS = """\
dW/ds = W Sigma - decay, with Sigma of eigenvalues from 0.1 to 1 in a random frame, starts of length
1, W asked for at s = 0, 1, ..., 20. *solve_ivp* takes the same right-hand side with all starts in
one system, at the largest rtol = 10 atol of 1e-9, 1e-10, ..., 1e-13 that comes as near as the
library, or to 1e-12; else at 1e-13. The library takes the starts one by one. *Error*: largest of
all entries, from an extrapolated midpoint rule in long double. *× ours*: within a round."""

AVERAGING = """\
`slow_weights` for the trace flow, two rows of weights: {paths} paths, {steps} steps h = {step:g},
eps = {eps:g}, one thread, against `simulate` with the same walk, start and steps. *Observed*: the
same with an observer that does nothing. Then what `slow_weights` does in each step, one by one:
*S, Phi* at the new points; *weights*, *driven* and *lifted*, a drift each; *second*, a drift and
mbar. *The rest* is the averaged flow, differences and their suprema."""


@dataclass
class Timed:
    """One row: something that is run, and how far its result may be from the right one."""

    name: str
    call: Callable[[], Array]
    error_of: Callable[[Array], float] = lambda _: 0.0
    allowed: float = 0.0
    said: str = ""
    worst: float = field(default=0.0)

    def run(self) -> Reading:
        """Run, timed; then look at the result."""
        made: list[Array] = []
        reading = timed(lambda: made.append(self.call()))
        error = self.error_of(made.pop())
        self.worst = max(self.worst, error if math.isfinite(error) else math.inf)
        return reading

    @property
    def right(self) -> bool:
        """Whether every result was the right one."""
        return self.worst <= self.allowed


def run(rounds: int) -> Result:
    """Time everything side by side and return the tables."""
    print("  weight flows", flush=True)
    groups = [solvers(kind, *size) for kind in KINDS for size in SIZES]
    readings = _side_by_side([one for group in groups for one in group], rounds)
    parts = ["### Weight flows", FLOWS, _flows(groups, readings)]
    introduction = AVERAGING.format(paths=PATHS, steps=STEPS, step=STEP, eps=EPS)
    parts += ["### Slow weights, against their walk alone", introduction]
    print("  slow weights", flush=True)
    runs = [slow(name, generator) for name, generator in generators().items()]
    others = _side_by_side([one for group in runs for one in group], rounds)
    parts.append(_slow(runs, others))
    every = [one for group in (*groups, *runs) for one in group]
    return Result("\n\n".join(parts), all(one.right for one in every))


def _side_by_side(every: Sequence[Timed], rounds: int) -> dict[str, list[Reading]]:
    for one in every:
        one.call()  # what is imported or kept at the first call is no part of it
    contestants: list[Contestant] = [*every]
    return interleave(contestants, rounds)


def solvers(kind: type[WeightFlow], m: int, D: int, starts: int) -> list[Timed]:
    """Return the library and two integrators on one problem."""
    rng = np.random.default_rng(20260417)
    frame, _ = np.linalg.qr(rng.standard_normal((D, D)))
    flow = kind((frame * np.linspace(0.1, 1.0, D)) @ frame.T)
    W0 = rng.standard_normal((starts, m, D))
    W0 /= np.linalg.norm(W0, axis=(1, 2), keepdims=True)
    exact = reference(flow, W0)

    def error(path: Array) -> float:
        return float(np.abs(path - exact).max())

    def ours() -> Array:
        return np.stack([flow.solve(start, TIMES) for start in W0], axis=1)

    def integrated(method: str, rtol: float) -> Array:
        return solve_ivp(
            lambda _, w: kind.drift(w.reshape(W0.shape), flow.sigma).ravel(),
            (0.0, TIMES[-1]),
            W0.ravel(),
            method=method,
            t_eval=TIMES,
            rtol=rtol,
            atol=rtol / 10,
        ).y.T.reshape(exact.shape)

    size = f"{kind.__name__[:-4].lower()}, {m} × {D}, {starts}"
    reached = max(ACCURACY, error(ours()))
    rows = [Timed(f"**coupled_flows**, {size}", ours, error, 10 * ACCURACY)]
    for method in ("DOP853", "LSODA"):
        enough = [r for r in TOLERANCES if error(integrated(method, r)) <= reached]
        rtol = max(enough, default=TOLERANCES[-1])
        call = _bound(integrated, method, rtol)
        # what an integrator reaches is reported: only another solution would be wrong
        rows.append(Timed(f"{method}, {size}", call, error, 1e-6, f"{rtol:.0e}"))
    return rows


def _bound(call: Callable[[str, float], Array], method: str, rtol: float) -> Callable[[], Array]:
    return lambda: call(method, rtol)


def reference(flow: WeightFlow, W0: Array) -> Array:
    """Return the flow of starts (n, m, D) at `TIMES`, by Gragg's extrapolated midpoint rule.

    In long double, where the machine has one that is longer; its own error is some 1e-17 there.
    """
    sigma, W = flow.sigma.astype(np.longdouble), W0.astype(np.longdouble)
    path = [W]
    for s in np.diff(TIMES):
        for _ in range(FINE):
            W = _extrapolated(lambda w: flow.drift(w, sigma), W, float(s) / FINE)
        path.append(W)
    return np.stack(path)


def _extrapolated(slope: Callable[[Array], Array], W: Array, time: float) -> Array:
    """Return W after a time: the error of the midpoint rule is a series in its step squared."""
    rows: list[Array] = []
    for j, steps in enumerate(ROWS):
        h = np.longdouble(time) / steps
        before, here = W, W + h * slope(W)
        for _ in range(steps - 1):
            before, here = here, before + 2 * h * slope(here)
        new: list[Array] = [(before + here + h * slope(here)) / 2]
        for k, old in enumerate(rows):
            share = (np.longdouble(steps) / ROWS[j - k - 1]) ** 2 - 1
            new.append(np.asarray(new[-1] + (new[-1] - old) / share))
        rows = new
    return rows[-1]


def generators() -> dict[str, FourierGenerator | HarmonicGenerator]:
    """Return the circle and the sphere, each with a potential of no symmetry."""
    bent = Potential(
        lambda x: x[:, 0] + 0.7 * x[:, 1] * x[:, 2],
        lambda x: np.stack([np.ones(len(x)), 0.7 * x[:, 2], 0.7 * x[:, 1]], axis=1),
    )
    waves = fourier(cos={1: 0.5, 2: -0.5}, sin={2: 0.3})
    return {
        "circle, 24 modes": FourierGenerator(Langevin(Torus(1), waves), 24),
        "S^2, degree 12": HarmonicGenerator(Langevin(Sphere(2), bent), 12),
    }


def slow(name: str, generator: FourierGenerator | HarmonicGenerator) -> list[Timed]:
    """Return the walk alone, observed, with slow weights, and what these do one by one."""
    walk = GeodesicWalk(generator.langevin, STEP)
    transition = generator.transition(walk)
    corrector = solve(transition, None, "walk")
    start = generator.langevin.manifold.random_point(PATHS, np.random.default_rng(1))
    W0 = np.random.default_rng(2).standard_normal((2, len(corrector.mean))) / 2
    end = simulate(walk, start, STEPS, np.random.default_rng(3), threads=1)
    S, phi = corrector.at(end)
    # each entry's values side by side, as `slow_weights` has them
    W = np.moveaxis(np.broadcast_to(W0[:, :, None], (*W0.shape, PATHS)).copy(), -1, 0)

    def walked(observe: Callable[[int, Array, Array], None] | None) -> Array:
        rng = np.random.default_rng(3)
        return simulate(walk, start, STEPS, rng, observe=observe, threads=1)

    def weighed() -> Array:
        rng, time = np.random.default_rng(3), STEPS * EPS * STEP
        return slow_weights(transition, "trace", W0, EPS, time, start, rng, threads=1).points[-1]

    def again(part: Callable[[], object]) -> Callable[[], Array]:
        def every_step() -> Array:
            for _ in range(STEPS):
                part()
            return end

        return every_step

    def off(points: Array) -> float:
        return float(np.abs(points - end).max())

    parts: dict[str, Callable[[], object]] = {
        "S, Phi": lambda: corrector.at(end),
        "weights": lambda: W + TraceFlow.drift(W, S),
        "driven": lambda: W + TraceFlow.drift(W, S + phi),
        "lifted": lambda: W + TraceFlow.drift(W, phi),
        "second": lambda: W + TraceFlow.drift(W, S + phi) + corrector.bend(TraceFlow, W),
    }
    return [
        Timed(f"walk alone, {name}", lambda: walked(None), off),
        Timed(f"observed, {name}", lambda: walked(lambda k, x, x_next: None), off),
        Timed(f"**slow_weights**, {name}", weighed, off),
        *[Timed(f"{part}, {name}", again(call), off) for part, call in parts.items()],
    ]


def _flows(groups: Sequence[Sequence[Timed]], readings: dict[str, list[Reading]]) -> str:
    rows = []
    for group in groups:
        for one in group:
            error = f"{one.worst:.0e}"
            rows.append(
                [
                    one.name,
                    one.said,
                    error if one.right else f"**WRONG:** {error}",
                    spread(Spread.of([1e3 * each.seconds for each in readings[one.name]])),
                    spread(ratio(readings, one.name, 1, group[0].name, 1)),
                ]
            )
    head = ["contestant, flow, m × D, starts", "rtol", "error", "milliseconds", "× ours"]
    return table(head, rows)


def _slow(runs: Sequence[Sequence[Timed]], readings: dict[str, list[Reading]]) -> str:
    rows = []
    for group in runs:
        walk, observed, whole, *parts = group
        for one in group:
            seconds = [each.seconds for each in readings[one.name]]
            nanoseconds = Spread.of([each / (PATHS * STEPS) * 1e9 for each in seconds])
            said = "" if one.right else "**WRONG:** another end"
            share = "" if one is walk else _share([one], whole, readings)
            to_walk = spread(ratio(readings, one.name, 1, walk.name, 1))
            rows.append([one.name, spread(nanoseconds, 0), to_walk, share, said])
        known = _share([observed, *parts], whole, readings, of_rest=True)
        rows.append([f"the rest, {group[0].name.split(', ', 1)[1]}", "", "", known, ""])
    head = ["what, where", "ns per walker-step", "× walk alone", "share of slow_weights", "check"]
    return table(head, rows)


def _share(
    those: Sequence[Timed],
    whole: Timed,
    readings: dict[str, list[Reading]],
    of_rest: bool = False,
) -> str:
    """Return which part of the whole those take, or leave, in percent."""
    taken = [
        sum(one.seconds for one in each) / all_of_it.seconds
        for *each, all_of_it in zip(
            *[readings[one.name] for one in those], readings[whole.name], strict=True
        )
    ]
    return spread(Spread.of([100 * (1 - one if of_rest else one) for one in taken]), 0) + " %"
