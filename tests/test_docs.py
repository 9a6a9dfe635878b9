"""What the README and the documentation show works: blocks run, commands parse, links lead somewhere."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from linkgan_plugin.cli import main
from linkgan_plugin.cli.train import FAMILIES
from linkgan_plugin.images.video_writer import write_mp4
from tests.cli.conftest import SMALL
from tests.doc_blocks import PAGES, ROOT, Block, blocks, check, linkgan_words, shell_lines
from tests.pickles.test_native import filled
from tests.pickles.written import snapshot_bytes, stored
from training_loops.stylegan2.networks import Discriminator, Generator

README = ROOT / "README.md"
BLOCKS = [block for page in PAGES for block in blocks(page)]
BASH = [block for block in BLOCKS if block.language == "bash"]
# What is added to commands so that they end soon; an option that is given twice counts as it was given last.
SMALLER = {
    ("data", "faces"): ["--n", "32", "--size", "16"],
    ("data", "heads3d"): ["--n", "12", "--size", "16"],
    ("train",): [*SMALL, "--kimg", "0.008", "--tick", "0.008"],
    ("link",): ["--probes", "16", "--pairs", "4"],
    ("directions",): ["--set", "probes=16"],
    ("metrics",): ["--pairs", "8", "--batch", "8", "--quality-images", "16"],
    ("edit",): ["--cell", "16"],
    ("project",): ["--steps", "2", "--tune", "1"],
    ("encoder", "train"): ["--kimg", "0.016", "--batch", "8", "--width", "4", "--passes", "2"],
    ("bench", "photographs"): ["--steps", "2", "--tune", "1", "--photographs", "4", "--donors", "1"],
    ("encoder", "details"): ["--kimg", "0.016", "--batch", "8", "--width", "4"],
    ("segment", "train"): ["--steps", "2", "--batch", "4"],
    ("selftest",): ["--quick", "--device", "cpu", "--only", "machine,numerics"],
}
LINKS = ["--link", "eyes=4@eyes", "--link", "mouth=4@mouth"]
AT_ONCE = ["--link-start", "0"]  # a few steps have links in all of them
SNAPSHOT = re.compile(r"network-snapshot-\d+\.(pt|pkl)")
NET = {"z_dim": 16, "c_dim": 0, "w_dim": 16, "img_resolution": 16, "img_channels": 3}
WIDTH = {"channel_base": 64, "channel_max": 8}
# Flags of hosts and of other programs that sentences mention.
FOREIGN = {"--cfg", "--metrics", "--help", "--gpus", "--no-deps"}


def linkgan(*words: object) -> None:
    """Run a command; it must end well."""
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, (words, result.output, result.exception)


@pytest.fixture(scope="session")
def fixtures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what pages take for granted: data, a host's pickle, a linked run and photographs."""
    folder = tmp_path_factory.mktemp("docs")
    run = folder / "runs" / "demo" / "linked"
    linkgan("data", "faces", *SMALLER["data", "faces"], "--out", folder / "faces.zip", "--masks", folder / "masks.zip")
    shutil.copy(folder / "faces.zip", folder / "photos.zip")
    linkgan("train", "--data", folder / "faces.zip", "--run-dir", run, *SMALLER["train",], *LINKS, *AT_ONCE)
    shutil.copy(folder / "faces.zip", run.parent)
    G = stored(filled(Generator(**NET, **WIDTH)), {**NET, **WIDTH})
    sizes = {key: NET[key] for key in ("c_dim", "img_resolution", "img_channels")} | WIDTH
    (folder / "NET.pkl").write_bytes(snapshot_bytes(G=G, D=stored(filled(Discriminator(**sizes)), sizes), G_ema=G))
    random = np.random.default_rng(0)
    for name in ("me.png", "you.png"):
        Image.fromarray(random.integers(0, 256, [16, 16, 3], dtype=np.uint8)).save(folder / name)
    write_mp4(folder / "clip.mp4", random.integers(0, 256, [3, 16, 16, 3], dtype=np.uint8))
    return folder


