"""What inserted lines do to a host's commands and options, without any host."""

from __future__ import annotations

import dataclasses
import json

import click
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from linkgan_plugin import sidecar
from linkgan_plugin.basis import Basis
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.hosts import compat, hooks, overrides, resume, session, smoke
from linkgan_plugin.hosts.options import follow_flags
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.recipes import Recipe
from linkgan_plugin.segmentation import named
from tests.segmentation.networks import CLASSES, script

LINK = "eyes=0:4@box(0,0,1,0.5)"


def options():
    return {
        "G_kwargs": {"class_name": "training.networks.Generator", "z_dim": 8, "w_dim": 8},
        "loss_kwargs": {"class_name": "training.loss.StyleGAN2Loss", "r1_gamma": 1.0},
        "G_opt_kwargs": {"betas": [0, 0.99]},
        "D_opt_kwargs": {"betas": [0, 0.99]},
        "metrics": [],
        "batch_size": 4,
        "total_kimg": 100,
        "data_loader_kwargs": {"num_workers": 3},
    }


@click.command()
@hooks.train_options
@click.option("--metrics", default="")
@click.option("--resume")
def train(metrics, resume):
    given = options() | {"metrics": [name for name in metrics.split(",") if name]}
    if resume:
        given["resume_pkl"] = resume
    hooks.apply(given)
    click.echo(json.dumps(given))


def run(*args):
    return CliRunner().invoke(train, args)


def test_without_flags_a_hosts_options_stay_as_they_are():
    assert json.loads(run().output) == options()


def test_a_loss_is_told_the_networks_that_the_user_named_for_its_links(tmp_path):
    path = script(tmp_path / "light.pt", classes=CLASSES)
    named.name("other.pt", tmp_path)
    arguments = ["--link", f"light=4@semantic({path},light)", "--trust-network", str(path)]
    done = json.loads(run(*arguments).stdout)
    assert done["loss_kwargs"]["named"] == {"networks": {str(path): str(path)}, "trusted": [str(path)]}
    assert "named" not in json.loads(run("--link", LINK).stdout)["loss_kwargs"]


def test_links_move_into_the_options_with_the_whole_spec_and_recipe():
    done = json.loads(run("--loss=linkgan", "--link", LINK, "--link-weight", "2").stdout)
    assert done["loss_kwargs"]["base_class_name"] == "training.loss.StyleGAN2Loss"
    assert done["loss_kwargs"]["base_kwargs"] == {"r1_gamma": 1.0}
    assert done["loss_kwargs"]["recipe"]["weight"] == 2
    assert done["loss_kwargs"]["link_spec"] == LinkSpec.parse([LINK], dim=8).to_json() == done["G_kwargs"]["link_spec"]


def test_links_are_trained_in_the_basis_of_a_file_or_of_the_resumed_network(tmp_path):
    basis = Basis.of(torch.eye(8).flip(0))
    spec = dataclasses.replace(LinkSpec.parse([LINK], dim=8), basis=basis)
    place = sidecar.path_of(tmp_path / "linked.pkl")
    place.write_text(json.dumps({"link_spec": spec.to_json()}))
    for file in (tmp_path / "linked.pkl", place):
        for links in ([], ["--link", LINK]):
            done = json.loads(run("--link-basis", str(file), *links, "--link-start", "0").stdout)
            assert done["loss_kwargs"]["link_spec"] == spec.to_json() == done["G_kwargs"]["link_spec"]
    resumed = json.loads(run("--loss=linkgan", "--resume", str(tmp_path / "linked.pkl")).stdout)
    assert resumed["loss_kwargs"]["link_spec"] == spec.to_json()
    plain = run("--resume", str(tmp_path / "linked.pkl"), "--link", LINK, "--link-basis", "none")
    assert json.loads(plain.stdout)["loss_kwargs"]["link_spec"] == LinkSpec.parse([LINK], dim=8).to_json()
    missing = run("--link-basis", str(tmp_path / "other.pkl"), "--link", LINK)
    assert f"no file {tmp_path / 'other.links.json'}" in missing.output
    assert "`linkgan link` writes it" in missing.output
    assert "--link-basis auto is for `linkgan train`" in run("--link-basis", "auto", "--link", LINK).output


