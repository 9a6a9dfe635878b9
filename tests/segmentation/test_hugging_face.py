"""Folders of Hugging Face models; those that need transformers are skipped without it."""

from __future__ import annotations

import json
import socket

import pytest
import safetensors.torch
import torch

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.segmentation.files import open_segmenter
from linkgan_plugin.segmentation.hugging_face_config import check_config

NAMES = {0: "wall", 1: "sky", 2: "tree"}
PROCESSOR = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4], "size": {"height": 32, "width": 32}}
LABELS = {"id2label": NAMES, "label2id": {name: index for index, name in NAMES.items()}}


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Fail at any attempt to reach another machine."""

    def refused(*args, **kwargs):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


def segformer(transformers):
    return transformers.SegformerForSemanticSegmentation(
        transformers.SegformerConfig(
            num_encoder_blocks=2,
            depths=[1, 1],
            sr_ratios=[2, 1],
            hidden_sizes=[8, 16],
            patch_sizes=[3, 3],
            strides=[2, 2],
            num_attention_heads=[1, 2],
            mlp_ratios=[2, 2],
            decoder_hidden_size=16,
            **LABELS,
        )
    )


def upernet(transformers, backbone="convnext"):
    stages = {"out_features": ["stage1", "stage2", "stage3", "stage4"]}
    if backbone == "convnext":
        inner = transformers.ConvNextConfig(hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], **stages)
    else:
        inner = transformers.SwinConfig(
            embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=2, **stages
        )
    channels = 16 if backbone == "convnext" else 32
    config = transformers.UperNetConfig(
        backbone_config=inner, hidden_size=16, auxiliary_in_channels=channels, auxiliary_channels=8, **LABELS
    )
    return transformers.UperNetForSemanticSegmentation(config)


def saved(folder, model, **options):
    model.save_pretrained(folder, **options)
    (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    return folder


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(LinkGANError, match=r"has no config\.json"):
        open_segmenter(tmp_path)


@pytest.mark.parametrize("make", [segformer, upernet, lambda t: upernet(t, "swin")])
@pytest.mark.parametrize("options", [{}, {"max_shard_size": "10KB"}])
def test_a_model_computes_what_transformers_computes(tmp_path, make, options):
    transformers = pytest.importorskip("transformers")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = make(transformers).eval()
        images = torch.rand(2, 3, 32, 32) * 2 - 1
    saved(tmp_path, model, **options)
    assert (tmp_path / "model.safetensors.index.json").exists() == bool(options)
    state = torch.get_rng_state()
    segmenter = open_segmenter(tmp_path)
    assert torch.equal(torch.get_rng_state(), state)
    assert segmenter.card.classes == ("wall", "sky", "tree")
    assert segmenter.card.size == (32, 32)
    mean, std = (torch.tensor(PROCESSOR[key])[:, None, None] for key in ("image_mean", "image_std"))
    with torch.no_grad():
        wanted = model(pixel_values=((images + 1) / 2 - mean) / std).logits
    assert torch.allclose(segmenter.scores(images), wanted, atol=1e-6)


def test_only_known_files_of_the_folder_are_opened(tmp_path, audited):
    transformers = pytest.importorskip("transformers")
    open_segmenter(saved(tmp_path / "first", segformer(transformers)))  # what is imported is imported
    saved(tmp_path / "a", segformer(transformers))
    for name in ("modeling_evil.py", "pytorch_model.bin", "config.py"):
        (tmp_path / "a" / name).write_text("raise SystemExit")
    with audited() as opened:
        open_segmenter(tmp_path / "a")
    names = {path for path in opened if str(tmp_path) in path}
    assert names == {str(tmp_path / "a" / n) for n in ("config.json", "preprocessor_config.json", "model.safetensors")}


def changed(folder, **values):
    config = json.loads((folder / "config.json").read_text())
    for name, value in values.items():
        place = config
        *outer, last = name.split("__")
        for step in outer:
            place = place[step]
        place[last] = value
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model_type": "bert"}, "model_type 'bert' is no semantic segmentation model"),
        ({"model_type": ["segformer"]}, "is no semantic segmentation model"),
        ({"auto_map": {"AutoConfig": "evil.Config"}}, "its configuration has 'auto_map'"),
        ({"backbone": "microsoft/resnet-50"}, "its configuration has 'backbone'"),
        ({"use_timm_backbone": True}, "its configuration has 'use_timm_backbone'"),
        ({"use_pretrained_backbone": True}, "its configuration has 'use_pretrained_backbone'"),
        ({"backbone_kwargs": {"x": 1}}, "its configuration has 'backbone_kwargs'"),
        ({"quantization_config": {"quant_method": "x"}}, "its configuration has 'quantization_config'"),
        ({"_attn_implementation": "evil/kernels"}, "its configuration has '_attn_implementation'"),
        ({"attn_implementation": "evil/kernels"}, "its configuration has 'attn_implementation'"),
        ({"custom_pipelines": {"x": {}}}, "its configuration has 'custom_pipelines'"),
        ({"backbone_config__auto_map": {"AutoConfig": "evil.Config"}}, "its configuration has 'auto_map'"),
        ({"backbone_config__model_type": "timm_backbone"}, "a backbone of model_type 'timm_backbone'"),
        ({"backbone_config__attn_implementation": "evil/kernels"}, "its configuration has 'attn_implementation'"),
        ({"backbone_config": "microsoft/resnet-50"}, "a backbone of model_type None"),
        ({"backbone_config__hidden_sizes": [10**9] * 4}, "'hidden_sizes' in its configuration is 1000000000"),
        ({"backbone_config__depths": [10**5] * 4}, "'depths' in its configuration is"),
        ({"backbone_config__hidden_sizes": [65536] * 4}, "the tensors contain .* numbers, but the model"),
        ({"id2label": ["wall"]}, "id2label in its configuration is not a table"),
        ({"id2label": {"0": "wall"}, "label2id": {"wall": 0}}, "fit|the tensors do not match|cannot be opened as"),
        ({"hidden_size": "x"}, "cannot be opened as UperNetForSemanticSegmentation"),
        ({"hidden_size": 17}, "tensors"),
    ],
)
def test_configurations_that_bring_in_more_are_refused(tmp_path, values, message):
    transformers = pytest.importorskip("transformers")
    folder = changed(saved(tmp_path, upernet(transformers)), **values)
    with pytest.raises(LinkGANError, match=message):
        open_segmenter(folder)


def test_what_transformers_itself_writes_empty_names_nothing():
    check_config({"backbone": None, "use_timm_backbone": False, "auto_map": {}, "_name_or_path": "nvidia/x"})


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("../model.safetensors", "does not list names of .safetensors files beside it"),
        ("/etc/passwd", "does not list names"),
        ("part.bin", "does not list names"),
        ("absent.safetensors", "absent.safetensors cannot be read"),
    ],
)
def test_an_index_names_files_beside_it_alone(tmp_path, place, message):
    transformers = pytest.importorskip("transformers")
    folder = saved(tmp_path, segformer(transformers))
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": place}}))
    with pytest.raises(LinkGANError, match=message):
        open_segmenter(folder)


def test_a_folder_with_an_adapter_or_other_weights_is_refused(tmp_path):
    transformers = pytest.importorskip("transformers")
    folder = saved(tmp_path, segformer(transformers))
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "evil/model"}')
    with pytest.raises(LinkGANError, match=r"has an adapter_config.json for another model"):
        open_segmenter(folder)
    (folder / "adapter_config.json").unlink()
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(LinkGANError, match=r"no model.safetensors in it, and other kinds of weights are not read"):
        open_segmenter(folder)


def test_tensors_that_are_missing_or_too_many_are_named(tmp_path):
    transformers = pytest.importorskip("transformers")
    folder = saved(tmp_path, segformer(transformers))
    path = folder / "model.safetensors"
    state = safetensors.torch.load_file(path)
    state["more.weight"] = state.pop("decode_head.classifier.bias")
    safetensors.torch.save_file(state, path)
    with pytest.raises(LinkGANError, match=r"decode_head\.classifier\.bias|more\.weight"):
        open_segmenter(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "holds a list, expected a JSON object"),
        ("[" * 100_000, "not valid JSON"),
        ('{"image_mean": 3}', "do not describe a model"),
        ('{"size": {"height": 1e9, "width": 3}}', "do not describe a model"),
        ('{"size": "large"}', "do not describe a model"),
    ],
)
def test_a_processor_that_is_none_is_refused(tmp_path, text, message):
    transformers = pytest.importorskip("transformers")
    folder = saved(tmp_path, segformer(transformers))
    (folder / "preprocessor_config.json").write_text(text)
    with pytest.raises(LinkGANError, match=message):
        open_segmenter(folder)
