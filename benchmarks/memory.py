"""How much memory a walk takes, measured in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# VmHWM is the peak of this program alone; what getrusage reports may be the parent's, from before
# the program was started, so it serves only where there is no /proc.
_PROGRAM = """
import sys
import numpy as np
from coupled_flows import GeodesicWalk, Langevin, Sphere, linear, simulate

def peak():
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) / 1e3 for line in status if line.startswith("VmHWM"))
    except OSError:
        import resource
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return used / (1e6 if sys.platform == "darwin" else 1e3)

walkers, steps = int(sys.argv[1]), int(sys.argv[2])
walk = GeodesicWalk(Langevin(Sphere(2), linear([0.0, 0.0, -2.0])), 0.01)
rng = np.random.default_rng(1)
start = np.tile([0.0, 0.0, 1.0], (walkers, 1))
simulate(walk, start[:10], 1, rng)
before = peak()
simulate(walk, start, steps, rng, threads=2)
print(peak() - before)
"""


def growth(walkers: int, steps: int) -> float | None:
    """Return by how many MB the peak grows during `simulate`; None where it cannot be measured.

    The walk is the geodesic one on S^2 with a linear potential, on two threads.
    """
    lib = Path(__file__).resolve().parent.parent / "lib"
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(walkers), str(steps)],
        capture_output=True,
        text=True,
        check=False,
        cwd=lib,
    )
    if done.returncode != 0:
        print(done.stderr, file=sys.stderr)
        return None
    return float(done.stdout)
