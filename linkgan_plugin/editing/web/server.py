"""Running the page's server until Ctrl-C."""

from __future__ import annotations

import contextlib
import socket
import webbrowser
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from ...errors import LinkGANError

_PATIENCE = 3  # seconds that answers under way have when the server ends


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes any that is free.

    Raises:
        LinkGANError: the address cannot be listened on.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        raise LinkGANError(
            f"cannot listen on {host} port {port} ({error.strerror or error}); choose another with --port, or 0 for any"
        ) from error


def address_of(listening: socket.socket, host: str, token: str, image: str | None = None) -> str:
    """Return what to open in a browser. The part after # never leaves it."""
    name = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)
    name = f"[{name}]" if ":" in name else name
    port = listening.getsockname()[1]
    return f"http://{name}:{port}/#token={token}" + (f"&image={image}" if image else "")


def serve(app: ASGIApp, listening: socket.socket, address: str | None = None) -> None:
    """Answer until Ctrl-C, then return.

    Args:
        app: the application. listening: where. address: opened in the browser once the server answers.
    """
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=_PATIENCE, ws="none"
    )
    server = _Server(config, (lambda: webbrowser.open(address)) if address else lambda: False)
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn ends cleanly, and then raises it again
        server.run(sockets=[listening])


class _Server(uvicorn.Server):
    """A server that calls back when it has started."""

    def __init__(self, config: uvicorn.Config, on_start: Callable[[], object]) -> None:
        super().__init__(config)
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start as usual, then call back."""
        await super().startup(sockets)
        self._on_start()
