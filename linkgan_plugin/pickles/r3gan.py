"""Derives the arguments of an R3GAN network from its tensors, since its pickles do not contain them."""

from __future__ import annotations

import math
from typing import Any

from .nodes import Node

_HALF = "torch.bfloat16"


def arguments(node: Node, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of r3gan.networks.Generator or Discriminator for `node`; given arguments are kept.

    Raises:
        TypeError, ValueError, KeyError: not the structure of R3GAN; `native` reports them.
    """
    if kwargs:
        return kwargs
    shapes = {name: tensor.shape for name, tensor in node.tensors().items()}
    stages = [dict(stage.modules()) for stage in _children(node, "Model", "MainLayers").values()]
    layers = [[name for name, _ in stage["Layers"].modules()] for stage in stages]
    # G's stages begin with a transition, D's end with one; all other layers are residual blocks.
    first = int("Model.AggregationLayer.Layer.weight" in shapes)
    blocks = [f"Model.MainLayers.{i}.Layers.{first}" for i in range(len(layers))]
    inner = [shapes[f"{block}.LinearLayer2.Layer.weight"] for block in blocks]
    widths = [shapes[f"{block}.LinearLayer3.Layer.weight"][0] for block in blocks]
    found = {
        "WidthPerStage": widths,
        "CardinalityPerStage": [size[0] // size[1] for size in inner],
        "BlocksPerStage": [len(names) - 1 for names in layers],
        "ExpansionFactor": inner[0][0] // widths[0],
        "KernelSize": inner[0][2],
        "FP16Stages": _halves(node),
        "img_resolution": 4 << (len(widths) - 1),
    }
    embedding = shapes.get("Model.EmbeddingLayer.weight", (0, 0))
    found |= {"ConditionEmbeddingDimension": embedding[0], "c_dim": embedding[1]}
    kernel = next((shape for name, shape in shapes.items() if name.endswith(".Kernel")), (4, 4))
    found["ResamplingFilter"] = [math.comb(kernel[0] - 2, k) for k in range(kernel[0] - 1)]
    latents = shapes.get("Model.MainLayers.0.Layers.0.LinearLayer.weight")
    if latents is not None:
        found["NoiseDimension"] = latents[1] - embedding[0]
    return found


def _children(node: Node, *path: str) -> dict[str, Node]:
    for name in path:
        node = dict(node.modules())[name]
    return dict(node.modules())


def _halves(node: Node) -> list[int]:
    stages = _children(node, "Model", "MainLayers").values()
    return [number for number, stage in enumerate(stages) if stage.attributes.get("DataType") == _HALF]
