"""`linkgan link`, and training in the basis that it writes: the network stays, the spec travels everywhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from linkgan_plugin import sidecar
from linkgan_plugin.directions import basis as finding
from linkgan_plugin.directions import task
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.networks import load_network
from tests.cli.conftest import Cli
from tests.pickles.test_native import D_KWARGS, DIMS, WIDTH, filled
from tests.pickles.written import snapshot_bytes, stored
from training_loops.snapshots import save_snapshot
from training_loops.stylegan2.networks import Discriminator, Generator

LINK = "top=0:3@box(0,0,1,0.5)"
FEW = ("--probes", 32, "--pairs", 4)
KWARGS = {**DIMS, "c_dim": 0}
TRAIN = ("--loss=linkgan", "--cbase", 128, "--cmax", 8, "--batch", 8, "--quiet", "--threads", 1)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task, "SPREAD", 200)
    monkeypatch.setattr(finding, "probes_for", lambda dim: 32)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A snapshot of the embedded host without links."""
    path = tmp_path_factory.mktemp("trained") / "network.pt"
    G, D = filled(Generator(**KWARGS, **WIDTH)), filled(Discriminator(**{**D_KWARGS, "c_dim": 0}))
    save_snapshot(path, G=G, D=D, G_ema=G, training_options={}, cur_nimg=0, link_spec=None)
    return path


