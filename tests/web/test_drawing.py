"""The page on which regions are drawn: what it is told of images and links, and who is let in."""

from __future__ import annotations

import shlex

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from linkgan_plugin.axes import text_of
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.web.answers import MOST_JSON, WIDTH
from linkgan_plugin.web.drawing import create_drawing_app
from tests.web.conftest import ADDRESS, TOKEN, Asking
from tests.web.drawing import COUNT, DIM, SIZE, drawing_of, grey_data

ALLOWED = {"authorization": f"Bearer {TOKEN}"}
LEFT, RIGHT = "left=auto@box(0,0,0.5,1)", "right=8@box(0.5,0,1,0.5)"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return grey_data(tmp_path_factory.mktemp("data"))


def served(drawing, **headers):
    return TestClient(create_drawing_app(drawing, token=TOKEN), base_url=ADDRESS, headers=headers)


@pytest.fixture(scope="module")
def page(data):
    with served(drawing_of(data), **ALLOWED) as client:
        yield Asking(client)


def checked(page, *links, **more):
    answer = page.post("links", {"links": list(links), **more})
    assert answer.status == 200, answer.error
    return answer.response.json()


def test_images_are_those_of_the_data_and_the_mean_is_theirs(page):
    assert page.get("drawing").response.json()["mean_of"] == COUNT
    mean = page.get("images/mean")
    assert mean.image.shape == (SIZE, SIZE, 3)
    assert (mean.image == 55).all()  # of 0, 10, ..., 110
    assert (page.get("images/7").image == 70).all()


def test_images_of_a_shuffle_are_spread_over_the_data_or_drawn_from_it(page):
    numbers = [page.get(f"samples/{shuffle}").response.json()["numbers"] for shuffle in (0, 1, 2, 1)]
    assert numbers[0] == [0, 1, 3, 4, 6, 7, 9, 11]
    assert numbers[1] == numbers[3] != numbers[2]
    assert all(len(set(some)) == 8 and set(some) <= set(range(COUNT)) for some in numbers)


@pytest.mark.parametrize(("path", "text"), [("images/12", "image 12: the data has 0 to 11"), ("masks/0", "no mask")])
def test_what_is_not_there_is_said(path, text, page):
    answer = page.get(path)
    assert answer.status == 400
    assert text in answer.error


def test_areas_pixels_and_axes_are_those_of_the_grammar(page):
    answer = checked(page, LEFT, "corner=3@box(0.75,0.75,1,1)+polygon(0.5,0.5,0.75,0.5,0.5,0.75)")
    assert answer["links"] == [
        {"area": 0.5, "pixels": 512.0, "count": 32, "axes": "0:32", "error": None},
        {"area": 0.09375, "pixels": 96.0, "count": 3, "axes": "32:35", "error": None},
    ]
    assert answer["rest"] == {"area": 0.40625, "pixels": 416.0, "count": 29, "axes": "35:64"}
    assert answer["errors"] == []


def test_axes_are_shared_out_as_training_does_also_when_one_link_of_several_changes(page):
    links = ["a=auto@box(0,0,0.25,1)", "b=3@mouth", "c=0:2,60:64@hair_top", "d=auto@polygon(0.8,0.8,1,0.8,1,1)"]
    for changed in ("a=auto@box(0,0,0.3,1)", "a=2:5@box(0,0,0.3,1)", "a=7@box(0,0,0.25,1)", links[0]):
        some = [changed, *links[1:]]
        answer = checked(page, *some, allow_overlap=True)
        spec = LinkSpec.parse(some, dim=DIM, allow_overlap=True)
        assert [row["axes"] for row in answer["links"]] == [text_of(link.axes) for link in spec.links]
        assert answer["rest"]["axes"] == text_of(spec.rest_axes)


@pytest.mark.parametrize("second", ["b=1:3@mouth", "a=2:4@mouth"])
def test_links_that_are_not_right_together_are_refused_as_by_training(second, page):
    links = ["a=0:2@eyes", second]
    (error,) = checked(page, *links)["errors"]
    with pytest.raises(ValueError, match=r"share axes 1:2|two links are called") as refusal:
        LinkSpec.parse(links, dim=DIM)
    assert error == {"links": [], "message": str(refusal.value)}


def test_the_option_text_is_what_a_shell_gives_the_command(page):
    links = [LEFT, RIGHT]
    option = checked(page, *links, allow_overlap=True)["option"]
    assert shlex.split(option) == ["--link", LEFT, "--link", RIGHT, "--link-overlap"]
    assert "--link 'left=auto@box(0,0,0.5,1)'" in option
    assert checked(page)["option"] == ""
    plain = checked(page, "eyes=auto@eyes")["option"]
    assert plain == "--link 'eyes=auto@eyes'"


def test_auto_shares_out_the_axes_that_are_asked_for(page):
    assert [checked(page, LEFT, dim=dim)["links"][0]["count"] for dim in (64, 512)] == [32, 256]


def test_every_two_regions_that_overlap_are_told_with_the_refusal_of_training(page):
    links = [LEFT, "wide=2@box(0.25,0,0.75,0.5)", "far=2@box(0.7,0.25,1,1)"]
    answer = checked(page, *links)
    assert [error["links"] for error in answer["errors"]] == [[0, 1], [1, 2]]
    assert answer["rest"] is None
    for error in answer["errors"]:
        with pytest.raises(ValueError, match="overlap on") as refusal:
            LinkSpec.parse([links[place] for place in error["links"]], dim=DIM)
        assert error["message"] == str(refusal.value)
    assert checked(page, *links, allow_overlap=True)["errors"] == []


