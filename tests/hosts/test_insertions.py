"""Insertions: blocks go in by anchors, come out byte for byte, and refuse where they would do harm."""

from __future__ import annotations

import ast
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.hosts.blocks import place, readable
from linkgan_plugin.hosts.insertions import (
    Insertion,
    encode,
    families,
    host_root,
    insert,
    plan,
    recognize,
    split,
    strip,
)
from tests.hosts.trees import make_tree

FAMILIES = ("eg3d", "r3gan", "stylegan2-ada-pytorch", "stylegan3")


def insertion(anchor, *lines, place="after", name="thing", optional=False, group="link"):
    return Insertion(name, "a.py", anchor, place, lines or ("ours()",), group, optional, "why")


AFTER = insertion(r"^\s*here\((?P<what>\w*)", "ours({what!s})", "  more()")
BEFORE = insertion(r"^\s*here\(", place="before", name="other")

LINE = st.text(st.characters(exclude_characters="\n", exclude_categories=()), max_size=12) | st.sampled_from(
    ["", "\t", "x\r", "\r", "# linkgan_plugin", "é\u2028ü\x0c", "(", "'''", "\\"]
)
ENDS = st.sampled_from(["\n", "\r\n"])


@st.composite
def texts(draw):
    """Any text with the one line `here(...)`, with either kind of line end, with and without BOM and last line end."""
    lines = draw(st.lists(LINE, max_size=4))
    anchor = draw(st.sampled_from(["", " ", "\t", "    "])) + draw(st.sampled_from(["here(x)", "here(x, é)", "here("]))
    lines.insert(draw(st.integers(0, len(lines))), anchor)
    end = draw(ENDS)
    return draw(st.sampled_from(["", "\ufeff"])) + end.join(lines) + draw(st.sampled_from(["", end]))


@given(texts(), st.sampled_from([[AFTER], [BEFORE], [AFTER, BEFORE], [BEFORE, AFTER]]))
def test_what_goes_in_comes_out_without_a_trace(text, insertions):
    patched = insert(text, insertions)
    assert "ours(" in patched
    assert strip(patched) == text
    assert insert(patched, insertions) == patched
    assert split(patched)[1] == sorted(place(text, insertions, "a.py"), key=lambda block: block.at)


@given(st.text(st.characters(exclude_categories=()), max_size=30))
def test_a_text_without_blocks_stays_as_it_is(text):
    assert strip(text) == text == insert(text, [])


def test_blocks_take_the_indentation_the_line_ends_and_the_captured_names_of_their_anchor():
    patched = insert("\ufeffif x:\r\n\there(name)\r\nend", [AFTER, BEFORE])
    assert [line.rsplit(" ", 1)[0] if ">>>" in line else line for line in patched.split("\r\n")] == [
        "\ufeffif x:",
        "\t# >>> linkgan_plugin: other",
        "\tours()",
        "\t# <<< linkgan_plugin: other",
        "\there(name)",
        "\t# >>> linkgan_plugin: thing",
        "\tours(name)",
        "\t  more()",
        "\t# <<< linkgan_plugin: thing",
        "end",
    ]


def test_blocks_at_one_place_keep_their_order():
    two = [insertion("^here", name="first"), insertion("^here", name="second")]
    patched = insert("here\n", two)
    assert [block.name for block in split(patched)[1]] == ["first", "second"]


def test_after_means_after_the_whole_statement():
    patched = insert("here(x,\n     (1,\n      2))\nnext()\n", [AFTER])
    assert patched.index("2))") < patched.index("# >>>") < patched.index("next()")
    ast.parse(insert("@here(\n    a=1)\ndef f(): pass\n", [insertion(r"^@here\(", "@ours")]))


def test_comments_are_no_anchors():
    patched = insert("# here(old)\nhere(new)\n", [insertion(r"here\((?P<what>\w+)", "ours({what})")])
    assert "ours(new)" in patched


def test_another_versions_lines_are_replaced():
    old = insert("here(x)\n", [insertion("^here", "older()"), insertion("^here", name="gone")])
    assert insert(old, [AFTER]) == insert("here(x)\n", [AFTER])


@pytest.mark.parametrize("change", [("ours(", "mine("), ("  more()", "  more()\n  yet_more()"), ("  more()\n", "")])
def test_lines_edited_between_the_marks_are_not_thrown_away(change):
    patched = insert("here(x)\n", [AFTER]).replace(*change)
    for action in (strip, lambda text, file: insert(text, [AFTER], file)):
        with pytest.raises(LinkGANError, match=r"^b\.py: the lines between the marks of 'thing' were edited; .*delete"):
            action(patched, "b.py")


