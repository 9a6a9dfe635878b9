"""Link latent axes of a GAN to image regions: resample the axes, and only that region changes."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__ as __version__

if TYPE_CHECKING:
    from .directions.directions import Directions
    from .directions.files import load_directions
    from .directions.find import find_directions
    from .editing.editor import Editor
    from .editing.steps import DirectionEdit, Resample, Restore, Transplant
    from .editing.video import VideoEditor
    from .generators import LinkedGenerator
    from .inversion.project import project
    from .inversion.project_video import project_video
    from .inversion.projected import Projected, load_projected
    from .inversion.projected_video import ProjectedVideo, load_projected_video
    from .links import LinkSpec
    from .networks import Network, load_network

__all__ = [
    "DirectionEdit",
    "Directions",
    "Editor",
    "LinkSpec",
    "LinkedGenerator",
    "Network",
    "Projected",
    "ProjectedVideo",
    "Resample",
    "Restore",
    "Transplant",
    "VideoEditor",
    "find_directions",
    "load_directions",
    "load_network",
    "load_projected",
    "load_projected_video",
    "project",
    "project_video",
]

_HOMES = {
    "DirectionEdit": "editing.steps",
    "Directions": "directions.directions",
    "Editor": "editing.editor",
    "LinkSpec": "links",
    "LinkedGenerator": "generators",
    "Network": "networks",
    "Projected": "inversion.projected",
    "ProjectedVideo": "inversion.projected_video",
    "Resample": "editing.steps",
    "Restore": "editing.steps",
    "Slide": "editing.steps",  # the name of DirectionEdit in version 0.1
    "Transplant": "editing.steps",
    "VideoEditor": "editing.video",
    "find_directions": "directions.find",
    "load_directions": "directions.files",
    "load_network": "networks",
    "load_projected": "inversion.projected",
    "load_projected_video": "inversion.projected_video",
    "project": "inversion.project",
    "project_video": "inversion.project_video",
}


def __getattr__(name: str) -> Any:
    """Import an attribute on first access: importing PyTorch takes seconds, which some commands do not need."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
