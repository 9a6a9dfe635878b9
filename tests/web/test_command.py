"""`linkgan ui`: what it says before it listens, a whole run from start to Ctrl-C, and what it answers meanwhile."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from linkgan_plugin.cli import main, serving
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.web.server import address_of, listen
from tests.inversion.conftest import small_generator
from training_loops.snapshots import save_snapshot
from training_loops.stylegan2.networks import Discriminator


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a network of random weights and one link."""
    path = tmp_path_factory.mktemp("network") / "network-snapshot-000000.pt"
    G, D = small_generator(), Discriminator(0, 16, 3, channel_base=64, channel_max=4)
    spec = LinkSpec.parse(["top=0:4@box(0,0,1,0.5)"], dim=8).to_json()
    save_snapshot(path, G=G, D=D, G_ema=G, training_options={}, cur_nimg=0, link_spec=spec)
    return path


def call(*arguments: object):
    return CliRunner().invoke(main, ["ui", *map(str, arguments)])


def started(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    """A run of the command line in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1", **environment}
    command = [sys.executable, "-m", "linkgan_plugin", *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_missing_packages_are_named_with_the_way_out_before_the_network_is_opened(tmp_path, monkeypatch):
    (tmp_path / "broken.pt").write_bytes(b"no network")
    monkeypatch.setattr(serving.importlib.util, "find_spec", lambda name: None if name == "uvicorn" else True)
    result = call(tmp_path / "broken.pt")
    assert result.exit_code == 2
    assert "the page needs uvicorn; pip install 'linkgan_plugin[ui]'" in result.output


def test_steps_of_a_search_are_refused_beside_an_encoder(tmp_path):
    (tmp_path / "broken.pt").write_bytes(b"no network")
    (tmp_path / "encoder.safetensors").write_bytes(b"no encoder")
    result = call(tmp_path / "broken.pt", "--encoder", tmp_path / "encoder.safetensors", "--steps", 5)
    assert result.exit_code == 2
    assert "--steps: only without --encoder" in result.output


def test_an_address_for_others_has_to_be_wanted(tmp_path):
    (tmp_path / "broken.pt").write_bytes(b"no network")
    result = call(tmp_path / "broken.pt", "--address", "0.0.0.0")
    assert result.exit_code == 2
    assert "add --allow-remote to allow it" in result.output
    warned = call(tmp_path / "broken.pt", "--address", "0.0.0.0", "--allow-remote", "--port", 0)
    assert "Warning: anyone who can reach 0.0.0.0" in warned.output
    assert "broken.pt" in warned.output.splitlines()[-1]


def test_a_port_that_is_taken_is_said_before_the_network_is_opened(tmp_path):
    (tmp_path / "broken.pt").write_bytes(b"no network")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = call(tmp_path / "broken.pt", "--port", port)
    assert result.exit_code == 2
    assert f"cannot listen on 127.0.0.1 port {port}" in result.output
    assert "--port" in result.output


def test_a_name_that_is_no_address_is_said():
    with pytest.raises(LinkGANError, match=r"cannot listen on no\.such\.host\.invalid"):
        listen("no.such.host.invalid", 0)


def test_the_address_keeps_the_token_out_of_what_browsers_send():
    with listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        assert address_of(listening, "127.0.0.1", "abc") == f"http://127.0.0.1:{port}/#token=abc"
        assert address_of(listening, "::1", "abc", "f00").endswith(f"[::1]:{port}/#token=abc&image=f00")


@pytest.mark.parametrize("psi", ["nan", "inf", "-0.5", "2.5"])
def test_a_psi_that_the_page_could_not_ask_for_is_refused(psi, network):
    result = call(network, "--port", 0, "--psi", psi)
    assert result.exit_code == 2
    assert f"psi {psi}, expected a number from 0 to 2" in result.output


def test_links_that_share_pixels_have_to_be_wanted(network, tmp_path, monkeypatch):
    served = []
    monkeypatch.setattr("linkgan_plugin.web.server.serve", lambda app, listening, page: served.append(page))
    links = ["--link", "top=0:4@box(0,0,1,0.6)", "--link", "bottom=4:8@box(0,0.4,1,1)"]
    refused = call(network, "--port", 0, "--keep", tmp_path, *links)
    assert (refused.exit_code, served) == (2, [])
    assert "allow it with --link-overlap" in refused.output
    assert call(network, "--port", 0, "--keep", tmp_path, *links, "--link-overlap").exit_code == 0
    assert len(served) == 1


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_browser_is_given_a_file_of_this_user_alone_and_not_the_token(ending, network, tmp_path):
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}.part && mv {opened}.part {opened}\n')
    browser.chmod(0o755)
    arguments = ["ui", network, "--port", "0", "--keep", tmp_path / "kept", "--open"]
    (tmp_path / "tmp").mkdir()
    environment = {"BROWSER": f"{browser} %s", "TMPDIR": str(tmp_path / "tmp")}
    running = started(*arguments, **environment)
    try:
        page = running.stdout.readline().strip()
        deadline = time.monotonic() + 60
        while not opened.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        address = opened.read_text()
        assert page.partition("#token=")[2] not in address
        file = Path(address.removeprefix("file://"))
        assert file.parent == tmp_path / "tmp"
        assert file.stat().st_mode & 0o777 == 0o600
        assert f'content="0; url={page}"' in file.read_text()
        running.send_signal(ending)
        running.communicate(timeout=30)
        assert not file.exists()
    finally:
        running.kill()
        running.wait()


def test_from_start_to_ctrl_c(network, tmp_path):
    running = started("ui", network, "--port", "0", "--keep", tmp_path / "kept")
    try:
        line = running.stdout.readline()
        address, token = re.fullmatch(r"(http://127\.0\.0\.1:\d+/)#token=(\S+)\n", line).groups()
        assert "Ctrl-C stops the server" in running.stdout.readline()

        def ask(path: str, data: bytes | None = None, **headers: str):
            request = urllib.request.Request(address + path, data, headers)
            return urllib.request.urlopen(request, timeout=60)

        assert b"<title>linkgan</title>" in ask("").read()
        with pytest.raises(urllib.error.HTTPError, match="401"):
            ask("api/network")
        allowed = {"Authorization": f"Bearer {token}"}
        assert json.load(ask("api/network", **allowed))["regions"][0]["name"] == "top"
        response = ask("api/images", b'{"seed": 3}', **allowed)
        assert len(response.read()) == 16 * 16 * 4
        assert (tmp_path / "kept" / json.loads(response.headers["linkgan-state"])["image"] / "edits.json").is_file()
        running.send_signal(signal.SIGINT)
        rest, _ = running.communicate(timeout=30)
        assert (running.returncode, rest) == (0, "")
    finally:
        running.kill()
        running.wait()


def test_it_can_begin_with_a_photograph_that_was_projected(network, tmp_path):
    import torch

    from linkgan_plugin.inversion.projected import Projected, save_projected
    from linkgan_plugin.web.session import open_session

    generator = small_generator()
    latents = generator.mapping(torch.randn([1, 8]), None)
    projected = Projected(latents, torch.zeros([1, 0]), photograph=torch.zeros([1, 3, 16, 16]))
    save_projected(tmp_path / "face", projected)
    session, image = open_session(network, projection=tmp_path / "face", keep=tmp_path / "kept")
    session.close()
    assert torch.equal(session.store.get(image).editor.start, latents)


def test_edits_of_other_links_or_psi_are_kept_apart(network, tmp_path, monkeypatch):
    from linkgan_plugin.web.session import open_session

    monkeypatch.setenv("LINKGAN_CACHE", str(tmp_path))
    settings = ({}, {"psi": 0.5}, {"links": ["side=0:4@box(0,0,0.5,1)"]}, {})
    folders = []
    for setting in settings:
        session, image = open_session(network, **setting)
        session.close()
        folders.append(session.store.folder)
        assert image is None
    assert len(set(folders)) == 3
    assert folders[0] == folders[3]
    assert all(folder.parent == tmp_path / "ui" for folder in folders)
