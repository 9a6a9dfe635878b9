"""The link flags of every command: the same names on our own and on the hosts' command lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from .recipes import FORMER

F = TypeVar("F", bound=Callable[..., Any])

# Values of --link-basis that are no file.
FIND_BASIS, NO_BASIS = "auto", "none"

# Flag, type, help. The names after --link- are the switches of a recipe; None keeps the recipe's value.
SWITCHES: tuple[tuple[str, Any, str], ...] = (
    ("weight", float, "Weight of the whole term; 0 = measure only, bit for bit the host without links."),
    ("start", float, "Share of the run before links take part; by default 0 with --resume."),
    ("interval", int, "Compute the term every N optimizer steps."),
    ("perturb", str, "How a block of axes is changed: swap, gaussian, or a plugin's name."),
    ("strength", float, "Alpha of gaussian; share of the way to the donor for swap."),
    ("form", click.Choice(["share", "log", "squared"]), "Scale-invariant share, its log, or the square of Eq. 3-4."),
    (
        "perturbations",
        click.Choice(["blocks", "complements"]),
        "Each block alone, or each link and all others (paper).",
    ),
    ("per-sample", int, "Perturbed images rendered per reference image; 0 = one for every perturbation."),
    ("lambda-in", float, "Eq. 5 lambda_1: unlinked axes must not change the region."),
    ("lambda-out", float, "Eq. 5 lambda_2: linked axes must not change the rest."),
    ("lazy-gain", bool, "Multiply the term by its interval."),
    ("phase", click.Choice(["main", "reg"]), "Add to G's main step, or to its regularization step."),
    ("reference", click.Choice(["attached", "detached"]), "Gradient through the reference image, or not."),
    ("batch", float, "Share of the batch that gets a reference image and perturbed ones."),
    ("mixing", float, "Share of the samples in the losses of D and G that have one block perturbed."),
    ("rest-floor", float, "Leakage from unlinked axes below this share is not penalised."),
    ("thumbnail", int, "Inside regions count only structure: not what a thumbnail of N pixels shows; 0 = count all."),
    ("depth", float, "3D-aware generators: weight of the leak in depth, beside that in the image."),
    ("raw", float, "3D-aware generators: weight of the leak in the image before super-resolution."),
)


def _name_networks(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> None:
    """Register the networks named by --segmenter."""
    from .segmentation import named

    for text in values:
        splits = [(text[:at], text[at + 1 :]) for at, char in enumerate(text) if char == "=" and at]
        place = next(((name, file) for name, file in splits if file and Path(file).exists()), None)
        if place is None:
            what = f"there is no file or folder {splits[0][1]!r}" if splits else "expected NAME=FILE"
            raise click.BadParameter(f"{text!r}: {what}", ctx, parameter)
        named.name(*place)


def _trust_networks(ctx: click.Context, parameter: click.Parameter, values: tuple[Path, ...]) -> None:
    from .segmentation import named

    for path in values:
        named.trust(path)


# Neither reaches the command: what they name is known in this process and its children.
segmenter_option = click.option(
    "--segmenter",
    multiple=True,
    metavar="NAME=FILE",
    expose_value=False,
    callback=_name_networks,
    help="File of the segmentation network that links call NAME; repeatable.",
)
trust_option = click.option(
    "--trust-network",
    multiple=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    expose_value=False,
    callback=_trust_networks,
    help="Open this TorchScript or torch.export file: PyTorch's loader runs code in it with your rights.",
)


def spec_options(command: F, links: str = "A link; repeat for several.") -> F:
    """Add the flags that make a link spec; the command receives `links`, `link_space` and `link_overlap`.

    Args:
        links: what --help says that the links are.
    """
    return _decorated(
        command,
        click.option(
            "--link",
            "links",
            multiple=True,
            metavar="NAME=AXES@REGION",
            help=f"{links} AXES: 0:64, 64, auto or cells. REGION: box(x0,y0,x1,y1), polygon(...), mask(file.png), or a "
            "preset such as eyes.",
        ),
        click.option(
            "--link-space",
            type=click.Choice(["w", "z"]),
            default=None,
            help="Latent space of the axes of --link.  [default: w, or z where there is no W]",
        ),
        click.option("--link-overlap", is_flag=True, help="Allow regions of --link that share pixels."),
        segmenter_option,
        trust_option,
    )


def take_spec_options(values: dict[str, Any]) -> dict[str, Any]:
    """Remove the flags of `spec_options` from a command's keyword arguments and return them.

    Returns:
        links, space and allow_overlap.
    """
    return {
        "links": values.pop("links"),
        "space": values.pop("link_space"),
        "allow_overlap": values.pop("link_overlap"),
    }


def recipe_options(command: F) -> F:
    """Add the flags of a recipe; the command receives `link_recipe` and `link_<switch>`, None where not given."""
    kinds = {flag.replace("-", "_"): kind for flag, kind, _ in SWITCHES}
    return _decorated(
        command,
        click.option(
            "--link-recipe",
            default="default",
            show_default=True,
            metavar="NAME",
            help="default, paper, or photographs (for --resume of a trained network, with --link-basis).",
        ),
        *(click.option(f"--link-{flag}", type=kind, default=None, help=text) for flag, kind, text in SWITCHES),
        *(click.option(f"--link-{old}", type=kinds[new], default=None, hidden=True) for old, new in FORMER.items()),
    )


def take_recipe_options(values: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Remove the flags of `recipe_options` from a command's keyword arguments; return the name and switches given."""
    switches = {flag.replace("-", "_"): values.pop(f"link_{flag.replace('-', '_')}") for flag, _, _ in SWITCHES}
    for former, name in FORMER.items():
        if (value := values.pop(f"link_{former}")) is not None:
            switches[name] = value
    return values.pop("link_recipe"), {name: value for name, value in switches.items() if value is not None}


def link_options(command: F) -> F:
    """Add --loss, --link and all --link-* flags of a training command, which receives them as keyword arguments."""
    loss = click.option(
        "--loss",
        metavar="NAME",
        help="Loss plugin; linkgan where a --link is given. Without both, the host trains unchanged.",
    )
    basis = click.option(
        "--link-basis",
        metavar="FILE",
        help="Train the links in the basis of FILE, written by `linkgan link`; without --link, its links too. none: "
        "drop the basis of the resumed network. auto, in `linkgan train`: find one in the resumed network.",
    )
    return loss(spec_options(basis(recipe_options(command))))


def _decorated(command: F, *decorators: Callable[[F], F]) -> F:
    """Apply decorators so that --help lists their options in the order given."""
    for decorator in reversed(decorators):
        command = decorator(command)
    return command


def take_link_options(values: dict[str, Any]) -> dict[str, Any]:
    """Remove the link flags from a command's keyword arguments and return them.

    Returns:
        loss, links, space, allow_overlap, basis (as typed, None without), recipe_name and switches (only those given).
    Raises:
        click.UsageError: a switch without any link to act on.
    """
    recipe, given = take_recipe_options(values)
    spec = take_spec_options(values)
    basis = values.pop("link_basis")
    loss = values.pop("loss") or ("linkgan" if spec["links"] or basis not in (None, NO_BASIS) else None)
    if loss is None and (given or recipe != "default"):
        flag = f"--link-{next(iter(given)).replace('_', '-')}" if given else "--link-recipe"
        raise click.UsageError(f"{flag} needs a link: add --link NAME=AXES@REGION, such as --link 'eyes=auto@eyes'")
    return {**spec, "loss": loss, "basis": basis, "recipe_name": recipe, "switches": given}
