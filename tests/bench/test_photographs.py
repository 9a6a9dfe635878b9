"""`bench photographs`: what edits of inverted photographs change, on generators whose answer is known."""

from __future__ import annotations

import dataclasses
import json
import signal

import numpy as np
import pytest
import torch

from linkgan_plugin.bench import photographs as study
from linkgan_plugin.bench.held_out import HeldOut
from linkgan_plugin.bench.inversion_rows import DRAWN, ROWS, rows_for
from linkgan_plugin.bench.photograph_edits import direction_edits, edit_photograph, link_edits
from linkgan_plugin.bench.photograph_quality import ALL, PASTED, RECONSTRUCTION, Ruler
from linkgan_plugin.bench.photographs_report import cell, edit_table, every, leak_share, summary, text, times
from linkgan_plugin.directions.directions import Directions
from linkgan_plugin.editing.detailed import PhotographDetails
from linkgan_plugin.editing.editor import Editor
from linkgan_plugin.editing.example import example_generator
from linkgan_plugin.editing.paste import feathered
from linkgan_plugin.editing.steps import Transplant
from linkgan_plugin.errors import Interrupted, LinkGANError
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.metrics.estimate import Estimate
from linkgan_plugin.metrics.kernel import kernel_distance
from linkgan_plugin.metrics.yardsticks import KERNEL, Yardstick
from tests.inversion.conftest import small_generator
from tests.inversion.test_details import detailed
from tests.toys import ToyGenerator, linked_weight
from training_loops.formats.folder import ImageFolderDataset, write_dataset
from training_loops.formats.pixels import to_uint8

LEAKED, SIZE, DIM = 0.5, 16, 4


@pytest.fixture
def leaking():
    """Axes 0 and 1 own the left half and change the right one LEAKED times as much; 2 and 3 own the right half."""
    weight = linked_weight([[0, 1], [2, 3]], SIZE, DIM).view(SIZE, SIZE, DIM)
    weight[:, 8:, :2] = LEAKED * weight[:, :8, :2]
    spec = LinkSpec.parse(["left=0:2@box(0,0,0.5,1)"], dim=DIM)
    return LinkedGenerator(ToyGenerator(weight.view(SIZE**2, DIM) / 8, SIZE), spec)


def edited(generator, photograph=None, feather=2.0):
    latents, donors = generator.draw([0]), generator.draw([1, 2, 3])
    found = edit_photograph(generator, link_edits(generator), latents, torch.zeros(1, 0), donors, photograph, feather)
    return found, latents, donors


def test_the_leak_share_of_a_planted_leak_is_its_square(leaking):
    found, latents, donors = edited(leaking)
    figures = found.figures["left"]
    # The left half changes by d, the right half by LEAKED d.
    assert figures["leak"] == pytest.approx(LEAKED**2 * figures["effect"], rel=1e-5)
    share = leak_share({name: np.array([value]) for name, value in figures.items()})
    assert share.value == pytest.approx(LEAKED**2 / (1 + LEAKED**2), rel=1e-5)
    after = leaking.render(leaking.replace(latents.expand_as(donors), donors, leaking.block("left")))
    change = (after - leaking.render(latents)).double().square()[:, 0]
    assert figures["effect"] == pytest.approx(float(change[:, :, :8].mean()), rel=1e-5)
    assert figures["inside"] == pytest.approx(float(change[:, :, :8].sum()) / 3, rel=1e-5)


def test_edits_are_those_of_the_editor_and_the_seam_ends(leaking):
    photograph = torch.rand([1, 1, SIZE, SIZE], generator=torch.Generator().manual_seed(0)) * 2 - 1
    found, latents, donors = edited(leaking, photograph)
    for row in range(3):
        editor = Editor(leaking, latents, photograph=photograph)
        editor.do(Transplant(["left"], donor=donors[[row]]))
        assert torch.allclose(found.edited["left"][[row]], editor.image(), atol=1e-6)
        assert torch.allclose(found.pasted["left"][[row]], editor.pasted(feather=2.0), atol=1e-6)
    mask = torch.zeros(SIZE, SIZE)
    mask[:, :8] = 1
    seam = feathered(mask, 2.0)
    assert float(seam[:, 10:].max()) == 0  # two pixels of seam
    pasted = found.pasted["left"]
    assert torch.equal(pasted[:, :, :, 10:], photograph[:, :, :, 10:].expand(3, -1, -1, -1))
    assert torch.equal(pasted[:, :, :, :8], found.edited["left"][:, :, :, :8])
    figures = found.figures["left"]
    assert figures["pasted_effect"] == pytest.approx(figures["effect"])
    beyond = (pasted[:, 0, :, 8:] - photograph[:, 0, :, 8:]).double().square().mean()
    assert figures["pasted_leak_photograph"] == pytest.approx(float(beyond), rel=1e-5)
    whole = (found.edited["left"][:, 0, :, 8:] - photograph[:, 0, :, 8:]).double().square().mean()
    assert figures["leak_photograph"] == pytest.approx(float(whole), rel=1e-5)
    assert figures["pasted_leak_photograph"] < figures["leak_photograph"]


