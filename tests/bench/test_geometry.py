"""What the depth of heads shows: for the renderer, and for painted noses."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from linkgan_plugin.bench.geometry import SIDE, VIEWS, geometry_of, measure_geometry
from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.labels import constant_labels
from linkgan_plugin.metrics.head_classifier import NAMES
from linkgan_plugin.network_links import unlinked
from training_loops.data import heads3d
from training_loops.data.face_oracle import FaceOracle
from training_loops.data.head_cameras import camera_labels, sample_cameras
from training_loops.data.head_oracle import HeadOracle

FRONT = camera_labels(torch.zeros(1), torch.zeros(1))


class Known(nn.Module):
    """A classifier that knows the attributes of the heads that it is asked about, all at once, and keeps the images."""

    def __init__(self, generator: LinkedGenerator) -> None:
        super().__init__()
        self.generator, self.seen = generator, []

    def attributes(self, images):
        self.seen.append(images)
        return self.generator.draw(range(500_000, 500_000 + len(images)), FRONT.expand(len(images), -1))[:, 0]


class Painted(HeadOracle):
    """Colours of all heads on the depth of one."""

    def synthesis(self, ws, c, neural_rendering_resolution=None, **kwargs):
        out = super().synthesis(ws, c, neural_rendering_resolution, **kwargs)
        mean = super().synthesis(torch.full_like(ws, 0.5), c, neural_rendering_resolution, **kwargs)
        return {**out, "image_depth": mean["image_depth"]}


def opened(oracle: HeadOracle) -> LinkedGenerator:
    return LinkedGenerator(oracle, unlinked(oracle), labels=constant_labels(FRONT))


def test_the_renderer_agrees_with_itself():
    generator = opened(HeadOracle(16))
    found = measure_geometry(generator, Known(generator), heads=12)
    assert found["depth_error"] < 1e-6
    assert found["depth_correlation"] > 0.9999
    assert found["nose_length"] > 0.97
    assert found["mouth_open"] > 0.9


def test_attributes_are_read_from_several_of_the_datas_cameras():
    cameras = sample_cameras(12 * VIEWS, seed=3)
    oracle = HeadOracle(16)
    generator = LinkedGenerator(oracle, unlinked(oracle), labels=lambda seeds: cameras[list(seeds)])
    known = Known(generator)
    measure_geometry(generator, known, heads=12)
    latents = generator.draw(range(500_000, 500_012), FRONT.expand(12, -1))
    expected = [oracle.synthesis(latents, cameras[view::VIEWS])["image"] for view in range(VIEWS)]
    torch.testing.assert_close(torch.stack(known.seen), torch.stack(expected))


def test_painted_noses_are_found_out():
    generator = opened(Painted(16))
    found = measure_geometry(generator, Known(generator), heads=12)
    assert found["depth_error"] > 0.01
    for name in ("depth_correlation", "nose_length", "mouth_open"):
        assert abs(found[name]) < 1e-3, name


def test_a_longer_nose_and_a_wider_mouth_show_in_the_depth_and_nothing_else_does():
    attributes = torch.full([3, len(NAMES)], 0.5)
    attributes[1, NAMES.index("nose_length")] = attributes[2, NAMES.index("mouth_open")] = 1
    labels = FRONT.expand(3, -1)
    shown = geometry_of(heads3d.render(attributes, labels, SIDE).depth, labels)
    nose, mouth = shown["nose_length"], shown["mouth_open"]
    assert nose[1] - nose[0] == pytest.approx(0.069, abs=0.004), "half of the range, 0.012 to 0.15"
    assert nose[2] == nose[0]
    assert mouth[2] > 1.5 * mouth[0]
    assert mouth[1] == mouth[0]


def test_flat_networks_and_too_few_heads_are_refused():
    generator = opened(HeadOracle(16))
    with pytest.raises(LinkGANError, match="geometry of 4 heads: expected at least 8"):
        measure_geometry(generator, Known(generator), heads=4)
    flat = LinkedGenerator(FaceOracle(16), unlinked(FaceOracle(16)))
    with pytest.raises(LinkGANError, match="this network renders no depth"):
        measure_geometry(flat, Known(generator), heads=8)
