"""Downloads files once: checks the size first, stores the checksum next to the file, deletes partial files."""

from __future__ import annotations

import hashlib
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from training_loops.formats.atomic import replacing, write_bytes
from training_loops.formats.text import printable

from ..checksum import file_digest
from ..errors import LinkGANError
from .convert import KINDS

CACHE_VARIABLE = "LINKGAN_CACHE"
LARGEST = 4 << 30
_BLOCK = 1 << 18
_PATIENCE = 30.0  # seconds without a byte
_SLOWEST = 10_000  # minimum bytes per second, on average after the first _PATIENCE
_LONGEST = 6 * 3600.0  # seconds for a whole file: 4 GB at 200 kB/s
_MOST_REDIRECTS = 5  # Hugging Face and GitHub take two
# Names of devices on Windows, with any suffix.
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)

_ALSO = (".gz", ".pth", ".bin", ".ckpt")  # suffixes of other projects

Started = Callable[[int | None], None]
Progress = Callable[[int], object]


def is_url(text: str) -> bool:
    """Return whether `text` is a URL, not a file."""
    return "://" in text


def cache_folder() -> Path:
    """Return the folder of downloads: LINKGAN_CACHE, else ``linkgan`` in the user's cache folder."""
    given = os.environ.get(CACHE_VARIABLE)
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "linkgan"


def place_of(url: str, folder: Path) -> Path:
    """Return the path of the downloaded file of `url`.

    Raises:
        LinkGANError: not a web address, or not of a network file.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise LinkGANError(printable(f"{url}: not an address ({error})")) from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise LinkGANError(printable(f"{url}: expected an address that begins with https:// or http://"))
    name = re.sub(r"[^\w.-]", "_", unquote(parts.path).rpartition("/")[2], flags=re.ASCII)[-80:].lstrip(".")
    if Path(name).suffix.lower() not in (*KINDS, *_ALSO):
        raise LinkGANError(printable(f"{url}: expected a file whose name ends in {', '.join(KINDS)}"))
    return folder / hashlib.sha256(url.encode()).hexdigest()[:12] / (f"_{name}" if _DEVICE.match(name) else name)


def checksum_of(path: Path) -> Path:
    """Return the path of the SHA-256 of a downloaded file, in the format of sha256sum."""
    return path.with_name(path.name + ".sha256")


def kept(path: Path) -> bool:
    """Return whether a file was downloaded before and is unchanged."""
    if not path.is_file() or not checksum_of(path).is_file():
        return False
    return checksum_of(path).read_text("utf-8", "replace").split(" ")[0] == file_digest(path)


def fetch(
    url: str,
    folder: Path,
    *,
    largest: int = LARGEST,
    started: Started = lambda size: None,
    progress: Progress = lambda count: None,
) -> Path:
    """Return the file at `url`, from `folder` if it was downloaded before.

    Args:
        largest: maximum size in bytes.
        started: called with the size, None if the server does not send it.
        progress: called with the size of every piece.
    Raises:
        LinkGANError: an invalid address, an error of the server, a file that is too large or incomplete.
    """
    path = place_of(url, folder)
    if kept(path):
        return path
    try:
        with urllib.request.build_opener(_SameScheme).open(url, timeout=_PATIENCE) as response:
            size = _size(response, url, largest)
            started(size)
            with replacing(path) as temporary, open(temporary, "wb") as file:
                digest = _copy(response, file, url, size, largest, progress)
        write_bytes(checksum_of(path), f"{digest}  {path.name}\n".encode())
    except urllib.error.HTTPError as error:
        raise LinkGANError(printable(f"{url}: the server answered {error.code} {error.reason}")) from error
    except LinkGANError:
        raise
    except (OSError, HTTPException, ValueError, OverflowError) as error:  # the last two: invalid hosts and ports
        reason = getattr(error, "reason", None) or error
        raise LinkGANError(printable(f"{url}: download failed ({reason})")) from error
    return path


class _SameScheme(urllib.request.HTTPRedirectHandler):
    """Follows a few redirects that keep the scheme of the address, or change http to https."""

    max_redirections = _MOST_REDIRECTS

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        scheme = urlsplit(newurl).scheme
        if scheme not in (req.type, "https"):
            raise LinkGANError(printable(f"{req.full_url}: redirects to {newurl[:200]}, expected {req.type}:// again"))
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _size(response: Any, url: str, largest: int) -> int | None:
    text = response.headers.get("Content-Length")
    size = int(text) if text is not None and text.isdecimal() and len(text) < 20 else None
    if size is not None and size > largest:
        raise LinkGANError(f"{url}: {size} bytes, expected at most {largest}; allow more with --max-size")
    return size


def _copy(response: Any, file: IO[bytes], url: str, size: int | None, largest: int, progress: Progress) -> str:
    digest, count, started = hashlib.sha256(), 0, time.monotonic()
    while block := response.read1(_BLOCK):  # available bytes: a full block could take very long
        count += len(block)
        seconds = time.monotonic() - started
        if seconds > _LONGEST or (seconds > _PATIENCE and count < _SLOWEST * seconds):
            raise LinkGANError(f"{url}: {count} bytes received in {seconds:.0f} s, which is too slow; try again later")
        if count > largest:
            raise LinkGANError(f"{url}: more than {largest} bytes; allow more with --max-size")
        file.write(block)
        digest.update(block)
        progress(len(block))
    if size is not None and count != size:
        raise LinkGANError(f"{url}: {count} of {size} bytes received; try again")
    return digest.hexdigest()
