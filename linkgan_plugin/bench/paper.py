"""The claims of the LinkGAN paper (arXiv 2301.04604) as rows of a study, with the paper's own numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from training_loops.data.faces import EYES_BOX, MOUTH_BOX

from ..axes import text_of
from ..links import LinkSpec
from ..metrics.claims import Claim, claim
from .recipe_report import Report
from .rows import CONTINUED, PRETRAINED, TILINGS, UNLINKED, Row, starting_rows

# Axes of the paper's networks.
_DIM = 512
# Masked change when a region is edited, FFHQ: inside, outside.
_EDITS = {"eyes": (5.25e-3, 2.24e-3), "nose": (1.82e-3, 2.25e-3), "mouth": (3.10e-3, 2.21e-3)}
# Axis-count ablation on eyes: change inside when the unlinked axes are moved, outside when the linked ones are.
_COUNTS = {
    8: (17.45e-3, 0.86e-3),
    16: (16.70e-3, 1.53e-3),
    32: (3.29e-3, 7.41e-3),
    64: (0.95e-3, 8.20e-3),
    128: (0.78e-3, 8.71e-3),
    256: (0.43e-3, 24.78e-3),
}
# FID on FFHQ with and without links.
_FID_RATIO = 5.00 / 3.98
_SCRATCH, _TWO, _JOINT, _QUADRANTS = "from-scratch", "two-regions", "joint", "four-quadrants"
_VERDICTS = {Claim.BETTER: "holds", Claim.WORSE: "does not hold", Claim.SAME: Claim.SAME}


def paper_links(dim: int) -> tuple[str, str]:
    """Return links to the procedural faces' eyes and mouth with an eighth of `dim` axes each, as 64 of 512."""
    boxes = {"eyes": EYES_BOX, "mouth": MOUTH_BOX}
    eyes, mouth = ("{}={}@box({},{},{},{})".format(name, dim // 8, *box) for name, box in boxes.items())
    return eyes, mouth


def paper_rows(links: Sequence[str], dim: int, recipe: str = "paper", pretrain: float | None = None) -> dict[str, Row]:
    """Return name -> row; as in the paper, all rows but one start from a trained network.

    Args:
        links: of the rows about regions; the first one's region is that of the axis counts.
        dim: axes of the latent space.
        recipe: of all linked rows.
        pretrain: as in `rows.all_rows`.
    Raises:
        LinkGANError: malformed links, or links that do not fit `dim` axes.
    """
    links = tuple(links)
    maker = _Maker(recipe, UNLINKED if pretrain is None else PRETRAINED)
    singles = [maker.row(f"one-{_name(link)}", f"{_name(link)} alone", (link,), _edits(link)) for link in links]
    rows = [Row(UNLINKED, "no regularizer, from scratch: a baseline", links, switches=(("weight", 0.0),))]
    rows += [*starting_rows(links, pretrain), *singles]
    if len(links) > 1:
        rows.append(maker.row(_TWO, "two regions, from converged", links[:2], {"quality_ratio": _FID_RATIO}))
        rows.append(_joint(links[:2], dim))
    quadrants = tuple(f"part{i}={dim // 4}@{box}" for i, box in enumerate(TILINGS["four-quadrants"]))
    rows.append(maker.row(_QUADRANTS, "four quadrants, a quarter of the axes each", quadrants))
    rows += _count_rows(links[0], dim, maker)
    rows.append(Row(_SCRATCH, f"{' and '.join(map(_name, links[:2]))}, from scratch", links[:2], recipe))
    return {row.name: row for row in rows}


@dataclass(frozen=True)
class _Maker:
    """Makes rows that start from a trained network."""

    recipe: str
    resume: str

    def row(self, name: str, meaning: str, links: tuple[str, ...], published: Mapping[str, float] | None = None) -> Row:
        numbers = tuple((published or {}).items())
        start = (("start", 0.0),)
        return Row(name, meaning, links, self.recipe, start, CONTINUED, self.resume, published=numbers)


def _name(link: str) -> str:
    return link.partition("=")[0].strip()


def _edits(link: str) -> dict[str, float]:
    """Return the paper's numbers for editing a region of that name."""
    numbers = _EDITS.get(_name(link), ())
    return {f"{_name(link)}/{key}": number for key, number in zip(("effect_in", "leak_out"), numbers, strict=False)}


def _joint(links: tuple[str, ...], dim: int) -> Row:
    """Return the row that edits two regions of one network at once: a link of both axes and both regions."""
    names, regions = [_name(link) for link in links], [link.partition("@")[2] for link in links]
    axes = [axis for link in LinkSpec.parse(links, dim=dim).links for axis in link.axes]
    link = f"{'-'.join(names)}={text_of(axes)}@({regions[0]})+({regions[1]})"
    return Row(_JOINT, f"{' and '.join(names)} edited at once", (link,), baseline=CONTINUED, network=_TWO)


def _count_rows(link: str, dim: int, maker: _Maker) -> Iterator[Row]:
    """Yield a row for 2 ... 256 of 512 axes, or the same share of `dim`, each for one link to the region of `link`."""
    name, _, definition = link.partition("=")
    axes, _, region = definition.partition("@")
    for paper_count in (2, 4, *_COUNTS):
        count, remainder = divmod(paper_count * dim, _DIM)
        if remainder:
            continue
        numbers = zip(("leak_in", "leak_out"), _COUNTS.get(paper_count, ()), strict=False)
        published = {f"{name}/{key}": number for key, number in numbers} if name == "eyes" else {}
        row = maker.row(f"axes-{count}", f"{count} of {dim} axes", (f"{name}={count}@{region}",), published)
        # The row of the same link has trained this network already.
        same = axes.strip() == str(count)
        yield replace(row, resume=None, network=f"one-{_name(link)}") if same else row


def paper_claims(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the paper's claims on a study's figures: text, verdict, ratio, difference, stderr, reason and paper.

    Each says that one figure is lower than another, by the rule of `claim`. Rows that did not run are left out.
    """
    return [
        {"claim": text, **found, "paper": _paper(result, first, second)}
        for text, first, second in _statements(result["rows"])
        if (found := _judged(result, first, second)) is not None
    ]


Figure = tuple[str, str]  # row, LINK/METRIC or quality_ratio


def _statements(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Figure, Figure]]:
    """Yield text, the figure that is lower according to the paper, and the other."""
    names = [row["row"] for row in rows]
    counts = sorted((int(name.removeprefix("axes-")), name) for name in names if name.startswith("axes-"))
    for row in rows:
        linked = row["row"] not in (UNLINKED, CONTINUED, PRETRAINED) and not row["row"].startswith("axes-")
        for link in row["links"] if linked else ():
            text = f"{row['row']}: editing {link} changes its region more than the rest"
            yield text, (row["row"], f"{link}/leak_out"), (row["row"], f"{link}/effect_in")
    if len(counts) > 1:
        (few, fewest), (many, most) = counts[0], counts[-1]
        link = next(row["links"][0] for row in rows if row["row"] == fewest)
        yield f"{many} axes leak less into {link} than {few}", (most, f"{link}/leak_in"), (fewest, f"{link}/leak_in")
        yield (
            f"{few} axes leak less out of {link} than {many}",
            (fewest, f"{link}/leak_out"),
            (most, f"{link}/leak_out"),
        )
    if {_TWO, _SCRATCH} <= set(names):
        text = "links added to a trained network cost less quality than links from scratch"
        yield text, (_TWO, "quality_ratio"), (_SCRATCH, "quality_ratio")


def _judged(result: Mapping[str, Any], first: Figure, second: Figure) -> dict[str, Any] | None:
    lower, higher = _values(result, first), _values(result, second)
    if not lower or not higher:
        return None
    found = asdict(claim(lower, higher, data=result["protocol"]["data"]))
    return {**found, "verdict": _VERDICTS[found["verdict"]]}


def _values(result: Mapping[str, Any], figure: Figure) -> list[float]:
    """Return one value per seed of the runs that have the figure."""
    name, key = figure
    link, _, metric = key.rpartition("/")
    mine = [run for run in result["runs"] if run["row"] == name]
    values = [run["metrics"].get(link, {}).get(metric) if link else run.get(key) for run in mine]
    return [value for value in values if value is not None]


def _paper(result: Mapping[str, Any], first: Figure, second: Figure) -> str:
    """Return the paper's two numbers as text, "" where it does not have both."""
    published = {row["row"]: row["published"] for row in result["rows"]}
    numbers = [published[name].get(key) for name, key in (first, second)]
    return "" if None in numbers else f"{numbers[0]:.3g} < {numbers[1]:.3g}"


PAPER = Report(
    "paper",
    "The paper's claims",
    "The claims of the LinkGAN paper, rerun",
    columns=("effect_in", "leak_out", "leak_in", "locality"),
    note="[paper ...] are the paper's numbers, of FFHQ and on a pixel scale that it does not give: compare directions "
    "and ratios, not values.",
    claims=paper_claims,
)
