"""Snapshots come back as they were, and nothing else is opened."""

from __future__ import annotations

import copy
import io
import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from training_loops.snapshots import SnapshotError, load_snapshot, save_snapshot
from training_loops.stylegan2.networks import Discriminator, Generator

SMALL: dict[str, Any] = {"channel_base": 64, "channel_max": 8, "num_fp16_res": 0, "conv_clamp": None}
SPEC = {"version": 1, "space": "w", "links": [{"name": "eyes", "axes": [[0, 4]]}]}


@pytest.fixture
def nets() -> dict[str, Any]:
    torch.manual_seed(0)
    G = Generator(6, 2, 5, 8, 3, mapping_kwargs={"num_layers": 2}, **SMALL)
    G_ema = copy.deepcopy(G)
    G_ema.mapping.w_avg.normal_()
    return {"G": G, "D": Discriminator(2, 8, 3, **SMALL), "G_ema": G_ema}


def _save(path: Path, nets: dict[str, Any], **changes: Any) -> Path:
    info = {"training_options": {"batch_size": 8}, "cur_nimg": 1234, "link_spec": None}
    save_snapshot(path, **nets, **{**info, **changes})
    return path


def test_a_round_trip_keeps_every_tensor_and_number(tmp_path: Path, nets: dict[str, Any]) -> None:
    found = load_snapshot(_save(tmp_path / "s.pt", nets, link_spec=SPEC))
    for role, net in nets.items():
        again = getattr(found, role)
        assert type(again) is type(net)
        assert not again.training
        assert not any(p.requires_grad for p in again.parameters())
        state = net.state_dict()
        assert list(again.state_dict()) == list(state)
        assert all(torch.equal(value, state[key]) for key, value in again.state_dict().items())
    assert (found.training_options, found.cur_nimg, found.link_spec) == ({"batch_size": 8}, 1234, SPEC)
    assert found.G.link_spec == found.G_ema.link_spec == SPEC
    z, c = torch.randn(2, 6), torch.eye(2)
    expected = nets["G_ema"].eval()(z, c, noise_mode="const")
    assert torch.equal(found.G_ema(z, c, noise_mode="const"), expected)


def test_a_generator_without_links_gets_no_spec(tmp_path: Path, nets: dict[str, Any]) -> None:
    found = load_snapshot(_save(tmp_path / "s.pt", nets))
    assert found.link_spec is None
    assert not hasattr(found.G, "link_spec")


def test_loaded_networks_can_be_trained(tmp_path: Path, nets: dict[str, Any]) -> None:
    G = load_snapshot(_save(tmp_path / "s.pt", nets)).G.requires_grad_(True)
    G(torch.randn(2, 6), torch.eye(2)).sum().backward()
    assert all(p.grad is not None for name, p in G.named_parameters() if "noise_strength" not in name)


