"""What the plugin promises, held against every host: the miniatures here, and real checkouts in LINKGAN_HOSTS.

``LINKGAN_HOSTS=DIR pytest tests/hosts/test_conformance.py`` runs the very same tests on the real hosts that DIR has:
DIR/stylegan2-ada-pytorch, DIR/stylegan3, DIR/eg3d/eg3d and DIR/R3GAN.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from linkgan_plugin.links import LinkSpec
from linkgan_plugin.recipes import make_recipe

from .harness import HERE, LINK, Bench, Done, Run

INTERVAL = 3
STEPS = 4  # of a smoke run
STEPS_DUE = 2  # 0 and 3
LATE_STEPS_DUE = 1  # 3: the first steps are the host's alone, except in smoke runs
ROUNDS = 2  # a batch of 4 in microbatches of 2


@pytest.fixture(scope="module")
def linked(bench: Bench) -> Run:
    return bench.train("linked", LINK, "--loss=linkgan", f"--link-interval={INTERVAL}", "--metrics=link2k")


@pytest.fixture(scope="module")
def plain(bench: Bench) -> Run:
    return bench.train("plain", "--metrics=none")


def spec_for(bench: Bench, run: Run) -> LinkSpec:
    dim = run.options()["G_kwargs"][bench.kind.axes]
    return LinkSpec.parse([LINK.removeprefix("--link=")], dim=dim, space=bench.kind.space)


def reports(run: Run, name: str) -> int:
    """Return how many values of a statistic were reported; a smoke run's log has two lines, of steps 0 and 1 to 3."""
    return sum(line[name]["num"] for line in run.stats() if name in line)


