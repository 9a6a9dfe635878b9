"""A session over tiny networks, asked as its page asks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from linkgan_plugin.editing.example import example_generator
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.inversion.encoder import Encoder
from linkgan_plugin.inversion.settings import InversionSettings
from linkgan_plugin.web.answers import STATE, WIDTH
from linkgan_plugin.web.app import create_app
from linkgan_plugin.web.session import EditSession

TOKEN = "token-of-the-tests"
ADDRESS = "http://127.0.0.1:8123"


SEARCHED = InversionSettings(space="w", steps=3, noise=False)


class Answer:
    """What the page gets: a status, an image as uint8 [H, W, 3] or None, and a state."""

    def __init__(self, response: Any) -> None:
        self.response, self.status = response, response.status_code
        width = response.headers.get(WIDTH)
        rows = np.frombuffer(response.content, np.uint8).reshape(-1, int(width), 4) if width else None
        assert rows is None or (rows[..., 3] == 255).all()
        self.image = None if rows is None else rows[..., :3]
        self.state = json.loads(response.headers.get(STATE, "null"))

    @property
    def error(self) -> str:
        return self.response.json()["error"]


class Asking:
    """A page's requests."""

    def __init__(self, client: TestClient) -> None:
        self.client = client

    def get(self, path: str) -> Answer:
        return Answer(self.client.get(f"/api/{path}"))

    def post(self, path: str, data: Any = None, **kwargs: Any) -> Answer:
        return Answer(self.client.post(f"/api/{path}", **({"json": data or {}} | kwargs)))

    def new(self, seed: int = 5, **more: Any) -> Answer:
        return self.post("images", {"seed": seed, **more})

    def step(self, image: str, **step: Any) -> Answer:
        return self.post(f"images/{image}/steps", step)

    def resample(self, image: str, region: str, seed: int, **more: Any) -> Answer:
        return self.step(image, kind="resample", regions=[region], seed=seed, **more)


def session_of(
    generator: LinkedGenerator,
    folder: Path,
    settings: InversionSettings | None = SEARCHED,
    encoder: Encoder | None = None,
) -> EditSession:
    """A session that looks for photographs in three steps, or as these settings say."""
    return EditSession(generator, title="tiny", folder=folder, settings=settings, encoder=encoder)


@contextmanager
def asking(session: EditSession) -> Iterator[Asking]:
    """Serve a session to one page."""
    app = create_app(session, token=TOKEN)
    with TestClient(app, base_url=ADDRESS, headers={"authorization": f"Bearer {TOKEN}"}) as client:
        yield Asking(client)


@pytest.fixture
def session(tmp_path: Path) -> EditSession:
    """A session of the example generator: regions left, right and rest, 16 pixels."""
    return session_of(example_generator(), tmp_path / "kept")


@pytest.fixture
def page(session: EditSession) -> Iterator[Asking]:
    """Its page."""
    with asking(session) as page:
        yield page


@pytest.fixture
def forwards(session: EditSession, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Batch sizes of all synthesis forwards from here on."""
    seen: list[int] = []
    synthesis = session.generator.generator.synthesis
    real = synthesis.forward

    def counted(ws: Any) -> Any:
        seen.append(len(ws))
        return real(ws)

    monkeypatch.setattr(synthesis, "forward", counted)
    return seen
