"""What is timed, and against which peers. Run it with `python -m benchmarks`."""

import os

# A row that says one thread must be one, and matrix products would start more. This has to be set
# before NumPy is first imported, so here.
for _library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR"):
    os.environ[f"{_library}_NUM_THREADS"] = "1"
os.environ["VECLIB_MAXIMUM_THREADS"] = "1"
