"""Latent spaces are asked of the generator itself where a host's options do not say."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from linkgan_plugin.calls.spaces import axes_of, latent_axes
from linkgan_plugin.errors import LinkGANError


class Whole(nn.Module):
    """A generator without halves, whose option for its latents has a name of its own."""

    def __init__(self, *, Latents: int, c_dim: int, img_resolution: int) -> None:
        super().__init__()
        self.z_dim, self.c_dim, self.img_resolution = Latents, c_dim, img_resolution
        self.weight = nn.Parameter(torch.randn(Latents))

    def forward(self, x: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        return x


class Halves(nn.Module):
    """A generator in two halves."""

    def __init__(self, *, Latents: int, c_dim: int, img_resolution: int, img_channels: int) -> None:
        super().__init__()
        self.z_dim, self.w_dim = Latents, 2 * Latents
        self.mapping, self.synthesis = nn.Identity(), nn.Identity()


class Broken(nn.Module):
    def __init__(self, **kwargs: Any) -> None:
        raise ZeroDivisionError("of its own")


def options(kind: type, **kwargs: Any) -> dict[str, Any]:
    name = f"{kind.__module__}.{kind.__qualname__}"
    return {"G_kwargs": {"class_name": name, **kwargs}, "training_set_kwargs": {"resolution": 8}}


@pytest.mark.parametrize(
    ("kind", "space", "expected"),
    [
        (Whole, None, ("z", 12)),
        (Whole, "z", ("z", 12)),
        (Halves, None, ("w", 24)),
        (Halves, "w", ("w", 24)),
        (Halves, "z", ("z", 12)),
    ],
)
def test_the_built_generator_says_its_spaces(kind: type, space: str | None, expected: tuple[str, int]) -> None:
    before = torch.get_rng_state()
    assert latent_axes(options(kind, Latents=12), space) == expected
    assert torch.equal(torch.get_rng_state(), before)


def test_options_that_say_it_build_nothing() -> None:
    assert latent_axes(options(Broken, w_dim=7, z_dim=5), None) == ("w", 7)
    assert latent_axes(options(Broken, w_dim=7, z_dim=5), "z") == ("z", 5)


def test_a_space_that_is_not_there_names_the_one_that_is() -> None:
    with pytest.raises(LinkGANError, match=r"no w_dim, .* in space 'w' \(it has a z_dim: use --link-space z\)"):
        latent_axes(options(Whole, Latents=12), "w")


def test_a_generator_that_cannot_be_built_is_named_with_the_reason() -> None:
    with pytest.raises(LinkGANError, match=r"have no w_dim, .*Broken cannot be built .*ZeroDivisionError: of its own"):
        latent_axes(options(Broken), None)


def test_w_comes_first_where_there_is_one() -> None:
    assert list(axes_of(Halves(Latents=3, c_dim=0, img_resolution=8, img_channels=3))) == ["w", "z"]