@pytest.mark.parametrize(
    ("args", "image"),
    [
        ([], round(100_000 * Recipe().start)),
        (["--link-start", "0.25"], 25_000),
        (["--link-start", "0"], 0),
        (["--link-recipe", "paper"], 0),
        (["--resume", "trained.pkl"], 0),
        (["--resume", "trained.pkl", "--link-start", "0.1"], 10_000),
    ],
)
def test_links_start_in_the_middle_of_a_run_or_with_a_trained_network(args, image):
    result = run("--link", LINK, *args)
    loss = json.loads(result.stdout)["loss_kwargs"]
    assert loss["start_nimg"] == image == 100_000 * loss["recipe"]["start"]
    said = f"links are trained from image {image} of 100000 on (--link-start 0: from the first)\n"
    assert result.stderr == ("" if image == 0 else said)


def test_links_that_are_only_measured_are_called_that():
    assert "links are measured from image" in run("--link", LINK, "--link-weight", "0").stderr


def test_a_host_that_does_not_say_how_long_it_trains_has_links_from_the_first_image_only():
    given = {name: value for name, value in options().items() if name != "total_kimg"}
    flags = {"loss": "linkgan", "links": [LINK], "space": "w", "allow_overlap": False, "recipe_name": "default"}
    with pytest.raises(LinkGANError, match="--link-start 0"):
        follow_flags(dict(given), {**flags, "switches": {}})
    follow_flags(given, {**flags, "switches": {"start": 0.0}})
    assert given["loss_kwargs"]["start_nimg"] == 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--loss=linkgan"], "at least one --link"),
        (["--link", "eyes=0:9@box(0,0,1,1)"], "eyes"),
        (["--loss=linkgn", "--link", LINK], "linkgan"),
        (["--link", LINK, "--link-interval", "0"], "interval"),
        (["--link", LINK, "--link-start", "1"], "link start is 1.0; expected a share of the run"),
        (["--link-weight", "1"], "--link-weight needs a link"),
        (["--link-recipe", "paper"], "--link-recipe needs a link"),
        (["--metrics", "fid50k_full,link10k"], "--metrics=link10k needs links"),
    ],
)
def test_bad_flags_are_one_usage_error(args, message):
    result = run(*args)
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output


def test_region_metrics_may_be_asked_for_where_there_are_links():
    assert run("--link", LINK, "--metrics", "link2k").exit_code == 0


def test_a_script_that_calls_the_hosts_functions_itself_is_left_alone():
    given = options()
    hooks.apply(given)
    assert given == options()
    del given["loss_kwargs"]  # a fork may have none
    hooks.apply(given)


def test_fixes_change_the_betas_only_when_enabled(monkeypatch):
    monkeypatch.setattr(compat, "active", lambda: True)
    assert json.loads(run().output)["G_opt_kwargs"]["betas"] == [0.0, 0.99]


def test_overrides_and_smoke_limits_come_from_the_session(monkeypatch):
    monkeypatch.setenv(session.VARIABLE, "")
    session.Session("s", "r", smoke=True, overrides={"G_kwargs.w_dim": 16, "ema_kimg": 1}).export()
    done = json.loads(run("--link", LINK).stdout)
    assert done["G_kwargs"]["w_dim"] == 16
    assert done["loss_kwargs"]["start_nimg"] == 0, "the few steps of a smoke run are for the links"
    assert "link start is 7.0" in run("--link", LINK, "--link-start", "7").output, "the real run would be refused"
    assert done["ema_kimg"] == 1
    assert done["total_kimg"] == smoke.STEPS * 4 / 1000
    assert done["data_loader_kwargs"]["num_workers"] == 1


