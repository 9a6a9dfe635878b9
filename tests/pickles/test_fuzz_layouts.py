"""Checkpoints of other projects with odd values in them: opened, or refused in one line. The same in every run."""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from linkgan_plugin.inversion.projected import load_projected
from linkgan_plugin.networks import load_network
from linkgan_plugin.pickles.describe import describe
from tests.pickles.layouts import network, prefixed, rosinality
from training_loops.errors import InputError

ROUNDS = 40
G = network()
STATE, AVERAGE, LATENTS = rosinality(G), G.mapping.w_avg, torch.ones(1, 8, 8)
FILES: dict[str, Callable[[], Any]] = {
    "rosinality": lambda: {"g": dict(STATE), "g_ema": dict(STATE), "latent_avg": AVERAGE},
    "pSp": lambda: {"state_dict": prefixed("decoder.", STATE), "latent_avg": AVERAGE, "opts": argparse.Namespace(a=1)},
    "latents": lambda: {"latents": LATENTS, "opts": {"a": 1}},
    "projections": lambda: {"a.png": {"latent": LATENTS[0], "noise": [torch.ones(1)]}},
}


def odd(tensor: torch.Tensor, dice: random.Random) -> Any:
    """Return another tensor or value in the place of one."""
    shape = list(tensor.shape)
    if shape:
        at = dice.randrange(len(shape))
        shape[at] = dice.choice([0, 1, 2, shape[at] * 2])
    made = torch.zeros(shape)
    values: list[Any] = [None, [], {}, "x", 3, {"a": tensor}, [tensor], argparse.Namespace(x=1)]
    return dice.choice([made, made, tensor.reshape(-1), tensor.sum(), tensor.to(torch.int32), tensor[None], *values])


def changed(data: dict[str, Any], dice: random.Random) -> None:
    """Change, leave out or rename entries of a dict or of one in it."""
    inner = [value for value in data.values() if isinstance(value, dict)]
    target = dice.choice(inner) if inner and dice.random() < 0.85 else data
    for _ in range(dice.randint(1, 4)):
        name = dice.choice(list(target))
        match dice.randrange(4):
            case 0:
                target[f"{name}.{dice.randrange(10)}"] = target.pop(name)
            case 1 if len(target) > 1:
                del target[name]
            case 2:
                target[name.replace("0", "1").replace("convs", "to_rgbs")] = target[name]
            case _:
                value = target[name]
                target[name] = odd(value, dice) if isinstance(value, torch.Tensor) else odd(LATENTS, dice)


@pytest.mark.parametrize("kind", FILES)
def test_odd_values_are_opened_or_refused_in_a_line(kind: str, tmp_path: Path) -> None:
    dice, path = random.Random(kind), tmp_path / "model.pt"
    refused: list[str] = []
    for _ in range(ROUNDS):
        data = FILES[kind]()
        changed(data, dice)
        torch.save(data, path, _use_new_zipfile_serialization=dice.random() < 0.5)
        read = load_network if kind in ("rosinality", "pSp") else lambda path: load_projected(path, G)
        try:
            read(path)
        except InputError as error:
            refused.append(str(error))
        refused.append(describe(path)["error"] or "")
    assert all(message.isprintable() for message in refused)
    assert ROUNDS < len(refused) < 2 * ROUNDS  # some of each
