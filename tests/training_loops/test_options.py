"""Options of a run: the file's keys stay, files of earlier runs go on, and what cannot work is named."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests.training_loops.runs import train
from tests.training_loops.states import assert_same_end
from training_loops.errors import OptionError
from training_loops.options import KEYS, TrainingOptions
from training_loops.training_loop import OPTIONS_FILE, read_options


def earlier_file(data: Path) -> dict[str, Any]:
    """What the first versions wrote into training_options.json, literally."""
    optimizer = {"class_name": "torch.optim.Adam", "betas": [0, 0.99], "eps": 1e-08, "lr": 0.003}
    capacity = {"channel_base": 64, "channel_max": 8, "num_fp16_res": 0, "conv_clamp": None}
    return {
        "training_set_kwargs": {
            "class_name": "training_loops.data.folder.ImageFolderDataset",
            "path": str(data),
            "use_labels": False,
            "max_size": 30,
            "xflip": False,
            "random_seed": 0,
            "resolution": 8,
        },
        "G_kwargs": {
            "class_name": "training_loops.stylegan2.networks.Generator",
            "z_dim": 8,
            "w_dim": 8,
            "mapping_kwargs": {"num_layers": 2},
            "use_noise": False,
            **capacity,
        },
        "D_kwargs": {
            "class_name": "training_loops.stylegan2.networks.Discriminator",
            "architecture": "resnet",
            "mapping_kwargs": {},
            **capacity,
            "block_kwargs": {"freeze_layers": 0},
            "epilogue_kwargs": {"mbstd_group_size": 4},
        },
        "G_opt_kwargs": optimizer,
        "D_opt_kwargs": optimizer,
        "loss_kwargs": {
            "class_name": "training_loops.stylegan2.loss.StyleGAN2Loss",
            "r1_gamma": 0.3,
            "pl_weight": 0.0,
            "style_mixing_prob": 0.0,
        },
        "metrics": [],
        "random_seed": 0,
        "num_gpus": 1,
        "batch_size": 8,
        "batch_gpu": 8,
        "ema_kimg": 5,
        "ema_rampup": 0.05,
        "G_reg_interval": None,
        "D_reg_interval": 16,
        "total_kimg": 0.08,
        "kimg_per_tick": 0.016,
        "image_snapshot_ticks": 2,
        "network_snapshot_ticks": 2,
        "lr_final_fraction": 0.1,
        "lr_decay_share": 0.25,
        "image_grid": [4, 2],
        "resume": None,
        "cudnn_benchmark": True,
        "threads": None,
    }


def test_an_earlier_file_reads_and_is_written_the_same(tmp_path: Path, tiny_options: dict[str, Any]) -> None:
    data = Path(tiny_options["training_set_kwargs"]["path"])
    (tmp_path / OPTIONS_FILE).write_text(json.dumps(earlier_file(data)))
    found = read_options(tmp_path)
    assert json.dumps(found.to_json()) == json.dumps(earlier_file(data)), "same keys, values and order"
    assert found.to_json() == tiny_options, "and the preset still makes it"


def test_a_run_goes_on_from_an_earlier_file(tmp_path: Path, tiny_options: dict[str, Any]) -> None:
    train(tmp_path / "whole", tiny_options)
    calls = iter(range(100))
    stopped = train(tmp_path / "run", tiny_options, abort_fn=lambda: next(calls) == 4)
    assert (stopped.cur_nimg, stopped.finished) == (40, False)
    earlier = earlier_file(Path(tiny_options["training_set_kwargs"]["path"]))
    (tmp_path / "run" / OPTIONS_FILE).write_text(json.dumps(earlier))
    result = train(tmp_path / "run", read_options(tmp_path / "run").to_json(), restart=True)
    assert (result.cur_nimg, result.finished) == (80, True)
    assert_same_end(tmp_path / "whole", tmp_path / "run")
    assert json.loads((tmp_path / "run" / OPTIONS_FILE).read_text()) == earlier


def test_every_option_has_a_place_in_one_group(tiny_options: dict[str, Any]) -> None:
    numbered = {**{key: number for number, key in enumerate(KEYS, start=1)}, "resume": "x"}
    assert TrainingOptions.from_json(numbered).to_json() == numbered
    assert tuple(tiny_options) == KEYS


def test_a_run_that_goes_on_may_change_what_does_not_decide_what_is_learned(tiny_options: dict[str, Any]) -> None:
    free = {"total_kimg", "metrics", "kimg_per_tick", "image_snapshot_ticks", "network_snapshot_ticks", "image_grid"}
    free |= {"threads", "cudnn_benchmark"}
    fixed = TrainingOptions.from_json(tiny_options).fixed()
    assert tiny_options.keys() - fixed.keys() == free
    assert all(tiny_options[key] == value for key, value in fixed.items())


def test_a_process_works_on_its_whole_share_where_no_less_is_asked_for(tiny_options: dict[str, Any]) -> None:
    asked = {**tiny_options, "batch_size": 12, "num_gpus": 2}
    for batch_gpu in (None, 0):
        assert TrainingOptions.from_json({**asked, "batch_gpu": batch_gpu}).data.batch_gpu == 6
    assert TrainingOptions.from_json({**asked, "batch_gpu": 3}).data.batch_gpu == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"batchsize": 8}', r"option 'batchsize': known are training_set_kwargs, G_kwargs"),
        ("{}", "option training_set_kwargs: is missing"),
        ("[1]", "the options are a list, expected an object with keys"),
        ("{", "not the folder of a run that can be resumed"),
    ],
)
def test_a_file_that_holds_no_options_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / OPTIONS_FILE).write_text(text)
    with pytest.raises(OptionError, match=rf"{OPTIONS_FILE}: .*{message}"):
        read_options(tmp_path)


def test_options_that_are_not_finite_are_named(tiny_options: dict[str, Any]) -> None:
    TrainingOptions.from_json(tiny_options).check()
    with pytest.raises(OptionError, match=r"loss_kwargs\.betas\.1=nan: expected a finite number"):
        TrainingOptions.from_json({**tiny_options, "loss_kwargs": {"betas": [0.0, math.nan]}}).check()
