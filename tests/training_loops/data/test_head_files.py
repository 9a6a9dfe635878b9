"""`linkgan data heads3d` writes images, camera labels, attributes and label maps that agree with the renderer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from linkgan_plugin.cli.data import data
from training_loops.data.head_cameras import sample_cameras
from training_loops.data.head_files import write_heads
from training_loops.data.heads3d import PARTS, render
from training_loops.formats.archive import DatasetError
from training_loops.formats.folder import ImageFolderDataset


def test_images_labels_and_label_maps_are_what_the_attributes_render(tmp_path: Path) -> None:
    write_heads(tmp_path / "heads.zip", 18, 16, seed=4, masks=tmp_path / "masks.zip")
    heads = ImageFolderDataset(tmp_path / "heads.zip", use_labels=True)
    maps = ImageFolderDataset(tmp_path / "masks.zip", use_labels=True)
    description = heads.read_json("attributes.json")
    assert {k: description[k] for k in ("renderer", "version", "seed")} == {
        "renderer": "heads3d",
        "version": 1,
        "seed": 4,
    }
    pixels, labels = heads.batch(range(18))
    assert labels.shape == (18, 25)
    assert np.array_equal(labels, sample_cameras(18, 4).numpy())
    views = render(torch.tensor(description["values"]), torch.from_numpy(labels), 16)
    # Attributes are stored to six digits: an edge may move across a ray here and there.
    off = np.abs(((views.images + 1) * 127.5).numpy() - pixels)
    assert (off < 0.6).mean() > 0.999
    found, map_labels = maps.batch(range(18))
    assert np.array_equal(map_labels, labels)
    assert (found[:, 0] == views.masks.argmax(1).numpy()).mean() > 0.999
    assert maps.read_json("parts.json") == {"parts": list(PARTS)}


def test_the_command_writes_the_same_file_for_the_same_seed(tmp_path: Path) -> None:
    options = ["--n", "2", "--size", "16", "--yaw", "0.1", "--pitch", "0", "--spread", "normal"]
    for name in ("a.zip", "b.zip"):
        result = CliRunner().invoke(data, ["heads3d", *options, "--out", str(tmp_path / name)])
        assert result.exit_code == 0, result.output
        assert "2 heads of 16x16 pixels" in result.output
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    labels = ImageFolderDataset(tmp_path / "a.zip", use_labels=True).batch([0, 1])[1]
    assert np.array_equal(labels, sample_cameras(2, 0, 0.1, 0.0, "normal").numpy())
    assert np.abs(labels[:, 7]).max() == 0, "level"


def test_nothing_is_overwritten_and_unusable_arguments_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "heads.zip"
    out.write_bytes(b"mine")
    with pytest.raises(DatasetError, match="exists already"):
        write_heads(out, 2, 16, seed=0)
    assert out.read_bytes() == b"mine"
    with pytest.raises(DatasetError, match="size is 48, expected a power of two"):
        write_heads(tmp_path / "new.zip", 2, 48, seed=0)
    with pytest.raises(DatasetError, match="two names"):
        write_heads(tmp_path / "new.zip", 2, 16, seed=0, masks=tmp_path / "new.zip")
    with pytest.raises(DatasetError, match=r"pitch is 1\.6"):
        write_heads(tmp_path / "new.zip", 2, 16, seed=0, pitch=1.6)
    with pytest.raises(DatasetError, match="n is 0, expected at least 1 of the heads"):
        write_heads(tmp_path / "new.zip", 0, 16, seed=0)
    assert [path.name for path in tmp_path.iterdir()] == ["heads.zip"]
