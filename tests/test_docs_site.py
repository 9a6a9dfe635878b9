"""The site: its reference of commands and of Python, and that it works without a network."""

from __future__ import annotations

import importlib.util

import click
import pytest

from linkgan_plugin.cli import main
from tests.doc_blocks import ROOT


def test_the_site_asks_no_other_server_for_anything() -> None:
    yaml = pytest.importorskip("yaml")
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    assert config["theme"]["font"] is False
    assert "analytics" not in config["extra"]
    scripts = [*config["extra"]["polyfills"], *config["extra_css"], *config.get("extra_javascript", [])]
    assert [name for name in scripts if not (ROOT / "docs" / name).is_file()] == []
    assert any("iframe-worker" in name for name in scripts)  # else the offline plugin names one of another server


def test_the_reference_has_every_command() -> None:
    spec = importlib.util.spec_from_file_location("command_reference", ROOT / "docs" / "command_reference.py")
    assert spec is not None
    assert spec.loader is not None
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    page = hook.on_page_markdown((ROOT / "docs" / "commands.md").read_text())
    for name in main.list_commands(click.Context(main)):
        assert f"\n## linkgan {name}\n" in page
    assert "\n### linkgan regions preview\n" in page
    assert "| `--region TEXT` |" in page
    assert "`\b" not in page
    assert hook.on_page_markdown("a page without it") == "a page without it"


def test_the_reference_reads_sections_without_empty_lines_between_them() -> None:
    griffe = pytest.importorskip("griffe")
    code = '''def f(a: int, b: int) -> int:
    """Add.

    Args:
        a: one number.
        b: another.
    Returns:
        The sum.
    """
'''
    extensions = griffe.load_extensions(ROOT / "docs" / "docstring_sections.py")
    with griffe.temporary_visited_package("sums", {"__init__.py": code}, extensions=extensions) as package:
        sections = package["f"].docstring.parse("google", warnings=False)
    assert [section.kind.value for section in sections] == ["text", "parameters", "returns"]
    assert [(entry.name, entry.description) for entry in sections[1].value] == [("a", "one number."), ("b", "another.")]
