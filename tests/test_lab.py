"""The pages in JupyterLab: saved without a byte changed, and in a real browser."""

from __future__ import annotations

import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import pytest
from nbformat import NotebookNode
from playwright.sync_api import Browser, Locator, Page, expect
from tornado.web import HTTPError

from tools import lab
from tools.pages import pages
from tools.saving import PageManager, save

ROOT = Path(__file__).resolve().parent.parent
BOOK = pages(ROOT)
NAMES = [page.name for page in BOOK]
SMALL = "notation.md"  # its cells run in no time
EXPLORER = "intro.md"  # as do its, and one of them is an explorer
WAIT = 40_000  # milliseconds; a busy machine starts a kernel slowly

# --- saving --------------------------------------------------------------------------------------


@pytest.fixture
def manager(tmp_path: Path) -> PageManager:
    """What JupyterLab opens and saves pages with, over copies of them."""
    for page in BOOK:
        (tmp_path / page.path.name).write_bytes(page.path.read_bytes())
    return PageManager(root_dir=str(tmp_path))


def opened(text: str) -> NotebookNode:
    return jupytext.reads(text, fmt="md:myst")


def cells(text: str) -> list[tuple[str, str, Any]]:
    return [(c.cell_type, c.source.strip("\n"), c.metadata) for c in opened(text).cells]


def run_by_hand(notebook: NotebookNode) -> None:
    """Leave in a notebook what JupyterLab leaves there."""
    notebook.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
    }
    notebook.metadata["language_info"] = {
        "name": "python",
        "pygments_lexer": "ipython3",
        "version": "3.13.1",
    }
    for cell in notebook.cells:
        cell.metadata["trusted"] = True
        if cell.cell_type == "code":
            cell.metadata["execution"] = {"iopub.execute_input": "2026-04-17T00:00:00Z"}
            cell.execution_count = 3
            cell.outputs = [nbformat.v4.new_output("stream", text="0.5\n")]


@pytest.mark.parametrize("page", BOOK, ids=NAMES)
def test_page_is_the_same_after_it_was_opened_run_and_saved(
    manager: PageManager, page: Any
) -> None:
    name = page.path.name
    for run in (lambda notebook: None, run_by_hand):
        model = manager.get(name, type="notebook")
        run(model["content"])
        manager.save({"type": "notebook", "content": dict(model["content"])}, name)
        assert (Path(manager.root_dir) / name).read_bytes() == page.path.read_bytes()


@pytest.mark.parametrize("page", BOOK, ids=NAMES)
def test_only_what_was_edited_changes(page: Any) -> None:
    text = page.path.read_text(encoding="utf8")
    for kind in ("code", "markdown"):
        notebook = opened(text)
        edited = [cell for cell in notebook.cells if cell.cell_type == kind][1:2]
        for cell in edited:
            lines = cell.source.split("\n")
            middle = len(lines) // 2
            cell.source = "\n".join([*lines[:middle], "4 + 4", *lines[middle:]])
        run_by_hand(notebook)
        saved = save(text, notebook).splitlines()
        if edited:
            assert saved.count("4 + 4") == text.splitlines().count("4 + 4") + 1
            saved.remove("4 + 4")
        assert saved == text.splitlines()


PAGE = """\
---
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

(top)=
# A title

Some *words*.

```{code-cell} python
---
mystnb:
  figure:
    caption: |
      A caption longer than the eighty letters after which a writer would break it, $x$.
---

x = 1


```
```{code-cell} python
x + 1
```

More words.

+++

The end.
"""


@pytest.mark.parametrize("kind", ["code", "markdown"])
@pytest.mark.parametrize("place", range(6))
def test_new_cell_leaves_the_others_as_they_are(place: int, kind: str) -> None:
    new = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}[kind]
    notebook = opened(PAGE)
    notebook.cells.insert(place, new("y = 3"))
    run_by_hand(notebook)
    saved = save(PAGE, notebook)
    assert cells(saved)[place][:2] == (kind, "y = 3")
    assert cells(saved)[:place] + cells(saved)[place + 1 :] == cells(PAGE)
    rest = iter(saved.splitlines())
    assert all(line in rest for line in PAGE.splitlines() if line not in {"", "+++"})  # in order
    assert "ipython3" not in saved


