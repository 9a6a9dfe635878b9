"""A zip of images, with labels in its dataset.json."""

import json
import os
import zipfile

import numpy as np
import PIL.Image
import torch


class ImageFolderDataset(torch.utils.data.Dataset):
    def __init__(self, path, resolution=None, max_size=None, use_labels=False, xflip=False, random_seed=0):
        if not str(path).endswith(".zip") or not os.path.isfile(path):
            raise OSError("Path must point to a directory or zip")
        self.name, self._use_labels, self._xflip = os.path.splitext(os.path.basename(path))[0], use_labels, xflip
        with zipfile.ZipFile(path) as archive:
            names = sorted(name for name in archive.namelist() if name.endswith(".png"))
            pictures = [np.array(PIL.Image.open(archive.open(name))).transpose(2, 0, 1) for name in names[:max_size]]
            labels = None
            if use_labels and "dataset.json" in archive.namelist():
                table = dict(json.load(archive.open("dataset.json"))["labels"] or [])
                labels = np.array([table[name] for name in names], dtype=np.float32) if table else None
        self._images = np.stack(pictures)
        self._labels = np.zeros([len(names), 0], dtype=np.float32) if labels is None else labels
        self.image_shape = list(self._images.shape[1:])
        self.num_channels, self.resolution = self.image_shape[:2]
        if resolution is not None and resolution != self.resolution:
            raise OSError("Image files do not match the specified resolution")
        self.label_shape = list(self._labels.shape[1:])
        self.label_dim = self.label_shape[0]
        self.has_labels = self.label_dim != 0

    def __len__(self):
        return len(self._images)

    def __getitem__(self, index):
        return self._images[index].copy(), self.get_label(index)

    def get_label(self, index):
        return self._labels[index].copy()

    def get_label_std(self):
        return self._labels.std(0)
