"""The parts of a training loop that are the same in every miniature host."""

import json
import os

import dnnlib
import numpy as np
import PIL.Image
import torch


def setup_snapshot_image_grid(training_set, random_seed=0):
    gw, gh = 6, 4
    order = np.random.RandomState(random_seed).permutation(len(training_set))
    images, labels = zip(*[training_set[order[i % len(order)]] for i in range(gw * gh)], strict=True)
    return (gw, gh), np.stack(images), np.stack(labels)


def save_image_grid(img, fname, drange, grid_size):
    lo, hi = drange
    gw, gh = grid_size
    img = np.rint((np.asarray(img, dtype=np.float32) - lo) * (255 / (hi - lo))).clip(0, 255).astype(np.uint8)
    n, c, h, w = img.shape
    assert n == gw * gh
    PIL.Image.fromarray(img.reshape(gh, gw, c, h, w).transpose(0, 3, 1, 4, 2).reshape(gh * h, gw * w, c)).save(fname)


def setup_phases(networks):
    """networks: (letter, module, optimizer kwargs, lazy regularization interval or None) -> list of phases."""
    phases = []
    for name, module, opt_kwargs, reg_interval in networks:
        if reg_interval is None:
            opt = dnnlib.util.construct_class_by_name(params=module.parameters(), **opt_kwargs)
            phases.append(dnnlib.EasyDict(name=name + "both", module=module, opt=opt, interval=1))
            continue
        ratio = reg_interval / (reg_interval + 1)
        betas = [beta**ratio for beta in opt_kwargs.betas]
        opt_kwargs = dnnlib.EasyDict(opt_kwargs, lr=opt_kwargs.lr * ratio, betas=betas)
        opt = dnnlib.util.construct_class_by_name(module.parameters(), **opt_kwargs)
        phases.append(dnnlib.EasyDict(name=name + "main", module=module, opt=opt, interval=1))
        phases.append(dnnlib.EasyDict(name=name + "reg", module=module, opt=opt, interval=int(reg_interval)))
    return phases


def fetch(training_set, iterator, num_phases, batch_size, batch_gpu, z_dim, device):
    """Return real images and labels in microbatches, and z and labels for each phase in microbatches."""
    images, labels = next(iterator)
    images = (images.to(device).to(torch.float32) / 127.5 - 1).split(batch_gpu)
    labels = labels.to(device).split(batch_gpu)
    count = num_phases * batch_size
    gen_z = torch.randn([count, z_dim], device=device)
    gen_c = [training_set.get_label(np.random.randint(len(training_set))) for _ in range(count)]  # noqa: NPY002
    gen_c = torch.from_numpy(np.stack(gen_c)).pin_memory().to(device)
    return images, labels, *([part.split(batch_gpu) for part in x.split(batch_size)] for x in (gen_z, gen_c))


def update_ema(G_ema, G, beta):
    for p_ema, p in zip(G_ema.parameters(), G.parameters(), strict=True):
        p_ema.copy_(p.lerp(p_ema, beta))
    for b_ema, b in zip(G_ema.buffers(), G.buffers(), strict=True):
        b_ema.copy_(b)


def write_stats(run_dir, collector, rank):
    collector.update()
    if rank == 0:
        with open(os.path.join(run_dir, "stats.jsonl"), "a") as f:
            f.write(json.dumps(collector.as_dict()) + "\n")
