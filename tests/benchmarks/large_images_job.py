"""One job of `large_images`, alone in its process, so that the process's peak memory is that of the job."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from linkgan_plugin.bench.cost import boxes
from linkgan_plugin.editing.editor import Editor
from linkgan_plugin.editing.steps import Resample
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.hosts.options import turn_on
from linkgan_plugin.inversion.project import project
from linkgan_plugin.losses import LinkGANLoss
from linkgan_plugin.metrics.evaluate import evaluate
from linkgan_plugin.networks import load_network
from linkgan_plugin.recipes import make_recipe
from linkgan_plugin.web.edited_image import EditedImage
from training_loops import util
from training_loops.options import TrainingOptions
from training_loops.presets import build_options
from training_loops.request import TrainingRequest
from training_loops.session import Session
from training_loops.snapshots import save_snapshot
from training_loops.training_loop import training_loop

SECONDS: dict[str, float] = defaultdict(float)
PAIRS, PROJECTION_STEPS = 2, 3


class TimedLoss(LinkGANLoss):
    """LinkGANLoss that adds up the processor seconds of each phase of the host, and of the links, in `SECONDS`."""

    def accumulate_gradients(self, phase: str, **call: Any) -> None:
        """Time a phase without its links."""
        before, started = SECONDS["links"], time.process_time()
        super().accumulate_gradients(phase, **call)
        SECONDS[phase] += time.process_time() - started - (SECONDS["links"] - before)

    def _accumulate_link(self, *args: Any) -> None:
        started = time.process_time()
        super()._accumulate_link(*args)
        SECONDS["links"] += time.process_time() - started


def options_of(asked: dict[str, Any]) -> dict[str, Any]:
    """Return the training options of the preset, with everything in single precision as CPUs train."""
    request = TrainingRequest(
        asked["cfg"],
        Path(asked["data"]),
        batch=asked["batch"],
        threads=asked["threads"],
        fp32=True,
        snap=10**6,
        tick=10**6,
        image_grid=(1, 1),
        **asked["sizes"],
    )
    return build_options(request).to_json()


def step(asked: dict[str, Any]) -> None:
    """Train one step, the first, in which every phase and the links are due."""
    options = options_of(asked)
    if asked["links"]:
        recipe = make_recipe("default", start=0.0)
        turn_on(options, loss="linkgan", links=boxes(asked["links"]), recipe=recipe)
        options["loss_kwargs"]["class_name"] = f"{TimedLoss.__module__}.TimedLoss"
    options["total_kimg"] = 1  # many steps; the job ends after the first

    def done(cur_nimg: int, total_nimg: int) -> None:
        finish()

    session = Session(device="cpu", verbose=False, tensorboard=False, progress_fn=done)
    training_loop(TrainingOptions.from_json(options), Path(asked["folder"]), session)


def save(asked: dict[str, Any]) -> None:
    """Write a snapshot with random weights."""
    options = options_of(asked)
    turn_on(options, loss="linkgan", links=boxes(asked["links"]), recipe=make_recipe("default"))
    dataset = util.construct_class_by_name(**options["training_set_kwargs"])
    dims = {"c_dim": dataset.label_dim, "img_resolution": dataset.resolution, "img_channels": dataset.num_channels}
    torch.manual_seed(0)
    spec = options["G_kwargs"]["link_spec"]
    kwargs = {name: value for name, value in options["G_kwargs"].items() if name not in ("class_name", "link_spec")}
    G = util.construct_class_by_name(class_name=kwargs.pop("base_class_name"), **kwargs, **dims)
    D = util.construct_class_by_name(**options["D_kwargs"], **dims)
    save_snapshot(asked["snapshot"], G=G, D=D, G_ema=G, training_options={}, cur_nimg=0, link_spec=spec)


def _opened(asked: dict[str, Any]) -> LinkedGenerator:
    network = load_network(asked["snapshot"])
    return LinkedGenerator(network.generator, network.linked(), labels=network.labels(Path(asked["data"])))


def load(asked: dict[str, Any]) -> None:
    """Open the snapshot."""
    _opened(asked)


def edit(asked: dict[str, Any]) -> None:
    """Resample a region and return the image, as `linkgan edit` does."""
    generator = _opened(asked)
    editor = Editor.of_seed(generator, 0)
    editor.do(Resample(generator.spec.names[0], 1))
    editor.difference()


def page(asked: dict[str, Any]) -> None:
    """Render an edited image and its masks, as the page does."""
    generator = _opened(asked)
    image = EditedImage.of_seed(generator, 0, None)
    image.do(Resample(generator.spec.names[0], 1))
    image.rendered()
    image.masks()


def invert(asked: dict[str, Any]) -> None:
    """Take a few steps of a projection in W."""
    generator = _opened(asked)
    target = generator.sample([3]).images
    project(generator, target, space="w", steps=PROJECTION_STEPS)


def measure(asked: dict[str, Any]) -> None:
    """Measure the links on some pairs, one image at a time."""
    evaluate(_opened(asked), pairs=asked["pairs"], batch=1)


JOBS: dict[str, Callable[[dict[str, Any]], None]] = {
    job.__name__: job for job in (step, save, load, edit, page, invert, measure)
}


def finish() -> None:
    """Print what the job took, and end the process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    print(json.dumps({"peak": peak, "seconds": time.process_time(), "parts": SECONDS}), flush=True)
    sys.exit()


if __name__ == "__main__":
    asked = json.loads(sys.argv[2])
    torch.set_num_threads(asked["threads"])
    sys.modules["tests.benchmarks.large_images_job"] = sys.modules["__main__"]  # the loss is built by its dotted name
    JOBS[sys.argv[1]](asked)
    finish()
