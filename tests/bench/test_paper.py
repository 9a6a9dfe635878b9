"""The paper's claims as rows: which networks they need, the paper's numbers, verdicts, and rows that fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from linkgan_plugin.bench import figures
from linkgan_plugin.bench.ablation import plan
from linkgan_plugin.bench.paper import PAPER, paper_claims, paper_links, paper_rows
from linkgan_plugin.bench.recipe_report import text
from linkgan_plugin.bench.rows import with_needed
from linkgan_plugin.bench.settings import Settings
from linkgan_plugin.links import LinkSpec

LINKS = paper_links(64)


@pytest.mark.parametrize(
    ("dim", "counts"),
    [(64, [1, 2, 4, 8, 16, 32]), (512, [2, 4, 8, 16, 32, 64, 128, 256]), (256, [1, 2, 4, 8, 16, 32, 64, 128])],
)
def test_axis_counts_are_the_papers_share_of_the_axes(dim: int, counts: list[int]) -> None:
    rows = paper_rows(paper_links(dim), dim)
    assert [int(name[5:]) for name in rows if name.startswith("axes-")] == counts
    published = dict(rows[f"axes-{dim // 16}"].published)  # 32 of 512
    assert published == {"eyes/leak_in": 3.29e-3, "eyes/leak_out": 7.41e-3}
    for row in rows.values():
        LinkSpec.parse(row.links, dim=dim)


def test_rows_start_from_a_trained_network_but_one() -> None:
    rows = paper_rows(LINKS, 64)
    assert set(rows) >= {"one-eyes", "one-mouth", "two-regions", "joint", "four-quadrants", "from-scratch"}
    scratch = [name for name, row in rows.items() if row.resume is None and row.network is None]
    assert scratch == ["unlinked", "from-scratch"]
    assert rows["one-mouth"].published == (("mouth/effect_in", 3.10e-3), ("mouth/leak_out", 2.21e-3))
    assert rows["two-regions"].full_recipe().perturb == "gaussian"
    assert paper_rows(LINKS, 64, "default")["two-regions"].full_recipe().perturb == "swap"
    assert {"joint", "two-regions", "one-nose"}.isdisjoint(paper_rows(LINKS[:1], 64))
    shared = paper_rows(LINKS, 64, pretrain=3.0)
    assert (shared["unlinked-pretrained"].kimg, shared["one-eyes"].resume) == (3.0, "unlinked-pretrained")


def test_joint_control_measures_both_links_of_one_network_at_once() -> None:
    rows = paper_rows(LINKS, 64)
    (both,) = LinkSpec.parse(rows["joint"].links, dim=64).links
    eyes, mouth = LinkSpec.parse(rows["two-regions"].links, dim=64).links
    assert both.axes == eyes.axes + mouth.axes
    assert rows["joint"].network == "two-regions"
    assert [row.name for row in with_needed(["joint"], rows)][-2:] == ["two-regions", "joint"]


def test_the_network_of_the_same_link_is_neither_trained_nor_measured_again(tmp_path: Path) -> None:
    rows = with_needed(["axes-8"], paper_rows(LINKS, 64))
    jobs = plan(rows, [0], tmp_path, Settings(Path("none.zip"), 2.0, LINKS))
    alone, count = ({job.row.name: job for job in jobs}[name] for name in ("one-eyes", "axes-8"))
    assert alone.row.links == count.row.links
    assert (count.run_dir, count.kimg) == (alone.run_dir, 0)
    for job in jobs:
        if job.row.network is None:
            job.run_dir.mkdir(parents=True)
            (job.run_dir / "network-snapshot-000002.pt").touch()
    assert count.measurements() == alone.measurements()


def result_of(rows: dict[str, dict], seeds: int = 5, **extra) -> dict:
    """Return a result with planted figures: row -> link -> metric -> value, the same for each seed but a trifle."""
    runs = [
        {
            "row": name,
            "seed": seed,
            "quality_ratio": extra.get(name),
            "metrics": {
                link: {key: value * (1 + seed / 1000) for key, value in found.items()} for link, found in links.items()
            },
        }
        for name, links in rows.items()
        for seed in range(seeds)
    ]
    described = [{"row": name, "links": list(links), "published": {}} for name, links in rows.items()]
    return {"runs": runs, "rows": described, "protocol": {"data": "faces"}}


def test_claims_hold_do_not_hold_or_are_not_distinguishable() -> None:
    eyes = {"effect_in": 0.05, "leak_out": 0.01, "leak_in": 0.02}
    rows = {
        "unlinked": {"eyes": eyes},
        "one-eyes": {"eyes": eyes},
        "joint": {"both": {"effect_in": 0.01, "leak_out": 0.05}},
        "axes-2": {"eyes": {"leak_in": 0.05, "leak_out": 0.01}},
        "axes-16": {"eyes": {"leak_in": 0.01, "leak_out": 0.01}},
    }
    result = result_of(rows)
    result["rows"][1]["published"] = {"eyes/effect_in": 5.25e-3, "eyes/leak_out": 2.24e-3}
    found = {claim["claim"]: claim for claim in paper_claims(result)}
    assert [claim["verdict"] for claim in found.values()] == [
        "holds",
        "does not hold",
        "holds",
        "not distinguishable",
    ]
    first = found["one-eyes: editing eyes changes its region more than the rest"]
    assert first["paper"] == "0.00224 < 0.00525"
    assert first["ratio"] == pytest.approx(0.2)
    assert "16 axes leak less into eyes than 2" in found
    assert {claim["verdict"] for claim in paper_claims(result_of(rows, seeds=4))} == {"not distinguishable"}


def test_from_scratch_is_compared_with_from_converged_by_their_ratios() -> None:
    rows = {name: {"eyes": {}} for name in ("two-regions", "from-scratch")}
    result = result_of(rows)
    for run in result["runs"]:
        run["quality_ratio"] = (1.1 if run["row"] == "two-regions" else 1.6) + run["seed"] / 100
    (found,) = paper_claims(result)
    assert (found["verdict"], found["difference"]) == ("holds", pytest.approx(-0.5))
    assert "trained network cost less quality" in found["claim"]


def test_rows_that_fail_stay_in_the_tables(tmp_path: Path) -> None:
    rows = with_needed(["one-eyes"], paper_rows(LINKS, 64))
    jobs = plan(rows, [0, 1], tmp_path, Settings(Path("none.zip"), 2.0, LINKS))
    result = figures.collect(jobs, dict.fromkeys(jobs, "it stopped:\nloss is not finite"))
    result |= {"command": "linkgan bench paper", "claims": paper_claims(result)}
    assert result["rows"][-1]["failed"] == {
        "0": "it stopped:\nloss is not finite",
        "1": "it stopped:\nloss is not finite",
    }
    shown = text(result, PAPER)
    assert "| one-eyes |" in shown
    assert "failed |" in shown
    assert "- failed: one-eyes, seed 1: loss is not finite" in shown
