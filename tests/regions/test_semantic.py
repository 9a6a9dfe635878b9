"""`semantic(...)`: masks that follow the image, and what a link spec keeps of the network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from linkgan_plugin.checksum import file_digest
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.links import LinkSpec, parse_region
from linkgan_plugin.regions.base import Scene
from linkgan_plugin.segmentation import files, named
from linkgan_plugin.segmentation.segmenter import Card, Segmenter
from tests.segmentation.networks import CLASSES, Light, script


@pytest.fixture
def source(tmp_path):
    return str(script(tmp_path / "light.pt", classes=CLASSES))


def scene(size=8, count=3, seed=0):
    random = torch.Generator().manual_seed(seed)
    return Scene(torch.rand(count, 3, size, size, generator=random) * 2 - 1)


def test_a_mask_is_where_the_class_is_likeliest(source):
    images = scene()
    mask = parse_region(f"semantic({source},light)").mask(images)
    assert torch.equal(mask, (images.images.mean(dim=1, keepdim=True) > 0).float())


def test_a_soft_mask_is_the_probability(source):
    images = scene()
    light = images.images.mean(dim=1, keepdim=True)
    mask = parse_region(f"semantic({source},light,mode=soft)").mask(images)
    assert torch.allclose(mask, torch.sigmoid(2 * light), atol=1e-6)


def test_several_classes_add_up_and_classes_have_numbers(source):
    images = scene()
    assert parse_region(f"semantic({source},light,dark)").mask(images).min() == 1
    by_name, by_number = (parse_region(f"semantic({source},{name})").mask(images) for name in ("light", "1"))
    assert torch.equal(by_name, by_number)


def test_masks_have_the_images_size(tmp_path):
    half = script(tmp_path / "half.pt", Light(halve=True), classes=CLASSES)
    assert parse_region(f"semantic({half},light)").mask(scene()).shape == (3, 1, 8, 8)
    # Scores larger than the images: a pixel's share is the mean over the finer pixels that it covers.
    large = script(tmp_path / "large.pt", classes=CLASSES, size=(16, 16))
    shares = parse_region(f"semantic({large},light)").mask(scene())
    assert shares.shape == (3, 1, 8, 8)
    assert set((shares * 4).unique().tolist()) <= {0.0, 1.0, 2.0, 3.0, 4.0}


def test_a_class_meets_a_box(source):
    images = scene()
    both = parse_region(f"semantic({source},light)&box(0,0,0.5,1)").mask(images)
    assert both[..., 4:].max() == 0
    assert torch.equal(both[..., :4], parse_region(f"semantic({source},light)").mask(images)[..., :4])


def test_one_pass_serves_all_links_of_a_scene(fake_distribution, monkeypatch):
    calls = []

    class Counting(Segmenter):
        card = Card(CLASSES, "")

        def scores(self, images):
            calls.append(len(images))
            return Light()(images)

    monkeypatch.setattr("linkgan_plugin.registry.load", lambda kind, name: Counting)
    monkeypatch.setattr("linkgan_plugin.registry.names", lambda kind: ["counting"])
    from linkgan_plugin.regions.semantic import Semantic

    card = Card(CLASSES, "").to_json().encode()
    regions = [Semantic.parse(["counting", name], {"counting#card": card}.__getitem__) for name in CLASSES]
    images = scene()
    assert torch.equal(sum(region.mask(images) for region in regions), torch.ones(3, 1, 8, 8))
    assert calls == [3]


def test_masks_carry_no_gradient(source):
    images = scene()
    images.images.requires_grad_()
    assert not parse_region(f"semantic({source},light,mode=soft)").mask(images).requires_grad


def test_a_spec_keeps_a_card_and_asks_the_network_only_once_the_user_has_named_it(source, tmp_path):
    data = LinkSpec.parse([f"light=2@semantic({source},light,mode=soft)"], dim=8).to_json()
    digest = file_digest(Path(source))
    named.forget()
    named.trust(source)
    again = LinkSpec.from_json(data)
    assert again.to_json() == data
    assert str(again.links[0].region) == f"semantic({source},light,mode=soft)"
    message = rf"network '{source}' \(SHA-256 {digest[:12]}\.\.\.\).*give it with --segmenter light\.pt=FILE"
    with pytest.raises(LinkGANError, match=message):
        again.region_masks(scene())
    moved = Path(source).rename(tmp_path / "moved.pt")
    named.trust(moved)
    named.name("light.pt", moved)
    assert torch.equal(again.region_masks(scene())[0], parse_region(f"semantic({moved},light,mode=soft)").mask(scene()))


def test_another_network_under_the_same_name_is_refused(source, tmp_path):
    spec = LinkSpec.from_json(LinkSpec.parse([f"light=2@semantic({source},light)"], dim=8).to_json())
    script(tmp_path / "light.pt", Light(halve=True), classes=CLASSES)
    with pytest.raises(LinkGANError, match=r"is not the network .* give the right one with --segmenter light.pt=FILE"):
        spec.region_masks(scene())


def test_a_spec_without_the_card_is_refused_though_the_network_is_there(source, audited):
    data = LinkSpec.parse([f"light=2@semantic({source},light)"], dim=8).to_json()
    del data["links"][0]["files"]
    with audited() as opened, pytest.raises(LinkGANError, match=r"light\.pt#card' is not embedded in 'files'"):
        LinkSpec.from_json(data)
    assert opened == []


def test_reading_a_spec_touches_no_file(source, audited):
    data = LinkSpec.parse([f"light=2@semantic({source},light)"], dim=8).to_json()
    with audited() as opened:
        LinkSpec.from_json(data)
    assert opened == []


def test_an_installed_plugin_needs_no_naming(monkeypatch):
    class Plugin(Segmenter):
        card = Card(CLASSES, "")

        def scores(self, images):
            return Light()(images)

    files._plugin.cache_clear()
    monkeypatch.setattr("linkgan_plugin.segmentation.files.registry.names", lambda kind: ["mine"])
    monkeypatch.setattr("linkgan_plugin.segmentation.files.registry.load", lambda kind, name: Plugin)
    assert files.segmenter_for("mine", Plugin.card).scores(torch.ones(1, 3, 4, 4))[0, 1, 0, 0] == 1
    files._plugin.cache_clear()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("ligth", "has no class 'ligth'; .*dark, light .did you mean 'light'"),
        ("2", "has no class '2'"),
        ("light,light", "class 'light' is named twice"),
        ("light,1", "class 'light' is named twice"),
        ("mode=soft", "at least one class"),
        ("light,mode=hazy", "mode=hard or soft"),
    ],
)
def test_arguments_are_checked(source, arguments, message):
    with pytest.raises(LinkGANError, match=message):
        parse_region(f"semantic({source},{arguments})")


def test_a_network_without_names_has_numbers_only(tmp_path):
    nameless = str(script(tmp_path / "nameless.pt"))
    assert parse_region(f"semantic({nameless},1)").mask(scene()).shape == (3, 1, 8, 8)
    with pytest.raises(LinkGANError, match="does not name its classes; give their numbers, not 'light'"):
        parse_region(f"semantic({nameless},light)")
    with pytest.raises(LinkGANError, match="scores 2 classes; expected a number below, not 5"):
        parse_region(f"semantic({nameless},5)").mask(scene())
