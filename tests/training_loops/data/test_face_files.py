"""`linkgan data faces` writes images, attributes and label maps that agree with the renderer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from linkgan_plugin.cli.data import data
from training_loops.data.face_files import write_faces
from training_loops.data.faces import PARTS, render
from training_loops.formats.archive import ArchiveReader, DatasetError
from training_loops.formats.folder import ImageFolderDataset


def test_images_and_label_maps_are_what_the_attributes_render(tmp_path: Path) -> None:
    write_faces(tmp_path / "faces.zip", 70, 32, seed=4, masks=tmp_path / "masks.zip")
    faces, maps = ImageFolderDataset(tmp_path / "faces.zip"), ImageFolderDataset(tmp_path / "masks.zip")
    description = faces.read_json("attributes.json")
    assert {k: description[k] for k in ("renderer", "version", "seed")} == {
        "renderer": "faces",
        "version": 1,
        "seed": 4,
    }
    images, masks = render(torch.tensor(description["values"]), 32)
    pixels, _ = faces.batch(range(70))
    assert np.abs(((images + 1) * 127.5).numpy() - pixels).max() < 0.6
    labels, _ = maps.batch(range(70))
    assert (labels[:, 0] == masks.argmax(1).numpy()).mean() > 0.9999
    assert maps.read_json("parts.json") == {"parts": list(PARTS)}


def test_the_command_writes_the_same_file_for_the_same_seed(tmp_path: Path) -> None:
    for name in ("a.zip", "b.zip"):
        result = CliRunner().invoke(data, ["faces", "--n", "3", "--size", "16", "--out", str(tmp_path / name)])
        assert result.exit_code == 0, result.output
        assert "3 faces of 16x16 pixels" in result.output
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_nothing_is_overwritten_and_sizes_are_powers_of_two(tmp_path: Path) -> None:
    out = tmp_path / "faces.zip"
    out.write_bytes(b"mine")
    with pytest.raises(DatasetError, match="exists already"):
        write_faces(out, 3, 32, seed=0)
    assert out.read_bytes() == b"mine"
    with pytest.raises(DatasetError, match="size is 48, expected a power of two"):
        write_faces(tmp_path / "new.zip", 3, 48, seed=0)
    with pytest.raises(DatasetError, match="two names"):
        write_faces(tmp_path / "new.zip", 3, 32, seed=0, masks=tmp_path / "new.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["faces.zip"]


def test_files_without_masks_hold_no_label_maps(tmp_path: Path) -> None:
    write_faces(tmp_path / "faces", 2, 8, seed=0)
    assert set(ArchiveReader(tmp_path / "faces").names) == {
        "00000/img00000000.png",
        "00000/img00000001.png",
        "attributes.json",
        "dataset.json",
    }
