"""The server of live pages, asked by hand: who gets in, what is answered, how it ends."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tools import address, assets
from tools.pages import pages

ROOT = Path(__file__).resolve().parent.parent
PAGE = f"/{pages(ROOT)[0].name}.html"
PATIENCE = 60  # seconds for a server to start or end on a busy machine


class Served:
    """A server that a test started, and what it printed."""

    def __init__(self, process: subprocess.Popen[str], printed: Path) -> None:
        self.process = process
        self.printed = printed
        self.link = ""
        self.cookie = ""

    @property
    def origin(self) -> str:
        return self.link.partition("/open")[0]

    @property
    def host(self) -> str:
        return self.origin.removeprefix("http://")

    @property
    def token(self) -> str:
        return self.link.partition("token=")[2]

    def log(self) -> str:
        return self.printed.read_text(encoding="utf8")

    def ask(
        self, path: str, method: str = "GET", body: str | None = None, **headers: str
    ) -> tuple[int, dict[str, str], str]:
        """Ask with the cookie, unless another header is given; return status, headers, body."""
        sent = {"Cookie": self.cookie} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        connection = http.client.HTTPConnection(self.host, timeout=PATIENCE)
        try:
            connection.request(method, path, body, {k: v for k, v in sent.items() if v})
            answer = connection.getresponse()
            text = answer.read().decode("utf8", errors="replace")
            return answer.status, dict(answer.getheaders()), text
        finally:
            connection.close()


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[Served]:
    """Start the server as `make serve` does; end it, if the test has not."""
    printed = folder / "printed"
    environment = {name: value for name, value in os.environ.items() if name != address.VARIABLE}
    with printed.open("w", encoding="utf8") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tools.serve", "--quick", *arguments],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )
    served = Served(process, printed)
    try:
        wait_for(lambda: "Ctrl-C" in served.log() or process.poll() is not None)
        found = re.search(r"http://\S+", served.log())
        if found and process.poll() is None:
            served.link = found[0]
            wait_for(lambda: answers(served))
        yield served
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(PATIENCE)
            finally:
                process.kill()


def wait_for(condition: Any) -> Any:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    pytest.fail("waited in vain")


def answers(served: Served) -> bool:
    try:
        return served.ask("/") is not None
    except ConnectionRefusedError:
        return False


def enter(served: Served) -> dict[str, str]:
    """Open the link; keep the cookie and return the headers of the answer."""
    status, headers, _ = served.ask(served.link.removeprefix(served.origin))
    assert status == 302
    served.cookie = headers["Set-Cookie"].partition(";")[0]
    return headers


@pytest.fixture(scope="module")
def served(quick_site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The server, entered."""
    with serving(tmp_path_factory.mktemp("serve"), "--port", "0") as started:
        assert started.link, started.log()
        yield started


ENDPOINTS = [
    PAGE,
    "/",
    "/live/live.js",
    "/live/thebe/index.js",
    "/api/status",
    "/api/kernels",
    "/api/kernelspecs",
    "/api/sessions",
    "/api/contents",
    "/api/kernels/none/channels",
    "/login",
    "/nowhere",
]


def test_nobody_gets_in_without_the_link(served: Served) -> None:
    for path in ENDPOINTS:
        status, headers, text = served.ask(path, Cookie="")
        assert status == 403, path
        assert "Set-Cookie" not in headers
        assert "link that `make serve` printed" in text
    for wrong in ("/open", "/open?token=", "/open?token=guess"):
        assert served.ask(wrong, Cookie="")[0] == 403
    token = {"Authorization": f"token {served.token}"}
    assert served.ask("/api/kernels", Cookie="", **token)[0] == 403
    assert served.ask(f"/api/kernels?token={served.token}", Cookie="")[0] == 403


