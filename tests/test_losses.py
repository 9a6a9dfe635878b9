"""LinkGANLoss: the host's training is untouched at weight 0, and only what is promised is added above it."""

from __future__ import annotations

import pickle

import pytest
import torch
from torch import Tensor, nn

from linkgan_plugin.errors import LinkGANError
from linkgan_plugin.generators import build_linked
from linkgan_plugin.links import LinkSpec
from linkgan_plugin.losses import LinkGANLoss
from linkgan_plugin.recipes import make_recipe
from tests.toy_hosts import BATCH, DIM, SIZE, SPEC, OldToyLoss, ToyLoss, call, link_loss, reported, toy
from tests.toys import ToyGenerator, linked_weight


@pytest.fixture(autouse=True)
def _fresh_statistics() -> None:
    reported.clear()


def train_embedded(loss_kwargs, steps=20):
    """Train the embedded networks for some steps of the real schedule; returns every weight and the random state."""
    from training_loops.stylegan2.networks import Discriminator, Generator
    from training_loops.util import construct_class_by_name

    torch.manual_seed(5)
    shape = {"c_dim": 0, "img_resolution": 16, "img_channels": 3}
    width = {"channel_base": 128, "channel_max": 16}
    G = Generator(z_dim=DIM, w_dim=DIM, mapping_kwargs={"num_layers": 2}, **shape, **width).requires_grad_(False)
    D = Discriminator(**shape, **width).requires_grad_(False)
    with torch.no_grad():
        for name, parameter in G.named_parameters():
            if name.endswith("noise_strength"):
                parameter.fill_(0.3)
    loss = construct_class_by_name(**loss_kwargs, device=torch.device("cpu"), G=G, D=D, augment_pipe=None)
    optimizers = {"G": torch.optim.Adam(G.parameters(), lr=0.01), "D": torch.optim.Adam(D.parameters(), lr=0.01)}
    for step in range(steps):
        phases = ["Gmain", "Dmain"] + (["Greg"] if step % 4 == 0 else []) + (["Dreg"] if step % 16 == 0 else [])
        for phase in phases:
            net, optimizer = (G, optimizers["G"]) if phase[0] == "G" else (D, optimizers["D"])
            net.requires_grad_(True)
            optimizer.zero_grad(set_to_none=True)
            for _ in range(2):  # microbatches
                loss.accumulate_gradients(
                    phase=phase,
                    real_img=torch.randn(4, 3, 16, 16),
                    real_c=torch.zeros(4, 0),
                    gen_z=torch.randn(4, DIM),
                    gen_c=torch.zeros(4, 0),
                    gain=1,
                    cur_nimg=step * 8,
                )
            net.requires_grad_(False)
            optimizer.step()
    return {**{f"G.{k}": v for k, v in G.state_dict().items()}, **{f"D.{k}": v for k, v in D.state_dict().items()}}, (
        torch.get_rng_state()
    )


HOST = {"r1_gamma": 1.0, "pl_weight": 2.0, "style_mixing_prob": 0.9}
HOST_NAME = "training_loops.stylegan2.loss.StyleGAN2Loss"


def embedded_kwargs(start_nimg=0, **switches):
    return {
        "class_name": "linkgan_plugin.losses.LinkGANLoss",
        "link_spec": SPEC.to_json(),
        "recipe": make_recipe(**switches).to_json(),
        "start_nimg": start_nimg,
        "base_class_name": HOST_NAME,
        "base_kwargs": HOST,
    }


@pytest.mark.parametrize("recipe", ["default", "paper"])
def test_weight_0_is_bitwise_the_host_alone_after_20_steps(recipe, monkeypatch):
    from training_loops import training_stats as host_stats

    names = []
    plain, plain_random = train_embedded({"class_name": HOST_NAME, **HOST})
    original = host_stats.report
    monkeypatch.setattr(host_stats, "report", lambda name, value: names.append(name) or original(name, value))
    linked, linked_random = train_embedded(embedded_kwargs(name=recipe, weight=0))
    assert "Loss/link/left/share" in names, "the regularizer never ran, so nothing was tested"
    assert plain.keys() == linked.keys()
    assert all(torch.equal(plain[name], linked[name]) for name in plain)
    assert torch.equal(plain_random, linked_random)


def test_a_positive_weight_does_change_the_training_but_not_the_hosts_random_numbers():
    plain, plain_random = train_embedded({"class_name": HOST_NAME, **HOST}, steps=5)
    linked, linked_random = train_embedded(embedded_kwargs(), steps=5)
    assert not torch.equal(plain["G.synthesis.b8.conv0.weight"], linked["G.synthesis.b8.conv0.weight"])
    assert torch.equal(plain_random, linked_random)


