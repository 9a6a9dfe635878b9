"""Training details: they bring back what is missing, resume exactly, and learn what an edit by a link must keep."""

from __future__ import annotations

import pytest
import torch

from linkgan_plugin.errors import Interrupted, LinkGANError
from linkgan_plugin.inversion import encoder_job
from linkgan_plugin.inversion.details_losses import EditTerm
from linkgan_plugin.inversion.details_measure import measure_details, measure_edits, measure_outside
from linkgan_plugin.inversion.details_training import DetailsTraining, default_size
from linkgan_plugin.inversion.draws import Draws, photographs_of
from linkgan_plugin.inversion.encoder_job import EncoderJob, state_path
from linkgan_plugin.inversion.encoder_measure import measure_images
from linkgan_plugin.inversion.encoder_settings import DetailsSettings
from linkgan_plugin.inversion.rendering import Renderer
from linkgan_plugin.links import LinkSpec
from tests.inversion.conftest import small_generator
from tests.inversion.test_encoder import encoder_of
from tests.inversion.test_encoder_training import _Context
from tests.inversion.toy_details import DetailedGenerator, Photographs, blind_encoder

SPEC = LinkSpec.parse(["left=0:2@box(0,0,0.5,1)"], dim=4)
WIDE = LinkSpec.parse(["left=0:3@box(0,0,0.5,1)"], dim=8)
QUICK = {"batch": 8, "width": 8, "size": 8}


def trained(generator, settings, **given) -> DetailsTraining:
    training = DetailsTraining(generator, blind_encoder(generator), settings, **given)
    for _ in range(settings.steps):
        training.advance()
    return training


def test_details_that_features_can_show_are_brought_back():
    generator = DetailedGenerator()
    settings = DetailsSettings(kimg=0.8, rate=5e-3, perspective=0.0, **QUICK)
    encoder = trained(generator, settings, data=Photographs(generator)).encoder()
    images, labels = photographs_of(Photographs(generator, seed=6), encoder.network.shape, 64)
    plain = measure_images(generator, encoder, images, labels)["mae_pass_1"]
    assert measure_details(generator, encoder, images, labels)["mae_details"] < 0.4 * plain


def test_the_edit_term_keeps_details_outside_of_edited_regions_and_lets_them_go_inside():
    generator = DetailedGenerator(linked=True)
    found = {}
    for edit in (0.0, 4.0):
        settings = DetailsSettings(kimg=1.0, rate=5e-3, edit=edit, **QUICK)
        encoder = trained(generator, settings, data=Photographs(generator), spec=SPEC).encoder()
        images, labels = photographs_of(Photographs(generator, seed=6), encoder.network.shape, 32)
        found[edit] = measure_outside(generator, encoder, SPEC, images, labels)
        found[edit] |= measure_edits(generator, encoder, SPEC, labels)
    assert found[4.0]["left/edit_details"] < 0.8 * found[0.0]["left/edit_details"]
    assert found[4.0]["left/edit_details"] < 0.8 * found[4.0]["left/edit"]
    assert found[4.0]["left/outside_details"] < 0.5 * found[4.0]["left/outside"]


def test_edits_of_generated_images_are_known_and_photographs_must_stay_outside():
    generator = DetailedGenerator()
    renderer = Renderer(generator)
    term = EditTerm(renderer, Draws(generator, 0), SPEC)
    assert term.blocks.tolist() == [[True, True, False, False], [False, False, True, True]]
    known, labels = Draws(generator, 0).latents(6, 0)
    images = renderer.images(known, labels)
    found = known + 1
    edited = term.edited(3, images, labels, found, renderer.images(found, labels), known[:3])
    own = (edited.latents == found).all(dim=1)  # [N, 4]: the axes that stay
    assert sorted({tuple(row) for row in own.tolist()}) == [(False, False, True, True), (True, True, False, False)]
    # The wanted images have the same donors' blocks on the known latents.
    wanted = torch.where(own[:3, None], known[:3], edited.latents[:3])
    assert torch.allclose(edited.wanted[:3], renderer.images(wanted, labels[:3]), atol=1e-6)
    assert torch.equal(edited.wanted[3:], images[3:])
    assert edited.asked[:3].min() == 1
    left = torch.arange(8) < 4
    for row in (3, 4, 5):
        outside = left if bool(own[row, 0]) else ~left  # the block that changed owns the other half
        assert torch.equal(edited.asked[row, 0], outside.float().expand(8, -1))
    again = term.edited(3, images, labels, found, renderer.images(found, labels), known[:3])
    assert all(torch.equal(a, b) for a, b in zip(edited, again, strict=True))


