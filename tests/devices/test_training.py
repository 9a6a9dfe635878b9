"""Training on an accelerator: the numbers of the CPU, no tensor on the wrong device, and no wait in a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from linkgan_plugin.links import LinkSpec
from linkgan_plugin.losses import LinkGANLoss
from linkgan_plugin.recipes import make_recipe
from tests import toy_hosts
from tests.devices.pretend import DEVICE, Accelerator, elsewhere, here, moved, no_waits
from tests.toys import ToyGenerator
from tests.training_loops.eg3d.golden_cases import labels
from tests.training_loops.eg3d.test_networks import NARROW, small_generator
from training_loops.eg3d.networks import DualDiscriminator
from training_loops.stylegan2.networks import Discriminator, Generator

BATCH = 4
FLAT = ("left=0:3@box(0,0,0.5,1)", "corner=3:5@polygon(0.6,0,1,0,1,0.4)")
SOLID = ("front=0:2@box3d(-0.2,-0.2,0,0.2,0.2,0.4)", "left=2:3@box(0,0,0.5,1)")
Networks = dict[str, nn.Module]


class RelativisticLoss:
    """A host's loss in the dialect of R3GAN: phases `G` and `D`, the real images' labels, no device."""

    def __init__(self, G: nn.Module, D: nn.Module, augment_pipe: Any = None) -> None:
        self.G, self.D = G, D

    def accumulate_gradients(
        self, phase: str, real_img: Tensor, real_c: Tensor, gen_z: Tensor, gamma: float, gain: float
    ) -> None:
        fake = self.G(gen_z, real_c)
        (gain * nn.functional.softplus(self.D(real_img, real_c) - self.D(fake, real_c)).mean()).backward()


class Plain(nn.Module):
    """A generator without W, of 16 x 16 images."""

    z_dim, c_dim, img_resolution, img_channels = 6, 0, 16, 3

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 3 * 16 * 16))

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        return self.layers(z).view(-1, 3, 16, 16)


class PlainDiscriminator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3 * 16 * 16, 1)

    def forward(self, images: Tensor, c: Tensor) -> Tensor:
        return self.layer(images.flatten(1))


def stylegan2() -> Networks:
    shape, width = {"c_dim": 0, "img_resolution": 16, "img_channels": 3}, {"channel_base": 64, "channel_max": 8}
    G = Generator(z_dim=6, w_dim=6, mapping_kwargs={"num_layers": 2}, use_noise=False, **shape, **width)
    return {"G": G, "D": Discriminator(**shape, **width)}


def eg3d() -> Networks:
    density = {"density_reg": 0.25, "density_reg_p_dist": 0.01, "reg_type": "l1"}
    G = small_generator(density, use_noise=False)
    return {"G": G, "D": DualDiscriminator(25, 16, 3, epilogue_kwargs={"mbstd_group_size": 2}, **NARROW)}


def r3gan() -> Networks:
    return {"G": Plain(), "D": PlainDiscriminator()}


def stylegan2_ada() -> Networks:
    generator = ToyGenerator(torch.randn(16 * 16, 6), 16)
    return {"G_mapping": generator.mapping, "G_synthesis": generator.synthesis}


def call(loss: LinkGANLoss, phase: str, networks: Networks, dialect: dict[str, Any], put: Callable[[Any], Any]) -> None:
    """Call a loss as its host does, with the same numbers on every device."""
    random = torch.Generator().manual_seed(1)
    G = networks.get("G", networks.get("G_mapping"))
    size, channels, c_dim = (getattr(G, name, 0) for name in ("img_resolution", "img_channels", "c_dim"))
    real = torch.rand([BATCH, channels, size, size], generator=random) * 2 - 1
    z = torch.randn([BATCH, G.z_dim], generator=random)
    c = labels(BATCH, 2.7) if c_dim == 25 else torch.zeros([BATCH, 0])
    data = put({"real_img": real, "real_c": c, "gen_z": z})
    loss.accumulate_gradients(phase=phase, **data, gain=2, **put(dialect(c)))


CASES: dict[str, Any] = {
    "stylegan3's": (
        stylegan2,
        FLAT,
        ("Gmain", "Greg", "Dmain", "Dreg"),
        "training_loops.stylegan2.loss.StyleGAN2Loss",
        {"r1_gamma": 1.0, "pl_weight": 2.0, "style_mixing_prob": 0.9},
        lambda c: {"gen_c": c, "cur_nimg": 0},
    ),
    "eg3d's": (
        eg3d,
        SOLID,
        ("Gmain", "Greg", "Dmain", "Dreg"),
        "training_loops.eg3d.loss.EG3DLoss",
        {"r1_gamma": 1.0, "neural_rendering_resolution_initial": 8},
        lambda c: {"gen_c": c, "cur_nimg": 0},
    ),
    "stylegan2-ada's": (
        stylegan2_ada,
        FLAT,
        ("Gmain",),
        "tests.toy_hosts.OldToyLoss",
        {},
        lambda c: {"gen_c": c, "sync": True},
    ),
    "R3GAN's": (
        r3gan,
        FLAT,
        ("G", "D"),
        f"{__name__}.RelativisticLoss",
        {},
        lambda c: {"gamma": 1.0},
    ),
}
SWITCHES: dict[str, dict[str, Any]] = {
    "default": {"interval": 1, "batch": 1.0},
    "photographs": {"name": "photographs", "batch": 1.0},
    "paper": {"name": "paper", "interval": 1},
}


def built(case: str, device: torch.device, **switches: Any) -> tuple[LinkGANLoss, Networks, Callable[[str], None]]:
    """Return a loss on a device, its networks, and a function that calls it for a phase."""
    make, links, _, base, base_kwargs, dialect = CASES[case]
    torch.manual_seed(5)
    networks = make()
    put: Callable[[Any], Any] = (lambda value: value) if device.type == "cpu" else elsewhere
    for network in networks.values():
        network.requires_grad_(False)
        if device.type != "cpu":
            moved(network)
    G = networks.get("G", networks.get("G_mapping"))
    space = "w" if hasattr(G, "mapping") or case == "stylegan2-ada's" else "z"
    spec = LinkSpec.parse(links, dim=G.w_dim if space == "w" else G.z_dim, space=space)
    given = {} if case == "R3GAN's" else {"device": device}
    loss = LinkGANLoss(
        **given,
        link_spec=spec.to_json(),
        recipe=make_recipe(**switches).to_json(),
        base_class_name=base,
        base_kwargs=base_kwargs,
        **networks,
    )
    return loss, networks, lambda phase: call(loss, phase, networks, dialect, put)


@pytest.fixture(autouse=True)
def _alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random numbers must not follow the memory layout, which may differ, and a host's statistics must not wait."""
    monkeypatch.setattr(torch, "randn_like", lambda x: torch.randn(x.shape, device=x.device))
    monkeypatch.setattr(toy_hosts.training_stats, "report", lambda name, value: value)


