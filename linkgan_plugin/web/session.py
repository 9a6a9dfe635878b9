"""`EditSession`: a network, the thread that owns it, the stored images and the inversions of photographs."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import torch

from training_loops.formats.json_text import fields_of

from ..calls.random_state import check_seed
from ..checksum import file_digest
from ..editing.direction_sets import check_directions, load_sets, space_of
from ..editing.plain import tensor_to_json
from ..editing.steps import Resample, Step, step_from_json, without_choice
from ..errors import LinkGANError
from ..generators import LinkedGenerator
from ..images.pixels import check_channels
from ..inversion.conditions import photograph_label
from ..inversion.encoder import Encoder
from ..inversion.encoder_files import load_encoder
from ..inversion.projected import load_projected
from ..inversion.stages import InversionSettings
from ..links import REST
from ..networks import load_network
from ..pickles.download import cache_folder
from ..report.preview import COLOURS, REST_COLOUR
from .edited_image import EditedImage
from .photographs import Photographs
from .searches import DirectionSearches
from .sets import PageSets
from .store import ImageStore
from .worker import Worker

T = TypeVar("T")

MOST_PSI = 2
RENDERED = 8 * 17  # images that `editing.directions.block_directions` renders for one region


class EditSession:
    """A network and the images edited with it.

    Args:
        generator: the network.
        title: shown on the page.
        folder: where images are stored.
        command: as typed, for the metadata of downloads.
        settings: of inversions.
        encoder: that inverts photographs at once, see `Photographs`.
    """

    def __init__(
        self,
        generator: LinkedGenerator,
        *,
        title: str,
        folder: Path,
        command: str = "linkgan ui",
        settings: InversionSettings | None = None,
        encoder: Encoder | None = None,
    ) -> None:
        self.generator, self.title, self.command = generator, title, command
        self.worker = Worker()
        self.store = ImageStore(folder, generator, encoder)
        self.photographs = Photographs(generator, self.worker, self.store, settings, encoder)
        self.sets = PageSets()
        self.searches = DirectionSearches(generator, self.worker, self.sets)
        self._effects: dict[str, list[float | None]] = {}
        self._seconds = _seconds_per_image(generator)

    def describe(self) -> dict[str, Any]:
        """Return the network's data for the page, as plain data."""
        names = self.generator.spec.block_names
        colours = [REST_COLOUR if name == REST else COLOURS[i % len(COLOURS)] for i, name in enumerate(names)]
        return {
            "title": self.title,
            "regions": [
                {
                    "name": name,
                    "title": self._title_of(name),
                    "colour": "#{:02x}{:02x}{:02x}".format(*colour),
                }
                for name, colour in zip(names, colours, strict=True)
            ],
            "is_3d_aware": self.generator.is_3d_aware,
            "psi": self.generator.truncation_psi if self._truncates else None,
            "projects": self.photographs.possible,
            "draws": not self.generator.spec.links,
            "directions": self._seconds * RENDERED,
        }

    def _title_of(self, region: str) -> str:
        if region != REST:
            return region.replace("_", " ")
        return "the rest" if self.generator.spec.links else "the image"

    @property
    def _truncates(self) -> bool:
        return self.generator.spec.space == "w" and self.generator.calls.mapping.accepts("truncation_psi")

    async def new(self, data: Mapping[str, Any]) -> EditedImage:
        """Return a new image of {"seed": a whole number, "psi": a number or absent}; raises LinkGANError otherwise."""
        found = fields_of(data, "a new image", {"seed": int}, {"psi": float | None}, extra=True)
        seed, psi = check_seed(found["seed"]), found.get("psi")
        if psi is not None and not (self._truncates and 0 <= psi <= MOST_PSI):
            raise LinkGANError(f"psi must be a number from 0 to {MOST_PSI}, of a network that can truncate")
        return await self.worker.run(lambda: self.store.add(EditedImage.of_seed(self.generator, seed, psi)))

    async def with_image(self, name: str, call: Callable[[EditedImage], T]) -> T:
        """Call a function with an image in the thread that owns the network."""
        return await self.worker.run(lambda: call(self.store.get(name)))

    async def effects(self, name: str, region: str) -> list[float | None]:
        """Return the effects of a region's strongest directions, strongest first; None where edits do not store them.

        They are the same for all images. Computing them renders many images; other jobs run in between.
        """
        if region not in self._effects:
            editor = await self.with_image(name, lambda image: image.editor)
            found = await asyncio.wrap_future(self.worker.start(lambda: editor.directions(region, self._breathing)))
            self._effects[region] = [None] * len(found) if found.effect is None else found.effect.tolist()
        return self._effects[region]

    def _breathing(self, samples: Iterable[int]) -> Iterator[int]:
        for sample in samples:
            self.worker.run_pending()
            yield sample

    def step(self, image: EditedImage, data: Any) -> Step:
        """Read a step as the page sends it: `step_from_json` data, where a donor may be {"image": name}.

        A resample may have `consistent`, a number of donors; the step then has the seed of the best one for `image`.
        The image gets the set of directions that a step names.

        Called in the worker's thread, as it may load the other image.

        Raises:
            LinkGANError: not a step, or the other image is not stored.
        """
        donor = data.get("donor") if isinstance(data, Mapping) else None
        if isinstance(donor, Mapping) and isinstance(donor.get("image"), str):
            other = self.store.get(donor["image"])
            data = {**data, "donor": tensor_to_json(other.editor.latents)}
        if not isinstance(data, Mapping):
            return step_from_json(data)
        data, choice = without_choice(data)
        step = step_from_json(data)
        self.sets.give(image.editor, step)
        return choice.step(image.editor, step) if choice and isinstance(step, Resample) else step

    def close(self) -> None:
        """End the thread."""
        self.worker.close()