def test_a_session_reaches_child_processes_whole(monkeypatch):
    monkeypatch.setenv(session.VARIABLE, "")
    given = session.Session("/s.py", "/r", ("link", "smoke"), "cpu", True, {"a.b": [1]})
    given.export()
    assert session.current() == given


def test_overrides_name_the_group_that_is_missing():
    with pytest.raises(LinkGANError, match=r"no group 'G_kwarg'.*G_kwargs"):
        overrides.override(options(), {"G_kwarg.w_dim": 3})
    with pytest.raises(LinkGANError, match="not KEY=VALUE"):
        overrides.read_override("w_dim")
    assert overrides.read_override("a.b=0.5") == ("a.b", 0.5)
    assert overrides.read_override("noise=false") == ("noise", False)
    with pytest.raises(LinkGANError, match="write noise=false"):
        overrides.read_override("noise=False")
    assert overrides.read_override("name=plain text") == ("name", "plain text")


class Net(nn.Module):
    def __init__(self, width, extra=False):
        super().__init__()
        self.z_dim = self.w_dim = 8
        self.mapping = self.synthesis = nn.Identity()
        self.first = nn.Linear(2, width)
        if extra:
            self.register_buffer("dataset_label_std", torch.ones(3))
            self.second = nn.Linear(1, 1, bias=False)


def test_a_snapshot_that_fits_is_taken_with_the_hosts_derived_buffers():
    target = Net(3)
    target.register_buffer("dataset_label_std", torch.ones(3))
    resume.compare("G", Net(3), target)


def test_a_snapshot_that_does_not_fit_is_refused_with_its_tensors():
    linked = {"link_spec": {}}
    with pytest.raises(click.UsageError) as caught:
        hooks.check_resume("G_ema", Net(3), Net(4, extra=True), linked)
    text = str(caught.value.message)
    assert "G_ema" in text
    assert "first.weight: [3, 2] in the snapshot, [4, 2] here" in text
    assert "second.weight: missing in the snapshot, [1, 1] here" in text
    hooks.check_resume("G_ema", Net(3), Net(4), {})  # a host without links does what it always did


def test_the_sidecar_keeps_spec_and_recipe_beside_the_snapshot(tmp_path):
    done = json.loads(run("--link", LINK).stdout)
    snapshot = tmp_path / "network-snapshot-000100.pkl"
    hooks.snapshot_written(str(snapshot), {}, done["loss_kwargs"])
    assert sidecar.read(snapshot) == done["G_kwargs"]["link_spec"]
    assert sidecar.path_of(snapshot).name == "network-snapshot-000100.links.json"
    sidecar.path_of(snapshot).write_text("{")
    with pytest.raises(LinkGANError, match=r"links\.json: not valid JSON"):
        sidecar.read(snapshot)
    hooks.snapshot_written(str(tmp_path / "plain.pkl"), {}, {"r1_gamma": 1})
    assert sidecar.read(tmp_path / "plain.pkl") is None


@click.command()
@hooks.metric_options
@click.option("--metrics", default="link2k")
def calc(metrics):
    network = Net(3)
    hooks.give_links(network, metrics.split(","))
    click.echo(json.dumps(getattr(network, "link_spec", None)))


def test_the_metrics_command_gives_links_to_a_network_without():
    assert json.loads(CliRunner().invoke(calc, ["--link", LINK]).output) == LinkSpec.parse([LINK], dim=8).to_json()
    result = CliRunner().invoke(calc, [])
    assert result.exit_code == 2
    assert "--metrics=link2k needs links" in result.output
    assert json.loads(CliRunner().invoke(calc, ["--metrics", "fid50k_full"]).output) is None


def test_a_small_grid_is_a_grid():
    size, images, labels = smoke.small_grid((3, 7), torch.zeros(21, 1), torch.zeros(21, 0))
    assert size == (3, 2)
    assert len(images) == len(labels) == 6