@pytest.fixture(scope="module")
def linked(cli: Cli, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same network, linked."""
    path = tmp_path_factory.mktemp("linked") / "linked.pt"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task, "SPREAD", 200)
        result = cli("link", trained, "--link", LINK, "--out", path, *FEW)
    assert result.exit_code == 0, result.output
    assert "top/locality" in result.output
    assert "top/effect_in" in result.output
    assert f"wrote {path} and {sidecar.path_of(path)}" in result.output
    return path


@pytest.fixture
def pickled(tmp_path: Path) -> Path:
    path = tmp_path / "network.pkl"
    G = stored(filled(Generator(**KWARGS, **WIDTH)), {**KWARGS, **WIDTH})
    path.write_bytes(snapshot_bytes(G=G, G_ema=G))
    return path


def basis_in(path: Path) -> bytes:
    spec = load_network(path).spec
    assert spec is not None
    assert spec.basis is not None
    return spec.basis.data


def test_tensors_stay_the_same_to_the_bit_and_the_spec_has_a_basis(trained: Path, linked: Path) -> None:
    before, after = load_network(trained), load_network(linked)
    for one, other in ((before.generator, after.generator), (before.discriminator, after.discriminator)):
        theirs = other.state_dict()
        assert all(torch.equal(value, theirs[name]) for name, value in one.state_dict().items())
    assert [str(link) for link in after.linked().links] == [LINK]
    assert len(basis_in(linked)) == 4 * 8 * 8
    assert LinkSpec.from_json(sidecar.read_named(linked)) == after.spec


def test_every_kind_of_file_keeps_the_basis(cli: Cli, linked: Path, tmp_path: Path) -> None:
    other, back = tmp_path / "other.safetensors", tmp_path / "back.pt"
    assert cli("convert", linked, other).exit_code == 0
    assert cli("convert", other, back).exit_code == 0
    for path in (other, back):
        assert basis_in(path) == basis_in(linked)
        assert f"links: {LINK}, in a basis of its own (in G_ema)" in cli("inspect", path).output


def test_a_hosts_pickle_is_copied_byte_for_byte_with_its_links_next_to_it(
    cli: Cli, pickled: Path, tmp_path: Path
) -> None:
    out = tmp_path / "linked.pkl"
    result = cli("link", pickled, "--link", LINK, "--out", out, *FEW)
    assert result.exit_code == 0, result.output
    assert out.read_bytes() == pickled.read_bytes()
    assert len(basis_in(out)) == 4 * 8 * 8
    assert f"links: {LINK}, in a basis of its own (in linked.links.json)" in cli("inspect", out).output
    tensors = tmp_path / "linked.safetensors"
    assert cli("convert", out, tensors).exit_code == 0
    assert basis_in(tensors) == basis_in(out)


def test_commands_work_on_a_linked_network(cli: Cli, linked: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    result = cli("edit", linked, "--region", "top", "--seeds", "0", "--out", sheet)
    assert result.exit_code == 0, result.output
    assert sheet.exists()
    result = cli("metrics", linked, "--pairs", 4, "--metric", "locality", "--json")
    spec = json.loads(result.stdout)["link_spec"]
    assert set(spec["basis"]) == {"dim", "sha256"}


@pytest.mark.parametrize("taken", ["linked.pt", "linked.links.json"])
def test_nothing_is_overwritten(cli: Cli, trained: Path, tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_text("precious")
    result = cli("link", trained, "--link", LINK, "--out", tmp_path / "linked.pt", *FEW)
    assert result.exit_code == 2
    assert f"{tmp_path / taken} exists; choose another name for --out" in result.output
    assert [path.name for path in tmp_path.iterdir()] == [taken]


def test_files_that_cannot_be_written_are_refused_before_the_work(
    cli: Cli, trained: Path, pickled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(source: Path, out: str) -> str:
        result = cli("link", source, "--link", LINK, "--out", tmp_path / out, *FEW)
        assert result.exit_code == 2
        assert not (tmp_path / out).exists()
        return result.output

    monkeypatch.setattr(finding, "region_basis", None)
    assert "expected a name that ends in .pkl, .pickle, .pt, .safetensors" in link(trained, "a.bin")
    assert f"{trained} is no pickle" in link(trained, "a.pkl")
    assert "has no D, which training needs" in link(pickled, "a.pt")
    G = stored(filled(Generator(**KWARGS, **WIDTH)), {**KWARGS, **WIDTH}, link_spec={"version": 1})
    carrying = tmp_path / "carrying.pkl"
    carrying.write_bytes(snapshot_bytes(G_ema=G))
    assert f"G_ema in {carrying} carries links" in link(carrying, "b.pkl")


def test_a_network_without_links_needs_some(cli: Cli, trained: Path, tmp_path: Path) -> None:
    result = cli("link", trained, "--out", tmp_path / "a.pt")
    assert result.exit_code == 2
    assert "has no link spec; give one with --link" in result.output


# Training


def options(cli: Cli, faces_zip: Path, *flags: object) -> dict[str, dict[str, dict[str, object]]]:
    result = cli("train", "--data", faces_zip, "--dry-run", *TRAIN, *flags)
    assert result.exit_code == 0, result.output
    found: dict[str, dict[str, dict[str, object]]] = json.loads(result.stdout)
    assert found["G_kwargs"]["link_spec"] == found["loss_kwargs"]["link_spec"]
    return found


def spec_in(found: dict[str, dict[str, dict[str, object]]]) -> LinkSpec:
    return LinkSpec.from_json(found["loss_kwargs"]["link_spec"])


@pytest.mark.parametrize("links", [(), ("--link", LINK), ("--link", "top=0:3@box(0,0,1,0.25)")])
def test_links_are_trained_in_the_basis_of_a_file(
    cli: Cli, faces_zip: Path, trained: Path, linked: Path, links: tuple[str, ...]
) -> None:
    for file in (linked, sidecar.path_of(linked)):
        spec = spec_in(options(cli, faces_zip, "--resume", trained, "--link-basis", file, *links))
        assert spec.basis is not None
        assert spec.basis.data == basis_in(linked)
        assert str(spec.links[0]) == (links[1] if links else LINK)


def test_a_resumed_network_keeps_its_basis_unless_told_otherwise(cli: Cli, faces_zip: Path, linked: Path) -> None:
    for links in ((), ("--link", LINK)):
        assert spec_in(options(cli, faces_zip, "--resume", linked, *links)) == load_network(linked).spec
        plain = spec_in(options(cli, faces_zip, "--resume", linked, "--link-basis", "none", *links))
        assert [str(link) for link in plain.links] == [LINK]
        assert plain.basis is None


def test_auto_finds_the_basis_of_the_resumed_network(cli: Cli, faces_zip: Path, trained: Path) -> None:
    flags = ("--link", LINK, "--device", "cpu", "--link-basis", "auto")
    first, again = (spec_in(options(cli, faces_zip, "--resume", trained, *flags)) for _ in range(2))
    assert first.basis is not None
    assert first == again
    result = cli("train", "--data", faces_zip, "--dry-run", *TRAIN, *flags)
    assert result.exit_code == 2
    assert "give it by --resume FILE" in result.output


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--link", "top=0:4@box(0,0,1,0.5)"), "the links top=0:4 in a basis that was found for top=0:3"),
        (("--link", "low=0:3@box(0,0,1,0.5)"), "the links low=0:3 in a basis that was found for top=0:3"),
        (("--link", LINK, "--link-space", "z"), "a basis of w with 8 axes for links in z with 8"),
        (("--link", LINK, "--link-basis", "nowhere.pt"), "--link-basis: no file nowhere.pt"),
    ],
)
def test_links_that_do_not_fit_the_basis_are_refused(
    cli: Cli, faces_zip: Path, linked: Path, flags: tuple[str, ...], says: str
) -> None:
    result = cli("train", "--data", faces_zip, "--dry-run", "--resume", linked, *TRAIN, *flags)
    assert result.exit_code == 2
    assert says in " ".join(result.output.split())


def test_a_trained_snapshot_carries_the_basis(cli: Cli, faces_zip: Path, linked: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    flags = ("--resume", linked, "--kimg", 0.016, "--link-interval", 1)
    result = cli("train", "--data", faces_zip, "--run-dir", run, *TRAIN, *flags)
    assert result.exit_code == 0, result.output
    assert f"links keep the basis of {linked}" in result.output
    assert basis_in(max(run.glob("network-snapshot-*.pt"))) == basis_in(linked)
    assert "data" in json.loads((run / "training_options.json").read_text())["loss_kwargs"]["link_spec"]["basis"]