def test_a_drawn_image_is_its_own_photograph(leaking):
    figures = edited(leaking)[0].figures["left"]
    assert figures["leak_photograph"] == figures["leak"]
    assert figures["pasted_leak_photograph"] == figures["pasted_leak"] < figures["leak"]


def test_directions_are_walked_both_ways(leaking):
    vectors = torch.eye(DIM)[:2].unsqueeze(1)
    edit = direction_edits("brows", Directions(vectors, region="box(0,0,0.5,1)"), std=3.0)
    latents = leaking.draw([0])
    moved = edit.targets(latents, latents) - latents
    assert moved[:, 0].tolist() == [[3, 0, 0, 0], [-3, 0, 0, 0], [0, 3, 0, 0], [0, -3, 0, 0]]
    with pytest.raises(LinkGANError, match="directions in Z; photographs are inverted in W"):
        direction_edits("brows", Directions(vectors, space="z", region="box(0,0,0.5,1)"), 1.0)
    with pytest.raises(LinkGANError, match="found for no region"):
        direction_edits("brows", Directions(vectors), 1.0)


def test_rows_that_need_an_encoder_are_there_once_for_each():
    assert [row.key for row in rows_for({})] == ["search-w", "search-w+", "search-w+-tuned"]
    assert [row.key for row in rows_for({"e": True})] == [row.key for row in ROWS]
    assert [row.key for row in rows_for({"e": False})] == [row.key for row in ROWS if row.key != "details"]
    assert [row.key for row in rows_for({"a": False, "b": True}, ["details"])] == ["details-b"]
    with pytest.raises(LinkGANError, match="needs an encoder with details; train them with"):
        rows_for({"e": False}, ["details"])
    assert [row.title for row in rows_for({"a": False, "b": True}, ["restyle"])] == [
        "ReStyle, all passes (a)",
        "ReStyle, all passes (b)",
    ]
    settings = {row.key: row.inversion() for row in rows_for({"e": True}, steps=7, tune=5)}
    assert (settings["search-w"].steps, settings["search-w"].tune) == (7, 0)
    assert [key for key, found in settings.items() if found.tune == 5] == ["search-w+-tuned", "tune"]
    with pytest.raises(LinkGANError, match="row 'tune' needs an encoder"):
        rows_for({}, ["tune"])
    with pytest.raises(LinkGANError, match=r"no row 'restile'; .*'restyle'"):
        rows_for({}, ["restile"])


class Means:
    """A feature network: the mean of each channel and of each half."""

    def features(self, images):
        return torch.cat(
            [images.mean(dim=(2, 3)), images[..., :8].mean(dim=(2, 3)), images[..., 8:].mean(dim=(2, 3))], 1
        )


@pytest.fixture
def photographs(tmp_path):
    """24 images that the example's generator draws, so that they can be inverted."""
    images = to_uint8(example_generator().sample(range(100, 124)).images).permute(0, 2, 3, 1).numpy()
    write_dataset(tmp_path / "photographs.zip", images)
    return tmp_path / "photographs.zip"


@pytest.fixture
def asked(photographs, tmp_path):
    generator = example_generator()
    held_out = HeldOut.opened(photographs, generator.generator, 8)
    ruler = Ruler.of(Yardstick("means", Means(), KERNEL), held_out.references())
    network = tmp_path / "network.pt"
    network.write_bytes(b"weights")
    return study.PhotographStudy(network, generator, held_out, link_edits(generator), donors=2, ruler=ruler)


def test_a_study_stores_its_rows_and_measures_only_new_ones(asked, tmp_path):
    told: list[str] = []
    out = tmp_path / "out"
    first = study.run(asked, rows_for({}, ["search-w"], steps=20), out, told.append)
    assert told == ["drawn latents: row 1 of 2 to measure", "search W: row 2 of 2 to measure"]
    told.clear()
    rows = rows_for({}, ["search-w", "search-w+"], steps=20)
    second = study.run(asked, rows, out, told.append)
    assert told == ["search W+: row 1 of 1 to measure"]
    assert {key: second[key] for key in first} == first
    with pytest.raises(LinkGANError, match=r"search-w.json was measured with other settings; choose another --out"):
        study.run(asked, rows_for({}, ["search-w"], steps=21), out)
    figures = first["search-w"]
    assert figures["closeness"].keys() == {"mae", "ssim", "pyramid", "seconds"}
    assert all(len(values) == 8 for values in figures["closeness"].values())
    assert np.mean(figures["closeness"]["mae"]) < 0.2
    assert {name: len(values) for name, values in figures["edits"]["left"].items()}.items() >= {("leak", 8)}
    # The example's links are perfect: all that changes outside is rounding, and nothing of it is pasted.
    assert every(figures["edits"])["leak"].max() < 1e-9 < every(figures["edits"])["effect"].min()
    assert every(figures["edits"])["leak_photograph"].max() > 1e-9
    shown = np.load(out / "rows" / "search-w.npz")
    assert {name: shown[name].shape for name in shown} == {
        "reconstruction": (4, 16, 16, 3),
        "edited": (4, 16, 16, 3),
        "pasted": (4, 16, 16, 3),
        "change": (4, 16, 16),
    }
    json.dumps(second)
    report = text(rows, second, ["Facts."], "command")
    assert "| search W+ " in report
    header, body = summary(rows, second)
    assert [row[0] for row in body] == ["drawn latents", "search W", "search W+", "the photographs"]
    assert body[0][header.index("leak, x drawn")] == "1"
    header, body = edit_table("left", rows, second)
    assert len(header) == len(body[0]) == 11


