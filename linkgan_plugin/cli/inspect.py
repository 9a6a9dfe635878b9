"""`linkgan inspect`: the contents of a network file, and whether other programs can open it safely."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from training_loops.formats import strict_json

from .params import FiniteRange


@click.command(
    epilog="""\b
Examples:
  linkgan inspect network-snapshot-025000.pkl
  linkgan inspect downloaded.pkl --json
  linkgan inspect https://example.org/faces.pkl --max-size 500
"""
)
@click.argument("place", metavar="FILE|URL")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with more detail.")
@click.option("--max-size", type=FiniteRange(0, 1e9), default=4096, show_default=True, help="Largest download, in MB.")
@click.option(
    "--cache",
    envvar="LINKGAN_CACHE",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for downloads; also LINKGAN_CACHE. By default linkgan in the user's cache folder.",
)
@click.option("--show-source", is_flag=True, help="Print the source code stored in a pickle.")
def inspect(place: str, as_json: bool, max_size: float, cache: Path | None, show_source: bool) -> None:
    """Show the contents of a .pkl, .pt or .safetensors file without running its code; no host is needed.

    The format is detected from the content, not the name; the file may be gzipped.

    Prints the networks and their sizes, the links, the data set and every name that the file refers to. Also states
    whether the file is safe to open here, and whether it is safe to open in its host, which runs the source code
    stored in a pickle.

    The exit code is 1 if the file is damaged, refers to names that no network needs, or contains source code that is
    not from a public host: do not open such a file in a host unless you trust its author.
    """
    from ..pickles.describe import describe
    from ..pickles.download import is_url

    path = _fetched(place, cache, int(max_size * 1e6), quiet=as_json) if is_url(place) else Path(place)
    if not path.is_file():
        raise click.BadParameter(f"no file {place}", param_hint="FILE|URL")
    found = describe(path)
    text = (
        strict_json.dumps(_shown(found, show_source), indent=2, default=str) if as_json else _text(found, show_source)
    )
    click.echo(text)
    if found["error"] or found.get("safe_in_host") is False:
        click.get_current_context().exit(1)


def _shown(found: dict[str, Any], source: bool) -> dict[str, Any]:
    """Return the description for JSON, without the text of source code unless requested."""
    left_out = () if source else ("text",)
    code = [{key: value for key, value in item.items() if key not in left_out} for item in found.get("code", [])]
    return {**found, **({"code": code} if "code" in found else {})}


def _fetched(url: str, cache: Path | None, largest: int, quiet: bool) -> Path:
    from tqdm import tqdm

    from ..pickles.download import cache_folder, checksum_of, fetch

    def started(size: int | None) -> None:
        told = f"{size / 1e6:.1f} MB" if size is not None else "size unknown"
        click.echo(f"fetching {url} ({told})", err=True)
        bar.total = size

    with tqdm(unit="B", unit_scale=True, disable=quiet or None) as bar:
        path = fetch(url, cache or cache_folder(), largest=largest, started=started, progress=bar.update)
    click.echo(f"saved as {path}, checksum {checksum_of(path).read_text().split()[0]}", err=True)
    return path


def _text(found: dict[str, Any], show_source: bool) -> str:
    """Return the description as lines, with control characters from the file escaped."""
    from training_loops.formats.text import printable

    lines = [f"{found['file']}: {found['kind']}, {found['bytes'] / 1e6:.1f} MB, SHA-256 {found['sha256']}"]
    if found["error"]:
        lines += ["", f"REFUSED: {found['error']}"]
    for role, network in found.get("networks", {}).items():
        lines += ["", *_network(role, network)]
    if not found["error"]:
        lines += ["", *_facts(found)]
    lines += ["", *_verdicts(found), *_names(found["globals"])]
    for code in found.get("code", []) if show_source else []:
        lines += ["", f"source of {code['class_name']}, SHA-256 {code['sha256']}:", *code["text"].split("\n")]
    return "\n".join(map(printable, lines))


def _verdicts(found: dict[str, Any]) -> list[str]:
    if found["error"]:
        return ["safe to open here: it is refused, and no code in it was run", "safe to open in a host: NO"]
    lines = ["safe to open here: yes, no code in it is run"]
    if found["safe_in_host"] is None:
        return lines
    unknown = [code for code in found["code"] if code["origin"] is None]
    dangerous = [item["name"] for item in found["globals"] if item["kind"] == "DANGEROUS"]
    foreign = [item["name"] for item in found["globals"] if item["kind"] == "not known here"]
    if dangerous:
        lines.append(f"safe to open in its host: NO, it refers to {', '.join(dangerous[:5])}, which can run programs")
    elif unknown:
        names = ", ".join(code["class_name"] for code in unknown[:5])
        lines.append(
            f"safe to open in its host: NO, it contains UNKNOWN CODE ({names}), which the host runs; it is not from "
            "a public host (--show-source prints it)"
        )
    elif foreign:
        lines.append("safe to open in its host: only if the host's own classes are, some of which are not known here")
    else:
        lines.append("safe to open in its host: yes, the code in it is from public hosts")
    origins = [f"  {code['class_name']}: {code['origin'] or 'UNKNOWN CODE'}" for code in found["code"]]
    return lines + origins


def _names(names: list[dict[str, Any]]) -> list[str]:
    if not names:
        return []
    order = ("DANGEROUS", "not known here", "allowed")
    width = max(map(len, order))
    rows = sorted(names, key=lambda item: order.index(item["kind"]))
    lines = [f"  {item['kind']!s:{width}} {item['name']} at byte {item['offset']}" for item in rows]
    return [f"refers to {len(names)} {'name' if len(names) == 1 else 'names'}:", *lines]


def _network(role: str, network: dict[str, Any]) -> list[str]:
    size = network.get("img_resolution")
    channels = f", {network['img_channels']} channels" if "img_channels" in network else ""
    image = f", {size} x {size} pixels{channels}" if size else ""
    dims = [f"{name} {network[name]}" for name in ("z_dim", "w_dim", "c_dim", "num_ws") if name in network]
    layers = f"{network['fp16_layers']} of {network['layers']} {network['layers_are']}"
    half = f"{network['half']} in {layers}" if network["fp16_layers"] else "fp32"
    start = f", from {network['fp16_from']} pixels" if network["fp16_from"] else ""
    types = ", ".join(f"{count} {name}" for name, count in network["types"].items())
    opens = f"yes, as {network['native']}" if network["native"] else f"no: {network['native_error']}"
    return [
        f"{role}: {network['class_name']}{image}",
        *([f"  {', '.join(dims)}"] if dims else []),
        f"  {network['parameters']:,} parameters, {network['buffers']:,} values in buffers; tensors: {types}",
        f"  computes in {half}{start}",
        f"  can be opened without its code: {opens}",
        *([f"  edit, project and ui: no: {network['shown_error']}"] if network["shown_error"] else []),
    ]


def _facts(found: dict[str, Any]) -> list[str]:
    basis = ", in a basis of its own" if found["basis"] else ""
    links = "; ".join(found["links"]) + f"{basis} (in {found['link_spec_in']})" if found["links"] else "none"
    data = ", ".join(f"{name}={value}" for name, value in found["training_set_kwargs"].items()) or "unknown"
    facts = [*found["notes"], f"links: {links}", f"data set: {data}"]
    if found["augment_p"] is not None:
        facts.append(f"augmentation probability: {found['augment_p']:.3f}")
    if found["cur_nimg"]:
        facts.append(f"trained on {found['cur_nimg']} images")
    if found["source"]:
        facts.append(f"converted from {found['source'].get('file')}, SHA-256 {found['source'].get('sha256')}")
    return facts
