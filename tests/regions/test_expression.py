"""Reading region expressions: quoting, plugin kinds, and errors that show where."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkgan_plugin import registry
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.links import parse_region
from tests.regions.shapes import regions


@settings(max_examples=60, deadline=None)
@given(regions())
def test_the_canonical_expression_reads_back_as_the_same_region(region):
    files = region.files()
    again = parse_region(str(region), files.__getitem__)
    assert again == region
    assert str(again) == str(region)
    assert again.files() == files


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="box(),.01+&eyes'\" mask", max_size=30))
def test_no_text_gives_anything_but_a_region_or_a_clear_error(text):
    def refuse(name: str) -> bytes:
        raise LinkGANError(f"no file {name}")

    with contextlib.suppress(LinkGANError):
        assert str(parse_region(text, refuse))


@pytest.mark.parametrize(
    ("argument", "name"),
    [
        ("a.png", "a.png"),
        (" a b.png ", "a b.png"),
        ('"a, b.png"', "a, b.png"),
        ("'it is (1).png'", "it is (1).png"),
        ('"say ""hi"".png"', 'say "hi".png'),
        ("dir/a (1).png", "dir/a (1).png"),
        ("C:\\faces\\a.png", "C:\\faces\\a.png"),
    ],
)
def test_file_names_may_hold_spaces_commas_parentheses_and_quotes(argument, name):
    asked = []

    def read(file: str) -> bytes:
        asked.append(file)
        raise LinkGANError("stop")

    with pytest.raises(LinkGANError, match="stop"):
        parse_region(f"mask({argument})", read)
    assert asked == [name]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a region such as box(0.25,0.35,0.75,0.5) or eyes at <here>: <here>"),
        ("box(0,0,1", "expected ',' or ')' at <here>: box(0,0,1<here>"),
        ("box(0,,1,1)", "expected an argument at <here>: box(0,<here>,1,1)"),
        ("eyes mouth", "expected '+', '&' or the end at <here>: eyes <here>mouth"),
        ("eyes+", "expected a region such as box(0.25,0.35,0.75,0.5) or eyes at <here>: eyes+<here>"),
        ("(eyes+mouth", "expected ')' at <here>: (eyes+mouth<here>"),
        ("eyes)", "expected '+', '&' or the end at <here>: eyes<here>)"),
        ('mask("a.png)', 'expected a closing " for the quote that starts at <here>: mask(<here>"a.png)'),
        ("bxo(0,0,1,1)", "no plugin 'bxo' among the regions; known: box, "),
        ("bxo(0,0,1,1)", "(did you mean 'box'?)"),
        ("eyse", "unknown region 'eyse'; presets known: chin, eyebrows, eyes, "),
        ("eyse", "(did you mean 'eyes'?); kinds: box(...), "),
        ("box", "region kind 'box' needs arguments; write box(...)"),
        ("eyes(1)", "'eyes' is a preset and takes no arguments; write eyes"),
        ("box(0,0,1)", "box takes 4 numbers, not 3; write box(x0,y0,x1,y1)"),
        ("box(0,0,one,1)", "'one' is not a number; write box(x0,y0,x1,y1)"),
        ("box(0,0,nan,1)", "'nan' is not a number"),
        ("box(0.5,0,0.5,1)", "box(0.5,0,0.5,1) is empty; write box(x0,y0,x1,y1) with x0 < x1"),
        ("box(0,0,1.5,1)", "1.5 is outside the image: coordinates are fractions"),
        ("box(8,8,24,24)", "8 is outside the image"),
        ("box(8,8,24,24)", "these look like pixels: divide x by the width and y by the height"),
        ("box(-0.1,0,1,1)", "-0.1 is outside the image"),
        ("polygon(0,0,1,1)", "polygon takes 6 or more numbers, alternating x and y, not 4"),
        ("polygon(0,0,1,1,1,0,0)", "polygon takes 6 or more numbers, alternating x and y, not 7"),
        ("polygon(0,0,.5,.5,1,1)", "polygon(0,0,0.5,0.5,1,1) is empty: its corners lie on one line"),
        ("polygon(0,0,1,1,1,0,0,1)", "crosses itself: the sides after corners 1 and 3 meet; give the corners in order"),
        ("polygon(0,0,64,64,0,64)", "these look like pixels"),
        ("(" * 5000 + "eyes", "more than 50 parentheses within each other: (((("),
    ],
)
def test_errors_say_what_was_given_and_what_was_expected(text, message):
    with pytest.raises(LinkGANError) as error:
        parse_region(text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(LinkGANError, match=r"the file 'nowhere\.png': cannot be read \(No such file"):
        parse_region("mask(nowhere.png)")


class Failing:
    """A region kind with a fault of its own."""

    @staticmethod
    def parse(args, read):
        raise KeyError("radius")


class NotARegion:
    """A region kind that returns something else."""

    @staticmethod
    def parse(args, read):
        return 3


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Failing, r"region kind 'box' failed on \['1', '2'\]: KeyError: 'radius'"),
        (NotARegion, "region kind 'box' returned int, not a Region"),
    ],
)
def test_a_faulty_plugin_is_named(kind, message, monkeypatch):
    monkeypatch.setattr(registry, "load", lambda group, name: kind)
    with pytest.raises(LinkGANError, match=message):
        parse_region("box(1,2)")