def test_quality_is_the_mean_over_donors_of_distances_to_other_photographs(asked):
    row = study.measured(asked, DRAWN, asked.path.parent / "out")
    assert row["quality"].keys() == {
        *(name + suffix for name in ("left", "right", ALL) for suffix in ("", PASTED)),
        RECONSTRUCTION,
        study.PHOTOGRAPHS,
    }
    data = ImageFolderDataset(asked.held_out.data.path)
    order = np.random.default_rng(0).permutation(24)
    images = torch.from_numpy(data.batch(order)[0]).float() / 127.5 - 1
    seen = Means().features(images)
    wanted = kernel_distance(seen[8:], seen[:8])
    assert row["quality"][study.PHOTOGRAPHS]["value"] == pytest.approx(wanted.value)
    assert row["quality"][study.PHOTOGRAPHS]["stderr"] == pytest.approx(wanted.stderr)
    found = [asked_edit(asked, index) for index in range(8)]
    sets = [Means().features(torch.cat([one.edited["left"][[donor]] for one in found])) for donor in range(2)]
    values = [kernel_distance(seen[8:], some).value for some in sets]
    assert row["quality"]["left"]["value"] == pytest.approx(np.mean(values))


def asked_edit(asked, index):
    latents = asked.generator.draw([(1 << 22) + index])
    first = (1 << 23) + 2 * index
    donors = asked.generator.draw([first, first + 1])
    return edit_photograph(asked.generator, asked.edits, latents, torch.zeros(1, 0), donors)


def test_photographs_that_do_not_fit_are_refused(photographs, leaking):
    with pytest.raises(LinkGANError, match="16 pixels and 3 channels, expected 16 and 1 for this network"):
        HeldOut.opened(photographs, leaking.generator, 8)
    small = HeldOut.opened(photographs, example_generator().generator, 16)
    assert not small.apart  # 8 others are fewer than 16
    assert sum(len(batch) for batch in small.references()) == 24


def test_ratios_of_means_have_the_delta_methods_error():
    random = np.random.default_rng(0)
    mine, drawn = random.normal(3, 0.5, 400), random.normal(2, 0.4, 300)
    found = times(mine, drawn)
    assert found.value == pytest.approx(mine.mean() / drawn.mean())
    again = [random.choice(mine, 400).mean() / random.choice(drawn, 300).mean() for _ in range(4000)]  # bootstrap
    assert found.stderr == pytest.approx(np.std(again), rel=0.1)
    assert times(mine, np.zeros(3)).value is None


@pytest.mark.parametrize(
    ("value", "stderr", "shown"),
    [(0.09194, 0.00123, "0.0919 ± 0.0012"), (1234.5, 67.8, "1234 ± 68"), (0.5, None, "0.5"), (None, None, "-")],
)
def test_values_are_shown_to_two_digits_of_their_error(value, stderr, shown):
    assert cell(Estimate(value, stderr, 1)) == shown


def test_a_stopped_row_is_measured_again_and_finished_ones_are_kept(asked, tmp_path):
    out, rows, told = tmp_path / "out", rows_for({}, ["search-w"], steps=5), []

    def stopped(steps, label):
        for step in steps:
            if label.startswith("search W"):
                signal.raise_signal(signal.SIGINT)
            yield step

    with pytest.raises(Interrupted):
        study.run(dataclasses.replace(asked, progress=stopped), rows, out, told.append)
    assert [path.name for path in (out / "rows").glob("*.json")] == ["drawn.json"]
    told.clear()
    assert study.run(asked, rows, out, told.append).keys() == {"drawn", "search-w"}
    assert told == ["search W: row 1 of 1 to measure"]


def test_edits_with_details_are_those_of_the_editor():
    network = small_generator()
    generator, encoder = LinkedGenerator(network, LinkSpec.parse(["left=0:3@box(0,0,0.5,1)"], dim=8)), detailed(network)
    photograph = torch.rand([1, 3, 16, 16], generator=torch.Generator().manual_seed(1)) * 2 - 1
    editor = Editor.of_photograph(generator, photograph, encoder)
    donors, label = generator.draw([5, 6]), torch.zeros([1, 0])
    details = PhotographDetails(generator, encoder.required_details, photograph, editor.start, label)
    edits = link_edits(generator)
    found = edit_photograph(generator, edits, editor.start, label, donors, photograph, details=details)
    assert torch.allclose(found.reconstruction, editor.image(), atol=1e-5)
    for row in range(2):
        after = editor.after(Transplant("left", donor=donors[row : row + 1]))
        assert torch.allclose(found.edited["left"][row], after.image()[0], atol=1e-5)
    assert (found.reconstruction - generator.render(editor.start, label)).abs().max() > 1e-3
