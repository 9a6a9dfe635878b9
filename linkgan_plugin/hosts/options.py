"""Enables links in a host's training options: the same edit for patched hosts, `linkgan run` and the embedded host."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from .. import registry, sidecar
from ..calls.spaces import latent_axes, stylemap_size_of
from ..errors import LinkGANError
from ..flags import FIND_BASIS, NO_BASIS
from ..links import LinkSpec
from ..recipes import Recipe, make_recipe
from ..regions.semantic import source_of_card
from ..segmentation import named

# Options with the snapshot that a run starts from: the hosts' and the embedded host's.
RESUMED = ("resume_pkl", "resume")
GENERATOR = "linkgan_plugin.generators.build_linked"


def is_linked(loss_kwargs: Mapping[str, Any]) -> bool:
    """Return whether a host's loss trains links, that is, whether `turn_on` has edited its arguments."""
    return "link_spec" in loss_kwargs


def turn_on(
    options: MutableMapping[str, Any],
    *,
    loss: str,
    links: Sequence[str],
    recipe: Recipe,
    space: str | None = None,
    allow_overlap: bool = False,
    source: LinkSpec | None = None,
) -> LinkSpec:
    """Edit a host's options in place so that its loop trains links, from the recipe's `start` of the run on.

    ``G_kwargs`` and ``loss_kwargs`` keep everything; their ``class_name`` is moved to ``base_class_name`` and replaced
    by the plugin's class. Only plain data is added, so training_options.json contains it unchanged. The host builds a
    loss plugin with the keyword arguments of its own loss (device, G, D, ...) and `link_spec`, `recipe`, `start_nimg`,
    `base_class_name` and `base_kwargs`, and `named` where links use segmentation networks that the user has named; see
    `LinkGANLoss`.

    Args:
        options: the host's options, with ``total_kimg``, ``G_kwargs`` and ``loss_kwargs`` of its loop.
        loss: name of a loss in the registry.
        links: ``NAME=AXES@REGION`` each.
        recipe: the switches.
        space: `w`, `z`, or None for W if the generator has one, else Z.
        allow_overlap: let regions share pixels.
        source: the spec whose basis is used, and whose links, where `links` is empty.
    Returns:
        The spec.
    Raises:
        LinkGANError: no links, a malformed spec, axes that G does not have, an unknown loss.
    """
    spec = _spec(options, links, space, allow_overlap, source)
    generator = options["G_kwargs"]
    target = registry.find("losses", loss).target.replace(":", ".")
    data = spec.to_json()
    kind, loss_kind = type(generator), type(options["loss_kwargs"])  # hosts use attribute dicts; keep their type
    options["G_kwargs"] = kind(
        {**generator, "class_name": GENERATOR, "base_class_name": generator["class_name"], "link_spec": data}
    )
    base = {name: value for name, value in options["loss_kwargs"].items() if name != "class_name"}
    options["loss_kwargs"] = loss_kind(
        {
            "class_name": target,
            "link_spec": data,
            "recipe": recipe.to_json(),
            "start_nimg": _start_nimg(options, recipe),
            "base_class_name": options["loss_kwargs"]["class_name"],
            "base_kwargs": base,
            **_named(spec),
        }
    )
    return spec


def _spec(
    options: Mapping[str, Any], links: Sequence[str], space: str | None, allow_overlap: bool, source: LinkSpec | None
) -> LinkSpec:
    """Return the spec of `links` in the basis of `source`; without links, `source` itself."""
    if not links and source is None:
        raise LinkGANError("--loss needs at least one --link NAME=AXES@REGION, such as --link 'eyes=auto@eyes'")
    if not links and source is not None:
        space, dim = latent_axes(options, source.space)
        if dim != source.dim:
            raise LinkGANError(f"links over {source.dim} axes of {space} for a generator with {space}_dim = {dim}")
        return source
    space, dim = latent_axes(options, space)
    size = stylemap_size_of(options["G_kwargs"])
    spec = LinkSpec.parse(links, dim=dim, space=space, allow_overlap=allow_overlap, stylemap_size=size)
    return spec if source is None else spec.in_basis_of(source)


def _named(spec: LinkSpec) -> dict[str, Any]:
    """Return the loss argument for the segmentation networks that the links use, {} where they use none."""
    files = [name for link in spec.links for name in link.region.files()]
    known = named.chosen(source for name in files if (source := source_of_card(name)) is not None)
    return {"named": known} if known else {}


def _start_nimg(options: Mapping[str, Any], recipe: Recipe) -> int:
    if recipe.start == 0:
        return 0
    if "total_kimg" not in options:
        raise LinkGANError(
            f"this host has no option total_kimg, so links cannot start after {recipe.start:g} of the run; "
            "train them from the first image with --link-start 0"
        )
    return round(1000 * options["total_kimg"] * recipe.start)


def follow_flags(options: MutableMapping[str, Any], flags: Mapping[str, Any]) -> None:
    """Enable links by the flags of a training command; without --loss, nothing changes.

    A run that starts from a trained network trains links from the first image, unless a `start` is given.

    Args:
        flags: as `flags.take_link_options` returns them.
    Raises:
        LinkGANError: as `turn_on` and `make_recipe`.
    """
    if flags["loss"] is None:
        return
    trained = any(options.get(name) is not None for name in RESUMED)
    switches = {"start": 0.0, **flags["switches"]} if trained else flags["switches"]
    turn_on(
        options,
        loss=flags["loss"],
        links=flags["links"],
        recipe=make_recipe(flags["recipe_name"], **switches),
        space=flags["space"],
        allow_overlap=flags["allow_overlap"],
        source=_source(flags.get("basis"), options),
    )


def _source(basis: LinkSpec | str | None, options: Mapping[str, Any]) -> LinkSpec | None:
    """Return the spec that --link-basis names, else that next to the resumed network, where it has a basis.

    `linkgan train` has read it already.
    """
    if isinstance(basis, LinkSpec):
        return basis
    if basis is None:
        resumed = next((options[name] for name in RESUMED if options.get(name) is not None), None)
        data = None if resumed is None else sidecar.read(Path(str(resumed)))
        return LinkSpec.from_json(data) if data is not None and data.get("basis") is not None else None
    if basis == FIND_BASIS:
        raise LinkGANError(
            "--link-basis auto is for `linkgan train`; find the basis with `linkgan link NET.pkl --out OUT.pkl` and "
            "give --link-basis OUT.pkl"
        )
    return None if basis == NO_BASIS else LinkSpec.from_json(sidecar.read_named(Path(basis)))


def announcement(options: Mapping[str, Any]) -> str | None:
    """Return a line about links that start after the first image, None where there are none."""
    loss = options.get("loss_kwargs", {})
    start = loss.get("start_nimg", 0)
    if not start:
        return None
    verb = "trained" if loss["recipe"]["weight"] else "measured"
    total = round(1000 * options["total_kimg"])
    if start >= total:
        return f"links are {verb} from image {start} on, which this run of {total} images does not reach"
    return f"links are {verb} from image {start} of {total} on (--link-start 0: from the first)"
