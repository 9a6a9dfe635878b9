"""Networks of shapes alone: the shapes and layouts of real ones, without numbers and without PyTorch's compiler."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import nn

from tests.training_loops.eg3d.test_networks import small_generator
from tests.training_loops.r3gan import golden_cases
from training_loops.eg3d.networks import DualDiscriminator, TriPlaneGenerator
from training_loops.r3gan.networks import Discriminator as R3Discriminator
from training_loops.r3gan.networks import Generator as R3Generator
from training_loops.shapes import shapes_only
from training_loops.stylegan2.networks import Discriminator, Generator
from training_loops.stylegan3.networks import Generator as AliasFree
from training_loops.stylemap.networks import Generator as StyleMap

_SIZES = {"z_dim": 8, "c_dim": 0, "w_dim": 8, "img_resolution": 32, "img_channels": 3}
_WIDTHS = {"channel_base": 64, "channel_max": 8}
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "stylegan2": lambda: Generator(**_SIZES, **_WIDTHS),
    "stylegan2 D": lambda: Discriminator(c_dim=0, img_resolution=32, img_channels=3, **_WIDTHS),
    "stylegan3-t": lambda: AliasFree(**_SIZES, **_WIDTHS),
    "stylegan3-r": lambda: AliasFree(**_SIZES, **_WIDTHS, conv_kernel=1, use_radial_filters=True),
    "stylemap": lambda: StyleMap(**{**_SIZES, "w_dim": 64}, **_WIDTHS),
    "eg3d": lambda: TriPlaneGenerator(**small_generator().init_kwargs),
    "eg3d D": lambda: DualDiscriminator(c_dim=25, img_resolution=32, img_channels=3, **_WIDTHS),
    "r3gan": lambda: R3Generator(**golden_cases.kwargs("plain", "G")),
    "r3gan D": lambda: R3Discriminator(**golden_cases.kwargs("plain", "D")),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_shapes_dtypes_and_layouts_are_those_of_the_real_network(name: str) -> None:
    make = NETWORKS[name]
    with shapes_only():
        network = make()
    assert all(parameter.is_meta for parameter in network.parameters())
    shapes = network.state_dict()
    real = make().state_dict()
    assert [(key, value.shape, value.dtype, value.stride()) for key, value in shapes.items()] == [
        (key, value.shape, value.dtype, value.stride()) for key, value in real.items()
    ]


_CHECK = """
import sys
from tests.training_loops.test_shapes import NETWORKS, shapes_only
with shapes_only():
    for make in NETWORKS.values():
        make()
print([name for name in ("torch._dynamo", "sympy") if name in sys.modules])
"""


def test_no_network_needs_the_compiler_of_pytorch() -> None:
    done = subprocess.run([sys.executable, "-c", _CHECK], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


def test_arithmetic_follows_the_rules_of_shapes_and_types() -> None:
    with shapes_only():
        rows, column, double = torch.randn(3, 4), torch.ones(3, 1), torch.ones(4, dtype=torch.float64)
        results = {"sum": rows + column, "quotient": 2 / double, "product": rows * double, "negative": -column}
        sizes = {key: (tuple(value.shape), value.dtype, value.is_meta) for key, value in results.items()}
        with pytest.raises(ValueError, match="broadcast"):
            rows * torch.ones(3)
    assert sizes == {
        "sum": ((3, 4), torch.float32, True),
        "quotient": ((4,), torch.float64, True),
        "product": ((3, 4), torch.float64, True),
        "negative": ((3, 1), torch.float32, True),
    }
