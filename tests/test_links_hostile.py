"""Links made to fill the memory or to hang, as text and as JSON: each is refused in one short line."""

from __future__ import annotations

import base64
import copy
import io
import json
import os
import resource
import struct
import zlib

import pytest
from PIL import Image

from linkgan_plugin import sidecar
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.links import LinkSpec, parse_region
from training_loops.formats.budget import MASK_SIDE, MOST_AXES, MOST_CORNERS, MOST_LINKS, REGIONS

BOX = "box(0,0,1,1)"
HALF = "box(0,0,1,0.5)"


def refused(call, *args, **options):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(LinkGANError) as caught:
        call(*args, **options)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 300 << 10
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 1500
    return message


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def grey_png(side, data=b""):
    header = chunk(b"IHDR", struct.pack(">II5B", side, side, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def spec(axes=((0, 8),), region=HALF, dim=16, name="a", **link):
    item = {"name": name, "axes": [list(pair) for pair in axes], "region": region, **link}
    return {"version": 1, "space": "w", "dim": dim, "allow_overlap": False, "links": [item]}


@pytest.mark.parametrize(
    ("axes", "says"),
    [
        ("1" * 5000, "no latent has 11111111111111111111... axes"),
        ("0:" + "9" * 5000, "no latent has 99999999999999999999... axes"),
        ("9" * 18, "needs 999999999999999999 axes in a row"),
        ("0:1000000000", "0:1000000000 are out of range"),
        (",".join(["0:512"] * 100_000), "names axes more than once"),
        ("x" * 100_000, "cannot read the axes 'xxx"),
        ("0:8\x1b[2J", "cannot read the axes"),
    ],
    ids=lambda value: value[:16],
)
def test_axes_as_text(axes, says):
    assert says in refused(LinkSpec.parse, [f"a={axes}@{BOX}"], dim=512)


@pytest.mark.parametrize("dim", [0, -1, MOST_AXES + 1, 10**9])
def test_latents_of_no_network(dim):
    says = f"a latent of {dim} axes, expected 1 to {MOST_AXES}"
    assert says in refused(LinkSpec.parse, [f"a=auto@{BOX}"], dim=dim)
    assert says in refused(LinkSpec.from_json, spec(dim=dim))


def test_axes_in_json():
    assert "more than once" in refused(LinkSpec.from_json, spec([(0, MOST_AXES)] * 20_000, dim=MOST_AXES))
    assert "out of range" in refused(LinkSpec.from_json, spec([(0, 10**9)]))


def test_the_largest_link_is_read_at_once():
    assert len(LinkSpec.from_json(spec([(0, MOST_AXES)], dim=MOST_AXES))["a"].axes) == MOST_AXES


def test_many_links():
    links = [f"l{n}={n}:{n + 1}@{HALF}" for n in range(100_000)]
    assert f"100000 links, expected at most {MOST_LINKS}" in refused(LinkSpec.parse, links, dim=512)
    data = spec()
    data["links"] *= 100_000
    assert f"100000 links, expected at most {MOST_LINKS}" in refused(LinkSpec.from_json, data)
    assert len(LinkSpec.parse(links[:MOST_LINKS], dim=512, allow_overlap=True).links) == MOST_LINKS


@pytest.mark.parametrize("symbol", ["+", "&"])
def test_regions_of_many_parts(symbol):
    says = f"the regions of the links: more than {REGIONS.items} values"
    assert says in refused(parse_region, symbol.join([BOX] * 20_000))
    assert says in refused(LinkSpec.parse, [f"l{n}=1@{'+'.join([BOX] * 100)}" for n in range(MOST_LINKS)], dim=512)
    data = spec()
    data["links"] = [spec(region="+".join([BOX] * 100), name=f"l{n}")["links"][0] for n in range(MOST_LINKS)]
    assert says in refused(LinkSpec.from_json, data)
    assert parse_region("+".join([BOX] * 1024)).area() == 1


def test_regions_within_regions():
    text = BOX
    for n in range(20):
        text = f"({text}+box(0,0,1,{(n + 1) / 50}))&{BOX}"
    assert parse_region(text).area() == 1
    assert "parentheses within each other" in refused(parse_region, "(" * 100_000 + BOX)


def test_polygons_of_many_corners():
    corners = ",".join(f"{n / 40_000},{n % 2}" for n in range(40_000))
    refused(parse_region, f"polygon({corners})")
    corners = ",".join(f"{n / 2000},{n % 2}" for n in range(MOST_CORNERS + 1))
    assert f"{MOST_CORNERS + 1} corners, expected at most {MOST_CORNERS}" in refused(
        parse_region, f"polygon({corners})"
    )


@pytest.mark.parametrize(
    "text", ["\x1b[2J", "box(0,0,1,\x07)", "eyes+\u202e", "x" * 100_000, "box(" + "1" * 5000 + ")"]
)
def test_text_from_files_does_not_steer_a_terminal(text):
    refused(parse_region, text)


def test_masks_that_unpack_to_much(tmp_path):
    zeros = zlib.compressobj(9)
    row = bytes(13_001)
    bomb = grey_png(13_000, b"".join(zeros.compress(row) for _ in range(13_000)) + zeros.flush())
    (tmp_path / "m.png").write_bytes(bomb)
    assert "more than 256 MB" in refused(parse_region, f"mask({tmp_path}/m.png)")
    (tmp_path / "m.png").write_bytes(grey_png(MASK_SIDE + 8))
    assert "4104 x 4104 pixels, expected at most 16.8 million" in refused(parse_region, f"mask({tmp_path}/m.png)")
    buffer = io.BytesIO()
    Image.new("L", (MASK_SIDE, MASK_SIDE), 255).save(buffer, "png")
    (tmp_path / "m.png").write_bytes(buffer.getvalue())
    assert parse_region(f"mask({tmp_path}/m.png)").area() == pytest.approx(1)
    many = "+".join([f"mask({tmp_path}/m.png)"] * 4)
    with pytest.raises(LinkGANError, match="more than 256 MB"):
        parse_region(many)


def test_masks_that_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "m.png")
    for name in (tmp_path / "m.png", "/dev/zero", tmp_path):
        assert "expected a file" in refused(parse_region, f"mask({name})")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (7, "is not base64 text"),
        (None, "is not base64 text"),
        ("ü", "is not base64 text"),
        ("", "is an empty file"),
        ("A" * (140 << 20), "is larger than"),
        (base64.b64encode(grey_png(60_000)).decode(), "more than 256 MB"),
    ],
    ids=["number", "null", "letter", "empty", "large", "bomb"],
)
def test_embedded_files(content, says):
    assert says in refused(LinkSpec.from_json, spec(region="mask(m.png)", files={"m.png": content}))


