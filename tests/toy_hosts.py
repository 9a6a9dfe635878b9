"""Two hosts' losses in a few lines, in the dialects of stylegan3 and stylegan2-ada-pytorch, around a toy generator."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import Tensor

from linkgan_plugin.links import LinkSpec
from linkgan_plugin.losses import LinkGANLoss
from linkgan_plugin.recipes import make_recipe
from tests.toys import ToyGenerator

SIZE, DIM, BATCH = 8, 8, 6
SPEC = LinkSpec.parse(["left=0:4@box(0,0,0.5,1)"], dim=DIM)
reported: dict[str, list[float]] = {}


def _report(name: str, value: Tensor | float) -> None:
    reported.setdefault(name, []).append(float(torch.as_tensor(value).mean()))


training_stats = SimpleNamespace(report=_report)


class ToyLoss:
    """A host's loss in the stylegan3 dialect: raises the images' mean in G phases, with the host's random draws."""

    r1_gamma = 7.0

    def __init__(self, device, G, D=None, augment_pipe=None, scale=1.0) -> None:
        self.G, self.scale, self.seen = G, scale, []

    def accumulate_gradients(self, phase, real_img, real_c, gen_z, gen_c, gain, cur_nimg) -> None:
        ws = self.G.mapping(gen_z, gen_c, update_emas=phase == "Dmain")
        images = self.G.synthesis(ws)
        self.seen.append(ws.detach().clone())
        if phase.startswith("G"):
            (images.mean() + torch.rand([]) * 1e-3).mul(gain * self.scale).backward()


class OldToyLoss:
    """A host's loss in the stylegan2-ada-pytorch dialect: separate halves and a `sync` flag."""

    def __init__(self, device, G_mapping, G_synthesis, D=None, augment_pipe=None) -> None:
        self.mapping, self.synthesis = G_mapping, G_synthesis

    def accumulate_gradients(self, phase, real_img, real_c, gen_z, gen_c, sync, gain) -> None:
        if phase.startswith("G"):
            self.synthesis(self.mapping(gen_z, gen_c)).mean().mul(gain).backward()


def toy(noise=0.0, seed=0):
    weight = torch.randn(SIZE * SIZE, DIM, generator=torch.Generator().manual_seed(seed))
    return ToyGenerator(weight, SIZE, noise)


def link_loss(generator, base=ToyLoss, spec=SPEC, base_kwargs=None, start_nimg=0, named=None, **switches):
    networks = (
        {"G_mapping": generator.mapping, "G_synthesis": generator.synthesis}
        if base is OldToyLoss
        else {"G": generator, "D": None}
    )
    return LinkGANLoss(
        "cpu",
        link_spec=spec.to_json(),
        recipe=make_recipe(**switches).to_json(),
        start_nimg=start_nimg,
        base_class_name=f"{base.__module__}.{base.__qualname__}",
        base_kwargs=base_kwargs,
        named=named,
        **networks,
    )


def call(phase="Gmain", nimg=0, gain=1.0, seed=0, **dialect):
    z = torch.randn(BATCH, DIM, generator=torch.Generator().manual_seed(seed))
    dialect = dialect or {"cur_nimg": nimg}
    return {"phase": phase, "real_img": None, "real_c": None, "gen_z": z, "gen_c": None, "gain": gain, **dialect}
