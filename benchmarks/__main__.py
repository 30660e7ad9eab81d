"""Run the benchmarks, print their tables, write them to _build/bench/report.md.

python -m benchmarks [walks] [laws] [data] [poisson] [weights] [coupled] [build]
                     [--rounds 5] [--walkers 100000] [--no-peers]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks import build, coupled, data, laws, poisson, walks, weights
from benchmarks.report import PARTS, Result, write

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "_build" / "bench"


def main(arguments: list[str] | None = None) -> int:
    """Run the parts that were asked for; 1 if a row is missing or computes something else.

    A target that is not reached is reported, and is no failure: how fast a machine is that
    moment says nothing about the code.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; or all")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, default 5")
    parser.add_argument("--walkers", type=int, default=100_000, help="walkers, default 100000")
    parser.add_argument("--no-peers", action="store_true", help="install and time no peers")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.parts) - set(PARTS))
    if unknown:
        parser.error(f"part must be one of {', '.join(PARTS)}; got {', '.join(unknown)}")
    if options.rounds < 1 or options.walkers < 1:
        parser.error("--rounds and --walkers must be at least 1")

    sound = True
    for part in [name for name in PARTS if name in options.parts or not options.parts]:
        print(f"{PARTS[part]}", flush=True)
        result = _run(part, options)
        sound &= result.sound
        report = write(ROOT, FOLDER, part, result, options.rounds)
        print(f"\n{(FOLDER / part).with_suffix('.md').read_text(encoding='utf8')}", flush=True)
    print(f"The report is in {report.relative_to(ROOT)}")
    if not sound:
        print(
            "A row is missing, or its check says that it computes something else; see above",
            file=sys.stderr,
        )
    return 0 if sound else 1


def _run(part: str, options: argparse.Namespace) -> Result:
    if part == "walks":
        return walks.run(FOLDER, options.walkers, options.rounds, not options.no_peers)
    if part == "laws":
        return laws.run(options.rounds)
    if part == "data":
        return data.run(options.rounds, not options.no_peers)
    if part == "poisson":
        return poisson.run(options.rounds)
    if part == "weights":
        return weights.run(options.rounds)
    if part == "coupled":
        return coupled.run(options.rounds)
    return build.run(ROOT, options.rounds)


if __name__ == "__main__":
    raise SystemExit(main())
