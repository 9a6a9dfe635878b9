"""Images that are kept: bounds, damage, and other networks."""

from __future__ import annotations

import json

import pytest
import torch

from linkgan_plugin.editing.example import example_generator
from linkgan_plugin.editing.steps import Resample
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.inversion.projected import Projected
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.web import store as shelves
from linkgan_plugin.web.edited_image import EditedImage
from linkgan_plugin.web.store import ImageStore, NoSuchImage


@pytest.fixture
def generator():
    return example_generator()


@pytest.fixture
def store(tmp_path, generator):
    return ImageStore(tmp_path, generator)


def added(store, seed=0):
    return store.add(EditedImage.of_seed(store.generator, seed, None)).name


def test_the_image_that_was_used_longest_ago_makes_room(store, monkeypatch):
    monkeypatch.setattr(shelves, "MOST_KEPT", 3)
    first, second, third = (added(store, seed) for seed in range(3))
    store.get(first)
    fourth = added(store, 3)
    assert sorted(path.name for path in store.folder.iterdir()) == sorted([first, third, fourth])
    with pytest.raises(NoSuchImage, match="no longer stored"):
        store.get(second)


def test_few_images_are_open_and_the_others_come_back_as_they_were(store, monkeypatch):
    monkeypatch.setattr(shelves, "MOST_OPEN", 2)
    names = [added(store, seed) for seed in range(5)]
    image = store.get(names[0])
    image.do(Resample("left", seed=9))
    store.save(image)
    wanted = image.rendered().clone()
    for name in names[1:]:
        store.get(name)
    assert len(store._open) == 2
    again = store.get(names[0])
    assert again is not image
    assert torch.equal(again.rendered(), wanted)


def test_a_new_shelf_knows_what_the_last_one_kept_and_nothing_else(store, tmp_path, generator):
    name = added(store)
    for other in ("not-a-name", "0123456789ABCDEF", "../outside"):
        (tmp_path / other).mkdir(parents=True)
        (tmp_path / other / "edits.json").write_text("{}")
    (tmp_path / ("f" * 16)).mkdir()  # without edits
    again = ImageStore(tmp_path, generator)
    assert len(again) == 1
    assert torch.equal(again.get(name).rendered(), store.get(name).rendered())


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"source": {}, "look": {}}', '{"source": {}, "look": {}, "edits": 1}']
)
def test_damaged_edits_are_named_and_the_others_still_open(content, store, tmp_path, generator):
    broken, whole = added(store, 0), added(store, 1)
    (tmp_path / broken / "edits.json").write_text(content)
    again = ImageStore(tmp_path, generator)
    with pytest.raises(LinkGANError):
        again.get(broken)
    assert again.get(whole).editor.steps == ()


def test_edits_of_other_links_are_refused(store, tmp_path, generator):
    name = added(store)
    other = LinkedGenerator(generator.generator, LinkSpec.parse(["top=0:4@box(0,0,1,0.5)"], dim=12))
    with pytest.raises(LinkGANError, match="other links"):
        ImageStore(tmp_path, other).get(name)


def test_a_photograph_lies_beside_its_edits_in_the_hosts_format(store, tmp_path, generator):
    latents = generator.draw([3])
    photograph = torch.zeros([1, 3, 16, 16])
    projected = Projected(latents, torch.zeros([1, 0]), photograph=photograph)
    name = store.add(EditedImage.of_photograph(generator, projected), projected).name
    assert sorted(path.name for path in (tmp_path / name).iterdir()) == ["edits.json", "projected_w.npz", "target.png"]
    again = ImageStore(tmp_path, generator).get(name)
    assert torch.equal(again.editor.start, latents)
    assert again.look.pasted
    assert json.loads((tmp_path / name / "edits.json").read_text())["source"] == {"photograph": True}


def inversion(latents):
    return Projected(latents, torch.zeros([1, 0]), photograph=torch.zeros([1, 3, 16, 16]))


def test_edits_continue_from_a_better_inversion_of_their_photograph(store, tmp_path, generator):
    first, better = inversion(generator.draw([3])), inversion(generator.draw([4]))
    image = store.add(EditedImage.of_photograph(generator, first), first)
    image.do(Resample("left", seed=7))
    image.do(Resample("right", seed=8))
    image.undo()
    image.do(Resample("right", seed=9))
    image.editor.lock("left")
    image.undo()
    store.refine(image.name, better)
    again = ImageStore(tmp_path, generator).get(image.name).editor
    assert torch.equal(again.start, better.latents)
    assert torch.equal(again.latents[:, :, :4], generator.draw([7])[:, :, :4])
    assert torch.equal(again.latents[:, :, 4:], better.latents[:, :, 4:])
    assert (again.locked, again.can_redo) == ({"left"}, True)
    store.refine("0" * 16, better)  # no longer stored


def test_a_better_inversion_in_which_an_edit_is_impossible_changes_nothing(store, generator):
    first, other = inversion(generator.draw([3])), inversion(torch.full([1, 2, 12], 3e38))
    image = store.add(EditedImage.of_photograph(generator, first), first)
    image.do(Resample("left", seed=7, strength=-1.0))
    before = image.editor.latents
    with pytest.raises(LinkGANError, match="not finite"):
        store.refine(image.name, other)
    assert torch.equal(store.get(image.name).editor.latents, before)


def test_an_image_that_was_edited_very_often_says_so(store, monkeypatch):
    from linkgan_plugin.web import edited_image

    monkeypatch.setattr(edited_image, "MOST_STEPS", 3)
    image = store.get(added(store))
    for seed in range(3):
        image.do(Resample("left", seed=seed))
    with pytest.raises(LinkGANError, match="edited 3 times, the most"):
        image.do(Resample("left", seed=9))
    image.undo()
    image.do(Resample("left", seed=9))
