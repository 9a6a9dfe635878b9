"""InterFaceGAN: the normal of the plane between latents of low and high attribute (Shen et al., CVPR 2020).

For samples w_i whose attribute is among the highest (y_i = 1) and lowest (y_i = -1), a linear support vector machine,

    n = argmin_{n, b}  |n|^2 / 2 + C sum_i c_i max(0, 1 - y_i (n^T w_i + b))^2,

c_i such that both sides weigh the same. A conditional direction changes one attribute and keeps others, to first
order, with N the span of their normals (for one of them, n_1 - (n_1^T n_2) n_2):

    n_1 - P_N n_1
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.optimize
import torch

from ..errors import LinkGANError
from .learned import check_positive
from .reading import columns, readings, wanted
from .task import Found, Method, Task

Array = npt.NDArray[np.float64]


def interfacegan(
    task: Task, *, samples: int = 4000, share: float = 0.3, penalty: float = 1.0, without: str = ""
) -> Found:
    """Return the unit normal of each attribute.

    Args:
        task: the network and a reader, of images or of labels by seed.
        samples: images that the reader sees.
        share: of the samples that count as high, and as low, for each attribute.
        penalty: C; smaller values give a wider margin.
        without: attributes to be kept, such as `smile,age`: their normals are projected out of the others'.
    Raises:
        LinkGANError: an unknown attribute, one that is the same for all samples, or that depends on those kept alone.
    """
    check_positive(samples=samples, penalty=penalty)
    if not 0 < share <= 0.5:
        raise LinkGANError(f"share is {share:g}; expected more than 0 and at most 0.5")
    names, kept = wanted(task), [part.strip() for part in without.split(",") if part.strip()]
    assert task.reader is not None
    numbers = dict(zip([*names, *kept], columns(task.reader, [*names, *kept]), strict=True))
    latents, values = (part.double().cpu().numpy() for part in readings(task, samples))
    latents = (latents - latents.mean(axis=0)) / max(float(latents.std()), 1e-12)
    normals = {
        name: normal(*sides(latents, values[:, number], share, name), penalty) for name, number in numbers.items()
    }
    found = [_projected(name, normals, kept) for name in names]
    return Found(torch.from_numpy(np.stack(found)).float(), names=tuple(names))


def sides(latents: Array, values: Array, share: float, name: str = "attribute") -> tuple[Array, Array]:
    """Return the latents of the lowest and of the highest values, float64 [N, D] each.

    Where so many values are equal that both ends are the same, as of rare labels 0 and 1, those above the mean are
    the high ones and all others the low ones.

    Args:
        latents: float64 [N, D].
        values: float64 [N].
        share: of the samples on each side.
        name: of the attribute, for messages.
    Raises:
        LinkGANError: all values are the same.
    """
    low, high = np.quantile(values, [share, 1 - share])
    if values.min() == values.max():
        raise LinkGANError(f"'{name:.60}' is {values[0]:g} for all {len(values)} samples; expected different values")
    if low < high:
        return latents[values <= low], latents[values >= high]
    above = values > values.mean()
    return latents[~above], latents[above]


def normal(low: Array, high: Array, penalty: float) -> Array:
    """Return the unit normal of a linear support vector machine, from low to high, float64 [D].

    Args:
        low: float64 [N, D].
        high: float64 [M, D].
        penalty: C, for a loss summed over samples.
    """
    rows = np.concatenate([low, high])
    signs = np.repeat([-1.0, 1.0], [len(low), len(high)])
    weights = penalty * np.repeat([len(rows) / 2 / len(low), len(rows) / 2 / len(high)], [len(low), len(high)])

    def objective(plane: Array) -> tuple[float, Array]:
        slack = np.maximum(0, 1 - signs * (rows @ plane[:-1] + plane[-1]))
        pull = -2 * weights * slack * signs
        gradient = np.append(plane[:-1] + rows.T @ pull, pull.sum())
        return float(plane[:-1] @ plane[:-1] / 2 + weights @ slack**2), gradient

    found = scipy.optimize.minimize(objective, np.zeros(rows.shape[1] + 1), jac=True, method="L-BFGS-B").x[:-1]
    return np.asarray(found / max(float(np.linalg.norm(found)), 1e-300))


def _projected(name: str, normals: dict[str, Array], kept: list[str]) -> Array:
    """Return a normal without its part in the span of those of the other attributes `kept`."""
    others = [normals[other] for other in kept if other != name]
    if not others:
        return normals[name]
    span = np.linalg.qr(np.stack(others, axis=1))[0]
    left = normals[name] - span @ (span.T @ normals[name])
    if np.linalg.norm(left) < 1e-6:
        raise LinkGANError(f"'{name:.60}' cannot change without {', '.join(kept):.200}: their normals span its own")
    return np.asarray(left / np.linalg.norm(left))


INTERFACEGAN = Method(interfacegan, "Shen et al., CVPR 2020", reads=True)
