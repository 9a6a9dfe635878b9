"""Models in folders of Hugging Face's transformers; the folder itself is never passed to transformers.

The configuration and the tensors are read here and passed to transformers; only the classes in a table are allowed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from training_loops.formats.json_text import fields_of, parse_object

from ..errors import LinkGANError, suggest
from . import tensors
from .hugging_face_config import check_config, is_file_name
from .segmenter import Card, NetworkSegmenter

_CONFIG, _PROCESSOR, _ADAPTER = "config.json", "preprocessor_config.json", "adapter_config.json"
_WEIGHTS, _INDEX = "model.safetensors", "model.safetensors.index.json"
_LARGEST_JSON = 4 << 20
# model_type -> names of the configuration class and the network class in transformers.
_MODELS = {
    "beit": ("BeitConfig", "BeitForSemanticSegmentation"),
    "data2vec-vision": ("Data2VecVisionConfig", "Data2VecVisionForSemanticSegmentation"),
    "dpt": ("DPTConfig", "DPTForSemanticSegmentation"),
    "mobilenet_v2": ("MobileNetV2Config", "MobileNetV2ForSemanticSegmentation"),
    "mobilevit": ("MobileViTConfig", "MobileViTForSemanticSegmentation"),
    "mobilevitv2": ("MobileViTV2Config", "MobileViTV2ForSemanticSegmentation"),
    "segformer": ("SegformerConfig", "SegformerForSemanticSegmentation"),
    "upernet": ("UperNetConfig", "UperNetForSemanticSegmentation"),
}
_BACKBONES = {
    "beit": "BeitConfig",
    "bit": "BitConfig",
    "convnext": "ConvNextConfig",
    "convnextv2": "ConvNextV2Config",
    "dinov2": "Dinov2Config",
    "resnet": "ResNetConfig",
    "swin": "SwinConfig",
    "swinv2": "Swinv2Config",
}
_BACKBONE = "backbone_config"
_PASSED_OVER = {"_name_or_path", "architectures", "dtype", "model_type", "torch_dtype", "transformers_version"}


class OpenedModel(NamedTuple):
    """A model from a folder.

    Attributes:
        network: in eval mode, without gradients of its parameters, in float32.
        config: its configuration, checked.
        processor: the configuration of its image processor.
        sha256: of all its files.
    """

    network: nn.Module
    config: dict[str, Any]
    processor: dict[str, Any]
    sha256: str


def open_model(folder: Path, models: Mapping[str, tuple[str, str]], kind: str) -> OpenedModel:
    """Open a model from a folder on disk: nothing is downloaded, only .safetensors are read.

    Args:
        folder: with config.json, preprocessor_config.json and the tensors.
        models: model_type -> names of the configuration class and the network class in transformers.
        kind: of model, for messages, such as `semantic segmentation`.
    Raises:
        LinkGANError: no such model, one that needs external code or files, or transformers is not installed.
    """
    digest = hashlib.sha256()
    if (folder / _ADAPTER).exists():
        raise LinkGANError(f"{folder} has an {_ADAPTER} for another model; merge it into a complete model first")
    config, processor = (_json(folder, name, digest, kind) for name in (_CONFIG, _PROCESSOR))
    try:
        check_config(config)
        network = _model(config, _tensors(folder, digest, kind), models, kind)
    except LinkGANError as error:
        raise LinkGANError(f"{folder}: {error}") from error
    return OpenedModel(network, config, processor, digest.hexdigest())


def open_folder(folder: Path) -> NetworkSegmenter:
    """Open a semantic segmentation model from a folder, as `open_model` does.

    Class names are read from its configuration, normalisation and size from its image processor.

    Raises:
        LinkGANError: as `open_model`, or a model that is not described.
    """
    network, config, processor, sha256 = open_model(folder, _MODELS, "semantic segmentation")
    try:
        card = _card(config, processor, sha256)
    except (LinkGANError, TypeError, ValueError, OverflowError, KeyError, AttributeError) as error:
        raise LinkGANError(f"{folder}: {_CONFIG} and {_PROCESSOR} do not describe a model ({error!s:.200})") from error
    return NetworkSegmenter(card, lambda images: _logits(network, images), network.to)


def _json(folder: Path, name: str, digest: Any, kind: str) -> dict[str, Any]:
    """Return the object in a file of the folder and add the file to the digest."""
    if not (folder / name).is_file():
        raise LinkGANError(f"{folder} has no {name}; expected the folder of a Hugging Face {kind} model")
    content = tensors.read_bytes(folder / name, _LARGEST_JSON)
    _add(digest, name, content)
    return parse_object(content, str(folder / name))


def _add(digest: Any, name: str, content: bytes) -> None:
    digest.update(f"{name} {hashlib.sha256(content).hexdigest()}\n".encode())


def _tensors(folder: Path, digest: Any, kind: str) -> dict[str, Tensor]:
    """Return the tensors of model.safetensors, or of the files that its index lists."""
    names = [_WEIGHTS]
    if not (folder / _WEIGHTS).is_file():
        if not (folder / _INDEX).is_file():
            raise LinkGANError(f"no {_WEIGHTS} in it, and other kinds of weights are not read")
        places = fields_of(_json(folder, _INDEX, digest, kind), _INDEX, {"weight_map": dict}, extra=True)["weight_map"]
        if not all(map(is_file_name, places.values())):
            raise LinkGANError(f"{_INDEX} does not list names of .safetensors files beside it")
        names = sorted(set(places.values()))
    found: dict[str, Tensor] = {}
    for name in names:
        content = tensors.read_bytes(folder / name)
        _add(digest, name, content)
        part = tensors.parse(content, folder / name)[0]
        twice = sorted(found.keys() & part.keys())
        if twice:
            raise LinkGANError(f"{twice[0]} is in more than one file")
        found |= part
    return found


def _model(
    config: Mapping[str, Any], state: dict[str, Tensor], models: Mapping[str, tuple[str, str]], task: str
) -> nn.Module:
    """Build the model and load its tensors; missing and unexpected tensors are errors."""
    kind = config.get("model_type")
    if type(kind) is not str or kind not in models:
        raise LinkGANError(f"model_type {kind!r:.100} is no {task} model; {suggest(str(kind), models)}")
    try:
        import transformers
    except ImportError as error:
        raise LinkGANError("a Hugging Face model needs transformers: pip install 'linkgan_plugin[semantic]'") from error
    config_name, model_name = models[kind]
    state = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    try:
        described = _config(transformers, config_name, config)
        model_class = getattr(transformers, model_name)
        with torch.random.fork_rng(devices=[]):
            with torch.device("meta"):
                _check_size(model_class(described), state)
            model, found = model_class.from_pretrained(
                None,
                config=described,
                state_dict=state,
                output_loading_info=True,
                local_files_only=True,
                trust_remote_code=False,
            )
    except LinkGANError:
        raise
    except Exception as error:  # transformers raises various errors for invalid configurations
        raise LinkGANError(f"cannot be opened as {model_name}: {str(error).strip():.300}") from error
    wrong = [f"{key.removesuffix('_keys')} {name}" for key, names in found.items() for name in list(names)[:3]]
    if wrong:
        raise LinkGANError(f"the tensors do not match its {_CONFIG}: {'; '.join(map(str, wrong))}"[:1000])
    return model.float().eval().requires_grad_(False)


def _config(transformers: Any, class_name: str, data: Mapping[str, Any]) -> Any:
    """Return a configuration object, including its backbone's."""
    values = {name: value for name, value in data.items() if name not in _PASSED_OVER}
    if _BACKBONE in values and values[_BACKBONE] is not None:
        inner = values[_BACKBONE]
        kind = inner.get("model_type") if type(inner) is dict else None
        if type(kind) is not str or kind not in _BACKBONES or _BACKBONE in inner:
            raise LinkGANError(f"a backbone of model_type {kind!r:.100}; {suggest(str(kind), _BACKBONES)}")
        values[_BACKBONE] = _config(transformers, _BACKBONES[kind], inner)
    config = getattr(transformers, class_name).from_dict(values)
    config._attn_implementation = "eager"
    return config


