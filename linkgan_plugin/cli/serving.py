"""Shared by the commands that serve a page: address options and checks, and required packages."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from socket import socket
from typing import Any, TypeVar

import click

NEEDED = ("starlette", "uvicorn")
FIRST_PORT = 8123

F = TypeVar("F", bound=Callable[..., Any])


def serve_options(command: F) -> F:
    """Add the server options: `port`, `address`, `allow_remote` and `open_browser`."""
    for option in (
        click.option("--open", "open_browser", is_flag=True, help="Open the page in the browser."),
        click.option("--allow-remote", is_flag=True, help="Allow an --address that other machines can reach."),
        click.option(
            "--address", default="127.0.0.1", show_default=True, help="Address to listen on; see --allow-remote."
        ),
        click.option(
            "--port",
            type=click.IntRange(0, 65535),
            default=FIRST_PORT,
            show_default=True,
            help="Port; 0 = any free port.",
        ),
    ):
        command = option(command)
    return command


@dataclass(frozen=True)
class ServeFlags:
    """Where a page is served.

    Attributes:
        port: 0 for any free port.
        address: to listen on.
        allow_remote: allow an address that other machines can reach.
        open_browser: open the page in the browser.
    """

    port: int
    address: str
    allow_remote: bool
    open_browser: bool

    def listen(self) -> socket:
        """Return a listening socket; raises as `check_address` does, or LinkGANError if the port is taken."""
        from ..web.server import listen

        check_address(self.address, self.allow_remote)
        return listen(self.address, self.port)

    def serve(self, listening: socket, create: Callable[..., Any], image: str | None = None, note: str = "") -> None:
        """Print the address of a page and serve it until Ctrl-C.

        Args:
            listening: as `listen` returns it.
            create: called with `token` and `host`; returns the application.
            image: name of the image to open first.
            note: printed after the address.
        """
        from ..web import server
        from ..web.security import new_token

        token = new_token()
        page = server.address_of(listening, self.address, token, image)
        click.echo(f"{page}\nOpen this address in a browser. {note}Ctrl-C stops the server.")
        server.serve(create(token=token, host=self.address), listening, page if self.open_browser else None)


def check_installed() -> None:
    """Raise UsageError with the pip command if the server's packages are missing."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise click.UsageError(f"the page needs {' and '.join(missing)}; pip install 'linkgan_plugin[ui]'")


def check_address(address: str, allow_remote: bool) -> None:
    """Reject an address that other machines can reach, unless allowed; then print a warning.

    Raises:
        click.UsageError: other machines could reach it, and --allow-remote was not typed.
    """
    from ..web.security import is_loopback

    if is_loopback(address):
        return
    if not allow_remote:
        raise click.UsageError(
            f"other machines could reach a page on {address}; add --allow-remote to allow it, or omit --address "
            "and connect through ssh -L"
        )
    click.echo(
        f"Warning: anyone who can reach {address} and knows the address below can use the page; the connection is not "
        "encrypted.",
        err=True,
    )
