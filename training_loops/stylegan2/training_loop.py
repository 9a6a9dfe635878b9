"""The loop that all families share, by the name of the family that most callers train."""

from training_loops.training_loop import (
    OPTIONS_FILE,
    STATE_FILE,
    TrainingResult,
    default_device,
    lr_fraction,
    read_options,
    training_loop,
)

__all__ = [
    "OPTIONS_FILE",
    "STATE_FILE",
    "TrainingResult",
    "default_device",
    "lr_fraction",
    "read_options",
    "training_loop",
]
