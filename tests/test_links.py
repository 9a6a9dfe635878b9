"""Link specs: text and JSON in and out, allocation of axes, masks, and every way to get one wrong."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.links import Link, LinkSpec, parse_region
from linkgan_plugin.regions.base import Scene
from linkgan_plugin.regions.box import Box
from linkgan_plugin.regions.compose import certain_coverage, combine
from tests.regions.shapes import Bright, boxes, png, regions

DIM = 64
EYES, MOUTH = "box(0.25,0.3,0.75,0.5)", "box(0.3,0.6,0.7,0.8)"
TEXTS = [f"eyes=0:16@{EYES}", f"mouth=16:24@{MOUTH}"]


@st.composite
def specs(draw: st.DrawFn) -> LinkSpec:
    """Specs with one to three links over scattered axes."""
    dim = draw(st.integers(3, 40))
    owner = draw(st.lists(st.integers(0, 3), min_size=dim, max_size=dim))
    blocks = [tuple(i for i in range(dim) if owner[i] == number) for number in (1, 2, 3)]
    names = draw(st.permutations(["eyes", "left-ear", "b_2"]))
    links = [Link(name, axes, draw(regions())) for name, axes in zip(names, blocks, strict=True) if axes]
    assume(links)
    assume(all(certain_coverage(link.region).mean() < 0.999 for link in links))
    return LinkSpec(tuple(links), dim, draw(st.sampled_from(["w", "z"])), allow_overlap=True)


@settings(max_examples=25, deadline=None)
@given(specs())
def test_text_and_json_read_back_as_the_same_spec(spec):
    files = {name: data for link in spec.links for name, data in link.region.files().items()}
    texts = [str(link) for link in spec.links]
    parsed = LinkSpec.parse(texts, dim=spec.dim, space=spec.space, allow_overlap=True, read=files.__getitem__)
    assert parsed == spec
    data = json.loads(json.dumps(spec.to_json()))
    assert LinkSpec.from_json(data) == spec
    assert LinkSpec.from_json(data).to_json() == data


@settings(max_examples=25, deadline=None)
@given(specs(), st.integers(1, 6), st.integers(1, 6))
def test_blocks_share_out_every_axis_and_every_pixel(spec, height, width):
    axes = spec.axis_masks()
    assert axes.dtype == torch.bool
    assert axes.shape == (len(spec.block_names), spec.dim)
    assert (axes.sum(dim=0) == 1).all()
    masks = spec.region_masks(Scene(torch.zeros(2, 3, height, width)))
    assert masks.shape == (len(spec.block_names), 1, 1, height, width)
    assert masks.dtype == torch.float32
    assert masks.min() >= 0
    assert masks.max() <= 1
    if "rest" in spec.block_names:
        np.testing.assert_allclose(masks[-1], 1 - masks[:-1].sum(0).clamp(0, 1), atol=1e-6)


def test_the_json_is_plain_and_short():
    assert LinkSpec.parse(TEXTS, dim=DIM).to_json() == {
        "version": 1,
        "space": "w",
        "dim": 64,
        "allow_overlap": False,
        "links": [
            {"name": "eyes", "axes": [[0, 16]], "region": "box(0.25,0.3,0.75,0.5)"},
            {"name": "mouth", "axes": [[16, 24]], "region": "box(0.3,0.6,0.7,0.8)"},
        ],
    }


def test_a_mask_file_travels_inside_the_json(tmp_path, monkeypatch):
    image = png(np.array([[255, 0]], np.uint8))
    (tmp_path / "my, logo.png").write_bytes(image)
    monkeypatch.chdir(tmp_path)
    spec = LinkSpec.parse(['logo=4@mask("my, logo.png")'], dim=DIM)
    data = spec.to_json()
    assert data["links"][0]["files"] == {"my, logo.png": base64.b64encode(image).decode()}
    (tmp_path / "my, logo.png").unlink()
    assert LinkSpec.from_json(data) == spec
    assert LinkSpec.from_json(data)["logo"].region.mask(Scene(torch.zeros(1, 3, 1, 2))).tolist() == [[[[1, 0]]]]


def test_names_blocks_and_lookup():
    spec = LinkSpec.parse(TEXTS, dim=DIM)
    assert spec.names == ("eyes", "mouth")
    assert spec.block_names == ("eyes", "mouth", "rest")
    assert spec.rest_axes == tuple(range(24, 64))
    assert spec["mouth"].axes == tuple(range(16, 24))
    with pytest.raises(LinkGANError, match=r"no link is called 'mouht'; known: eyes, mouth \(did you mean 'mouth'\?\)"):
        spec["mouht"]


def test_there_is_no_rest_when_every_axis_is_linked():
    spec = LinkSpec.parse(["left=2@box(0,0,0.5,1)", "right=2@box(0.5,0,1,1)"], dim=4)
    assert spec.block_names == ("left", "right")
    assert spec.axis_masks().shape == (2, 4)
    assert spec.region_masks(Scene(torch.zeros(1, 3, 2, 2))).shape == (2, 1, 1, 2, 2)


def test_a_moving_region_gives_one_mask_per_image():
    links = (Link("sky", (0, 1), Bright()), Link("ground", (2,), Box(0, 0.5, 1, 1)))
    images = torch.ones(3, 3, 2, 2)
    images[1] = -1
    masks = LinkSpec(links, 4).region_masks(Scene(images))
    assert masks.shape == (3, 3, 1, 2, 2)
    assert masks[0].amax(dim=(1, 2, 3)).tolist() == [1, 0, 1]
    assert masks[2, 1, 0].tolist() == [[1, 1], [0, 0]]


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        (["8", "8"], ["0:8", "8:16"]),
        (["8", "4:12"], ["12:20", "4:12"]),
        (["4", "4:12"], ["0:4", "4:12"]),
        (["2", "0:8,16:24", "9"], ["8:10", "0:8,16:24", "24:33"]),
        ([" 0:4 , 8:12 ", "4"], ["0:4,8:12", "4:8"]),
        (["auto", "auto"], ["0:6", "6:11"]),
        (["16:24,0:16"], ["0:24"]),
    ],
)
def test_counts_and_auto_take_the_first_free_block_around_explicit_axes(axes, expected):
    names = ["eyes", "mouth", "sky"]
    areas = [EYES, MOUTH, "box(0,0,1,0.2)"]
    texts = [f"{name}={own}@{region}" for name, own, region in zip(names, axes, areas, strict=False)]
    spec = LinkSpec.parse(texts, dim=DIM)
    assert [str(link).split("=")[1].split("@")[0] for link in spec.links] == expected


@pytest.mark.parametrize(
    ("region", "axes"), [("box(0,0,1,0.998)", 64), ("box(0,0,1,0.5)", 32), ("box(0,0,0.01,0.01)", 1)]
)
def test_auto_gives_the_regions_share_of_the_axes_but_at_least_one(region, axes):
    assert len(LinkSpec.parse([f"a=auto@{region}"], dim=DIM)["a"].axes) == axes


@given(boxes(), st.floats(0.01, 0.99))
def test_boxes_that_touch_inside_a_pixel_do_not_overlap(box, where):
    middle = box.x0 + where * (box.x1 - box.x0)
    assume(box.x0 < middle < box.x1)
    left, right = Box(box.x0, box.y0, middle, box.y1), Box(middle, box.y0, box.x1, box.y1)
    spec = LinkSpec((Link("left", (0,), left), Link("right", (1,), right)), 3)
    masks = spec.region_masks(Scene(torch.zeros(1, 3, 5, 5)))
    np.testing.assert_allclose(masks[:2].sum(0)[0, 0], box.coverage(5, 5), atol=1e-6)


def test_overlapping_regions_are_refused_with_the_size_and_the_flag():
    texts = ["a=1@box(0,0,0.5,1)", "b=1@box(0.4,0,0.6,1)"]
    with pytest.raises(LinkGANError) as error:
        LinkSpec.parse(texts, dim=8)
    assert str(error.value) == (
        "the regions of links 'a' and 'b' overlap on 10 % of the image (50 % of 'b'); "
        "move one of them, or allow it with --link-overlap"
    )
    masks = LinkSpec.parse(texts, dim=8, allow_overlap=True).region_masks(Scene(torch.zeros(1, 3, 1, 10)))
    np.testing.assert_allclose(masks[2, 0, 0, 0], [0] * 6 + [1] * 4, atol=1e-6)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "no links given; add at least one such as --link 'eyes=0:64@box(0.25,0.35,0.75,0.5)'"),
        (["eyes"], "cannot read link: expected '=' at <here>: eyes<here>; write NAME=AXES@REGION"),
        (["eyes=0:8"], "cannot read link: expected '@' at <here>: eyes=0:8<here>; write NAME=AXES@REGION"),
        (["eyes=0:8@eyse"], "link 'eyes': unknown region 'eyse'"),
        (["le ft=0:8@eyes"], "invalid link name 'le ft': use letters, digits, '_' and '-', starting with a letter"),
        (["=0:8@eyes"], "invalid link name ''"),
        (["../x=0:8@eyes"], "invalid link name '../x'"),
        (["rest=0:8@eyes"], "the link name 'rest' is reserved for the axes and pixels in no link"),
        (["a=0:8@eyes", "a=8:16@mouth"], "two links are called 'a'; give each its own name"),
        (["a=0:8@eyes", "b=4:12@mouth"], "links 'a' and 'b' share axes 4:8; an axis can belong to one link only"),
        (["a=0:8,4:12@eyes"], "link 'a' names axes 4:8 more than once"),
        (["a=60:65@eyes"], "link 'a': axes 60:65 are out of range; the latent has 64, 0:64"),
        (["a=0:99999999999999@eyes"], "link 'a': axes 0:99999999999999 are out of range"),
        (["a=8:8@eyes"], "link 'a': axes 8:8 are empty; the end is not included, so 0:16 is 16 axes"),
        (["a=9:8@eyes"], "link 'a': axes 9:8 are empty"),
        (["a=0@eyes"], "link 'a' asks for 0 axes"),
        (["a=@eyes"], "link 'a': cannot read the axes ''; write ranges such as 0:16 or 0:8,16:24"),
        (["a=:8@eyes"], "link 'a': cannot read the axes ':8'"),
        (["a=0:8,9@eyes"], "link 'a': cannot read the axes '0:8,9'"),
        (["a=-1:8@eyes"], "link 'a': cannot read the axes '-1:8'"),
        (["a=all@eyes"], "auto, or cells"),
        (["a=65@eyes"], "link 'a' needs 65 axes in a row, but the largest free block of the 64 has 64"),
        (
            ["a=20:44@eyes", "b=21@mouth"],
            "link 'b' needs 21 axes in a row, but the largest free block of the 64 has 20",
        ),
        (["a=0:64@eyes", "b=1@mouth"], "the largest free block of the 64 has 0; ask for fewer, or give ranges"),
    ],
)
def test_errors_name_the_link_the_value_and_the_way_out(texts, message):
    with pytest.raises(LinkGANError) as error:
        LinkSpec.parse(texts, dim=DIM)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_auto_needs_a_known_area(monkeypatch):
    monkeypatch.setattr("linkgan_plugin.links.read_expression", lambda text, read: Bright())
    with pytest.raises(LinkGANError, match="link 'a': 'auto' needs a region whose area is known, and this one differs"):
        LinkSpec.parse(["a=auto@bright()"], dim=DIM)


def test_a_link_that_is_built_by_hand_is_checked_too():
    with pytest.raises(LinkGANError, match="link 'a' has no axes; give at least one"):
        Link("a", (), Box(0, 0, 1, 1))
    with pytest.raises(LinkGANError, match="axes 7:9 are out of range; the latent has 8"):
        LinkSpec((Link("a", (8, 7), Box(0, 0, 1, 1)),), 8)
    with pytest.raises(LinkGANError, match="unknown latent space 'x'; known: w, z"):
        LinkSpec((Link("a", (0,), Box(0, 0, 1, 1)),), 8, "x")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda data: data.update(version=2),
            "link spec of version 2: this linkgan_plugin reads version 1; upgrade it",
        ),
        (lambda data: data.pop("version"), "link spec has no 'version'; it needs one of type int"),
        (lambda data: data.pop("dim"), "link spec has no 'dim'"),
        (lambda data: data.update(dim="64"), "link spec: 'dim' must be of type int, not '64'"),
        (lambda data: data.update(dim=True), "link spec: 'dim' must be of type int, not True"),
        (lambda data: data.update(allow_overlap=0), "link spec: 'allow_overlap' must be of type bool, not 0"),
        (lambda data: data.update(space="v"), "unknown latent space 'v'"),
        (
            lambda data: data.update(link=[]),
            "link spec has an unknown field 'link'; known: allow_overlap, basis, dim, links",
        ),
        (lambda data: data.update(links={}), "link spec: 'links' must be of type list, not {}"),
        (lambda data: data.update(links=["eyes"]), "a link must be a JSON object, not str: 'eyes'"),
        (lambda data: data["links"][0].pop("region"), "link 'eyes' has no 'region'"),
        (lambda data: data["links"][0].update(colour=1), "link 'eyes' has an unknown field 'colour'"),
        (lambda data: data["links"][0].update(axes=[0, 16]), "'axes' must be a list of [start, stop] integers, not 0"),
        (lambda data: data["links"][0].update(axes=[[0, True]]), "'axes' must be a list of [start, stop] integers"),
        (lambda data: data["links"][0].update(axes=[[-4, 3]]), "link 'eyes': axes -4:3 are out of range"),
        (lambda data: data["links"][0].update(region="mask(a.png)"), "link 'eyes': the file 'a.png' is not embedded"),
        (
            lambda data: data["links"][0].update(region="mask(a.png)", files={"a.png": "?"}),
            "link 'eyes': the embedded file 'a.png' is not base64 text",
        ),
    ],
)
def test_json_errors_name_the_field(change, message):
    data = LinkSpec.parse(TEXTS, dim=DIM).to_json()
    change(data)
    with pytest.raises(LinkGANError) as error:
        LinkSpec.from_json(data)
    assert message in str(error.value)


def test_json_that_is_no_object_is_refused():
    with pytest.raises(LinkGANError, match="link spec must be a JSON object, not list"):
        LinkSpec.from_json([])


WHOLE = {
    "a box": "box(0,0,1,1)",
    "all but a line": "box(0,0.0005,1,1)",
    "a union": "box(0,0,0.5,1)+box(0.5,0,1,1)",
    "a union of four": "box(0,0,0.5,1)+box(0.5,0,1,0.5)+box(0.5,0.5,1,0.75)+box(0.4,0.75,1,1)",
    "an intersection": "box(0,0,1,1)&(box(0,0,1,0.6)+box(0,0.4,1,1))",
    "a polygon": "polygon(0,0,1,0,1,1,0,1)",
}


@pytest.mark.parametrize("kind", WHOLE)
def test_a_link_needs_pixels_outside_its_region(kind):
    with pytest.raises(LinkGANError, match=r"link 'all': .* covers the whole image; a link needs pixels outside"):
        LinkSpec.parse([f"all=4@{WHOLE[kind]}"], dim=16)


def test_a_moving_part_makes_a_whole_image_no_smaller():
    whole, moving = parse_region("box(0,0,1,1)"), Bright()
    with pytest.raises(LinkGANError, match=r"link 'all': .* covers the whole image"):
        LinkSpec((Link("all", (0,), combine("+", [whole, moving])),), 4)
    assert LinkSpec((Link("some", (0,), combine("&", [whole, moving])),), 4).names == ("some",)


def test_links_may_cover_the_image_together_and_one_may_nearly():
    assert LinkSpec.parse(["a=4@box(0,0,0.5,1)", "b=4@box(0.5,0,1,1)"], dim=16).names == ("a", "b")
    assert LinkSpec.parse(["most=4@box(0,0,1,0.99)"], dim=16).names == ("most",)


def test_a_spec_without_links_survives_json():
    spec = LinkSpec((), 6, "z")
    assert LinkSpec.from_json(spec.to_json()) == spec
    assert spec.block_names == ("rest",)
