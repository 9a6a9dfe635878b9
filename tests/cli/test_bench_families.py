"""`linkgan bench families`: families trained for equal CPU time, and what is refused."""

from __future__ import annotations

import json

import pytest

from linkgan_plugin.bench import families
from linkgan_plugin.bench.families import Speed, family_rows
from training_loops.presets import PRESETS

LINKS = ("eyes=4@eyes",)


def test_lengths_are_those_of_equal_cpu_time():
    rows = family_rows({"tiny": Speed(10, 300_000), "stylemap": Speed(80, 800_000)}, LINKS, minutes=10)
    assert [row.name for row in rows] == ["tiny", "tiny-linked", "stylemap", "stylemap-linked"]
    assert [row.kimg for row in rows] == [60, 60, 7.5, 7.5]
    assert [row.baseline for row in rows] == ["tiny", "tiny", "stylemap", "stylemap"]
    assert rows[0].full_recipe().weight == 0 < rows[1].full_recipe().weight
    assert rows[3].arguments()[-2:] == ["--cfg", "stylemap"]
    assert "300,000 parameters" in rows[0].meaning


def test_small_families_are_those_without_cameras_and_of_small_size():
    names = families.small_families()
    assert {"tiny", "stylemap"} <= set(names) <= set(PRESETS)
    assert not {"heads3d", "eg3d", "stylegan2", "small"} & set(names)


def test_a_study_trains_measures_and_resumes(cli, tmp_path, monkeypatch):
    data, out = tmp_path / "faces.zip", tmp_path / "out"
    assert cli("data", "faces", "--n", "32", "--size", "16", "--out", data).exit_code == 0
    monkeypatch.setattr(families, "_CALIBRATION", (0.008, 0.016))
    monkeypatch.setattr(families, "_rounded", lambda kimg: 0.016)
    small = ["--", "--cbase", "64", "--cmax", "8", "--z-dim", "8", "--w-dim", "8", "--batch", "8"]
    study = ["bench", "families", "--rows", "tiny", "--data", data, "--link", "eyes=4@eyes", "--out", out]
    study += ["--seeds", "0", "--pairs", "8", "--quality-images", "0", "--jobs", "2"]
    result = cli(*study, "--minutes", "0.5", *small)
    assert result.exit_code == 0, result.output
    stored = json.loads((out / "speeds.json").read_text())
    assert stored["minutes"] == 0.5
    assert stored["families"]["tiny"]["parameters"] > 1000
    rows = {row["row"]: row for row in json.loads((out / "families.json").read_text())["rows"]}
    assert set(rows) == {"tiny", "tiny-linked"}
    assert "locality" in rows["tiny-linked"]["metrics"]["eyes"]
    assert (out / "families.png").stat().st_size > 1000
    again = cli(*study, "--minutes", "1", *small)
    assert "has runs of 0.5 minutes, not 1; choose another --out" in again.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--kimg", "3"], "--kimg: the length of a run is its CPU time here; give --minutes"),
        (["--rows", "eg3d"], "family 'eg3d': expected some of tiny"),
    ],
)
def test_what_does_not_fit_is_refused(cli, tmp_path, arguments, message):
    assert cli("data", "faces", "--n", "8", "--size", "16", "--out", tmp_path / "faces.zip").exit_code == 0
    result = cli("bench", "families", "--data", tmp_path / "faces.zip", "--out", tmp_path / "out", *arguments)
    assert result.exit_code == 2
    assert message in result.output
