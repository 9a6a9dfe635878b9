"""`linkgan directions`: a file, a list and a sheet of any network, and refusals before anything is rendered."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from linkgan_plugin import registry
from linkgan_plugin.checksum import file_digest
from linkgan_plugin.directions import find, task
from linkgan_plugin.directions.files import load_directions
from linkgan_plugin.directions.task import Found, Method, Task
from linkgan_plugin.report.sheet import GAP, HEADER, NOTE
from tests.cli.conftest import Cli
from tests.pickles.test_native import D_KWARGS, DIMS, WIDTH, filled
from training_loops.snapshots import save_snapshot
from training_loops.stylegan2.networks import Discriminator, Generator

TOP = "box(0,0,1,0.5)"
KWARGS = {**DIMS, "c_dim": 0}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task, "SPREAD", 1000)
    monkeypatch.setattr(find, "SCORED", 4)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A snapshot of the embedded host without links."""
    path = tmp_path_factory.mktemp("trained") / "network.pt"
    G, D = filled(Generator(**KWARGS, **WIDTH)), filled(Discriminator(**{**D_KWARGS, "c_dim": 0}))
    save_snapshot(path, G=G, D=D, G_ema=G, training_options={}, cur_nimg=0, link_spec=None)
    return path


def axes(task: Task, *, scale: float = 1.0, first: int = 0, mirrored: bool = False, note: str = "none") -> Found:
    """Return the axes in order.

    Args:
        task: any.
        scale: of nothing.
        first: axis, of which there may
            be many.
        mirrored: backwards.
        note: any text.
    """
    if note == "stop":
        raise KeyboardInterrupt
    vectors = torch.eye(task.dim)[first : first + task.count] * (-1 if mirrored else 1)
    return Found(vectors, names=("named", *[""] * (len(vectors) - 1)) if note == "named" else (), facts={"known": 0.5})