def test_gradients_of_the_edit_term_reach_the_alignment():
    generator = DetailedGenerator()
    weights = {"pixels": 1.0, "pyramid": 0.0, "align": 0.0}
    training = DetailsTraining(
        generator, blind_encoder(generator), DetailsSettings(edit=1.0, **weights, **QUICK), spec=SPEC
    )
    training.advance()  # a new consultation encoder passes no gradient on: its last layers are zero
    batch = training._batch(1)
    loss = training._losses(batch)["edit"]
    alignment = training.network.alignment
    assert alignment is not None
    assert alignment.last.weight.grad is not None
    (slope,) = torch.autograd.grad(loss, [alignment.last.weight])
    assert slope.abs().max() > 0


def test_without_an_edit_term_the_alignment_sees_what_hfgi_sees():
    generator = DetailedGenerator()
    plain = DetailsTraining(generator, blind_encoder(generator), DetailsSettings(**QUICK))
    edits = DetailsTraining(generator, blind_encoder(generator), DetailsSettings(edit=1.0, **QUICK), spec=SPEC)
    none = DetailsTraining(generator, blind_encoder(generator), DetailsSettings(alignment=False, **QUICK))
    assert [plain.network.alignment.first.in_channels, edits.network.alignment.first.in_channels] == [2, 3]
    assert none.network.alignment is None
    assert plain.advance().keys() == {"align", "pixels", "pyramid"}
    assert none.advance().keys() == {"pixels", "pyramid"}


def test_a_training_resumed_from_its_state_equals_one_without_a_stop(tmp_path, monkeypatch):
    generator = small_generator(c_dim=3)
    encoder, settings = encoder_of(generator), DetailsSettings(kimg=0.032, edit=1.0, **QUICK)

    def job(name: str) -> EncoderJob[DetailsTraining]:
        training = DetailsTraining(generator, encoder, settings, spec=WIDE)
        return EncoderJob(tmp_path / name, training, {"data": None}, lambda t: {"mae": 1.0}, lambda line: None)

    job("whole.safetensors").run()
    stopped = job("parts.safetensors")

    class Stop:
        requested = property(lambda self: stopped.training.done >= 2)

    monkeypatch.setattr(encoder_job, "watch_interrupt", lambda: _Context(Stop()))
    with pytest.raises(Interrupted):
        stopped.run()
    monkeypatch.undo()
    assert state_path(tmp_path / "parts.safetensors").exists()
    job("parts.safetensors").run()
    assert (tmp_path / "parts.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()


def test_training_changes_neither_the_generator_nor_the_encoder_nor_the_random_state():
    generator, random = small_generator(), torch.get_rng_state()
    encoder = encoder_of(generator)
    before = [p.clone() for net in (generator, encoder.network) for p in net.state_dict().values()]
    training = DetailsTraining(generator, encoder, DetailsSettings(kimg=0.016, edit=1.0, **QUICK), spec=WIDE)
    training.advance()
    after = [p for net in (generator, encoder.network) for p in net.state_dict().values()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert torch.equal(torch.get_rng_state(), random)


def test_the_deviation_is_that_of_the_features():
    generator = DetailedGenerator()
    training = DetailsTraining(generator, blind_encoder(generator), DetailsSettings(**QUICK))
    # F = W w with w ~ N(0, I): the mean square of a channel over pixels is that of its weights' norms
    expected = generator.synthesis.features.waves.square().sum(dim=3).mean(dim=(1, 2)).sqrt()
    assert torch.allclose(training.network.consultation.deviation, expected, rtol=0.15)


def test_the_default_size_is_half_the_image_at_most():
    assert default_size(small_generator(), 16) == 8
    assert default_size(DetailedGenerator(), 8) == 8  # the only one


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": 5}, "no feature maps of 5 x 5 that can be changed; those it has: 8"),
        ({"edit": 1.0}, "needs links in W"),
        ({"perspective": 0.3}, "perspective is 0.3, expected at most 0.2"),
        ({"batch": 6}, "batch is 6, expected a multiple of 4"),
    ],
)
def test_what_cannot_be_trained_is_refused(wrong, message):
    generator = DetailedGenerator()
    with pytest.raises(LinkGANError, match=message):
        DetailsTraining(generator, blind_encoder(generator), DetailsSettings(**{**QUICK, **wrong}))


def test_an_encoder_of_another_network_is_refused():
    encoder = encoder_of(small_generator())
    with pytest.raises(LinkGANError, match="c_dim 0, this one has 3"):
        DetailsTraining(small_generator(c_dim=3), encoder, DetailsSettings())
