"""What stands at the root: the lock, the README's experiment, CONTRIBUTING, the workflows."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import yaml

from tests.second.checks import seconds

ROOT = Path(__file__).resolve().parent.parent


def test_lock_pins_everything_and_names_no_host() -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf8").splitlines()
    entries = [line for line in lines if line and not line.lstrip().startswith("#")]
    assert entries[0] == "-e ."
    assert all(re.match(r"[A-Za-z0-9._-]+==\S+( ; .+)?$", line) for line in entries[1:])
    for name in ("requirements.txt", "package-lock.json"):
        assert "://" not in (ROOT / name).read_text(encoding="utf8")


def test_lock_holds_every_dependency_that_pyproject_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf8"))["project"]
    named = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    lock = (ROOT / "requirements.txt").read_text(encoding="utf8").lower()
    for requirement in named:
        name = re.split(r"[^A-Za-z0-9._-]", requirement)[0].lower()
        assert re.search(rf"^{re.escape(name)}==", lock, re.MULTILINE), name


def test_library_alone_needs_four_packages() -> None:
    """The wheel imports where plotting, widgets and the book are not installed."""
    code = """
import sys

class Absent:
    names = {"matplotlib", "ipywidgets", "IPython", "tqdm", "sphinx", "myst_nb", "jupyter_cache"}

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import coupled_flows
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_first_experiment_of_the_readme_runs() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf8")
    code = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert len(code) == 1
    done = subprocess.run([sys.executable, "-c", code[0]], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    slope = re.match(r"(\d\.\d+) \[", done.stdout)
    assert slope is not None, done.stdout
    assert abs(float(slope[1]) - 1) <= 0.005  # see CONTRIBUTING.md


def test_contributing_derives_the_tolerances_of_every_test_file() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf8")
    row = r"\|(?: [^|]+ \|){3}\n"
    table = rf"^### `tests/([\w/]+\.py)`\n\n{row}\|---\|---\|---\|\n{row}"
    derived = re.findall(table, text, re.MULTILINE)
    files = [path.name for path in (ROOT / "tests").glob("test_*.py")]
    of_pages = [f"{page.replace('book', 'second', 1)}.py" for page in seconds()]
    assert sorted(derived) == sorted(files + of_pages)


def test_citation_names_the_version_of_the_library() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf8"))["project"]
    assert citation["version"] == project["version"]


def test_workflows_call_make_targets_alone() -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf8"), re.MULTILINE)
    for path in (ROOT / ".github/workflows").glob("*.yml"):
        jobs = yaml.safe_load(path.read_text(encoding="utf8"))["jobs"]
        for job in jobs.values():
            for step in job["steps"]:
                command = step.get("run", "make test").split()
                # what only the workflow may do: open an issue, push a branch of made files
                assert command[:2] in (["gh", "issue"], ["git", "init"]) or (
                    command[0] == "make" and command[1] in targets
                )
