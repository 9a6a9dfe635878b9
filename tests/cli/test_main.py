"""The `linkgan` group: quick and lazy help, and errors in one line."""

from __future__ import annotations

import json
import re

import click
import pytest
from click.testing import CliRunner

from linkgan_plugin import cli
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.hosts import launch
from linkgan_plugin.version import __version__
from training_loops.errors import OptionError


@pytest.fixture
def failing(monkeypatch):
    """Add a command that raises what it is given to the group."""

    def add(error: Exception) -> None:
        @click.command()
        def command() -> None:
            raise error

        monkeypatch.setattr(cli, "failing", command, raising=False)
        real = cli.importlib.import_module
        monkeypatch.setattr(
            cli.importlib, "import_module", lambda name: cli if name.endswith("failing") else real(name)
        )
        monkeypatch.setitem(cli.main.table, "failing", cli.Target("failing", "failing", "Fails."))

    return add


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["plugins"], ["regions", "--help"]])
def test_help_and_listing_import_neither_torch_nor_numpy(args, run_python):
    code = (
        "import sys, json\nfrom linkgan_plugin.cli import main\n"
        f"try: main({args!r})\nexcept SystemExit as exit: code = exit.code\n"
        "heavy = sorted({m.partition('.')[0] for m in sys.modules} & {'torch', 'numpy', 'PIL', 'scipy'})\n"
        "print(json.dumps([code, heavy]))"
    )
    assert json.loads(run_python("-c", code).stdout.splitlines()[-1]) == [0, []]


def test_help_lists_every_command_and_runnable_examples():
    text = CliRunner().invoke(cli.main, ["--help"]).output
    for name, target in cli.COMMANDS.items():
        assert f"  {name} " in text
        assert target.summary in " ".join(text.split())
    examples = [line.split() for line in text.splitlines() if line.startswith("    linkgan ")]
    assert len(examples) >= 5
    assert {words[1] for words in examples} <= set(cli.COMMANDS)


def test_help_lists_commands_under_their_headings():
    lines = CliRunner().invoke(cli.main, ["--help"]).output.splitlines()
    headings = [lines.index(f"{heading}:") for heading in (cli.TRAIN, cli.USE, cli.MEASURE, cli.HOSTS)]
    assert headings == sorted(headings)
    below_use = [line.split()[0] for line in lines[headings[1] + 1 : headings[2]] if line.startswith("  ")]
    assert below_use == ["directions", "project", "encoder", "edit", "ui"]


def walk(command, path=()):
    """Yield the path and help text of a command and all its subcommands."""
    yield path, CliRunner().invoke(cli.main, [*path, "--help"]).output
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            yield from walk(command.get_command(click.Context(command), name), (*path, name))


def test_the_help_of_every_command_and_subcommand_has_an_example():
    lacking = [" ".join(path) for path, text in walk(cli.main) if not re.search(r"(?m)^ +(linkgan|torchrun) ", text)]
    assert lacking == []


def test_version():
    assert CliRunner().invoke(cli.main, ["--version"]).output == f"linkgan, version {__version__}\n"


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_every_command_of_the_table_has_help_with_examples(name):
    result = CliRunner().invoke(cli.main, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage: " in result.output


def test_an_unknown_command_lists_the_right_ones_and_the_nearest():
    result = CliRunner().invoke(cli.main, ["metric"])
    assert result.exit_code == 2
    assert f"no command 'metric'; known: {', '.join(sorted(cli.COMMANDS))} " in result.output
    assert "(did you mean 'metrics'?)" in result.output


def test_a_command_that_is_not_there_breaks_no_other(monkeypatch):
    monkeypatch.setitem(cli.main.table, "ghost", cli.Target("ghost", "ghost", "Is not there."))
    assert "Is not there." in CliRunner().invoke(cli.main, ["--help"]).output
    result = CliRunner().invoke(cli.main, ["ghost"])
    assert result.exit_code == 2
    assert result.output == f"Error: 'ghost' is not part of this installation of linkgan_plugin {__version__}\n"


@pytest.mark.parametrize("error", [LinkGANError("bad link"), OptionError("bad link")])
def test_a_mistake_of_the_user_is_one_line(failing, error):
    failing(error)
    result = CliRunner().invoke(cli.main, ["failing"])
    assert (result.exit_code, result.output) == (2, "Error: bad link\n")


def test_a_file_that_cannot_be_written_is_one_line(failing):
    failing(PermissionError(13, "Permission denied", "/etc/x.png"))
    result = CliRunner().invoke(cli.main, ["failing"])
    assert (result.exit_code, result.output) == (2, "Error: [Errno 13] Permission denied: '/etc/x.png'\n")


def test_what_a_hosts_script_cannot_open_is_the_hosts_to_tell(monkeypatch):
    error = FileNotFoundError(2, "No such file or directory", "network.pkl")

    def run(session, args):
        raise error

    monkeypatch.setattr(launch, "make_session", lambda *args, **kwargs: None)
    monkeypatch.setattr(launch, "run", run)
    assert CliRunner().invoke(cli.main, ["run", "generate.py"]).exception is error


@pytest.mark.parametrize("error", [ValueError("a bug"), OSError("a bug, of no file")])
def test_a_fault_of_ours_keeps_its_traceback(failing, error):
    failing(error)
    result = CliRunner().invoke(cli.main, ["failing"])
    assert result.exception is error
    assert result.output == ""
