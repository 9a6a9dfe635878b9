"""Networks and losses of each family of generators against the equations of its paper."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training_loops.families import dcgan, glo, lapgan, msg_gan, progan, r3gan, vae
from training_loops.families.gaussian import FittedGaussian
from training_loops.families.layers import enlarged, reduced
from training_loops.families.losses import Batch, penalty, tracked
from training_loops.stylemap.loss import laplacian_distance

SIDE = 16
SIZES: dict[str, Any] = {"c_dim": 0, "img_resolution": SIDE, "img_channels": 3, "channel_base": 64, "channel_max": 8}


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


def test_the_loss_of_glo_is_its_equation(batch: Batch) -> None:
    G = glo.GLOGenerator(z_dim=12, num_images=10, **SIZES)
    loss = glo.GLOLoss("cpu", G, image_weight=3, l2_weight=0.5).loss_G(batch)
    images = G.decoder(G.codes[batch.real_index])
    squares = (images - batch.real_img).square().mean(dim=[1, 2, 3])
    torch.testing.assert_close(loss, 3 * (laplacian_distance(images, batch.real_img) + 0.5 * squares))


def test_only_the_latents_of_the_batch_get_gradients(batch: Batch) -> None:
    G = glo.GLOGenerator(z_dim=12, num_images=10, **SIZES)
    loss = glo.GLOLoss("cpu", G, l2_weight=0)
    loss.loss_G(batch).mean().backward()
    assert G.codes.grad is not None
    assert G.codes.grad.abs().sum(dim=1).nonzero().flatten().tolist() == [0, 3, 5, 9]
    (row,) = torch.autograd.grad(loss.loss_G(batch)[0], G.codes)
    assert row.abs().sum(dim=1).nonzero().flatten().tolist() == [5]


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
