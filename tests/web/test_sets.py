"""Sets of directions on the page: sliders' positions, searches for drawn regions, and what a restart keeps."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from linkgan_plugin.directions.directions import Directions
from linkgan_plugin.directions.files import save_directions
from linkgan_plugin.editing.editor import DirectionEdit, Editor
from linkgan_plugin.editing.example import example_generator
from linkgan_plugin.images.pixels import to_pixels
from linkgan_plugin.web import searches
from tests.directions.planted import StyledGenerator, opened
from tests.web.conftest import asking, session_of

W = Directions(torch.randn(2, 1, 12, generator=torch.Generator().manual_seed(6)), names=("smile", ""))
S = Directions(torch.randn(1, 1, 15, generator=torch.Generator().manual_seed(7)), "s")
BOX = "box(0,0,0.5,1)"


@pytest.fixture
def bare(tmp_path):
    """A session of a network without links, with a set in W and one in S."""
    made = session_of(opened(StyledGenerator()), tmp_path / "kept")
    made.names = [made.sets.add("w", W), made.sets.add("styles", S)]
    return made


@pytest.fixture
def asked(bare):
    with asking(bare) as page:
        yield page


def sets_of(page, image):
    return page.client.get(f"/api/images/{image}/sets").json()["sets"]


def slid(page, image, name, std, direction=0):
    return page.step(image, kind="direction", region="all", direction=direction, std=std, of=name)


def waited(page, search):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        state = page.client.get(f"/api/searches/{search}").json()
        if state["set"] or state["error"]:
            return state
        time.sleep(0.02)
    raise AssertionError("the search did not end")


def test_the_page_learns_the_sets_and_that_regions_can_be_drawn(asked, bare):
    known = asked.client.get("/api/network").json()
    assert known["draws"] is True
    assert [region["title"] for region in known["regions"]] == ["the image"]
    found = sets_of(asked, asked.new().state["image"])
    assert [(each["name"], each["title"]) for each in found] == [*zip(bare.names, ("w", "styles"), strict=True)]
    assert found[0]["directions"] == ["smile", "1"]


def test_a_slider_moves_the_image_as_the_editor_does(asked, bare):
    image = asked.new(seed=5).state["image"]
    answer = slid(asked, image, bare.names[1], 1.5)
    editor = Editor.of_seed(bare.generator, 5)
    editor.add_directions("x", S)
    editor.do(DirectionEdit(std=1.5, of="x"))
    assert np.array_equal(answer.image, to_pixels(editor.image())[0])
    assert answer.state["sets"] == {bare.names[1]: {"0": 1.5}}


def test_pulls_at_one_slider_are_one_step_also_where_a_region_is_locked(session, tmp_path):
    name = session.sets.add("w", W)
    with asking(session) as page:
        image = page.new().state["image"]
        page.post(f"images/{image}/locks", {"region": "left", "locked": True})
        slid(page, image, name, 1.0)
        state = slid(page, image, name, 0.5).state
        assert (state["steps"], state["sets"]) == (1, {name: {"0": 1.5}})
        assert slid(page, image, name, 1.0, direction=1).state["steps"] == 2
        assert state["regions"]["right"]["directions"] == {}


def test_redrawing_everything_leaves_what_shifts_styles_and_versions_bring_positions_back(asked, bare):
    w, styles = bare.names
    image = asked.new().state["image"]
    moved = slid(asked, image, w, 1.0)
    slid(asked, image, styles, 2.0)
    redrawn = asked.resample(image, "all", seed=3)
    assert redrawn.state["sets"] == {styles: {"0": 2.0}}
    back = asked.step(image, kind="restore", region="rest", version=1)
    assert back.state["sets"] == {w: {"0": 1.0}}
    assert np.array_equal(back.image, moved.image)


def test_latents_are_downloaded_with_the_shift_of_the_styles(asked, bare):
    image = asked.new().state["image"]
    slid(asked, image, bare.names[1], 2.0)
    with np.load(io.BytesIO(asked.client.get(f"/api/images/{image}/latents").content), allow_pickle=False) as file:
        assert np.array_equal(file["styles"], 2 * S.vectors[0].numpy())


def test_stored_edits_bring_their_sets_to_a_page_that_does_not_know_them(asked, bare, tmp_path):
    image = asked.new().state["image"]
    shown = slid(asked, image, bare.names[0], 1.0).image
    bare.close()
    with asking(session_of(bare.generator, tmp_path / "kept")) as again:
        answer = again.get(f"images/{image}")
        assert np.array_equal(answer.image, shown)
        assert [each["name"] for each in sets_of(again, image)] == [bare.names[0]]
        assert slid(again, image, bare.names[0], 1.0).state["sets"] == {bare.names[0]: {"0": 2.0}}


def test_directions_of_a_drawn_region_are_found_in_the_background(asked, bare, monkeypatch):
    monkeypatch.setattr(searches, "DEFAULT", "sefa")
    image = asked.new().state["image"]
    response = asked.client.post("/api/searches", json={"region": BOX})
    assert response.status_code == 202
    state = waited(asked, response.json()["search"])
    assert state["error"] is None
    found = next(each for each in sets_of(asked, image) if each["name"] == state["set"])
    assert (found["title"], len(found["directions"])) == (BOX, searches.COUNT)
    assert slid(asked, image, state["set"], 1.0).status == 200


def test_clicks_are_answered_during_a_search_which_can_be_cancelled(asked, bare, monkeypatch):
    steps, ended = [], []

    def endless(generator, method, *, region, count, progress):
        try:
            for step in progress(range(10**6), "measuring"):
                steps.append(step)
        finally:
            ended.append(True)

    monkeypatch.setattr(searches, "find_directions", endless)
    image = asked.new().state["image"]
    search = asked.client.post("/api/searches", json={"region": BOX}).json()["search"]
    while not steps:
        time.sleep(0.01)
    assert asked.resample(image, "rest", seed=1).state["steps"] == 1
    state = asked.client.get(f"/api/searches/{search}").json()
    assert (state["text"], state["set"]) == (f"Directions of {BOX}: measuring…", None)
    assert asked.client.delete(f"/api/searches/{search}").status_code == 204
    while not ended:
        time.sleep(0.01)
    assert "has ended; start it again" in asked.get(f"searches/{search}").error


def test_a_search_that_fails_says_why(monkeypatch, tmp_path):
    monkeypatch.setattr(searches, "DEFAULT", "sefa")
    with asking(session_of(example_generator(), tmp_path / "kept")) as page:
        search = page.client.post("/api/searches", json={"region": BOX}).json()["search"]
        assert "ExampleGenerator has no style space" in waited(page, search)["error"]
        monkeypatch.setattr(searches, "DEFAULT", "nothing")
        search = page.client.post("/api/searches", json={"region": BOX}).json()["search"]
        assert "'nothing'" in waited(page, search)["error"]


@pytest.mark.parametrize(
    ("region", "message"),
    [
        ("box(0,0,2", "expected"),
        ("nose_of_cat", "nose_of_cat"),
        ("mask(/etc/passwd)", "the page does not open '/etc/passwd'"),
        ("box(0.5,0.5,0.5,0.5)", "box"),
    ],
)
def test_regions_that_cannot_be_searched_are_refused(region, message, asked):
    refused = asked.post("searches", {"region": region})
    assert refused.status == 400
    assert message in refused.error


def test_files_given_to_the_command_are_shown_and_links_are_not_needed(monkeypatch, tmp_path):
    from linkgan_plugin.cli import main
    from tests.inversion.conftest import small_generator
    from training_loops.snapshots import save_snapshot
    from training_loops.stylegan2.networks import Discriminator

    served = []
    monkeypatch.setattr(
        "linkgan_plugin.cli.serving.ServeFlags.serve", lambda self, *arguments: served.append(arguments)
    )
    G, D = small_generator(), Discriminator(0, 16, 3, channel_base=64, channel_max=4)
    save_snapshot(tmp_path / "n.pt", G=G, D=D, G_ema=G, training_options={}, cur_nimg=0, link_spec=None)
    file = save_directions(tmp_path / "smile.safetensors", Directions(torch.ones(1, 1, 8)))[0]
    command = ["ui", str(tmp_path / "n.pt"), "--port", "0", "--keep", str(tmp_path / "kept"), "--directions"]
    main([*command, str(file)], standalone_mode=False)
    session = served[0][1].args[0]
    editor = Editor.of_seed(session.generator, 0)
    assert [each["title"] for each in session.sets.describe(editor)] == ["smile"]
    session.close()
    wrong = save_directions(tmp_path / "z.safetensors", Directions(torch.ones(1, 1, 9)))[0]
    result = CliRunner().invoke(main, [*command, str(wrong)])
    assert result.exit_code == 2
    assert "directions [K, 1, 9]" in result.output
