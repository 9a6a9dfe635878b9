"""Calling any generator: halves that are modules or methods, no W at all, and watching the host's own calls."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from linkgan_plugin.calls.generator import GeneratorCalls
from linkgan_plugin.calls.random_state import own_random_state
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.labels import no_labels
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.losses import LinkGANLoss
from linkgan_plugin.recipes import make_recipe
from tests.toys import ToyGenerator, ToyMapping, linked_weight

SIZE, DIM = 8, 8
WEIGHT = linked_weight([range(4), range(4, 8)], SIZE, DIM)
SPEC = LinkSpec.parse(["left=0:4@box(0,0,0.5,1)", "right=4:8@box(0.5,0,1,1)"], dim=DIM)


class MethodGenerator(nn.Module):
    """The eg3d dialect: both halves are methods, synthesis takes a camera, jitters its rays and returns a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.z_dim = self.w_dim = DIM
        self.c_dim, self.img_resolution = 2, SIZE
        self.backbone = ToyMapping(DIM)
        self.weight = nn.Parameter(WEIGHT.clone())
        self.resolution = 4
        self.calls: list[tuple[str, Any]] = []

    def mapping(self, z: Tensor, c: Tensor, truncation_psi: float = 1, update_emas: bool = False) -> Tensor:
        self.calls.append(("mapping", c))
        return self.backbone(z, c, truncation_psi, update_emas) + c.sum(1).view(-1, 1, 1)

    def synthesis(self, ws: Tensor, c: Tensor, resolution: int | None = None, update_emas: bool = False) -> Any:
        self.calls.append(("synthesis", (c, resolution, update_emas)))
        self.resolution = resolution or self.resolution
        image = (ws[:, 0] @ self.weight.T).view(-1, 1, SIZE, SIZE) + c[:, :1, None, None] * 10 + self.resolution
        return {"image": image + torch.randn_like(image), "image_raw": image[..., ::2, ::2]}

    def forward(self, z: Tensor, c: Tensor) -> Any:
        return self.synthesis(self.mapping(z, c), c)


class PosedLoss:
    """A host's loss that conditions its mapping on other labels than it renders with, at a resolution of its own."""

    def __init__(self, device: Any, G: Any, **networks: Any) -> None:
        self.G = G

    def accumulate_gradients(self, phase: str, gen_z: Tensor, gen_c: Tensor, gain: float, cur_nimg: int) -> None:
        ws = self.G.mapping(gen_z, gen_c.roll(1, 0), update_emas=False)
        out = self.G.synthesis(ws, gen_c, resolution=6, update_emas=False)
        out["image"].mean().mul(gain).backward()


def posed_loss(generator, **switches):
    return LinkGANLoss(
        "cpu",
        link_spec=SPEC.to_json(),
        recipe=make_recipe("default", interval=1, batch=1.0, **switches).to_json(),
        base_class_name=f"{__name__}.PosedLoss",
        G=generator,
    )


def test_a_pair_repeats_the_hosts_pose_conditioning_camera_and_resolution():
    generator = MethodGenerator()
    loss = posed_loss(generator)
    cameras = torch.arange(6.0).view(3, 2)
    loss.accumulate_gradients("Gmain", gen_z=torch.randn(3, DIM), gen_c=cameras, gain=1, cur_nimg=0)
    ours = [(kind, what) for kind, what in generator.calls[2:]]
    (_, conditioning), *renders = ours
    assert torch.equal(conditioning[:3], cameras.roll(1, 0))
    per_sample = len(renders) - 1
    assert per_sample == 2  # the perturbations of one link and the rest
    assert torch.equal(
        conditioning[3:], cameras.roll(1, 0).repeat(per_sample, 1)
    )  # donors are mapped with the same labels
    assert {kind for kind, _ in renders} == {"synthesis"}
    for _, (camera, resolution, update_emas) in renders:
        assert torch.equal(camera, cameras)
        assert resolution == 6
        assert not update_emas


def test_a_pair_shares_ray_jitter_so_a_perfect_generator_leaks_nothing():
    generator = MethodGenerator()
    loss = posed_loss(generator)
    seen = {}
    loss.host.report = lambda name, value: seen.__setitem__(name, value)
    loss.accumulate_gradients("Gmain", gen_z=torch.randn(3, DIM), gen_c=torch.zeros(3, 2), gain=1, cur_nimg=0)
    leaks = torch.cat([value for name, value in seen.items() if name.endswith("/leak")])
    assert len(leaks) > 0
    assert leaks.abs().max() < 1e-10


