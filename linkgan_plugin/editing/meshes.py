"""Meshes: the surface of a 3D-aware generator's volume, with its colours, as .ply and .obj files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from training_loops.formats.atomic import write_bytes

from ..calls.volume import Volume
from ..errors import LinkGANError

LEVEL = 10.0  # of the density before the host's softplus(sigma - 1): light is halved within 0.08 world units
SIZE = 128
_SMALLEST, _LARGEST = 8, 512
SUFFIXES = (".ply", ".obj")


class Mesh(NamedTuple):
    """A closed surface; triangles are counter-clockwise seen from outside.

    Attributes:
        vertices: float32 [V, 3], in world units: x to the object's left, y up, z towards the camera in front.
        normals: float32 [V, 3], unit vectors out of the surface.
        colours: uint8 [V, 3].
        triangles: int32 [T, 3], indices of vertices.
    """

    vertices: npt.NDArray[np.float32]
    normals: npt.NDArray[np.float32]
    colours: npt.NDArray[np.uint8]
    triangles: npt.NDArray[np.int32]

    def write(self, path: Path) -> None:
        """Write a binary .ply or a .obj file, both with normals and a colour for every vertex.

        Raises:
            LinkGANError: another suffix.
        """
        if path.suffix.lower() not in SUFFIXES:
            raise LinkGANError(f"{path}: expected a mesh file that ends in {' or '.join(SUFFIXES)}")
        write_bytes(path, self._ply() if path.suffix.lower() == ".ply" else self._obj())

    def _ply(self) -> bytes:
        floats = [(name, "<f4") for name in ("x", "y", "z", "nx", "ny", "nz")]
        bytes_ = [(name, "u1") for name in ("red", "green", "blue")]
        points = np.empty(len(self.vertices), dtype=floats + bytes_)
        columns = np.concatenate([self.vertices, self.normals], axis=1).T
        for (name, _), column in zip(floats + bytes_, [*columns, *self.colours.T], strict=True):
            points[name] = column
        corners = np.empty(len(self.triangles), dtype=[("count", "u1"), ("corners", "<i4", 3)])
        corners["count"], corners["corners"] = 3, self.triangles
        header = [
            "ply",
            "format binary_little_endian 1.0",
            f"element vertex {len(points)}",
            *(f"property float {name}" for name, _ in floats),
            *(f"property uchar {name}" for name, _ in bytes_),
            f"element face {len(corners)}",
            "property list uchar int vertex_indices",
            "end_header",
        ]
        return "\n".join(header).encode() + b"\n" + points.tobytes() + corners.tobytes()

    def _obj(self) -> bytes:
        text = io.BytesIO()
        coloured = np.concatenate([self.vertices, self.colours / 255], axis=1)
        np.savetxt(text, coloured, "v %.6f %.6f %.6f %.4f %.4f %.4f")
        np.savetxt(text, self.normals, "vn %.4f %.4f %.4f")
        np.savetxt(text, np.repeat(self.triangles + 1, 2, axis=1), "f %d//%d %d//%d %d//%d")
        return text.getvalue()


def surface(volume: Volume, size: int = SIZE, level: float = LEVEL) -> Mesh:
    """Return the surface on which the density of a volume is `level`, by marching cubes (Lorensen & Cline 1987).

    Args:
        volume: of one object.
        size: points of the lattice along a side of the volume's cube, 8 to 512.
        level: density before the host's softplus.
    Raises:
        LinkGANError: a size out of range, a level that the volume does not reach, or scikit-image is not installed.
    """
    if not _SMALLEST <= size <= _LARGEST:
        raise LinkGANError(f"a mesh of {size} points along a side: expected {_SMALLEST} to {_LARGEST}")
    try:
        from skimage.measure import marching_cubes
    except ImportError as error:
        raise LinkGANError("meshes need scikit-image; pip install 'linkgan_plugin[mesh]'") from error
    grid = volume.grid(size).cpu().numpy()
    low, high = float(grid.min()), float(grid.max())
    if not low < level < high:  # nor are they NaN
        raise LinkGANError(
            f"no surface: densities are {low:.3g} to {high:.3g}, expected a level between, not {level:g}"
        )
    # Nothing is outside the cube, so a solid that reaches it ends there.
    closed = np.pad(grid, 1, constant_values=min(low, 2 * level - high))
    vertices, triangles, normals, _ = marching_cubes(closed, level)
    step = volume.side / (size - 1)
    vertices = ((vertices - 1) * step - volume.side / 2).astype(np.float32)
    _, colours = volume.at(torch.from_numpy(vertices))
    pixels = (colours * 255).round().to(torch.uint8).cpu().numpy()
    outwards = triangles[:, ::-1].astype(np.int32)  # scikit-image's are clockwise
    return Mesh(vertices, normals.astype(np.float32), pixels, outwards)
