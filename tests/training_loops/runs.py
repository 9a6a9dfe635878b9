"""Runs of the loop, from options as plain dictionaries that a test can change."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training_loops.options import TrainingOptions
from training_loops.presets import build_options
from training_loops.request import TrainingRequest
from training_loops.session import Session
from training_loops.training_loop import TrainingResult, training_loop


def options_of(**asked: Any) -> dict[str, Any]:
    """What a preset makes of the attributes of a `TrainingRequest`."""
    return build_options(TrainingRequest(**asked)).to_json()


def train(run_dir: Path, options: Mapping[str, Any], **session: Any) -> TrainingResult:
    """Train silently; `session` has attributes of a `Session`."""
    silent = {"verbose": False, "tensorboard": False}
    return training_loop(TrainingOptions.from_json(options), run_dir, Session(**{**silent, **session}))
