"""Reading documentation: its blocks of code, and its commands, checked against click without running them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from linkgan_plugin.cli import main

ROOT = Path(__file__).parents[1]
WRITTEN = (".safetensors",)  # files that the commands of a page write themselves, which are not there to be checked
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
NOT_RUN = re.compile(r"<!-- not run: (.+) -->")


@dataclass(frozen=True)
class Block:
    """One fenced block: its page, its language, its text, and why it is not run (None: it is)."""

    page: str
    line: int
    language: str
    text: str
    not_run: str | None

    @property
    def where(self) -> str:
        """Where the block is, for messages."""
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """Give the fenced blocks of a page, in order."""
    lines = page.read_text(encoding="utf-8").splitlines()
    start = None
    for number, line in enumerate(lines):
        if not line.startswith("```"):
            continue
        if start is None:
            start = number
            continue
        reason = NOT_RUN.fullmatch(lines[start - 1]) if start else None
        text = "\n".join(lines[start + 1 : number]) + "\n"
        name = str(page.relative_to(ROOT))
        yield Block(name, start + 1, lines[start].strip("`"), text, reason[1] if reason else None)
        start = None


def shell_lines(text: str) -> list[list[str]]:
    """Return the words of each command in a block, without comments and continued over backslashes."""
    joined = text.replace("\\\n", " ").splitlines()
    return [words for words in (shlex.split(line, comments=True) for line in joined) if words]


def linkgan_words(words: list[str]) -> list[str] | None:
    """Return the arguments of a `linkgan` command, however it is started; None for any other command."""
    if words[0] in ("linkgan", ".venv/bin/linkgan"):
        return words[1:]
    if "linkgan_plugin" in words and words[words.index("linkgan_plugin") - 1] == "-m":
        return words[words.index("linkgan_plugin") + 1 :]
    return None


def find(words: list[str]) -> tuple[click.Command, click.Context, list[str]]:
    """Return the command that words name, its context and the words after its name.

    Raises:
        AssertionError: there is no such command.
    """
    command: click.Command = main
    ctx, rest = click.Context(main, info_name="linkgan"), list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        child = command.get_command(ctx, name)
        assert child is not None, f"there is no command {shlex.join(['linkgan', *words[:2]])}"
        command, ctx = child, click.Context(child, info_name=name, parent=ctx)
    return command, ctx, rest


def check(words: list[str]) -> None:
    """Parse the arguments of a `linkgan` command as click does, opening no file and running nothing.

    Raises:
        click.UsageError: an option that does not exist, or a value that it does not take.
        AssertionError: no such command, or something that it requires is missing.
    """
    command, ctx, rest = find(words)
    values, extra, _ = command.make_parser(ctx).parse_args(args=rest)
    assert not extra, f"{words}: unexpected {extra}"
    if any(parameter.is_eager and values.get(parameter.name or "") for parameter in command.params):
        return  # such as --list, with which nothing else is required
    for parameter in command.params:
        given = values.get(parameter.name or "")
        if not isinstance(given, str | list | tuple) or not given:
            assert not parameter.required, f"{words} lacks {parameter.opts[-1]}"
            continue
        if parameter.name == "args":
            check_link_flags([word for word in given if word != "--"])
        elif not isinstance(parameter.type, click.Path):
            for value in [given] if isinstance(given, str) else given:
                if not str(value).endswith(WRITTEN):
                    parameter.type.convert(value, parameter, ctx)


def check_link_flags(words: list[str]) -> None:
    """Check those of a host's arguments that are ours: --loss and the link flags, as `linkgan train` has them."""
    train = main.get_command(click.Context(main), "train")
    assert train is not None
    ours = []
    for number, word in enumerate(words):
        if word.startswith(("--loss", "--link")):
            ours += [word] if "=" in word else words[number : number + 2]
    train.make_parser(click.Context(train)).parse_args(args=ours)
