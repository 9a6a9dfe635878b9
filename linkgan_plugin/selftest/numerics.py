"""Images and gradients on the device, in every precision, against the same on the CPU in float64."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from training_loops.eg3d.loss import EG3DLoss
from training_loops.stylegan2.loss import StyleGAN2Loss
from training_loops.stylegan2.ops import half_dtype, works_in_half

from ..links import LinkSpec
from ..losses import LinkGANLoss
from ..recipes import make_recipe
from .context import Context
from .drawn_here import DrawnHere
from .families import FAMILIES, Family, Precision, image_of
from .rows import SKIPPED, Row, within

SECTION = "numerics"
CPU = torch.device("cpu")
PRECISIONS = {
    "fp32": Precision(),
    "TF32": Precision(tf32=True),
    "fp16": Precision(half="float16"),
    "bf16": Precision(half="bfloat16"),
}
# Largest error of a pixel in 1/255 of the range of images, and of a tensor's gradient relative to its norm. Single
# precision has 24 bits, TF32 and float16 11, bfloat16 8; a network adds up the roundings of all its layers.
PIXEL = {"fp32": 0.02, "TF32": 2.0, "fp16": 2.0, "bf16": 12.0}
GRADIENT = {"fp32": 1e-3, "TF32": 0.05, "fp16": 0.05, "bf16": 0.25}
_NEGLIGIBLE = 0.1  # of the largest norm: gradients below are compared to this instead of to themselves


@dataclass(frozen=True)
class Found:
    """What a network computes, in float64 on the CPU.

    Attributes:
        image: [N, 3, R, R].
        gradients: parameter -> its gradient, of the parameter's shape.
    """

    image: Tensor
    gradients: dict[str, Tensor]


def rows(context: Context) -> Iterator[Row]:
    """Yield for each family and precision the errors of images and gradients, and of a training step with links."""
    side = 8 if context.quick else 32
    for name, family in FAMILIES.items():
        yield from context.guarded(SECTION, name, _family(context, name, family, side))
        if family.discriminator is not None:
            step = f"{name}, step with links"
            yield from context.guarded(SECTION, step, _linked(context, step, family, side))


def _family(context: Context, name: str, family: Family, side: int) -> Iterator[Row]:
    reference = _computed(family, side, Precision(), CPU, exact=True)
    for kind, precision in PRECISIONS.items():
        context.step()
        reason = unsupported(family, precision, context.device)
        if reason:
            yield Row(SECTION, f"{name} {kind}", verdict=SKIPPED, why=reason)
            continue
        found = _computed(family, side, precision, context.device)
        # Images cover [-1, 1], which 255 steps divide.
        error = float((found.image - reference.image).abs().max()) * 255 / 2
        yield Row(SECTION, f"{name} {kind}, image", error, "1/255", *within(error, PIXEL[kind], "/255"))
        yield _gradient_row(f"{name} {kind}, gradient", kind, found.gradients, reference.gradients)


def _linked(context: Context, name: str, family: Family, side: int) -> Iterator[Row]:
    """Yield the error of the generator's gradients in a training step with links."""
    reference = _step(family, side, Precision(), CPU, torch.float64)
    for kind, precision in PRECISIONS.items():
        context.step()
        if unsupported(family, precision, context.device):
            continue
        found = _step(family, side, precision, context.device, torch.float32)
        yield _gradient_row(f"{name} {kind}, gradient", kind, found, reference)


def _gradient_row(name: str, kind: str, found: dict[str, Tensor], reference: dict[str, Tensor]) -> Row:
    error, tensor = worst(found, reference)
    verdict, why = within(error, GRADIENT[kind], "")
    return Row(SECTION, name, error, "relative", verdict, f"{tensor}: {why}")