def gradients(case: str, device: torch.device, **switches: Any) -> dict[str, Tensor]:
    """Return all gradients of two rounds of all phases, on the CPU."""
    _, networks, do = built(case, device, **switches)
    found = {}
    for round_ in range(2):
        for phase in CASES[case][2]:
            for name, network in networks.items():
                network.requires_grad_(name[0] == phase[0])
            torch.manual_seed(7)
            do(phase)
            for name, network in networks.items():
                for part, weight in network.named_parameters():
                    if weight.grad is not None:
                        found[f"{round_} {phase} {name}.{part}"] = here(weight.grad.detach().clone())
                    weight.grad = None
    return found


@pytest.mark.parametrize("recipe", list(SWITCHES))
@pytest.mark.parametrize("case", list(CASES))
def test_an_accelerator_computes_the_gradients_of_the_cpu(case: str, recipe: str) -> None:
    expected = gradients(case, torch.device("cpu"), **SWITCHES[recipe])
    with Accelerator():
        found = gradients(case, DEVICE, **SWITCHES[recipe])
    assert len(expected) >= 2
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("case", list(CASES))
def test_a_step_does_not_wait_for_the_accelerator(case: str) -> None:
    # Regions that differ per image may be absent; which statistics there are is known on the device alone.
    most = 1 if case == "eg3d's" else 0
    with Accelerator() as accelerator:
        _, networks, do = built(case, DEVICE, **SWITCHES["default"])
        for step in range(3):
            for phase in CASES[case][2]:
                for name, network in networks.items():
                    network.requires_grad_(name[0] == phase[0])
                with no_waits(accelerator, most=100 if step == 0 else most if phase == "Gmain" else 0):
                    do(phase)
