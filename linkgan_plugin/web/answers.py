"""What the servers of both pages answer with: JSON, pixels, and errors as one sentence for people."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ..errors import LinkGANError
from ..images.pixels import Pixels
from .security import TooLarge, body_of, refused
from .worker import Busy

STATIC = Path(__file__).parent / "static"
MOST_JSON = 64 * 2**10
# Headers of images on their way to the page: the state that they are of, as JSON, and how many pixels they are wide.
STATE, WIDTH = "linkgan-state", "linkgan-width"


async def json_of(request: Request) -> Mapping[str, Any]:
    """Return the JSON object in a request.

    Raises:
        LinkGANError: it holds something else. TooLarge: it is longer than `MOST_JSON`.
    """
    body = await body_of(request, MOST_JSON)
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise LinkGANError("that is not JSON") from error
    if not isinstance(data, Mapping):
        raise LinkGANError("that is not a JSON object")
    return data


def image_response(pixels: Pixels, state: Mapping[str, Any] | None = None) -> Response:
    """Return uint8 [H, W, 3] as the bytes that a canvas takes: red, green, blue, opaque.

    On one machine, packing them as a file and unpacking it again would cost more than all else that is done here.
    """
    opaque = np.full((*pixels.shape[:2], 4), 255, np.uint8)
    opaque[..., :3] = pixels
    headers = {WIDTH: str(pixels.shape[1])} | ({} if state is None else {STATE: json.dumps(state, allow_nan=False)})
    return Response(opaque.tobytes(), headers=headers, media_type="application/octet-stream")


async def nothing(request: Request) -> Response:
    """Answer for an address of the API that is none."""
    raise HTTPException(404)


def error_handlers() -> dict[Any, Any]:
    """Return the handlers of errors that both pages have."""
    return {
        LinkGANError: told(400),
        TooLarge: told(413),
        Busy: told(503),
        HTTPException: _http_error,
        Exception: _fault,
    }


def told(status: int) -> Callable[[Request, Exception], Response]:
    """Return a handler of mistakes: the sentence that the error is."""
    return lambda request, error: refused(status, str(error))


def _http_error(request: Request, error: HTTPException) -> Response:
    return refused(error.status_code, f"There is nothing of the kind here ({error.detail}).")


def _fault(request: Request, error: Exception) -> Response:
    """Answer for a fault of ours. What it was is raised on, for the terminal, and not told to whoever asked."""
    return refused(500, "Something went wrong in the program. The terminal says what.")
