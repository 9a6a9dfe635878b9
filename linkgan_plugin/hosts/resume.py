"""Compares the tensors of a pretrained snapshot with the new network before they are copied."""

from __future__ import annotations

from torch import nn

from ..errors import LinkGANError

# The number of differences that are listed.
_LISTED = 12


def compare(name: str, source: nn.Module, target: nn.Module) -> None:
    """Check that `source` and `target` have the same parameters with the same shapes.

    Buffers must have the same shape where both have them: hosts derive some from the data (eg3d's dataset_label_std).

    Args:
        name: the network's name in the error, such as G_ema.
    Raises:
        LinkGANError: they differ; lists the tensors with both shapes.
    """
    differences = _differences(source, target)
    if differences:
        more = f"\n  ... and {len(differences) - _LISTED} more" if len(differences) > _LISTED else ""
        raise LinkGANError(
            f"the snapshot's {name} does not match the network to be trained ({len(differences)} tensors differ):\n  "
            + "\n  ".join(differences[:_LISTED])
            + f"{more}\nTrain with the options of the snapshot (resolution, --cbase, --cmax, --cfg, labels)."
        )


def _differences(source: nn.Module, target: nn.Module) -> list[str]:
    theirs, ours = dict(source.named_parameters()), dict(target.named_parameters())
    lines = []
    for key in dict.fromkeys([*ours, *theirs]):
        if key not in theirs:
            lines.append(f"{key}: missing in the snapshot, {list(ours[key].shape)} here")
        elif key not in ours:
            lines.append(f"{key}: {list(theirs[key].shape)} in the snapshot, missing here")
        elif theirs[key].shape != ours[key].shape:
            lines.append(f"{key}: {list(theirs[key].shape)} in the snapshot, {list(ours[key].shape)} here")
    buffers = dict(source.named_buffers())
    for key, buffer in target.named_buffers():
        if key in buffers and buffers[key].shape != buffer.shape:
            lines.append(f"{key}: {list(buffers[key].shape)} in the snapshot, {list(buffer.shape)} here")
    return lines
