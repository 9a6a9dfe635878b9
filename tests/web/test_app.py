"""The protocol: what the page asks for and what it gets."""

from __future__ import annotations

import io
import json
import time

import numpy as np
import pytest
import torch
from PIL import Image

from linkgan_plugin.consistent import Consistent
from linkgan_plugin.editing.editor import Editor
from linkgan_plugin.editing.example import example_generator
from linkgan_plugin.editing.steps import Resample
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.images.pixels import to_pixels
from linkgan_plugin.inversion.project import project
from linkgan_plugin.inversion.settings import InversionSettings
from linkgan_plugin.links import LinkSpec
from tests.inversion.conftest import small_generator
from tests.inversion.test_details import detailed
from tests.inversion.test_encoder import encoder_of
from tests.web.conftest import asking, session_of
from training_loops.families.vae import VAEGenerator

LEFT, RIGHT = slice(0, 6), slice(10, 16)


def png(size=(24, 24), kind="PNG", **options):
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def waited(page, photograph, state="image"):
    """Ask for a photograph until it is found, or refined."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        answer = page.get(f"photographs/{photograph}")
        if answer.state[state] or answer.state["error"]:
            return answer
        time.sleep(0.02)
    raise AssertionError("the photograph was not found")


def test_the_page_learns_the_regions_of_the_network(page):
    known = page.client.get("/api/network").json()
    assert [region["name"] for region in known["regions"]] == ["left", "right", "rest"]
    assert len({region["colour"] for region in known["regions"]}) == 3
    assert (known["is_3d_aware"], known["psi"], known["projects"]) == (False, 1.0, True)


def test_a_new_image_is_that_of_the_seed(page):
    expected = to_pixels(example_generator().sample([5]).images)[0]
    answer = page.new(seed=5)
    assert np.array_equal(answer.image, expected)
    assert answer.state["source"] == {"seed": 5, "psi": 1.0}
    assert answer.state["regions"]["left"] == {"version": 0, "versions": 1, "directions": {}}


def test_a_new_image_may_have_a_psi_of_its_own(page):
    g = example_generator()
    expected = to_pixels(g.render(g.draw([5], psi=0.25)))[0]
    assert np.array_equal(page.new(seed=5, psi=0.25).image, expected)


def test_a_click_redraws_its_region_as_the_editor_does_and_nothing_else(page):
    first = page.new()
    second = page.resample(first.state["image"], "left", seed=7)
    editor = Editor.of_seed(example_generator(), 5)
    editor.do(Resample("left", seed=7))
    assert np.array_equal(second.image, to_pixels(editor.image())[0])
    assert not np.array_equal(second.image[:, LEFT], first.image[:, LEFT])
    assert np.array_equal(second.image[:, 6:], first.image[:, 6:])
    assert second.state["regions"]["left"]["versions"] == 2


def test_a_click_costs_one_forward_and_what_was_shown_lately_none(page, forwards):
    image = page.new().state["image"]
    forwards.clear()
    for seed in range(3):
        page.resample(image, "left", seed=seed)
    assert forwards == [1, 1, 1]
    page.post(f"images/{image}/undo")
    page.post(f"images/{image}/redo")
    page.get(f"images/{image}")
    page.get(f"images/{image}/masks")
    page.post(f"images/{image}/locks", {"region": "left", "locked": True})
    page.get(f"images/{image}/image")
    assert forwards == [1, 1, 1]


def test_masks_are_bytes_region_after_region(page):
    image = page.new().state["image"]
    response = page.client.get(f"/api/images/{image}/masks")
    masks = np.frombuffer(response.content, np.uint8).reshape(3, 16, 16)
    spec = example_generator().spec
    expected = [link.region.coverage(16, 16) for link in spec.links]
    assert np.array_equal(masks[:2], np.round(255 * np.stack(expected)))
    assert np.array_equal(masks.astype(int).sum(axis=0), np.full((16, 16), 255))


def test_undo_redo_and_history_lead_to_the_same_images(page):
    image = page.new().state["image"]
    shown = [page.get(f"images/{image}").image]
    shown += [page.resample(image, "left", seed=seed).image for seed in (1, 2)]
    back = page.post(f"images/{image}/undo")
    assert np.array_equal(back.image, shown[1])
    assert (back.state["undo"], back.state["redo"]) == (True, True)
    assert np.array_equal(page.post(f"images/{image}/redo").image, shown[2])
    for version in (0, 1, 2):
        answer = page.step(image, kind="restore", region="left", version=version)
        assert np.array_equal(answer.image, shown[version])
        assert answer.state["regions"]["left"] == {"version": version, "versions": 3, "directions": {}}


def test_a_turn_of_the_wheel_is_one_step_however_far_it_goes(page):
    image = page.new().state["image"]
    shown = [page.resample(image, "left", seed=seed).image for seed in range(3)]
    for version in (2, 1, 0):
        steps = page.step(image, kind="restore", region="left", version=version).state["steps"]
    assert steps == 4
    assert np.array_equal(page.post(f"images/{image}/undo").image, shown[2])


def test_pulls_at_one_slider_are_one_step_and_add_up(page):
    image = page.new().state["image"]
    before = page.get(f"images/{image}").image
    edit = {"kind": "direction", "region": "left", "direction": 1}
    page.step(image, **edit, std=1.0)
    twice = page.step(image, **edit, std=0.5)
    assert twice.state["steps"] == 1
    assert twice.state["regions"]["left"]["directions"] == {"1": 1.5}
    once = page.step(page.new().state["image"], **edit, std=1.5)
    assert np.array_equal(twice.image, once.image)
    assert not np.array_equal(twice.image, before)
    assert np.array_equal(page.post(f"images/{image}/undo").image, before)


def test_a_preview_shows_a_step_without_doing_it(page):
    image = page.new().state["image"]
    edit = {"kind": "direction", "region": "left", "direction": 0, "std": 2.0}
    preview = page.post(f"images/{image}/preview", edit)
    assert page.get(f"images/{image}").state["steps"] == 0
    assert np.array_equal(page.step(image, **edit).image, preview.image)


def test_directions_come_strongest_first(page):
    image = page.new().state["image"]
    effects = page.client.get(f"/api/images/{image}/directions/left").json()["effects"]
    assert len(effects) == 4
    assert effects == sorted(effects, reverse=True)
    assert effects[-1] > 0


def test_a_locked_region_stays_when_everything_is_redrawn(page):
    image = page.new().state["image"]
    before = page.get(f"images/{image}").image
    page.post(f"images/{image}/locks", {"region": "left", "locked": True})
    after = page.resample(image, "all", seed=3)
    assert np.array_equal(after.image[:, LEFT], before[:, LEFT])
    assert not np.array_equal(after.image[:, RIGHT], before[:, RIGHT])
    refusal = page.resample(image, "left", seed=3)
    assert (refusal.status, refusal.error) == (400, "left cannot be changed: locked; unlock one of them first")
    page.post(f"images/{image}/locks", {"region": "left", "locked": False})
    assert page.resample(image, "left", seed=3).status == 200


def test_a_region_is_taken_from_another_image_as_it_is_there(page):
    donor = page.new(seed=9).state["image"]
    edited = page.resample(donor, "right", seed=1).image
    image = page.new(seed=5).state["image"]
    before = page.get(f"images/{image}").image
    after = page.step(image, kind="transplant", regions=["right"], donor={"image": donor}).image
    assert np.array_equal(after[:, RIGHT], edited[:, RIGHT])
    assert np.array_equal(after[:, :10], before[:, :10])


def test_edits_are_there_again_after_a_new_start(page, session, tmp_path):
    image = page.new().state["image"]
    shown = [page.resample(image, "left", seed=seed).image for seed in (1, 2)]
    page.post(f"images/{image}/locks", {"region": "right", "locked": True})
    session.close()
    with asking(session_of(example_generator(), tmp_path / "kept")) as again:
        answer = again.get(f"images/{image}")
        assert np.array_equal(answer.image, shown[1])
        assert answer.state["locked"] == ["right"]
        assert answer.state["source"] == {"seed": 5, "psi": 1.0}
        assert np.array_equal(again.post(f"images/{image}/undo").image, shown[0])


def test_the_downloaded_image_says_how_it_was_made(page):
    image = page.new().state["image"]
    shown = page.resample(image, "left", seed=7).image
    response = page.client.get(f"/api/images/{image}/image")
    assert response.headers["content-disposition"] == 'attachment; filename="linkgan-seed5-edits1.png"'
    file = Image.open(io.BytesIO(response.content))
    assert np.array_equal(np.asarray(file), shown)
    edits = json.loads(file.text["edits"])
    assert edits["source"]["seed"] == 5
    assert edits["edits"]["steps"][0]["seed"] == 7
    assert LinkSpec.from_json(edits["edits"]["link_spec"]).names == ("left", "right")
    assert "torch" in json.loads(file.text["versions"])


def test_the_downloaded_latents_are_those_of_the_hosts_format(page, session):
    image = page.new().state["image"]
    shown = page.resample(image, "left", seed=7).image
    response = page.client.get(f"/api/images/{image}/latents")
    with np.load(io.BytesIO(response.content), allow_pickle=False) as file:
        w = torch.from_numpy(file["w"])
    assert (w.shape, w.dtype) == ((1, 2, 12), torch.float32)
    assert np.array_equal(to_pixels(session.generator.render(w))[0], shown)


def test_a_photograph_is_found_pasted_back_and_kept(page, session, tmp_path):
    response = page.client.post("/api/photographs", content=png((30, 24), "JPEG"))
    assert response.status_code == 202
    found = waited(page, response.json()["photograph"])
    assert (found.state["error"], found.state["share"]) == (None, 1.0)
    image = found.state["image"]
    view = page.get(f"images/{image}")
    photograph = page.get(f"images/{image}/before").image
    assert view.state["photograph"] is True
    assert np.array_equal(view.image, photograph)  # nothing is edited yet, so all of it is the photograph's own
    edited = page.resample(image, "left", seed=1).image
    assert np.array_equal(edited[:, 9:], photograph[:, 9:])
    assert not np.array_equal(edited[:, LEFT], photograph[:, LEFT])
    whole = page.post(f"images/{image}/look", {"pasted": False}).image
    assert not np.array_equal(whole[:, 9:], photograph[:, 9:])
    session.close()
    with asking(session_of(example_generator(), tmp_path / "kept")) as again:
        assert np.array_equal(again.get(f"images/{image}").image, whole)
        assert np.array_equal(again.get(f"images/{image}/before").image, photograph)


def test_a_generator_without_a_mapping_network_takes_photographs_in_z(tmp_path):
    network = VAEGenerator(12, 0, 16, 3, channel_base=64, channel_max=8).requires_grad_(False)
    generator = LinkedGenerator(network, LinkSpec.parse(["left=0:6@box(0,0,0.5,1)"], dim=12, space="z"))
    with asking(session_of(generator, tmp_path)) as page:
        photograph = page.client.post("/api/photographs", content=png((16, 16))).json()["photograph"]
        found = waited(page, photograph)
        assert found.state["error"] is None
        image = found.state["image"]
        before = page.get(f"images/{image}").image
        edited = page.resample(image, "left", seed=1).image
    assert np.array_equal(edited[:, 12:], before[:, 12:])
    assert not np.array_equal(edited, before)


def test_an_encoder_gives_an_image_at_once_which_can_be_edited_while_it_is_refined(tmp_path):
    generator = example_generator()
    encoder = encoder_of(generator.generator)
    with asking(session_of(generator, tmp_path, InversionSettings(method="tune", tune=100_000), encoder)) as page:
        photograph = page.client.post("/api/photographs", content=png()).json()["photograph"]
        found = waited(page, photograph)
        assert (found.state["refined"], found.state["error"]) == (False, None)
        image = found.state["image"]
        assert page.resample(image, "left", seed=7).state["steps"] == 1
        page.client.delete(f"/api/photographs/{photograph}")
        assert page.get(f"images/{image}").state["steps"] == 1


def test_a_refined_photograph_has_the_latents_of_all_passes(tmp_path):
    generator = example_generator()
    encoder = encoder_of(generator.generator)
    session = session_of(generator, tmp_path, InversionSettings(method="restyle"), encoder)
    with asking(session) as page:
        photograph = page.client.post("/api/photographs", content=png((16, 16))).json()["photograph"]
        found = waited(page, photograph, "refined")
        image = session.store.get(found.state["image"])
    one, both = (project(generator, image.before(), method=m, encoder=encoder)[0] for m in ("encoder", "restyle"))
    assert torch.equal(image.editor.start, both.latents)
    assert not torch.equal(both.latents, one.latents)


def test_a_photograph_keeps_its_details_in_edits_and_after_a_restart(tmp_path):
    network, spec = small_generator(), LinkSpec.parse(["left=0:3@box(0,0,0.5,1)"], dim=8)
    generator, encoder = LinkedGenerator(network, spec), detailed(network)
    session = session_of(generator, tmp_path, None, encoder)
    with asking(session) as page:
        photograph = page.client.post("/api/photographs", content=png((16, 16))).json()["photograph"]
        image = waited(page, photograph, "refined").state["image"]
        page.post(f"images/{image}/look", {"pasted": False})
        shown = page.resample(image, "left", seed=7).image
        target = session.store.get(image).before()
    editor = Editor.of_photograph(generator, target, encoder)
    editor.do(Resample("left", seed=7))
    assert np.array_equal(shown, to_pixels(editor.image())[0])
    plain = Editor.of_photograph(generator, target, encoder, details=False)
    plain.do(Resample("left", seed=7))
    assert not np.array_equal(shown, to_pixels(plain.image())[0])
    with asking(session_of(generator, tmp_path, None, encoder)) as again:
        assert np.array_equal(again.get(f"images/{image}").image, shown)
    with asking(session_of(generator, tmp_path)) as without:
        assert "open the page with --encoder FILE" in without.get(f"images/{image}").error


def test_an_encoder_of_another_network_is_refused(tmp_path):
    other = example_generator()
    with torch.no_grad():
        other.generator.synthesis.waves.mul_(2)
    with pytest.raises(LinkGANError, match="trained for other weights"):
        session_of(example_generator(), tmp_path, InversionSettings(method="restyle"), encoder_of(other.generator))


def test_a_photograph_can_be_given_up(page, session):
    photograph = page.client.post("/api/photographs", content=png()).json()["photograph"]
    assert page.client.delete(f"/api/photographs/{photograph}").status_code == 204
    refusal = page.get(f"photographs/{photograph}")
    assert (refusal.status, "start it again" in refusal.error) == (400, True)


def test_clicks_are_answered_while_a_photograph_is_looked_for(page, session):
    image = page.new().state["image"]
    session.photographs._settings = type(session.photographs._settings)(space="w", steps=100_000, noise=False)
    photograph = page.client.post("/api/photographs", content=png()).json()["photograph"]
    while page.get(f"photographs/{photograph}").state["share"] == 0:
        time.sleep(0.01)
    assert page.resample(image, "left", seed=1).state["steps"] == 1
    assert page.get(f"photographs/{photograph}").state["image"] is None
    page.client.delete(f"/api/photographs/{photograph}")


@pytest.mark.parametrize(
    ("path", "data", "says"),
    [
        ("steps", {"kind": "resample", "regions": ["eye"], "seed": 1}, "no link is called 'eye'"),
        ("steps", {"kind": "resample", "regions": ["left"], "seed": -1}, "seed is -1, expected a whole number from 0"),
        ("steps", {"kind": "explode"}, "unknown kind of step 'explode'"),
        ("steps", {"kind": "resample", "regions": ["left"], "seed": 1, "strength": 1e38}, "strength must be a number"),
        ("steps", {"kind": "transplant", "regions": ["left"], "donor": {"image": "x"}}, "no longer stored"),
        ("steps", {"kind": "restore", "region": "left", "version": 9}, "no version 9"),
        ("steps", {"kind": "direction", "region": "left", "direction": 99, "std": 1}, "no direction 99"),
        ("locks", {"region": "left"}, "a lock has no 'locked'"),
        ("look", {"yaw": "far"}, "'yaw' must be of type float, not 'far'"),
        ("look", {"yaw": 1e9}, "a look takes yaw and pitch, angles in radians"),
        ("look", {"zoom": 2}, "a look has an unknown field 'zoom'"),
        ("steps", '{"kind": "\\ud800"}', "unknown kind of step '?'"),  # half of a character
        ("undo", {}, "there is nothing to undo"),
        ("redo", {}, "there is nothing to redo"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence_and_changes_nothing(path, data, says, page):
    image = page.new().state["image"]
    refusal = page.post(f"images/{image}/{path}", **({"content": data} if isinstance(data, str) else {"data": data}))
    assert refusal.status in (400, 404)
    assert says in refusal.error
    assert page.get(f"images/{image}").state["revision"] == 0


@pytest.mark.parametrize("data", [{}, {"seed": "5"}, {"seed": 2**32}, {"seed": True}, {"seed": 1, "psi": "x"}])
def test_a_new_image_needs_a_seed(data, page):
    assert page.post("images", data).status == 400


def test_a_redraw_may_choose_the_donor_that_fits_the_rest(page, session):
    image = page.new(seed=5).state["image"]
    editor = Editor.of_seed(example_generator(), 5)
    step = Consistent(8).step(editor, Resample("left", seed=200))
    answer = page.resample(image, "left", 200, consistent=8)
    assert np.array_equal(answer.image, to_pixels(editor.preview(step))[0])
    assert session.store.get(image).editor.steps == (step,)
    for value in (0, 1, "many"):
        refused = page.resample(image, "left", 200, consistent=value)
        assert (refused.status, "expected the number of donors to choose from, 2 to 1024" in refused.error) == (
            400,
            True,
        )
