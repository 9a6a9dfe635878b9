"""A training run, as the loops of all miniature hosts need it: data, networks, steps, ticks and what is written."""

import copy
import json
from pathlib import Path

import dnnlib
import numpy as np
import PIL.Image
import torch
from metrics import metric_main
from torch_utils import misc, training_stats

build = dnnlib.util.construct_class_by_name


class Run:
    """One rank's part in a training run.

    Attributes:
        options: of the training loop. networks: by name, those that snapshots hold; None for no augment_pipe.
        images: how many real ones D has seen, of all ranks. tick: number of the current tick. sizes: of the data, that
        networks are told of. beside: the loss's names for what the data have between images and labels. looks: what
        G_ema is called with for the grid.
    """

    sizes = ("c_dim", "img_resolution", "img_channels")
    beside = ()
    looks = {"noise_mode": "const"}  # noqa: RUF012

    def __init__(self, rank, options):
        self.rank, self.options, self.ranks = rank, options, options.num_gpus
        self.device = torch.device("cuda", rank)
        self.images = self.tick = self.steps = 0
        for seed in (np.random.seed, torch.manual_seed):
            seed(options.random_seed * self.ranks + rank)
        self.data = build(**options.training_set_kwargs)
        self.share = options.batch_size // self.ranks
        order = misc.InfiniteSampler(self.data, rank, self.ranks, seed=options.random_seed)
        loader = torch.utils.data.DataLoader(self.data, self.share, sampler=order, **options.data_loader_kwargs)
        self.reals = iter(loader)
        numbers = (self.data.label_dim, self.data.resolution, self.data.num_channels)
        sizes = dict(zip(self.sizes, numbers, strict=False))
        G, D = (self.placed(kwargs, **sizes) for kwargs in (options.G_kwargs, options.D_kwargs))
        pipe = self.placed(options.augment_kwargs) if options.get("augment_p") else None
        if pipe is not None:
            pipe.p.fill_(options.augment_p)
        self.networks = {"G": G, "D": D, "G_ema": copy.deepcopy(G).eval(), "augment_pipe": pipe}

    def placed(self, kwargs, **more):
        return build(**kwargs, **more).to(self.device).train().requires_grad_(False)

    def latents(self, count, labels=None):
        """Return z and labels [count, ...], the labels drawn from the data where none are given."""
        if labels is None:
            labels = [self.data.get_label(k) for k in np.random.randint(0, len(self.data), count)]  # noqa: NPY002
        labels = torch.from_numpy(np.stack(labels)).pin_memory()
        return torch.randn(count, self.networks["G"].z_dim, device=self.device), labels.to(self.device)

    def phases(self, **lazy):
        """Return the phases of G and D; `lazy` says how many steps lie between regularizations, None for none."""
        found = []
        for letter, every in lazy.items():
            module, settings = self.networks[letter], dict(self.options[f"{letter}_opt_kwargs"])
            if every:
                share = every / (every + 1)
                settings.update(lr=share * settings["lr"], betas=[beta**share for beta in settings["betas"]])
            optimizer = build(module.parameters(), **settings)
            for kind, pause in (("main", 1), ("reg", int(every))) if every else (("both", 1),):
                found.append(dnnlib.EasyDict(name=letter + kind, module=module, optimizer=optimizer, every=pause))
        return found

    def ticks(self, phases, accumulate, after_step):
        """Train to the end; yields at the end of each tick, and writes its statistics thereafter.

        Args:
            accumulate: called for each microbatch with what the loss takes and whether it is the phase's `last`.
            after_step: called with the gradients of a phase, before they are used.
        """
        collector, begun = training_stats.Collector(), 0
        while True:
            *shown, labels = next(self.reals)
            shown = [pixels.to(self.device).float().div(127.5).sub(1) for pixels in shown]
            for phase in phases:
                if self.steps % phase.every == 0:
                    self._optimize(phase, (*shown, labels.to(self.device)), accumulate, after_step)
            self.steps, self.images = self.steps + 1, self.images + self.options.batch_size
            self._average()
            if self.done or self.tick == 0 or self.images - begun >= 1000 * self.options.kimg_per_tick:
                training_stats.report0("Progress/tick", self.tick)
                training_stats.report0("Progress/kimg", self.images / 1000)
                if self.rank == 0:
                    print(f"tick {self.tick} after {self.images} images")
                yield
                self._write(collector)
                self.tick, begun = self.tick + 1, self.images
                if self.done:
                    return

    def _optimize(self, phase, real, accumulate, after_step):
        phase.module.requires_grad_(True)
        phase.optimizer.zero_grad()
        names = ("real_img", *self.beside, "real_c", "gen_z", "gen_c")
        columns = [column.split(self.options.batch_gpu) for column in (*real, *self.latents(self.share))]
        todo = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
        while todo:
            accumulate(phase=phase.name, gain=phase.every, **todo.pop(0), last=not todo)
        phase.module.requires_grad_(False)
        gradients = [parameter.grad for parameter in phase.module.parameters() if parameter.grad is not None]
        after_step(gradients)
        for gradient in gradients:
            gradient.nan_to_num_(0, 1e5, -1e5)
        phase.optimizer.step()

    def _average(self):
        """Let G_ema follow G: all the way at first, then with a half-life that grows to what the options say."""
        half_life = min(1000 * self.options.ema_kimg, (self.images - self.options.batch_size) / 20)
        step = 1 - 0.5 ** (self.options.batch_size / half_life) if half_life else 1
        G, G_ema = self.networks["G"], self.networks["G_ema"]
        for target, source in zip(G_ema.parameters(), G.parameters(), strict=True):
            target += step * (source - target)
        for target, source in zip(G_ema.buffers(), G.buffers(), strict=True):
            target.copy_(source)

    @property
    def done(self):
        return self.images >= 1000 * self.options.total_kimg

    def due(self, what):
        """Return whether it is time for a snapshot, `image` or `network`."""
        every = self.options[f"{what}_snapshot_ticks"]
        return bool(every) and (self.done or not self.tick % every)

    def path(self, name, suffix):
        return str(Path(self.options.run_dir, f"{name}{self.images // 1000:06d}{suffix}"))

    def draw(self, latents, shape):
        """Write what G_ema makes of the grid's latents, a file for each kind of image."""
        batches = zip(*(column.split(self.options.batch_gpu) for column in latents), strict=True)
        drawn = [self.networks["G_ema"](z, c, **self.looks) for z, c in batches]
        for kind in drawn[0] if isinstance(drawn[0], dict) else [None]:
            images = torch.cat([batch if kind is None else batch[kind] for batch in drawn])
            name = "fakes" if kind in (None, "image") else f"fakes_{kind}_"
            save_grid(self.path(name, ".png"), (images + 1) * 127.5, shape)

    def measure(self, network, snapshot):
        options, common = self.options, {"num_gpus": self.ranks, "rank": self.rank, "device": self.device}
        for name in options.metrics:
            found = metric_main.calc_metric(name, G=network, dataset_kwargs=options.training_set_kwargs, **common)
            if self.rank == 0:
                metric_main.report_metric(found, options.run_dir, snapshot)

    def _write(self, collector):
        collector.update()
        if self.rank == 0:
            with open(Path(self.options.run_dir, "stats.jsonl"), "a") as file:
                print(json.dumps(collector.as_dict()), file=file)


def setup_snapshot_image_grid(training_set, random_seed=0):
    """Return columns and rows, and that many images and labels of the data, in random order."""
    shape = (6, 4)
    order = np.random.default_rng(random_seed).permutation(len(training_set))
    images, *_, labels = zip(*(training_set[k] for k in np.resize(order, shape[0] * shape[1])), strict=True)
    return shape, np.stack(images), np.stack(labels)


def save_grid(path, images, shape):
    """Write images [N, C, H, W], 0 to 255, side by side; the first of their channels where there are not three."""
    pixels = torch.as_tensor(images).round().clamp(0, 255).byte().cpu().permute(0, 2, 3, 1).numpy()
    height, width = pixels.shape[1:3]
    sheet = PIL.Image.new("RGB", (width * shape[0], height * shape[1]))
    for k, tile in enumerate(pixels):
        image = PIL.Image.fromarray(tile if tile.shape[2] == 3 else tile[..., 0])
        sheet.paste(image, (k % shape[0] * width, k // shape[0] * height))
    sheet.save(path)
