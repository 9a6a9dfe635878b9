"""A hook of mkdocs: writes the reference of all commands, from click's own help, into commands.md."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import click

from linkgan_plugin.cli import main

MARKER = "<!-- command reference -->"


def on_page_markdown(markdown: str, **context: Any) -> str:
    """Replace the marker in a page by the reference."""
    if MARKER not in markdown:
        return markdown
    return markdown.replace(MARKER, "\n".join(command_lines(main, click.Context(main, info_name="linkgan"))))


def command_lines(command: click.Command, ctx: click.Context) -> Iterator[str]:
    """Give the Markdown lines of a command and of those below it."""
    if ctx.parent is not None:
        level = len(ctx.command_path.split())
        yield f"{'#' * level} {ctx.command_path}\n"
    yield from help_lines(command.help)
    yield f"```text\n{ctx.command_path} {' '.join(command.collect_usage_pieces(ctx))}\n```\n"
    yield from option_lines(command, ctx)
    yield from help_lines(command.epilog)
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            child = command.get_command(ctx, name)
            if child is not None and not child.hidden:
                yield from command_lines(child, click.Context(child, info_name=name, parent=ctx))


def help_lines(text: str | None) -> Iterator[str]:
    """Give help as Markdown: paragraphs as they are, those that click must not wrap (``\\b``) as they look."""
    for paragraph in inspect.cleandoc(text or "").split("\n\n"):
        lines = paragraph.strip("\n").splitlines()
        if lines[:1] == ["\b"]:
            yield from verbatim(lines[1:])
        elif lines:
            yield f"{escaped(' '.join(lines))}\n"


def verbatim(lines: list[str]) -> Iterator[str]:
    """Give lines as a block; a first line that ends in a colon becomes the sentence above it."""
    title, rest = (lines[0], lines[1:]) if lines[0].endswith(":") else ("", lines)
    yield f"{escaped(title)}\n"
    yield "```text\n" + inspect.cleandoc("\n" + "\n".join(line.replace("\b", "") for line in rest)) + "\n```\n"


def option_lines(command: click.Command, ctx: click.Context) -> Iterator[str]:
    """Give a table of the options that --help shows."""
    options = [parameter for parameter in command.get_params(ctx) if isinstance(parameter, click.Option)]
    records = [option.get_help_record(ctx) for option in options]
    rows = [(names, text) for names, text in filter(None, records) if "--help" not in names]
    if rows:
        yield "| option | |\n|---|---|"
        for names, text in rows:
            yield f"| `{names}` | {escaped(text)} |"
        yield ""


def escaped(text: str) -> str:
    """Return plain text for Markdown, outside code."""
    for mark in ("\\", "*", "_", "<", "|", "["):
        text = text.replace(mark, "\\" + mark)
    return text
