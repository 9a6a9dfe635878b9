"""`linkgan inspect URL`: a file is fetched once, from the web alone, and nothing is left of what fails."""

from __future__ import annotations

import functools
import hashlib
import http.server
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from linkgan_plugin.pickles import download
from tests.cli.conftest import Cli


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, and a few addresses that behave badly."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
        elif self.path in ("/short.pkl", "/endless.pkl"):
            self.send_response(200)
            if self.path == "/short.pkl":
                self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"x" * (10 if self.path == "/short.pkl" else 5_000))
        else:
            super().do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        pass


Server = Callable[[str], str]


@pytest.fixture
def server(snapshot: Path) -> Iterator[Server]:
    """Return what gives the address of a file of the snapshot's folder on a server of this machine."""
    Handler.asked = []
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(snapshot.parent))
    ) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield lambda name: f"http://127.0.0.1:{httpd.server_port}/{name}"
        httpd.shutdown()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("LINKGAN_CACHE", str(tmp_path / "cache"))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache"


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_file_is_fetched_once_and_its_checksum_kept(cli: Cli, server: Server, cache: Path, snapshot: Path) -> None:
    first, second = cli("inspect", server("network.pkl")), cli("inspect", server("network.pkl"))
    assert first.exit_code == second.exit_code == 0, first.output
    assert Handler.asked == ["/network.pkl"]
    assert f"({snapshot.stat().st_size / 1e6:.1f} MB)" in first.stderr
    kept = {path.name: path for path in files_in(cache)}
    assert set(kept) == {"network.pkl", "network.pkl.sha256"}
    assert kept["network.pkl"].read_bytes() == snapshot.read_bytes()
    digest = hashlib.sha256(snapshot.read_bytes()).hexdigest()
    assert kept["network.pkl.sha256"].read_text() == f"{digest}  network.pkl\n"
    assert digest in first.stderr
    kept["network.pkl"].write_bytes(b"changed since")
    assert cli("inspect", server("network.pkl"), "--json").exit_code == 0
    assert len(Handler.asked) == 2


def test_redirects_stay_with_the_web(cli: Cli, server: Server, cache: Path) -> None:
    assert cli("inspect", server("to/" + server("network.pkl"))).exit_code == 0
    for place in ("file:///etc/hosts.pkl", "ftp://127.0.0.1/a.pkl", "data:text/plain,a.pkl"):
        result = cli("inspect", server("to/" + place))
        assert result.exit_code == 2
        assert place in result.output
        assert re.search("redirects to|not allowed", result.output)


FAULTS = {
    "missing.pkl": "the server answered 404",
    "short.pkl": "10 of 1000 bytes received; try again",
    "endless.pkl": "more than 4000 bytes; allow more with --max-size",
    "network.pkl": "bytes, expected at most 4000; allow more with --max-size",
    "network.txt": "expected a file whose name ends in .pkl",
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_cannot_be_fetched_leaves_nothing(name: str, cli: Cli, server: Server, cache: Path) -> None:
    result = cli("inspect", server(name), "--max-size", 0.004)
    assert result.exit_code == 2
    assert FAULTS[name] in result.output
    assert files_in(cache) == []


@pytest.mark.parametrize("url", ["file:///etc/passwd.pkl", "ftp://x/a.pkl", "https:///a.pkl", "gopher://x/a.pkl"])
def test_other_addresses_are_refused(url: str, cli: Cli) -> None:
    result = cli("inspect", url)
    assert result.exit_code == 2
    assert "expected an address that begins with https:// or http://" in result.output


@pytest.mark.parametrize("url", ["http://[::1/a.pkl", f"http://{'a' * 70}.org/a.pkl", "http://127.0.0.1:1x/a.pkl"])
def test_malformed_addresses_are_one_line(url: str, cli: Cli) -> None:
    result = cli("inspect", url)
    assert result.exit_code == 2
    assert re.search("not an address|download failed", result.output)


@pytest.mark.parametrize("size", ["nan", "inf", "1e308"])
def test_a_limit_is_a_number_of_megabytes(size: str, cli: Cli) -> None:
    result = cli("inspect", "http://127.0.0.1:9/a.pkl", "--max-size", size)
    assert result.exit_code == 2
    assert "Invalid value for '--max-size'" in result.output


def test_ctrl_c_leaves_nothing(server: Server, cache: Path) -> None:
    def stop(count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download.fetch(server("network.pkl"), cache, progress=stop)
    assert files_in(cache) == []


def test_a_server_that_is_not_there(cli: Cli) -> None:
    result = cli("inspect", "http://127.0.0.1:9/a.pkl")
    assert result.exit_code == 2
    assert "download failed" in result.output


def test_a_name_from_an_address_stays_in_the_cache(tmp_path: Path) -> None:
    for name in ("..%2f..%2fx.pkl", "%2e%2e/x.pkl", "a%00b.pkl", "x" * 5000 + ".pkl"):
        place = download.place_of(f"https://example.org/{name}?a=../y", tmp_path)
        assert place.parent.parent == tmp_path
        assert len(place.name) <= 80
        assert place.suffix == ".pkl"
