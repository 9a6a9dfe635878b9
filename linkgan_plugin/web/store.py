"""Edited images stored in a folder, so that they survive a reload and a restart."""

from __future__ import annotations

import json
import re
import secrets
import shutil
from collections import OrderedDict
from pathlib import Path
from typing import Any

from training_loops.formats.atomic import write_bytes
from training_loops.formats.budget import EDITS
from training_loops.formats.files import read_file
from training_loops.formats.json_text import parse_json

from ..errors import LinkGANError
from ..generators import LinkedGenerator
from ..inversion.encoder import Encoder
from ..inversion.latent_files import LATENTS_FILE
from ..inversion.projected import Projected, load_projected, save_projected
from .edited_image import EditedImage

FILE = "edits.json"
MOST_KEPT = 200  # images in the folder; beyond this the least recently opened one is deleted
MOST_OPEN = 8  # images in memory, each with its own network if it was tuned for a photograph
_NAME = re.compile(r"[0-9a-f]{16}")


class NoSuchImage(LinkGANError):
    """An image that is not in the store."""


class ImageStore:
    """Images by name. Used only in the worker's thread.

    Names are drawn here. Names sent by a page are only compared with them, so a page cannot name a file.

    Args:
        folder: where images are stored, one folder each; created if missing.
        generator: the network of all images.
        encoder: of the network, for photographs with details.
    """

    def __init__(self, folder: Path, generator: LinkedGenerator, encoder: Encoder | None = None) -> None:
        self.folder, self.generator, self._encoder = folder, generator, encoder
        folder.mkdir(parents=True, exist_ok=True)
        found = [path for path in folder.iterdir() if _NAME.fullmatch(path.name) and (path / FILE).is_file()]
        found.sort(key=lambda path: (path / FILE).stat().st_mtime)
        self._places = OrderedDict((path.name, path) for path in found)  # most recently used last
        self._open: OrderedDict[str, EditedImage] = OrderedDict()

    def __len__(self) -> int:
        return len(self._places)

    def add(self, image: EditedImage, projected: Projected | None = None) -> EditedImage:
        """Store a new image, with the inversion of its photograph if it has one."""
        image.name = secrets.token_hex(8)
        self._places[image.name] = self.folder / image.name
        self._open[image.name] = image
        if projected is not None:
            save_projected(self._places[image.name], projected)
        self.save(image)
        while len(self._places) > MOST_KEPT:
            name, place = self._places.popitem(last=False)
            self._open.pop(name, None)
            shutil.rmtree(place, ignore_errors=True)
        self._close_some()
        return image

    def refine(self, name: str, projected: Projected) -> None:
        """Replace the inversion of an image's photograph by a better one; an image no longer stored is left alone.

        Raises:
            LinkGANError: an edit cannot be redone from there; nothing is changed.
        """
        if name in self._places:
            image = self.get(name)
            image.refine(projected, self._details_of(projected))
            save_projected(self._places[name], projected)
            self.save(image)

    def add_photograph(self, projected: Projected) -> EditedImage:
        """Store a new image of an inverted photograph.

        Raises:
            LinkGANError: an inversion of another network, or one with details of which there is no encoder.
        """
        image = EditedImage.of_photograph(self.generator, projected, self._details_of(projected))
        return self.add(image, projected)

    def _details_of(self, projected: Projected | None) -> Encoder | None:
        """Return the encoder if an inversion was made with its details."""
        if projected is None or not projected.detailed:
            return None
        if self._encoder is None:
            raise LinkGANError("this photograph was inverted with details; open the page with --encoder FILE")
        return self._encoder

    def get(self, name: str) -> EditedImage:
        """Return an image, from memory or from its folder.

        Raises:
            NoSuchImage: an unknown name.
            LinkGANError: its files cannot be read, or are of another network.
        """
        if name not in self._places:
            raise NoSuchImage("this image is no longer stored; start with a new one")
        if name not in self._open:
            self._open[name] = self._read(name)
            self._close_some()
        self._open.move_to_end(name)
        self._places.move_to_end(name)
        return self._open[name]

    def save(self, image: EditedImage) -> None:
        """Write an image's edits atomically; its photograph was written by `add`."""
        if image.name in self._places:
            write_bytes(self._places[image.name] / FILE, json.dumps(image.to_json(), allow_nan=False).encode())

    def _read(self, name: str) -> EditedImage:
        place = self._places[name]
        try:
            data: Any = parse_json(read_file(place / FILE, EDITS.bytes), FILE, EDITS)
        except ValueError as error:
            raise LinkGANError(f"the edits in {place} cannot be read ({error})") from error
        projected = load_projected(place, self.generator.generator) if (place / LATENTS_FILE).exists() else None
        image = EditedImage.from_json(self.generator, data, projected, self._details_of(projected))
        image.name = name
        return image

    def _close_some(self) -> None:
        while len(self._open) > MOST_OPEN:
            self._open.popitem(last=False)
