"""Requests and responses of both servers: JSON, pixels, and errors as one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from training_loops.formats.json_text import parse_object

from ..errors import LinkGANError
from ..images.pixels import Pixels
from .security import TooLarge, body_of, refused
from .worker import Busy

STATIC = Path(__file__).parent / "static"
MOST_JSON = 64 * 2**10  # bytes
# Headers of image responses: the state of the image as JSON, and its width in pixels.
STATE, WIDTH = "linkgan-state", "linkgan-width"


async def json_of(request: Request) -> Mapping[str, Any]:
    """Return the JSON object in a request.

    Raises:
        LinkGANError: the body is not a JSON object.
        TooLarge: the body is longer than `MOST_JSON`.
    """
    return parse_object(await body_of(request, MOST_JSON), "the request")


def image_response(pixels: Pixels, state: Mapping[str, Any] | None = None) -> Response:
    """Return uint8 [H, W, 3] as the RGBA bytes of a canvas.

    Encoding and decoding an image file would take longer than all other work of a request.
    """
    opaque = np.full((*pixels.shape[:2], 4), 255, np.uint8)
    opaque[..., :3] = pixels
    headers = {WIDTH: str(pixels.shape[1])} | ({} if state is None else {STATE: json.dumps(state, allow_nan=False)})
    return Response(opaque.tobytes(), headers=headers, media_type="application/octet-stream")


async def nothing(request: Request) -> Response:
    """Respond to an unknown address of the API."""
    raise HTTPException(404)


def error_handlers() -> dict[Any, Any]:
    """Return the error handlers of both pages."""
    return {
        LinkGANError: error_handler(400),
        TooLarge: error_handler(413),
        Busy: error_handler(503),
        HTTPException: _http_error,
        Exception: _fault,
    }


def error_handler(status: int) -> Callable[[Request, Exception], Response]:
    """Return a handler of user errors, which sends the message."""
    return lambda request, error: refused(status, str(error))


def _http_error(request: Request, error: HTTPException) -> Response:
    return refused(error.status_code, f"Nothing was found at this address ({error.detail}).")


def _fault(request: Request, error: Exception) -> Response:
    """Respond to an internal error. The server prints it in the terminal; it is not sent to the page."""
    return refused(500, "An internal error occurred. The terminal shows it.")
