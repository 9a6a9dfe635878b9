"""Running the page's server until Ctrl-C."""

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
        app: the application.
        listening: where.
        address: opened in the browser once the server answers.
    """
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=_PATIENCE, ws="none"
    )
    server = _Server(config, shown(address) if address else contextlib.nullcontext())
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn ends cleanly, and then raises it again
        server.run(sockets=[listening])


@contextlib.contextmanager
def shown(address: str) -> Iterator[None]:
    """Open an address in the browser by way of a file that only this user can read, deleted afterwards.

    Every user of the machine can read the browser's command line, which would otherwise hold the token.
    """
    handle, name = tempfile.mkstemp(prefix="linkgan-ui-", suffix=".html")  # readable by this user alone
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
    """A server that enters a context when it answers, and leaves it when it ends, however it was told to."""

    def __init__(self, config: uvicorn.Config, answering: AbstractContextManager[None]) -> None:
        super().__init__(config)
        self._answering, self._exits = answering, contextlib.ExitStack()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start as usual, then enter."""
        await super().startup(sockets)
        if self.started:
            self._exits.enter_context(self._answering)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Leave, then end as usual."""
        self._exits.close()
        await super().shutdown(sockets)