def worst(found: dict[str, Tensor], reference: dict[str, Tensor]) -> tuple[float, str]:
    """Return the largest relative error of a tensor, max_i |a_i - b_i| / max(|b_i|, 10 % of max_j |b_j|), and its name.

    Scalars, such as the strength of noise, are compared to max_j |b_j|: they are sums over all pixels that nearly
    cancel.

    Args:
        found: name -> a_i, any shape.
        reference: name -> b_i, same shapes.
    """
    norms = {name: float(value.norm()) for name, value in reference.items()}
    largest = max(norms.values())
    least = {name: largest * (_NEGLIGIBLE if value.ndim else 1) for name, value in reference.items()}
    errors = {name: float((found[name] - reference[name]).norm()) / max(norms[name], least[name]) for name in reference}
    broken = [name for name, error in errors.items() if not math.isfinite(error)]
    name = broken[0] if broken else max(errors, key=lambda key: errors[key])
    return (float("inf") if broken else errors[name]), name


def unsupported(family: Family, precision: Precision, device: torch.device) -> str:
    """Return why a family does not compute in a precision on a device; empty if it does."""
    if precision.tf32:
        if device.type != "cuda" or torch.cuda.get_device_capability(device)[0] < 8:
            return "TF32 is for GPUs of compute capability 8.0 or more"
    elif precision.half is not None:
        if precision.half not in family.halves:
            return f"this family has no {precision.half}"
        if not works_in_half(half_dtype(precision.half), device):
            return f"{precision.half} layers compute in single precision on this device"
    return ""


@contextmanager
def _allowed_tf32(allowed: bool) -> Iterator[None]:
    """Within the block, matrix products and convolutions may, or may not, round to TF32."""
    places: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [place.allow_tf32 for place in places]
    try:
        for place in places:
            place.allow_tf32 = allowed
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            place.allow_tf32 = value


def _made(family: Family, side: int, precision: Precision, device: torch.device, dtype: torch.dtype) -> Any:
    """Return the family's seeded generator; the seed gives the same weights in every precision."""
    half = {} if precision.half is None else family.halves[precision.half]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = family.make(side, **half)
    return made.train().to(device=device, dtype=dtype)


def _computed(family: Family, side: int, precision: Precision, device: torch.device, exact: bool = False) -> Found:
    """Return images, and the gradients of their product with fixed random weights."""
    G = _made(family, side, precision, device, torch.float64 if exact else torch.float32)
    dtype = next(G.parameters()).dtype
    with DrawnHere(0), _allowed_tf32(precision.tf32):
        inputs = [value.to(device=device, dtype=dtype) for value in family.inputs(G.z_dim)]
        image = image_of(G, *inputs)
        (image * torch.randn_like(image)).mean().backward()
    return Found(image.detach().cpu().double(), _gradients(G))


def _gradients(network: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad.detach().cpu().double() for name, p in network.named_parameters() if p.grad is not None}


def _step(
    family: Family, side: int, precision: Precision, device: torch.device, dtype: torch.dtype
) -> dict[str, Tensor]:
    """Return the generator's gradients of a main step with links on every sample."""
    assert family.discriminator is not None
    G = _made(family, side, precision, device, dtype)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        D = family.discriminator(side).to(device=device, dtype=dtype).requires_grad_(False)
    base = EG3DLoss if family.cameras else StyleGAN2Loss
    rendering = {"neural_rendering_resolution_initial": G.neural_rendering_resolution} if family.cameras else {}
    loss = LinkGANLoss(
        device,
        link_spec=LinkSpec.parse(family.links, dim=G.w_dim).to_json(),
        recipe=make_recipe(interval=1, batch=1.0, per_sample=0).to_json(),
        base_class_name=f"{base.__module__}.{base.__qualname__}",
        base_kwargs=rendering,
        G=G,
        D=D,
    )
    with DrawnHere(0), _allowed_tf32(precision.tf32):
        z, c = (value.to(device=device, dtype=dtype) for value in family.inputs(G.z_dim))
        real = torch.zeros([len(z), 3, side, side], device=device, dtype=dtype)
        loss.accumulate_gradients("Gmain", real_img=real, real_c=c, gen_z=z, gen_c=c, gain=1, cur_nimg=0)
    return _gradients(G)
