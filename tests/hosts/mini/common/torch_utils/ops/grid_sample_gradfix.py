"""Bilinear sampling through an operator of torch's internals, as hosts of 2021 call it; it has changed since."""

import functools

import torch

enabled = False
_sampled = functools.partial(torch.nn.functional.grid_sample, align_corners=False)


def grid_sample(input, grid):
    sample = _GridSample2dForward.apply if _should_use_custom_op() else _sampled
    return sample(input, grid)


def _should_use_custom_op():
    return enabled


class _GridSample2dForward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, image, places):
        ctx.save_for_backward(image, places)
        return _sampled(image, places)

    @staticmethod
    def backward(ctx, slope):
        return _Slopes.apply(slope, *ctx.saved_tensors)


class _Slopes(torch.autograd.Function):
    @staticmethod
    def forward(ctx, slope, image, places):
        ctx.save_for_backward(places)
        backward = torch._C._jit_get_operation("aten::grid_sampler_2d_backward")
        return backward(slope, image, places, 0, 0, False)

    @staticmethod
    def backward(ctx, of_image, of_places):
        return _GridSample2dForward.apply(of_image, *ctx.saved_tensors), None, None
