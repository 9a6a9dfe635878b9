"""The basis of a link spec: its arithmetic, its JSON, and every caller that replaces axes in it."""

from __future__ import annotations

import base64
import dataclasses
import json

import numpy as np
import pytest
import torch

from linkgan_plugin.basis import Basis
from linkgan_plugin.editing.directions import block_directions
from linkgan_plugin.editing.editor import DirectionEdit, Editor, Resample, Restore, Transplant
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.metrics.edited_quality import edits_of, rendered
from linkgan_plugin.metrics.evaluate import evaluate
from linkgan_plugin.perturb import replace_axes
from linkgan_plugin.report.provenance import provenance
from tests.toy_hosts import ToyLoss, call, link_loss, reported
from tests.toys import ToyGenerator, linked_weight
from training_loops.formats.budget import MOST_BASIS_AXES

SIZE, DIM = 8, 12
PLAIN = LinkSpec.parse(["left=0:4@box(0,0,0.5,1)", "right=4:8@box(0.5,0,1,1)"], dim=DIM)


def skewed(dim: int = DIM, seed: int = 0) -> Basis:
    """A well-conditioned basis whose directions are neither orthogonal nor of length one."""
    random = torch.Generator().manual_seed(seed)
    return Basis.of(torch.eye(dim) * 2 + torch.randn([dim, dim], generator=random) / 4)


def rotated(dim: int = DIM) -> Basis:
    random = torch.Generator().manual_seed(1)
    return Basis.of(torch.linalg.qr(torch.randn([dim, dim], generator=random, dtype=torch.float64))[0])


def planted(basis: Basis, size: int = SIZE, blocks=(range(4), range(4, 8))) -> ToyGenerator:
    """A generator that is perfectly linked in a basis: image = weight @ coordinates of w."""
    return ToyGenerator(linked_weight(blocks, size, basis.dim) @ basis.inverse.T, size)


@pytest.fixture
def linked():
    basis = skewed()
    return LinkedGenerator(planted(basis), dataclasses.replace(PLAIN, basis=basis))


# The arithmetic


@pytest.mark.parametrize("shape", [[DIM], [3, DIM]])
def test_replacing_is_exact_in_float64_coordinates(shape):
    basis = skewed()
    random = torch.Generator().manual_seed(2)
    ws, target = torch.randn([2, 3, 5, DIM], generator=random)
    block = torch.rand(shape, generator=random) < 0.5
    rows = basis.rows.double()
    here, there = (x.double() @ torch.linalg.inv(rows) for x in (ws, target))
    expected = torch.where(block.unsqueeze(-2), there, here) @ rows
    found = replace_axes(ws, target, block, basis)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-5)


def test_half_precision_latents_are_replaced_in_float32_and_keep_their_type():
    ws, target = torch.randn([2, 4, 1, DIM], generator=torch.Generator().manual_seed(0)).bfloat16()
    block = torch.arange(DIM) < 5
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = replace_axes(ws, target, block, skewed())
    assert found.dtype == torch.bfloat16
    wanted = replace_axes(ws.float(), target.float(), block, skewed())
    torch.testing.assert_close(found, wanted.bfloat16(), rtol=0, atol=0)


def test_an_empty_block_leaves_latents_bit_for_bit():
    ws, target = torch.randn([2, 4, 2, DIM], generator=torch.Generator().manual_seed(0))
    assert torch.equal(replace_axes(ws, target, torch.zeros(DIM, dtype=torch.bool), skewed()), ws)


def test_the_inverse_of_an_orthonormal_basis_is_its_transpose_and_of_others_undoes_it():
    assert torch.equal(rotated().inverse, rotated().rows.T)
    torch.testing.assert_close(skewed().rows @ skewed().inverse, torch.eye(DIM), rtol=0, atol=1e-6)
    latents = torch.randn(3, 2, DIM, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(skewed().latents(skewed().coordinates(latents)), latents, rtol=0, atol=1e-5)


def test_gradients_pass_through_replaced_coordinates():
    basis, block = skewed(), torch.arange(DIM) < 5
    ws, target = (torch.zeros(1, 1, DIM, requires_grad=True) for _ in range(2))
    replace_axes(ws, target, block, basis).sum().backward()
    projection = basis.inverse[:, block] @ basis.rows[block]
    torch.testing.assert_close(target.grad[0, 0], projection.sum(dim=1), rtol=0, atol=1e-5)
    torch.testing.assert_close(ws.grad[0, 0], 1 - projection.sum(dim=1), rtol=0, atol=1e-5)


# What is refused


def with_infinity(dim=3):
    rows = torch.eye(dim)
    rows[0, 0] = torch.inf
    return rows


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (torch.ones(3, 4), r"shape \[3, 4\], expected \[D, D\]"),
        (torch.ones(3), r"shape \[3\], expected \[D, D\]"),
        (torch.ones(0, 0), f"0 axes, expected 1 to {MOST_BASIS_AXES}"),
        (with_infinity(), "1 numbers of the basis are not finite"),
        (torch.ones(3, 3), "condition number .*, expected at most 1000"),
        (torch.zeros(3, 3), "condition number inf, expected at most 1000"),
        (torch.diag(torch.tensor([1.0, 1001.0])), r"condition number 1e\+03, expected at most 1000"),
    ],
)
def test_rows_that_are_no_basis_are_refused(rows, says):
    with pytest.raises(LinkGANError, match=says):
        Basis.of(rows)