def test_link_opens_once_and_is_left_behind(served: Served) -> None:
    assert served.ask(f"/open?token={served.token}", Origin="http://127.0.0.1:1")[0] == 403
    assert served.ask(f"/open?token={served.token}", "HEAD")[0] == 405  # nor does this spend it
    headers = enter(served)
    assert headers["Location"] == PAGE
    for word in ("HttpOnly", "SameSite=Strict"):
        assert word in headers["Set-Cookie"]
    assert "expires" not in headers["Set-Cookie"].lower()
    status, _, text = served.ask(f"/open?token={served.token}", Cookie="")
    assert (status, "spent" in text) == (403, True)
    assert served.ask(f"/open?token={served.token}")[0] == 302  # it is the same browser


def test_pages_have_live_code_added_and_their_files_do_not(
    served: Served, quick_site: Path
) -> None:
    status, headers, page = served.ask(PAGE)
    assert status == 200
    assert page.count("/live/live.js") == 1
    assert "SameSite=Strict" in headers["Set-Cookie"]  # the XSRF cookie
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    for path in (quick_site / "book").glob("*.html"):
        assert "live.js" not in path.read_text(encoding="utf8")
    assert served.ask("/live/live.js")[0] == 200
    assert served.ask("/live/thebe/index.js")[0] == 200
    assert served.ask("/live/require.js")[0] == 200
    status, _, text = served.ask("/book/nowhere.html")
    assert (status, "</html>" in text) == (404, True)
    outside_of_site = ("/../settings", "/%2e%2e/settings", "/live/../serve.py", "/live/.digest")
    for outside in (*outside_of_site, "/nul%00.html", "/live/%00"):
        assert served.ask(outside)[0] in {403, 404}, outside