ODD = [None, True, 1, -1, 1.5, "", "x", "\x1b", [], [1], [[1, 2, 3]], [["a", "b"]], {}, {"a": 1}, 10**100, [10**100, 1]]


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_any_json_in_any_place(value):
    whole = spec(files={})
    places = [(whole, key) for key in whole] + [(whole["links"][0], key) for key in whole["links"][0]]
    for holder, key in places:
        kept, holder[key] = holder[key], value
        data = copy.deepcopy(whole)
        holder[key] = kept
        message = ""
        try:
            LinkSpec.from_json(data)
        except LinkGANError as error:
            message = str(error)
        assert message.isprintable()
    with pytest.raises(LinkGANError):
        LinkSpec.from_json(value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[" * 10_000, "not valid JSON"),
        ("[1]", "must be a JSON object, not list"),
        ("{}", "has no 'link_spec'"),
        ('{"link_spec": [1]}', "'link_spec' must be of type dict"),
        ('{"link_spec": ' + "1" * 5000 + "}", "not valid JSON"),
        ('{"link_spec": "' + "x" * (20 << 20) + '"}', "expected at most 16777216"),
        ("[" + "1," * 300_000 + "1]", "more than 200000 values"),
    ],
    ids=lambda value: value[:16],
)
def test_links_beside_a_snapshot(tmp_path, text, says):
    (tmp_path / "net.links.json").write_text(text)
    message = refused(sidecar.read, tmp_path / "net.pkl")
    assert says in message
    assert message.endswith("; delete it, or give the links with --link")


def test_links_beside_a_snapshot_that_are_no_file(tmp_path):
    os.mkfifo(tmp_path / "net.links.json")
    assert "expected a file" in refused(sidecar.read, tmp_path / "net.pkl")
    (tmp_path / "net.links.json").unlink()
    (tmp_path / "net.links.json").write_text(json.dumps({"link_spec": spec()}))
    assert sidecar.read(tmp_path / "net.pkl") == spec()
