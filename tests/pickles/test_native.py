"""Networks of our own classes from hosts' snapshots, with no host at hand."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.networks import load_network
from linkgan_plugin.pickles import native
from linkgan_plugin.pickles.nodes import Node
from linkgan_plugin.pickles.reader import read_pickle
from tests.pickles.written import snapshot_bytes, stored
from tests.training_loops.stylegan2.filled import fill
from training_loops.formats.pickles.source import Source
from training_loops.stylegan2.networks import Discriminator, Generator

DIMS: dict[str, Any] = {"z_dim": 8, "c_dim": 3, "w_dim": 8, "img_resolution": 16, "img_channels": 3}
WIDTH: dict[str, Any] = {"channel_base": 128, "channel_max": 8}
ADA: dict[str, Any] = {"num_fp16_res": 0, "conv_clamp": None}  # what stylegan2-ada-pytorch takes where nothing is said
D_KWARGS: dict[str, Any] = {"c_dim": 3, "img_resolution": 16, "img_channels": 3, **WIDTH}


def filled(network: nn.Module) -> nn.Module:
    fill(network)
    return network.eval()


def generator(**kwargs: Any) -> nn.Module:
    return filled(Generator(**DIMS, **WIDTH, **kwargs))


def node(network: nn.Module, init_kwargs: dict[str, Any], **attributes: Any) -> Node:
    data = snapshot_bytes(G_ema=stored(network, init_kwargs, **attributes))
    return read_pickle(io.BytesIO(data)).generator


def assert_same_outputs(one: nn.Module, other: nn.Module) -> None:
    z, c = torch.randn(2, 8), torch.eye(3)[:2]
    for psi in (1, 0.7):
        ws = one.mapping(z, c, truncation_psi=psi)
        assert torch.equal(other.mapping(z, c, truncation_psi=psi), ws)
        assert torch.equal(other.synthesis(ws, noise_mode="const"), one.synthesis(ws, noise_mode="const"))


def test_the_dialect_of_stylegan3() -> None:
    original = generator(fused_modconv_default="inference_only", num_fp16_res=2)
    built = native.build(node(original, {**DIMS, **WIDTH, "fused_modconv_default": "inference_only"}))
    assert type(built) is Generator
    assert (built.synthesis.num_fp16_res, built.synthesis.b16.conv1.conv_clamp) == (2, 256)
    assert built.mapping.w_avg_beta == 0.998
    assert_same_outputs(original, built)
    assert not built.training
    assert not any(parameter.requires_grad for parameter in built.parameters())


def test_the_dialect_of_stylegan2_ada_has_other_defaults_which_the_file_has_recorded() -> None:
    original = generator(**ADA, mapping_kwargs={"num_layers": 2, "w_avg_beta": 0.995})
    original.synthesis.__dict__.pop("num_fp16_res")  # its classes do not keep it
    kwargs = {**DIMS, "mapping_kwargs": {"num_layers": 2}, "synthesis_kwargs": WIDTH}
    built = native.build(node(original, kwargs))
    assert built.mapping.w_avg_beta == 0.995
    assert not any(getattr(built.synthesis, f"b{size}").use_fp16 for size in (4, 8, 16))
    assert built.synthesis.b16.conv1.conv_clamp is None
    assert_same_outputs(original, built)


@pytest.mark.parametrize("defaults", [ADA, {}])
def test_discriminators_of_both_dialects(defaults: dict[str, Any]) -> None:
    original = filled(Discriminator(**D_KWARGS, **defaults, epilogue_kwargs={"mbstd_group_size": 2}))
    data = snapshot_bytes(
        D=stored(original, {**D_KWARGS, "block_kwargs": {}, "epilogue_kwargs": {"mbstd_group_size": 2}})
    )
    built = native.build(read_pickle(io.BytesIO(data)).networks["D"])
    images, c = torch.randn(4, 3, 16, 16), torch.eye(3)[[0, 1, 2, 0]]
    assert built.b16.use_fp16 == (not defaults)
    assert built.b16.conv0.conv_clamp == (None if defaults else 256)
    assert torch.equal(built(images, c), original(images, c))


def test_layouts_are_those_of_the_class_and_two_networks_share_nothing() -> None:
    kwargs = {**WIDTH, "num_fp16_res": 1, "fp16_channels_last": True}
    original = generator(num_fp16_res=1, fp16_channels_last=True)
    found = node(original, {**DIMS, **kwargs})
    original.synthesis.b16.conv1.weight.data = original.synthesis.b16.conv1.weight.data.contiguous()
    other = node(original, {**DIMS, **kwargs})
    first, second, third = native.build(found), native.build(found), native.build(other)
    strides = [network.synthesis.b16.conv1.weight.stride() for network in (first, third)]
    assert strides == [Generator(**DIMS, **kwargs).synthesis.b16.conv1.weight.stride()] * 2
    first.synthesis.b4.const.zero_()
    assert second.synthesis.b4.const.abs().min() > 0


def test_links_are_set_and_nothing_replaces_what_the_class_has() -> None:
    built = native.build(node(generator(), {**DIMS, **WIDTH}, link_spec={"a": (1,)}, forward="x", training=True))
    assert built.link_spec == {"a": (1,)}
    assert built(torch.randn(1, 8), torch.zeros(1, 3)).shape == (1, 3, 16, 16)
    assert not built.training


MISFITS = {
    "an unknown argument": ({"style_mixing": 1}, {}, "style_mixing"),
    "another size": ({"channel_max": 4}, {}, r"synthesis.b4.const is float32 \[8, 4, 4\] in the file"),
    "another clamp": ({"conv_clamp": 100}, {}, r"conv_clamp is 256 in the file and 100 here"),
    "another gain": ({"mapping_kwargs": {"lr_multiplier": 0.1}}, {}, r"mapping.fc0.weight_gain is .* in the file"),
    "a function for an activation": ({"activation": "os.system"}, {}, r"activation 'os.system': known are"),
    "text for a number": ({"channel_base": "64"}, {}, "TypeError"),
    "a list for a dict": ({"mapping_kwargs": [1]}, {}, "arguments of other types"),
    "arguments by position": ({}, {"_init_args": (1, 2)}, "given by position"),
    "an absurd width": (
        {"channel_max": 2**40},
        {},
        r"channel_max of 1.1e\+12 among its arguments",
    ),
    "an absurd depth": (
        {"mapping_kwargs": {"num_layers": 2**19}},
        {},
        "num_layers of 5.24e\\+05 among its arguments",
    ),
    "an absurd resolution": (
        {"img_resolution": 2**20},
        {},
        "img_resolution of 1.05e\\+06 among its arguments",
    ),
    "a wide one": ({"channel_base": 2**20, "channel_max": 2**14, "w_dim": 2**14}, {}, "in the file and"),
    "infinity": ({"conv_clamp": float("inf")}, {}, "conv_clamp of inf"),
    "not a number": ({"conv_clamp": float("nan")}, {}, "conv_clamp of nan"),
    "a long filter": (
        {"resample_filter": [1.0] * 50_000},
        {},
        "50000 values in resample_filter",
    ),
}


@pytest.mark.parametrize("kind", MISFITS)
def test_what_does_not_fit_is_one_clear_message(kind: str) -> None:
    changes, attributes, message = MISFITS[kind]
    found = node(generator(), {**DIMS, **WIDTH, **changes}, **attributes)
    started = time.process_time()
    with pytest.raises(LinkGANError, match=message) as caught:
        native.build(found)
    assert time.process_time() - started < 5
    assert str(caught.value).startswith("Generator: ")
    assert str(caught.value).endswith("--host DIR")
    assert len(str(caught.value).splitlines()) == 1


def test_unknown_classes_are_named_with_the_known_ones() -> None:
    found = node(generator(), {**DIMS, **WIDTH})
    found.class_name = "SuperGenerator"
    with pytest.raises(
        LinkGANError, match=r"SuperGenerator: no class with that name .*Generator, Discriminator.*--host"
    ):
        native.build(found)


def test_only_what_is_asked_for_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original, D = generator(), filled(Discriminator(**D_KWARGS))
    path = tmp_path / "network.pkl"
    kept = stored(original, {**DIMS, **WIDTH})
    path.write_bytes(snapshot_bytes(G=kept, D=stored(D, D_KWARGS), G_ema=kept))
    read: list[int] = []
    fill_buffer = Source.fill
    monkeypatch.setattr(Source, "fill", lambda self, buffer: (read.append(len(buffer)), fill_buffer(self, buffer))[1])
    network = load_network(path)
    size = sum(tensor.nbytes for tensor in original.state_dict().values())
    assert sum(read) == size
    assert torch.equal(network.discriminator.b4.fc.weight, D.b4.fc.weight)
    assert network.discriminator is network.discriminator
    assert sum(read) == size + sum(tensor.nbytes for tensor in D.state_dict().values())


def test_a_file_without_discriminator_says_so(tmp_path: Path) -> None:
    path = tmp_path / "network.pkl"
    path.write_bytes(snapshot_bytes(G_ema=stored(generator(), {**DIMS, **WIDTH})))
    with pytest.raises(LinkGANError, match="has no discriminator"):
        _ = load_network(path).discriminator


@pytest.mark.parametrize("kind", ["t", "r"])
def test_stylegan3_is_told_by_its_parts(kind: str) -> None:
    networks = pytest.importorskip("training_loops.stylegan3.networks")
    more = {"conv_kernel": 1, "use_radial_filters": True} if kind == "r" else {}
    kwargs = {
        **DIMS,
        **WIDTH,
        "num_layers": 3,
        "num_critical": 1,
        "margin_size": 2,
        "mapping_kwargs": {"num_layers": 1},
    }
    torch.manual_seed(0)
    original = networks.Generator(**kwargs, **more).eval()
    built = native.build(node(original, {**kwargs, **more}))
    assert type(built) is networks.Generator
    assert_same_outputs(original, built)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision_are_those_of_the_network_in_single(dtype: torch.dtype) -> None:
    original = generator().to(dtype)
    found = node(original, {**DIMS, **WIDTH})
    built = native.build(found)
    assert {tensor.dtype for tensor in built.state_dict().values()} == {torch.float32}
    assert {tensor.dtype for tensor in found.tensors().values()} == {dtype}, "the file says what it stores"
    assert_same_outputs(original.float(), built)


def test_whole_numbers_are_no_other_precision() -> None:
    original = generator().requires_grad_(False)
    original.synthesis.b4.const.data = original.synthesis.b4.const.data.to(torch.int32)
    with pytest.raises(
        LinkGANError, match=r"const is int32 \[8, 4, 4\] in the file and float32 \[8, 4, 4\] in the class"
    ):
        native.build(node(original, {**DIMS, **WIDTH}))