def test_until_links_take_part_the_training_is_the_hosts_to_the_bit():
    late = embedded_kwargs(start_nimg=3 * 8, interval=1, mixing=0.5)
    for steps, same in ((3, True), (4, False)):
        plain, plain_random = train_embedded({"class_name": HOST_NAME, **HOST}, steps)
        linked, linked_random = train_embedded(late, steps)
        assert all(torch.equal(plain[name], linked[name]) for name in plain) is same
        assert torch.equal(plain_random, linked_random)


def test_training_twice_gives_the_same_weights():
    first, _ = train_embedded(embedded_kwargs(mixing=0.5), steps=6)
    second, _ = train_embedded(embedded_kwargs(mixing=0.5), steps=6)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_added_gradient_is_the_regularizers_times_weight_interval_and_gain():
    def gradient(**switches):
        generator = toy()
        link_loss(generator, **switches).accumulate_gradients(**call(gain=switches.pop("gain", 1.0)))
        return generator.synthesis.weight.grad.clone()

    host = gradient(weight=0)
    one = gradient(weight=1, interval=1) - host
    assert one.abs().max() > 1e-4
    assert torch.allclose(gradient(weight=3, interval=1) - host, 3 * one, atol=1e-6)
    assert torch.allclose(gradient(weight=1, interval=4) - host, 4 * one, atol=1e-6)
    assert torch.allclose(gradient(weight=1, interval=4, lazy_gain=False) - host, one, atol=1e-6)
    assert torch.allclose(gradient(weight=1, interval=1, lambda_in=0, lambda_out=0) - host, 0 * one)


