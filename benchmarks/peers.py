"""The peers, in an environment of their own: a program that the benchmark starts and talks to.

    python peers.py torch|jax THREADS WALKERS STEPS

It imports nothing of this project. On its output it writes one JSON object a line: first what it
offers; then, for every name that it reads, what that peer's next STEPS steps took. All solve the
same problem: dX = -grad U dt + sqrt(2) dB on S^2 with U = -2 z, in steps of 0.01.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

SLOPE, STEP = 2.0, 0.01
# With the fields -grad U and I - y y' as they stand, walkers that come off the sphere are driven
# further away until they overflow. Made homogeneous of degree one, the fields are tangent to
# every sphere about 0 and give y / |y| the same law on each. Every run starts on the sphere.
AMBIENT = "ambient R^3, Stratonovich"


@dataclass
class Peer:
    """One peer: `advance(x)` takes all steps from its own array of points, and has finished."""

    name: str
    width: int
    computes: str
    x: Any
    advance: Callable[[Any], Any]
    rows: Callable[[Any], Any]  # its array as (n, 3)

    def run(self) -> dict[str, float]:
        """Take the next steps, timed; say where the walkers are."""
        wall, processor = time.perf_counter(), time.process_time()
        self.x = self.advance(self.x)
        seconds = time.perf_counter() - wall
        cores = (time.process_time() - processor) / seconds
        points = np.asarray(self.rows(self.x), dtype=np.float64)
        radius = np.linalg.norm(points, axis=1)
        z = points[:, 2] / radius
        return {
            "seconds": seconds,
            "cores": cores,
            "check": float(z.mean()),
            "deviation": float(z.std()),
            "off": float(np.abs(radius - 1).max()),
        }


def start(walkers: int) -> Any:
    """Return uniform points (n, 3)."""
    x = np.random.default_rng(0).standard_normal((walkers, 3))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def torch_peers(threads: int, walkers: int, steps: int) -> list[Peer]:
    """Return geoopt and torchsde, each in double and in single precision."""
    import torch  # type: ignore[import-not-found]

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    return [
        make(torch, dtype, walkers, steps)
        for make in (_geoopt, _torchsde)
        for dtype in (torch.float64, torch.float32)
    ]


def _bits(dtype: Any) -> int:
    return 64 if "64" in str(dtype) else 32


def _geoopt(torch: Any, dtype: Any, walkers: int, steps: int) -> Peer:
    import geoopt  # type: ignore[import-not-found]

    sphere = geoopt.Sphere()
    drift = torch.tensor([0.0, 0.0, STEP * SLOPE], dtype=dtype)
    noise = (2 * STEP) ** 0.5

    def advance(x: Any) -> Any:
        with torch.inference_mode():
            for _ in range(steps):
                w = torch.randn(x.shape, dtype=dtype).mul_(noise).add_(drift)
                x = sphere.expmap(x, sphere.proju(x, w))
        return x

    return Peer(
        f"geoopt {version('geoopt')}",
        _bits(dtype),
        "geodesic walk: `Sphere.proju`, `Sphere.expmap`, `torch.randn`",
        torch.tensor(start(walkers), dtype=dtype),
        advance,
        lambda x: x.numpy(),
    )


def _torchsde(torch: Any, dtype: Any, walkers: int, steps: int) -> Peer:
    import torchsde  # type: ignore[import-not-found]

    class Tilt(torch.nn.Module):  # type: ignore[misc]
        noise_type, sde_type = "general", "stratonovich"

        def f(self, t: Any, y: Any) -> Any:
            r = length(y)
            drift = -SLOPE * (y[:, 2:] / r) * y
            drift[:, 2:] += SLOPE * r
            return drift

        def g(self, t: Any, y: Any) -> Any:
            r = length(y)[:, None]
            plane = torch.eye(3, dtype=dtype) * r - y[:, :, None] * y[:, None, :] / r
            return 2**0.5 * plane

        def g_prod(self, t: Any, y: Any, v: Any) -> Any:
            r = length(y)
            return 2**0.5 * (r * v - ((y * v).sum(dim=1, keepdim=True) / r) * y)

        def f_and_g_prod(self, t: Any, y: Any, v: Any) -> Any:
            return self.f(t, y), self.g_prod(t, y, v)

    def length(y: Any) -> Any:
        return y.norm(dim=1, keepdim=True)

    times = torch.tensor([0.0, steps * STEP], dtype=dtype)

    def advance(x: Any) -> Any:
        with torch.inference_mode():
            return torchsde.sdeint(Tilt(), x / length(x), times, dt=STEP, method="euler_heun")[-1]

    return Peer(
        f"torchsde {version('torchsde')}",
        _bits(dtype),
        f"{AMBIENT}: `sdeint(method='euler_heun')`",
        torch.tensor(start(walkers), dtype=dtype),
        advance,
        lambda x: x.numpy(),
    )


def jax_peers(_: int, walkers: int, steps: int) -> list[Peer]:
    """Return JAX by itself and diffrax, each in double and in single precision.

    XLA reads its number of threads from the environment, before it is imported.
    """
    import jax  # type: ignore[import-not-found]

    jax.config.update("jax_enable_x64", True)
    return [
        make(jax, dtype, walkers, steps)
        for make in (_jax, _diffrax)
        for dtype in (jax.numpy.float64, jax.numpy.float32)
    ]


def _keys(jax: Any) -> Callable[[], Any]:
    key = jax.random.key(1)

    def fresh() -> Any:
        nonlocal key
        key, one = jax.random.split(key)
        return one

    return fresh


def _jax(jax: Any, dtype: Any, walkers: int, steps: int) -> Peer:
    jnp, fresh = jax.numpy, _keys(jax)

    def one_step(x: Any, key: Any) -> tuple[Any, None]:
        w = dtype((2 * STEP) ** 0.5) * jax.random.normal(key, x.shape, dtype)
        w = w.at[2].add(dtype(STEP * SLOPE))
        v = w - jnp.sum(w * x, axis=0) * x
        r = jnp.sqrt(jnp.sum(v * v, axis=0))
        return jnp.cos(r) * x + jnp.sin(r) / r * v, None

    @jax.jit  # type: ignore[untyped-decorator]
    def walk(x: Any, key: Any) -> Any:
        return jax.lax.scan(one_step, x, jax.random.split(key, steps))[0]

    return Peer(
        f"JAX {version('jax')}",
        _bits(dtype.dtype),
        "geodesic walk, component-major, own formulas: `jit`, `lax.scan`, `random.normal`",
        jnp.asarray(start(walkers).T, dtype),
        lambda x: walk(x, fresh()).block_until_ready(),
        lambda x: np.asarray(x).T,
    )


def _diffrax(jax: Any, dtype: Any, walkers: int, steps: int) -> Peer:
    import diffrax  # type: ignore[import-not-found]

    jnp, fresh = jax.numpy, _keys(jax)

    def drift(t: Any, y: Any, args: Any) -> Any:
        r = length(y)
        return SLOPE * (jnp.array([0.0, 0.0, 1.0], dtype) * r - y * (y[2] / r))

    def diffusion(t: Any, y: Any, args: Any) -> Any:
        r = length(y)
        return dtype(2**0.5) * (jnp.eye(3, dtype=dtype) * r - jnp.outer(y, y / r))

    def length(y: Any) -> Any:
        return jnp.sqrt(jnp.sum(y * y))

    def one(y: Any, key: Any) -> Any:
        path = diffrax.UnsafeBrownianPath(shape=jax.ShapeDtypeStruct((3,), dtype), key=key)
        return diffrax.diffeqsolve(
            diffrax.MultiTerm(diffrax.ODETerm(drift), diffrax.ControlTerm(diffusion, path)),
            diffrax.EulerHeun(),
            t0=dtype(0),
            t1=dtype(steps * STEP),
            dt0=dtype(STEP),
            y0=y / length(y),
            adjoint=diffrax.DirectAdjoint(),
            max_steps=steps + 2,  # rounding of the times may add one
        ).ys[-1]

    walk = jax.jit(jax.vmap(one))
    return Peer(
        f"diffrax {version('diffrax')}",
        _bits(dtype.dtype),
        f"{AMBIENT}: `EulerHeun`, `UnsafeBrownianPath`, `vmap`",
        jnp.asarray(start(walkers), dtype),
        lambda y: walk(y, jax.random.split(fresh(), walkers)).block_until_ready(),
        np.asarray,
    )


def main() -> None:
    """Offer the peers of one family, then run whichever is asked for."""
    family, threads, walkers, steps = sys.argv[1], *map(int, sys.argv[2:5])
    # Only our own lines may reach the benchmark; what the libraries print goes to the terminal.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(content: object) -> None:
        print(json.dumps(content), file=answers, flush=True)

    peers = {"torch": torch_peers, "jax": jax_peers}[family](threads, walkers, steps)
    answer([{"name": p.name, "width": p.width, "computes": p.computes} for p in peers])
    for line in sys.stdin:
        answer(peers[int(line)].run())


if __name__ == "__main__":
    main()
