"""Runs the server of a page until Ctrl-C."""

from __future__ import annotations

import contextlib
import html
import os
import socket
import tempfile
import webbrowser
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from ..errors import LinkGANError

_PATIENCE = 3  # seconds for running requests when the server ends


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 uses any free port.

    Raises:
        LinkGANError: the address is not available.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        raise LinkGANError(
            f"cannot listen on {host} port {port} ({error.strerror or error}); choose another with --port, or 0 for any"
        ) from error


def address_of(listening: socket.socket, host: str, token: str, image: str | None = None) -> str:
    """Return the address to open in a browser. Browsers do not send the part after #."""
    name = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)
    name = f"[{name}]" if ":" in name else name
    port = listening.getsockname()[1]
    return f"http://{name}:{port}/#token={token}" + (f"&image={image}" if image else "")


def serve(app: ASGIApp, listening: socket.socket, address: str | None = None) -> None:
    """Serve until Ctrl-C.

    Args:
        app: the application.
        listening: the listening socket.
        address: opened in the browser once the server runs.
    """
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=_PATIENCE, ws="none"
    )
    server = _Server(config, shown(address) if address else contextlib.nullcontext())
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn shuts down cleanly, then raises it again
        server.run(sockets=[listening])


@contextlib.contextmanager
def shown(address: str) -> Iterator[None]:
    """Open an address in the browser through a temporary file that only this user can read.

    Every user of the machine can read the browser's command line, which would otherwise contain the token.
    """
    handle, name = tempfile.mkstemp(prefix="linkgan-ui-", suffix=".html")  # readable by this user only
    path, link = Path(name), html.escape(address)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(
                f'<!doctype html><meta charset="utf-8"><title>linkgan</title><meta http-equiv="refresh" '
                f'content="0; url={link}"><p><a href="{link}">To the page</a></p>\n'
            )
        webbrowser.open(path.as_uri())
        yield
    finally:
        path.unlink(missing_ok=True)


class _Server(uvicorn.Server):
    """A server that enters a context when it has started and leaves it when it ends, for any reason."""

    def __init__(self, config: uvicorn.Config, answering: AbstractContextManager[None]) -> None:
        super().__init__(config)
        self._answering, self._exits = answering, contextlib.ExitStack()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then enter the context."""
        await super().startup(sockets)
        if self.started:
            self._exits.enter_context(self._answering)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Leave the context, then shut down."""
        self._exits.close()
        await super().shutdown(sockets)