FOREIGN: list[dict[str, str]] = [
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Sec_Fetch_Site": "same-site"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Host": "evil.example"},
    {"Host": "127.0.0.1:1"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_another_origin_is_refused_everywhere(served: Served, headers: dict[str, str]) -> None:
    for path in ENDPOINTS:
        assert served.ask(path, **headers)[0] == 403, path
    xsrf = cookie_of(served)
    allowed = {"Cookie": f"{served.cookie}; _xsrf={xsrf}", "X_XSRFToken": xsrf}
    assert served.ask("/api/sessions", "POST", SESSION, **(allowed | headers))[0] == 403
    upgrade = "".join(f"{k.replace('_', '-')}: {v}\r\n" for k, v in headers.items())
    assert websocket(served, upgrade) == 403


SESSION = json.dumps({"path": "a", "name": "", "type": "notebook", "kernel": {"name": "python3"}})


def cookie_of(served: Served) -> str:
    return served.ask(PAGE)[1]["Set-Cookie"].partition(";")[0].partition("=")[2]


def websocket(served: Served, headers: str) -> int:
    """Ask for a websocket and return the status of the answer."""
    host, port = served.host.split(":")
    key = base64.b64encode(os.urandom(16)).decode()
    given = headers if "Host:" in headers else f"Host: {served.host}\r\n{headers}"
    with socket.create_connection((host, int(port)), PATIENCE) as line:
        line.sendall(
            f"GET /api/kernels/none/channels HTTP/1.1\r\n{given}Cookie: {served.cookie}\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        return int(line.recv(64).split()[1])


def test_only_kernels_are_offered(served: Served) -> None:
    for path in ("contents", "terminals", "config/notebook", "events", "shutdown", "nbconvert"):
        assert served.ask(f"/api/{path}")[0] == 404, path
    for path in ("/login", "/logout", "/files/README.md", "/view/README.md", "/metrics", "/lab"):
        assert served.ask(path)[0] == 404, path


def test_what_a_stranger_sends_is_not_kept(served: Served) -> None:
    host, port = served.host.split(":")
    with socket.create_connection((host, int(port)), PATIENCE) as line:
        head = f"POST /api/sessions HTTP/1.1\r\nHost: {served.host}\r\n"
        line.sendall(f"{head}Content-Length: 100000000\r\n\r\n".encode())
        assert line.recv(64).split()[1] == b"400"  # before any of it has come


def test_a_page_must_show_that_it_wrote_the_request(served: Served) -> None:
    assert served.ask("/api/sessions", "POST", SESSION)[0] == 403


def start_kernel(served: Served) -> str:
    xsrf = cookie_of(served)
    status, _, text = served.ask(
        "/api/sessions",
        "POST",
        SESSION,
        Cookie=f"{served.cookie}; _xsrf={xsrf}",
        X_XSRFToken=xsrf,
        Origin=served.origin,
    )
    assert status == 201, text
    return str(json.loads(text)["kernel"]["id"])


def test_token_is_told_once(served: Served) -> None:
    page = served.ask(PAGE)[2]
    assert served.token not in page
    assert served.log().count(served.token) == 1


def test_kernel_that_rests_is_ended(quick_site: Path, tmp_path: Path) -> None:
    with serving(tmp_path, "--port", "0", "--rest", "1") as served:
        enter(served)
        kernel = start_kernel(served)
        wait_for(lambda: kernel not in served.ask("/api/kernels")[2])


def children(process: subprocess.Popen[str]) -> list[int]:
    return [
        int(status.parent.name)
        for status in Path("/proc").glob("[0-9]*/stat")
        if (text := read(status)) and int(text.rpartition(")")[2].split()[1]) == process.pid
    ]


def read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf8")
    except (FileNotFoundError, ProcessLookupError):
        return ""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_the_server_and_its_kernels(
    quick_site: Path, tmp_path: Path, name: str
) -> None:
    with serving(tmp_path, "--port", "0") as served:
        enter(served)
        start_kernel(served)
        kernels = children(served.process)
        assert kernels
        served.process.send_signal(getattr(signal, name))
        assert served.process.wait(PATIENCE) == 0
        assert not [kernel for kernel in kernels if Path(f"/proc/{kernel}").exists()]
        assert served.log().endswith("and so has every kernel.\n")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_kernel_is_of_this_python_and_speaks_to_the_server_alone(
    quick_site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "kernels" / "python3" / "kernel.json"
    other.parent.mkdir(parents=True)
    other.write_text(json.dumps({"argv": ["false"], "display_name": "Other", "language": "b"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "startup.py"))
    with serving(tmp_path, "--port", "0") as served:
        enter(served)
        start_kernel(served)
        (kernel,) = children(served.process)
        started = Path(f"/proc/{kernel}/cmdline").read_text(encoding="utf8").split("\0")
        inherited = Path(f"/proc/{kernel}/environ").read_text(encoding="utf8")
        assert started[0] == sys.executable
        assert "PYTHONSTARTUP=" not in inherited
        connection = Path(next(part for part in started if part.endswith(".json")))
        assert "curve_secretkey" in json.loads(connection.read_text(encoding="utf8"))
        limits = Path(f"/proc/{kernel}/limits").read_text(encoding="utf8")
        assert re.search(r"Max data size +\d", limits)  # not all the memory of the machine
        assert (connection.stat().st_mode | connection.parent.stat().st_mode) & 0o077 == 0


def test_port_that_is_taken_is_named(quick_site: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with serving(tmp_path, "--port", str(port)) as served:
            assert served.process.wait(PATIENCE) == 1
            assert f"Port {port} cannot be had" in served.log()
            assert "make serve PORT=0" in served.log()
            assert "Traceback" not in served.log()


def test_book_that_is_not_built_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tools import serve

    monkeypatch.setattr(serve, "ROOT", tmp_path)
    assert serve.main([]) == 1
    assert "run `make book`" in capsys.readouterr().err
    assert serve.main(["--quick"]) == 1
    assert "run `make quick`" in capsys.readouterr().err


def test_archive_with_another_checksum_is_not_unpacked(tmp_path: Path) -> None:
    archive = tmp_path / "thebe.tgz"
    archive.write_bytes(b"something else")
    with pytest.raises(assets.NpmError, match="nothing of it was unpacked"):
        assets.unpack(archive, assets.THEBE_SHA512, tmp_path / "thebe")
    assert not (tmp_path / "thebe").exists()
