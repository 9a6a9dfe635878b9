"""Every family of generators trains, resumes, opens, links and edits; its loss is the equation of its paper."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
import torch.nn.functional as F
from click.testing import CliRunner
from torch import Tensor, nn

from linkgan_plugin.cli.edit import edit as edit_command
from linkgan_plugin.cli.metrics import metrics as metrics_command
from linkgan_plugin.cli.project import project as project_command
from linkgan_plugin.cli.train import FAMILIES, STYLES
from linkgan_plugin.cli.train import train as train_command
from linkgan_plugin.generators import LinkedGenerator
from linkgan_plugin.inversion.projected import load_projected
from linkgan_plugin.networks import load_network
from linkgan_plugin.pickles.convert import convert
from tests.training_loops.runs import options_of, train
from tests.training_loops.states import CLOCK, leaves
from training_loops.batches import BatchStream
from training_loops.errors import OptionError
from training_loops.families import dcgan, glo, lapgan, msg_gan, progan, r3gan, vae
from training_loops.families.gaussian import FittedGaussian
from training_loops.families.layers import enlarged, reduced
from training_loops.families.losses import Batch, penalty, tracked
from training_loops.formats.folder import ImageFolderDataset, write_dataset
from training_loops.presets import PRESETS
from training_loops.snapshots import load_snapshot

ALONE = {"vae", "autoencoder", "glo"}  # without a discriminator
SIDE = 16


@pytest.fixture(scope="module")
def discs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of 16 x 16 pixels, each a disc of its own place and colour."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE]
    images = np.zeros([24, SIDE, SIDE, 3], np.uint8)
    for image in images:
        cy, cx, radius = rng.uniform([4, 4, 2], [12, 12, 5])
        image[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = rng.integers(64, 256, 3)
    path = tmp_path_factory.mktemp("discs") / "discs.zip"
    write_dataset(path, images)
    return path


def options(cfg: str, data: Path, **changes: Any) -> dict[str, Any]:
    """Options of a run of six steps of four images."""
    asked = {"batch": 4, "cbase": 64, "cmax": 8, "z_dim": 12, "kimg": 0.024, "tick": 0.008, "snap": 1, **changes}
    return {**options_of(cfg=cfg, data=data, **asked), "image_grid": [4, 2]}


def different(first: Path, second: Path) -> list[str]:
    """What two states do not share, but for the clock."""
    a, b = leaves(first), leaves(second)
    assert a.keys() == b.keys()
    same = {
        path: torch.equal(a[path], b[path]) if isinstance(a[path], torch.Tensor) else a[path] == b[path] for path in a
    }
    return [path for path in a if not same[path] and path != CLOCK]


@pytest.fixture(scope="module", params=FAMILIES)
def cfg(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def whole(cfg: str, discs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp(cfg)
    assert train(folder, options(cfg, discs)).finished
    return folder


def test_losses_and_gradients_are_finite(cfg: str, whole: Path) -> None:
    last = json.loads((whole / "stats.jsonl").read_text().splitlines()[-1])
    losses = {name: value["mean"] for name, value in last.items() if name.startswith("Loss/")}
    assert "Loss/G/loss" in losses
    assert ("Loss/D/loss" in losses) == (cfg not in ALONE)
    assert all(np.isfinite(value) for value in losses.values()), losses
    dropped = [value["mean"] for name, value in last.items() if name.endswith("/dropped")]
    assert set(dropped) == {0}


def test_a_stopped_run_goes_on_to_the_bit(cfg: str, whole: Path, discs: Path, tmp_path: Path) -> None:
    seen: list[int] = []
    stop = {"progress_fn": lambda done, total: seen.append(done), "abort_fn": lambda: bool(seen) and seen[-1] >= 12}
    assert not train(tmp_path, options(cfg, discs), **stop).finished
    assert train(tmp_path, options(cfg, discs), restart=True).finished
    assert different(whole, tmp_path) == []


def test_microbatches_train(cfg: str, discs: Path, tmp_path: Path) -> None:
    train(tmp_path / "run", options(cfg, discs, batch_gpu=2, kimg=0.008))
    state = leaves(tmp_path / "run")
    assert all(bool(value.isfinite().all()) for value in state.values() if isinstance(value, torch.Tensor))


def test_snapshots_open_and_convert(cfg: str, whole: Path, tmp_path: Path) -> None:
    path = max(whole.glob("network-snapshot-*.pt"))
    network = load_network(path)
    z = torch.randn(3, 12)
    images = network.generator(z, None)
    assert images.shape == (3, 3, SIDE, SIDE)
    assert (network.open_discriminator is None) == (cfg in ALONE)
    if cfg not in ALONE:
        assert network.discriminator(images, None).flatten().shape == (3,)
    convert(path, tmp_path / "net.safetensors")
    convert(tmp_path / "net.safetensors", tmp_path / "net.pt")
    assert torch.equal(load_network(tmp_path / "net.safetensors").generator(z, None), images)
    back, found = load_snapshot(tmp_path / "net.pt"), load_snapshot(path)
    assert (back.D is None) == (found.D is None)
    assert torch.equal(back.G(z, None), found.G(z, None))


def test_a_snapshot_starts_a_run(cfg: str, whole: Path, discs: Path, tmp_path: Path) -> None:
    path = max(whole.glob("network-snapshot-*.pt"))
    second = {**options_of(cfg=cfg, data=discs, resume=path, batch=4, kimg=0.004), "image_grid": [4, 2]}
    assert second["G_kwargs"]["z_dim"] == 12
    assert train(tmp_path, second).finished


@pytest.fixture(scope="module")
def linked(cfg: str, discs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The snapshot of a run with a link."""
    folder = tmp_path_factory.mktemp("linked")
    command = ["--cfg", cfg, "--data", str(discs), "--run-dir", str(folder), "--device", "cpu", "--quiet"]
    small = {"kimg": 0.04, "batch": 4, "cbase": 64, "cmax": 8, "z-dim": 12, "link-start": 0, "link-weight": 30}
    command += ["--loss=linkgan", *(f"--{name}={value}" for name, value in small.items())]
    result = CliRunner().invoke(train_command, [*command, "--link", "left=4@box(0,0,0.5,1)"])
    assert result.exit_code == 0, result.output
    return max(folder.glob("network-snapshot-*.pt"))


