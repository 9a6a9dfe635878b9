"""Opening segmentation networks: by what a file holds, and programs only where the user trusts them."""

from __future__ import annotations

import os
import zipfile

import pytest
import torch
from torch import nn

from linkgan_plugin.checksum import file_digest
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.segmentation import named
from linkgan_plugin.segmentation.files import open_segmenter, typed_card
from linkgan_plugin.segmentation.segmenter import Card
from tests.segmentation.networks import CLASSES, Light, exported, script


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)


@pytest.mark.parametrize(("write", "name"), [(script, "a.pt"), (exported, "a.pt2")])
def test_a_trusted_program_computes_what_it_did_before_it_was_saved(tmp_path, images, write, name):
    path = write(tmp_path / name, classes=CLASSES)
    segmenter = open_segmenter(path)
    assert segmenter.card.classes == CLASSES
    assert segmenter.card.sha256 == file_digest(path)
    assert torch.allclose(segmenter.scores(images), Light()(images), atol=1e-6)


@pytest.mark.parametrize("name", ["a.pt", "a.pt2", "a"])
@pytest.mark.parametrize(("write", "own"), [(script, "a.pt"), (exported, "a.pt2")])
def test_what_a_program_is_called_does_not_matter(tmp_path, images, write, own, name):
    path = write(tmp_path / own, trusted=False, classes=CLASSES).rename(tmp_path / name)
    named.trust(path)
    assert torch.allclose(open_segmenter(path).scores(images), Light()(images), atol=1e-6)


@pytest.mark.parametrize("name", ["a.pt", "a.pt2", "a.safetensors", "a"])
@pytest.mark.parametrize("write", [script, exported])
def test_a_program_is_opened_for_nobody_who_has_not_said_so(tmp_path, monkeypatch, write, name):
    monkeypatch.setattr(torch.jit, "load", lambda *args, **kwargs: pytest.fail("opened"))
    monkeypatch.setattr(torch.export, "load", lambda *args, **kwargs: pytest.fail("opened"))
    written = write(tmp_path / ("a.pt2" if write is exported else "a.pt"), trusted=False, classes=CLASSES)
    path = written.rename(tmp_path / name)
    for ask in (open_segmenter, lambda path: typed_card(str(path))):
        with pytest.raises(LinkGANError, match=r"runs code in the file.*segment export`.*--trust-network .*") as caught:
            ask(path)
        assert str(path) in str(caught.value)


def test_trust_is_of_one_file_and_ends_with_the_command(tmp_path):
    first, second = script(tmp_path / "a.pt"), script(tmp_path / "b.pt", trusted=False)
    open_segmenter(first)
    with pytest.raises(LinkGANError, match="--trust-network"):
        open_segmenter(second)
    named.forget()
    with pytest.raises(LinkGANError, match="--trust-network"):
        open_segmenter(first)


def test_images_are_normalised_and_resized_as_the_card_says(tmp_path, images):
    card = {"mean": (0.1, 0.2, 0.3), "std": (0.5, 0.25, 2.0), "size": (4, 4)}
    found = open_segmenter(script(tmp_path / "a.pt", classes=CLASSES, **card)).scores(images)
    assert found.shape == (3, 2, 4, 4)
    small = torch.nn.functional.interpolate(images, size=(4, 4), mode="bilinear", antialias=True)
    per_channel = torch.tensor([[0.1, 0.5], [0.2, 0.25], [0.3, 2.0]])
    wanted = ((small + 1) / 2 - per_channel[:, :1, None]) / per_channel[:, 1:, None]
    assert torch.allclose(found[:, 1], wanted.mean(dim=1), atol=1e-6)


def test_a_card_may_lie_beside_the_file(tmp_path):
    path = script(tmp_path / "a.pt")
    assert open_segmenter(path).card.classes == ()
    path.with_suffix(".json").write_text('{"classes": ["night", "day"]}')
    os.utime(path, ns=(1, 1))
    assert open_segmenter(path).card.classes == ("night", "day")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"classes": ["a", "a"]}', "two classes have the name 'a'"),
        ('{"classes": [1]}', "expected names"),
        ('{"classes": "ab"}', "'classes' must be of type list, not 'ab'"),
        ('{"classes": ["\\u001b[2J"]}', "expected names"),
        ('{"classes": [' + ",".join(f'"{n}"' for n in range(5000)) + "]}", "5000 classes, expected at most 4096"),
        ('{"clases": []}', "an unknown field 'clases'; known: classes, .*did you mean 'classes'"),
        ('{"std": [1, 0, 1]}', "expected numbers above 0"),
        ('{"mean": [1]}', "expected three numbers"),
        ('{"mean": [1' + "0" * 400 + ", 1, 1]}", "cannot be read"),
        ('{"mean": [NaN, 1, 1]}', "NaN is not a JSON number"),
        ('{"size": [0, 8]}', r"expected \[height, width\]"),
        ('{"size": [true, 8]}', r"expected \[height, width\]"),
        ("[]", "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ("{", "cannot be read"),
    ],
)
def test_a_card_that_is_none_is_refused(text, message):
    with pytest.raises(LinkGANError, match=message):
        Card.from_json(text)


def test_a_kind_of_region_is_no_network():
    with pytest.raises(LinkGANError, match="'box' is a kind of region"):
        typed_card("box")


@pytest.mark.parametrize("name", ["a.pt", "a.pt2", "a.safetensors"])
def test_other_files_are_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"no archive")
    with pytest.raises(
        LinkGANError, match=r"is not a segmentation network \(an unknown kind of file .*b'no archive'\)\); expected"
    ):
        open_segmenter(tmp_path / name)
    with zipfile.ZipFile(tmp_path / f"z{name}", "w") as archive:
        archive.writestr("data.txt", "1")
    named.trust(tmp_path / f"z{name}")
    with pytest.raises(LinkGANError, match="cannot be opened as a segmentation network"):
        open_segmenter(tmp_path / f"z{name}")
    whole = (tmp_path / f"z{name}").read_bytes()
    (tmp_path / f"z{name}").write_bytes(whole.replace(b"PK\1\2", b"PK\0\0"))  # its list of entries is damaged
    with pytest.raises(LinkGANError, match="cannot be opened as a segmentation network"):
        open_segmenter(tmp_path / f"z{name}")
    with pytest.raises(LinkGANError, match="no such file or folder"):
        open_segmenter(tmp_path / "absent")


def test_a_network_that_does_not_take_images_says_so(tmp_path, images):
    wrong = script(tmp_path / "wrong.pt", nn.Conv2d(5, 2, 1), classes=CLASSES)
    with pytest.raises(LinkGANError, match=r"failed on images \[3, 3, 8, 8\]: "):
        open_segmenter(wrong).scores(images)
    many = script(tmp_path / "many.pt", nn.Conv2d(3, 7, 1), classes=CLASSES)
    with pytest.raises(
        LinkGANError, match=r"returned \[3, 7, 8, 8\] for 3 images; expected logits \[3, 2, height, width\]"
    ):
        open_segmenter(many).scores(images)
