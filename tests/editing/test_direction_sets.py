"""Edits along sets of directions: in W, Z and S, straight and bent; blocks, locks, history and files."""

from __future__ import annotations

import json

import pytest
import torch

from linkgan_plugin.consistent import Consistent
from linkgan_plugin.directions.directions import Directions
from linkgan_plugin.directions.fields import Warp
from linkgan_plugin.editing.editor import DirectionEdit, Editor, Resample, Restore
from linkgan_plugin.editing.example import example_generator
from linkgan_plugin.editing.steps import step_from_json
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.links import LinkSpec
from tests.directions.planted import StyledGenerator, opened

RANDOM = torch.Generator().manual_seed(4)
STRAIGHT = Directions(torch.randn(3, 1, 12, generator=RANDOM))
LAYERS = Directions(torch.randn(2, 2, 12, generator=RANDOM))
BENT = Directions(
    torch.zeros(2, 1, 12),
    bend=Warp(torch.randn(2, 4, 12, generator=RANDOM), torch.ones(2, 4), torch.full([2, 4], 0.05), torch.ones(2)),
)
STYLES = Directions(torch.randn(2, 1, 15, generator=RANDOM), "s")


@pytest.fixture
def editor() -> Editor:
    """An editor of the example, whose links are left and right, with three sets."""
    made = Editor.of_seed(example_generator(), 0)
    for name, directions in {"straight": STRAIGHT, "layers": LAYERS, "bent": BENT}.items():
        made.add_directions(name, directions)
    return made


@pytest.fixture
def styled() -> Editor:
    """An editor of a network without links that has a style space, with a set in S and one in W."""
    made = Editor.of_seed(opened(StyledGenerator()), 0)
    made.add_directions("styles", STYLES)
    made.add_directions("w", STRAIGHT)
    return made


def linked_styles() -> Editor:
    """An editor of a network with two links and a style space."""
    spec = LinkSpec.parse(["left=0:4@box(0,0,0.5,1)", "right=4:8@box(0.5,0,1,1)"], dim=12)
    made = Editor.of_seed(LinkedGenerator(StyledGenerator(), spec), 0)
    made.add_directions("styles", STYLES)
    return made


@pytest.mark.parametrize(("name", "directions"), [("straight", STRAIGHT), ("layers", LAYERS), ("bent", BENT)])
def test_a_step_of_a_set_moves_all_blocks_as_the_directions_do(editor, name, directions):
    start = editor.latents
    editor.do(DirectionEdit(direction=1, std=1.5, of=name))
    assert torch.allclose(editor.latents, directions.moved(start, 1, 1.5))
    assert editor.steps[0].names == ("left", "right", "rest")
    editor.undo()
    assert torch.equal(editor.latents, start)


def test_named_blocks_alone_move_and_locked_ones_stay(editor):
    start, moved = editor.latents, STRAIGHT.moved(editor.latents, 0, 2.0)
    editor.do(DirectionEdit("left+rest", 0, 2.0, "straight"))
    assert editor.edited() == ("left", "rest")
    assert torch.equal(editor.latents[..., :4], moved[..., :4])
    assert torch.equal(editor.latents[..., 4:8], start[..., 4:8])
    editor.undo()
    editor.lock("left")
    editor.do(DirectionEdit("all", 0, 2.0, of="straight"))
    assert editor.edited() == ("right", "rest")
    assert editor.steps[-1].region == "right+rest"
    editor.lock("right")
    assert not editor.can_undo
    with pytest.raises(LinkGANError, match="left, right cannot be changed: locked"):
        editor.do(DirectionEdit("left + right", 0, 2.0, of="straight"))


def test_directions_in_s_shift_the_styles_until_they_are_undone(styled):
    start, before = styled.latents, styled.image()
    styled.do(DirectionEdit(direction=0, std=2.0, of="styles"))
    assert torch.equal(styled.latents, start)
    assert torch.equal(styled.styles, 2 * STYLES.vectors[0])
    with styled.generator.shifted(2 * STYLES.vectors[0]):
        expected = styled.generator.rendering(start, styled.labels).image
    assert torch.equal(styled.image(), expected)
    assert not torch.equal(styled.image(), before)
    assert styled.edited() == ("rest",)
    assert styled.edited_mask().min() == 1
    styled.do(DirectionEdit(direction=1, std=-1.0, of="styles"))
    assert torch.allclose(styled.styles, 2 * STYLES.vectors[0] - STYLES.vectors[1])
    styled.undo()
    assert torch.equal(styled.image(), expected)
    styled.do(DirectionEdit(direction=0, std=-2.0, of="styles"))
    assert styled.styles is None
    assert (styled.edited(), styled.difference().max()) == ((), 0)
    styled.undo(), styled.undo()
    assert torch.equal(styled.image(), before)
    styled.redo()
    assert torch.equal(styled.image(), expected)


def test_images_of_shifted_styles_are_cached_like_others(styled):
    calls = []
    styled.generator.generator.synthesis.register_forward_hook(lambda *_: calls.append(1))
    styled.image()
    styled.do(DirectionEdit(of="styles"))
    styled.image(), styled.original(), styled.difference(), styled.pasted()
    styled.undo(), styled.image(), styled.redo(), styled.image()
    assert len(calls) == 2
    assert torch.equal(styled.preview(DirectionEdit(std=-1.0, of="styles")), styled.original())
    assert len(calls) == 2


def test_versions_of_the_whole_image_have_their_styles(styled):
    before = styled.image()
    styled.do(DirectionEdit(of="styles"))
    shifted = styled.image()
    styled.do(Resample("rest", 5))
    assert len(styled.history("rest")) == 3
    assert torch.equal(styled.styles, STYLES.vectors[0])
    styled.do(Restore("rest", 1))
    assert torch.equal(styled.image(), shifted)
    assert styled.version("rest") == 1
    styled.do(Restore("rest", 0))
    assert torch.equal(styled.image(), before)


