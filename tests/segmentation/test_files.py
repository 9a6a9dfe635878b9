"""Opening segmentation networks, and refusing what could do more than compute."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from linkgan_plugin.checksum import file_digest
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.segmentation import screening
from linkgan_plugin.segmentation.files import VARIABLE, open_segmenter
from linkgan_plugin.segmentation.segmenter import Card
from tests.segmentation.networks import CLASSES, Light, Writer, exported, script


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)


@pytest.mark.parametrize(("write", "name"), [(script, "a.pt"), (exported, "a.pt2")])
def test_a_network_computes_what_it_did_before_it_was_saved(tmp_path, images, write, name):
    path = write(tmp_path / name, classes=CLASSES)
    segmenter = open_segmenter(str(path))
    assert segmenter.card.classes == CLASSES
    assert segmenter.card.sha256 == file_digest(path)
    assert torch.allclose(segmenter.scores(images), Light()(images), atol=1e-6)


def test_images_are_normalised_and_resized_as_the_card_says(tmp_path, images):
    card = {"mean": (0.1, 0.2, 0.3), "std": (0.5, 0.25, 2.0), "size": (4, 4)}
    found = open_segmenter(str(script(tmp_path / "a.pt", classes=CLASSES, **card))).scores(images)
    assert found.shape == (3, 2, 4, 4)
    small = torch.nn.functional.interpolate(images, size=(4, 4), mode="bilinear", antialias=True)
    per_channel = torch.tensor([[0.1, 0.5], [0.2, 0.25], [0.3, 2.0]])
    wanted = ((small + 1) / 2 - per_channel[:, :1, None]) / per_channel[:, 1:, None]
    assert torch.allclose(found[:, 1], wanted.mean(dim=1), atol=1e-6)


def test_a_card_may_lie_beside_the_file(tmp_path):
    path = script(tmp_path / "a.pt")
    assert open_segmenter(str(path)).card.classes == ()
    path.with_suffix(".json").write_text('{"classes": ["night", "day"]}')
    os.utime(path, ns=(1, 1))
    assert open_segmenter(str(path)).card.classes == ("night", "day")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"classes": ["a", "a"]}', "two classes are called 'a'"),
        ('{"classes": [1]}', "expected names"),
        ('{"clases": []}', "an unknown field 'clases'; fields are classes,"),
        ('{"std": [1, 0, 1]}', "expected numbers above 0"),
        ('{"mean": [1]}', "expected three numbers"),
        ('{"size": [0, 8]}', r"expected \[height, width\]"),
        ("[]", "cannot be read"),
        ("{", "cannot be read"),
    ],
)
def test_a_card_that_is_none_is_refused(text, message):
    with pytest.raises(LinkGANError, match=message):
        Card.from_json(text)


def test_a_file_elsewhere_is_found_by_its_name(tmp_path, monkeypatch):
    script(tmp_path / "moved.pt", classes=CLASSES)
    with pytest.raises(LinkGANError, match=f"no segmentation network 'gone/moved.pt'.*{VARIABLE}"):
        open_segmenter("gone/moved.pt")
    monkeypatch.setenv(VARIABLE, os.pathsep.join(["nowhere", str(tmp_path)]))
    assert open_segmenter("gone/moved.pt").card.classes == CLASSES


def test_a_kind_of_region_is_no_network():
    with pytest.raises(LinkGANError, match="'box' is a kind of region"):
        open_segmenter("box")


def test_code_that_writes_files_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    good = script(tmp_path / "writer.pt", Writer(), classes=CLASSES)
    with pytest.raises(LinkGANError, match="its code uses save"):
        open_segmenter(str(good))
    for at, name in enumerate((b"torch .save", b"torch. save", b"ops.aten.save", b"torch.#\n save")):

        def write(data: bytes, name: bytes = name) -> bytes:
            return data.replace(b"torch.save", name)

        with pytest.raises(LinkGANError, match="its code uses save"):
            open_segmenter(changed(good, tmp_path / f"writer{at}.pt", "/code/", write))
    assert not Path("written.pt").exists()


@pytest.mark.parametrize("code", [b"torch.classes.a.B", b"torch . classes.a.B", b"torch.# x y\n  classes.a.B"])
def test_code_that_uses_compiled_classes_is_refused(tmp_path, code):
    good = script(tmp_path / "good.pt", classes=CLASSES)
    with pytest.raises(LinkGANError, match=r"(?s)its code uses torch\W.*classes"):
        open_segmenter(changed(good, tmp_path / "bad.pt", "/code/__torch__", lambda data: data + b"\n# " + code))


def changed(source: Path, target: Path, part: str, change) -> str:
    """Copy an archive with one member, whose name holds `part`, changed; returns the copy."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for entry in old.infolist():
            data = old.read(entry)
            new.writestr(entry, change(data) if part in entry.filename else data)
    return str(target)