def test_a_condition_number_of_999_is_accepted():
    assert Basis.of(torch.diag(torch.tensor([1.0, 999.0]))).dim == 2


def test_a_basis_of_another_number_of_axes_is_refused():
    with pytest.raises(LinkGANError, match=r"a basis of 5 axes for a latent of 12; expected 12"):
        dataclasses.replace(PLAIN, basis=skewed(5))


def spoiled(**fields):
    data = dataclasses.replace(PLAIN, basis=skewed()).to_json()
    return {**data, "basis": {**data["basis"], **fields}}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (spoiled(dim=11), "a basis of 11 axes for a latent of 12"),
        (spoiled(data="AAAA"), "has 4 letters of base64, expected 768"),
        (spoiled(data="*" * 768), "is not base64 text"),
        (spoiled(data="A" * 768), "condition number inf"),
        (spoiled(more=1), "unknown field 'more'"),
        (spoiled(dim=None), "'dim' must be of type int"),
        (spoiled(data=base64.b64encode(np.full(144, np.nan, "<f4").tobytes()).decode()), "144 numbers .* not finite"),
        ({**PLAIN.to_json(), "basis": []}, "'basis' must be of type dict"),
        (
            {**PLAIN.to_json(), "dim": 65536, "basis": {"dim": 65536, "data": ""}},
            f"65536 axes, expected 1 to {MOST_BASIS_AXES}",
        ),
    ],
)
def test_hostile_json_is_refused_with_what_is_wrong(data, says):
    with pytest.raises(LinkGANError, match=says):
        LinkSpec.from_json(data)


# As part of a spec


def test_a_spec_with_a_basis_reads_back_equal_and_its_json_is_the_same_bytes():
    spec = dataclasses.replace(PLAIN, basis=skewed())
    again = LinkSpec.from_json(json.loads(json.dumps(spec.to_json())))
    assert again == spec
    assert hash(again) == hash(spec)
    assert again.to_json() == spec.to_json()
    assert torch.equal(again.basis.rows, skewed().rows)


def test_specs_differ_by_their_basis():
    specs = {PLAIN, *(dataclasses.replace(PLAIN, basis=basis) for basis in (skewed(), rotated(), skewed(seed=0)))}
    assert len(specs) == 3


def test_a_spec_without_a_basis_writes_no_field_for_it():
    assert set(PLAIN.to_json()) == {"version", "space", "dim", "allow_overlap", "links"}
    assert LinkSpec.from_json(PLAIN.to_json()).basis is None


def test_records_hold_the_digest_of_a_basis_instead_of_its_numbers():
    spec = dataclasses.replace(PLAIN, basis=skewed())
    found = json.loads(provenance("linkgan edit", spec)["link_spec"])["basis"]
    assert found["dim"] == DIM
    assert len(found["sha256"]) == 64
    assert "data" not in found
    assert PLAIN.described() == PLAIN.to_json()


def test_the_text_of_a_basis_shows_no_numbers():
    assert repr(skewed()) == "Basis(dim=12)"


# Its callers


