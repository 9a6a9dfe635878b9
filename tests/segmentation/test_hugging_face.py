"""Folders of Hugging Face models; those that need transformers are skipped without it."""

from __future__ import annotations

import json

import pytest
import torch

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.segmentation.files import open_segmenter


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(LinkGANError, match=r"has no config\.json"):
        open_segmenter(str(tmp_path))


def test_a_model_computes_what_transformers_computes(tmp_path):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    names = {0: "wall", 1: "sky", 2: "tree"}
    config = transformers.SegformerConfig(
        num_encoder_blocks=2,
        depths=[1, 1],
        sr_ratios=[2, 1],
        hidden_sizes=[8, 16],
        patch_sizes=[3, 3],
        strides=[2, 2],
        num_attention_heads=[1, 2],
        mlp_ratios=[2, 2],
        decoder_hidden_size=16,
        id2label=names,
        label2id={name: index for index, name in names.items()},
    )
    model = transformers.SegformerForSemanticSegmentation(config).eval()
    model.save_pretrained(tmp_path)
    processor = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4], "size": {"height": 32, "width": 32}}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(processor))
    segmenter = open_segmenter(str(tmp_path))
    assert segmenter.card.classes == ("wall", "sky", "tree")
    assert segmenter.card.size == (32, 32)
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    mean, std = (torch.tensor(processor[key])[:, None, None] for key in ("image_mean", "image_std"))
    with torch.no_grad():
        wanted = model(pixel_values=((images + 1) / 2 - mean) / std).logits
    assert torch.allclose(segmenter.scores(images), wanted, atol=1e-6)
