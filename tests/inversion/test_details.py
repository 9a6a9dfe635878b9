"""Details of photographs: new ones change nothing, an editor keeps them, and hostile files are refused."""

from __future__ import annotations

import json

import pytest
import safetensors.torch
import torch
from torch import Tensor

from linkgan_plugin import Editor, LinkedGenerator, LinkSpec, Resample, load_projected, project
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.inversion.consultation import DetailsNetwork, DetailsShape
from linkgan_plugin.inversion.details import Details
from linkgan_plugin.inversion.encoder import Encoder
from linkgan_plugin.inversion.encoder_files import load_encoder, save_encoder
from linkgan_plugin.inversion.perspective import homographies, random_perspectives, warped
from linkgan_plugin.inversion.projected import save_projected
from linkgan_plugin.inversion.rendering import Renderer
from tests.inversion.conftest import small_generator
from tests.inversion.test_encoder import KEY, encoder_of, photographs

SHAPE = DetailsShape(resolution=16, channels=3, size=8, features=8, width=4)
SPEC = LinkSpec.parse(["left=0:3@box(0,0,0.5,1)"], dim=8)


def detailed(generator, *, new: bool = False, shape: DetailsShape = SHAPE) -> Encoder:
    """An encoder with details of random weights, or new ones."""
    encoder = encoder_of(generator)
    with torch.random.fork_rng():
        torch.manual_seed(2)
        network = DetailsNetwork(shape)
        if not new:
            heads = [network.consultation.gate, network.consultation.detail]
            for head in [*heads, *([network.alignment.last] if network.alignment else [])]:
                torch.nn.init.normal_(head.weight, std=0.2)
    details = Details(network.eval().requires_grad_(False), {"kimg": 2.0}, {"mae_details": 0.25})
    return Encoder(encoder.network, encoder.digest, encoder.settings, encoder.facts, details)


def linked(generator) -> LinkedGenerator:
    return LinkedGenerator(generator, SPEC)


@pytest.mark.parametrize("c_dim", [0, 3])
def test_new_details_change_no_bit_of_the_encoders_image(c_dim):
    generator = small_generator(c_dim=c_dim)
    encoder, renderer, x = detailed(generator, new=True), Renderer(generator), photographs()
    labels = torch.eye(c_dim)[:3] if c_dim else torch.zeros([3, 0])
    latents = encoder.refine(renderer, x, labels, encoder.start(3), 2)
    plain = renderer.images(latents, labels)
    assert torch.equal(encoder.required_details.reconstruct(renderer, x, labels, latents), plain)
    assert torch.equal(encoder.required_details.edit(renderer, x, labels, latents, latents.flip(0)), plain.flip(0))


def test_details_of_an_image_do_not_depend_on_its_batch(generator):
    details, renderer, x = detailed(generator).required_details, Renderer(generator), photographs()
    latents, labels = encoder_of(generator).start(3), torch.zeros([3, 0])
    for has_noise in (True, False):  # networks without noise inputs render one by one
        renderer.calls._has_noise = has_noise
        together = details.reconstruct(renderer, x, labels, latents)
        assert (together - renderer.images(latents, labels)).abs().max() > 1e-3
        alone = [details.reconstruct(renderer, x[[row]], labels[[row]], latents[[row]]) for row in range(3)]
        assert torch.allclose(together, torch.cat(alone), atol=1e-5)


@pytest.mark.parametrize(("resolution", "size"), [(16, 16), (16, 4), (24, 9), (4, 4), (20, 3)])
def test_networks_fit_any_size(resolution, size):
    network = DetailsNetwork(DetailsShape(resolution=resolution, channels=1, size=size, features=5, width=2))
    x = torch.randn([2, 1, resolution, resolution])
    assert torch.equal(network.align(x, x, x), x)
    assert [list(part.shape) for part in network(x, x, x)] == [[2, 5, size, size]] * 2


