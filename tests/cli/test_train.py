"""`linkgan train`: what a run records, how it is continued, and what it refuses before it starts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from linkgan_plugin.links import LinkSpec
from linkgan_plugin.networks import load_network
from linkgan_plugin.runs import has_seen
from tests.cli.conftest import LINKS, SMALL


def test_the_options_record_the_whole_spec_and_recipe(linked_run):
    options = json.loads((linked_run / "training_options.json").read_text())
    loss, generator = options["loss_kwargs"], options["G_kwargs"]
    assert loss["class_name"] == "linkgan_plugin.losses.LinkGANLoss"
    assert loss["base_class_name"] == "training_loops.stylegan2.loss.StyleGAN2Loss"
    assert LinkSpec.from_json(loss["link_spec"]).names == ("eyes", "mouth")
    assert loss["recipe"]["interval"] == 2
    assert generator["link_spec"] == loss["link_spec"]


def test_the_snapshot_carries_the_spec(linked_snapshot):
    spec = load_network(linked_snapshot).linked()
    assert [link.axes for link in spec.links] == [(0, 1, 2, 3), (4, 5)]


def test_link_statistics_are_in_the_hosts_file(linked_run):
    lines = [json.loads(line) for line in (linked_run / "stats.jsonl").read_text().splitlines()]
    seen = {name for line in lines for name, value in line.items() if name.startswith("Loss/link/") and value["num"]}
    assert {"Loss/link/loss", "Loss/link/rest/share", "Loss/link/eyes/effect", "Loss/link/mouth/leak"} <= seen


def test_region_metrics_run_at_every_snapshot(linked_run):
    line = json.loads((linked_run / "metric-link2k.jsonl").read_text().splitlines()[-1])
    assert 0 <= line["results"]["link2k_eyes_locality"] <= 1
    assert "link2k_mouth_transfer" in line["results"], "procedural data has a reader"


def test_the_images_of_a_run_are_written(linked_run):
    assert {"reals.png", "fakes_init.png"} <= {path.name for path in linked_run.iterdir()}


def test_a_stopped_run_goes_on_to_the_same_weights(cli, faces_zip, tmp_path):
    arguments = [
        "--data",
        faces_zip,
        "--loss=linkgan",
        *LINKS,
        *SMALL,
        "--kimg",
        "0.8",
        "--tick",
        "0.2",
        "--link-start",
        "0.5",
    ]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert cli("train", *arguments, "--run-dir", whole).exit_code == 0
    command = [sys.executable, "-m", "linkgan_plugin", "train", *map(str, arguments), "--run-dir", str(parts)]
    child = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, text=True)
    for line in child.stdout:
        if line.startswith("tick 0"):
            break
    time.sleep(0.3)
    child.send_signal(signal.SIGINT)
    output = child.stdout.read()
    assert child.wait(timeout=60) == 130, output
    assert f"linkgan train --continue {parts}" in output
    assert cli("train", "--continue", parts, "--quiet").exit_code == 0
    first, second = (load_network(max(run.glob("network-snapshot-*.pt"))).generator for run in (whole, parts))
    assert all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--loss=linkgn", *LINKS], "did you mean 'linkgan'"),
        (["--loss=linkgan"], "needs at least one --link"),
        (["--loss=linkgan", "--link", "eyes=0:99@eyes"], "99"),
        (["--loss=linkgan", *LINKS, "--link-perturb", "swop"], "did you mean 'swap'"),
        (["--loss=linkgan", *LINKS, "--link-recipe", "papr"], "did you mean 'paper'"),
        (["--loss=linkgan", *LINKS, "--link-weight", "-1"], "weight is -1"),
        (["--metrics", "link3k"], "link3k"),
    ],
)
def test_mistakes_are_one_line_and_leave_no_run(extra, message, cli, faces_zip, tmp_path):
    run = tmp_path / "run"
    result = cli("train", "--data", faces_zip, "--run-dir", run, "--kimg", 0.01, *SMALL, *extra)
    assert result.exit_code == 2
    assert message in result.output
    assert not (run / "training_options.json").exists()


def test_a_run_that_goes_on_says_when_its_links_start(cli, faces_zip, tmp_path):
    run = tmp_path / "run"
    start = ("--link-start", 0.75)
    result = cli("train", "--data", faces_zip, "--run-dir", run, "--kimg", 0.032, *LINKS, *start, *SMALL)
    assert "links are trained from image 24 of 32 on" in result.stderr
    assert "from image 24 of 48 on" in cli("train", "--continue", run, "--kimg", 0.048, "--dry-run").stderr
    assert (
        "which this run of 16 images does not reach"
        in cli("train", "--continue", run, "--kimg", 0.016, "--dry-run").stderr
    )


def test_a_run_is_never_overwritten(cli, faces_zip, linked_run):
    before = (linked_run / "stats.jsonl").read_bytes()
    result = cli("train", "--data", faces_zip, "--run-dir", linked_run)
    assert result.exit_code == 2
    assert "--continue" in result.output
    assert (linked_run / "stats.jsonl").read_bytes() == before


def test_a_run_that_goes_on_takes_new_lengths_and_refuses_what_it_learns_by(cli, faces_zip, tmp_path):
    run = tmp_path / "run"
    assert cli("train", "--data", faces_zip, "--run-dir", run, "--kimg", 0.016, "--quiet", *SMALL).exit_code == 0
    refused = cli("train", "--continue", run, "--gamma", 5, "--no-noise", "--link", "eyes=4@eyes")
    assert refused.exit_code == 2
    assert "--continue keeps the options of the run; omit --gamma, --no-noise, --link," in " ".join(
        refused.output.split()
    )
    assert cli("train", "--continue", run, "--kimg", 0.032, "--metrics", "", "--quiet").exit_code == 0
    assert has_seen(run, 0.032)
    assert not has_seen(run, 0.04)


def test_new_runs_take_the_next_number(cli, faces_zip, tmp_path):
    (tmp_path / "00007-old").mkdir()
    arguments = ("--data", faces_zip, "--outdir", tmp_path, "--kimg", 0.008, "--loss=linkgan", *LINKS, *SMALL)
    assert cli("train", *arguments).exit_code == 0
    assert (tmp_path / "00008-faces-batch8-linked" / "training_options.json").exists()


def test_a_dry_run_prints_the_options_and_starts_nothing(cli, faces_zip, tmp_path):
    result = cli("train", "--data", faces_zip, "--run-dir", tmp_path / "run", "--dry-run", *LINKS)
    loss = json.loads(result.stdout)["loss_kwargs"]
    assert loss["class_name"] == "linkgan_plugin.losses.LinkGANLoss", "a link alone turns the loss on"
    assert loss["recipe"]["perturb"] == "swap"
    assert not (tmp_path / "run").exists()


def test_links_are_added_to_a_trained_generator(cli, faces_zip, tmp_path):
    plain, linked = tmp_path / "plain", tmp_path / "linked"
    assert cli("train", "--data", faces_zip, "--run-dir", plain, "--kimg", 0.016, *SMALL).exit_code == 0
    snapshot = max(plain.glob("network-snapshot-*.pt"))
    assert load_network(snapshot).spec is None
    result = cli(
        "train", "--data", faces_zip, "--run-dir", linked, "--kimg", 0.016, "--resume", snapshot, *LINKS, *SMALL
    )
    assert result.exit_code == 0, result.output
    assert load_network(max(linked.glob("network-snapshot-*.pt"))).linked().names == ("eyes", "mouth")


def test_a_snapshot_of_another_width_is_refused_with_the_tensors(cli, faces_zip, linked_snapshot, tmp_path):
    wide = [*SMALL, "--cbase", "128"]
    result = cli("train", "--data", faces_zip, "--run-dir", tmp_path / "run", "--resume", linked_snapshot, *wide)
    assert result.exit_code == 2
    assert "synthesis.b16.conv0.weight" in result.output


def test_conditional_networks_are_linked_under_the_same_label(cli, tmp_path):
    from training_loops.data.faces import render, sample_attributes
    from training_loops.formats.folder import write_dataset

    images = ((render(sample_attributes(24, 0), 16)[0] + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    data, run = tmp_path / "labelled.zip", tmp_path / "run"
    write_dataset(data, images, labels=[n % 3 for n in range(24)])
    result = cli("train", "--data", data, "--cond", "--run-dir", run, "--kimg", 0.032, *LINKS, *SMALL)
    assert result.exit_code == 0, result.output
    snapshot = max(run.glob("network-snapshot-*.pt"))
    assert load_network(snapshot).generator.c_dim == 3
    assert cli("edit", snapshot, "--data", data, "--out", tmp_path / "sheet.png").exit_code == 0
