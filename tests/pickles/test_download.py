"""Downloads from servers that behave badly: slow ones, lying ones, those that send on and on; and odd names."""

from __future__ import annotations

import http.server
import threading
import time

import pytest

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.pickles import download


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        if self.path.startswith("/round"):
            self.send_response(302)
            self.send_header("Location", f"/round{len(self.server.asked)}.pkl")
            self.end_headers()
            return
        self.send_response(200)
        if self.path == "/long.pkl":
            self.send_header("Content-Length", "9" * 30)
        if self.path == "/less.pkl":
            self.send_header("Content-Length", "50")
        self.end_headers()
        for _ in range(200 if self.path == "/drip.pkl" else 3):
            try:
                self.wfile.write(b"x")
                self.wfile.flush()
            except OSError:
                return
            time.sleep(0.02)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.asked = []
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield httpd
        httpd.shutdown()


def refused(server, name, folder, **options):
    with pytest.raises(LinkGANError) as caught:
        download.fetch(f"http://127.0.0.1:{server.server_port}/{name}", folder, **options)
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    return str(caught.value)


def test_a_server_that_drips_is_given_up(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_PATIENCE", 0.2)
    assert "which is too slow; try again later" in refused(server, "drip.pkl", tmp_path)


def test_the_whole_file_has_a_deadline(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_LONGEST", 0.05)
    assert "which is too slow" in refused(server, "drip.pkl", tmp_path)


def test_a_length_that_is_a_lie(server, tmp_path):
    assert "3 of 50 bytes received" in refused(server, "less.pkl", tmp_path)
    assert "more than 2 bytes" in refused(server, "long.pkl", tmp_path, largest=2)


def test_redirects_are_counted(server, tmp_path):
    assert "download failed" in refused(server, "round.pkl", tmp_path) or len(server.asked) <= 7
    assert 2 <= len(server.asked) <= 7


@pytest.mark.parametrize("name", ["..pkl", ".pkl", "...pkl", "x.pkl.exe", "%2e%2e%2f.pkl", ""])
def test_names_that_are_none(name, tmp_path):
    with pytest.raises(LinkGANError, match="expected a file whose name ends in"):
        download.place_of(f"https://example.org/{name}", tmp_path)


@pytest.mark.parametrize("name", ["con.pkl", "NUL.pkl", "com1.pkl", "lpt9.x.pkl"])
def test_names_of_devices(name, tmp_path):
    assert download.place_of(f"https://example.org/{name}", tmp_path).name == f"_{name}"


def test_long_names_are_cut(tmp_path):
    assert len(download.place_of(f"https://example.org/{'x' * 100_000}.pkl", tmp_path).name) <= 81
