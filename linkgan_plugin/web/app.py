"""The server of the page for editing: its addresses and their responses."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp
from torch import Tensor

from training_loops.formats.json_text import fields_of

from ..images.pixels import Pixels, to_pixels
from ..images.png import png_bytes
from ..metrics.record import versions
from .answers import STATE, STATIC, error_handler, error_handlers, image_response, json_of, nothing
from .edited_image import EditedImage
from .security import Guard, body_of
from .session import EditSession
from .store import NoSuchImage
from .uploads import MOST_BYTES, open_photograph
from .worker import Busy

MOST_UPLOADS = 4  # simultaneous uploads, each of at most MOST_BYTES


def create_app(session: EditSession, *, token: str, host: str = "127.0.0.1") -> ASGIApp:
    """Return the ASGI application of a session.

    Args:
        session: the network and its images; closed when the application shuts down.
        token: see `security.Guard`.
        host: see `security.Guard`.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        session.close()

    page = Page(session)
    one = "/api/images/{image}"
    routes = [
        Route("/api/network", page.network, methods=["GET"]),
        Route("/api/images", page.new, methods=["POST"]),
        Route(one, page.view, methods=["GET"]),
        Route(f"{one}/steps", page.step, methods=["POST"]),
        Route(f"{one}/preview", page.preview, methods=["POST"]),
        Route(f"{one}/undo", page.undo, methods=["POST"]),
        Route(f"{one}/redo", page.redo, methods=["POST"]),
        Route(f"{one}/locks", page.lock, methods=["POST"]),
        Route(f"{one}/look", page.look, methods=["POST"]),
        Route(f"{one}/masks", page.masks, methods=["GET"]),
        Route(f"{one}/before", page.before, methods=["GET"]),
        Route(f"{one}/directions/{{region}}", page.directions, methods=["GET"]),
        Route(f"{one}/image", page.download_image, methods=["GET"]),
        Route(f"{one}/latents", page.download_latents, methods=["GET"]),
        Route(f"{one}/sets", page.sets, methods=["GET"]),
        Route("/api/searches", page.search, methods=["POST"]),
        Route("/api/searches/{search}", page.searched, methods=["GET"]),
        Route("/api/searches/{search}", page.stop_search, methods=["DELETE"]),
        Route("/api/photographs", page.find, methods=["POST"]),
        Route("/api/photographs/{photograph}", page.found, methods=["GET"]),
        Route("/api/photographs/{photograph}", page.give_up, methods=["DELETE"]),
        Route("/api/{anything:path}", nothing),
        Mount("/", StaticFiles(directory=STATIC, html=True)),
    ]
    handlers = error_handlers() | {NoSuchImage: error_handler(404)}
    # Outermost, so that error responses have the same headers.
    return Guard(Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers), token=token, host=host)


