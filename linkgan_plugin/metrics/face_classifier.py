"""A small trained network that predicts the attributes of procedural faces from their images.

It is an independent check of attribute transfer, and its features are used for the quality of procedural faces (a
Frechet distance; it is not FID, which is defined on another network's features). It was also trained on degraded
images, so the distance detects wrong or missing content but hardly fine noise; `swd` detects fine noise.

    python -m linkgan_plugin.metrics.face_classifier_training           correlation of every prediction with the truth
    python -m linkgan_plugin.metrics.face_classifier_training --train   train face_classifier.pt again
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, silu
from torch.nn.utils.fusion import fuse_conv_bn_weights

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.metrics.estimate import pearson
from training_loops.data.faces import ATTRIBUTES, VERSION, render, sample_attributes
from training_loops.formats.atomic import replacing

SIZE = 32
FEATURES = 48
WEIGHTS = Path(__file__).with_name("face_classifier.pt")
_NAMES = [attribute.name for attribute in ATTRIBUTES]
# Images at a time: the first layers of more do not fit into the cache of a CPU core.
_BATCH = 64
_REMAKE = f"python -m {__name__}_training --train"


class FaceClassifier(nn.Module):
    """Images [N, 3, H, W] in [-1, 1] to features [N, 48] and attributes [N, A]; other sizes are area-resized to 32.

    Args:
        attributes: number A of attributes; by default that of the faces.
    """

    def __init__(self, attributes: int = len(ATTRIBUTES)) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            *_block(3, 24, 1),
            *_block(24, 32, 2),
            *_block(32, 48, 2),
            *_block(48, 64, 2),
            nn.Flatten(),
            nn.Linear(64 * 4 * 4, FEATURES),
            nn.SiLU(),
        )
        self.head = nn.Linear(FEATURES, attributes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return (features [N, 48], attributes [N, A]) of 32x32 images, with gradients."""
        features = self.trunk(images)
        return features, self.head(features)

    def features(self, images: Tensor) -> Tensor:
        """Return the input of the last layer, [N, 48] float32, without gradients."""
        return self._read(images)[0]

    def attributes(self, images: Tensor) -> Tensor:
        """Return the attributes in the order of the data, [N, A] float32, about [0, 1], without gradients."""
        return self._read(images)[1]

    @torch.no_grad()
    def _read(self, images: Tensor) -> tuple[Tensor, Tensor]:
        if images.ndim != 4 or images.shape[1] != 3:
            raise LinkGANError(f"images have shape {list(images.shape)}, expected [N, 3, H, W]: faces are RGB images")
        images = images.to(self.head.weight.device)  # images of a data set are on the CPU
        trunk = self.trunk if self.training else self._folded()
        features, attributes = [images.new_empty(0, FEATURES)], [images.new_empty(0, self.head.out_features)]
        for batch in images.float().split(_BATCH):
            if batch.shape[2:] != (SIZE, SIZE):
                batch = interpolate(batch, size=(SIZE, SIZE), mode="area")
            seen = trunk(batch.contiguous(memory_format=torch.channels_last))
            features.append(seen)
            attributes.append(self.head(seen))
        return torch.cat(features), torch.cat(attributes)

    def _folded(self) -> Callable[[Tensor], Tensor]:
        """Return the trunk with its batch norms folded into the convolutions: a third less time."""
        # y = g (w * x - m) / s + b = (g / s w) * x + (b - g m / s)
        layers = list(self.trunk)
        folded = []
        while isinstance(layers[0], nn.Conv2d):
            convolution, norm, _, *layers = layers
            assert isinstance(convolution, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d)
            assert norm.running_mean is not None
            assert norm.running_var is not None
            moments = (norm.running_mean, norm.running_var, norm.eps)
            weight, bias = fuse_conv_bn_weights(convolution.weight, convolution.bias, *moments, norm.weight, norm.bias)
            folded.append((weight, bias, convolution.stride, convolution.padding))
        rest = nn.Sequential(*layers)

        def trunk(images: Tensor) -> Tensor:
            for weight, bias, stride, padding in folded:
                images = silu(conv2d(images, weight, bias, stride, padding), inplace=True)
            features: Tensor = rest(images)
            return features

        return trunk


def _block(inputs: int, outputs: int, stride: int) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.SiLU(),
    )


def load_face_classifier(device: torch.device | str = "cpu") -> FaceClassifier:
    """Return the trained classifier in eval mode. Raises LinkGANError if its file is missing or for other faces."""
    if not WEIGHTS.exists():
        raise LinkGANError(f"{WEIGHTS} is missing; reinstall the package, or run {_REMAKE}")
    saved = torch.load(WEIGHTS, map_location="cpu", weights_only=True)
    if (saved["version"], saved["names"]) != (VERSION, _NAMES):
        raise LinkGANError(
            f"{WEIGHTS} is for version {saved['version']} of the faces, expected version {VERSION} with "
            f"{len(_NAMES)} attributes; run {_REMAKE}"
        )
    classifier = FaceClassifier()
    classifier.load_state_dict({name: value.float() for name, value in saved["state"].items()})
    # This layout is twice as fast on a CPU.
    return classifier.eval().requires_grad_(False).to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]


def save_face_classifier(classifier: FaceClassifier) -> None:
    """Write the classifier's weights, in half precision, to the file that `load_face_classifier` reads."""
    state = {name: v.half() if v.is_floating_point() else v for name, v in classifier.state_dict().items()}
    with replacing(WEIGHTS) as temporary:
        torch.save({"version": VERSION, "names": _NAMES, "state": state}, temporary)


def correlations(classifier: FaceClassifier, count: int = 2000, seed: int = 1_000_000) -> dict[str, float]:
    """Return the correlation of each predicted attribute with the truth, over `count` new renders."""
    truth = sample_attributes(count, seed)
    read = classifier.attributes(render(truth, SIZE)[0])
    return dict(zip(_NAMES, pearson(truth.double().numpy(), read.double().numpy()).tolist(), strict=True))
