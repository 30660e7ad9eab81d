"""Coupled Flows: walks, generators and laws on manifolds.

The library of the book of the same name. Everything a page of the book uses is importable from
here. The conventions, which differ between libraries: the diffusion is
dX = -grad U dt + sqrt(2/beta) dB, its generator L = (1/beta) Lap - <grad U, grad>, negative
semidefinite; points are rows of `(n, p)` arrays; randomness comes from an explicit
`numpy.random.Generator`.
"""

from coupled_flows.display.ledger import Claim, Ledger
from coupled_flows.generators.circle import FourierGenerator
from coupled_flows.generators.gaussian import GaussianGenerator
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
from coupled_flows.measure.circle import CircleLaw
from coupled_flows.measure.convergence import Order, fit_order, sweep
from coupled_flows.measure.estimates import Estimate
from coupled_flows.measure.laws import GaussianLaw, PointLaw
from coupled_flows.measure.wasserstein import noise_floor, wasserstein
from coupled_flows.measure.zonal import RingLaw, ZonalLaw
from coupled_flows.walks.engine import simulate
from coupled_flows.walks.langevin import Langevin
from coupled_flows.walks.reversible import BarkerWalk, MetropolisWalk
from coupled_flows.walks.steps import BoundedWalk, GeodesicWalk, RetractionWalk

__version__ = "0.1.0"

__all__ = [
    "BarkerWalk",
    "BoundedWalk",
    "CircleLaw",
    "Claim",
    "DivergenceError",
    "Embedding",
    "Estimate",
    "Euclidean",
    "FourierGenerator",
    "GaussianGenerator",
    "GaussianLaw",
    "GeodesicWalk",
    "Langevin",
    "Ledger",
    "MetropolisWalk",
    "Order",
    "PointLaw",
    "Potential",
    "RetractionWalk",
    "RingLaw",
    "Sphere",
    "Torus",
    "Transition",
    "ZonalGenerator",
    "ZonalLaw",
    "fit_order",
    "fourier",
    "linear",
    "noise_floor",
    "quadratic",
    "simulate",
    "sweep",
    "wasserstein",
    "zero",
]