def test_links_train_and_are_measured_and_edited(cfg: str, linked: Path) -> None:
    network = load_network(linked)
    assert network.spec is not None
    assert network.spec.space == "z"
    statistics = (linked.parent / "stats.jsonl").read_text()
    assert "Loss/link/left/share" in statistics
    generator = LinkedGenerator(network.generator, network.spec)
    discs = generator.sample([0, 1])
    edited = generator.resample(discs.latents, "left", seed=7)
    change = (edited.images - discs.images).square().mean(dim=[0, 1])
    assert change.sum() > 0
    small = ["--pairs", "4", "--batch", "4", "--quality-images", "8", "--device", "cpu"]
    measured = CliRunner().invoke(metrics_command, [str(linked), *small])
    assert measured.exit_code == 0, measured.output
    assert "left" in measured.output


def test_photographs_are_inverted_and_edited(cfg: str, linked: Path, tmp_path: Path) -> None:
    photograph, projections, sheet = (tmp_path / name for name in ("me.png", "projections", "edited.png"))
    image = np.random.default_rng(0).integers(0, 256, [SIDE, SIDE, 3], np.uint8)
    PIL.Image.fromarray(image).save(photograph)
    asked = ["--network", str(linked), "--steps", "4", "--tune", "1", "--out", str(projections)]
    inverted = CliRunner().invoke(project_command, [str(photograph), *asked])
    assert inverted.exit_code == 0, inverted.output
    network = load_network(linked).generator
    latents = load_projected(projections / "me", network).latents
    assert latents.shape == (1, 1, 12)
    asked = ["--projection", str(projections / "me"), "--region", "left", "--cell", "16", "--out", str(sheet)]
    edited = CliRunner().invoke(edit_command, [str(linked), *asked])
    assert edited.exit_code == 0, edited.output
    assert sheet.exists()


def test_the_command_lists_every_configuration() -> None:
    assert list(PRESETS) == [*STYLES, *FAMILIES]
    assert all(PRESETS[name].startswith("training_loops.families.") for name in FAMILIES)


