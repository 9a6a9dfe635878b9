"""Readers by name: the faces' classifier, labels by seed, and folders of Hugging Face models."""

from __future__ import annotations

import json

import pytest
import torch

from linkgan_plugin.directions.find import find_directions
from linkgan_plugin.directions.readers import reader_from
from linkgan_plugin.directions.reading import columns, differentiable, readings, wanted
from linkgan_plugin.directions.task import LabelledSamples, Task
from linkgan_plugin.errors import LinkGANError
from training_loops.data.faces import render, sample_attributes

from .blobs import attributed
from .planted import opened


def csv_file(folder, text, name="labels.csv"):
    path = folder / name
    path.write_text(text)
    return str(path)


def test_faces_are_read_as_they_were_painted_and_with_gradients():
    truth = sample_attributes(64, seed=5)
    images = render(truth, 64)[0].requires_grad_()
    reader = reader_from("faces")
    values = reader(images)
    column = reader.names.index("brow_tilt") if "brow_tilt" in reader.names else 0
    assert torch.corrcoef(torch.stack([values[:, column].detach(), truth[:, column]]))[0, 1] > 0.9
    (gradient,) = torch.autograd.grad(values.sum(), images)
    assert float(gradient.abs().max()) > 0
    grey = images.detach()[:, :1]
    assert torch.equal(reader(grey), reader(grey.expand(-1, 3, -1, -1)))


def test_labels_are_read_by_seed(tmp_path):
    found = reader_from(csv_file(tmp_path, "\ufeffseed, smile,age\n7,0.5,1\n\n3,-1e-2,0\n"))
    assert isinstance(found, LabelledSamples)
    assert found.names == ("smile", "age")
    assert found.seeds == (7, 3)
    assert torch.equal(found.values, torch.tensor([[0.5, 1.0], [-0.01, 0.0]]))


def test_labels_belong_to_the_latents_of_their_seeds(tmp_path):
    generator = opened(attributed()[0])
    labels = reader_from(csv_file(tmp_path, "seed,smile\n7,1\n3,2\n"))
    latents, values = readings(Task(generator, reader=labels), samples=1)
    assert torch.equal(latents, generator.draw([7, 3])[:, 0])
    assert values.tolist() == [[1], [2]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "0 lines; expected 'seed,NAME,...'"),
        ("seed,smile\n", "1 lines; expected 'seed,NAME,...'"),
        ("image,smile\n1,2\n", "its first line is 'image,smile'; expected 'seed,NAME,NAME,...'"),
        ("seed\n1\n", "its first line is 'seed'"),
        ("seed,smile,\n1,2,3\n", "its first line is 'seed,smile,'"),
        ("seed,smile,smile\n1,2,3\n", "two columns have the same name"),
        ("seed,smile\n1,2\n1,3\n", "line 3: seed 1 a second time"),
        ("seed,smile\n1,2,3\n", "line 2: 3 values, expected a seed and 1 numbers"),
        ("seed,smile\n\n1,high\n", "line 3: '1,high', expected a seed and 1 numbers"),
        ("seed,smile\n1.5,1\n", "line 2: '1.5,1', expected a seed and 1 numbers"),
        ("seed,smile\n1,nan\n", "line 2: '1,nan', expected finite numbers"),
        ("seed,smile\n-1,1\n", "line 2: seed is -1, expected a whole number from 0 to 4294967295"),
    ],
)
def test_labels_that_are_not_so_are_refused_by_line(tmp_path, text, message):
    with pytest.raises(LinkGANError) as caught:
        reader_from(csv_file(tmp_path, text))
    assert message in str(caught.value)


def test_what_is_no_reader_is_refused(tmp_path):
    with pytest.raises(LinkGANError, match=r"no reader of attributes 'face': expected 'faces', a .csv file"):
        reader_from("face")
    with pytest.raises(LinkGANError, match=r"no\.csv: cannot be read"):
        reader_from(str(tmp_path / "no.csv"))
    (tmp_path / "bytes.csv").write_bytes(b"seed,\xff\n")
    with pytest.raises(LinkGANError, match="not a CSV file in UTF-8"):
        reader_from(str(tmp_path / "bytes.csv"))
    with pytest.raises(LinkGANError, match=r"no config\.json; expected the folder of a Hugging Face image classif"):
        reader_from(str(tmp_path))


@pytest.mark.parametrize("method", ["ganalyze", "enjoy"])
def test_methods_that_follow_gradients_refuse_labels_of_seeds(method):
    labels = LabelledSamples(("smile",), (1, 2), torch.tensor([[0.0], [1.0]]))
    with pytest.raises(LinkGANError, match=f"{method} follows gradients .* labels of seeds .* use the method interf"):
        find_directions(opened(attributed()[0]), method, reader=labels)