def test_nothing_is_left_on_a_watched_generator():
    generator = MethodGenerator()
    calls = GeneratorCalls.of(generator)
    before = dict(vars(generator))
    with calls.record_host_call():
        assert "mapping" in vars(generator)
    assert vars(generator) == before
    module = ToyGenerator(WEIGHT, SIZE)
    with GeneratorCalls.of(module).record_host_call():
        module.mapping(torch.zeros(1, DIM), None)
    assert "forward" not in vars(module.mapping)
    pickle.dumps(module)


def test_the_first_labels_are_noted_whether_given_by_position_or_by_name():
    generator = ToyGenerator(WEIGHT, SIZE)
    calls = GeneratorCalls.of(generator)
    label = torch.ones(1, 3)
    for args, kwargs in (((torch.zeros(1, DIM), label), {}), ((), {"z": torch.zeros(1, DIM), "c": label})):
        with calls.record_host_call() as seen:
            generator.mapping(*args, **kwargs)
            generator.mapping(torch.zeros(1, DIM), torch.zeros(1, 3))
        assert seen.labels is label


def test_rendering_stands_still_where_rays_jitter_and_leaves_the_random_state_alone():
    generator = LinkedGenerator(MethodGenerator(), SPEC, labels=no_labels(2))
    latents = generator.draw([0, 1])
    state = torch.get_rng_state()
    first = generator.render(latents)
    assert torch.equal(first, generator.render(latents))
    assert torch.equal(state, torch.get_rng_state())


def test_an_own_random_state_can_be_seeded():
    with own_random_state(torch.device("cpu"), seed=3):
        first = torch.rand(2)
    with own_random_state(torch.device("cpu"), seed=3):
        assert torch.equal(first, torch.rand(2))


class OnlyZ(nn.Module):
    """A generator of another family: no halves, image = linear in z."""

    z_dim, c_dim, img_resolution = DIM, 0, SIZE

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-1, 1, SIZE * SIZE * DIM).view(-1, DIM))

    def forward(self, z: Tensor) -> Tensor:
        return (z @ self.weight.T).view(-1, 1, SIZE, SIZE)


class OnlyZLoss:
    def __init__(self, device: Any, G: Any, **networks: Any) -> None:
        self.G = G
        self.seen: list[Tensor] = []

    def accumulate_gradients(self, phase: str, gen_z: Tensor, gain: float, cur_nimg: int, **rest: Any) -> None:
        self.seen.append(self.G(gen_z).detach())


def z_loss(space, **switches):
    spec = LinkSpec.parse(["left=0:4@box(0,0,0.5,1)"], dim=DIM, space=space)
    return LinkGANLoss(
        "cpu",
        link_spec=spec.to_json(),
        recipe=make_recipe("default", interval=1, batch=1.0, **switches).to_json(),
        base_class_name=f"{__name__}.OnlyZLoss",
        G=OnlyZ(),
    )


def test_a_generator_without_w_is_linked_in_z():
    loss = z_loss("z")
    loss.accumulate_gradients("Gmain", gen_z=torch.randn(4, DIM), gain=1, cur_nimg=0)
    assert loss.host.calls.synthesis.owner.generator.weight.grad.abs().sum() > 0


def test_a_generator_without_w_mixes_the_hosts_own_samples():
    loss = z_loss("z", mixing=1.0)
    z = torch.randn(4, DIM)
    loss.accumulate_gradients("Dmain", gen_z=z, gain=1, cur_nimg=0)
    with torch.no_grad():
        assert not torch.allclose(loss.base.seen[0], loss.base.G(z))


def test_a_generator_without_w_refuses_links_in_w_and_says_the_way_out():
    with pytest.raises(LinkGANError, match=r"no intermediate latent space W; .*--link-space z"):
        z_loss("w")


def test_a_generator_with_one_part_is_refused_by_name():
    class MappingOnly(nn.Module):
        def mapping(self, z, c):
            return z

    with pytest.raises(LinkGANError, match="MappingOnly has no synthesis"):
        GeneratorCalls.of(MappingOnly())


def test_truncation_is_refused_where_there_is_none():
    generator = LinkedGenerator(OnlyZ(), LinkSpec.parse(["a=2@box(0,0,1,0.5)"], dim=DIM, space="z"), truncation_psi=0.7)
    with pytest.raises(LinkGANError, match=r"cannot truncate \(psi 0.7\)"):
        generator.sample([0])