@pytest.fixture
def plain_axes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the method `axes`."""
    load, method = registry.load, Method(axes, "None et al., 1900")
    monkeypatch.setattr(registry, "load", lambda kind, name: method if name == "axes" else load(kind, name))
    monkeypatch.setattr(registry, "names", lambda kind: ["axes"])


@pytest.mark.usefixtures("plain_axes")
def test_a_run_writes_the_file_the_list_and_the_sheet(cli: Cli, trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "eyes.safetensors"
    options = ("--method", "axes", "--region", f"eyes={TOP}", "--count", 2, "--seeds", "3,5,8", "--cell", 16)
    result = cli("directions", trained, *options, "--set", "first=1", "--seed", 4, "--out", out)
    assert result.exit_code == 0, result.output
    assert sorted(file.name for file in tmp_path.iterdir()) == ["eyes.json", "eyes.png", "eyes.safetensors"]
    found = load_directions(out, dim=KWARGS["w_dim"])
    assert found.names == ("eyes 0", "eyes 1")
    assert found.settings == {"scale": 1.0, "first": 1, "mirrored": False, "note": "none"}
    assert (found.method, found.seed, found.region, found.network) == ("axes", 4, TOP, file_digest(trained))
    lines = result.output.splitlines()
    assert lines[0].split() == ["direction", "effect", "leak", "inside"]
    effect, leak = float(found.effect[0]), float(found.leak[0])
    assert lines[1].split() == [
        "eyes",
        "0",
        f"{effect:.3g}",
        f"{leak:.3g}",
        f"{100 * effect / (effect + leak):.0f}",
        "%",
    ]
    assert "known 0.5" in lines
    assert lines[-1] == f"wrote {out}, {out.with_suffix('.json')} and {out.with_suffix('.png')}"
    with Image.open(out.with_suffix(".png")) as sheet:
        side = KWARGS["img_resolution"] * max(1, round(16 / KWARGS["img_resolution"]))
        title = HEADER + 6
        assert sheet.size == (6 * side, title + 2 * (2 * GAP + HEADER + NOTE + 3 * side))
        assert json.loads(sheet.text["seeds"]) == [3, 5, 8]
        middle = np.asarray(sheet)[title + 2 * GAP + HEADER + NOTE :][:side, 2 * side : 3 * side]
        assert middle.std() > 0


@pytest.mark.usefixtures("plain_axes")
def test_in_z_and_without_a_region_there_is_only_an_effect(cli: Cli, trained: Path, tmp_path: Path) -> None:
    result = cli(
        "directions",
        trained,
        "--method",
        "axes",
        "--link-space",
        "z",
        "--count",
        1,
        "--out",
        tmp_path / "a.safetensors",
    )
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[0].split() == ["direction", "effect"]
    found = load_directions(tmp_path / "a.safetensors")
    assert found.space == "z"
    assert found.names == ("",)


@pytest.mark.usefixtures("plain_axes")
def test_names_of_the_method_are_kept(cli: Cli, trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.safetensors"
    result = cli(
        "directions", trained, "--method", "axes", "--set", "note=named", "--region", f"eyes={TOP}", "--out", out
    )
    assert result.exit_code == 0, result.output
    assert set(load_directions(out).names) == {"named", ""}


@pytest.mark.usefixtures("plain_axes")
def test_the_list_explains_every_setting(cli: Cli) -> None:
    result = cli("directions", "--list")
    assert result.exit_code == 0, result.output
    assert [line.split() for line in result.output.splitlines()] == [
        ["axes:", "None", "et", "al.,", "1900"],
        ["scale=1.0", "of", "nothing."],
        ["first=0", "axis,", "of", "which", "there", "may", "be", "many."],
        ["mirrored=False", "backwards."],
        ["note=none", "any", "text."],
    ]


def test_installed_methods_are_listed_with_their_papers(cli: Cli) -> None:
    assert "sefa: Shen and Zhou, CVPR 2021\n  layers=all" in cli("directions", "--list").output


@pytest.mark.usefixtures("plain_axes")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "give --region NAME=REGION, or a --method"),
        (("--method", "axes", "--set", "first"), "--set first: expected KEY=VALUE"),
        (("--method", "axes", "--set", "firts=1"), "axes has no setting 'firts'; known: first, mirrored, note, scale"),
        (("--method", "axes", "--set", "region=1"), "axes has no setting 'region'"),
        (("--method", "axes", "--set", "first=1.5"), "--set first=1.5: expected int such as 0"),
        (("--method", "axes", "--set", "scale=inf"), "--set scale=inf: expected float such as 1.0"),
        (("--method", "axes", "--set", "mirrored=maybe"), "--set mirrored=maybe: expected bool such as False"),
        (("--method", "axes", "--set", "first=1", "--set", "first=2"), "--set first is given twice"),
        (("--method", "axes", "--region", "eyes=box(2,2,3,3)"), "box"),
        (("--method", "none"), "no plugin 'none' among the directions"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(
    cli: Cli, trained: Path, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    result = cli("directions", trained, *options, "--out", tmp_path / "a.safetensors")
    assert result.exit_code == 2, result.output
    assert message in result.output
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("plain_axes")
@pytest.mark.parametrize("taken", ["a.safetensors", "a.json", "a.png"])
def test_files_that_exist_are_kept_unless_forced(cli: Cli, trained: Path, tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_text("mine")
    call = ("directions", trained, "--method", "axes", "--count", 1, "--out", tmp_path / "a.safetensors")
    result = cli(*call)
    assert result.exit_code == 2
    assert f"{taken} exists; choose another name, or overwrite it with --force" in result.output
    assert (tmp_path / taken).read_text() == "mine"
    assert cli(*call, "--force").exit_code == 0
    assert len(load_directions(tmp_path / "a.safetensors")) == 1


@pytest.mark.usefixtures("plain_axes")
def test_ctrl_c_leaves_no_file(cli: Cli, trained: Path, tmp_path: Path) -> None:
    result = cli("directions", trained, "--method", "axes", "--set", "note=stop", "--out", tmp_path / "a.safetensors")
    assert result.exit_code == 1
    assert "Aborted!" in result.output
    assert not list(tmp_path.iterdir())


def test_a_reader_is_made_from_its_text_on_the_device(
    cli: Cli, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[object] = []
    readers = types.ModuleType("readers")
    readers.reader_from = lambda *arguments: given.append(arguments) or (lambda images: images)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "linkgan_plugin.directions.readers", readers)
    seen: list[Task] = []

    def found(task: Task) -> Found:
        seen.append(task)
        return Found(torch.eye(task.dim)[:1])

    monkeypatch.setattr(registry, "load", lambda kind, name: Method(found, "none", reads=True))
    options = ("--method", "any", "--reader", "smiles.pt", "--attributes", "smile,age")
    result = cli("directions", trained, *options, "--out", tmp_path / "a.safetensors")
    assert result.exit_code == 0, result.output
    assert given == [("smiles.pt", "cpu")]
    assert seen[0].attributes == ("smile", "age")
    assert seen[0].reader is not None


def test_options_are_listed_under_headings(cli: Cli) -> None:
    text = cli("directions", "--help").output
    places = [text.index(f"\n{heading}:\n") for heading in ("What to find", "Network", "Files", "Options")]
    assert places == sorted(places)
    options = [text.index(f"\n  --{name} ") for name in ("region", "device", "seeds")]
    assert places[0] < options[0] < places[1] < options[1] < places[2] < options[2] < places[3]
    assert text[places[3] :].split("\n\n")[0].count("--") == 1  # --help
