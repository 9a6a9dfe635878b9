"""`linkgan inspect`: what it says of files with unknown source, dangerous names and attacks, and runs nothing."""

from __future__ import annotations

import json
import os
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from linkgan_plugin.pickles import known_sources
from linkgan_plugin.pickles.nodes import digest
from tests.cli.conftest import Cli
from tests.pickles.test_hostile import HEAD, attacks, network, text
from tests.pickles.test_native import DIMS, WIDTH, generator
from tests.pickles.written import META, snapshot_bytes, stored


def test_source_that_is_not_a_public_hosts_is_unknown_code(
    cli: Cli, snapshot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_sources, "_known", dict)
    result = cli("inspect", snapshot)
    assert result.exit_code == 1
    assert "safe to open here: yes, no code in it is run" in result.output
    assert re.search(
        r"safe to open in its host: NO, it contains UNKNOWN CODE \(\w+\), which the host runs", result.output
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
