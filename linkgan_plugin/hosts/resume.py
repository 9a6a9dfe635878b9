"""Starting from a pretrained snapshot: its tensors are compared with the new network's before they are copied."""

from __future__ import annotations

from torch import nn

from ..errors import LinkGANError

# More differences than this say no more; the first ones are listed.
_LISTED = 12


def compare(name: str, source: nn.Module, target: nn.Module) -> None:
    """Check that every parameter of `target` is in `source` with its shape, and the other way round.

    Buffers must agree in shape where both have them: hosts derive some from the data (eg3d's dataset_label_std).

    Args:
        name: what to call the network in the error, such as G_ema.
    Raises:
        LinkGANError: they differ; lists the tensors with both shapes.
    """
    differences = _differences(source, target)
    if differences:
        more = f"\n  ... and {len(differences) - _LISTED} more" if len(differences) > _LISTED else ""
        raise LinkGANError(
            f"the snapshot's {name} does not fit the network to be trained ({len(differences)} tensors differ):\n  "
            + "\n  ".join(differences[:_LISTED])
            + f"{more}\nTrain with the options the snapshot was made with (resolution, --cbase, --cmax, --cfg, labels)."
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
