"""What the user has named in a command: who may look it up, under which names, and who is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.flags import segmenter_option, trust_option
from linkgan_plugin.segmentation import named


def test_a_network_is_found_by_the_whole_source_or_its_last_component(tmp_path):
    assert named.path_of("parts.pt") is None
    named.name("parts.pt", tmp_path / "a")
    for source in ("parts.pt", "/elsewhere/parts.pt", "runs/parts.pt", r"C:\runs\parts.pt"):
        assert named.path_of(source) == tmp_path / "a"
    named.name("runs/parts.pt", tmp_path / "b")
    assert named.path_of("runs/parts.pt") == tmp_path / "b"
    assert named.path_of("other.pt") is None
    assert named.path_of("parts.pt/") == tmp_path / "a"


def test_what_was_named_later_stays_when_a_run_tells_its_own(tmp_path):
    named.name("parts.pt", tmp_path / "recorded")
    recorded = named.chosen(["parts.pt", "unknown"])
    assert recorded == {"networks": {"parts.pt": str(tmp_path / "recorded")}, "trusted": []}
    named.forget()
    assert named.chosen(["parts.pt"]) == {}
    named.add(recorded)
    assert named.path_of("parts.pt") == tmp_path / "recorded"
    named.name("parts.pt", tmp_path / "typed")
    named.add(recorded)
    assert named.path_of("parts.pt") == tmp_path / "typed"


def test_children_know_it(tmp_path):
    named.name("parts.pt", tmp_path)
    named.trust(tmp_path / "x.pt")
    text = "from linkgan_plugin.segmentation import named; print(named.path_of('parts.pt'), *named.arguments()[2:])"
    found = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True).stdout.split()
    assert found == [str(tmp_path), "--trust-network", str(tmp_path / "x.pt")]


def test_a_link_to_a_trusted_file_is_no_other_file(tmp_path):
    (tmp_path / "x.pt").touch()
    (tmp_path / "y.pt").symlink_to(tmp_path / "x.pt")
    named.trust(tmp_path / "y.pt")
    assert named.is_trusted(tmp_path / "x.pt")
    with pytest.raises(
        LinkGANError, match=r"z\.pt is TorchScript .* way out, or, if you trust .*--trust-network .*z\.pt"
    ):
        named.check_trusted(tmp_path / "z.pt", "way out")


@click.command()
@segmenter_option
@trust_option
def command() -> None:
    click.echo(" ".join(named.arguments()))


def test_options_name_and_trust(tmp_path):
    (tmp_path / "a=b.pt").touch()
    path = tmp_path / "a=b.pt"
    result = CliRunner().invoke(command, ["--segmenter", f"c=d={path}", "--trust-network", str(path)])
    assert result.output.split() == ["--segmenter", f"c=d={path}", "--trust-network", str(path)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--segmenter", "parts.pt"], "expected NAME=FILE"),
        (["--segmenter", "=x"], "expected NAME=FILE"),
        (["--segmenter", "parts.pt=absent.pt"], "there is no file or folder 'absent.pt'"),
        (["--trust-network", "absent.pt"], "'absent.pt' does not exist"),
    ],
)
def test_what_is_not_there_is_refused(arguments, message):
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


COMMANDS = ["metrics", "edit", "ui", "train", "regions preview", "bench metrics", "bench overhead", "bench recipes"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_that_draws_masks_takes_both_options(name):
    from linkgan_plugin.cli import main

    text = " ".join(CliRunner().invoke(main, [*name.split(), "--help"], terminal_width=200).output.split())
    assert "--segmenter NAME=FILE" in text
    assert "PyTorch's loader runs code in it with your rights" in text


def test_hosts_commands_take_them_too(tmp_path):
    from linkgan_plugin.hosts import hooks

    for decorate in (hooks.train_options, hooks.metric_options):

        @click.command()
        @decorate
        def host() -> None:
            click.echo(named.path_of("parts.pt"))

        path = tmp_path / "x.pt"
        path.touch()
        assert CliRunner().invoke(host, ["--segmenter", f"parts.pt={path}"]).output == f"{Path(path)}\n"