def test_an_unindented_line_between_the_marks_is_an_edit():
    patched = insert("    here(x)\n", [insertion("here")])
    with pytest.raises(LinkGANError, match="were edited"):
        strip(patched.replace("    ours()", "ours()"))


def test_a_block_moved_and_indented_as_a_whole_still_comes_out():
    patched = insert("here(x)\n", [AFTER])
    moved = "if 1:\n" + "".join(f"    {line}\n" for line in patched.splitlines())
    assert strip(moved) == "if 1:\n    here(x)\n"


@pytest.mark.parametrize(
    ("mark", "reason"),
    [
        ("# <<< linkgan_plugin: thing", "is not followed by '# <<< linkgan_plugin: thing'"),
        ("# >>> linkgan_plugin: thing", "opens no block"),
    ],
)
def test_a_mark_without_its_partner_is_refused(mark, reason):
    lines = insert("here(x)\n", [AFTER]).splitlines(keepends=True)
    broken = "".join(line for line in lines if not line.startswith(mark))
    with pytest.raises(LinkGANError, match=rf"^b\.py, line \d: the mark '# ... linkgan_plugin: thing.*' {reason}"):
        strip(broken, "b.py")


def test_damaged_and_nested_marks_are_refused():
    patched = insert("here(x)\n", [AFTER])
    with pytest.raises(LinkGANError, match="is damaged"):
        strip(patched.replace("linkgan_plugin: thing ", "linkgan_plugin: thing x"))
    with pytest.raises(LinkGANError, match=r"line 2: the mark .* is not followed by"):
        strip(patched.replace("ours(x)\n", patched.split("\n", 1)[1]))


def test_an_anchor_is_exactly_one_line():
    with pytest.raises(LinkGANError, match=r"^a\.py has no line like 'here': the lines of 'thing' cannot be inserted$"):
        insert("there()\n", [insertion("^here")])
    with pytest.raises(LinkGANError, match=r"a\.py has 2 lines like 'here' \(lines 1, 3\), expected one"):
        insert("here\n\nhere\n", [insertion("^here")])


def test_optional_links_go_in_together_and_fixes_each_for_itself():
    def optional(name, group):
        return insertion(f"^{name}", f"ours_{name}()", name=name, optional=True, group=group)

    two = [optional("one", "link"), optional("two", "link"), optional("three", "compat"), optional("four", "compat")]
    assert [block.name for block in split(insert("one\ntwo\nthree\n", two))[1]] == ["one", "two", "three"]
    assert [block.name for block in split(insert("one\nthree\n", two))[1]] == ["three"]


@pytest.mark.parametrize(
    ("anchor", "text"),
    [
        (r"launch\(c=(?P<options>\w+)", "launch(c=...)"),
        (r"^from \.util import", "from .util import"),
        (r"^@click\.command\(", "@click.command(...)"),
    ],
)
def test_messages_show_anchors_as_people_write_them(anchor, text):
    assert readable(anchor) == text


# Whole trees and the data.


@pytest.mark.parametrize("family", FAMILIES)
def test_a_host_is_recognized_patched_or_not_and_gets_the_same_texts(family, tmp_path):
    root = make_tree(tmp_path / "repository" / "host", family)
    assert recognize(root).name == family == recognize(root.parent).name
    texts = plan(root, {"link", "compat", "smoke"})
    names = {block.name for text in texts.values() for block in split(text)[1]}
    assert names == {insertion.name for insertion in recognize(root).insertions}
    for path, text in texts.items():
        assert path.is_absolute()
        assert text != path.read_bytes().decode()
        ast.parse(encode(text))
        path.write_bytes(encode(text))
    assert plan(root, {"link", "compat", "smoke"}) == texts
    without = plan(root, {"link"})
    assert "linkgan_compat" not in "".join(without.values())
    assert without.keys() == texts.keys()


def test_files_without_insertions_are_not_in_the_plan(tmp_path):
    root = make_tree(tmp_path, "stylegan3")
    (root / "calc_metrics.py").unlink()
    assert {path.name for path in plan(root, {"link"})} == {"train.py", "metric_main.py", "training_loop.py"}
    assert plan(root, set()) == {}


def test_bytes_that_are_no_utf8_survive(tmp_path):
    root = make_tree(tmp_path, "stylegan3")
    path = root / "metrics" / "metric_main.py"
    path.write_bytes(b"# -*- coding: latin-1 -*-\n# caf\xe9\n" + path.read_bytes())
    assert b"caf\xe9\n" in encode(plan(root, {"link"})[path.resolve()])


