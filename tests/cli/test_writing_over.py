"""No command writes over a file without --force."""

from __future__ import annotations

import pytest

COMMANDS = {
    "edit": ("sheet.png", ("edit", "{net}", "--seeds", "0", "--variants", 1, "--out", "{out}")),
    "video": ("film.gif", ("edit", "{net}", "--region", "eyes", "--seeds", "0", "--variants", 1, "--out", "{out}")),
    "preview": ("p.png", ("regions", "preview", "--network", "{net}", "--out", "{out}")),
    "convert": ("n.safetensors", ("convert", "{net}", "{out}")),
    "bench": ("metrics.json", ("bench", "metrics", "{net}", "--pairs", 4, "--rounds", 1, "--out", "{folder}")),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_file_that_is_there_stays_without_force(name, cli, linked_snapshot, tmp_path):
    file, words = COMMANDS[name]
    out = tmp_path / file
    words = [str(word).format(net=linked_snapshot, out=out, folder=tmp_path) for word in words]
    out.write_bytes(b"mine")
    result = cli(*words)
    assert result.exit_code == 2
    assert f"{out} exists; choose another name, or overwrite it with --force" in result.output
    assert out.read_bytes() == b"mine"
    result = cli(*words, "--force")
    assert result.exit_code == 0, result.output
    assert out.stat().st_size > 100


@pytest.mark.parametrize("place", ["/dev/null/home", None])
def test_the_page_names_keep_where_there_is_no_home_to_write_to(place, cli, linked_snapshot, monkeypatch):
    def home():
        raise RuntimeError("Could not determine home directory.")

    for variable in ("LINKGAN_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    if place is None:
        monkeypatch.setattr("pathlib.Path.home", home)
    else:
        monkeypatch.setenv("HOME", place)
    result = cli("ui", linked_snapshot, "--port", 0)
    assert result.exit_code == 2
    assert "edits cannot be stored in the user's cache" in result.output
    assert "give another folder with --keep" in result.output