def by_hand(image: Tensor, perspective: Tensor) -> Tensor:
    """The perspective transformation of an image [H, W], pixel by pixel in float64."""
    height, width = image.shape
    result = torch.zeros([height, width], dtype=torch.float64)
    for row in range(height):
        for column in range(width):
            x, y = (2 * column + 1) / width - 1, (2 * row + 1) / height - 1
            u, v, scale = (perspective.double() @ torch.tensor([x, y, 1], dtype=torch.float64)).tolist()
            right, down = ((u / scale + 1) * width - 1) / 2, ((v / scale + 1) * height - 1) / 2
            for i in (int(down // 1), int(down // 1) + 1):
                for j in (int(right // 1), int(right // 1) + 1):
                    if 0 <= i < height and 0 <= j < width:
                        result[row, column] += (1 - abs(down - i)) * (1 - abs(right - j)) * image[i, j]
    return result


def test_perspectives_are_those_of_a_reference():
    random = torch.Generator().manual_seed(3)
    tau, maps = random_perspectives(8, 0.2, random), torch.randn([8, 2, 6, 7], generator=random)
    found = warped(maps, tau)
    for row in range(8):
        for channel in range(2):
            expected = by_hand(maps[row, channel].double(), tau[row])
            assert torch.allclose(found[row, channel].double(), expected, atol=1e-4)
    still = [torch.allclose(one, torch.eye(3), atol=1e-6) for one in random_perspectives(400, 0.2, random)]
    assert 60 < sum(still) < 140  # a quarter


def test_homographies_take_the_corners_where_they_are_told():
    corners = torch.tensor([[[-1.2, -0.9], [0.8, -1.1], [1.1, 1.0], [-0.7, 1.3]]])
    square = torch.tensor([[-1.0, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]])
    found = square @ homographies(corners)[0].T
    assert torch.allclose(found[:, :2] / found[:, 2:], corners[0], atol=1e-6)


def test_an_editor_keeps_details_in_every_image(generator):
    encoder, x, renderer = detailed(generator), photographs(1), Renderer(generator)
    editor = Editor.of_photograph(linked(generator), x, encoder)
    details, labels = encoder.required_details, torch.zeros([1, 0])
    start = details.reconstruct(renderer, x, labels, editor.start)
    assert torch.allclose(editor.image(), start, atol=1e-5)
    editor.do(Resample("left", seed=3))
    edited = details.edit(renderer, x, labels, editor.start, editor.latents)
    assert torch.allclose(editor.image(), edited, atol=1e-5)
    assert (edited - renderer.images(editor.latents, labels)).abs().max() > 1e-2
    assert torch.equal(editor.pasted()[..., 12:], x[..., 12:])
    editor.undo()
    assert torch.allclose(editor.image(), start, atol=1e-5)
    editor.lock("left")
    with pytest.raises(LinkGANError, match="cannot redo"):
        editor.redo()
    plain = Editor.of_photograph(linked(generator), x, encoder, details=False)
    assert torch.allclose(plain.image(), renderer.images(plain.start, labels), atol=1e-5)


def test_saved_edits_with_details_need_the_encoder(generator, tmp_path):
    encoder, x = detailed(generator), photographs(1)
    found = project(generator, x, method="details", encoder=encoder)[0]
    save_projected(tmp_path / "me", found)
    again = load_projected(tmp_path / "me", generator)
    assert (found.detailed, again.detailed) == (True, True)
    again = found  # a photograph in a file is rounded
    editor = Editor.of_projected(linked(generator), again, encoder)
    editor.do(Resample("left", seed=3))
    saved = json.loads(json.dumps(editor.to_json()))
    assert saved["version"] == 2
    assert torch.equal(Editor.from_json(linked(generator), saved, again, encoder).image(), editor.image())
    with pytest.raises(LinkGANError, match="made with details; give the encoder"):
        Editor.from_json(linked(generator), saved, again)
    plain = Editor.of_projected(linked(generator), again).to_json()
    assert plain["version"] == 1
    with pytest.raises(LinkGANError, match="made without details; leave the encoder out"):
        Editor.from_json(linked(generator), plain, again, encoder)


def test_inversions_that_details_do_not_fit_are_refused(generator):
    encoder, x = detailed(generator), photographs(1)
    found = project(generator, x, method="tune", encoder=encoder, tune=1)[0]
    with pytest.raises(LinkGANError, match="weights of its own; invert the photograph with --method details"):
        Editor.of_projected(linked(generator), found, encoder)
    bare = project(generator, x, method="restyle", encoder=encoder)[0]
    with pytest.raises(LinkGANError, match="without its photograph"):
        Editor.of_projected(linked(generator), type(bare)(bare.latents, bare.label), encoder)
    with pytest.raises(LinkGANError, match="has no details; train them with `linkgan encoder details`"):
        Editor.of_projected(linked(generator), bare, encoder_of(generator))
    with pytest.raises(LinkGANError, match="has no details"):
        project(generator, x, method="details", encoder=encoder_of(generator))
    with pytest.raises(LinkGANError, match="method 'details' needs an encoder"):
        project(generator, x, method="details")


def test_details_of_another_network_are_refused(generator):
    shape = DetailsShape(resolution=16, channels=3, size=8, features=5, width=4)
    with pytest.raises(LinkGANError, match="5 feature maps of 8 x 8, this network has 8"):
        detailed(generator, shape=shape).check(generator)


@pytest.mark.parametrize("aligned", [0, 1])
def test_a_file_holds_both_and_reads_back_to_the_bit(aligned, generator, tmp_path):
    shape = DetailsShape(resolution=16, channels=3, size=8, features=8, width=4, aligned=aligned, before=0)
    encoder, path = detailed(generator, shape=shape), tmp_path / "encoder.safetensors"
    save_encoder(path, encoder)
    found = load_encoder(path)
    details = found.required_details
    assert (details.settings, details.facts, details.network.shape) == ({"kimg": 2.0}, {"mae_details": 0.25}, shape)
    for own, other in ((found.network, encoder.network), (details.network, encoder.required_details.network)):
        state = own.state_dict()
        assert all(torch.equal(state[name], tensor) for name, tensor in other.state_dict().items())


def test_a_file_without_details_is_as_before(generator, tmp_path):
    path = tmp_path / "encoder.safetensors"
    save_encoder(path, encoder_of(generator))
    header = path.read_bytes()
    description = header_of(header)
    assert description["version"] == 1
    assert "details" not in description
    assert load_encoder(path).details is None


def header_of(content: bytes) -> dict:
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return json.loads(header["__metadata__"][KEY])


def written(path, encoder, change) -> None:
    """Write a file of an encoder with details whose tensors or description were changed."""
    save_encoder(path, encoder)
    content = path.read_bytes()
    state, description = safetensors.torch.load(content), header_of(content)
    change(state, description)
    path.write_bytes(safetensors.torch.save(state, {KEY: json.dumps(description)}))


def test_hostile_details_are_refused(generator, tmp_path):
    path, name = tmp_path / "encoder.safetensors", "details.consultation.gate.bias"

    def architecture(**numbers):
        return lambda state, about: about["details"]["architecture"].update(numbers)

    def tensor(name, value):
        return lambda state, about: state.update({name: value})

    cases = [
        (architecture(width=10**9), "details of width 1000000000, expected 1 to 256"),
        (architecture(size=0), "details of size 0, expected 1 to 4096"),
        (architecture(features=4000), "the tensors do not match the architecture"),
        (architecture(aligned=0), "the tensors do not match the architecture"),
        (architecture(aligned=True), "'aligned'"),
        (architecture(depth=3), "unknown field 'depth'"),
        (architecture(resolution=32), "details of resolution 32 beside an encoder of 16"),
        (tensor(name, torch.zeros(3)), r"consultation.gate.bias is float32 \[3\], expected float32 \[8\]"),
        (tensor(name, torch.full([8], float("nan"))), "'consultation.gate.bias' holds numbers that are not finite"),
        (tensor("details.consultation.deviation", torch.zeros(8)), "holds numbers that are not above 0"),
        (tensor("details.extra", torch.zeros(1)), "extra .* is unexpected"),
        (lambda state, about: about.pop("details"), "details.* is unexpected"),
        (lambda state, about: about["details"].pop("facts"), "has no 'facts'"),
        (lambda state, about: about.update(version=3), "an encoder of version 3"),
    ]
    for change, message in cases:
        written(path, detailed(generator), change)
        with pytest.raises(LinkGANError, match=message):
            load_encoder(path)