def _check_size(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    wanted = sum(tensor.numel() for tensor in model.state_dict().values())
    given = sum(tensor.numel() for tensor in state.values())
    if wanted > given:
        raise LinkGANError(f"the tensors contain {given} numbers, but the model in its {_CONFIG} has {wanted}")


def _logits(model: nn.Module, images: Tensor) -> Tensor:
    logits: Tensor = model(pixel_values=images).logits
    return logits


def _card(config: Mapping[str, Any], processor: Mapping[str, Any], digest: str) -> Card:
    names = config["id2label"]
    normal = processor.get("do_normalize", True)
    return Card(
        classes=tuple(names[str(index)] for index in range(len(names))),
        sha256=digest,
        mean=three(processor.get("image_mean"), 0.0) if normal else (0.0, 0.0, 0.0),
        std=three(processor.get("image_std"), 1.0) if normal else (1.0, 1.0, 1.0),
        size=size_of(processor.get("size")) if processor.get("do_resize", True) else None,
    )


def three(values: Any, default: float) -> tuple[float, ...]:
    """Return an image processor's numbers of the channels; `default` for each where there are none."""
    return tuple(float(value) for value in values) if values else (default,) * 3


def size_of(size: Any) -> tuple[int, int] | None:
    """Return an image processor's size, which has several notations, as (height, width)."""
    if isinstance(size, dict):
        size = (size["height"], size["width"]) if "height" in size else size.get("shortest_edge")
    return (size, size) if isinstance(size, int) else tuple(size) if size else None
