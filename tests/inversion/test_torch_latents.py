"""Latents in files of torch.save: every place and shape that other programs use, and what is said of the rest."""

from __future__ import annotations

import gzip
import os
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.inversion.projected import load_projected
from tests.pickles.layouts import network, rosinality
from training_loops.stylegan2.networks import Generator

LATENTS = torch.arange(64.0).reshape(1, 8, 8) / 8
ROW = LATENTS[:, :1].expand(1, 8, 8)
PLACES: dict[str, Any] = {
    "a tensor": LATENTS,
    "a parameter": nn.Parameter(LATENTS),
    "of layers": LATENTS[0],
    "w": {"w": LATENTS, "seed": 3},
    "ws": {"ws": LATENTS},
    "latent": {"latent": LATENTS[0], "opts": Namespace(lr=0.1)},
    "latents": {"latents": LATENTS, "latent_avg": torch.ones(8)},
    "a list": [LATENTS],
    "another name": {"pivot": LATENTS},
    "rosinality's projector": {"a.png": {"img": torch.zeros(3, 4, 4), "latent": LATENTS[0], "noise": [torch.ones(1)]}},
    "an array": {"w": LATENTS.numpy()},
    "half precision": LATENTS.half(),
    "bfloat16": LATENTS.bfloat16(),
    "double": LATENTS.double(),
}
ROWS: dict[str, Any] = {"a row": LATENTS[0, 0], "one row": LATENTS[0, :1], "a row in a dict": {"w": LATENTS[:, :1]}}


@pytest.fixture(scope="module")
def generator() -> Generator:
    return network()


def saved(path: Path, data: Any, zipped: bool = True) -> Path:
    torch.save(data, path, _use_new_zipfile_serialization=zipped)
    return path


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("place", [*PLACES, *ROWS])
def test_latents_are_found_where_programs_put_them(
    place: str, zipped: bool, generator: Generator, tmp_path: Path
) -> None:
    expected = LATENTS if place in PLACES else ROW
    for name in ("0.pt", "0.npz", "latents"):
        path = saved(tmp_path / name, {**PLACES, **ROWS}[place], zipped)
        found = load_projected(path, generator).latents
        assert found.dtype == torch.float32
        assert torch.equal(found, expected)


def test_packed_latents_open(generator: Generator, tmp_path: Path) -> None:
    path = saved(tmp_path / "0.pt", LATENTS)
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert torch.equal(load_projected(path, generator).latents, LATENTS)


def test_arrays_open_under_the_name_of_torch_too(generator: Generator, tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", w=LATENTS.numpy())
    (tmp_path / "w.npz").rename(tmp_path / "w.pt")
    assert torch.equal(load_projected(tmp_path / "w.pt", generator).latents, LATENTS)


MANY = LATENTS.repeat(3, 1, 1)
WRONG: dict[str, tuple[Any, str]] = {
    "of several images": (MANY, r"'w' is \[3, 8, 8\], latents of 3 images; save one of them"),
    "of thousands": ({"latents": MANY.repeat(2000, 1, 1)}, r"latents of 6000 images; save one of them"),
    "a view of thousands": (MANY.repeat(2000, 1, 1)[:1], r"is stored in \d+ bytes, expected at most .*\.clone\(\)"),
    "a list of several": ([LATENTS, LATENTS], r"latents of 2 images \(0, 1\)"),
    "images by name": ({"a.png": LATENTS, "b.png": LATENTS}, r"latents of 2 images \(a.png, b.png\)"),
    "another network's": (torch.zeros(1, 18, 512), r"latents \[1, 18, 512\], this network takes \[1, 8, 8\]"),
    "fewer layers": (LATENTS[:, :6], r"latents \[1, 6, 8\], this network takes \[1, 8, 8\], \[8, 8\] or one row"),
    "whole numbers": (LATENTS.long(), "'w' holds int64, expected floating point"),
    "not finite": (LATENTS * float("nan"), "'w' holds numbers that are not finite"),
    "a network": (
        {"g_ema": rosinality(network()), "latent_avg": torch.ones(8)},
        "no latents in it: StyleGAN2 in rosinality's layout",
    ),
    "weights": (
        {"a.weight": torch.ones(2), "b.bias": torch.ones(3)},
        "no latents in it: weights of an unknown network",
    ),
    "text": ("hello", "no latents in it: a str"),
    "nothing": ([], "no latents in it: a list"),
    "two names": ({"ws": LATENTS, "latent": LATENTS}, "holds ws, latent, expected latents called one of"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_latents_of_one_image_says_so(kind: str, generator: Generator, tmp_path: Path) -> None:
    data, message = WRONG[kind]
    path = saved(tmp_path / "0.pt", data)
    with pytest.raises(LinkGANError, match=message) as caught:
        load_projected(path, generator)
    assert str(path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


class Mkdir:
    """Pickles as a call that would make a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


def test_an_attack_beside_latents_is_refused_and_does_not_run(generator: Generator, tmp_path: Path) -> None:
    path = saved(tmp_path / "0.pt", {"w": LATENTS, "opts": Mkdir(tmp_path / "ran")})
    with pytest.raises(LinkGANError, match=r"refers to posix\.mkdir"):
        load_projected(path, generator)
    assert not (tmp_path / "ran").exists()
