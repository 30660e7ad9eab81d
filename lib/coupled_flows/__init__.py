"""Coupled Flows: walks, generators and laws on manifolds.

The library of the book of the same name. Everything a page of the book uses is importable from
here. The conventions, which differ between libraries: the diffusion is
dX = -grad U dt + sqrt(2/beta) dB, its generator L = (1/beta) Lap - <grad U, grad>, negative
semidefinite; points are rows of `(n, p)` arrays; randomness comes from an explicit
`numpy.random.Generator`.
"""

import typing

from coupled_flows.coupled.closure import GaussianClosure
from coupled_flows.coupled.equilibrium import at_rest, second_moment_bound, stable_state
from coupled_flows.coupled.euler import evolve_walk
from coupled_flows.coupled.flow import CoupledFlow
from coupled_flows.coupled.functional import Coupling
from coupled_flows.coupled.gossip import simulate_gossip
from coupled_flows.coupled.naive import NaiveCoupling
from coupled_flows.coupled.network import Network
from coupled_flows.coupled.points import settle
from coupled_flows.coupled.synchronous import simulate_synchronous
from coupled_flows.display.ledger import Claim, Ledger
from coupled_flows.generators.circle import FourierGenerator
from coupled_flows.generators.data import DataWalk
from coupled_flows.generators.gaussian import GaussianGenerator
from coupled_flows.generators.graph import GraphGenerator
from coupled_flows.generators.harmonic import HarmonicGenerator
from coupled_flows.generators.mesh import MeshGenerator
from coupled_flows.generators.operators import Transition
from coupled_flows.generators.zonal import ZonalGenerator
from coupled_flows.geometry.errors import DivergenceError
from coupled_flows.geometry.manifolds import Euclidean, Sphere, Torus
from coupled_flows.geometry.potentials import (
    Embedding,
    Potential,
    fourier,
    linear,
    quadratic,
    zero,
)
from coupled_flows.geometry.surfaces import icosphere, torus_mesh
from coupled_flows.measure.cells import CircleCells, ZonalCells
from coupled_flows.measure.circle import CircleLaw
from coupled_flows.measure.convergence import Order, fit_order, sweep
from coupled_flows.measure.density import DensityLaw
from coupled_flows.measure.estimates import Estimate
from coupled_flows.measure.features import correlation, principal_angles, stable_rank
from coupled_flows.measure.harmonic import HarmonicLaw
from coupled_flows.measure.laws import GaussianLaw, PointLaw
from coupled_flows.measure.samples import NoiseFloor, coupled_distance, noise_floor
from coupled_flows.measure.separation import (
    fisher_ratio,
    linear_accuracy,
    linear_margin,
    over_splits,
)
from coupled_flows.measure.wasserstein import wasserstein
from coupled_flows.measure.zonal import RingLaw, ZonalLaw
from coupled_flows.walks.batches import batch_means
from coupled_flows.walks.coupling import simulate_coupled
from coupled_flows.walks.engine import simulate
from coupled_flows.walks.langevin import Langevin
from coupled_flows.walks.paths import PathSum, feynman_kac, time_average
from coupled_flows.walks.reversible import BarkerWalk, MetropolisWalk
from coupled_flows.walks.steps import BoundedWalk, GeodesicWalk, RetractionWalk
from coupled_flows.weights.averaging import slow_weights
from coupled_flows.weights.flows import HebbFlow, SangerFlow, SubspaceFlow, TraceFlow
from coupled_flows.weights.fluctuation import fluctuation_covariance
from coupled_flows.weights.stability import step_limit

if typing.TYPE_CHECKING:
    from coupled_flows.display.explorer import explore

__version__ = "0.1.0"

__all__ = [
    "BarkerWalk",
    "BoundedWalk",
    "CircleCells",
    "CircleLaw",
    "Claim",
    "CoupledFlow",
    "Coupling",
    "DataWalk",
    "DensityLaw",
    "DivergenceError",
    "Embedding",
    "Estimate",
    "Euclidean",
    "FourierGenerator",
    "GaussianClosure",
    "GaussianGenerator",
    "GaussianLaw",
    "GeodesicWalk",
    "GraphGenerator",
    "HarmonicGenerator",
    "HarmonicLaw",
    "HebbFlow",
    "Langevin",
    "Ledger",
    "MeshGenerator",
    "MetropolisWalk",
    "NaiveCoupling",
    "Network",
    "NoiseFloor",
    "Order",
    "PathSum",
    "PointLaw",
    "Potential",
    "RetractionWalk",
    "RingLaw",
    "SangerFlow",
    "Sphere",
    "SubspaceFlow",
    "Torus",
    "TraceFlow",
    "Transition",
    "ZonalCells",
    "ZonalGenerator",
    "ZonalLaw",
    "at_rest",
    "batch_means",
    "correlation",
    "coupled_distance",
    "evolve_walk",
    "explore",
    "feynman_kac",
    "fisher_ratio",
    "fit_order",
    "fluctuation_covariance",
    "fourier",
    "icosphere",
    "linear",
    "linear_accuracy",
    "linear_margin",
    "noise_floor",
    "over_splits",
    "principal_angles",
    "quadratic",
    "second_moment_bound",
    "settle",
    "simulate",
    "simulate_coupled",
    "simulate_gossip",
    "simulate_synchronous",
    "slow_weights",
    "stable_rank",
    "stable_state",
    "step_limit",
    "sweep",
    "time_average",
    "torus_mesh",
    "wasserstein",
    "zero",
]


def __getattr__(name: str) -> typing.Any:
    """Import what draws when it is asked for: it needs more than the rest of the library."""
    if name != "explore":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from coupled_flows.display.explorer import explore
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"explore needs {error.name}: install coupled-flows[display]", name=error.name
        ) from error
    globals()[name] = explore
    return explore
