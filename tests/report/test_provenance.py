"""What images and videos say of themselves."""

from __future__ import annotations

import io
import json

import numpy as np
import torch
from PIL import Image

from linkgan_plugin.links import LinkSpec
from linkgan_plugin.report.provenance import LONGEST, as_comment, provenance

SPEC = LinkSpec.parse(["eyes=0:4@box(0,0,0.5,1)"], dim=8)


def test_the_command_the_spec_and_versions_are_always_told():
    facts = provenance("linkgan edit", SPEC, seeds="1,2", edits=["seed 3"], projections=None)
    assert facts["command"] == "linkgan edit"
    assert LinkSpec.from_json(json.loads(facts["link_spec"])) == SPEC
    assert json.loads(facts["versions"])["torch"] == torch.__version__
    assert (facts["seeds"], facts["edits"]) == ("1,2", '["seed 3"]')
    assert "projections" not in facts
    assert all(isinstance(value, str) for value in facts.values())


def test_a_comment_is_all_of_it_as_json():
    facts = provenance("linkgan edit 'a b.pt'", SPEC)
    assert json.loads(as_comment(facts)) == facts


def test_a_comment_that_would_not_fit_leaves_out_mask_files(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, [300, 300], dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    spec = LinkSpec.parse(["eyes=0:4@mask(big.png)"], dim=8, read=lambda name: buffer.getvalue())
    comment = as_comment(provenance("linkgan edit", spec))
    assert len(comment) < LONGEST < len(json.dumps(spec.to_json()))
    (link,) = json.loads(json.loads(comment)["link_spec"])["links"]
    assert link == {"name": "eyes", "axes": [[0, 4]], "region": "mask(big.png)"}
