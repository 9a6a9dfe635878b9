"""Inversion as a whole: images of the generator are found again, whatever is projected beside them."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from linkgan_plugin import project
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.inversion.perceptual import Distance, PyramidDistance, psnr
from linkgan_plugin.inversion.projected import load_projected, save_projected
from linkgan_plugin.inversion.rendering import Renderer
from linkgan_plugin.inversion.stages import Inversion, InversionSettings
from linkgan_plugin.labels import constant_labels
from linkgan_plugin.links import LinkSpec
from tests.inversion.conftest import small_generator
from tests.toys import ToyGenerator
from tests.training_loops.eg3d.test_networks import small_generator as solid_generator
from training_loops.formats.cameras import intrinsics, join_labels, look_at, positions_on_sphere
from training_loops.stylegan3.networks import Generator as StyleGAN3

NO_LABEL = torch.zeros([1, 0])


def images_of(generator: nn.Module, seed: int, count: int = 2, labels: Tensor | None = None) -> Tensor:
    """Images of random latents in W."""
    z = torch.randn([count, 8], generator=torch.Generator().manual_seed(seed))
    renderer = Renderer(generator)
    labels = torch.zeros([count, 0]) if labels is None else labels
    with torch.no_grad():
        return renderer.images(renderer.calls.map(z, labels), labels)


def rendered(generator: nn.Module, found: Any) -> Tensor:
    with torch.no_grad():
        return Renderer(found.applied(generator)).images(found.latents, found.label)


def test_a_image_of_the_generator_is_found_in_w(generator):
    target = images_of(generator, seed=3, count=1)
    found = project(generator, target, space="w", steps=60, noise=False)[0]
    start = project(generator, target, space="w", steps=1, noise=False)[0]
    distance = PyramidDistance()
    assert distance(rendered(generator, found), target) < 0.1 * distance(rendered(generator, start), target)
    assert torch.equal(found.latents, found.latents[:, :1].expand(-1, 6, -1))
    assert torch.equal(found.photograph, target)


def test_w_plus_goes_on_from_w_and_gets_nearer(generator):
    target = torch.rand([1, 3, 16, 16], generator=torch.Generator().manual_seed(0)) * 2 - 1
    distance = PyramidDistance()
    near = {
        space: float(distance(rendered(generator, project(generator, target, space=space, steps=25)[0]), target))
        for space in ("w", "w+")
    }
    assert near["w+"] < 0.95 * near["w"]


def test_the_images_of_the_stages_are_those_of_the_results(generator):
    target = images_of(generator, seed=3)
    inversion = run(
        Inversion(generator, target, torch.zeros([2, 0]), InversionSettings(steps=4, tune=3), PyramidDistance())
    )
    for image in range(2):
        outcome = inversion.take(image)
        assert list(outcome.images) == list(outcome.seconds) == ["w", "w+", "tuned"]
        assert torch.allclose(outcome.images["tuned"], rendered(generator, outcome.projected), atol=1e-5)
        assert not torch.equal(outcome.images["w"], outcome.images["w+"])
        assert all(seconds > 0 for seconds in outcome.seconds.values())


def run(inversion: Inversion, steps: int | None = None) -> Inversion:
    """Do so many steps, by default all."""
    while inversion.finished < len(inversion._targets) and steps != 0:
        inversion.advance()
        steps = None if steps is None else steps - 1
    return inversion


def test_a_result_depends_on_the_seed_and_not_on_the_batch(generator):
    targets = images_of(generator, seed=3, count=3)
    options = {"steps": 3, "tune": 2, "locality": 0.1}
    together = project(generator, targets, **options)
    apart = project(generator, targets, batch=1, **options)
    again = project(generator, targets, **options)
    for one, other, same in zip(together, apart, again, strict=True):
        assert torch.equal(one.latents, same.latents)
        assert torch.allclose(one.latents, other.latents, atol=2e-3)
        for name, level in one.noise.items():
            assert torch.allclose(level, other.noise[name], atol=2e-2), name
    assert not torch.allclose(
        together[0].latents, project(generator, targets[:1], seed=1, **options)[0].latents, atol=2e-3
    )


def test_the_generator_stays_as_it_was(generator):
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    project(generator, images_of(generator, seed=3), steps=2, tune=2, locality=0.1)
    assert all(torch.equal(tensor, before[name]) for name, tensor in generator.state_dict().items())
    assert not any(parameter.requires_grad for parameter in generator.parameters())


@pytest.mark.parametrize("stop", [1, 4, 8, 9, 10, 11])
def test_a_projection_that_was_stopped_goes_on_to_the_bit(stop, generator, tmp_path):
    def begin() -> Inversion:
        settings = InversionSettings(steps=4, tune=2, locality=0.1)
        return Inversion(generator, targets, torch.zeros([2, 0]), settings, PyramidDistance())

    targets = images_of(generator, seed=3)
    whole = run(begin())
    stopped = run(begin(), stop)
    torch.save(stopped.state(), tmp_path / "state.pt")
    further = begin()
    further.restore(torch.load(tmp_path / "state.pt", weights_only=True))
    assert (further.steps_done, further.finished) == (stopped.steps_done, stopped.finished)
    run(further)
    assert further.steps_done == whole.steps_done == InversionSettings(steps=4, tune=2).total(2)
    for image in range(stopped.finished, 2):
        one, other = whole.take(image).projected, further.take(image).projected
        assert torch.equal(one.latents, other.latents)
        for parts, others in ((one.noise, other.noise), (one.tuned, other.tuned)):
            assert parts.keys() == others.keys()
            assert all(torch.equal(parts[name], others[name]) for name in parts)


def test_tuning_gets_nearer_by_changing_the_synthesis_network_alone(generator):
    target = torch.rand([1, 3, 16, 16], generator=torch.Generator().manual_seed(0)) * 2 - 1
    plain = project(generator, target, space="w", steps=5)[0]
    tuned = project(generator, target, space="w", steps=5, tune=30)[0]
    assert torch.equal(plain.latents, tuned.latents)
    assert psnr(rendered(generator, tuned), target) > psnr(rendered(generator, plain), target) + 0.3
    assert {name.split(".")[0] for name in tuned.tuned} == {"synthesis"}
    assert all(not torch.equal(weight, generator.state_dict()[name]) for name, weight in tuned.tuned.items())


def test_locality_keeps_the_images_of_other_latents(generator):
    target = 0.8 * images_of(generator, seed=3, count=1)
    others = torch.randn([8, 8], generator=torch.Generator().manual_seed(9))
    change = {}
    for locality in (0.0, 1.0):
        found = project(generator, target, space="w", steps=20, tune=30, locality=locality, noise=False)[0]
        before, after = (images_of_latents(g, others) for g in (generator, found.applied(generator)))
        change[locality] = float((after - before).square().mean())
    assert change[1.0] < 0.2 * change[0.0]


def images_of_latents(generator: nn.Module, z: Tensor) -> Tensor:
    calls = Renderer(generator).calls
    return calls.render(calls.map(z, torch.zeros([len(z), 0])))


def test_noise_is_every_images_own(generator):
    latents, labels = torch.randn([2, 6, 8]), torch.zeros([2, 0])
    renderer = Renderer(generator)
    shown = renderer.noise_that_shows(latents[:1], labels[:1])
    noise = {name: torch.randn([2, 1, *level.shape]) for name, level in shown.items()}
    both = renderer.images(latents, labels, noise)
    for row in range(2):
        changed = small_generator()
        with torch.no_grad():
            for name, level in noise.items():
                changed.get_buffer(name).copy_(level[row, 0])
            for name, parameter in changed.named_parameters():
                parameter.copy_(generator.get_parameter(name))
        assert torch.allclose(both[[row]], Renderer(changed).images(latents[[row]], labels[[row]]), atol=1e-5)


class HalfSynthesis(nn.Module):
    """Renders coarsely rounded numbers unless full precision is asked for."""

    def forward(self, ws: Tensor, noise_mode: str = "random", force_fp32: bool = False) -> Tensor:
        image = ws.mean(dim=(1, 2))[:, None, None, None].expand(-1, 1, 8, 8)
        return image if force_fp32 else image.half()


def test_networks_in_half_precision_render_in_full():
    toy = ToyGenerator(torch.ones(64, 5), 8)
    toy.synthesis = HalfSynthesis()
    latents = torch.full([1, 2, 5], 1 / 3, requires_grad=True)
    image = Renderer(toy).images(latents, NO_LABEL)
    assert float(image.detach()[0, 0, 0, 0]) == pytest.approx(1 / 3, abs=1e-7)


def test_a_class_is_used_and_kept():
    generator = small_generator(c_dim=2)
    labels = torch.eye(2)
    targets = images_of(generator, seed=3, labels=labels)
    found = project(generator, targets, labels=labels, space="w", steps=2)
    assert torch.equal(torch.cat([one.label for one in found]), labels)
    alone = project(generator, targets[1:], labels=labels[1:], space="w", steps=2)[0]
    assert torch.allclose(found[1].latents, alone.latents, atol=1e-4)
    other = project(generator, targets[1:], labels=labels[:1], space="w", steps=2)[0]
    assert not torch.allclose(other.latents, alone.latents, atol=1e-2)


def test_a_3d_network_is_projected_through_each_photographs_camera():
    with torch.random.fork_rng():
        generator = solid_generator().requires_grad_(False)
    generator.neural_rendering_resolution = 8
    angles = torch.tensor([[1.3, 1.8], [1.5, 1.6]])
    cameras = join_labels(look_at(positions_on_sphere(*angles, 2.7), torch.zeros(3)), intrinsics(18.8))
    targets = torch.rand([2, 3, 16, 16], generator=torch.Generator().manual_seed(0)) * 2 - 1
    found = project(generator, targets, labels=cameras, space="w", steps=2)
    alone = project(generator, targets[1:], labels=cameras[1:], space="w", steps=2)[0]
    assert torch.equal(found[1].latents, alone.latents)
    assert torch.equal(found[1].label, cameras[1:])
    linked = LinkedGenerator(
        generator, LinkSpec.parse(["a=0:2@box(0,0,1,0.5)"], dim=5), labels=constant_labels(cameras[:1])
    )
    image = linked.render(found[1].latents, found[1].label)
    assert torch.allclose(image, rendered(generator, found[1]), atol=1e-5)
    with pytest.raises(LinkGANError, match="renders through a camera; give each photograph's, 25 numbers"):
        project(generator, targets, steps=1)


def test_a_network_without_noise_or_links_is_projected(tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = StyleGAN3(
            8, 0, 8, 16, 3, mapping_kwargs={"num_layers": 2}, channel_base=128, channel_max=8, num_layers=4
        )
    generator = generator.eval().requires_grad_(False)
    target = images_of(generator, seed=1, count=1)
    found = project(generator, target, space="w", steps=2)[0]
    assert found.noise == {}
    save_projected(tmp_path, found)
    assert torch.equal(load_projected(tmp_path, generator).latents, found.latents)


class Wrong(Distance):
    """Another distance: to black images."""

    def between(self, features: Tensor, others: Tensor) -> Tensor:
        return (features + 1).square().flatten(1).sum(dim=1)


def test_the_distance_is_what_is_minimised(generator):
    target = images_of(generator, seed=3, count=1)
    options = {"space": "w", "steps": 30, "noise": False}
    ours, other = (project(generator, target, distance=d, **options)[0] for d in (PyramidDistance(), Wrong()))
    assert rendered(generator, other).mean() < rendered(generator, ours).mean()


def test_files_are_read_and_progress_is_told(generator, tmp_path):
    paths = [tmp_path / f"{name}.png" for name in "ab"]
    for shade, path in enumerate(paths):
        Image.new("RGB", (20, 16), (100 * shade, 0, 255)).save(path)
    told: list[int] = []
    found = project(generator, paths, steps=3, tune=2, batch=1, progress=told.append)
    assert sum(told) == 2 * (3 + 3 + 2)
    assert np.allclose(found[1].photograph[0, :, 0, 0].numpy(), [100 / 127.5 - 1, -1, 1])
    assert len(project(generator, Path(paths[0]), space="w", steps=1)) == 1


def test_the_example_in_the_docstring_runs():
    result = doctest.testmod(importlib.import_module("linkgan_plugin.inversion.project"))
    assert (result.attempted, result.failed) == (7, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"space": "z"}, "space 'z': known are w, w\\+"),
        ({"steps": 0}, "steps is 0, expected at least 1"),
        ({"tune": -1}, "tune is -1, expected at least 0"),
        ({"locality": 1.0}, "set tune above 0, or locality to 0"),
        ({"locality": -1.0, "tune": 1}, "locality is -1.0, expected 0 or more"),
        ({"locality": float("inf"), "tune": 1}, "locality is inf, expected 0 or more, and finite"),
        ({"seed": -1}, "seed is -1, expected a whole number from 0 to 4294967295"),
        ({"seed": 2**32}, "seed is 4294967296, expected a whole number from 0 to 4294967295"),
        ({"labels": torch.ones([1, 3])}, r"labels \[1, 3\] for 1 photographs, expected \[1, 0\]"),
    ],
)
def test_settings_that_do_not_fit_are_refused(options, message, generator):
    with pytest.raises(LinkGANError, match=message):
        project(generator, torch.zeros([1, 3, 16, 16]), **options)


@pytest.mark.parametrize(
    "photographs", [torch.zeros([1, 3, 8, 8]), torch.zeros([3, 16, 16]), torch.zeros([0, 3, 16, 16]), []]
)
def test_photographs_of_another_size_are_refused(photographs, generator):
    with pytest.raises(LinkGANError, match="photograph"):
        project(generator, photographs)
