"""Who is let in, what answers allow a browser, and what strangers get."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from linkgan_plugin.web import answers
from linkgan_plugin.web import app as web
from linkgan_plugin.web.security import Guard, is_loopback, new_token
from tests.web.conftest import ADDRESS, TOKEN

ALLOWED = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def stranger(session):
    """A client without the token."""
    with TestClient(web.create_app(session, token=TOKEN), base_url=ADDRESS, raise_server_exceptions=False) as client:
        yield client


def guarded(host: str) -> TestClient:
    """A client of a guarded application of nothing, listening on `host`."""
    return TestClient(Guard(Starlette(), token=TOKEN, host=host))


@pytest.mark.parametrize("given", [None, "", "Bearer", "Bearer x", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x"])
@pytest.mark.parametrize(("method", "path"), [("GET", "network"), ("POST", "images"), ("POST", "photographs")])
def test_nothing_is_told_or_done_without_the_token(given, method, path, stranger, session):
    headers = {} if given is None else {"authorization": given}
    response = stranger.request(method, f"/api/{path}", json={"seed": 1}, headers=headers)
    assert response.status_code == 401
    assert "open the address shown in the terminal" in response.json()["error"]
    assert len(session.store) == 0


def test_every_start_has_a_token_of_its_own():
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert min(map(len, tokens)) >= 32


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8123", "127.0.0.1.evil.example", "localhost.evil.example", "0.0.0.0"),
        *("10.0.0.7", "", "127.0.0.1@evil.example", "evil.example/127.0.0.1", "127.0.0.1:8123:80", "127.0.0.1 "),
        *("[::1", "[::2]"),
    ],
)
def test_a_name_that_was_pointed_here_gets_nothing(host, stranger):
    for path in ("/", "/api/network"):
        response = stranger.get(path, headers={**ALLOWED, "host": host})
        assert response.status_code == 403, path
        assert "not available under that name" in response.json()["error"]


@pytest.mark.parametrize("host", ["127.0.0.1:8123", "localhost:9000", "LOCALHOST", "[::1]:8123", "127.0.0.2"])
def test_this_machine_answers_to_its_own_names_also_through_a_tunnel(host, stranger):
    assert stranger.get("/api/network", headers={**ALLOWED, "host": host}).status_code == 200


def test_an_address_for_others_answers_to_numbers_but_not_to_names_that_anybody_can_point_at_it():
    client = guarded("0.0.0.0")
    assert client.get("/", headers={"host": "10.0.0.7:8123"}).status_code == 404
    assert client.get("/", headers={"host": "evil.example"}).status_code == 403
    assert guarded("atelier.example").get("/", headers={"host": "atelier.example:1"}).status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "http://127.0.0.1:8123.evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_other_pages_get_nothing_even_with_the_token(headers, method, stranger, session):
    response = stranger.request(method, "/api/images", json={"seed": 1}, headers={**ALLOWED, **headers})
    assert (response.status_code, len(session.store)) == (403, 0)
    assert "sent by another web page" in response.json()["error"]
    assert "access-control-allow-origin" not in response.headers


TAB = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


def test_other_pages_may_lead_to_ours_but_not_frame_it_fetch_it_or_ask_for_more(stranger):
    assert stranger.get("/", headers=TAB).status_code == 200
    for headers in (
        {**TAB, "sec-fetch-dest": "iframe"},
        {**TAB, "sec-fetch-mode": "no-cors"},
        {"origin": "null", **TAB},
    ):
        assert stranger.get("/", headers=headers).status_code == 403
    assert stranger.get("/api/network", headers={**ALLOWED, **TAB}).status_code == 403


def test_our_own_page_is_let_in(stranger):
    headers = {**ALLOWED, "origin": ADDRESS, "sec-fetch-site": "same-origin"}
    assert stranger.post("/api/images", json={"seed": 1}, headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/", "/app.js", "/api/network", "/nothing"])
def test_every_answer_forbids_what_the_page_does_not_need(path, stranger):
    headers = stranger.get(path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "server" not in headers


def test_the_page_needs_nothing_from_elsewhere_and_no_script_inside_it():
    for file in web.STATIC.iterdir():
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text, file.name
        assert "https://" not in text, file.name
        assert not {"eval(", "innerHTML", "document.write"} & set(text.split()), file.name
        assert "innerHTML" not in text, file.name
    page = (web.STATIC / "index.html").read_text(encoding="utf-8")
    assert page.count("<script") == page.count('<script type="module" src=') == 1
    assert " style=" not in page
    assert " onclick=" not in page


@pytest.mark.parametrize(
    "path",
    [
        "/../app.py",
        "/..%2fapp.py",
        "/%2e%2e/app.py",
        "/static/../../editor.py",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
        "/..%5capp.py",
        "/app.py%00.js",
        "/....//app.py",
        "/index.html/../../security.py",
    ],
)
def test_files_outside_the_page_are_not_served(path, stranger):
    response = stranger.get(path)
    assert response.status_code in (400, 404)
    assert "import" not in response.text
    assert "root:" not in response.text


@pytest.mark.parametrize("name", ["..", "%2e%2e", "..%2f..", "%2fetc%2fpasswd", "edits.json", "A" * 5000, "nul", "%00"])
def test_no_name_of_the_page_becomes_a_path(name, page, session):
    kept = page.new().state["image"]
    (session.store.folder.parent / "edits.json").write_text((session.store.folder / kept / "edits.json").read_text())
    for path in (f"images/{name}", f"images/{name}/image", f"images/{name}/masks", f"photographs/{name}"):
        answer = page.get(path)
        assert answer.status in (400, 404)
        assert str(session.store.folder) not in answer.response.text


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[1]", b"null", b'"x"', b"\xff\xfe", b"{" * 5000, b"[" * 60_000, b'{"seed": 1e999}'),
        *(b'{"seed": NaN}', b'{"seed": ' + b"9" * 5000 + b"}", b"cos\nsystem\n(S'true'\ntR."),
    ],
)
def test_bodies_that_are_no_wish_are_refused(body, page, session):
    answer = page.post("images", content=body)
    assert (answer.status, len(session.store)) == (400, 0)
    assert "Traceback" not in answer.error


def test_long_bodies_are_not_read(page):
    read = []

    def endless():
        while True:
            read.append(1)
            yield b" " * 2**16

    claimed = page.post("images", content=b"{}", headers={"content-length": str(2**40)})
    assert claimed.status == 413
    assert page.post("images", content=b" " * (answers.MOST_JSON + 1)).status == 413
    answer = page.post("photographs", content=b"\xff" * (web.MOST_BYTES + 1))
    assert (answer.status, answer.error) == (413, "the request is larger than 32 MiB, the limit")


def test_a_fault_of_ours_is_told_to_the_terminal_and_not_to_the_page(stranger, session, monkeypatch):
    def fails(*args: object) -> None:
        raise RuntimeError("secret of /home/artist")

    monkeypatch.setattr(session.store, "get", fails)
    response = stranger.get("/api/images/0123456789abcdef", headers=ALLOWED)
    assert response.status_code == 500
    assert response.json() == {"error": "An internal error occurred. The terminal shows it."}
    assert "content-security-policy" in response.headers
    with pytest.raises(RuntimeError, match="secret of /home/artist"):
        TestClient(stranger.app, base_url=ADDRESS).get("/api/images/0123456789abcdef", headers=ALLOWED)


@pytest.mark.parametrize(
    ("host", "is_so"), [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False)]
)
def test_what_only_this_machine_reaches(host, is_so):
    assert is_loopback(host) is is_so


def test_saved_edits_hold_no_code(page, session):
    image = page.new().state["image"]
    page.resample(image, "left", seed=1)
    folder = session.store.folder / image
    assert sorted(path.name for path in folder.iterdir()) == ["edits.json"]
    assert isinstance(json.loads((folder / "edits.json").read_text()), dict)
    assert not Path(folder / "edits.json").read_bytes().startswith(b"\x80")
