"""A generator that is no StyleGAN: the pretrained DCGAN of gan-face-generate, as docs/directions.md opens it.

Runs where the package is: pip install gan-face-generate --no-deps
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.metrics.evaluate import evaluate
from tests.doc_blocks import ROOT, blocks

pytest.importorskip("gan_face_generate", reason="needs gan-face-generate")


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    """What the block of the page defines."""
    (block,) = [b for b in blocks(ROOT / "docs" / "directions.md") if "gan_face_generate" in b.text]
    names: dict[str, Any] = {}
    text = block.text.replace('region="box', 'probes=256, region="box')
    exec(compile(text, block.where, "exec"), names)
    return names


def test_the_directions_of_a_region_stay_closer_to_it_than_chance(shown):
    mouth = shown["mouth"]
    share = mouth.effect / (mouth.effect + mouth.leak)
    random = torch.randn([8, 1, 100], generator=torch.Generator().manual_seed(0))
    # The box covers a tenth of the image.
    assert float(share[0]) > 0.25
    assert mouth.space == "z"
    assert torch.isfinite(mouth.moved(random, 0, 2.0)).all()


def test_regions_of_its_z_are_measured(shown):
    spec = LinkSpec.parse(["mouth=12@box(0.3,0.6,0.7,0.85)"], dim=100, space="z")
    found = evaluate(LinkedGenerator(shown["G"], spec), pairs=16)["mouth"].values()
    assert 0 < found["locality"] < 0.5
