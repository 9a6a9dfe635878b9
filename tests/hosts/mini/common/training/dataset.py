"""A zip of images, with labels in its dataset.json."""

import json
import zipfile

import numpy as np
import PIL.Image
import torch


class ImageFolderDataset(torch.utils.data.Dataset):
    def __init__(self, path, resolution=None, max_size=None, use_labels=False, xflip=False, random_seed=0):
        if not zipfile.is_zipfile(path):
            raise OSError(f"{path} is no zip file")
        with zipfile.ZipFile(path) as archive:
            files = set(archive.namelist())
            names = sorted(name for name in files if name.endswith(".png"))[:max_size]
            self.pixels = np.stack([np.moveaxis(_image(archive, name), 2, 0) for name in names])
            known = json.loads(archive.read("dataset.json")) if "dataset.json" in files else {}
        table = dict(known.get("labels") or []) if use_labels else {}
        self.labels = np.array([table.get(name, []) for name in names], dtype=np.float32)
        _, self.num_channels, self.resolution, _ = self.pixels.shape
        if resolution not in (None, self.resolution):
            raise OSError(f"{path} has images of {self.resolution} pixels, not {resolution}")
        self.label_dim = self.labels.shape[1]
        self.has_labels = self.label_dim > 0

    def __len__(self):
        return len(self.pixels)

    def __getitem__(self, index):
        return self.pixels[index].copy(), self.get_label(index)

    def get_label(self, index):
        return self.labels[index].copy()

    def get_label_std(self):
        return np.std(self.labels, axis=0)


def _image(archive, name):
    with archive.open(name) as file:
        return np.asarray(PIL.Image.open(file))
