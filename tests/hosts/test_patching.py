"""Patching on disk: all files or none, once, and back to the very bytes."""

from __future__ import annotations

import os
import py_compile
import shutil
import subprocess
from pathlib import Path

import pytest

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.hosts import patching
from linkgan_plugin.hosts.blocks import insert
from linkgan_plugin.hosts.insertions import Insertion, encode
from linkgan_plugin.hosts.patching import State, apply, applying, diff, revert, reverting, status
from tests.hosts.trees import make_tree, tree_bytes

FAMILIES = ("eg3d", "r3gan", "stylegan2-ada-pytorch", "stylegan3")
REAL = {
    "stylegan2-ada-pytorch": "stylegan2-ada-pytorch",
    "stylegan3": "stylegan3",
    "eg3d/eg3d": "eg3d",
    "R3GAN": "r3gan",
}
HOSTS = os.environ.get("LINKGAN_HOSTS")


@pytest.fixture
def host(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "host", "stylegan3")


def states(root: Path) -> dict[str, State]:
    return {f"{row.file}:{row.name}": row.state for row in status(root).rows}


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_bytes().decode()
    assert old in text
    path.write_bytes(text.replace(old, new, 1).encode())


@pytest.mark.parametrize("family", FAMILIES)
def test_applied_once_or_twice_and_reverted(family, tmp_path):
    root = make_tree(tmp_path, family)
    (root / "train.py").chmod(0o755)
    before = tree_bytes(root)
    assert status(root).overall == "not patched"
    assert len(apply(root)) == 6
    patched = tree_bytes(root)
    assert patched.keys() == before.keys()
    assert patched["notes.txt"] == before["notes.txt"]
    assert {name: mode for name, (mode, _) in patched.items()} == {name: mode for name, (mode, _) in before.items()}
    assert set(states(root).values()) == {State.APPLIED}
    assert (status(root).overall, status(root).family, status(root).problem) == ("patched", family, None)
    assert "small_grid" not in (root / "training" / "training_loop.py").read_text()
    for change in applying(root) + reverting(root):
        py_compile.compile(str(change.path), cfile=str(tmp_path / "out.pyc"), doraise=True)
    assert apply(root) == []
    (tmp_path / "out.pyc").unlink()
    assert tree_bytes(root) == patched
    assert len(revert(root)) == 6
    assert tree_bytes(root) == before
    assert revert(root) == []


@pytest.mark.skipif(not HOSTS, reason="LINKGAN_HOSTS names no folder of real checkouts")
@pytest.mark.parametrize("folder", REAL)
def test_real_checkouts(folder, tmp_path):
    root = tmp_path / "host"
    shutil.copytree(Path(HOSTS or "", folder), root, ignore=shutil.ignore_patterns(".git", "__pycache__"))
    before = tree_bytes(root)
    changed = apply(root)
    assert (len(changed), status(root).overall, status(root).family) == (6, "patched", REAL[folder])
    assert set(states(root).values()) == {State.APPLIED}
    for change in changed:
        py_compile.compile(str(change.path), cfile=str(tmp_path / "out.pyc"), doraise=True)
    assert apply(root) == []
    revert(root)
    assert tree_bytes(root) == before


def test_compat_is_left_out_and_taken_out(host):
    apply(host, compat=False)
    without = tree_bytes(host)
    assert status(host).overall == "patched without compat"
    assert {row.state for row in status(host).rows if row.group == "compat"} == {State.NOT_APPLIED}
    assert [change.file for change in apply(host)] == ["dnnlib/__init__.py", "torch_utils/ops/grid_sample_gradfix.py"]
    assert status(host).overall == "patched"
    apply(host, compat=False)
    assert tree_bytes(host) == without


def test_a_missing_anchor_changes_nothing(host):
    edit(host / "training" / "training_loop.py", "copy_params_and_buffers(", "load_weights(")
    before = tree_bytes(host)
    with pytest.raises(LinkGANError, match=r"training_loop\.py has no line like 'misc\.copy_params_and_buffers\(.*'$"):
        apply(host)
    assert tree_bytes(host) == before
    found = status(host)
    assert (found.overall, found.family) == ("not patched", "stylegan3")
    assert "the closest is stylegan3" in (found.problem or "")
    assert states(host)["training/training_loop.py:resume"] is State.ANCHOR_MISSING