@pytest.fixture
def folder(fixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder, to be in."""
    monkeypatch.chdir(shutil.copytree(fixtures, tmp_path / "work"))
    return tmp_path / "work"


def page_id(page: Path) -> str:
    return page.name


@pytest.mark.parametrize("page", [page for page in PAGES if any(b.not_run is None for b in blocks(page))], ids=page_id)
def test_what_a_page_shows_runs(page: Path, folder: Path) -> None:
    names: dict[str, Any] = {}
    for block in blocks(page):
        if block.not_run is not None:
            continue
        if block.language == "bash":
            for words in shell_lines(block.text):
                arguments = linkgan_words(words)
                assert arguments is not None, f"{block.where}: not a linkgan command; say why it is not run: {words}"
                run_small(arguments, block)
        elif block.language == "python":
            run_python(block, names)


def run_small(words: list[str], block: Block) -> None:
    """Run a command of a page with little data and few steps, in the current folder."""
    name = next((name for name in SMALLER if tuple(words[: len(name)]) == name), ())
    name = () if name == ("project",) and "--encoder" in words else name  # it has no steps
    words = words + ([] if not name else SMALLER[name])
    if name == ("train",) and set(words) & set(FAMILIES):  # they have no W
        place = words.index("--w-dim")
        words = words[:place] + words[place + 2 :]
    words += AT_ONCE if name == ("train",) and "--link" in words else []
    for word in words:
        stand_in(Path(word))
    for flag in ("--out", "--masks") if words[0] == "data" else ("--out",):
        if flag in words:  # pages may name the same file; commands write over none
            Path(words[words.index(flag) + 1]).unlink(missing_ok=True)
    result = CliRunner().invoke(main, words)
    # The pickle of these tests carries source code that no public host has, and `inspect` says so.
    expected = 1 if words[0] == "inspect" else 0
    assert result.exit_code == expected, (block.where, words, result.output, result.exception)


def stand_in(path: Path) -> None:
    """Put the last snapshot of a run in place of the one that a page names, which takes longer to reach."""
    if SNAPSHOT.fullmatch(path.name) and not path.exists() and path.parent.is_dir():
        shutil.copy(max(path.parent.glob(f"network-snapshot-*{path.suffix}")), path)


def run_python(block: Block, names: dict[str, Any]) -> None:
    """Run a Python block after those before it on the page."""
    stand_in(Path("runs/demo/linked/network-snapshot-000084.pt"))
    text = re.sub(r"steps=\d+", "steps=3", block.text)
    exec(compile(text, block.where, "exec"), names)


@pytest.mark.parametrize("block", BASH, ids=lambda block: block.where)
def test_commands_parse(block: Block) -> None:
    for words in shell_lines(block.text):
        arguments = linkgan_words(words)
        if arguments is not None:
            check(arguments)


def test_a_wrong_command_does_not_parse() -> None:
    with pytest.raises(click.NoSuchOption, match="--regions"):
        check(["edit", "x.pt", "--regions", "eyes"])
    with pytest.raises(click.NoSuchOption, match="--link-wait"):
        check(["run", "train.py", "--", "--outdir=x", "--link-wait=3"])
    with pytest.raises(click.BadParameter, match="cubed"):
        check(["train", "--link-form", "cubed"])
    with pytest.raises(AssertionError, match="no command"):
        check(["regions", "paint"])
    with pytest.raises(AssertionError, match="lacks --out"):
        check(["edit", "x.pt"])


def test_blocks_that_are_not_run_say_why() -> None:
    reasons = [block.not_run for block in BLOCKS if block.not_run is not None]
    assert all(len(reason.split()) > 2 for reason in reasons)
    assert {block.language for block in BLOCKS} <= {"bash", "python", "toml", "text"}
    assert sum(block.not_run is None for block in BASH) > len(BASH) / 3


def all_options(command: click.Command, ctx: click.Context) -> Iterator[str]:
    """Give every option of a command and of those below it."""
    for parameter in command.get_params(ctx):
        yield from (*parameter.opts, *parameter.secondary_opts)
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            child = command.get_command(ctx, name)
            assert child is not None
            yield from all_options(child, click.Context(child, info_name=name, parent=ctx))


def test_every_flag_that_a_sentence_mentions_exists() -> None:
    known = {*all_options(main, click.Context(main)), *FOREIGN, "--link-per-sample", "--link-perturbations"}
    for page in PAGES:
        prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
        mentioned = {
            flag for code in re.findall(r"`([^`]+)`", prose) for flag in re.findall(r"--[a-z][a-z0-9-]*", code)
        }
        assert {flag.removesuffix("-") for flag in mentioned} - known <= {"--link"}, page.name


@pytest.mark.parametrize("page", [README, ROOT / "CONTRIBUTING.md"], ids=page_id)
def test_links_to_files_and_headings_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]*)(?:#[^)]*)?\)", page.read_text()):
        assert target.startswith("https://") or (ROOT / target).exists(), target
    for target, anchor in re.findall(r"\]\(([^)#]+\.md)#([^)]+)\)", page.read_text()):
        headings = re.findall(r"^#+ (.*)", (ROOT / target).read_text(), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}, anchor


def test_the_readme_is_short_and_names_every_page() -> None:
    text = README.read_text()
    assert len(text.splitlines()) <= 200
    reference = {"index.md", "commands.md", "api.md"}  # made by `make docs`, or the README itself
    assert {page.name for page in PAGES if page.parent.name == "docs"} - reference <= set(
        re.findall(r"[\w-]+\.md", text)
    )