def open_session(
    snapshot: Path,
    *,
    psi: float = 1.0,
    links: Sequence[str] = (),
    space: str | None = None,
    allow_overlap: bool = False,
    data: Path | None = None,
    number: int | None = None,
    directions: Sequence[Path] = (),
    projection: Path | None = None,
    settings: InversionSettings | None = None,
    encoder: Path | None = None,
    device: torch.device | str = "cpu",
    host: Path | None = None,
    keep: Path | None = None,
    command: str = "linkgan ui",
) -> tuple[EditSession, str | None]:
    """Open a network file and return its session, and the name of the image to open first, if any.

    Args:
        snapshot: the network file.
        psi: truncation, 0 to 2.
        links: as for `linkgan edit`.
        space: of `links`, see `links.LinkSpec`.
        allow_overlap: of `links`, see `links.LinkSpec`.
        data: data set with labels, as for `linkgan edit`.
        number: class, as for `linkgan edit`.
        directions: files of directions, shown as sliders.
        host: checkout of the network's code.
        settings: of inversions.
        encoder: file of an encoder for photographs.
        projection: an inverted photograph to open first.
        keep: where images are stored, by default a folder for this network, these links and this psi in the user's
            cache.
    Raises:
        LinkGANError: psi is out of range, or a file cannot be opened or does not fit the network.
    """
    if not 0 <= psi <= MOST_PSI:  # also refuses NaN
        raise LinkGANError(f"psi {psi:g}, expected a number from 0 to {MOST_PSI}")
    network = load_network(snapshot, device, host=host)
    check_channels(int(getattr(network.generator, "img_channels", 3)))
    labels = network.labels(data, number)
    sets = load_sets(directions, network.generator)
    space = space or (None if links else space_of(sets))
    spec = network.linked(links, space=space, allow_overlap=allow_overlap, needed=False)
    generator = LinkedGenerator(network.generator, spec, truncation_psi=psi, labels=labels)
    if keep is None:
        made_with = json.dumps(
            [file_digest(snapshot), generator.spec.to_json(), psi], allow_nan=False
        )  # without labels, which are stored with each image
        keep = _kept_by_default(hashlib.sha256(made_with.encode()).hexdigest()[:16])
    session = EditSession(
        generator,
        title=_title(snapshot, generator),
        folder=keep,
        command=command,
        settings=settings,
        encoder=load_encoder(encoder, device) if encoder else None,
    )
    layers = generator.draw([0]).shape[1]
    for title, found in sets.items():
        check_directions(found, generator, layers)
        session.sets.add(title, found)
    if projection is None:
        return session, None
    projected = load_projected(projection, generator.generator, photograph_label(generator.generator, labels))
    return session, session.store.add_photograph(projected).name


def _kept_by_default(name: str) -> Path:
    """Create the folder of that name in the user's cache; LinkGANError, naming --keep, if it cannot be written to."""
    try:
        folder = cache_folder() / "ui" / name
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
    except (OSError, RuntimeError) as error:  # RuntimeError: no home folder
        raise LinkGANError(
            f"edits cannot be stored in the user's cache ({error}); give another folder with --keep"
        ) from error
    return folder


def _title(path: Path, generator: LinkedGenerator) -> str:
    side = getattr(generator.generator, "img_resolution", None)
    return f"{path.parent.name}/{path.name}" + (f", {side} x {side} pixels" if side else "")


def _seconds_per_image(generator: LinkedGenerator) -> float:
    """Return the shortest time of several renderings: the first includes set-up, others may be slowed by other jobs."""
    latents, labels = generator.draw([0]), generator.labels([0])
    times = [time.perf_counter()]
    for _ in range(4):
        generator.render(latents, labels).cpu()  # waits for a GPU to finish the image
        times.append(time.perf_counter())
    return min(later - earlier for earlier, later in pairwise(times))