def test_a_generator_that_is_linked_in_a_basis_changes_one_region_only(linked):
    sample = linked.sample([0, 1])
    donor = linked.draw([7]).expand_as(sample.latents)
    for edited in (
        linked.resample(sample.latents, "left", seed=7),
        linked.mix(sample.latents, donor, "left"),
        linked.interpolate(sample.latents, donor, "left", 1.5),
    ):
        change = (edited.images - sample.images).abs()
        assert change[..., : SIZE // 2].mean() > 0.1
        assert change[..., SIZE // 2 :].max() < 1e-4


def test_metrics_edit_in_the_basis(linked):
    plain = LinkedGenerator(linked.generator, PLAIN)
    kwargs = {"pairs": 16, "metrics": ["locality", "leak_out", "effect_in"]}
    there, here = evaluate(linked, **kwargs), evaluate(plain, **kwargs)
    for name in ("left", "right"):
        assert there[name].values()["leak_out"] < 1e-8
        assert here[name].values()["leak_out"] > 1e-3
    donors = dict(rendered(linked, range(4), edits_of(linked)))
    change = (donors["left"] - donors[""]).abs()
    assert change[..., SIZE // 2 :].max() < 1e-4
    assert change[..., : SIZE // 2].mean() > 0.01


LEFT = LinkSpec.parse(["left=0:4@box(0,0,0.5,1)"], dim=8)
STRIPS = (range(4), range(4, 8))


@pytest.mark.parametrize("space", ["w", "z"])
def test_the_loss_perturbs_in_the_basis(space):
    basis = skewed(8)
    spec = dataclasses.replace(LEFT, space=space)
    leaks = {}
    for name, found in (("plain", spec), ("basis", dataclasses.replace(spec, basis=basis))):
        reported.clear()
        torch.manual_seed(0)  # which samples are perturbed follows from the seed of the process
        loss = link_loss(planted(basis, blocks=STRIPS), spec=found, interval=1, start=0, mixing=0)
        loss.accumulate_gradients(**call())
        leaks[name] = reported["Loss/link/left/leak"][0], reported["Loss/link/rest/leak"][0]
    assert max(leaks["basis"]) < 1e-8
    assert min(leaks["plain"]) > 1e-3


@pytest.mark.parametrize("space", ["w", "z"])
def test_mixing_perturbs_in_the_basis(space):
    basis = skewed(8)
    spec = dataclasses.replace(LEFT, space=space, basis=basis)
    loss = link_loss(planted(basis, blocks=STRIPS), spec=spec, start=0, mixing=1, weight=0.5)
    loss.accumulate_gradients(**call("Dmain"))
    assert isinstance(loss.base, ToyLoss)
    moved = basis.coordinates(loss.base.seen[0][:, 0] - call()["gen_z"]).abs() > 1e-4
    blocks = torch.tensor([[True] * 4 + [False] * 4, [False] * 4 + [True] * 4])
    assert all(any(torch.equal(row, block) for block in blocks) for row in moved)


def test_the_plain_axes_as_a_basis_train_like_no_basis():
    gradients = []
    for basis in (None, Basis.of(torch.eye(8))):
        generator = planted(skewed(8), blocks=STRIPS)
        loss = link_loss(generator, spec=dataclasses.replace(LEFT, basis=basis), interval=1, start=0)
        loss.accumulate_gradients(**call())
        gradients.append(generator.synthesis.weight.grad)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)


# Editing


@pytest.fixture
def editor(linked):
    return Editor.of_seed(linked, 0)


def test_edits_in_a_basis_change_their_own_coordinates_only(editor):
    editor.do(Resample("left", seed=3))
    assert editor.edited() == ("left",)
    assert editor.version("right") == 0
    assert len(editor.history("right")) == 1
    change = (editor.image() - editor.original()).abs()
    assert change[..., SIZE // 2 :].max() < 1e-4
    assert change[..., : SIZE // 2].mean() > 0.1
    editor.do(Transplant(["right", "rest"], donor=5, strength=0.5))
    editor.do(DirectionEdit("right", direction=0, std=1.0))
    assert len(editor.history("left")) == 2
    assert len(editor.history("right")) == 3
    assert len(editor.history("rest")) == 2


def test_a_restored_start_is_the_start_bit_for_bit(editor):
    start = editor.latents.clone()
    editor.do(Resample(["left", "right"], seed=3))
    editor.do(Restore("left", 0))
    assert editor.edited() == ("right",)
    editor.do(Restore("right", 0))
    assert torch.equal(editor.latents, start)
    assert editor.edited() == ()
    assert editor.version("left") == 0


def test_a_resampled_region_has_the_coordinates_of_its_donor(editor):
    donor = editor.generator.draw([3])
    editor.do(Resample("left", seed=3))
    basis = editor.generator.spec.basis
    assert torch.equal(editor.history("left")[-1].block, basis.coordinates(donor)[:, :, :4])
    torch.testing.assert_close(
        editor.latents, editor.generator.replace(editor.start, donor, editor.generator.block("left"))
    )


def test_directions_of_a_region_lie_in_its_block_and_change_nothing_else(editor):
    found = block_directions(editor.generator, "left", components=4, samples=2)
    coordinates = editor.generator.spec.basis.coordinates(found.vectors)
    assert coordinates[:, :, 4:].abs().max() < 1e-5
    moved = editor.generator.render(found.moved(editor.latents, 0, 1.0))
    assert (moved - editor.image())[..., SIZE // 2 :].abs().max() < 1e-4
    assert (moved - editor.image())[..., : SIZE // 2].abs().mean() > 0.1


def test_saved_edits_carry_the_basis_and_are_refused_by_another(editor, linked):
    editor.do(Resample("left", seed=3))
    editor.do(DirectionEdit("right", direction=1, std=0.5))
    saved = json.loads(json.dumps(editor.to_json()))
    assert torch.equal(Editor.from_json(linked, saved).image(), editor.image())
    with pytest.raises(LinkGANError, match="of a network with other links"):
        Editor.from_json(LinkedGenerator(linked.generator, PLAIN), saved)
