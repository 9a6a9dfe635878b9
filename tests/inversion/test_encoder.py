"""An encoder's network, and its file: hostile ones are refused before anything is built."""

from __future__ import annotations

import json

import pytest
import safetensors.torch
import torch
from torch import Tensor

from linkgan_plugin import Editor, LinkedGenerator, LinkSpec, Resample, project
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.inversion.encoder import Encoder, shape_for, weights_digest
from linkgan_plugin.inversion.encoder_files import load_encoder, save_encoder
from linkgan_plugin.inversion.encoder_network import EncoderNetwork, EncoderShape
from linkgan_plugin.inversion.encoder_training import offsets_on
from linkgan_plugin.inversion.rendering import Renderer
from tests.inversion.conftest import small_generator

KEY = "linkgan_encoder"


def encoder_of(generator, passes: int = 2) -> Encoder:
    """An encoder of random weights, the heads too."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = EncoderNetwork(shape_for(generator, width=4, passes=passes))
        for head in (network.w, network.offsets):
            torch.nn.init.normal_(head.weight, std=0.1)
    return Encoder(network.eval().requires_grad_(False), weights_digest(generator), {"kimg": 1.0}, {"mae": 0.5})


def photographs(count: int = 3) -> Tensor:
    return torch.rand([count, 3, 16, 16], generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_a_new_network_changes_nothing_and_offsets_switch_on_one_by_one(generator):
    network = EncoderNetwork(shape_for(generator, width=4))
    x, c = photographs(), torch.zeros([3, 0])
    assert network(x, x, c).abs().max() == 0
    torch.nn.init.ones_(network.w.bias)
    torch.nn.init.ones_(network.offsets.bias)
    num_ws = network.shape.num_ws
    for on in range(num_ws):
        rows = network(x, x, c, on)[0, :, 0].tolist()
        assert rows == [1.0] + [2.0] * on + [1.0] * (num_ws - 1 - on)
    assert torch.equal(network(x, x, c), network(x, x, c, num_ws - 1))


def test_offsets_are_off_at_first_and_all_on_for_the_last_quarter():
    assert [offsets_on(done, 5) for done in (0, 0.25, 0.374, 0.376, 0.5, 0.75, 1)] == [0, 0, 0, 1, 2, 4, 4]


@pytest.mark.parametrize(("resolution", "widths", "end"), [(4, (8,), 2), (16, (8, 16), 4), (24, (8, 16, 32), 3)])
def test_widths_follow_the_resolution(resolution, widths, end):
    shape = EncoderShape(resolution, 3, 2, 1, 5, width=8)
    assert (shape.widths, shape.end) == (widths, end)
    x = torch.zeros([2, 3, resolution, resolution])
    assert EncoderNetwork(shape)(x, x, torch.eye(2)).shape == (2, 1, 5)


def test_the_class_is_an_input():
    generator = small_generator(c_dim=3)
    encoder = encoder_of(generator)
    x = photographs(1).expand(2, -1, -1, -1)
    found = encoder.refine(Renderer(generator), x, torch.eye(3)[:2], encoder.start(2))
    assert (found[0] - found[1]).abs().max() > 1e-3


def test_project_gives_one_pass_all_passes_and_tuning(generator):
    encoder, x = encoder_of(generator), photographs()
    renderer, c = Renderer(generator), torch.zeros([3, 0])
    one = project(generator, x, method="encoder", encoder=encoder)
    first = encoder.start(3) + encoder.network(x, renderer.images(encoder.start(3), c), c)
    second = first + encoder.network(x, renderer.images(first, c), c)
    assert torch.allclose(torch.cat([found.latents for found in one]), first, atol=1e-6)
    all_passes = project(generator, x, method="restyle", encoder=encoder, batch=2)
    assert torch.allclose(torch.cat([found.latents for found in all_passes]), second, atol=1e-5)
    tuned = project(generator, x[:1], method="tune", encoder=encoder, tune=2)[0]
    assert torch.allclose(tuned.latents, second[:1], atol=1e-5)
    assert tuned.tuned
    assert not one[0].noise


def test_an_editor_of_a_photograph_starts_from_what_the_encoder_finds(generator, tmp_path):
    linked = LinkedGenerator(generator, LinkSpec.parse(["left=0:3@box(0,0,0.5,1)"], dim=8))
    save_encoder(tmp_path / "encoder.safetensors", encoder_of(generator))
    editor = Editor.of_photograph(linked, photographs(1), tmp_path / "encoder.safetensors")
    expected = project(generator, photographs(1), method="restyle", encoder=encoder_of(generator))[0]
    assert torch.equal(editor.start, expected.latents)
    editor.do(Resample("left", seed=3))
    assert torch.equal(editor.pasted()[..., 12:], photographs(1)[..., 12:])


@pytest.mark.parametrize(
    ("method", "given", "message"),
    [
        ("encoder", False, "method 'encoder' needs an encoder"),
        ("search", True, "method 'search' uses no encoder; choose one of encoder, restyle, tune"),
        ("magic", False, "method 'magic': known are search, encoder, restyle, tune"),
    ],
)
def test_methods_and_encoders_that_do_not_fit_are_refused(method, given, message, generator):
    with pytest.raises(LinkGANError, match=message):
        project(generator, photographs(1), method=method, encoder=encoder_of(generator) if given else None)


def test_an_encoder_of_another_network_is_refused(generator):
    encoder = encoder_of(generator)
    with pytest.raises(LinkGANError, match="c_dim 0, this one has 3"):
        encoder.check(small_generator(c_dim=3))
    other = small_generator()
    next(other.parameters()).data += 1
    with pytest.raises(LinkGANError, match="other weights"):
        encoder.check(other)


def test_a_file_reads_back_to_the_bit(generator, tmp_path):
    encoder, path = encoder_of(generator), tmp_path / "encoder.safetensors"
    save_encoder(path, encoder)
    found = load_encoder(path)
    assert (found.digest, found.settings, found.facts) == (encoder.digest, {"kimg": 1.0}, {"mae": 0.5})
    assert found.network.shape == encoder.network.shape
    state = found.network.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in encoder.network.state_dict().items())
    with pytest.raises(LinkGANError, match=r"ends in \.safetensors"):
        save_encoder(tmp_path / "encoder.pt", encoder)


def written(path, state, description) -> None:
    path.write_bytes(safetensors.torch.save(state, {KEY: json.dumps(description)}))


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("width", 10**9, "width 1000000000, expected 1 to 256"),
        ("resolution", 1 << 40, "expected 4 to 4096"),
        ("w_dim", 65_000, "the tensors do not match the architecture"),
        ("passes", 0, "passes 0, expected 1 to 32"),
        ("passes", True, "'passes'"),
        ("depth", 3, "unknown field 'depth'"),
    ],
)
def test_wrong_sizes_are_refused_before_a_network_is_built(part, value, message, generator, tmp_path):
    encoder, path = encoder_of(generator), tmp_path / "encoder.safetensors"
    save_encoder(path, encoder)
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    description = json.loads(header["__metadata__"][KEY])
    description["architecture"][part] = value
    written(path, encoder.network.state_dict(), description)
    with pytest.raises(LinkGANError, match=message):
        load_encoder(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff" * 8 + b"{}", "does not begin with a header"),
        ((15 << 20).to_bytes(8, "little") + b"{}", "is not a readable"),
        (safetensors.torch.save({"x": torch.zeros(2)}), "describes no encoder"),
    ],
)
def test_hostile_files_are_refused(content, message, tmp_path):
    path = tmp_path / "encoder.safetensors"
    path.write_bytes(content)
    with pytest.raises(LinkGANError, match=message):
        load_encoder(path)


@pytest.mark.parametrize(("tensor", "value"), [("w.bias", float("nan")), ("deviation", -1.0)])
def test_numbers_that_cannot_be_are_refused(tensor, value, generator, tmp_path):
    encoder, path = encoder_of(generator), tmp_path / "encoder.safetensors"
    encoder.network.state_dict()[tensor][0] = value
    save_encoder(path, encoder)
    with pytest.raises(LinkGANError, match=f"'{tensor}' holds numbers"):
        load_encoder(path)