def test_a_host_that_pickles_by_other_means_only_goes_without_the_sidecar(host):
    edit(host / "training" / "training_loop.py", "pickle.dump(", "dill.dump(")
    assert len(apply(host)) == 6
    assert states(host)["training/training_loop.py:snapshot"] is State.ANCHOR_MISSING
    assert states(host)["training/training_loop.py:resume"] is State.APPLIED


def test_optional_files_are_only_reported(host):
    (host / "calc_metrics.py").unlink()
    edit(host / "torch_utils" / "ops" / "grid_sample_gradfix.py", "_GridSample2dForward", "_Other")
    assert len(apply(host)) == 4
    assert status(host).overall == "patched"
    assert states(host)["calc_metrics.py:options"] is State.FILE_MISSING
    assert states(host)["torch_utils/ops/grid_sample_gradfix.py:grid_sample"] is State.ANCHOR_MISSING


def test_an_optional_file_takes_its_links_together(host):
    edit(host / "calc_metrics.py", "import dnnlib\n", "import dnnlib as lib\n")
    apply(host)
    assert "linkgan" not in (host / "calc_metrics.py").read_text()
    rows = {row.name: row.note for row in status(host).rows if row.file == "calc_metrics.py"}
    assert rows["options"] == "is inserted only together with 'import'"
    assert status(host).overall == "patched"


def test_edits_between_the_marks_refuse_everything(host):
    apply(host)
    edit(host / "calc_metrics.py", "@linkgan.metric_options", "@linkgan.metric_options()")
    before = tree_bytes(host)
    for action in (apply, revert, applying, reverting):
        with pytest.raises(
            LinkGANError, match=r"^calc_metrics\.py: the lines between the marks of 'options' were edit"
        ):
            action(host)
    assert tree_bytes(host) == before
    assert status(host).overall == "edited"
    assert states(host)["calc_metrics.py:options"] is State.EDITED


def test_broken_marks_refuse_everything(host):
    apply(host)
    edit(host / "train.py", "# <<< linkgan_plugin: apply\n", "\n")
    before = tree_bytes(host)
    for action in (apply, revert, status):
        with pytest.raises(LinkGANError, match=r"^train\.py, line \d+: the mark '# >>> linkgan_plugin: apply"):
            action(host)
    assert tree_bytes(host) == before


def test_revert_keeps_edits_outside_of_the_marks_and_needs_no_anchors(host):
    apply(host)
    edit(host / "train.py", "launch_training(c=c)", "go()")
    edit(host / "train.py", "import click\n", "import click\nimport mine\n")
    with pytest.raises(LinkGANError, match="no line like 'launch_training"):
        apply(host)
    assert states(host)["train.py:apply"] is State.OUTDATED
    revert(host)
    text = (host / "train.py").read_text()
    assert "linkgan" not in text
    assert "import mine\n" in text
    assert "    go()\n" in text


def test_lines_of_another_version_are_outdated_and_renewed(host):
    train = host / "train.py"
    apply(host)
    current = tree_bytes(host)
    revert(host)
    old = Insertion("options", "train.py", r"^@click\.command\(", "after", ("@linkgan.older",), "link", False, "")
    gone = Insertion("gone", "train.py", "^import click", "after", ("import linkgan_plugin",), "link", False, "")
    train.write_bytes(encode(insert(train.read_text(), [old, gone])))
    rows = {row.name: row for row in status(host).rows if row.file == "train.py"}
    assert rows["options"].state is rows["gone"].state is State.OUTDATED
    assert rows["gone"].group == "unknown"
    assert status(host).overall == "outdated"
    apply(host)
    assert tree_bytes(host) == current


def test_a_moved_or_doubled_block_is_outdated_and_put_right(host):
    apply(host)
    current = tree_bytes(host)
    lines = (host / "train.py").read_text().splitlines(keepends=True)
    start = next(i for i, line in enumerate(lines) if ">>> linkgan_plugin: import" in line)
    (host / "train.py").write_text("".join(lines[start : start + 3] + lines))
    assert states(host)["train.py:import"] is State.OUTDATED
    apply(host)
    assert tree_bytes(host) == current