def test_other_networks_are_not_saved(tmp_path: Path, nets: dict[str, Any]) -> None:
    with pytest.raises(SnapshotError, match=r"cannot save a torch\.nn\.modules\.linear\.Linear"):
        _save(tmp_path / "s.pt", {**nets, "D": torch.nn.Linear(1, 1)})
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_previous_snapshot(
    tmp_path: Path, nets: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _save(tmp_path / "s.pt", nets)

    def full_disk(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        _save(path, nets, cur_nimg=9999)
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == ["s.pt"]
    assert load_snapshot(path).cur_nimg == 1234


def test_every_truncation_is_refused_by_name(tmp_path: Path, nets: dict[str, Any]) -> None:
    whole = _save(tmp_path / "s.pt", nets).read_bytes()
    cut = tmp_path / "cut.pt"
    for length in [0, 1, 100, len(whole) // 3, len(whole) // 2, len(whole) - 1000, len(whole) - 1]:
        cut.write_bytes(whole[:length])
        with pytest.raises(SnapshotError, match=r"cut\.pt: not a readable training_loops\.snapshot file"):
            load_snapshot(cut)


def test_a_flipped_bit_anywhere_is_refused_or_harmless(tmp_path: Path, nets: dict[str, Any]) -> None:
    whole = _save(tmp_path / "s.pt", nets).read_bytes()
    expected = load_snapshot(tmp_path / "s.pt").G.state_dict()
    flipped = tmp_path / "flipped.pt"
    refused = 0
    for position in range(0, len(whole), len(whole) // 150):
        data = bytearray(whole)
        data[position] ^= 4
        flipped.write_bytes(data)
        try:
            found = load_snapshot(flipped).G.state_dict()
        except SnapshotError:
            refused += 1
        else:  # padding between entries, time stamps
            assert all(torch.equal(found[key], value) for key, value in expected.items())
    assert refused > 75


class _Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("how", ["plain pickle", "torch.save", "inside a snapshot"])
def test_nothing_in_a_file_is_run(tmp_path: Path, nets: dict[str, Any], how: str) -> None:
    marker, path = tmp_path / "was-here", tmp_path / "evil.pt"
    if how == "plain pickle":
        path.write_bytes(pickle.dumps(_Evil(marker)))
    elif how == "torch.save":
        torch.save({"format": _Evil(marker)}, path)
    else:
        data = torch.load(_save(tmp_path / "good.pt", nets), weights_only=True)
        torch.save({**data, "cur_nimg": _Evil(marker)}, path)
    with pytest.raises(SnapshotError, match=r"evil\.pt: not a readable"):
        load_snapshot(path)
    assert not marker.exists()


def _altered(path: Path, nets: dict[str, Any], change: Any) -> Path:
    data = torch.load(_save(path, nets), weights_only=True)
    change(data)
    torch.save(data, path)
    return path


def _set_kwarg(name: str, value: Any) -> Any:
    def change(data: dict[str, Any]) -> None:
        kwargs = json.loads(data["networks"]["G"]["init_kwargs"])
        data["networks"]["G"]["init_kwargs"] = json.dumps({**kwargs, name: value})

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(format="other"), "format 'other', expected 'training_loops.snapshot'"),
        (lambda d: d.update(version=99), "version 99, this program reads 1"),
        (lambda d: d["networks"].pop("G_ema"), "damaged snapshot"),
        (lambda d: d["networks"]["G"].update(class_name="os.system"), "class 'os.system' is not allowed"),
        (lambda d: d["networks"]["D"].update(class_name="torch.nn.Linear"), "class 'torch.nn.Linear' is not allowed"),
        (lambda d: d["networks"]["G"]["state"].pop("mapping.fc1.bias"), "mapping.fc1.bias is missing"),
        (lambda d: d["networks"]["G"]["state"].update(extra=torch.zeros(1)), "extra is unexpected"),
        (
            lambda d: d["networks"]["G"]["state"].update({"mapping.fc1.bias": torch.zeros(5).double()}),
            r"mapping.fc1.bias is float64 \[5\], expected float32 \[5\]",
        ),
        (
            lambda d: d["networks"]["G"]["state"].update({"mapping.fc1.bias": torch.zeros(1).expand(5)}),
            r"a tensor of shape \[5\] in a storage of 1 numbers",
        ),
        (_set_kwarg("channel_max", 10**12), "channel_max of 1e\\+12 among its arguments, expected at most 16384"),
        (_set_kwarg("channel_max", 2**14), "expected float32"),
        (
            _set_kwarg("mapping_kwargs", {"num_layers": 10**9}),
            "num_layers of 1e\\+09 among its arguments",
        ),
        (_set_kwarg("img_resolution", 2**40), "img_resolution of 1.1e\\+12"),
        (_set_kwarg("img_resolution", 17), "expected a power of two"),
        (_set_kwarg("unknown", 1), "unexpected keyword argument 'unknown'"),
        (lambda d: d.update(training_options="{"), "damaged snapshot"),
        (lambda d: d.update(training_options="[1]"), "training_options: holds a list, expected a JSON object"),
        (
            lambda d: d.update(training_options='{"training_set_kwargs": "x"}'),
            "'training_set_kwargs' must be",
        ),
        (lambda d: d.update(link_spec="7"), "not a dict"),
    ],
)
def test_altered_snapshots_are_refused_with_the_reason(
    tmp_path: Path, nets: dict[str, Any], change: Any, message: str
) -> None:
    with pytest.raises(SnapshotError, match=message) as caught:
        load_snapshot(_altered(tmp_path / "altered.pt", nets, change))
    assert "altered.pt" in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_halved_weights_are_made_single_again(tmp_path: Path, nets: dict[str, Any], dtype: torch.dtype) -> None:
    def halve(data: dict[str, Any]) -> None:
        for packed in data["networks"].values():
            packed["state"] = {name: tensor.to(dtype) for name, tensor in packed["state"].items()}

    found = load_snapshot(_altered(tmp_path / "small.pt", nets, halve))
    for role, net in nets.items():
        opened = getattr(found, role).state_dict()
        for name, tensor in net.state_dict().items():
            assert opened[name].dtype == tensor.dtype
            assert torch.equal(opened[name], tensor.to(dtype).to(tensor.dtype))


def test_an_archive_that_unpacks_to_more_than_its_size_is_refused(tmp_path: Path, nets: dict[str, Any]) -> None:
    bomb = tmp_path / "bomb.pt"
    with (
        zipfile.ZipFile(_save(tmp_path / "s.pt", nets)) as source,
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry))
    with pytest.raises(SnapshotError, match=r"bomb\.pt.*is compressed by method 8, expected stored entries"):
        load_snapshot(bomb)


def test_other_files_are_refused_by_name(tmp_path: Path) -> None:
    image = tmp_path / "image.pt"
    image.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    with pytest.raises(SnapshotError, match=r"image\.pt: not a readable"):
        load_snapshot(image)
    with pytest.raises(SnapshotError, match=r"missing\.pt: no such file"):
        load_snapshot(tmp_path / "missing.pt")
    buffer = io.BytesIO()
    torch.save([1, 2], buffer)
    image.write_bytes(buffer.getvalue())
    with pytest.raises(SnapshotError, match=r"image\.pt: format None"):
        load_snapshot(image)
