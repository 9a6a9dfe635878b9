"""Editor: steps, undo, locks, histories and files of one image, and what each of them leaves alone."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from linkgan_plugin.editing.editor import DirectionEdit, Editor, Resample, Restore, Transplant
from linkgan_plugin.editing.example import example_generator
from linkgan_plugin.editing.plain import tensor_to_json
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.inversion.projected import Projected
from linkgan_plugin.links import LinkSpec
from tests.metrics.test_geometry import FRONT, Ball, camera_labels
from tests.toys import ToyGenerator, linked_weight

LEFT, RIGHT, REST = slice(0, 4), slice(4, 8), slice(8, 12)


@pytest.fixture
def editor():
    return Editor.of_seed(example_generator(), 0)


def renders(generator: LinkedGenerator) -> list[int]:
    """Return a list that grows by one with every synthesis forward."""
    calls: list[int] = []
    generator.generator.synthesis.register_forward_hook(lambda *_: calls.append(1))
    return calls


def test_an_unedited_image_is_that_of_the_generator(editor):
    assert torch.equal(editor.image(), editor.generator.sample([0]).images)
    assert editor.steps == ()
    assert editor.edited() == ()
    assert editor.difference().max() == 0


def test_resampling_gives_what_the_generator_gives(editor):
    start = editor.latents
    editor.do(Resample(["left", "rest"], seed=9))
    assert torch.equal(editor.image(), editor.generator.resample(start, ["left", "rest"], 9).images)
    assert editor.edited() == ("left", "rest")


def test_strength_goes_from_nothing_to_the_donor_and_beyond(editor):
    start, donor = editor.latents, editor.generator.draw([9])
    moved = {}
    for strength in (0.0, 0.5, 1.0, 2.0):
        editor.do(Transplant("left", 9, strength))
        moved[strength] = editor.latents
        editor.undo()
    assert torch.equal(moved[0.0], start)
    assert torch.equal(moved[1.0][..., LEFT], donor[..., LEFT])
    assert torch.allclose(moved[0.5][..., LEFT], (start + donor)[..., LEFT] / 2)
    assert torch.allclose(moved[2.0][..., LEFT], (2 * donor - start)[..., LEFT], atol=1e-6)
    assert all(torch.equal(latents[..., 4:], start[..., 4:]) for latents in moved.values())


def test_psi_truncates_the_new_sample_alone(editor):
    start = editor.latents
    editor.do(Resample("left", 9, psi=0.25))
    assert torch.equal(editor.latents[..., LEFT], 0.25 * editor.generator.draw([9])[..., LEFT])
    assert torch.equal(editor.latents[..., 4:], start[..., 4:])


def test_every_layer_of_extended_latents_is_moved(editor):
    latents, donor = torch.randn(1, 2, 12), torch.randn(1, 2, 12)
    extended = Editor(editor.generator, latents)
    extended.do(Transplant("left", donor))
    assert torch.equal(extended.latents[..., LEFT], donor[..., LEFT])
    assert torch.equal(extended.latents[..., 4:], latents[..., 4:])
    before = extended.latents
    extended.do(DirectionEdit("right", 0, 2))
    change = (extended.latents - before)[0]
    assert torch.allclose(change[0], change[1], atol=1e-6)
    assert change[:, RIGHT].norm() > 0.1


def test_a_new_state_costs_one_forward_and_going_back_none(editor):
    calls = renders(editor.generator)
    editor.image()
    editor.do(Resample("left", 1))
    editor.image(), editor.masks(), editor.difference(), editor.pasted(), editor.rendering()
    assert len(calls) == 2
    editor.preview(Resample("left", 2))
    editor.do(Resample("left", 2))
    editor.image()
    assert len(calls) == 3
    editor.undo(), editor.image(), editor.redo(), editor.image()
    editor.do(Restore("left", 0)), editor.image()
    assert len(calls) == 3


def test_a_preview_does_nothing_and_a_part_of_it_is_on_the_way(editor):
    start = editor.latents
    whole = editor.preview(Resample("left", 3))
    half = editor.preview(Resample("left", 3).part(0.5))
    assert editor.steps == ()
    assert torch.equal(editor.latents, start)
    editor.do(Resample("left", 3, strength=0.5))
    assert torch.equal(editor.image(), half)
    editor.do(Resample("left", 3))
    assert torch.equal(editor.image(), whole)
    assert DirectionEdit("left", 0, 2).part(0.25) == DirectionEdit("left", 0, 0.5)
    with pytest.raises(LinkGANError, match="cannot be scaled"):
        Restore("left", 0).part(0.5)


def test_a_branch_goes_its_own_way(editor):
    editor.do(Resample("left", 1))
    editor.do(Resample("left", 2))
    editor.undo()
    branch = editor.after(Resample("right", 3))
    branch.do(Resample("rest", 4))
    branch.lock("left")
    assert [step.seed for step in branch.steps] == [1, 3, 4]
    assert [step.seed for step in editor.steps] == [1]
    assert editor.locked == frozenset()
    editor.redo()
    assert [step.seed for step in editor.steps] == [1, 2]


def test_undo_and_redo_go_back_and_forth_and_a_new_step_forgets_what_was_undone(editor):
    images = [editor.image()]
    for seed in (1, 2):
        editor.do(Resample("all", seed))
        images.append(editor.image())
    editor.undo()
    assert torch.equal(editor.image(), images[1])
    editor.undo()
    assert torch.equal(editor.image(), images[0])
    assert (editor.can_undo, editor.can_redo) == (False, True)
    editor.redo()
    assert torch.equal(editor.image(), images[1])
    editor.do(Resample("left", 5))
    assert not editor.can_redo
    with pytest.raises(LinkGANError, match="nothing to redo"):
        editor.redo()
    assert [step.seed for step in editor.steps] == [1, 5]


def test_nothing_to_undo_says_so(editor):
    with pytest.raises(LinkGANError, match="nothing to undo"):
        editor.undo()


def test_a_locked_region_stays_when_everything_is_redrawn(editor):
    start = editor.latents
    editor.lock("left")
    editor.do(Resample("all", 1))
    assert torch.equal(editor.latents[..., LEFT], start[..., LEFT])
    assert not torch.equal(editor.latents[..., RIGHT], start[..., RIGHT])
    assert editor.steps == (Resample(["right", "rest"], 1),)
    with pytest.raises(LinkGANError, match="left cannot be changed: locked"):
        editor.do(DirectionEdit("left", 0, 1))
    editor.unlock("left")
    editor.do(DirectionEdit("left", 0, 1))
    assert editor.edited() == ("left", "right", "rest")


def test_undo_does_not_move_a_locked_region_either(editor):
    editor.do(Resample("left", 1))
    editor.lock("left")
    assert not editor.can_undo
    with pytest.raises(LinkGANError, match=r"cannot undo.*left"):
        editor.undo()
    editor.unlock("left")
    editor.undo()
    editor.lock("left")
    assert not editor.can_redo
    with pytest.raises(LinkGANError, match=r"cannot redo.*left"):
        editor.redo()


def test_one_region_goes_back_while_the_others_stay(editor):
    start = editor.latents
    editor.do(Resample(["left", "right"], 1))
    first = editor.latents
    editor.do(Resample("left", 2))
    editor.do(Resample("right", 3))
    now = editor.latents
    assert [version.step for version in editor.history("left")] == [None, editor.steps[0], editor.steps[1]]
    assert len(editor.history("rest")) == 1
    editor.restore("left", 1)
    assert torch.equal(editor.latents[..., LEFT], first[..., LEFT])
    assert torch.equal(editor.latents[..., 4:], now[..., 4:])
    assert editor.version("left") == 1
    assert len(editor.history("left")) == 3
    editor.restore("left", 0)
    assert torch.equal(editor.latents[..., LEFT], start[..., LEFT])
    assert editor.edited() == ("right",)
    with pytest.raises(LinkGANError, match="no version 3; it has 0 to 2"):
        editor.restore("left", 3)


def test_unknown_names_are_refused_and_nothing_is_done(editor):
    for step in (Resample("lefft", 1), DirectionEdit("lefft", 0, 1), Restore("lefft", 0)):
        with pytest.raises(LinkGANError, match="did you mean 'left'"):
            editor.do(step)
    with pytest.raises(LinkGANError, match="did you mean 'left'"):
        editor.lock("lefft")
    with pytest.raises(LinkGANError, match="all"):
        editor.do(DirectionEdit("all", 0, 1))
    with pytest.raises(LinkGANError, match="no direction 4"):
        editor.do(DirectionEdit("left", 4, 1))
    assert editor.steps == ()


def test_latents_and_labels_of_another_network_are_refused(editor):
    with pytest.raises(LinkGANError, match=r"\[1, 3, 12\].*\[1, 2, 12\]"):
        Editor(editor.generator, torch.zeros(1, 3, 12))
    with pytest.raises(LinkGANError, match=r"\[1, 2, 13\]"):
        editor.do(Transplant("left", torch.zeros(1, 2, 13)))
    with pytest.raises(LinkGANError, match=r"\[1, 25\].*\[1, 0\]"):
        Editor(editor.generator, editor.latents, torch.zeros(1, 25))
    with pytest.raises(LinkGANError, match="no camera"):
        editor.image(camera=torch.zeros(1, 25))


def test_links_in_z_are_edited_in_z():
    spec = LinkSpec.parse(["left=0:4@box(0,0,0.5,1)"], dim=12, space="z")
    generator = LinkedGenerator(ToyGenerator(linked_weight([range(4), range(4, 8)], 8, 12), 8), spec)
    editor = Editor.of_seed(generator, 0)
    editor.do(Resample("left", 1))
    assert editor.difference()[:, :4].min() > 0
    assert editor.difference()[:, 4:].max() == 0
    with pytest.raises(LinkGANError, match=r"psi 0\.5"):
        editor.do(Resample("left", 1, psi=0.5))
    with pytest.raises(LinkGANError, match="in Z"):
        Editor.of_projected(generator, Projected(torch.zeros(1, 2, 12), torch.zeros(1, 0)))


def test_a_solid_image_is_edited_in_its_own_camera_and_seen_from_others():
    spec = LinkSpec.parse([f"size=0:1@{FRONT}"], dim=4)
    editor = Editor.of_seed(LinkedGenerator(Ball(radius=0.05), spec, labels=camera_labels), 1)
    side = camera_labels([0])
    assert torch.equal(editor.labels, camera_labels([1]))
    before, mask = editor.image(side), editor.masks()["size"]
    assert 0.5 < mask.mean() < 0.98
    editor.do(Resample("size", 5))
    assert editor.rendering(side).depth.shape == (1, 1, 48, 48)
    expected = editor.generator.rendering(editor.latents, side)
    assert torch.equal(editor.image(side), expected.image)
    assert not torch.equal(editor.image(side), before)
    assert not torch.equal(editor.masks()["size"], mask), "the ball has another size, so it fills another piece"
    both = torch.maximum(editor.masks()["size"], mask)
    assert torch.equal(editor.edited_mask(), both)
    with pytest.raises(LinkGANError, match=r"\[1, 3\].*\[1, 25\]"):
        editor.image(torch.zeros(1, 3))


def test_links_in_z_of_a_solid_image_keep_its_camera_while_it_is_looked_at_from_another():
    network = Ball()
    plain = network.mapping.forward
    network.mapping.forward = lambda z, c, truncation_psi=1: plain(z, c, truncation_psi) + c[:, None, :4]
    spec = LinkSpec.parse([f"size=0:1@{FRONT}"], dim=4, space="z")
    editor = Editor.of_seed(LinkedGenerator(network, spec, labels=camera_labels), 1)
    ws = network.mapping(editor.latents[:, 0], camera_labels([1]))
    side = camera_labels([0])
    assert torch.equal(editor.image(side), network.synthesis(ws, side)["image"])


def test_resampling_keeps_the_class_of_the_image_and_transplanting_takes_the_donors():
    generator = conditional()
    editor = Editor.of_seed(generator, 0)
    assert torch.equal(editor.labels, torch.tensor([[0.0]]))
    steps = Resample("left", 5), Transplant("left", 5)
    resampled, transplanted = (editor.after(step).latents[0, 0, 0] for step in steps)
    assert transplanted - resampled == pytest.approx(5 * 10, abs=1e-4)


def conditional() -> LinkedGenerator:
    """A generator whose class of a seed is the seed, and whose mapping adds ten times the class."""
    example = example_generator()
    network = example.generator
    network.c_dim = 1
    plain = network.mapping.forward
    network.mapping.forward = lambda z, c, truncation_psi=1: plain(z, c, truncation_psi) + 10 * c[:, None]
    return LinkedGenerator(network, example.spec, labels=lambda seeds: torch.tensor(seeds).float().view(-1, 1))


def test_a_photograph_is_edited_with_its_own_weights_and_directions_of_the_untuned_network(editor):
    generator = editor.generator
    tuned = {"synthesis.waves": generator.generator.synthesis.waves + 0.1}
    photograph = torch.rand(1, 3, 16, 16) * 2 - 1
    projected = Projected(torch.randn(1, 2, 12), torch.zeros(1, 0), tuned=tuned, photograph=photograph)
    own = Editor.of_projected(generator, projected)
    assert not torch.equal(own.image(), generator.render(projected.latents))
    assert torch.equal(own.directions("left").vectors, editor.directions("left").vectors)
    own.do(DirectionEdit("left", 1, 2))
    saved = json.loads(json.dumps(own.to_json()))
    assert torch.equal(Editor.from_json(generator, saved, projected).pasted(), own.pasted())
    with pytest.raises(LinkGANError, match="give its inversion"):
        Editor.from_json(generator, saved)
    with pytest.raises(LinkGANError, match="another photograph"):
        Editor.from_json(generator, saved, Projected(torch.zeros(1, 2, 12), torch.zeros(1, 0)))


OPERATIONS = st.one_of(
    st.builds(
        Resample,
        st.lists(st.sampled_from(["left", "right", "rest", "all"]), min_size=1),
        st.integers(0, 20),
        st.floats(-1, 2),
        st.sampled_from([None, 0.5]),
    ),
    st.builds(Transplant, st.sampled_from(["left", "rest"]), st.integers(0, 20), st.floats(0, 1)),
    st.builds(DirectionEdit, st.sampled_from(["left", "right"]), st.integers(0, 3), st.floats(-2, 2)),
    st.builds(Restore, st.sampled_from(["left", "right"]), st.integers(0, 2)),
    st.sampled_from(["undo", "redo", "lock left", "unlock left", "lock rest"]),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(OPERATIONS, max_size=12))
def test_whatever_is_done_locks_hold_steps_move_only_what_they_name_and_files_bring_it_back(operations):
    editor = Editor.of_seed(GENERATOR, 0)
    for operation in operations:
        before, locked, steps = editor.latents, editor.locked, editor.steps
        try:
            if isinstance(operation, str):
                name, *region = operation.split()
                getattr(editor, name)(*region)
            else:
                editor.do(operation)
        except LinkGANError:
            assert torch.equal(editor.latents, before)
            assert editor.steps == steps
            continue
        changed = (editor.latents != before).any(dim=1)[0]
        assert not any(bool((changed & GENERATOR.block(name)).any()) for name in locked)
        if not isinstance(operation, str):
            assert not bool((changed & ~GENERATOR.block(editor.steps[-1].names)).any())
    again = Editor.from_json(example_generator(), json.loads(json.dumps(editor.to_json())))
    assert torch.equal(again.image(), editor.image())
    assert again.steps == editor.steps
    assert again.locked == editor.locked
    assert (again.can_undo, again.can_redo) == (editor.can_undo, editor.can_redo)
    for one in (editor, again):
        one.locked = frozenset()
        while one.can_redo:
            one.redo()
    assert torch.equal(again.image(), editor.image())


GENERATOR = example_generator()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 3}, "version 3"),
        ({"done": 3}, "3 of 1 steps"),
        ({"done": True}, "'done' must be of type int"),
        ({"steps": None}, "'steps' must be of type list"),
        ({"psi": 0.5}, "psi 0.5"),
        ({"locked": ["nose"]}, "nose"),
        ({"locked": [1]}, "list of names"),
        ({"directions": {"left": {}}}, "directions has no 'vectors'"),
        ({"directions": {"nose": None}}, "directions must be a JSON object"),
        ({"link_spec": {}}, "version"),
        ({"latents": tensor_to_json(torch.zeros(1, 2, 11))}, r"\[1, 2, 11\]"),
        ({"steps": [{"kind": "resample", "regions": ["nose"], "seed": 1}]}, "nose"),
    ],
)
def test_files_that_do_not_fit_are_refused(editor, change, message):
    editor.do(Resample("left", 1))
    with pytest.raises(LinkGANError, match=message):
        Editor.from_json(editor.generator, editor.to_json() | change)


def test_files_of_another_network_are_refused(editor):
    other = LinkedGenerator(editor.generator.generator, LinkSpec.parse(["nose=0:4@box(0,0,1,0.5)"], dim=12))
    with pytest.raises(LinkGANError, match="other links"):
        Editor.from_json(other, editor.to_json())
    with pytest.raises(LinkGANError, match="link_spec"):
        Editor.from_json(editor.generator, {"version": 1, "steps": [], "done": 0, "locked": [], "directions": {}})


def test_directions_of_a_file_are_used_as_they_are(editor):
    editor.do(DirectionEdit("left", 0, 1))
    saved = editor.to_json()
    vectors = -editor.directions("left").vectors
    changed = Editor.from_json(editor.generator, saved)
    assert torch.equal(changed.directions("left").vectors, -vectors)
    calls = renders(editor.generator)
    Editor.from_json(editor.generator, saved)
    assert calls == []