def test_the_hosts_gain_scales_the_regularizer_too():
    gradients = []
    for gain in (1.0, 5.0):
        generator = toy()
        link_loss(generator).accumulate_gradients(**call(gain=gain))
        gradients.append(generator.synthesis.weight.grad.clone())
    assert torch.allclose(gradients[1], 5 * gradients[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dialect", ["cur_nimg", "sync"])
def test_the_interval_counts_optimizer_steps_not_microbatches(dialect):
    generator = toy()
    loss = link_loss(generator, base=ToyLoss if dialect == "cur_nimg" else OldToyLoss, interval=3)
    due = []
    for step in range(7):
        for part in range(2):
            reported.clear()
            keys = {"cur_nimg": step * 12} if dialect == "cur_nimg" else {"sync": part == 1}
            loss.accumulate_gradients(**call(**keys))
            due.append("Loss/link/loss" in reported)
    assert due == [step % 3 == 0 for step in range(7) for _ in range(2)]


def due_steps(loss, dialect, steps):
    """Return which steps of 12 images, in microbatches of 6 after one of D, have links."""
    due = []
    for step in steps:
        reported.clear()
        for part in range(2):
            keys = {"cur_nimg": step * 12} if dialect == "cur_nimg" else {"sync": part == 1}
            loss.accumulate_gradients(**call("Dmain", **keys))
            loss.accumulate_gradients(**call("Gmain", **keys))
        assert len(reported.get("Loss/link/loss", [])) in (0, 2), "some microbatches of a step have links, some none"
        due.append("Loss/link/loss" in reported)
    return due


@pytest.mark.parametrize("dialect", ["cur_nimg", "sync"])
def test_links_take_part_from_the_first_step_on_that_begins_after_so_many_images(dialect):
    loss = link_loss(toy(), base=ToyLoss if dialect == "cur_nimg" else OldToyLoss, interval=1, start_nimg=30)
    assert due_steps(loss, dialect, range(6)) == [False, False, False, True, True, True]


@pytest.mark.parametrize("dialect", ["cur_nimg", "sync"])
def test_the_count_of_images_goes_on_with_the_state(dialect):
    base = ToyLoss if dialect == "cur_nimg" else OldToyLoss
    first, second = (link_loss(toy(), base=base, interval=1, start_nimg=30) for _ in range(2))
    due_steps(first, dialect, range(2))
    second.load_state_dict(first.state_dict())
    assert due_steps(second, dialect, range(2, 5)) == [False, True, True]


def test_images_of_all_ranks_count(monkeypatch):
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: 2)
    loss = link_loss(toy(), base=OldToyLoss, interval=1, start_nimg=30)
    assert due_steps(loss, "sync", range(4)) == [False, False, True, True]


def test_the_phase_switch_chooses_the_main_or_the_regularization_step():
    for phase, wanted in (("main", ["Gmain", "Gboth"]), ("reg", ["Greg", "Gboth"])):
        ran = []
        for host_phase in ("Gmain", "Greg", "Gboth", "Dmain", "Dreg"):
            reported.clear()
            link_loss(toy(), phase=phase).accumulate_gradients(**call(host_phase))
            if "Loss/link/loss" in reported:
                ran.append(host_phase)
        assert ran == wanted


class NoiseWithoutMode(nn.Module):
    """A synthesis whose randomness cannot be switched off, like jittered rays."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner.weight

    def forward(self, ws: Tensor) -> Tensor:
        image = (ws[:, 0] @ self.inner.T).view(-1, 1, SIZE, SIZE)
        return image + torch.rand_like(image)


@pytest.mark.parametrize("synthesis", ["noise_mode", "free"])
@pytest.mark.parametrize("reference", ["attached", "detached"])
def test_pairs_share_their_noise_so_a_linked_generator_leaks_nothing(synthesis, reference):
    generator = ToyGenerator(linked_weight([range(4), range(4, 8)], SIZE, DIM), SIZE, noise=1.0)
    if synthesis == "free":
        generator.synthesis = NoiseWithoutMode(generator.synthesis)
    link_loss(generator, reference=reference, per_sample=0).accumulate_gradients(**call())
    assert max(reported["Loss/link/left/leak"]) < 1e-12
    assert max(reported["Loss/link/rest/leak"]) < 1e-12
    assert min(reported["Loss/link/left/effect"]) > 1e-2


@pytest.mark.parametrize(("per_sample", "expected"), [(1, [12, 12, 12]), (3, [18, 24, 24]), (0, [18, 24, 42])])
def test_a_fan_bounds_the_number_of_images_for_any_number_of_links(per_sample, expected):
    rendered = []
    for links in (1, 2, 5):
        edges = [k / links for k in range(links + 1)]
        boxes = [f"l{k}=1@box({edges[k]:.3f},0,{edges[k + 1]:.3f},0.9)" for k in range(links)]
        generator = toy()
        loss = link_loss(generator, spec=LinkSpec.parse(boxes, dim=DIM), per_sample=per_sample, batch=1.0)
        loss.base.accumulate_gradients = lambda **_: None
        count = []
        generator.synthesis.register_forward_hook(lambda _, args, out, count=count: count.append(len(out)))
        loss.accumulate_gradients(**call())
        rendered.append(sum(count))
    assert rendered == expected


def test_the_moving_average_of_w_stays_with_the_host():
    generator = toy()
    loss = link_loss(generator, mixing=1.0)
    loss.accumulate_gradients(**call("Gmain"))
    assert torch.equal(generator.mapping.w_avg, torch.zeros(DIM))


def test_z_links_move_z():
    generator = toy()
    spec = LinkSpec.parse(["left=0:4@box(0,0,0.5,1)"], dim=DIM, space="z")
    link_loss(generator, spec=spec).accumulate_gradients(**call())
    assert reported["Loss/link/left/effect"][0] > 0


def test_mixing_moves_one_block_of_the_given_share_of_samples():
    generator = toy()
    loss = link_loss(generator, mixing=0.5)
    perturbed, rows = 0, 0
    for step in range(60):
        arguments = call("Dmain", nimg=step, seed=step)
        loss.accumulate_gradients(**arguments)
        plain = generator.mapping(arguments["gen_z"], None)
        changed = (loss.base.seen[-1] != plain).any(dim=1)  # [N, D]
        blocks = torch.stack([changed[:, :4].any(1), changed[:, 4:].any(1)], dim=1)
        assert not blocks.all(dim=1).any(), "both blocks of a sample were perturbed"
        perturbed, rows = perturbed + int(blocks.any(1).sum()), rows + BATCH
    assert perturbed / rows == pytest.approx(0.5, abs=0.08)


def test_no_hook_is_left_on_the_network_even_when_the_host_fails(monkeypatch):
    generator = toy()
    loss = link_loss(generator, mixing=0.5)
    monkeypatch.setattr(loss.base, "accumulate_gradients", lambda **_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        loss.accumulate_gradients(**call())
    assert not generator.mapping._forward_hooks
    pickle.dumps(generator)


def test_statistics_go_to_the_hosts_own_reporter():
    link_loss(toy(), per_sample=0).accumulate_gradients(**call())
    expected = {f"Loss/link/{name}/{what}" for name in ("left", "rest") for what in ("leak", "effect", "share")}
    assert set(reported) == expected | {"Loss/link/loss"}


def test_settings_are_read_off_the_hosts_loss():
    loss = link_loss(toy(), base_kwargs={"scale": 2.0})
    assert loss.r1_gamma == 7.0
    assert loss.base.scale == 2.0


def test_state_goes_on_with_the_same_draws():
    first = link_loss(toy(), interval=4)
    for step in range(5):
        first.accumulate_gradients(**call(nimg=step))
    second = link_loss(toy(), interval=4)
    second.load_state_dict(first.state_dict())
    for loss in (first, second):
        reported.clear()
        loss.accumulate_gradients(**call(nimg=8, phase="Gmain"))
        for step in range(9, 12):
            loss.accumulate_gradients(**call(nimg=step))
        assert len(reported["Loss/link/loss"]) == 1
        loss.result = dict(reported)
    assert first.result == second.result


def test_a_spec_for_another_width_is_refused_with_both_numbers():
    with pytest.raises(LinkGANError, match=r"divides 12 axes but this generator has w_dim = 8"):
        link_loss(toy(), spec=LinkSpec.parse(["left=0:4@box(0,0,0.5,1)"], dim=12))


def test_a_region_too_small_for_the_images_is_refused_with_its_size():
    spec = LinkSpec.parse(["dot=0:4@box(0.5,0.5,0.55,0.55)", "left=4:6@box(0,0,0.5,1)"], dim=DIM)
    with pytest.raises(LinkGANError, match=r"'dot' covers 0\.16 pixels of images of 8 x 8; expected at least 0\.5"):
        link_loss(toy(), spec=spec)


def test_a_thumbnail_as_large_as_the_image_is_refused():
    with pytest.raises(LinkGANError, match=f"thumbnail is {SIZE} but images are {SIZE} x {SIZE}"):
        link_loss(toy(), thumbnail=SIZE)


def test_inside_a_region_only_what_a_thumbnail_does_not_show_counts():
    """Every axis changes the brightness of the whole image, or its pixels at random."""

    def figures(weight, **switches):
        reported.clear()
        link_loss(ToyGenerator(weight, SIZE), per_sample=0, **switches).accumulate_gradients(**call())
        return {name: values[0] for name, values in reported.items()}

    brightness = torch.ones(SIZE * SIZE, DIM)
    whole, beyond = figures(brightness), figures(brightness, thumbnail=2)
    assert whole["Loss/link/rest/leak"] > 1e-2
    assert beyond["Loss/link/rest/leak"] < 1e-10
    assert beyond["Loss/link/left/effect"] < 1e-10
    for untouched in ("left/leak", "rest/effect"):
        assert beyond[f"Loss/link/{untouched}"] == whole[f"Loss/link/{untouched}"]

    structure = torch.randn(SIZE * SIZE, DIM, generator=torch.Generator().manual_seed(0))
    whole, beyond = figures(structure), figures(structure, thumbnail=2)
    for reduced in ("rest/leak", "left/effect"):
        assert 0.5 < beyond[f"Loss/link/{reduced}"] / whole[f"Loss/link/{reduced}"] < 1


def test_an_unknown_host_loss_is_named():
    with pytest.raises(LinkGANError, match=r"no\.such\.Loss"):
        LinkGANLoss(
            "cpu", link_spec=SPEC.to_json(), recipe=make_recipe().to_json(), base_class_name="no.such.Loss", G=toy()
        )


def test_the_generator_function_sets_the_spec_as_plain_data():
    generator = build_linked(
        base_class_name="tests.toys.ToyGenerator", link_spec=SPEC.to_json(), weight=torch.ones(64, DIM), size=SIZE
    )
    assert type(generator) is ToyGenerator
    assert pickle.loads(pickle.dumps(generator)).link_spec == SPEC.to_json()


@pytest.mark.parametrize(
    ("switches", "message"),
    [
        ({"weight": -1}, "weight is -1"),
        ({"interval": 0}, "interval is 0"),
        ({"mixing": 1.5}, "mixing is 1.5"),
        ({"batch": 0}, "batch is 0"),
        ({"form": "cubed"}, "form 'cubed' is unknown; known: log, share, squared"),
        ({"name": "papper"}, "did you mean 'paper'"),
        ({"weigth": 1}, "did you mean 'weight'"),
        ({"form": "squared", "rest_floor": 0.1}, "needs form 'share'"),
        ({"thumbnail": -1}, "thumbnail is -1"),
        ({"thumbnail": 2.5}, "thumbnail is 2.5"),
    ],
)
def test_wrong_switches_are_named_with_their_range(switches, message):
    with pytest.raises(LinkGANError, match=message.replace(".", r"\.")):
        make_recipe(**switches)
