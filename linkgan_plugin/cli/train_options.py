"""Turns the command line of `linkgan train` into training options and a run folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..flags import NO_BASIS, take_link_options
from .link_basis import links_source
from .params import taken, typed_flags

if TYPE_CHECKING:
    from training_loops.options import TrainingOptions

# Flags that are not training options, and the flags that --continue may change with their training options.
_NO_OPTIONS = {"continued", "device", "quiet", "dry_run"}
_CHANGEABLE = {
    "kimg": ["total_kimg"],
    "tick": ["kimg_per_tick"],
    "snap": ["image_snapshot_ticks", "network_snapshot_ticks"],
    "metrics": ["metrics"],
    "threads": ["threads"],
}


@dataclass(frozen=True)
class RunFlags:
    """The flags that select the run and how it is executed; all others are training options.

    Attributes:
        outdir: the folder of all runs.
        run_dir: the folder of this run; None for a new number in `outdir`.
        continued: the folder of a stopped run to resume; None for a new one.
        device: as typed; None for the GPU if there is one.
        dry_run: print the options and stop.
        quiet: no progress bar.
    """

    outdir: Path
    run_dir: Path | None
    continued: Path | None
    device: str | None
    dry_run: bool
    quiet: bool


def options_and_folder(run: RunFlags, values: dict[str, Any], count: int) -> tuple[TrainingOptions, Path]:
    """Return the options of a run of `count` processes, and its folder.

    Raises:
        click.UsageError: the folder already contains a run, or an option is wrong.
    """
    from training_loops.options import OPTIONS_FILE, TrainingOptions, read_options

    from ..hosts.hooks import announce

    if run.continued is not None:
        kept = read_options(run.continued).to_json()
        options = TrainingOptions.from_json({**kept, **changed_options(values)})
        announce(options.to_json())
        return options, run.continued
    links = take_link_options(dict(values))
    links["basis"] = links_source(links, values["resume"], values["data"], run.device) or NO_BASIS
    options = make_options(values, links, count)
    run_dir = run.run_dir or next_run_dir(run.outdir, options, linked=links["loss"] is not None)
    if (run_dir / OPTIONS_FILE).exists():
        raise click.UsageError(
            f"{run_dir} already contains a run; resume it with --continue {run_dir}, or choose another folder"
        )
    return options, run_dir


def changed_options(values: dict[str, Any]) -> dict[str, Any]:
    """Return the training options that were typed together with --continue.

    Raises:
        click.UsageError: an option that a resumed run cannot change.
    """
    typed = {name: flag for name, flag in typed_flags().items() if name not in _NO_OPTIONS}
    fixed = [flag for name, flag in typed.items() if name not in _CHANGEABLE]
    if fixed:
        raise click.UsageError(
            f"--continue keeps the options of the run; omit {', '.join(fixed)}, or start a new run from "
            "its last snapshot with --resume"
        )
    return {option: values[name] for name in typed for option in _CHANGEABLE[name]}


def make_options(values: dict[str, Any], links: dict[str, Any], count: int) -> TrainingOptions:
    """Return the options of a new run of `count` processes, including links.

    Raises:
        ValueError (LinkGANError for links): an option is wrong; names it.
    """
    from training_loops.options import TrainingOptions
    from training_loops.presets import build_options
    from training_loops.request import TrainingRequest

    from ..hosts.hooks import announce
    from ..hosts.options import follow_flags
    from ..local_planes import add_local_planes

    if values["data"] is None:
        raise click.UsageError("--data is needed: a zip or folder of PNGs (or --continue RUN)")
    # Links are added to plain data, as in the options of every other host.
    options = build_options(taken(TrainingRequest, values, gpus=count)).to_json()
    follow_flags(options, links)
    if values["local_planes"]:
        add_local_planes(options)
    announce(options)
    return TrainingOptions.from_json(options)


def next_run_dir(outdir: Path, options: TrainingOptions, *, linked: bool) -> Path:
    """Return ``outdir/NNNNN-data-batchB[-linked]`` with the next free number, as the hosts name their runs."""
    taken = [int(m[1]) for p in outdir.glob("*-*") if (m := re.match(r"(\d{5})-", p.name))]
    name = Path(options.data.training_set_kwargs["path"]).stem
    kind = "-linked" if linked else ""
    return outdir / f"{max(taken, default=-1) + 1:05d}-{name}-batch{options.data.batch_size}{kind}"
