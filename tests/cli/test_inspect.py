"""`linkgan inspect`: what it says of whole, hostile and foreign files, and how it fetches one."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import os
import pickle
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from linkgan_plugin.pickles import download, known_sources
from linkgan_plugin.pickles.nodes import digest
from tests.cli.conftest import Cli
from tests.pickles.test_convert import SPEC
from tests.pickles.test_hostile import HEAD, attacks, network, text
from tests.pickles.test_native import ADA, D_KWARGS, DIMS, WIDTH, filled, generator
from tests.pickles.written import META, snapshot_bytes, stored
from training_loops.stylegan2.networks import Discriminator


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The source in the tests' snapshots counts as that of a public host."""
    origin = {digest(META["module_src"]): "NVlabs/stylegan3 training/networks_stylegan2.py"}
    monkeypatch.setattr(known_sources, "_known", lambda: origin)


class AugmentPipe(nn.Module):
    """Stands for a host's augmentations: all that is of interest is their probability."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("p", torch.tensor(0.25))


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A host's snapshot with links and augmentations."""
    path = tmp_path_factory.mktemp("in") / "network.pkl"
    kwargs = {**DIMS, "synthesis_kwargs": WIDTH}
    G = stored(generator(**ADA), kwargs, link_spec=SPEC)
    D = filled(Discriminator(**D_KWARGS))
    path.write_bytes(snapshot_bytes(G=G, D=stored(D, D_KWARGS), G_ema=G, augment_pipe=stored(AugmentPipe())))
    return path


def test_everything_worth_knowing_is_said(cli: Cli, snapshot: Path) -> None:
    result = cli("inspect", snapshot)
    assert result.exit_code == 0, result.output
    text = result.output
    assert "G_ema: Generator, 16 x 16 pixels, 3 channels\n  z_dim 8, w_dim 8, c_dim 3, num_ws 6" in text
    assert "computes in fp32" in text
    assert "computes in fp16 in 2 of 2 layers, from 8 pixels" in text  # the discriminator
    assert "opens without its code: yes, as stylegan2" in text
    assert "links: eyes=0:2@box(0,0,0.5,0.5) (in G_ema)" in text
    assert "data set: path=/data/faces.zip" in text
    assert "augmentation probability: 0.250" in text
    assert "safe to open here: yes, nothing in it is run" in text
    assert "safe to open in its host: yes, the code that it carries is that of public hosts" in text
    assert re.search(r"  \w+: NVlabs/stylegan3 training/networks_stylegan2\.py\n", text)
    assert f"SHA-256 {hashlib.sha256(snapshot.read_bytes()).hexdigest()}" in text


def test_the_same_as_json(cli: Cli, snapshot: Path) -> None:
    found = json.loads(cli("inspect", snapshot, "--json").output)
    network = found["networks"]["G_ema"]
    learned = sum(parameter.numel() for parameter in generator(**ADA).parameters())
    assert (network["class_name"], network["img_resolution"], network["native"]) == ("Generator", 16, "stylegan2")
    assert network["parameters"] == learned
    assert network["init_kwargs"]["synthesis_kwargs"] == WIDTH
    assert found["link_spec"] == SPEC
    assert found["training_set_kwargs"] == {"path": "/data/faces.zip"}
    assert found["error"] is None
    offsets = {item["name"]: item["offset"] for item in found["globals"]}
    data = snapshot.read_bytes()
    assert data[offsets["torch._utils._rebuild_parameter"]] == 0x93
    assert all(item["allowed"] for item in found["globals"])


