"""Tiny trees with nothing of a host but lines that anchors look for, in code of our own around them."""

from __future__ import annotations

import os
from pathlib import Path

COMMAND = """\
import click
import dnnlib

@click.command()
@click.option("--outdir")
def main(outdir):
    {call}
"""
TRAIN = {
    "stylegan2-ada-pytorch": "text, chosen = setup_training_loop_kwargs(outdir)\n    print(text, chosen)",
    "stylegan3": "c = {'outdir': outdir}\n    launch_training(c=c)",
}
LOOP = """\
import pickle
import dnnlib

def loop(resume_data, G, D, parts, loss_kwargs):
    for name, part in parts:
        misc.copy_params_and_buffers(resume_data[name], part, require_all=False)
    misc.print_module_summary(G, [z, c])
    misc.print_module_summary(D, [0])
    grid_size, images, labels = setup_snapshot_image_grid(0)
    for part in (G, D):
        if part:
            part = {wrap}(part)
    with open("x", "wb") as f:
        pickle.dump(parts, f)
"""
STEPS = """\

def step(loss, cur_nimg, phase_real_img, phase_real_c, phase_gen_z):
    for real_img, real_c, gen_z in zip(phase_real_img, phase_real_c, phase_gen_z):
        loss.accumulate_gradients(real_img, real_c, gen_z)
"""
DDP = "torch.nn.parallel.DistributedDataParallel"
METRICS = """\
def register_metric(function):
    return function

def is_valid_metric(name):
    return False
"""
GRID_SAMPLE = """\
def _should_use_custom_op():
    return True

class _GridSample2dForward:
    pass
"""


def make_tree(root: Path, family: str) -> Path:
    """Write a tree that is of `family` to the folder `root` and return it."""
    files = {
        "train.py": COMMAND.format(call=TRAIN.get(family, TRAIN["stylegan3"])),
        "calc_metrics.py": COMMAND.format(call="args.G = found['G_ema']"),
        "metrics/metric_main.py": METRICS,
        "training/training_loop.py": LOOP.replace("{wrap}", DDP if family == "stylegan2-ada-pytorch" else "keep"),
        "dnnlib/__init__.py": "\ufeff# Utilities\r\n\r\nfrom .util import thing\r\n",
        "torch_utils/ops/grid_sample_gradfix.py": GRID_SAMPLE,
        "notes.txt": "not ours\n",
    }
    if family == "eg3d":
        files["training/triplane.py"] = "class TriPlane:\n    pass\n"
    if family == "r3gan":
        files["R3GAN/Networks.py"] = "class Generator:\n    pass\n"
        files["training/training_loop.py"] += STEPS
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text.encode())
    return root


def tree_bytes(root: Path) -> dict[str, tuple[int, bytes]]:
    """Return name -> (mode, content) of every file below `root`."""
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {str(path.relative_to(root)): (os.stat(path).st_mode, path.read_bytes()) for path in files}