def test_part_of_a_patch_is_told_and_completed(host):
    untouched = (host / "train.py").read_bytes()
    apply(host)
    (host / "train.py").write_bytes(untouched)
    assert status(host).overall == "partly patched"
    assert [change.file for change in apply(host)] == ["train.py"]


@pytest.mark.parametrize("action", [apply, revert])
def test_a_write_that_fails_midway_puts_the_others_back(action, host, monkeypatch):
    if action is revert:
        apply(host)
    before = tree_bytes(host)
    calls: list[object] = []
    replace = os.replace

    def failing(source, target):
        calls.append(target)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(
        LinkGANError, match=r"calc_metrics\.py cannot be written: No space left on device; .* unchanged"
    ):
        action(host)
    assert [Path(str(target)).name for target in calls] == ["train.py", "calc_metrics.py", "train.py"]
    assert tree_bytes(host) == before


def test_an_interrupted_write_puts_the_others_back(host, monkeypatch):
    before = tree_bytes(host)
    replace, calls = os.replace, []

    def interrupted(source, target):
        calls.append(target)
        if len(calls) == 3:
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        apply(host)
    assert tree_bytes(host) == before


def test_files_that_cannot_be_put_back_are_named(host, monkeypatch):
    replace, calls = os.replace, []

    def failing(source, target):
        calls.append(target)
        if len(calls) > 1:
            raise PermissionError(13, "Permission denied")
        replace(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(LinkGANError, match=r"train\.py changed and cannot be restored; run `linkgan patch revert`"):
        apply(host)


def test_staging_that_fails_changes_nothing(host, monkeypatch):
    before = tree_bytes(host)

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(patching.tempfile, "mkstemp", refuse)
    with pytest.raises(LinkGANError, match=r"train\.py cannot be written: Permission denied"):
        apply(host)
    assert tree_bytes(host) == before


def test_read_only_files_are_named_before_the_first_write(host, monkeypatch):
    before = tree_bytes(host)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "training_loop.py")
    with pytest.raises(LinkGANError, match=r"training_loop\.py is read-only; make it writable"):
        apply(host)
    assert tree_bytes(host) == before


@pytest.mark.skipif(not shutil.which("git"), reason="git applies the diff")
def test_the_diff_says_what_apply_does(host):
    edit(host / "train.py", "launch_training(c=c)\n", "launch_training(c=c)")  # no line end at the end of the file
    before, text = tree_bytes(host), encode(diff(applying(host)))
    assert tree_bytes(host) == before
    apply(host)
    patched, back = tree_bytes(host), encode(diff(reverting(host)))
    subprocess.run(["git", "apply", "-p1"], input=back, cwd=host, check=True)
    assert tree_bytes(host) == before
    subprocess.run(["git", "apply", "-p1"], input=text, cwd=host, check=True)
    assert tree_bytes(host) == patched


@pytest.mark.parametrize("linked", ["training/training_loop.py", "training"])
def test_a_link_out_of_the_host_is_refused_by_name(linked: str, host: Path, tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere"
    shutil.move(host / linked, outside)
    (host / linked).symlink_to(outside)
    before = tree_bytes(host), tree_bytes(tmp_path)
    real = outside / "training_loop.py" if linked == "training" else outside
    with pytest.raises(LinkGANError, match=f"training_loop.py is a symbolic link to {real}, which is not in {host}"):
        apply(host)
    assert (tree_bytes(host), tree_bytes(tmp_path)) == before
    (host / linked).unlink()
    shutil.move(outside, host / linked)
    apply(host)
    shutil.move(host / linked, outside)
    (host / linked).symlink_to(outside)
    with pytest.raises(LinkGANError, match="is a symbolic link to"):
        revert(host)


def test_a_link_to_a_file_of_the_host_stays_a_link(host: Path) -> None:
    shutil.move(host / "train.py", host / "train_main.py")
    (host / "train.py").symlink_to("train_main.py")
    before = tree_bytes(host)
    apply(host)
    assert (host / "train.py").is_symlink()
    assert "linkgan" in (host / "train_main.py").read_text()
    revert(host)
    assert tree_bytes(host) == before
