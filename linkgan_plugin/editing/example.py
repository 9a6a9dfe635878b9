"""A tiny generator that is linked by construction, to try the Python API without a network file."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..generators import LinkedGenerator
from ..links import LinkSpec

DIM, NUM_WS, SIZE = 12, 2, 16
LINKS = ("left=0:4@box(0,0,0.375,1)", "right=4:8@box(0.625,0,1,1)")


class _Mapping(nn.Module):
    """z [N, 12] -> ws [N, 2, 12]: truncation_psi * z in every row."""

    def forward(self, z: Tensor, c: Tensor | None, truncation_psi: float = 1) -> Tensor:
        return (truncation_psi * z).unsqueeze(1).expand(-1, NUM_WS, -1)


class _Synthesis(nn.Module):
    """ws [N, 2, 12] -> images [N, 3, 16, 16]: random waves; those of a region depend only on its own axes."""

    def __init__(self, spec: LinkSpec) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(0)
        waves = torch.randn([3, SIZE, SIZE, DIM], generator=random)
        column = torch.arange(SIZE) / SIZE
        strips = torch.stack([column < 0.375, column >= 0.625, (column >= 0.375) & (column < 0.625)])
        own = spec.axis_masks().float().T @ strips.float()  # [12, 16]: the columns that an axis changes
        self.waves = nn.Parameter(waves * own.T[None, None], requires_grad=False)

    def forward(self, ws: Tensor) -> Tensor:
        return torch.tanh(torch.einsum("nd,chwd->nchw", ws.mean(dim=1), self.waves) / 2)


class ExampleGenerator(nn.Module):
    """A network with the hosts' attributes whose left, right and middle thirds follow axes 0:4, 4:8 and 8:12."""

    z_dim = w_dim = DIM
    c_dim, num_ws, img_resolution, img_channels = 0, NUM_WS, SIZE, 3

    def __init__(self, spec: LinkSpec) -> None:
        super().__init__()
        self.mapping = _Mapping()
        self.synthesis = _Synthesis(spec)
        self.link_spec = spec.to_json()


def example_generator() -> LinkedGenerator:
    """Return a linked generator of 16 x 16 images, with the links `left` and `right`; it needs no file.

    >>> g = example_generator()
    >>> g.spec.block_names
    ('left', 'right', 'rest')
    >>> g.sample([0, 1]).images.shape
    torch.Size([2, 3, 16, 16])
    """
    return LinkedGenerator(ExampleGenerator(LinkSpec.parse(LINKS, dim=DIM)))