def test_attributes_are_those_named_else_the_first_ones():
    generator, reader, _ = attributed()
    assert wanted(Task(opened(generator), reader=reader)) == ["smile", "age"]
    assert wanted(Task(opened(generator), count=1, reader=reader)) == ["smile"]
    assert wanted(Task(opened(generator), reader=reader, attributes=("age",))) == ["age"]
    assert columns(reader, ["age"]) == [1]
    with pytest.raises(LinkGANError, match=r"the reader has no attribute 'ago'; known: age, smile .did you mean 'age'"):
        wanted(Task(opened(generator), reader=reader, attributes=("ago",)))


def test_readers_that_do_not_fit_are_refused():
    generator, reader, _ = attributed()

    class Wrong:
        names = ("smile", "age", "more")

        def __call__(self, images):
            return reader(images)

    class Stiff:
        names = reader.names

        def __call__(self, images):
            return reader(images.detach())

    image = torch.zeros(2, 1, 8, 8, requires_grad=True)
    with pytest.raises(LinkGANError, match=r"the reader returned \[2, 2\] for 2 images, expected \[2, 3\]"):
        differentiable(Task(opened(generator), reader=Wrong()), "ganalyze")(image)
    with pytest.raises(LinkGANError, match="ganalyze follows gradients, and this reader's values have none"):
        differentiable(Task(opened(generator), reader=Stiff()), "ganalyze")(image)


PROCESSOR = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4], "size": {"height": 32, "width": 32}}


def saved(folder, transformers, processor=PROCESSOR, **options):
    names = {0: "crane, a bird", 1: "crane", 2: "smile"}
    labels = {"id2label": names, "label2id": {name: index for index, name in names.items()}}
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = transformers.ViTConfig(image_size=32, patch_size=16, **sizes, **labels, **options)
        model = transformers.ViTForImageClassification(config).eval()
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return model


@pytest.mark.parametrize("several", [False, True])
def test_a_folder_reads_the_probabilities_that_transformers_computes(tmp_path, several):
    transformers = pytest.importorskip("transformers")
    options = {"problem_type": "multi_label_classification"} if several else {}
    model = saved(tmp_path, transformers, **options)
    reader = reader_from(str(tmp_path))
    assert reader.names == ("crane 0", "crane 1", "smile")
    images = (torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1).requires_grad_()
    mean, std = (torch.tensor(PROCESSOR[key])[:, None, None] for key in ("image_mean", "image_std"))
    logits = model(pixel_values=((images + 1) / 2 - mean) / std).logits
    wanted = logits.sigmoid() if several else logits.softmax(dim=1)
    values = reader(images)
    torch.testing.assert_close(values, wanted, rtol=0, atol=1e-6)
    assert float(torch.autograd.grad(values[:, 2].sum(), images)[0].abs().max()) > 0
    assert reader(images.detach()[:, :1, :20, :20]).shape == (2, 3)


def test_a_folder_can_ask_for_the_centre(tmp_path):
    transformers = pytest.importorskip("transformers")
    saved(tmp_path, transformers, {"size": {"shortest_edge": 40}, "do_center_crop": True, "crop_size": 32})
    images = torch.rand(2, 3, 40, 40, generator=torch.Generator().manual_seed(1))
    bordered = images.clone()
    bordered[:, :, :4] = 1.0
    bordered[:, :, :, -4:] = 1.0
    reader = reader_from(str(tmp_path))
    assert torch.equal(reader(images), reader(bordered))


@pytest.mark.parametrize(
    ("processor", "message"),
    [
        ({"image_std": [0, 1, 1]}, "config.json and preprocessor_config.json do not fit: image_mean"),
        ({"size": {"shortest_edge": 10**6}}, "expected pixels up to 4096"),
        ({"size": 32, "do_center_crop": True, "crop_size": 40}, r"crop_size \(40, 40\) is larger than size \(32, 32\)"),
    ],
)
def test_a_folder_that_does_not_describe_its_images_is_refused(tmp_path, processor, message):
    transformers = pytest.importorskip("transformers")
    saved(tmp_path, transformers, processor)
    with pytest.raises(LinkGANError, match=message):
        reader_from(str(tmp_path))
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "model_type": "segformer"}))
    with pytest.raises(LinkGANError, match="model_type 'segformer' is no image classification model"):
        reader_from(str(tmp_path))