@pytest.mark.parametrize("gone", range(5))
def test_deleted_cell_leaves_the_others_as_they_are(gone: int) -> None:
    notebook = opened(PAGE)
    del notebook.cells[gone]
    saved = save(PAGE, notebook)
    assert cells(saved) == cells(PAGE)[:gone] + cells(PAGE)[gone + 1 :]
    assert ("A caption longer than" in saved) == (gone != 1)
    assert re.search(r"\n\n\n\n", saved) is None


def test_cells_in_any_order_are_saved_in_that_order() -> None:
    for order in itertools.permutations(range(5)):
        notebook = opened(PAGE)
        notebook.cells = [notebook.cells[place] for place in order]
        assert cells(save(PAGE, notebook)) == [cells(PAGE)[place] for place in order]


@pytest.mark.parametrize(
    "source",
    ["", "\n\n", "---\na: 1\n---", ":a: 1", '"""\n```\n"""', "x\n+++\ny", "```{code-cell}\n1\n```"],
)
@pytest.mark.parametrize("place", range(5))
def test_strange_text_is_saved_as_jupytext_would(place: int, source: str) -> None:
    notebook = opened(PAGE)
    notebook.cells[place].source = source
    assert cells(save(PAGE, notebook)) == cells(jupytext.writes(notebook, fmt="md:myst"))
    assert save(PAGE, notebook).startswith(PAGE[: PAGE.index("(top)")])


def test_tags_of_the_first_cell_are_saved_and_go_with_it() -> None:
    for kind in ("markdown", "code"):
        notebook = opened(PAGE if kind == "markdown" else PAGE[PAGE.index("```") :])
        notebook.cells[0].metadata["tags"] = ["mine"]
        expected = [(c.cell_type, c.source.strip("\n"), c.metadata) for c in notebook.cells]
        saved = save(PAGE, notebook)
        assert cells(saved) == expected
        assert save(saved, opened(saved)) == saved
        del notebook.cells[0]
        assert cells(save(saved, notebook)) == expected[1:]


@pytest.mark.parametrize("odd", ["\0", "\x0c", "\x85", "\u2028", "\ud800"])
@pytest.mark.parametrize("place", [0, 1])
def test_page_that_could_not_be_read_again_is_not_saved(
    manager: PageManager, place: int, odd: str
) -> None:
    path = Path(manager.root_dir) / SMALL
    before = path.read_bytes()
    notebook = manager.get(SMALL, type="notebook")["content"]
    notebook.cells[place].source += f"\n# {odd}"
    with pytest.raises(HTTPError, match=f"cannot hold the character U\\+{ord(odd):04X}"):
        manager.save({"type": "notebook", "content": dict(notebook)}, SMALL)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", [SMALL, "new.md"])
def test_picture_that_was_pasted_is_not_lost_silently(manager: PageManager, name: str) -> None:
    notebook = manager.get(SMALL, type="notebook")["content"]
    picture = nbformat.v4.new_markdown_cell("![a](attachment:a.png)")
    picture["attachments"] = {"a.png": {"image/png": "AAAA"}}
    notebook.cells.append(picture)
    with pytest.raises(HTTPError, match=r"a\.png was pasted into a cell"):
        manager.save({"type": "notebook", "content": dict(notebook)}, name)
    picture.source = "It was taken out again."
    manager.save({"type": "notebook", "content": dict(notebook)}, name)
    assert "taken out" in (Path(manager.root_dir) / name).read_text(encoding="utf8")