def test_shifted_styles_belong_to_no_region_of_links():
    editor = linked_styles()
    editor.do(DirectionEdit(of="styles"))
    assert editor.edited() == ("left", "right", "rest")
    assert len(editor.history("left")) == 1
    editor.do(Resample("left", 3))
    editor.do(Restore("left", 0))
    assert torch.equal(editor.styles, STYLES.vectors[0])
    with pytest.raises(LinkGANError, match="cannot keep right, rest as it is"):
        editor.do(DirectionEdit("left", 0, 1.0, of="styles"))
    editor.lock("left")
    with pytest.raises(LinkGANError, match="cannot keep left as it is"):
        editor.do(DirectionEdit(of="styles"))


def test_a_critic_sees_shifted_styles(styled):
    seen = []

    def critic(rendering, labels):
        seen.append(rendering.image)
        return torch.zeros(len(rendering.image))

    editor = linked_styles()
    editor.do(DirectionEdit(of="styles"))
    Consistent(2, critic).step(editor, Resample("left", 7))
    expected = [editor.preview(Resample("left", seed)) for seed in (7, 8)]
    assert all(torch.allclose(image, other, atol=1e-5) for image, other in zip(seen, expected, strict=True))


def test_directions_in_z_move_links_in_z():
    spec = LinkSpec((), 12, "z")
    editor = Editor.of_seed(LinkedGenerator(StyledGenerator(), spec), 2)
    in_z = Directions(STRAIGHT.vectors, "z")
    editor.add_directions("z", in_z)
    editor.add_directions("styles", STYLES)
    start = editor.latents
    editor.do(DirectionEdit(direction=2, std=0.5, of="z"))
    assert torch.equal(editor.latents, in_z.moved(start, 2, 0.5))
    editor.do(DirectionEdit(of="styles"))
    with editor.generator.shifted(STYLES.vectors[0]):
        expected = editor.generator.rendering(editor.latents, None).image
    assert torch.equal(editor.image(), expected)


def test_files_bring_edits_along_sets_back_to_the_bit(editor, styled):
    editor.do(DirectionEdit(direction=1, std=1.5, of="bent"))
    editor.lock("left")
    editor.do(DirectionEdit("all", 0, -1.0, of="layers"))
    saved = json.loads(json.dumps(editor.to_json()))
    assert set(saved["sets"]) == {"bent", "layers"}
    again = Editor.from_json(example_generator(), saved)
    assert torch.equal(again.image(), editor.image())
    assert again.steps == editor.steps
    again.undo()
    assert torch.allclose(again.latents, BENT.moved(again.start, 1, 1.5))
    styled.do(DirectionEdit(of="styles"))
    again = Editor.from_json(styled.generator, json.loads(json.dumps(styled.to_json())))
    assert torch.equal(again.styles, styled.styles)
    assert torch.equal(again.image(), styled.image())


def test_steps_along_sets_survive_json_and_differ_by_their_set():
    step = DirectionEdit("left+rest", 2, 0.5, of="smile")
    assert step_from_json(json.loads(json.dumps(step.to_json()))) == step
    assert step != DirectionEdit("left+rest", 2, 0.5, of="frown")
    assert step.part(2) == DirectionEdit("left+rest", 2, 1.0, of="smile")
    assert "of" not in DirectionEdit("left", 0, 2.0).to_json()
    with pytest.raises(LinkGANError, match="named by text, not 3"):
        DirectionEdit("left", 0, 1.0, of=3)


@pytest.mark.parametrize(
    ("directions", "message"),
    [
        (Directions(torch.ones(1, 1, 12), "z"), "directions in Z and a network that is edited in W"),
        (
            Directions(torch.ones(1, 1, 13)),
            "1 layers with 13 axes; this network takes 2, .* with 12",
        ),
        (Directions(torch.ones(1, 3, 12)), "3 layers with 12 axes; this network takes 2"),
        (Directions(torch.ones(1, 1, 9), "s"), "ExampleGenerator has no style space"),
    ],
)
def test_directions_of_another_network_are_refused(editor, directions, message):
    with pytest.raises(LinkGANError, match=message):
        editor.add_directions("other", directions)
    assert set(editor.sets) == {"straight", "layers", "bent"}


def test_what_a_set_does_not_have_is_refused_and_nothing_is_done(editor, styled):
    editor.add_directions("straight", STRAIGHT)  # the same ones again
    with pytest.raises(LinkGANError, match="other directions were added as 'straight'"):
        editor.add_directions("straight", LAYERS)
    with pytest.raises(LinkGANError, match="needs a name"):
        editor.add_directions("", STRAIGHT)
    with pytest.raises(LinkGANError, match="9 style channels; this network has 15"):
        styled.add_directions("other", Directions(torch.ones(1, 1, 9), "s"))
    for step, message in [
        (DirectionEdit(of="straigth"), "no directions were added as 'straigth'; .*did you mean 'straight'"),
        (DirectionEdit(direction=3, of="straight"), "no direction 3; there are 3, 0 to 2"),
        (DirectionEdit("nose", of="straight"), "nose"),
        (DirectionEdit("", of="straight"), "at least one region"),
        (DirectionEdit(std=2000, of="bent"), "std 2000 along a direction that bends; expected at most 1000"),
    ]:
        with pytest.raises(LinkGANError, match=message):
            editor.do(step)
    with pytest.raises(LinkGANError, match="no direction 2"):
        styled.do(DirectionEdit(direction=2, of="styles"))
    assert editor.steps == styled.steps == ()