def test_labels_are_refused(cfg: str, tiny_data: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"labels of 3 numbers: a .*Generator is unconditional, train without them"):
        train(tmp_path, {**options(cfg, tiny_data, cond=True, z_dim=16)})


def test_options_of_other_families_are_refused(cfg: str, discs: Path) -> None:
    for name, value in (("w_dim", 8), ("style_mixing", 0.5), ("noise", True), ("freezed", 1)):
        with pytest.raises(OptionError, match=f"{name}: cfg {cfg} has no such option"):
            options(cfg, discs, **{name: value})
    if cfg in ALONE:
        with pytest.raises(OptionError, match="dlr: cfg"):
            options(cfg, discs, dlr=0.1)


# The equations


def test_the_kl_divergence_is_that_of_the_distributions() -> None:
    torch.manual_seed(0)
    mean, log_variance = torch.randn(5, 7), torch.randn(5, 7)
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(normal(mean, (log_variance / 2).exp()), normal(0.0, 1.0)).sum(dim=1)
    torch.testing.assert_close(vae.kl_divergence(mean, log_variance), expected)


def test_a_fitted_gaussian_draws_what_it_was_fitted_to() -> None:
    torch.manual_seed(0)
    fitted = FittedGaussian(3)
    z = torch.randn(20000, 3)
    torch.testing.assert_close(fitted(z), z, atol=1e-3, rtol=1e-3)  # before the first batch
    mixing, shift = torch.randn(3, 3), torch.tensor([1.0, -2.0, 5.0])
    for batch in (torch.randn(20000, 3) @ mixing + shift).split(100):
        fitted.observe(batch)
    drawn = fitted(z)
    torch.testing.assert_close(drawn.mean(dim=0), shift, atol=0.05, rtol=0)
    torch.testing.assert_close(drawn.T.cov(), mixing.T @ mixing, atol=0.15, rtol=0.05)


def test_reducing_undoes_enlarging() -> None:
    x = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(reduced(enlarged(x, 4), 4), x)


SIZES: dict[str, Any] = {"c_dim": 0, "img_resolution": SIDE, "img_channels": 3, "channel_base": 64, "channel_max": 8}


@pytest.fixture
def batch() -> Batch:
    torch.manual_seed(0)
    return Batch(torch.rand(4, 3, SIDE, SIDE) * 2 - 1, torch.randn(4, 12), 0, torch.tensor([5, 0, 3, 9]))


