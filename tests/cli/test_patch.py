"""`linkgan patch`: what it prints, what it leaves alone, and its exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from linkgan_plugin.cli import main
from tests.hosts.trees import make_tree, tree_bytes


def patch(*args: object) -> Result:
    return CliRunner().invoke(main, ["patch", *map(str, args)])


@pytest.fixture
def host(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "host", "stylegan3")


def test_apply_status_revert(host):
    before = tree_bytes(host)
    assert patch("status", host).output.splitlines()[:3] == [
        f"{host}: not patched (family stylegan3)",
        "  train.py",
        "    import       link     not applied",
    ]
    applied = patch("apply", host.parent)
    assert applied.exit_code == 0, applied.output
    assert applied.output.splitlines()[:2] == ["patched train.py", "patched calc_metrics.py"]
    assert patch("apply", host).output == "nothing to do: already applied\n"
    assert f"{host}: patched (family stylegan3)\n  train.py\n  + import" in patch("status", host).output
    assert patch("revert", host).output.count("reverted ") == 6
    assert patch("revert", host).output == "nothing to do: not patched\n"
    assert tree_bytes(host) == before


def test_dry_runs_print_the_diff_and_change_nothing(host):
    before = tree_bytes(host)
    applying = patch("apply", host, "--dry-run")
    assert applying.exit_code == 0
    assert "+++ b/train.py\n" in applying.output
    assert "+@linkgan.train_options\n" in applying.output
    assert "linkgan_compat" in applying.output
    assert "linkgan_compat" not in patch("apply", host, "--dry-run", "--no-compat").output
    assert patch("revert", host, "--dry-run").output == ""
    assert tree_bytes(host) == before
    patch("apply", host)
    patched = tree_bytes(host)
    assert "-@linkgan.train_options\n" in patch("revert", host, "--dry-run").output
    assert tree_bytes(host) == patched


def test_no_compat_leaves_the_fixes_out(host):
    patch("apply", host, "--no-compat")
    assert "patched without compat" in patch("status", host).output
    assert "linkgan" not in (host / "dnnlib" / "__init__.py").read_text()


def test_what_was_left_out_is_told(host):
    (host / "metrics" / "metric_main.py").unlink()
    assert "skipped register (link): metrics/metric_main.py does not exist\n" in patch("apply", host).output


def test_status_tells_and_apply_refuses(host, tmp_path):
    patch("apply", host)
    train = host / "train.py"
    patched = train.read_text()
    train.write_text(patched.replace("linkgan.train_options", "linkgan.mine"))
    assert "  ! options      link     edited\n" in patch("status", host).output
    for action in ("apply", "revert"):
        refused = patch(action, host)
        assert (refused.exit_code, refused.output.count("\n")) == (2, 1)
        assert refused.output.startswith("Error: train.py: the lines between the marks of 'options' were edited")
    train.write_text(patched.replace("# <<< linkgan_plugin: options\n", ""))
    broken = patch("status", host)
    assert broken.exit_code == 0
    assert "marks are broken\ntrain.py, line 8: the mark '# >>> linkgan_plugin: options" in broken.output
    train.write_text("import dnnlib\n")
    stranger = patch("status", host)
    assert stranger.exit_code == 0
    assert "cannot be patched: the closest is stylegan3, but train.py has no line" in stranger.output


def test_a_folder_that_is_no_host_is_one_line(tmp_path):
    for action in ("status", "apply", "revert"):
        result = patch(action, tmp_path)
        assert (result.exit_code, result.output.count("\n")) == (2, 1)
        assert "has no train.py; give the folder of a host" in result.output


def test_help_shows_how(host):
    assert "linkgan patch apply stylegan3 --dry-run" in patch("--help").output
    assert "--no-compat" in patch("apply", "--help").output
