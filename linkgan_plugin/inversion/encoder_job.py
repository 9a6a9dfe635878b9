"""The training of an encoder or its details with its files: the state lies beside, to be stopped and resumed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import nn
from tqdm import tqdm

from training_loops.formats.atomic import atomic_file
from training_loops.formats.interrupt import watch_interrupt
from training_loops.formats.json_text import parse_object
from training_loops.snapshots import load_tensors

from ..errors import Interrupted, LinkGANError
from .encoder import Encoder, weights_digest
from .encoder_files import check_name, save_encoder
from .encoder_settings import DetailsSettings, EncoderSettings

_FORMAT, _VERSION = "linkgan_plugin.encoder_training", 1
_SAVE_EVERY = 60.0  # seconds
_LINES = 20  # lines of losses in a whole training


class Training(Protocol):
    """A training step by step, whose result is an encoder.

    Attributes:
        generator: of the encoder.
        settings: of the training.
        done: finished steps.
    """

    generator: nn.Module
    done: int

    @property
    def settings(self) -> EncoderSettings | DetailsSettings:
        """The settings."""

    def advance(self) -> dict[str, float]:
        """Do one step; return its losses."""

    def encoder(self, facts: Mapping[str, float] | None = None) -> Encoder:
        """Return the result so far, with what was measured of it."""

    def state(self) -> dict[str, Any]:
        """Return the state to resume from."""

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from a state."""


T = TypeVar("T", bound=Training)


def state_path(out: Path) -> Path:
    """Return the name of the state beside an encoder that is being trained."""
    return out.with_suffix(".state.pt")


@dataclass(frozen=True)
class EncoderJob(Generic[T]):
    """A training whose result is a file.

    Attributes:
        out: the encoder; its name ends in .safetensors.
        training: at its start.
        claim: plain data that identifies the data, in addition to the network and the settings.
        measure: called with the training at its end; returns the facts stored with the encoder.
        log: called with each line of losses.
        title: of the progress bar.
    """

    out: Path
    training: T
    claim: Mapping[str, Any]
    measure: Callable[[T], dict[str, float]]
    log: Callable[[str], object] = tqdm.write
    title: str = "Training the encoder"

    def run(self) -> dict[str, float]:
        """Train, or resume; write the encoder and remove the state. Returns what was measured.

        Raises:
            LinkGANError: another suffix, or the state of another training beside the file.
            Interrupted: after Ctrl-C; the state is saved, and the same command resumes.
        """
        check_name(self.out)
        training, claim = self.training, self._claim()
        self._restore(claim)
        steps, batch = training.settings.steps, training.settings.batch
        every = max(1, steps // _LINES)
        sums: dict[str, float] = {}
        seen = 0
        saved = time.monotonic()
        with (
            watch_interrupt() as interrupt,
            tqdm(total=steps * batch, initial=training.done * batch, unit="img") as bar,
        ):
            bar.set_description(self.title)
            while training.done < steps and not interrupt.requested:
                losses = training.advance()
                bar.update(batch)
                for name, loss in losses.items():
                    sums[name] = sums.get(name, 0.0) + loss
                seen += 1
                if training.done % every == 0:
                    self.log(_line(training.done * batch, sums, seen))
                    sums, seen = {}, 0
                if time.monotonic() - saved > _SAVE_EVERY:
                    self._save(claim)
                    saved = time.monotonic()
        if training.done < steps:
            self._save(claim)
            raise Interrupted
        facts = self.measure(training)
        save_encoder(self.out, training.encoder(facts))
        state_path(self.out).unlink(missing_ok=True)
        return facts

    def _claim(self) -> dict[str, Any]:
        own = {"network": weights_digest(self.training.generator), **asdict(self.training.settings)}
        found: dict[str, Any] = json.loads(json.dumps({**own, **self.claim}))
        return found

    def _save(self, claim: Mapping[str, Any]) -> None:
        data = {"format": _FORMAT, "version": _VERSION, "claim": json.dumps(claim), "state": self.training.state()}
        with atomic_file(state_path(self.out)) as file:
            torch.save(data, file)

    def _restore(self, claim: Mapping[str, Any]) -> None:
        path = state_path(self.out)
        if not path.exists():
            return
        way_out = "choose another --out, or remove it to start again"
        data = load_tensors(path, _FORMAT, _VERSION)
        try:
            there = parse_object(data["claim"], "its claim")
        except (KeyError, TypeError) as error:
            raise LinkGANError(f"{path} is damaged; {way_out}") from error
        names = [name for name in {**there, **claim} if there.get(name) != claim.get(name)]
        if names:
            shown = "; ".join(
                f"{name} {there.get(name)!r:.40} there, {claim.get(name)!r:.40} now" for name in names[:5]
            )
            raise LinkGANError(f"{path} is the state of another training: {shown}; {way_out}")
        try:
            self.training.restore(data["state"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise LinkGANError(f"{path} is damaged ({str(error)[:200]}); {way_out}") from error


def _line(images: int, sums: Mapping[str, float], count: int) -> str:
    """Return the mean losses of `count` steps as one line."""
    losses = "  ".join(f"{name} {total / count:.4f}" for name, total in sums.items())
    return f"kimg {images / 1000:.3f}  {losses}"