def entropy(logits: Tensor, real: bool) -> Tensor:
    """Return the binary cross entropy of logits, per image, with the label 1 or 0."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)), reduction="none").flatten()


def test_the_loss_of_a_vae_is_its_equation(batch: Batch) -> None:
    G = vae.VAEGenerator(z_dim=12, **SIZES)
    mean, log_variance = G.encoder(batch.real_img)
    images = G(mean + (0.5 * log_variance).exp() * batch.gen_z, None)
    squares = (images - batch.real_img).square().sum(dim=[1, 2, 3]) / (2 * 0.5**2)
    bound = squares + vae.kl_divergence(mean, log_variance)  # the negative evidence lower bound
    loss = vae.VAELoss("cpu", G, image_weight=3, pixel_noise=0.5).loss_G(batch)
    torch.testing.assert_close(loss, bound * 2 * 0.5**2 * 3 / (3 * SIDE**2))


def test_an_autoencoder_reconstructs_without_noise(batch: Batch) -> None:
    G = vae.VAEGenerator(z_dim=12, variational=False, **SIZES)
    loss = vae.VAELoss("cpu", G, image_weight=2).loss_G(batch)
    squares = (G.decoder(G.encoder(batch.real_img)[0]) - batch.real_img).square().mean(dim=[1, 2, 3])
    torch.testing.assert_close(loss, squares * 2)


def test_the_losses_of_a_dcgan_are_cross_entropies(batch: Batch) -> None:
    G, D = dcgan.DCGANGenerator(z_dim=12, **SIZES), dcgan.DCGANDiscriminator(**SIZES)
    loss = dcgan.DCGANLoss("cpu", G, D)
    fake = G(batch.gen_z, None).detach()
    torch.testing.assert_close(loss.loss_G(batch), entropy(D(fake), True))
    torch.testing.assert_close(loss.loss_D(batch), entropy(D(fake), False) + entropy(D(batch.real_img), True))


# GLO


def test_latents_beyond_the_ball_go_to_its_nearest_point() -> None:
    torch.manual_seed(0)
    codes = torch.randn(6, 9) * torch.tensor([0.1, 0.5, 1, 2, 5, 50.0])[:, None]
    found = glo.in_ball(codes)
    inside = codes.norm(dim=1) <= 3
    assert inside.any()
    assert not inside.all()
    assert torch.equal(found[inside], codes[inside])
    torch.testing.assert_close(found[~inside].norm(dim=1), torch.full([int((~inside).sum())], 3.0))
    others = F.normalize(torch.randn(1000, 9), dim=1) * 3 * torch.rand(1000, 1) ** (1 / 9)
    assert (torch.cdist(codes, others).min(dim=1).values >= (codes - found).norm(dim=1) - 1e-4).all()


def test_only_the_latents_of_the_batch_get_gradients(batch: Batch) -> None:
    G = glo.GLOGenerator(z_dim=12, num_images=10, **SIZES)
    loss = glo.GLOLoss("cpu", G, l2_weight=0)
    loss.loss_G(batch).mean().backward()
    assert G.codes.grad is not None
    assert G.codes.grad.abs().sum(dim=1).nonzero().flatten().tolist() == [0, 3, 5, 9]
    (row,) = torch.autograd.grad(loss.loss_G(batch)[0], G.codes)
    assert row.abs().sum(dim=1).nonzero().flatten().tolist() == [5]


def test_indices_are_those_of_the_images(discs: Path) -> None:
    dataset = ImageFolderDataset(discs)
    for rank in range(2):
        stream = BatchStream(dataset, batch_size=6, seed=1, device=torch.device("cpu"), rank=rank, num_gpus=2)
        images = torch.from_numpy(dataset.batch(stream.own_indices(3).numpy())[0])
        assert torch.equal(stream.real(3)[0], images.float() / 127.5 - 1)


def test_glo_learns_a_latent_of_each_image(discs: Path, tmp_path: Path) -> None:
    result = train(tmp_path, options("glo", discs, kimg=1, batch=8, tick=1, glr=0.01, cmax=32))
    assert result.snapshot is not None
    G = load_snapshot(result.snapshot).G
    real = torch.from_numpy(ImageFolderDataset(discs).batch(range(24))[0]).float() / 127.5 - 1
    own = (G.decoder(G.codes) - real).square().mean()
    others = (G.decoder(G.codes.roll(1, dims=0)) - real).square().mean()
    assert own < 0.7 * others
    assert bool((G.codes.norm(dim=1) < 12**0.5 + 0.5).all())
    drawn = G.prior(torch.randn(2000, 12))
    assert (drawn.mean(dim=0) - G.codes.mean(dim=0)).abs().max() < 0.5


# R3GAN


def test_gradient_penalties_are_those_of_differences() -> None:
    torch.manual_seed(0)
    D = nn.Sequential(nn.Conv2d(3, 5, 3), nn.Tanh(), nn.Flatten(), nn.Linear(20, 1)).double()
    images = tracked(torch.randn(2, 3, 4, 4, dtype=torch.float64))
    steps = torch.eye(48, dtype=torch.float64).view(48, 3, 4, 4) * 1e-5
    with torch.no_grad():
        expected = [sum(float((D(x + step) - D(x - step)) / 2e-5) ** 2 for step in steps) for x in images.split(1)]
    assert penalty(D(images), images).detach().tolist() == pytest.approx(expected, rel=1e-5)


def test_the_losses_of_r3gan_compare_pairs(batch: Batch) -> None:
    G, D = r3gan.R3Generator(z_dim=12, **SIZES), r3gan.R3Discriminator(**SIZES)
    loss = r3gan.R3GANLoss("cpu", G, D, r1_gamma=0.4)
    fakes = G(batch.gen_z, None).detach()
    advantage = (D(batch.real_img) - D(fakes)).flatten()
    torch.testing.assert_close(loss.loss_G(batch), entropy(-advantage, True))
    real, fake = tracked(batch.real_img), tracked(fakes)
    penalties = penalty(D(real), real) + penalty(D(fake), fake)
    torch.testing.assert_close(loss.loss_D(batch), entropy(advantage, True) + 0.2 * penalties)
    loss.loss_D(batch).mean().backward()
    assert all(parameter.grad is None for parameter in G.parameters())


# LAPGAN


def test_a_laplacian_pyramid_gives_the_image_back_exactly() -> None:
    images = torch.randint(-128, 128, [2, 3, 32, 32]).float()  # so that no sum is rounded
    levels = lapgan.laplacian_pyramid(images, [8, 16, 32])
    assert [details.shape[2] for details, _ in levels] == [8, 16, 32]
    back = torch.zeros(2, 3, 4, 4)
    for details, blurred in levels:
        assert torch.equal(blurred, enlarged(back))
        back = enlarged(back) + details
    assert torch.equal(back, images)


def test_a_generator_of_the_true_details_makes_the_image() -> None:
    images = torch.randint(-128, 128, [2, 3, SIDE, SIDE]).float()
    G = lapgan.LAPGANGenerator(z_dim=12, **SIZES)

    class True_(nn.Module):
        def __init__(self, details: Tensor, axes: Tensor) -> None:
            super().__init__()
            self.details, self.axes = details, axes

        def forward(self, z: Tensor, blurred: Tensor) -> Tensor:
            assert torch.equal(z, self.axes)
            return self.details

    z = torch.randn(2, 12)
    pyramid = lapgan.laplacian_pyramid(images, G.sides)
    G.levels = nn.ModuleList(True_(details, z[:, 6 * i : 6 * i + 6]) for i, (details, _) in enumerate(pyramid))
    assert torch.equal(G(z), images)


def test_the_levels_of_lapgan_play_alone(batch: Batch) -> None:
    G, D = lapgan.LAPGANGenerator(z_dim=12, **SIZES), lapgan.LAPGANDiscriminator(**SIZES)
    loss = lapgan.LAPGANLoss("cpu", G, D, r1_gamma=0)
    of_G, of_D = torch.zeros(4), torch.zeros(4)
    for number, (details, blurred) in enumerate(lapgan.laplacian_pyramid(batch.real_img, [8, 16])):
        made = G.levels[number](batch.gen_z[:, 6 * number : 6 * number + 6], blurred)
        judged = [D.levels[number](torch.cat([blurred + h, blurred], dim=1)) for h in (made, details)]
        of_G += entropy(judged[0], True) / 2
        of_D += (entropy(judged[0], False) + entropy(judged[1], True)) / 2
    torch.testing.assert_close(loss.loss_G(batch), of_G)
    torch.testing.assert_close(loss.loss_D(batch), of_D)


# MSG-GAN


def test_images_of_all_resolutions_reach_the_discriminator(batch: Batch) -> None:
    G, D = msg_gan.MSGGANGenerator(z_dim=12, **SIZES), msg_gan.MSGGANDiscriminator(**SIZES)
    images = G.images(batch.gen_z)
    assert {res: image.shape[2:] for res, image in images.items()} == {res: (res, res) for res in (4, 8, 16)}
    torch.testing.assert_close(images[16], G(batch.gen_z, None))
    reals = {16: batch.real_img, 8: reduced(batch.real_img), 4: reduced(batch.real_img, 4)}
    torch.testing.assert_close(D(batch.real_img), D(reals))
    for res in images:
        changed = {**images, res: images[res] + 1}
        assert not torch.allclose(D(changed), D(images), atol=1e-4), res
    D(images).sum().backward()
    assert all(float(torgb.weight.grad.abs().sum()) > 0 for torgb in G.torgb)


# ProGAN


def grown(net: Any, growth: float) -> Any:
    net.growth.fill_(growth)
    return net


def test_fading_starts_at_one_resolution_and_ends_at_the_next(batch: Batch) -> None:
    G, D = progan.ProGANGenerator(z_dim=12, **SIZES), progan.ProGANDiscriminator(**SIZES)
    with torch.no_grad():
        for call in (lambda g: grown(G, g)(batch.gen_z), lambda g: grown(D, g)(batch.real_img)):
            for stage in (0, 1):
                torch.testing.assert_close(call(stage + 1e-6), call(float(stage)), atol=1e-4, rtol=1e-4)
                torch.testing.assert_close(call(stage + 1 - 1e-6), call(stage + 1.0), atol=1e-4, rtol=1e-4)
                middle, ends = call(stage + 0.5), (call(stage + 0.0) + call(stage + 1.0)) / 2
                assert not torch.allclose(call(stage + 0.0), call(stage + 1.0), atol=1e-3)
                if call(0.0).ndim == 4:  # images fade linearly
                    torch.testing.assert_close(middle, ends)
        small = grown(G, 1.0)(batch.gen_z)
    assert torch.equal(small, enlarged(reduced(small)))  # 8 x 8 pixels, each repeated


def test_real_images_are_faded_like_generated_ones() -> None:
    x = torch.randn(2, 3, SIDE, SIDE)
    resolutions = [4, 8, 16]
    torch.testing.assert_close(progan.blended(x, 2.0, resolutions), x)
    torch.testing.assert_close(progan.blended(x, 0.0, resolutions), enlarged(reduced(x, 4), 4))
    middle = 0.75 * enlarged(reduced(x)) + 0.25 * x
    torch.testing.assert_close(progan.blended(x, 1.25, resolutions), middle)


def test_resolutions_are_trained_alone_then_faded() -> None:
    found = [progan.growth_after(nimg, 600, 3) for nimg in (0, 100, 150, 200, 300, 350, 400, 600, 10**6)]
    assert found == pytest.approx([0, 0, 0.5, 1, 1, 1.5, 2, 3, 3])
    assert progan.growth_after(0, 0, 3) == 3


def test_a_run_grows_to_the_full_resolution_and_keeps_it(discs: Path, tmp_path: Path) -> None:
    asked = options("progan", discs)
    assert asked["loss_kwargs"]["grow_kimg"] == pytest.approx(0.6 * 0.024)
    seen = {}
    for nimg in (8, 24):
        result = train(tmp_path / str(nimg), {**asked, "total_kimg": nimg / 1000})
        assert result.snapshot is not None
        found = load_snapshot(result.snapshot)
        seen[nimg] = [float(net.growth) for net in (found.G, found.D, found.G_ema)]
    assert seen[8] == pytest.approx([progan.growth_after(4, 14.4, 2)] * 3)
    assert 0 < seen[8][0] < 1
    assert seen[24] == [2.0] * 3
    assert options("progan", discs, resume=result.snapshot)["loss_kwargs"]["grow_kimg"] == 0


def test_the_losses_of_progan_are_those_of_wgan_gp(batch: Batch) -> None:
    class Linear(progan.Growing):
        """D(x) = <v, x reduced to 8 x 8 pixels>, whose gradient has the length |v| everywhere."""

        def __init__(self) -> None:
            super().__init__()
            self.resolutions, self.img_resolution = [4, 8, 16], SIDE
            self.v = nn.Parameter(torch.randn(3, 8, 8) / 3)
            self.growth.fill_(1)

        def forward(self, img: Tensor, c: Tensor | None = None) -> Tensor:
            return (reduced(img) * self.v).sum(dim=[1, 2, 3])

    G, D = progan.ProGANGenerator(z_dim=12, **SIZES), Linear()
    loss = progan.ProGANLoss("cpu", G, D, gp_weight=10, drift_weight=0.5, grow_kimg=1)
    grown(G, 1.0)
    fake, real = D(G(batch.gen_z, None)).detach(), D(batch.real_img)
    torch.testing.assert_close(loss.loss_G(batch), -fake)
    expected = fake - real + 10 * (D.v.norm() - 1) ** 2 + 0.5 * real.square()
    torch.testing.assert_close(loss.loss_D(batch), expected)


def test_the_growth_of_progan_follows_its_buffer_and_never_falls() -> None:
    net = progan.ProGANGenerator(z_dim=12, **SIZES)
    assert net.grown == 0
    net.grow(1.3)
    assert net.grown == float(net.growth) == pytest.approx(1.3)
    net.grow(0.5)
    assert net.grown == float(net.growth) == pytest.approx(1.3)
    net.growth.copy_(torch.tensor(2.0))  # as an average follows the network
    assert net.grown == 2
    again = copy.deepcopy(net)
    again.load_state_dict({**net.state_dict(), "growth": torch.tensor(0.25)})
    assert (again.grown, net.grown) == (0.25, 2)