def test_metadata_that_a_page_cannot_hold_is_not_lost_silently() -> None:
    notebook = opened(PAGE)
    notebook.cells[1].metadata["größe"] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as where nobody reads what a server prints
        with pytest.raises(UserWarning, match="größe"):
            save(PAGE, notebook)


def test_text_editor_saves_what_it_shows(manager: PageManager) -> None:
    text = PAGE.replace("python3", "other")  # the front matter too
    manager.save({"type": "file", "format": "text", "content": text}, SMALL)
    assert (Path(manager.root_dir) / SMALL).read_text(encoding="utf8") == text


def test_new_page_is_saved(manager: PageManager) -> None:
    notebook = opened(PAGE)
    manager.save({"type": "notebook", "content": dict(notebook)}, "new.md")
    assert cells((Path(manager.root_dir) / "new.md").read_text(encoding="utf8")) == cells(PAGE)


# --- starting and ending -------------------------------------------------------------------------


def test_taken_port_is_named_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert lab.main(["--port", str(port)]) == 1
    said = capsys.readouterr().err
    assert f"Port {port} of 127.0.0.1 cannot be used" in said
    assert "--port 0" in said
    assert lab.main(["--port", "70000"]) == 1
    assert "Port 70000" in capsys.readouterr().err


def test_settings_of_the_reader_are_left_out_and_the_token_is_nobody_elses(tmp_path: Path) -> None:
    runtime = tmp_path / "_build" / "lab" / "runtime"
    runtime.mkdir(parents=True)  # as an earlier start has made it
    asked = (
        "import os, pathlib, sys, jupyter_core.paths as paths; from tools import lab;"
        "lab.prepare(pathlib.Path(sys.argv[1]), 'quick');"
        "print(*paths.jupyter_config_path(), *paths.jupyter_path());"
        "print([name for name in os.environ if name.startswith('JUPYTER_TOKEN')])"
    )
    others = ("JUPYTER_CONFIG_PATH", "JUPYTER_PATH", "JUPYTER_TOKEN", "JUPYTER_TOKEN_FILE")
    said = subprocess.run(
        [sys.executable, "-c", asked, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, **dict.fromkeys(others, "/elsewhere")},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "elsewhere" not in said
    assert said.endswith("[]\n")
    assert runtime.stat().st_mode & 0o077 == 0


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """JupyterLab as `make lab` starts it; ended by Ctrl-C, after which no kernel is left."""
    log = ROOT / "_build" / "lab.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("w+", encoding="utf8") as said:
        server = subprocess.Popen(
            [sys.executable, "-m", "tools.lab", "--quick", "--port", "0", "--no-browser"],
            cwd=ROOT,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            yield _announced(log, server)
            kernels = _kernels(server.pid)
            assert kernels
            os.kill(server.pid, signal.SIGINT)
            assert server.wait(timeout=30) == 0, log.read_text(encoding="utf8")
            assert not [kernel for kernel in kernels if Path(f"/proc/{kernel}").exists()]
            text = log.read_text(encoding="utf8")
            assert "Traceback" not in text
            assert text.endswith("JupyterLab and its kernels have ended.\n")
        finally:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()


def _announced(log: Path, server: subprocess.Popen[bytes]) -> str:
    for _ in range(300):
        text = log.read_text(encoding="utf8")
        found = re.search(r"http://127\.0\.0\.1:\d+/lab\?token=\w+", text)
        if found:
            with urllib.request.urlopen(found[0]) as answer:
                assert answer.status == 200
            return found[0]
        assert server.poll() is None, text
        time.sleep(0.1)
    raise AssertionError(log.read_text(encoding="utf8"))


def _kernels(parent: int) -> list[str]:
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        if f"\nPPid:\t{parent}\n" in status.read_text(encoding="utf8"):
            found.append(status.parent.name)
    return found


SLIDER = """
from ipywidgets import IntSlider, interact
interact(lambda n: print(f"{n} squared is {n * n}"), n=IntSlider(3, 0, 9));
"""


@pytest.fixture
def lab_page(browser: Browser, address: str) -> Iterator[Page]:
    """A tab of a browser, with JupyterLab in it."""
    before = {page.path: page.path.read_bytes() for page in BOOK}
    settings = Path.home() / ".jupyter"
    dated = {path: path.stat().st_mtime for path in settings.rglob("*")}
    here = address.partition("/lab")[0]
    asked: list[str] = []
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(WAIT)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{address}&reset")
    yield page
    expect(page.locator("#jp-bottom-panel")).to_contain_text("| Idle", timeout=WAIT)
    page.close()  # not while the kernel writes, of which the server would complain
    assert {path for path in before if path.read_bytes() != before[path]} == set()
    assert not list((ROOT / "book").rglob("*checkpoint*"))
    assert dated == {path: path.stat().st_mtime for path in settings.rglob("*")}
    assert [url for url in asked if not url.startswith((here, "data:", "blob:"))] == []


def run_and_save(page: Page, name: str) -> Locator:
    """Open a page by a double click, run all its cells, save it, and return the notebook."""
    page.locator(".jp-DirListing-item", has_text=name).dblclick()
    notebook = page.locator(".jp-NotebookPanel:visible")
    expect(notebook.locator(".jp-CodeCell").first).to_be_visible(timeout=WAIT)
    expect(page.locator("#jp-bottom-panel")).to_contain_text("| Idle", timeout=WAIT)
    notebook.locator(".jp-Cell").first.click()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.locator(".lm-Menu-itemLabel", has_text=re.compile("^Run All Cells$")).first.click()
    expect(notebook.locator(".jp-OutputArea-output").first).to_be_visible(timeout=WAIT)
    status = page.locator(".jp-Notebook-ExecutionIndicator:visible")
    expect(status).to_have_attribute("data-status", "idle", timeout=WAIT)
    with page.expect_response(lambda answer: answer.request.method == "PUT") as saved:
        page.keyboard.press("Control+s")
    assert saved.value.ok
    return notebook


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="kernels are counted in /proc"
)


@needs_proc
def test_page_opens_as_a_notebook_runs_and_is_saved_unchanged(lab_page: Page) -> None:
    before = {page.path: page.path.read_bytes() for page in BOOK}
    notebook = run_and_save(lab_page, SMALL)
    assert {path for path in before if path.read_bytes() != before[path]} == set()

    # a slider, in a cell that is not saved
    notebook.locator(".jp-Notebook-footer").click()
    cell = notebook.locator(".jp-CodeCell.jp-mod-active .cm-content")
    cell.fill(SLIDER.strip())
    expect(cell).to_contain_text("IntSlider(3, 0, 9)")
    cell.press("Control+Enter")
    output = notebook.locator(".jp-OutputArea", has=lab_page.locator(".noUi-handle"))
    expect(output).to_contain_text("3 squared is 9", timeout=WAIT)
    output.locator(".noUi-handle").focus()
    lab_page.keyboard.press("ArrowRight")
    expect(output).to_contain_text("4 squared is 16", timeout=WAIT)


@needs_proc
def test_explorer_of_a_page_is_moved_by_keys(lab_page: Page) -> None:
    notebook = run_and_save(lab_page, EXPLORER)
    output = notebook.locator(".jp-OutputArea-output", has=lab_page.locator(".explorer-words"))
    words, picture = output.locator(".explorer-words"), output.get_by_role("img")
    slider = output.locator(".noUi-handle")
    slider.scroll_into_view_if_needed()
    shown = [(words.inner_text(), picture.inner_html())]
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft"):
        slider.focus()
        lab_page.keyboard.press(key)
        expect(words).not_to_have_text(shown[-1][0], timeout=WAIT)
        shown.append((words.inner_text(), picture.inner_html()))
    assert shown[3][0] == shown[1][0]
    assert len({said for said, _ in shown}) == 3
    assert len({drawn for _, drawn in shown[:3]}) == 3