class Bomb:
    """A pickle that makes a file when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def test_an_exported_graph_that_calls_other_functions_is_refused(tmp_path):
    good = exported(tmp_path / "good.pt2", classes=CLASSES)

    def call(data: bytes) -> bytes:
        assert b"torch.ops.aten.mean.dim" in data
        return data.replace(b"torch.ops.aten.mean.dim", b"torch.serialization.os.system")

    with pytest.raises(LinkGANError, match=r"it calls 'torch\.serialization\.os\.system'"):
        open_segmenter(changed(good, tmp_path / "bad.pt2", "models/", call))
    for name in (b"torch.ops.aten.from_file.default", b"torch.ops.aten.save"):

        def to_file(data: bytes, name: bytes = name) -> bytes:
            return data.replace(b"torch.ops.aten.mean.dim", name)

        with pytest.raises(LinkGANError, match=f"it calls '{name.decode()}'"):
            open_segmenter(changed(good, tmp_path / "bad.pt2", "models/", to_file))


def test_an_exported_formula_with_code_in_it_is_refused(tmp_path):
    good = exported(tmp_path / "good.pt2", classes=CLASSES)

    def formula(data: bytes) -> bytes:
        assert b'"expr_str"' in data
        head, _, tail = data.partition(b'"expr_str"')
        start = tail.index(b'"') + 1
        return (
            head + b'"expr_str"' + tail[:start] + b"__import__('os').system('true')" + tail[tail.index(b'"', start) :]
        )

    with pytest.raises(LinkGANError, match="no formula of a size"):
        open_segmenter(changed(good, tmp_path / "bad.pt2", "models/", formula))


def test_an_exported_file_with_a_pickle_in_it_is_refused(tmp_path):
    good = exported(tmp_path / "good.pt2", nn.Sequential(nn.Conv2d(3, 2, 1)))
    made = tmp_path / "made"
    torch.save(Bomb(made), tmp_path / "bomb.pt")
    bomb = (tmp_path / "bomb.pt").read_bytes()
    bad = tmp_path / "bad.pt2"
    changed(good, bad, "sample_inputs", lambda _: bomb)
    with zipfile.ZipFile(bad) as archive:
        assert any(archive.read(name) == bomb for name in archive.namelist()), "nothing was changed"
    with pytest.raises(LinkGANError, match="holds more than tensors"):
        open_segmenter(str(bad))
    assert not made.exists()


PROTOCOL_0 = b"cbuiltins\nopen\n(S'%s'\nS'w'\ntR."


@pytest.mark.parametrize("pickled", [PROTOCOL_0, b"\n" + PROTOCOL_0, b""])
def test_sample_inputs_that_are_an_old_pickle_are_refused(tmp_path, pickled):
    good, made = exported(tmp_path / "good.pt2"), tmp_path / "made"
    content = pickled.replace(b"%s", str(made).encode())
    with pytest.raises(LinkGANError, match="holds more than tensors"):
        open_segmenter(changed(good, tmp_path / "bad.pt2", "sample_inputs", lambda _: content))
    assert not made.exists()


def with_members(source: Path, target: Path, **members: bytes) -> Path:
    """Copy an archive with more members; `__` in a name stands for a slash."""
    target.write_bytes(source.read_bytes())
    with zipfile.ZipFile(target, "a") as archive:
        root = archive.namelist()[0].partition("/")[0]
        for name, content in members.items():
            archive.writestr(f"{root}/{name.replace('__', '/')}", content)
    return target


def test_native_libraries_other_graphs_and_pickled_constants_never_reach_pytorch(tmp_path):
    good = exported(tmp_path / "good.pt2", nn.Sequential(nn.Conv2d(3, 2, 1)), classes=CLASSES)
    more = {
        "data__aotinductor__model__x.wrapper.so": b"native",
        "models__model.JSON": b"{}",
        "models__other.json": b"{}",
        "data__constants__custom_obj_0": b"pickle",
        "data__constants__opaque_obj_0": b"pickle",
        "data__weights__model.pt": b"pickle",
    }
    bad = with_members(good, tmp_path / "bad.pt2", **more)
    with zipfile.ZipFile(screening.take_program(bad)) as taken, zipfile.ZipFile(screening.take_program(good)) as known:
        assert taken.namelist() == known.namelist()
    assert open_segmenter(str(bad)).card.classes == CLASSES


def test_tensors_that_are_marked_as_pickled_are_refused(tmp_path):
    good = exported(tmp_path / "good.pt2", nn.Sequential(nn.Conv2d(3, 2, 1)))

    def marked(data: bytes) -> bytes:
        assert b'"use_pickle": false' in data
        return data.replace(b'"use_pickle": false', b'"use_pickle": true', 1)

    with pytest.raises(LinkGANError, match="pickled tensors"):
        open_segmenter(changed(good, tmp_path / "bad.pt2", "weights_config", marked))


def test_code_under_another_spelling_never_reaches_pytorch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = script(tmp_path / "writer.pt", Writer())
    bad = tmp_path / "bad.pt"
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(bad, "w") as new:
        for entry in old.infolist():
            new.writestr(entry.filename.replace("/code/", "/CODE/"), old.read(entry))
        new.writestr("writer/code/decoy.py", b"# nothing")
    with pytest.raises(LinkGANError, match="cannot be opened"):
        open_segmenter(str(bad))
    with zipfile.ZipFile(screening.take_script(bad)) as taken:
        assert not [name for name in taken.namelist() if "CODE" in name]


def test_an_archive_that_unpacks_to_far_more_than_its_size_is_refused(tmp_path):
    bad = tmp_path / "bad.pt"
    with zipfile.ZipFile(bad, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/code/__torch__.py", bytes(65 << 20))
    with pytest.raises(LinkGANError, match="unpacks to far more"):
        open_segmenter(str(bad))


@pytest.mark.parametrize("name", ["a.pt", "a.pt2"])
def test_other_files_are_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"no archive")
    with pytest.raises(LinkGANError, match="no TorchScript or"):
        open_segmenter(str(tmp_path / name))
    with zipfile.ZipFile(tmp_path / f"z{name}", "w") as archive:
        archive.writestr("data.txt", json.dumps(1))
    with pytest.raises(LinkGANError, match="holds no"):
        open_segmenter(str(tmp_path / f"z{name}"))


def test_a_network_that_does_not_take_images_says_so(tmp_path, images):
    wrong = script(tmp_path / "wrong.pt", nn.Conv2d(5, 2, 1), classes=CLASSES)
    with pytest.raises(LinkGANError, match=r"failed on images \[3, 3, 8, 8\]: "):
        open_segmenter(str(wrong)).scores(images)
    many = script(tmp_path / "many.pt", nn.Conv2d(3, 7, 1), classes=CLASSES)
    with pytest.raises(
        LinkGANError, match=r"gave \[3, 7, 8, 8\] for 3 images; expected logits \[3, 2, height, width\]"
    ):
        open_segmenter(str(many)).scores(images)