def test_a_network_that_only_its_code_opens_says_why(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "network.pkl"
    path.write_bytes(snapshot_bytes(G_ema=stored(generator(), {**DIMS, **WIDTH, "style_mixing": 0.9})))
    result = cli("inspect", path)
    assert result.exit_code == 0
    assert (
        "opens without its code: no: Generator: this program's stylegan2 does not take its arguments" in result.output
    )


def test_our_own_files_are_described_too(cli: Cli, linked_snapshot: Path, tmp_path: Path) -> None:
    converted = tmp_path / "network.safetensors"
    assert cli("convert", linked_snapshot, converted).exit_code == 0
    for path in (linked_snapshot, converted):
        result = cli("inspect", path)
        assert result.exit_code == 0, result.output
        assert "G_ema: Generator, 16 x 16 pixels" in result.output
        assert "links: eyes=0:4@" in result.output
    found = json.loads(cli("inspect", converted, "--json").output)
    assert found["source"]["sha256"] == hashlib.sha256(linked_snapshot.read_bytes()).hexdigest()
    names = [item["name"] for item in json.loads(cli("inspect", linked_snapshot, "--json").output)["globals"]]
    assert "torch._utils._rebuild_tensor_v2" in names


@pytest.mark.parametrize("half_from", [["a", 3], 3, [[1], 3]])
def test_sizes_are_told_as_far_as_they_are_numbers(half_from: object, cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "network.pkl"
    path.write_bytes(snapshot_bytes(G_ema=stored(nn.Module(), use_fp16=True, resolution=half_from)))
    result = cli("inspect", path)
    assert result.exit_code == 0, result.output
    assert "computes in fp16 in 1 of 1 layers, from 3 pixels" in result.output


def test_a_data_set_that_is_no_dict_is_refused(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "network.pkl"
    path.write_bytes(snapshot_bytes(G_ema=stored(generator(), {**DIMS, **WIDTH}), training_set_kwargs=[1, 2]))
    result = cli("inspect", path)
    assert result.exit_code == 1
    assert f"REFUSED: {path}: training_set_kwargs is a list, expected a dict" in result.output


def test_source_that_is_not_a_public_hosts_is_unknown_code(
    cli: Cli, snapshot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_sources, "_known", dict)
    result = cli("inspect", snapshot)
    assert result.exit_code == 1
    assert "safe to open here: yes, nothing in it is run" in result.output
    assert re.search(
        r"safe to open in its host: NO, it carries UNKNOWN CODE \(\w+\), which the host runs", result.output
    )
    assert META["module_src"] not in result.output
    assert META["module_src"] in cli("inspect", snapshot, "--show-source").output
    found = json.loads(cli("inspect", snapshot, "--json").output)
    assert (found["safe_here"], found["safe_in_host"], found["error"]) == (True, False, None)
    (code,) = found["code"]
    assert (code["sha256"], code["origin"]) == (digest(META["module_src"]), None)
    assert "text" not in code


def test_source_is_found_wherever_it_lies_in_the_file(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "network.pkl"
    hidden = stored(nn.Module())
    hidden.source = "import os\x1b[2J"
    path.write_bytes(snapshot_bytes(G_ema=stored(generator(), {**DIMS, **WIDTH}), more=[hidden]))
    result = cli("inspect", path, "--show-source")
    assert result.exit_code == 1
    assert "UNKNOWN CODE (Module)" in result.output
    assert "import os\N{REPLACEMENT CHARACTER}[2J" in result.output


def test_classes_of_other_hosts_are_not_known_here_and_not_dangerous(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "network.pkl"
    names = {"a": ("models.generator", "Synthesis"), "b": ("training.new", "Block"), "c": ("timm.layers", "Mlp")}
    made = {key: b"c" + f"{module}\n{name}\n".encode() + b")\x81" for key, (module, name) in names.items()}
    items = b"".join(text(key) + value for key, value in made.items())
    path.write_bytes(HEAD + network() + b"(" + items + b"u.")
    found = json.loads(cli("inspect", path, "--json").output)
    kinds = {item["name"]: item["kind"] for item in found["globals"]}
    assert found["error"] is None
    assert {kinds[f"{module}.{name}"] for module, name in names.values()} == {"not known here"}


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("training.dataset", "os.system"),
        ("training.dataset", "Loader.run"),
        ("subprocess", "Popen"),
        ("torch.hub", "load"),
        ("torch.fx.graph_module", "GraphModule"),
        ("numpy.f2py.crackfortran", "myeval"),
        ("training.misc", "run"),
        ("__main__", "Evil"),
        ("pip._internal.cli.main", "Main"),
    ],
)
def test_names_that_can_act_are_dangerous(module: str, name: str, cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "network.pkl"
    path.write_bytes(HEAD + text(module) + text(name) + b"\x930" + network() + b".")
    result = cli("inspect", path)
    assert result.exit_code == 1
    assert re.search(rf"DANGEROUS +{re.escape(module)}\.{re.escape(name)} at byte", result.output)


def test_a_class_that_is_not_known_and_called_is_dangerous(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "network.pkl"
    called = text("fabric.connection") + text("Connection") + b"\x93" + text("host") + b"\x85R0"
    path.write_bytes(HEAD + called + network() + b".")
    result = cli("inspect", path)
    assert result.exit_code == 1
    assert re.search(r"DANGEROUS +fabric\.connection\.Connection at byte", result.output)


NAMED = {
    "os.system": "posix.system",
    "os.system by GLOBAL": "posix.system",
    "os.system in text": "posix.system",
    "os.system in a network": "posix.system",
    "builtins.eval": "builtins.eval",
    "builtins.getattr": "builtins.getattr",
    "a dotted name": "torch.serialization.os.system",
    "INST": "posix.system",
    "nested in the keys": "posix.system",
}


@pytest.mark.parametrize("kind", NAMED)
def test_an_attack_is_described_and_does_not_run(kind: str, cli: Cli, tmp_path: Path) -> None:
    marker, path = tmp_path / "ran", tmp_path / "network.pkl"
    path.write_bytes(attacks(f"touch {marker}")[kind])
    result = cli("inspect", path)
    assert result.exit_code == 1, result.output
    assert "REFUSED: " in result.output
    assert re.search(rf"DANGEROUS +{re.escape(NAMED[kind])} at byte ", result.output)
    assert "safe to open in a host: NO" in result.output
    found = json.loads(cli("inspect", path, "--json").output)
    (bad,) = [item for item in found["globals"] if item["name"] == NAMED[kind]]
    data = path.read_bytes()
    assert not bad["allowed"]
    assert data[bad["offset"] : bad["offset"] + 1] in (b"\x93", b"c", b"i")
    assert not marker.exists()


def test_all_names_are_listed_beyond_the_first_dangerous_one(cli: Cli, tmp_path: Path) -> None:
    class First:
        def __reduce__(self) -> Any:
            return os.system, ("true",)

    class Second:
        def __reduce__(self) -> Any:
            return eval, ("1",)

    path = tmp_path / "network.pkl"
    path.write_bytes(pickle.dumps({"a": First(), "b": Second(), "c": {1, 2}}, 3))
    found = json.loads(cli("inspect", path, "--json").output)
    assert [(item["name"], item["allowed"]) for item in found["globals"]] == [
        ("posix.system", False),
        ("builtins.eval", False),
        ("builtins.set", True),
    ]
    assert found["refused"] == "posix.system"
    assert found["offset"] == found["globals"][0]["offset"]


def test_an_archive_with_an_attack_is_described(cli: Cli, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    torch.save({"a": Evil()}, tmp_path / "network.pt")
    result = cli("inspect", tmp_path / "network.pt")
    assert result.exit_code == 1
    assert re.search("DANGEROUS +posix.system at byte", result.output)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("data", [b"", b"hello", b"\x80\x04", b"\x1f\x8b123", b"PK\x03\x04", b"(" * 300_000])
@pytest.mark.parametrize("ending", ["pkl", "pt", "safetensors"])
def test_foreign_and_broken_files_are_one_message(data: bytes, ending: str, cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / f"network.{ending}"
    path.write_bytes(data)
    result = cli("inspect", path)
    assert result.exit_code == 1, result.output
    assert sum(line.startswith("REFUSED: ") for line in result.output.splitlines()) == 1


def test_a_file_that_is_not_there_is_one_message(cli: Cli) -> None:
    assert "no file nothing.pkl" in cli("inspect", "nothing.pkl").output


# From the web


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
        assert re.search("sends on to|not allowed", result.output)


FAULTS = {
    "missing.pkl": "the server answered 404",
    "short.pkl": "10 of 1000 bytes came; try again",
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
    assert re.search("not an address|could not be fetched", result.output)


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
    assert "could not be fetched" in result.output


def test_a_name_from_an_address_stays_in_the_cache(tmp_path: Path) -> None:
    for name in ("..%2f..%2fx.pkl", "%2e%2e/x.pkl", "a%00b.pkl", "x" * 5000 + ".pkl"):
        place = download.place_of(f"https://example.org/{name}?a=../y", tmp_path)
        assert place.parent.parent == tmp_path
        assert len(place.name) <= 80
        assert place.suffix == ".pkl"
