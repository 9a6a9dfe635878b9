"""Request checks: host name, origin and token; and the security headers of responses.

Web pages of other origins are open in the same browser. Three checks keep them out:

- Host: a page elsewhere can point a name of its own at 127.0.0.1 (DNS rebinding); its requests carry that name.
- Origin: browsers say which page sends a request; only ours may. Others may lead to our page, as a link does: it is
  opened in a tab of its own, where they neither see nor reach it.
- Token: drawn at every start and printed with the address. It comes back in a header that no other page can send, and
  no cookie carries it, so that a browser never adds it by itself. It keeps out other users of the machine, too.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import LinkGANError

API = "/api/"
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class TooLarge(LinkGANError):
    """A request body above its size limit."""


def new_token() -> str:
    """Return a random token."""
    return secrets.token_urlsafe(24)


def is_loopback(host: str) -> bool:
    """Return whether a server at `host` is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """ASGI middleware: refuses requests that do not come from our own page, and adds `HEADERS` to every response.

    Args:
        app: what is guarded.
        token: of this start.
        host: the address listened on. A loopback address answers to the names of this machine for itself alone.
            Others answer to that name, the machine's own, and any number: rebinding needs a name.
    """

    def __init__(self, app: ASGIApp, *, token: str, host: str) -> None:
        self.app, self.token = app, token
        self._only_loopback = is_loopback(host)
        self._names = (
            {"localhost"} if self._only_loopback else {"localhost", host.lower(), socket.gethostname().lower()}
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # there are no web sockets here; the server closes what nobody accepts

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        answer = self._refusal(scope) or self.app
        await answer(scope, receive, sending)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or not self._is_ours(hosts[0]):
            return refused(403, "This server does not answer to that name; open the address that the terminal shows.")
        is_api = scope["path"].startswith(API)
        elsewhere = headers.get("sec-fetch-site") in ("cross-site", "same-site")
        if any(urlsplit(origin).netloc != hosts[0] for origin in origins) or (
            elsewhere and (is_api or not _opens_a_tab(headers))
        ):
            return refused(403, "Another web page sent this; only the page of this server may.")
        if is_api and not self._has_token(headers.getlist("authorization")):
            return refused(401, "This page belongs to an earlier start; open the address that the terminal shows.")
        return None

    def _is_ours(self, host: str) -> bool:
        name = _host_name(host)
        try:
            return ipaddress.ip_address(name).is_loopback or not self._only_loopback
        except ValueError:
            return name in self._names

    def _has_token(self, given: Iterable[str]) -> bool:
        return any(secrets.compare_digest(text.encode(), f"Bearer {self.token}".encode()) for text in given)


def _opens_a_tab(headers: Headers) -> bool:
    """Return whether a browser asks for what it shows as a page, in no frame of another."""
    return (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == ("navigate", "document")


def _host_name(host: str) -> str:
    """Return the name in a Host header, without its port; "" where it is no such header."""
    match = re.fullmatch(r"(\[[0-9a-f:]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?", host.lower())
    return match[1].strip("[]") if match else ""


def refused(status: int, message: str) -> JSONResponse:
    """Return an error as the page reads it: one sentence for people.

    It may quote what was asked for, and JSON can ask for halves of characters, which UTF-8 does not have.
    """
    return JSONResponse({"error": message.encode(errors="replace").decode()}, status_code=status)


async def body_of(request: Request, most: int) -> bytes:
    """Return the body of a request, read no further than it may be long.

    Raises:
        TooLarge: it has, or claims, more than `most` bytes.
    """
    claimed = request.headers.get("content-length", "0")
    pieces, length = [], int(claimed) if claimed.isdecimal() else most + 1
    if length <= most:
        length = 0
        async for piece in request.stream():
            length += len(piece)
            if length > most:
                break
            pieces.append(piece)
    if length > most:
        raise TooLarge(f"the request has more than {most / 2**20:.3g} MiB, the limit here")
    return b"".join(pieces)
