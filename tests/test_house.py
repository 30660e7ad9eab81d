"""The house: which floor may know which, how long a room may be, what a public name owes."""

from __future__ import annotations

import ast
import functools
import graphlib
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import coupled_flows
from coupled_flows import (
    Euclidean,
    FourierGenerator,
    GaussianLaw,
    Langevin,
    PointLaw,
    RingLaw,
    Sphere,
    Torus,
    ZonalGenerator,
    linear,
    noise_floor,
    zero,
)
from coupled_flows.walks.steps import Walk

HOUSE = Path(coupled_flows.__file__).parent
NAME = HOUSE.name
FLOORS = ["geometry", "measure", "walks", "generators", "weights", "coupled", "display"]
ROOMS = sorted(HOUSE.rglob("*.py"))
every_room = pytest.mark.parametrize("room", ROOMS, ids=lambda room: str(room.relative_to(HOUSE)))
# a room that is longer, with the reason why it cannot be divided
LONG: dict[str, str] = {
    "geometry/manifold.py": "every method of the contract, each with its docstring",
}
LONGEST = 320
# what only display may import
PICTURES = {"matplotlib", "ipywidgets", "IPython"}
# what the wheel of the library alone brings
WHEEL = {"numpy", "scipy", "ot", "sklearn", "pyamg"}
# the contract of the architecture, as far as it is built
CONTRACT = {
    *["Euclidean", "Torus", "Sphere", "Potential", "Embedding", "DivergenceError"],
    *["zero", "fourier", "linear", "quadratic"],
    *["Langevin", "simulate", "GeodesicWalk", "BoundedWalk", "RetractionWalk"],
    *["MetropolisWalk", "BarkerWalk"],
    *["PathSum", "time_average", "batch_means", "feynman_kac"],
    *["FourierGenerator", "ZonalGenerator", "GaussianGenerator", "Transition"],
    *["HarmonicGenerator", "HarmonicLaw"],
    *["DataWalk", "GraphGenerator", "MeshGenerator", "icosphere", "torus_mesh"],
    *["HebbFlow", "TraceFlow", "SubspaceFlow", "SangerFlow"],
    *["principal_angles", "stable_rank", "correlation", "fisher_ratio"],
    *["linear_accuracy", "linear_margin", "over_splits"],
    *["Network", "simulate_gossip"],
    *["simulate_coupled", "coupled_distance", "DensityLaw", "NoiseFloor"],
    *["slow_weights", "fluctuation_covariance"],
    *["CoupledFlow", "Coupling", "NaiveCoupling", "GaussianClosure", "simulate_synchronous"],
    *["at_rest", "stable_state", "second_moment_bound", "CircleCells", "ZonalCells"],
    *["PointLaw", "GaussianLaw", "wasserstein", "noise_floor", "Estimate", "fit_order", "sweep"],
    *["explore", "Claim", "Ledger"],
}