class Page:
    """The responses, one method per address."""

    def __init__(self, session: EditSession) -> None:
        self.session = session
        self._uploads, self._decoding = 0, asyncio.Semaphore(1)

    async def network(self, request: Request) -> Response:
        """The initial data of the page: the network."""
        return JSONResponse(self.session.describe())

    async def new(self, request: Request) -> Response:
        """A new image from a seed."""
        image = await self.session.new(await json_of(request))
        return await self._answer(image.name, lambda image: None)

    async def view(self, request: Request) -> Response:
        """The current image."""
        return await self._answer(request.path_params["image"], lambda image: None)

    async def step(self, request: Request) -> Response:
        """An edit."""
        data = await json_of(request)
        return await self._change(request, lambda image: image.do(self.session.step(image, data)))

    async def undo(self, request: Request) -> Response:
        """Undo one step."""
        return await self._change(request, EditedImage.undo)

    async def redo(self, request: Request) -> Response:
        """Redo one step."""
        return await self._change(request, EditedImage.redo)

    async def lock(self, request: Request) -> Response:
        """Lock or unlock a region: {"region": name, "locked": true or false}; raises LinkGANError for other data."""
        data = fields_of(await json_of(request), "a lock", {"region": str, "locked": bool}, extra=True)
        return await self._change(request, lambda image: image.lock(**data))

    async def look(self, request: Request) -> Response:
        """Change the camera, the pasting or the surface (see `edited_image.Look`)."""
        data = await json_of(request)
        return await self._change(request, lambda image: image.set_view(data))

    async def preview(self, request: Request) -> Response:
        """The image after a step, without doing the step."""
        data = await json_of(request)
        return image_response(
            await self._with(request, lambda image: _shown(image.preview(self.session.step(image, data))))
        )

    async def before(self, request: Request) -> Response:
        """The image before all edits."""
        return image_response(await self._with(request, lambda image: _shown(image.before())))

    async def masks(self, request: Request) -> Response:
        """Masks, one byte a pixel, region after region, with the state of their image."""
        masks, state = await self._with(request, lambda image: (image.masks(), image.state()))
        return Response(
            masks.tobytes(), headers={STATE: json.dumps(state, allow_nan=False)}, media_type="application/octet-stream"
        )

    async def directions(self, request: Request) -> Response:
        """The effects of a region's strongest directions (see `EditSession.effects`)."""
        return JSONResponse(
            {"effects": await self.session.effects(request.path_params["image"], request.path_params["region"])}
        )

    async def sets(self, request: Request) -> Response:
        """The sets of directions that the image can be edited along."""
        return JSONResponse({"sets": await self._with(request, lambda image: self.session.sets.describe(image.editor))})

    async def search(self, request: Request) -> Response:
        """Start the search for directions of a region: {"region": expression}; LinkGANError for other data."""
        region = fields_of(await json_of(request), "a search", {"region": str})["region"]
        return JSONResponse({"search": self.session.searches.begin(region)}, status_code=202)

    async def searched(self, request: Request) -> Response:
        """The progress of a search, and the name of its set in the end."""
        return JSONResponse(self.session.searches.progress(request.path_params["search"]))

    async def stop_search(self, request: Request) -> Response:
        """Cancel a search."""
        self.session.searches.give_up(request.path_params["search"])
        return Response(status_code=204)

    async def download_image(self, request: Request) -> Response:
        """The image as a PNG with the command, edits and versions as metadata."""

        def made(image: EditedImage) -> tuple[bytes, str]:
            metadata = {
                "command": self.session.command,
                "edits": json.dumps(image.to_json(), allow_nan=False),
                "versions": json.dumps(versions(), allow_nan=False),
            }
            return png_bytes(to_pixels(image.rendered())[0], metadata), _file_name(image, "png")

        content, name = await self._with(request, made)
        return _download(content, name, "image/png")

    async def download_latents(self, request: Request) -> Response:
        """The latents in the format of the hosts' projected_w.npz; the array is called z for links in Z.

        `styles` is what is added to the network's styles, where directions in S shifted them.
        """

        def made(image: EditedImage) -> tuple[bytes, str]:
            buffer = io.BytesIO()
            editor = image.editor
            arrays = {editor.generator.spec.space: editor.latents.cpu().numpy(), "label": editor.labels.cpu().numpy()}
            if editor.styles is not None:
                arrays["styles"] = editor.styles.cpu().numpy()
            np.savez(buffer, **arrays)  # type: ignore[arg-type]
            return buffer.getvalue(), _file_name(image, "npz")

        content, name = await self._with(request, made)
        return _download(content, name, "application/octet-stream")

    async def find(self, request: Request) -> Response:
        """Start the inversion of an uploaded photograph."""
        if self._uploads >= MOST_UPLOADS:
            raise Busy("other photographs are being uploaded; try again in a moment")
        self._uploads += 1
        try:
            data = await body_of(request, MOST_BYTES)
            async with self._decoding:  # one at a time, which bounds the memory; not in the server's thread
                name = await run_in_threadpool(lambda: self.session.photographs.begin(open_photograph(data)))
        finally:
            self._uploads -= 1
        return JSONResponse({"photograph": name}, status_code=202)

    async def found(self, request: Request) -> Response:
        """The progress of an inversion and its image so far."""
        progress, pixels = self.session.photographs.progress(request.path_params["photograph"])
        return image_response(pixels, progress)

    async def give_up(self, request: Request) -> Response:
        """Cancel an inversion."""
        self.session.photographs.give_up(request.path_params["photograph"])
        return Response(status_code=204)

    async def _with(self, request: Request, call: Callable[[EditedImage], Any]) -> Any:
        return await self.session.with_image(request.path_params["image"], call)

    async def _change(self, request: Request, call: Callable[[EditedImage], None]) -> Response:
        """Change an image and send it. It is written to its folder after the response."""
        name = request.path_params["image"]
        response = await self._answer(name, call)
        response.background = BackgroundTask(self.session.with_image, name, self.session.store.save)
        return response

    async def _answer(self, name: str, call: Callable[[EditedImage], None]) -> Response:
        def answer(image: EditedImage) -> tuple[Pixels, dict[str, Any]]:
            call(image)
            return _shown(image.rendered()), image.state()

        pixels, state = await self.session.with_image(name, answer)
        return image_response(pixels, state)


def _shown(image: Tensor) -> Pixels:
    return to_pixels(image)[0]


def _file_name(image: EditedImage, suffix: str) -> str:
    kind = "photograph" if image.editor.photograph is not None else f"seed{image.source.get('seed', '')}"
    return f"linkgan-{kind}-edits{len(image.editor.steps)}.{suffix}"


def _download(content: bytes, name: str, kind: str) -> Response:
    return Response(content, headers={"content-disposition": f'attachment; filename="{name}"'}, media_type=kind)
