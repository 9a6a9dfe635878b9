"""Request checks: host name, origin and token; and the security headers of responses.

Pages of other sites are open in the same browser. Three checks refuse their requests:

- Host: another site can point its own name at 127.0.0.1 (DNS rebinding); its requests then carry that name.
- Origin: browsers state which page sends a request; only our own is accepted. Other sites may link to our page, which
  then opens in a separate tab that they cannot read or control.
- Token: drawn at every start and printed with the address. It is sent in a header that no other page can send. It is
  not a cookie, so browsers never add it automatically. It also refuses other users of the machine.
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
    """Return whether a server at `host` can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """ASGI middleware: refuses requests that do not come from our own page, and adds `HEADERS` to every response.

    Args:
        app: the application.
        token: drawn at this start.
        host: the address of the server. On a loopback address, only loopback names and numbers are accepted. Otherwise
            also this name, the machine's name, and any IP address, as DNS rebinding needs a name.
    """

    def __init__(self, app: ASGIApp, *, token: str, host: str) -> None:
        self.app, self.token = app, token
        self._only_loopback = is_loopback(host)
        self._names = (
            {"localhost"} if self._only_loopback else {"localhost", host.lower(), socket.gethostname().lower()}
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request to the application, or refuse it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # no web sockets; the server closes those that are not accepted

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
            return refused(403, "This server is not available under that name; open the address shown in the terminal.")
        is_api = scope["path"].startswith(API)
        elsewhere = headers.get("sec-fetch-site") in ("cross-site", "same-site")
        if any(urlsplit(origin).netloc != hosts[0] for origin in origins) or (
            elsewhere and (is_api or not _opens_a_tab(headers))
        ):
            return refused(403, "This request was sent by another web page; only the page of this server is accepted.")
        if is_api and not self._has_token(headers.getlist("authorization")):
            return refused(
                401, "This page belongs to an earlier start of the program; open the address shown in the terminal."
            )
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
    """Return whether a request opens a page in a browser tab, not in a frame."""
    return (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == ("navigate", "document")


def _host_name(host: str) -> str:
    """Return the name in a Host header, without its port; "" for a malformed header."""
    match = re.fullmatch(r"(\[[0-9a-f:]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?", host.lower())
    return match[1].strip("[]") if match else ""


def refused(status: int, message: str) -> JSONResponse:
    """Return an error response, {"error": message}.

    Messages may quote a request, and JSON can contain half characters (lone surrogates), which are replaced.
    """
    return JSONResponse({"error": message.encode(errors="replace").decode()}, status_code=status)


async def body_of(request: Request, most: int) -> bytes:
    """Return the body of a request.

    Raises:
        TooLarge: the body, or its content-length, has more than `most` bytes; the rest is not read.
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
        raise TooLarge(f"the request is larger than {most / 2**20:.3g} MiB, the limit")
    return b"".join(pieces)