@pytest.mark.parametrize(
    ("link", "text"),
    [
        ("1st=auto@eyes", "invalid link name '1st'"),
        ("a=many@eyes", "cannot read the axes 'many'"),
        ("a=auto@box(0,0,1,1)", "covers the whole image"),
        ("a=auto@polygon(0,0,1,1,1,0,0,1)", "crosses itself"),
    ],
)
def test_a_link_that_is_wrong_by_itself_leaves_the_others_their_numbers(link, text, page):
    rows = checked(page, RIGHT, link)["links"]
    assert rows[0]["pixels"] == 256.0
    assert text in rows[1]["error"]
    assert rows[1]["area"] is None


def test_links_that_ask_for_too_many_axes_together_are_said(page):
    answer = checked(page, "a=40@box(0,0,0.5,1)", "b=40@box(0.5,0,1,1)")
    assert [row["error"] for row in answer["links"]] == [None, None]
    assert "needs 40 axes in a row" in answer["errors"][0]["message"]


def test_no_file_is_opened_but_those_of_the_command_line(data, tmp_path, page):
    white, other = tmp_path / "white.png", tmp_path / "other.png"
    pixels = np.zeros((8, 8), np.uint8)
    pixels[:4] = 255
    for path in (white, other):
        Image.fromarray(pixels).save(path)
    assert "the page does not open" in checked(page, f"a=4@mask({other})")["links"][0]["error"]
    with served(drawing_of(data, f"top=4@mask({white})", RIGHT), **ALLOWED) as client:
        asking = Asking(client)
        known = client.get("/api/drawing").json()["links"]
        assert known[0] == {"name": "top", "axes": "4", "region": f"mask({white})", "shapes": None}
        assert known[1]["shapes"] == [{"kind": "box", "corners": [[0.5, 0], [1, 0.5]]}]
        white.unlink()
        assert checked(asking, f"top=4@mask({white})")["links"][0]["pixels"] == 512.0
        assert "the page does not open" in checked(asking, f"a=4@mask({other})")["links"][0]["error"]
        mask = np.frombuffer(client.get("/api/masks/0").content, np.uint8).reshape(SIZE, SIZE)
        assert (mask[:16] == 255).all()
        assert (mask[16:] == 0).all()
        assert client.get("/api/masks/1").status_code == 400


def test_unions_of_boxes_and_polygons_are_shapes_and_presets_too(data):
    links = ("a=0:4,8:12@box(0,0,0.25,0.25)+polygon(0.5,0.5,0.75,0.5,0.5,0.75)", "b=auto@mouth", "c=1@eyes&left_eye")
    known = drawing_of(data, *links).describe()["links"]
    assert known[0]["axes"] == "0:4,8:12"
    assert [shape["kind"] for shape in known[0]["shapes"]] == ["box", "polygon"]
    assert known[1]["shapes"] == [{"kind": "box", "corners": [[0.36, 0.68], [0.64, 0.8]]}]
    assert known[2]["shapes"] is None


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "the request has no 'links'"),
        ({"links": ["a", 1]}, "links must be a list of texts"),
        ({"links": [], "allow_overlap": 1}, "'allow_overlap' must be of type bool, not 1"),
        ({"links": [], "dim": True}, "'dim' must be of type int | None, not True"),
        ({"links": [LEFT], "dim": -3}, "a latent of -3 axes"),
        ({"links": ["a=1@eyes"] * 2000}, "2000 links, expected at most"),
    ],
)
def test_questions_that_make_no_sense_are_answered_with_what_would(body, text, page):
    answer = page.post("links", body)
    said = answer.error if answer.status == 400 else str(answer.response.json())
    assert text in said


def test_the_page_comes_from_here_and_forbids_what_it_does_not_need(data):
    with served(drawing_of(data)) as stranger:
        response = stranger.get("/")
        assert "<title>regions · linkgan</title>" in response.text
        assert "style=" not in response.text
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        for name in ("draw.js", "draw.css", "dom.js", "style.css"):
            assert stranger.get(f"/{name}").status_code == 200
        for way in ("/../drawing.py", "/%2e%2e/drawing.py"):
            assert stranger.get(way).status_code == 404


@pytest.mark.parametrize("path", ["drawing", "samples/0", "images/mean", "images/0", "masks/0", "nothing"])
def test_nothing_is_told_without_the_token_or_to_other_pages(path, data):
    with served(drawing_of(data)) as stranger:
        assert stranger.get(f"/api/{path}").status_code == 401
        for headers in ({"origin": "https://evil.example"}, {"host": "evil.example"}, {"sec-fetch-site": "cross-site"}):
            assert stranger.get(f"/api/{path}", headers={**ALLOWED, **headers}).status_code == 403
        assert stranger.post("/api/links", json={"links": []}).status_code == 401


def test_a_question_may_be_so_long_and_no_longer(page):
    assert page.post("links", content=b" " * (MOST_JSON + 1)).status == 413
    assert page.get("images/99999999999").status == 400
    assert page.get("images/-1").status == 404
    assert WIDTH in page.get("images/0").response.headers
