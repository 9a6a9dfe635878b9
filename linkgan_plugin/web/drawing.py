"""The server of the page for drawing regions: its addresses and their responses."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from training_loops.formats.json_text import fields_of

from ..calls.random_state import SEEDS
from ..errors import LinkGANError
from ..images.pixels import Pixels
from ..regions.base import StaticRegion
from ..report.preview import COLOURS
from .answers import STATIC, error_handlers, image_response, json_of, nothing
from .drawn_links import Given, Latent, assess, shapes_of
from .samples import Samples
from .security import Guard
from .worker import Worker

MEAN = "mean"


@dataclass(frozen=True)
class Drawing:
    """The images and links of one server.

    Attributes:
        samples: the images.
        mean: their mean, uint8 [H, W, 3].
        mean_of: the number of images in the mean.
        latent: the latent space of the links.
        any_dim: whether the page may change the number of axes.
        given: initial links.
        allow_overlap: initially, whether regions may share pixels.
    """

    samples: Samples
    mean: Pixels
    mean_of: int
    latent: Latent
    given: Sequence[Given] = ()
    any_dim: bool = False
    allow_overlap: bool = False

    def describe(self) -> dict[str, Any]:
        """Return the initial data of the page. The key distinguishes drawings in one browser tab."""
        links = [link.to_json() for link in self.given]
        known = {
            "title": self.samples.title,
            "size": self.samples.size,
            "dim": self.latent.dim,
            "any_dim": self.any_dim,
            "space": self.latent.space,
            "links": links,
            "allow_overlap": self.allow_overlap,
        }
        return known | {
            "key": hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16],
            "mean_of": self.mean_of,
            "colours": ["#{:02x}{:02x}{:02x}".format(*colour) for colour in COLOURS],
        }

    def mask(self, place: int) -> bytes:
        """Return the mask of a link that cannot be drawn, one byte a pixel; raises LinkGANError if it has none."""
        region = self.given[place].region if place < len(self.given) else None
        if not isinstance(region, StaticRegion) or shapes_of(region) is not None:
            raise LinkGANError(f"link {place} has no mask that is the same for all images")
        share = region.coverage(self.samples.size, self.samples.size)
        return (255 * share).round().astype(np.uint8).tobytes()


def create_drawing_app(drawing: Drawing, *, token: str, host: str = "127.0.0.1") -> ASGIApp:
    """Return the ASGI application of a drawing.

    Args:
        drawing: the images and links.
        token: see `security.Guard`.
        host: see `security.Guard`.
    """
    worker = Worker()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        worker.close()

    page = _Page(drawing, worker)
    routes = [
        Route("/api/drawing", page.drawing, methods=["GET"]),
        Route("/api/samples/{shuffle:int}", page.numbers, methods=["GET"]),
        Route("/api/images/mean", page.mean, methods=["GET"]),
        Route("/api/images/{number:int}", page.image, methods=["GET"]),
        Route("/api/masks/{place:int}", page.mask, methods=["GET"]),
        Route("/api/links", page.links, methods=["POST"]),
        Route("/api/{anything:path}", nothing),
        Route("/", lambda request: FileResponse(STATIC / "draw.html"), methods=["GET"]),
        Mount("/", StaticFiles(directory=STATIC)),
    ]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=error_handlers())
    return Guard(app, token=token, host=host)


class _Page:
    """The responses, one method per address."""

    def __init__(self, drawing: Drawing, worker: Worker) -> None:
        self._drawing, self._worker = drawing, worker
        self._checking = asyncio.Semaphore(1)

    async def drawing(self, request: Request) -> Response:
        """The initial data of the page."""
        return JSONResponse(self._drawing.describe())

    async def numbers(self, request: Request) -> Response:
        """The numbers of the images shown side by side."""
        shuffle = _below(request.path_params["shuffle"], SEEDS, "shuffle")
        return JSONResponse({"numbers": self._drawing.samples.numbers(shuffle)})

    async def mean(self, request: Request) -> Response:
        """The mean image."""
        return image_response(self._drawing.mean)

    async def image(self, request: Request) -> Response:
        """An image by its number, in the thread that owns the network or data set."""
        number = _below(request.path_params["number"], SEEDS, "image")
        return image_response(await self._worker.run(partial(self._drawing.samples.pixels, number)))

    async def mask(self, request: Request) -> Response:
        """The mask of a link that cannot be drawn."""
        content = await run_in_threadpool(self._drawing.mask, request.path_params["place"])
        return Response(content, media_type="application/octet-stream")

    async def links(self, request: Request) -> Response:
        """The check of links: {"links": [text, ...], "allow_overlap": bool, "dim": axes}."""
        texts, allow_overlap, latent = self._asked(await json_of(request))
        async with self._checking:  # one at a time, so that many requests use one CPU only
            answer = await run_in_threadpool(assess, texts, latent, allow_overlap=allow_overlap)
        return JSONResponse(answer)

    def _asked(self, data: Mapping[str, Any]) -> tuple[list[str], bool, Latent]:
        optional = {"allow_overlap": bool, "dim": int | None}
        found = fields_of(data, "the request", {"links": list}, optional, extra=True)
        texts, latent, dim = found["links"], self._drawing.latent, found.get("dim")
        if not all(isinstance(text, str) for text in texts):
            raise LinkGANError("links must be a list of texts, NAME=AXES@REGION each")
        if dim not in (None, latent.dim) and not self._drawing.any_dim:
            raise LinkGANError(f"dim must be {latent.dim}")
        return texts, found.get("allow_overlap", False), replace(latent, dim=latent.dim if dim is None else dim)


def _below(number: int, limit: int, what: str) -> int:
    if number >= limit:
        raise LinkGANError(f"{what} {number}: expected 0 to {limit - 1}")
    return number
