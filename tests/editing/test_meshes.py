"""Meshes of volumes: the planted surface, its orientation and colours, and the files."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from linkgan_plugin.calls.volume import Volume
from linkgan_plugin.editing import meshes
from linkgan_plugin.editing.meshes import Mesh, surface
from linkgan_plugin.errors import LinkGANError

CENTRE, SLOPE = torch.tensor([0.1, -0.05, 0.02]), 40.0


class Ball(nn.Module):
    """A ball of radius ws[0] around CENTRE: the density is 10 on it; colours are the places in the cube."""

    rendering_kwargs: ClassVar = {"box_warp": 2}

    def sample_mixed(self, coordinates, directions, ws, noise=None):
        assert coordinates.shape == directions.shape
        assert not directions.any()
        sigma = 10 + SLOPE * (ws[0, 0, 0] - (coordinates - CENTRE).norm(dim=-1, keepdim=True))
        return {"sigma": sigma, "rgb": torch.cat([coordinates / 2 + 0.5, torch.zeros_like(sigma)], dim=-1)}


def ball(radius: float) -> Volume:
    return Volume(Ball(), torch.full([1, 1, 1], radius))


def enclosed(mesh: Mesh) -> float:
    """Return the enclosed volume, positive for triangles that are counter-clockwise from outside."""
    a, b, c = (mesh.vertices[mesh.triangles[:, corner]].astype(np.float64) for corner in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


def edges(mesh: Mesh) -> dict[tuple[int, int], int]:
    pairs = np.concatenate([mesh.triangles[:, [0, 1]], mesh.triangles[:, [1, 2]], mesh.triangles[:, [2, 0]]])
    found, counts = np.unique(pairs, axis=0, return_counts=True)
    return {(int(a), int(b)): int(n) for (a, b), n in zip(found, counts, strict=True)}


@pytest.mark.parametrize("radius", [0.3, 0.55])
def test_a_ball_has_its_radius_its_volume_and_its_colours(radius):
    mesh = surface(ball(radius), size=48)
    outwards = mesh.vertices - CENTRE.numpy()
    distance = np.linalg.norm(outwards, axis=1)
    assert np.abs(distance - radius).max() < 0.002
    assert enclosed(mesh) == pytest.approx(4 / 3 * math.pi * radius**3, rel=0.015)
    assert (np.einsum("ij,ij->i", mesh.normals, outwards / distance[:, None]) > 0.99).all()
    assert np.abs(mesh.colours - 255 * (mesh.vertices / 2 + 0.5)).max() <= 0.501


def test_features_that_are_no_colours_are_grey(monkeypatch):
    monkeypatch.setattr(Ball, "rendering_kwargs", {"box_warp": 2, "decoder_activation": "none"})
    assert set(surface(ball(0.3), size=12).colours.flatten().tolist()) == {178}


def test_a_surface_is_closed_even_where_the_solid_reaches_the_cube():
    for radius in (0.4, 1.2):
        found = edges(surface(ball(radius), size=24))
        assert all(n == 1 and found.get((b, a)) == 1 for (a, b), n in found.items())


def test_the_lattice_does_not_depend_on_how_many_points_are_sampled_at_once(monkeypatch):
    whole = ball(0.4).grid(12)
    monkeypatch.setattr("linkgan_plugin.calls.volume._POINTS", 200)
    assert torch.equal(ball(0.4).grid(12), whole)
    assert whole[0, 6, 11] == ball(0.4).at(torch.tensor([[-1.0, 1 / 11, 1.0]]))[0]


def test_a_level_that_the_density_does_not_reach_is_refused():
    with pytest.raises(
        LinkGANError, match=r"no surface: densities are -51.2 to 19.6, expected a level between, not 99"
    ):
        surface(ball(0.3), size=16, level=99)
    with pytest.raises(LinkGANError, match="a mesh of 4 points along a side: expected 8 to 512"):
        surface(ball(0.3), size=4)


def test_a_generator_without_a_volume_is_refused():
    with pytest.raises(LinkGANError, match=r"Linear has no volume: no sample_mixed\(coordinates, directions, ws\)"):
        Volume(nn.Linear(1, 1), torch.zeros(1, 1, 1))
    shapeless = nn.Linear(1, 1)
    shapeless.sample_mixed = lambda *points: None
    with pytest.raises(
        LinkGANError, match="rendering_kwargs has box_warp None; expected the side of the volume's cube"
    ):
        Volume(shapeless, torch.zeros(1, 1, 1))


def test_files_hold_the_mesh(tmp_path):
    mesh = surface(ball(0.3), size=12)
    mesh.write(tmp_path / "ball.ply")
    mesh.write(tmp_path / "ball.obj")
    vertices, normals, colours, triangles = read_ply((tmp_path / "ball.ply").read_bytes())
    assert np.array_equal(vertices, mesh.vertices)
    assert np.array_equal(normals, mesh.normals)
    assert np.array_equal(colours, mesh.colours)
    assert np.array_equal(triangles, mesh.triangles)
    lines = [line.split() for line in (tmp_path / "ball.obj").read_text().splitlines()]
    points = np.array([line[1:] for line in lines if line[0] == "v"], dtype=float)
    assert np.allclose(points[:, :3], mesh.vertices, atol=1e-6)
    assert np.allclose(points[:, 3:] * 255, mesh.colours, atol=0.02)
    corners = np.array([[int(part.split("//")[0]) - 1 for part in line[1:]] for line in lines if line[0] == "f"])
    assert np.array_equal(corners, mesh.triangles)
    with pytest.raises(LinkGANError, match=r"ball.stl: expected a mesh file that ends in \.ply or \.obj"):
        mesh.write(tmp_path / "ball.stl")


def read_ply(data: bytes) -> tuple[np.ndarray, ...]:
    """Read the tensors of a file by its header."""
    head, body = data.split(b"end_header\n", 1)
    lines = [line.split() for line in head.decode().splitlines()]
    counts = {line[1]: int(line[2]) for line in lines if line[0] == "element"}
    columns = [line[2] for line in lines if line[0] == "property" and line[1] != "list"]
    assert columns == ["x", "y", "z", "nx", "ny", "nz", "red", "green", "blue"]
    points = np.frombuffer(body, np.dtype([("floats", "<f4", 6), ("colours", "u1", 3)]), counts["vertex"])
    corners = np.dtype([("count", "u1"), ("corners", "<i4", 3)])
    faces = np.frombuffer(body, corners, counts["face"], offset=points.nbytes)
    assert (faces["count"] == 3).all()
    assert points.nbytes + faces.nbytes == len(body)
    return points["floats"][:, :3], points["floats"][:, 3:], points["colours"], faces["corners"]


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "skimage.measure", SimpleNamespace())
    with pytest.raises(LinkGANError, match=r"meshes need scikit-image; pip install 'linkgan_plugin\[mesh\]'"):
        meshes.surface(ball(0.3), size=8)