def module_name(room: Path) -> str:
    parts = [NAME, *room.relative_to(HOUSE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def tree(room: Path) -> ast.Module:
    return ast.parse(room.read_text(encoding="utf-8"))


def imports(room: Path, *, inside_functions: bool = True) -> set[str]:
    """Names of all modules that a room imports, as written, relative ones made absolute."""
    found: set[str] = set()
    body: list[ast.AST] = list(tree(room).body)
    while body:
        node = body.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = module_name(room).split(".")
            if room.name != "__init__.py":
                package.pop()
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            # `from a import b` may import the module a.b
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
        elif inside_functions or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body.extend(ast.iter_child_nodes(node))
    return found


def rooms_known_to(room: Path) -> set[str]:
    """Return the other rooms of the house that a room imports."""
    every = {module_name(other) for other in ROOMS}
    return (imports(room) & every) - {module_name(room)}


def floor_of(module: str) -> int:
    return FLOORS.index(module.split(".")[1])


# -- the arrows -------------------------------------------------------------------------------


@every_room
def test_every_room_is_on_a_floor(room: Path) -> None:
    parts = room.relative_to(HOUSE).parts
    assert parts == ("__init__.py",) or (len(parts) == 2 and parts[0] in FLOORS)


@every_room
def test_a_room_knows_only_the_floors_below_and_its_own(room: Path) -> None:
    if room == HOUSE / "__init__.py":
        return  # it names what the book uses, from every floor
    known = rooms_known_to(room)
    assert NAME not in known, "the library imports itself by its front door"
    above = {other for other in known if floor_of(other) > floor_of(module_name(room))}
    assert not above


@pytest.mark.parametrize("floor", FLOORS)
def test_inside_a_floor_the_arrows_run_one_way(floor: str) -> None:
    graph = {
        module_name(room): {
            other for other in rooms_known_to(room) if other.startswith(f"{NAME}.{floor}.")
        }
        for room in ROOMS
        if room.parent.name == floor
    }
    # raises CycleError with the rooms in a circle
    tuple(graphlib.TopologicalSorter(graph).static_order())


@every_room
def test_only_display_draws(room: Path) -> None:
    if room.parent.name != "display":
        assert not {name.split(".")[0] for name in imports(room)} & PICTURES


@every_room
def test_what_is_imported_at_once_is_in_the_wheel(room: Path) -> None:
    if room.parent.name == "display":
        return  # an extra
    at_once = {name.split(".")[0] for name in imports(room, inside_functions=False)}
    assert at_once <= WHEEL | {NAME} | sys.stdlib_module_names


def test_the_library_imports_without_its_extras() -> None:
    script = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({sorted(PICTURES | {'tqdm'})!r}))\n"
        "import coupled_flows\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_imports_of_a_room_are_read_right(tmp_path: Path) -> None:
    # the reader of imports is itself read: relative, aliased, nested and conditional imports
    room = HOUSE / "walks" / "imagined.py"
    source = "import a.b as c\nfrom .steps import Walk\nfrom .. import geometry\n"
    source += "if True:\n    from x import y\ndef f():\n    import z\n"
    imagined = tmp_path / "imagined.py"
    imagined.write_text(source, encoding="utf-8")
    original, parsed = tree, ast.parse(source)
    globals()["tree"] = lambda path: parsed if path == room else original(path)
    try:
        whole, at_once = imports(room), imports(room, inside_functions=False)
    finally:
        globals()["tree"] = original
    assert whole == {
        "a.b", "coupled_flows.walks.steps", "coupled_flows.walks.steps.Walk",
        "coupled_flows", "coupled_flows.geometry", "x", "x.y", "z",
    }  # fmt: skip
    assert whole - at_once == {"z"}


# -- rooms --------------------------------------------------------------------------------------


@every_room
def test_a_room_is_read_in_one_sitting(room: Path) -> None:
    name = str(room.relative_to(HOUSE))
    length = len(room.read_text(encoding="utf-8").splitlines())
    assert length <= LONGEST or name in LONG


def test_no_room_is_listed_as_long_without_need() -> None:
    for name, reason in LONG.items():
        assert len((HOUSE / name).read_text(encoding="utf-8").splitlines()) > LONGEST
        assert reason


@every_room
def test_no_room_is_a_lumber_room(room: Path) -> None:
    assert not {"utils", "helpers", "common", "misc"} & {
        part.removesuffix(".py") for part in room.relative_to(HOUSE).parts
    }


@every_room
def test_a_room_keeps_no_state_of_chance_and_says_what_it_is(room: Path) -> None:
    assert ast.get_docstring(tree(room))
    # no global generator: only classes and constructors of numpy.random are used by name
    allowed = {"Generator", "SeedSequence", "SFC64", "PCG64", "default_rng", "BitGenerator"}
    source = room.read_text(encoding="utf-8")
    assert set(re.findall(r"np\.random\.(\w+)", source)) <= allowed
    assert not re.search(r"^\w+ *(:[^=]*)?= *np\.random\.", source, flags=re.MULTILINE)


# -- public names -----------------------------------------------------------------------------


def public() -> list[str]:
    house: ModuleType = importlib.import_module(NAME)
    return list(house.__all__)


def test_the_contract_is_public() -> None:
    assert set(public()) >= CONTRACT


def test_the_public_names_are_said_once_in_order_and_exist() -> None:
    names = public()
    assert len(names) == len(set(names))
    for name in names:
        assert getattr(coupled_flows, name) is not None
    visible = {
        name
        for name, thing in vars(coupled_flows).items()
        if not name.startswith("_") and not inspect.ismodule(thing) and name != "annotations"
    }
    assert visible == {name for name in names if not name.startswith("_")}


def sections(thing: Any) -> set[str]:
    doc = inspect.getdoc(thing) or ""
    return set(re.findall(r"^(\w+)\n-{3,}$", doc, flags=re.MULTILINE))


def takes_something(thing: Any) -> bool:
    return any(name != "self" for name in inspect.signature(thing).parameters)


def test_every_public_name_says_what_it_takes_what_it_raises_and_how_it_is_used() -> None:
    missing: dict[str, set[str]] = {}
    for name in public():
        thing = getattr(coupled_flows, name)
        if not callable(thing):
            continue
        owed = {"Examples"}
        if takes_something(thing):
            owed |= {"Parameters", "Raises"}
        if inspect.isclass(thing) and issubclass(thing, BaseException):
            owed -= {"Raises"}  # it is what is raised
        if thing.__doc__ is None:
            owed |= {"a docstring"}
        if owed - sections(thing):
            missing[name] = owed - sections(thing)
    assert not missing


def test_every_public_parameter_is_described() -> None:
    missing = []
    for name in public():
        thing = getattr(coupled_flows, name)
        if not callable(thing) or not takes_something(thing):
            continue
        doc = inspect.getdoc(thing) or ""
        found = re.search(r"^Parameters\n-+\n(.*?)(?=^\w+\n-{3,}$|\Z)", doc, flags=re.M | re.S)
        listed = re.findall(r"^([\w, *]+) *:", found[1], flags=re.M) if found else []
        described = {part.strip(" *") for line in listed for part in line.split(",")}
        missing += [
            f"{name}({argument})"
            for argument in inspect.signature(thing).parameters
            if argument not in described
        ]
    assert not missing


def test_every_public_method_has_a_docstring() -> None:
    silent = [
        f"{name}.{method}"
        for name in public()
        if inspect.isclass(thing := getattr(coupled_flows, name))
        for method, code in inspect.getmembers(thing, inspect.isfunction)
        if not method.startswith("_")
        and code.__module__.startswith(NAME)
        and not inspect.getdoc(getattr(thing, method))
    ]
    assert not silent


# -- chance -----------------------------------------------------------------------------------

POINTS = np.array([[0.0, 0.6, 0.8]])
PROBLEM = Langevin(Sphere(2), linear([0.0, 0.0, -1.0]))


def on_circle() -> coupled_flows.CircleLaw:
    return FourierGenerator(Langevin(Torus(1), zero()), 4).law(lambda x: np.ones(len(x)))


def on_sphere() -> coupled_flows.ZonalLaw:
    return ZonalGenerator(PROBLEM, 24).law(lambda z: np.ones(len(z)))


def step_of(kind: str) -> Callable[[Any], object]:
    walk: Walk = getattr(coupled_flows, kind)(PROBLEM, 0.1)
    return lambda rng: walk.step_from(POINTS, rng)


# every public callable that takes an rng, with its other arguments good
CHANCE: dict[str, Callable[[Any], object]] = {
    "simulate": lambda rng: coupled_flows.simulate(
        coupled_flows.GeodesicWalk(PROBLEM, 0.1), POINTS, 1, rng
    ),
    "simulate_coupled": lambda rng: coupled_flows.simulate_coupled(
        coupled_flows.GeodesicWalk(PROBLEM, 0.2),
        coupled_flows.GeodesicWalk(PROBLEM, 0.1),
        POINTS,
        1,
        rng,
    ),
    "time_average": lambda rng: coupled_flows.time_average(
        coupled_flows.GeodesicWalk(PROBLEM, 0.1), lambda x: x, POINTS, 2, rng
    ),
    "batch_means": lambda rng: (
        coupled_flows.batch_means(
            coupled_flows.GeodesicWalk(PROBLEM, 1.0),
            lambda x: x,
            np.repeat(POINTS, 3, 0),
            30,
            5,
            rng,
        ).covariance
    ),
    "feynman_kac": lambda rng: (
        coupled_flows.feynman_kac(
            coupled_flows.GeodesicWalk(PROBLEM, 1.0), lambda x: x[:, 0], 1.0, POINTS, 2, rng
        ).value
    ),
    "slow_weights": lambda rng: (
        coupled_flows.slow_weights(
            FourierGenerator(on_the_circle := Langevin(Torus(1), zero()), 4).transition(
                coupled_flows.GeodesicWalk(on_the_circle, 0.1)
            ),
            "trace",
            np.eye(2),
            *(1.0, 0.2, np.ones((2, 1)), rng),
        ).weights
    ),
    "CoupledFlow.simulate_particles": lambda rng: (
        coupled_flows.CoupledFlow(PROBLEM, 1.0)
        .simulate_particles(np.repeat(POINTS, 3, 0), [[0.0, 0.6, 0.8]], 0.1, 2, rng)
        .weights
    ),
    "simulate_synchronous": lambda rng: (
        coupled_flows.simulate_synchronous(
            PROBLEM,
            coupled_flows.Coupling("logdet", 1.0),
            np.repeat(POINTS, 3, 0),
            [[[0.0, 0.6, 0.8]]] * 3,
            [np.eye(3) / 3] * 3,
            0.1,
            rng,
        ).copies
    ),
    "simulate_gossip": lambda rng: (
        coupled_flows.simulate_gossip(
            PROBLEM,
            coupled_flows.Network.ring(1),
            POINTS,
            [[1.0, 0.0, 0.0]],
            0.1,
            1,
            rng,
            kappa=1.0,
        ).points
    ),
    **{
        f"{kind}.step_from": step_of(kind)
        for kind in (
            "GeodesicWalk",
            "RetractionWalk",
            "BoundedWalk",
            "MetropolisWalk",
            "BarkerWalk",
        )
    },
    "Euclidean.random_point": lambda rng: Euclidean(3).random_point(2, rng),
    "Torus.random_point": lambda rng: Torus(3).random_point(2, rng),
    "Sphere.random_point": lambda rng: Sphere(2).random_point(2, rng),
    "Euclidean.random_tangent": lambda rng: Euclidean(3).random_tangent(POINTS, rng),
    "Torus.random_tangent": lambda rng: Torus(3).random_tangent(POINTS, rng),
    "Sphere.random_tangent": lambda rng: Sphere(2).random_tangent(POINTS, rng),
    "PointLaw.sample": lambda rng: PointLaw(np.arange(9.0)[:, None], manifold=Euclidean(1)).sample(
        9, rng
    ),
    "GaussianLaw.sample": lambda rng: GaussianLaw(np.zeros(1), np.eye(1)).sample(3, rng),
    "RingLaw.sample": lambda rng: RingLaw(np.array([0.5])).sample(3, rng),
    "DensityLaw.sample": lambda rng: coupled_flows.DensityLaw(
        lambda x: 1 + x[:, 0], 2.0, Sphere(2)
    ).sample(3, rng),
    "CircleLaw.sample": lambda rng: on_circle().sample(3, rng),
    "ZonalLaw.sample": lambda rng: on_sphere().sample(3, rng),
    "CircleCells.sample": lambda rng: coupled_flows.CircleCells.uniform(4).sample(3, rng),
    "ZonalCells.sample": lambda rng: coupled_flows.ZonalCells.uniform(4).sample(3, rng),
    "HarmonicLaw.sample": lambda rng: coupled_flows.HarmonicLaw.from_density(
        lambda x: 1 + x[:, 0], 2
    ).sample(3, rng),
    "noise_floor": lambda rng: noise_floor(on_circle(), 5, rng, repeats=2).value,
}
# the engine's inner loop: it hands a checked generator on
UNCHECKED = {"advance"}


def takes_chance(thing: Any) -> bool:
    try:
        return "rng" in inspect.signature(thing).parameters
    except (TypeError, ValueError):
        return False


def test_every_public_callable_that_takes_chance_is_tried() -> None:
    found = set()
    for name in public():
        thing = getattr(coupled_flows, name)
        if callable(thing) and takes_chance(thing):
            found.add(name)
        if inspect.isclass(thing):
            found |= {
                f"{name}.{method}"
                for method, code in inspect.getmembers(thing, inspect.isfunction)
                if not method.startswith("_") and method not in UNCHECKED and takes_chance(code)
            }
    assert found == set(CHANCE)


@pytest.mark.parametrize("name", CHANCE)
@pytest.mark.parametrize("seed", [1, 0, None, np.int64(3), np.random, np.random.PCG64(1)], ids=repr)
def test_a_seed_is_not_a_generator(name: str, seed: Any) -> None:
    with pytest.raises(TypeError, match=r"rng must be a numpy\.random\.Generator.*got "):
        CHANCE[name](seed)


@pytest.mark.parametrize("name", CHANCE)
def test_chance_is_used_and_repeats_with_its_seed(name: str) -> None:
    first, again, other = (CHANCE[name](np.random.default_rng(seed)) for seed in (1, 1, 4))
    assert np.array_equal(first, again)  # type: ignore[arg-type]
    assert not np.array_equal(first, other)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", sorted(Path(__file__).parent.rglob("*.py")), ids=lambda p: p.name)
def test_no_relative_tolerance_hides_beside_an_absolute_one(path: Path) -> None:
    # NumPy's default is 1e-7, whatever `atol` says
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("assert_allclose"):
            named = {keyword.arg for keyword in node.keywords}
            assert "atol" not in named or "rtol" in named, ast.unparse(node)
