"""Opens a network file: its generator, link spec and training options."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training_loops.formats.budget import DESCRIPTION
from training_loops.formats.cameras import LABEL_DIM
from training_loops.formats.files import read_file
from training_loops.formats.folder import ImageFolderDataset
from training_loops.formats.json_text import parse_object
from training_loops.formats.pickles.source import PickleError
from training_loops.snapshots import load_snapshot

from . import sidecar
from .calls.generator import GeneratorCalls
from .errors import LinkGANError
from .hosts.compat import zero_broken_averages
from .labels import Labels, class_label, constant_labels, labels_from
from .links import LinkSpec
from .network_links import SPEC_ATTRIBUTE, links_for, unlinked
from .pickles import native
from .pickles.convert import read_networks
from .pickles.nodes import Node
from .pickles.reader import HostSnapshot
from .pickles.torch_files import TORCH, is_embedded, network_kind

HOST_VARIABLE = "LINKGAN_HOST"


@dataclass(frozen=True)
class Network:
    """A generator ready for use (eval mode, no gradients), its links and its training options.

    Attributes:
        generator: the moving average G_ema.
        spec: its links, None if it has none.
        training_options: the options it was trained with, plain data.
        path: the file.
        open_discriminator: reads the discriminator from the file; see `discriminator`.
    """

    generator: nn.Module
    spec: LinkSpec | None
    training_options: dict[str, Any]
    path: Path
    open_discriminator: Callable[[], nn.Module] | None = None

    @cached_property
    def discriminator(self) -> nn.Module:
        """The discriminator, in eval mode, without gradients, on the generator's device; read on first access.

        Raises:
            LinkGANError: the file has none, or one that cannot be opened.
        """
        if self.open_discriminator is None:
            raise LinkGANError(f"{self.path} has no discriminator")
        return self.open_discriminator()

    @property
    def critic(self) -> nn.Module | None:
        """The discriminator as `discriminator` opens it, None if the file has none."""
        return None if self.open_discriminator is None else self.discriminator

    def linked(
        self,
        links: Sequence[str] = (),
        *,
        space: str | None = None,
        allow_overlap: bool = False,
        needed: bool = True,
    ) -> LinkSpec:
        """Return the spec to use: `links` if given, else the network's own.

        Args:
            links: ``NAME=AXES@REGION`` each.
            space: of the links, `w`, `z`, or None for W if the network has one.
            allow_overlap: let regions share pixels.
            needed: refuse a network without links; else it gets a spec without links.
        Raises:
            LinkGANError: neither exists, or `links` do not fit the network.
        """
        if links:
            return links_for(self.generator, links, space=space, allow_overlap=allow_overlap)
        if self.spec is None and not needed:
            return unlinked(self.generator, space)
        if self.spec is None:
            raise LinkGANError(f"{self.path} has no link spec; give one with --link NAME=AXES@REGION")
        return self.spec

    def labels(self, data: Path | None = None, number: int | None = None) -> Labels | None:
        """Return the classes or cameras of seeds, None if the network has none.

        The data set named in the file is never opened: the file is untrusted.

        Args:
            data: a data set with labels.
            number: one class for every seed instead.
        Raises:
            LinkGANError: neither is given for a conditional network, or a class that it does not have.
            DatasetError: `data` has no labels.
        """
        c_dim = int(getattr(self.generator, "c_dim", 0))
        camera = c_dim >= LABEL_DIM and GeneratorCalls.of(self.generator).takes_camera
        if number is not None:
            if camera:
                raise LinkGANError(f"class {number}: this network has cameras instead of classes; give --data DATA")
            return constant_labels(class_label(number, c_dim))
        if not c_dim:
            return None
        if data is None:
            wanted = "cameras" if camera else f"labels of {c_dim} classes"
            way_out = "" if camera else f", or one class for all images with --class N (0 to {c_dim - 1})"
            raise LinkGANError(f"{self.path} takes {wanted}; give data that has them with --data DATA{way_out}")
        return labels_from(ImageFolderDataset(data, use_labels=True), c_dim)


def load_network(path: Path | str, device: torch.device | str = "cpu", host: Path | str | None = None) -> Network:
    """Open a snapshot of the embedded host (.pt), of a host (.pkl), a converted one (.safetensors), or StyleGAN2 in
    rosinality's layout (.pt), gzipped or not. The format is detected from the content, not from the name.

    No code in the file is run. A host's networks become networks of this package.

    Args:
        path: the snapshot.
        device: device of the network.
        host: the folder with the train.py it was trained with, whose classes are used instead of ours; by default the
            environment variable LINKGAN_HOST, else none. It is never read from a file.
    Raises:
        SnapshotError, PickleError: no such file, or not a complete snapshot.
        LinkGANError: the spec in it is malformed, its networks can only be rebuilt by their own code, or its weights
            are not finite.
    """
    path = Path(path)
    if not _is_snapshot(path):
        code = host or os.environ.get(HOST_VARIABLE)
        return _load_described(path, device, Path(code) if code else None)
    snapshot = load_snapshot(path, device)
    check_finite(snapshot.G_ema, path)
    spec = getattr(snapshot.G_ema, SPEC_ATTRIBUTE, None)
    opened = None if snapshot.D is None else lambda: _discriminator(path, device)
    return Network(snapshot.G_ema, _parsed(spec), snapshot.training_options, path, opened)


def _discriminator(path: Path, device: torch.device | str) -> nn.Module:
    found = load_snapshot(path, device).D
    if found is None:
        raise LinkGANError(f"{path} has no discriminator")
    return found


def _is_snapshot(path: Path) -> bool:
    return network_kind(path) in TORCH and is_embedded(path)


def check_finite(generator: nn.Module, path: Path) -> None:
    """Reject weights that are NaN or infinite, as after diverged training.

    On a CPU, stylegan2-ada-pytorch produces such values only in w_avg: these become 0, as before training.

    Raises:
        LinkGANError: names the first such tensor and their number.
    """
    zero_broken_averages(generator)
    broken = [name for name, tensor in generator.state_dict().items() if not _is_finite(tensor)]
    if broken:
        more = f" and {len(broken) - 1} more tensors hold" if len(broken) > 1 else " holds"
        raise LinkGANError(
            f"{path}: {broken[0]}{more} numbers that are not finite, so its training diverged; use an earlier snapshot"
        )


def _is_finite(tensor: Tensor) -> bool:
    # A sum is finite only if all of its terms are, and takes a twentieth of the time; finite terms may exceed it.
    return bool(tensor.sum().isfinite()) or bool(tensor.isfinite().all())


def _load_described(path: Path, device: torch.device | str, host: Path | None) -> Network:
    snapshot = read_networks(path)
    options = snapshot.training_options | _beside(path.with_name("training_options.json"))
    if snapshot.training_set_kwargs:
        options["training_set_kwargs"] = snapshot.training_set_kwargs
    spec = _host_spec(snapshot, path, options)

    def opened(node: Node) -> nn.Module:
        try:
            return _made(node, host).to(device)
        except PickleError:
            raise
        except LinkGANError as error:
            raise LinkGANError(f"{path} holds {_description(snapshot, spec)}; {error}") from error

    discriminator = snapshot.networks.get("D")
    generator = opened(snapshot.generator)
    check_finite(generator, path)
    return Network(
        generator,
        spec,
        options,
        path,
        None if discriminator is None else lambda: opened(discriminator),
    )


def _made(node: Node, host: Path | None) -> nn.Module:
    if host is None:
        return native.build(node)
    from .pickles.checkout import rebuild  # only this needs the fixes for hosts

    return rebuild(node, host)


def _host_spec(snapshot: HostSnapshot, path: Path, options: dict[str, Any]) -> LinkSpec | None:
    """Return the links in the network, else those stored next to the file (a plain host drops the former)."""
    attributes = snapshot.generator.attributes
    for data in (
        attributes.get(SPEC_ATTRIBUTE),
        sidecar.read(path),
        _object(options, "G_kwargs").get(SPEC_ATTRIBUTE),
    ):
        if data is not None:
            return _parsed(data)
    return None


def _beside(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file next to a snapshot, {} if there is no file."""
    if not path.is_file():
        return {}
    try:
        return parse_object(read_file(path, DESCRIPTION.bytes), str(path))
    except LinkGANError as error:
        raise LinkGANError(f"{error}; fix or remove it") from error


def _object(options: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the options in `name`, {} if they are not an object."""
    found = options.get(name)
    return found if isinstance(found, dict) else {}


def _description(snapshot: HostSnapshot, spec: LinkSpec | None) -> str:
    node = snapshot.generator
    resolution = node.attributes.get("img_resolution")
    size = f", {resolution} x {resolution} pixels" if resolution else ""
    links = f"links {', '.join(spec.names)}" if spec else "no links"
    return f"a {node.class_name}{size}, {links}"


def _parsed(data: Any) -> LinkSpec | None:
    return LinkSpec.from_json(data) if data is not None else None
