"""Pack the book into one file that works from disk: dist/coupled-flows.zip.

python -m tools.bundle            the full edition
python -m tools.bundle --quick    the quick edition

The same site and commit give the same bytes.
"""

from __future__ import annotations

import argparse
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

from tools import provenance
from tools.build import BuildFailedError, build

ROOT = Path(__file__).resolve().parent.parent
FOLDER = "coupled-flows"
# What only a web server, another build or another book's links would ask for.
NOT_PACKED = {"404.html", ".buildinfo", "objects.inv"}
OLDEST = datetime(1980, 1, 1, tzinfo=UTC)  # before which a zip knows no date


def main(arguments: list[str] | None = None) -> int:
    """Build one edition, pack it and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.bundle", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="pack the quick edition")
    edition = "quick" if parser.parse_args(arguments).quick else "full"
    target = ROOT / "dist" / f"coupled-flows{'-quick' * (edition == 'quick')}.zip"
    try:
        pack(ROOT, build(ROOT, edition), target, edition)
    except BuildFailedError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    print(f"\nThe book to hand out ({edition} edition): {target.relative_to(ROOT)}")
    print(f"Unpack it and open {FOLDER}/index.html in a browser; it needs no network.")
    return 0


def pack(root: Path, site: Path, target: Path, edition: str) -> None:
    """Write a built site, a note and the licence into one zip file."""
    made = provenance.date_of(root) or OLDEST
    content = {
        path.relative_to(site).as_posix(): path.read_bytes()
        for path in site.rglob("*")
        if path.is_file() and path.name not in NOT_PACKED
    }
    content["START_HERE.txt"] = _note(root, edition).encode()
    content["LICENSE.txt"] = (root / "LICENSE").read_bytes()
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w") as bundle:
        for name in sorted(content):
            entry = zipfile.ZipInfo(f"{FOLDER}/{name}", max(made, OLDEST).timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # whose rights the next line gives: a file that all may read
            entry.external_attr = 0o100644 << 16
            bundle.writestr(entry, content[name], compresslevel=9)


def _note(root: Path, edition: str) -> str:
    return f"""\
Coupled Flows: a computational companion

Open index.html in a browser. Nothing is installed, and nothing is asked of the network:
mathematics, figures, sliders and the search work from this folder. Keep the folder together.

The button with the arrow at the top of a page gives its source, to run it where the library
coupled_flows is installed.

{provenance.EDITIONS[edition]}, {provenance.commit_of(root)}
Text and figures: CC BY 4.0. Code: BSD 3-Clause. See LICENSE.txt. The letters of formulas are
MathJax's (Apache License 2.0).
"""


if __name__ == "__main__":
    raise SystemExit(main())
