"""Insertions in memory: modules run with our lines, and tracebacks still show the file as it is."""

from __future__ import annotations

import inspect
import sys
import traceback
from pathlib import Path

import pytest

from linkgan_plugin.hosts import importing

DISK = '"""A module."""\nimport os\n\n\ndef fail(x):\n    y = x\n    raise ValueError(y)\n'
INSERTED = (
    '"""A module."""\nimport os\nmark = "inserted"\n\n\ndef fail(x):\n    y = x\n    y += 1\n    raise ValueError(y)\n'
)


@pytest.fixture
def module(tmp_path, monkeypatch):
    path = tmp_path / "hosted_module.py"
    path.write_text(DISK)
    monkeypatch.syspath_prepend(tmp_path)
    finders = list(sys.meta_path)
    importing.install({path: INSERTED})
    yield __import__("hosted_module")
    sys.meta_path[:] = finders
    sys.modules.pop("hosted_module")


def test_the_inserted_lines_run_and_the_file_stays(module):
    assert module.mark == "inserted"
    assert Path(module.__file__).read_text() == DISK
    with pytest.raises(ValueError, match="42"):
        module.fail(41)


def test_tracebacks_show_the_line_on_disk(module):
    try:
        module.fail(1)
    except ValueError as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
    assert (last.lineno, last.line) == (7, "raise ValueError(y)")


def test_the_source_of_a_function_is_the_one_on_disk(module):
    assert inspect.getsource(module.fail) == DISK[DISK.index("def fail") :]


def test_other_modules_are_left_to_python(tmp_path, monkeypatch):
    (tmp_path / "plain_module.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    finder = importing.InsertingFinder({(tmp_path / "other.py").resolve(): "value = 2\n"})
    assert finder.find_spec("plain_module", None) is None


def test_future_statements_of_ours_do_not_reach_the_host(tmp_path):
    path = tmp_path / "annotated.py"
    path.write_text("def f(x: int): pass\n")
    scope = {}
    exec(importing.compiled(path.read_text(), str(path)), scope)
    assert scope["f"].__annotations__ == {"x": int}


def test_a_byte_order_mark_does_no_harm(tmp_path):
    path = tmp_path / "marked.py"
    path.write_text("value = 1\n", encoding="utf-8-sig")
    scope = {}
    exec(importing.compiled("\ufeffvalue = 1\nmore = 2\n", str(path)), scope)
    assert scope["more"] == 2
