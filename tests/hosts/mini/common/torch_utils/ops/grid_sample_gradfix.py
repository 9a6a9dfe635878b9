"""Bilinear sampling through an operator of torch's internals, as hosts of 2021 call it; it has changed since."""

import torch

enabled = False


def grid_sample(input, grid):
    if _should_use_custom_op():
        return _GridSample2dForward.apply(input, grid)
    return torch.nn.functional.grid_sample(input, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _should_use_custom_op():
    return enabled


class _GridSample2dForward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, input, grid):
        ctx.save_for_backward(input, grid)
        return torch.nn.functional.grid_sample(input, grid, mode="bilinear", padding_mode="zeros", align_corners=False)

    @staticmethod
    def backward(ctx, grad_output):
        return _GridSample2dBackward.apply(grad_output, *ctx.saved_tensors)


class _GridSample2dBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, grad_output, input, grid):
        operator = torch._C._jit_get_operation("aten::grid_sampler_2d_backward")
        ctx.save_for_backward(grid)
        return operator(grad_output, input, grid, 0, 0, False)

    @staticmethod
    def backward(ctx, second_input, second_grid):
        (grid,) = ctx.saved_tensors
        return _GridSample2dForward.apply(second_input, grid), None, None
