"""What the README shows works: its plugin, its Python lines, and every flag of its commands."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest

from linkgan_plugin.links import LinkSpec

README = (Path(__file__).parents[2] / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
COMMANDS = [
    line.split("#")[0].strip().removeprefix(".venv/bin/")
    for kind, block in BLOCKS
    if kind == "bash"
    for line in block.splitlines()
    if "linkgan " in line.split("#")[0]
]


def block(kind: str, containing: str) -> str:
    (found,) = [text for name, text in BLOCKS if name == kind and containing in text]
    return found


def test_the_plugin_works_as_printed(fake_distribution):
    entry_points = block("toml", "linkgan-stripes").split("[project.entry-points.")[1].replace('"', "")
    site = fake_distribution("linkgan-stripes", "1.0", "[" + entry_points.replace(" = ", "="))
    code = block("python", "class Stripes")
    (site / "stripes.py").write_text(code)
    importlib.invalidate_caches()
    region = LinkSpec.parse(["bars=8@stripes(3)"], dim=64).links[0].region
    assert region.coverage(6, 2)[:, 0].tolist() == [1, 0, 1, 0, 1, 0]
    assert len(code.splitlines()) <= 24


def test_the_python_lines_run(linked_snapshot):
    code = block("python", "LinkedGenerator(")
    code = re.sub(r'load_network\(".*?"\)', f'load_network("{linked_snapshot}")', code)
    names: dict = {}
    exec(compile(code, "README.md", "exec"), names)
    faces, blink = names["faces"], names["blink"]
    assert not faces.images.equal(blink.images)
    assert names["halfway"].images.shape == faces.images.shape


@pytest.mark.parametrize("line", COMMANDS)
def test_every_flag_of_every_command_exists(line, cli):
    words = shlex.split(line)[1:]
    own = words[: words.index("--")] if "--" in words else words
    names = [word for word in own[:2] if re.fullmatch(r"[a-z]+[a-z0-9]*", word)]
    if names[:1] not in (["regions"], ["segment"], ["data"], ["patch"], ["bench"]):
        names = names[:1]
    help_text = cli(*names, "--help").output
    # After `--` come the host's flags, which only the host knows, and ours, which are those of every training command.
    ours = [word for word in words[len(own) :] if word.startswith(("--link", "--loss"))]
    flags = [(word, help_text) for word in own] + [(word, cli("train", "--help").output) for word in ours]
    for word, text in flags:
        if word.startswith("--"):
            assert re.search(rf"{re.escape(word.split('=')[0])}\b", text), (word, text)