def test_an_unknown_tree_hears_what_the_closest_family_misses(tmp_path):
    root = make_tree(tmp_path, "stylegan3")
    train = root / "train.py"
    train.write_text(train.read_text().replace("launch_training", "go"))
    message = (
        r"not a known host; the closest is stylegan3, but train\.py has no line like 'launch_training\(c=\.\.\.\)'$"
    )
    with pytest.raises(LinkGANError, match=message):
        recognize(root)
    (root / "training" / "training_loop.py").unlink()
    with pytest.raises(LinkGANError, match=r"but it has no training/training_loop\.py; train\.py has no line"):
        plan(root, {"link"})


def test_a_host_is_its_folder_the_one_above_or_its_script(tmp_path):
    root = make_tree(tmp_path / "eg3d", "eg3d")
    assert host_root(root) == host_root(tmp_path) == host_root(root / "calc_metrics.py") == root.resolve()
    with pytest.raises(LinkGANError, match=r"metrics has no train\.py; give the folder of a host"):
        host_root(root / "metrics")
    make_tree(tmp_path / "other", "stylegan3")
    with pytest.raises(LinkGANError, match=r"several subfolders have one \(eg3d, other\); give one of them"):
        host_root(tmp_path)
    with pytest.raises(LinkGANError, match="no folder"):
        host_root(tmp_path / "none")


def test_lines_that_would_break_a_file_are_refused(tmp_path):
    root = make_tree(tmp_path, "stylegan3")
    train = root / "train.py"
    train.write_text(train.read_text().replace("launch_training(c=c)", "print(\n        launch_training(c=c))"))
    with pytest.raises(LinkGANError, match=r"^train\.py: the inserted lines would not be valid Python"):
        plan(root, {"link"})


def test_the_data_says_why_and_never_leaves_the_package_names():
    found = families()
    assert [family.name for family in found] == list(FAMILIES)
    for insertion in (insertion for family in found for insertion in family.insertions):
        assert insertion.why.endswith(".")
        assert any("linkgan" in line for line in insertion.lines)
        assert insertion.optional or insertion.group == "link"


ITEM = {"file": "a.py", "name": "n", "group": "link", "after": "^a(?P<x>.)", "lines": ["f({x})"], "why": "W."}
DATA = {"name": "f", "why": "W.", "has": ["a.py"], "insertions": [ITEM]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"group": "lnk"}, r"insertions\[0\]: group is 'lnk'; known: compat, link, smoke"),
        ({"lines": "f()"}, r"insertions\[0\]: 'lines' must be of type list, not 'f\(\)'"),
        ({"lines": ["f({y})"]}, r"insertions\[0\]: lines use 'y', which the anchor does not capture; known: x"),
        ({"after": "("}, r"insertions\[0\]: after or lines is invalid"),
        ({"before": "^b"}, r"insertions\[0\]: 2 of the fields before and after"),
        ({"why": None}, r"insertions\[0\]: 'why' must be of type str, not None"),
        ({"name": "a b"}, r"insertions\[0\]: name is 'a b'; expected letters"),
        ({"optional": "yes"}, r"insertions\[0\]: 'optional' must be of type bool, not 'yes'"),
        ({"anchor": "^a"}, r"insertions\[0\] has an unknown field 'anchor'"),
    ],
)
def test_malformed_insertions_name_the_file_and_the_field(change, message, tmp_path):
    data = {**DATA, "insertions": [{**ITEM, **change}]}
    (tmp_path / "f.json").write_text(json.dumps(data))
    with pytest.raises(LinkGANError, match=rf"^f\.json: {message}"):
        families(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"f\.json: not valid JSON"),
        ("[]", r"f\.json: holds a list, expected a JSON object"),
        (json.dumps({**DATA, "like": "g"}), r"f\.json: like is 'g'; none are known"),
        (json.dumps({**DATA, "has": []}), r"f\.json: has is \[\]; expected lines of text"),
        (json.dumps({**DATA, "insertions": [1]}), r"f\.json: insertions\[0\] must be a JSON object, not int: 1"),
        (json.dumps({**DATA, "insertions": None}), r"f\.json: 'insertions' must be of type list, not None"),
        (
            json.dumps({**DATA, "insertions": [ITEM, ITEM]}),
            r"f\.json: insertions contains the name 'n' twice for a\.py",
        ),
    ],
)
def test_malformed_families_name_the_file_and_the_field(text, message, tmp_path):
    (tmp_path / "f.json").write_text(text)
    with pytest.raises(LinkGANError, match=message):
        families(tmp_path)