def differing(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> list[str]:
    assert one.keys() == other.keys()
    return [name for name in one if not torch.equal(one[name], other[name])]


def once_a_tree(bench: Bench) -> None:
    if bench.kind.again:
        pytest.skip("this tree is tested in its other configuration")


# Training


def test_training_reports_link_statistics_and_counts_steps_not_microbatches(linked: Run) -> None:
    assert reports(linked, "Loss/link/loss") == STEPS_DUE * ROUNDS
    # A move that no sample took between two lines is there with no values, as the hosts' own statistics are.
    every = [value for line in linked.stats() for name, value in line.items() if name.endswith("/share")]
    shares = [value for value in every if value["num"]]
    assert shares
    assert all(0 < value["mean"] < 1 for value in shares)
    assert {"left", "rest"} >= {name.split("/")[2] for line in linked.stats() for name in line if "/share" in name}


def test_the_options_record_the_whole_spec_and_recipe(bench: Bench, linked: Run) -> None:
    options, spec = linked.options(), spec_for(bench, linked)
    assert LinkSpec.from_json(options["loss_kwargs"]["link_spec"]) == spec
    assert LinkSpec.from_json(options["G_kwargs"]["link_spec"]) == spec
    assert options["loss_kwargs"]["recipe"] == make_recipe(interval=INTERVAL, start=0.0).to_json()
    assert options["loss_kwargs"]["base_class_name"] == bench.kind.loss


def test_weight_0_trains_the_plain_host_to_the_bit(bench: Bench, plain: Run) -> None:
    zero = bench.train("zero", LINK, "--link-weight=0", "--link-interval=1", "--metrics=link2k")
    assert reports(zero, "Loss/link/loss") == STEPS * ROUNDS, "the regularizer did not run, so nothing was tested"
    one, other = bench.opened(plain, zero)
    assert differing(one["tensors"], other["tensors"]) == []
    assert one["resolution"] == other["resolution"]
    assert all(tensor.isfinite().all() for tensor in one["tensors"].values())


def test_a_positive_weight_changes_the_generator(bench: Bench, plain: Run, linked: Run) -> None:
    one, other = bench.opened(plain, linked)
    changed = differing(one["tensors"], other["tensors"])
    assert any(name.startswith("G.") for name in changed)


def test_augmentation_and_links_train_together(bench: Bench) -> None:
    run = bench.train("augmented", LINK, *bench.kind.augmented, "--link-interval=1", "--metrics=none")
    assert reports(run, "Loss/link/loss") == STEPS * ROUNDS


def test_two_ranks_agree_and_measure_together(bench: Bench, linked: Run) -> None:
    if not bench.kind.ranks:
        pytest.skip("the other miniatures cover its way of several processes")
    # The host itself compares all ranks' tensors at each snapshot, and dies where they differ.
    run = bench.train("ranks", LINK, "--gpus=2", f"--link-interval={INTERVAL}", "--metrics=link2k")
    assert reports(run, "Loss/link/loss") == STEPS_DUE * 2
    assert [line.keys() for line in run.metric("link2k")] == [line.keys() for line in linked.metric("link2k")]


def test_a_patched_tree_trains_to_the_same_bits_and_reverts(bench: Bench, tmp_path: Path) -> None:
    once_a_tree(bench)
    # No smoke runs: their smaller grid of sample images exists in memory only, and moves the random state.
    short = (f"total_kimg={STEPS * 4 / 1000}", "image_snapshot_ticks=null")
    flags = (LINK, "--loss=linkgan", f"--link-interval={INTERVAL}", "--metrics=none")
    in_memory = bench.command("in-memory", *flags, run=[part for item in short for part in ("--set", item)])
    in_memory.remove("--smoke")
    tree = tmp_path / "patched"
    shutil.copytree(bench.tree, tree)
    before = {path: path.read_bytes() for path in tree.rglob("*.py")}
    assert bench.zygote.run("-m", "linkgan_plugin", "patch", "apply", tree).code == 0
    assert any(path.read_bytes() != text for path, text in before.items())
    script = tree / "train.py"

    def train() -> Done:
        command = bench.command("patched", *flags)
        host = command[command.index("--") + 1 :]
        return bench.zygote.run(script, *host, emulate=True, env=bench.session(script, *short))

    runs = [bench.once("in-memory", lambda: bench.zygote.run(*in_memory)), bench.once("patched", train)]
    one, other = bench.opened(*runs)
    assert differing(one["tensors"], other["tensors"]) == []
    assert [reports(run, "Loss/link/loss") for run in runs] == [LATE_STEPS_DUE * ROUNDS] * 2
    assert bench.zygote.run("-m", "linkgan_plugin", "patch", "revert", tree).code == 0
    assert {path: path.read_bytes() for path in before} == before


# Pairs, with the host's own classes


def test_a_pair_shares_everything_but_its_latents_and_leaves_nothing_behind(bench: Bench, linked: Run) -> None:
    done = bench.zygote.run(HERE / "pair_facts.py", bench.tree, linked.folder, bench.kind.phase)
    assert done.code == 0, done.text[-6000:]
    facts = json.loads(done.out.splitlines()[-1])
    assert facts["pairs_differ"] == pytest.approx([0, 0], abs=1e-5)  # a row's place in its batch rounds differently
    if bench.kind.phase == "Gmain":  # the others have no noise, so nothing could differ
        assert facts["free_renders_differ"] > 1e-4
    assert facts["moved"] == []
    assert not facts["settings_moved"]
    assert facts["gradient_added"] > 1e-6
    assert facts["label_tables"] >= 2
    assert facts["same_labels"]
    if bench.kind.cameras:
        assert facts["swapped_labels"], "the host never swapped its pose conditioning, so nothing was tested"
        assert facts["cameras"] > 4
        assert facts["strange_cameras"] == 0
        assert facts["moved_cameras"] == (4 if "panohead" in bench.kind.name else 0)
        assert len(facts["resolutions"]) == 1


# Snapshots


def test_the_plain_host_opens_a_linked_snapshot_without_the_plugin(bench: Bench, plain: Run, linked: Run) -> None:
    before, after = bench.opened(plain, linked)
    assert before["links"] == {"G": None, "D": None, "G_ema": None}
    spec = spec_for(bench, linked).to_json()
    assert json.loads(json.dumps(after["links"])) == {"G": spec, "D": None, "G_ema": spec}
    assert after["image"].shape == before["image"].shape
    assert after["image"].isfinite().all()


def test_the_spec_is_found_on_the_network_and_beside_it(bench: Bench, plain: Run, linked: Run, tmp_path: Path) -> None:
    sidecar = linked.snapshot.with_suffix(".links.json")
    spec = spec_for(bench, linked).to_json()
    assert json.loads(sidecar.read_text())["link_spec"] == spec
    assert not plain.snapshot.with_suffix(".links.json").exists()
    alone, noted = tmp_path / "alone" / "a.pkl", tmp_path / "noted" / "a.pkl"
    for target, source in ((alone, linked), (noted, plain)):
        target.parent.mkdir()
        shutil.copy(source.snapshot, target)
    shutil.copy(sidecar, noted.with_suffix(".links.json"))
    (expected,) = bench.opened(linked)
    for snapshot in (linked.snapshot, alone, noted):
        out = tmp_path / "image.pt"
        done = bench.zygote.run(HERE / "open_network.py", bench.tree, out, snapshot)
        assert done.code == 0, done.text[-6000:]
        assert json.loads(done.out.splitlines()[-1])["spec"] == spec
        if snapshot != noted:
            assert torch.equal(torch.load(out, weights_only=True), expected["image"])


def test_a_pretrained_snapshot_is_linked_from_its_own_weights(bench: Bench, plain: Run) -> None:
    once_a_tree(bench)
    still = [part for option in bench.kind.still for part in ("--set", option)]
    resumed = bench.train("resumed", LINK, f"--resume={plain.snapshot}", "--metrics=none", run=still)
    one, other = bench.opened(plain, resumed)
    assert other["links"]["G_ema"] is not None
    # At learning rate 0 the parameters stay what --resume made them; buffers go on following the training.
    moved = [name for name in differing(one["tensors"], other["tensors"]) if name.startswith(("G.", "D."))]
    buffers = ("w_avg", "noise_const", "magnitude_ema", "pl_mean", "dataset_label_std")
    assert [name for name in moved if not name.endswith(buffers)] == []


def test_a_snapshot_of_another_shape_is_refused_with_its_tensors(bench: Bench, plain: Run) -> None:
    once_a_tree(bench)
    narrow = ("--set", bench.kind.narrow)
    done = bench.refused(LINK, f"--resume={plain.snapshot}", "--metrics=none", run=narrow)
    assert done.code == 2
    assert "does not match the network to be trained" in done.text
    assert bench.kind.layers in done.text
    assert "in the snapshot, [8" in done.text or ", 8" in done.text


# Metrics in the host's runner


def test_link_metrics_are_the_same_in_training_and_in_the_hosts_runner(bench: Bench, linked: Run) -> None:
    once_a_tree(bench)
    trained = linked.metric("link2k")
    assert len(trained) == 2  # one for each snapshot
    assert all(0 < line["link16_left_locality"] < 1 for line in trained)
    measured = bench.calc_metrics(linked)
    assert measured.done.code == 0, measured.done.text[-6000:]
    assert measured.metric("link2k") == [pytest.approx(trained[-1], abs=1e-6)]


def test_two_processes_measure_what_one_does(bench: Bench, linked: Run) -> None:
    if bench.kind.is_mini and not bench.kind.cameras:
        pytest.skip("the miniatures share their calc_metrics.py; the hardest network is enough")
    measured = bench.calc_metrics(linked, "--gpus=2")
    assert measured.done.code == 0, measured.done.text[-6000:]
    assert measured.metric("link2k") == [pytest.approx(linked.metric("link2k")[-1], abs=1e-6)]


def test_a_network_without_links_is_measured_with_given_ones_or_refused_clearly(bench: Bench, plain: Run) -> None:
    once_a_tree(bench)
    refused = bench.calc_metrics(plain).done
    assert refused.code == 2
    assert "--link NAME=AXES@REGION" in refused.text
    given = bench.calc_metrics(plain, LINK)
    assert given.done.code == 0, given.done.text[-6000:]
    assert 0 < given.metric("link2k")[0]["link16_left_locality"] < 1
    training = bench.refused("--metrics=link2k")
    assert training.code == 2
    assert "--metrics=link2k needs links" in training.text


# The command line


def test_help_lists_the_plugins_flags_beside_the_hosts(bench: Bench) -> None:
    once_a_tree(bench)
    for script, flags in (
        ("train.py", ["--outdir", "--gpus", "--loss", "--link ", "--link-weight", "--link-recipe"]),
        ("calc_metrics.py", ["--network", "--link "]),
    ):
        done = bench.zygote.run("-m", "linkgan_plugin", "run", "--device=cpu", bench.tree / script, "--", "--help")
        assert done.code == 0
        assert [flag for flag in flags if flag not in done.out] == []


def test_the_hosts_own_errors_keep_their_exit_codes(bench: Bench) -> None:
    once_a_tree(bench)
    missing = bench.refused("--data=/nowhere/images.zip", "--metrics=none")
    assert missing.code == bench.kind.bad_data
    assert "--data" in missing.text
    assert "Traceback" not in missing.text
    assert bench.refused("--gpus=none").code == 2
    assert "write NAME=AXES@REGION" in bench.refused("--link=left=0:8", "--metrics=none").text


def test_without_fixes_the_host_fails_as_it_does_alone(bench: Bench) -> None:
    done = bench.refused("--metrics=none", run=["--no-compat"])
    assert done.code == 1
    assert bench.kind.alone in done.text


def test_an_interrupt_ends_it_as_it_ends_the_host(bench: Bench) -> None:
    once_a_tree(bench)
    # So long that it cannot end before the interrupt arrives.
    long = (LINK, "--metrics=none", "--kimg=1000")
    command = bench.command("interrupted", *long, run=("--set", "image_snapshot_ticks=null"))
    command.remove("--smoke")
    done = bench.zygote.run(*command, interrupt_at="tick 0", seconds=bench.kind.seconds)
    # click, which all hosts' commands are made with, says so and exits with 1.
    assert done.code == 1
    assert "Aborted!" in done.text
