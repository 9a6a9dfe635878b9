"""Makes pairs with a host's own classes: ``pair_facts.py TREE RUN PHASE``; prints what it saw as JSON.

TREE is a host's folder, RUN a linked training run there, PHASE its generator's main phase.
"""

import copy
import importlib
import inspect
import json
import sys
from pathlib import Path
from typing import Any

import torch

from linkgan_plugin.calls.part import GeneratorPart
from linkgan_plugin.hosts import compat
from linkgan_plugin.losses import LinkGANLoss
from tests.hosts.harness import camera

N = 4


def build(snapshot: dict[str, Any], options: dict[str, Any]) -> tuple[LinkGANLoss, torch.nn.Module]:
    """Build the loss, due at every step, on copies of the networks; noise is strong. Returns it and G."""
    G, D = copy.deepcopy(snapshot["G"]).train(), copy.deepcopy(snapshot["D"]).train()
    for name, parameter in G.named_parameters():
        if name.endswith("noise_strength"):
            parameter.data.fill_(0.3)
    kwargs = {key: value for key, value in options["loss_kwargs"].items() if key != "class_name"}
    kwargs["recipe"] = {**kwargs["recipe"], "weight": 1, "interval": 1, "batch": 1}
    halves = {"G_mapping": G.mapping, "G_synthesis": G.synthesis} if in_halves(options) else {"G": G}
    place = {"device": "cpu"} if "device" in host_arguments(options) else {}
    loss = LinkGANLoss(**place, D=D, augment_pipe=None, **halves, **kwargs)
    return loss, G.requires_grad_(True)


def in_halves(options: dict[str, Any]) -> bool:
    """Return whether the host's loss takes its generator in two halves."""
    return "G_mapping" in host_arguments(options)


def host_arguments(options: dict[str, Any], method: str | None = None) -> Any:
    """Return the parameters of the host's own loss, or of a method of it."""
    module, _, name = options["loss_kwargs"]["base_class_name"].rpartition(".")
    kind = getattr(importlib.import_module(module), name)
    return inspect.signature(getattr(kind, method) if method else kind).parameters


def arguments(G: torch.nn.Module, options: dict[str, Any]) -> dict[str, Any]:
    """Return what the host's loop would call its loss with."""
    z = torch.randn([N, G.z_dim], generator=torch.Generator().manual_seed(1))
    c = torch.tensor([camera(0.1 * k) for k in range(N)]) if G.c_dim == 25 else torch.zeros([N, G.c_dim])
    real = torch.zeros([N, 3, G.img_resolution, G.img_resolution])
    given = {"real_img": real, "real_c": c, "gen_z": z, "gen_c": c, "gain": 1, "sync": True, "cur_nimg": 0, "gamma": 1}
    given["real_seg"] = real[:, :1]
    taken = host_arguments(options, "accumulate_gradients")
    return {name: value for name, value in given.items() if name in taken}


def spy(half: GeneratorPart, calls: list[dict[str, Any]]) -> None:
    """Note the arguments of every call of a half of the generator."""

    def wrap(call: Any) -> Any:
        signature = inspect.signature(call)

        def noting(*args: Any, **kwargs: Any) -> Any:
            calls.append(signature.bind(*args, **kwargs).arguments)
            return call(*args, **kwargs)

        noting.__signature__ = signature  # type: ignore[attr-defined] (adapters read it)
        return noting

    name = half._method or "forward"
    setattr(half.owner, name, wrap(getattr(half.owner, name)))


def renders(snapshot: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """Render the same latents twice, as a pair and freely."""
    loss, G = build(snapshot, options)
    call, calls = arguments(G, options), loss.host.calls
    labels = call["real_c"]
    ws = calls.map(call["gen_z"], labels).detach()
    same = ws.repeat(2, 1, 1, 1)
    pairs = [calls.render_pairs(ws, same, labels, detached=detached) for detached in (False, True)]
    free = [calls.render(ws, labels, constant_noise=False) for _ in range(2)]
    return {
        "pairs_differ": [float((a.image - b.image).abs().max()) for a, b in pairs],
        "free_renders_differ": float((free[0] - free[1]).abs().max()),
    }


def traces(snapshot: dict[str, Any], options: dict[str, Any], phase: str) -> dict[str, Any]:
    """Compare what is left behind by the host's loss alone and with the regularizer after it."""
    left = []
    for linked in (True, False):
        loss, G = build(snapshot, options)
        torch.manual_seed(5)
        (loss if linked else loss.base).accumulate_gradients(phase=phase, **arguments(G, options))
        gradient = torch.cat([p.grad.flatten() for p in G.parameters() if p.grad is not None])
        state = {**dict(G.named_buffers()), "(random state)": torch.get_rng_state()}
        left.append((state, gradient, {k: v for k, v in vars(G).items() if isinstance(v, int | float)}))
    (state, gradient, plain), (other, other_gradient, other_plain) = left
    return {
        "moved": [name for name in state if not torch.equal(state[name], other[name])],
        "settings_moved": plain != other_plain,
        "gradient_added": float((gradient - other_gradient).abs().max())
        if gradient.shape == other_gradient.shape
        else -1,
    }


def calls_seen(snapshot: dict[str, Any], options: dict[str, Any], phase: str) -> dict[str, Any]:
    """Note what the host's own calls and the regularizer's get."""
    loss, G = build(snapshot, options)
    call = arguments(G, options)
    mapped: list[dict[str, Any]] = []
    rendered: list[dict[str, Any]] = []
    spy(loss.host.calls.entry, mapped)
    spy(loss.host.calls.synthesis, rendered)
    loss.accumulate_gradients(phase=phase, **call)
    whole = not loss.host.calls.has_w  # every render is a call of the entry, of as many rows as the host's
    labels = [entry["c"] for entry in mapped if whole or len(entry["z"]) > N or entry is mapped[0]]
    known = {tuple(row.tolist()) for row in rendered[0].get("c", [])}  # the host's own, which PanoHead moves
    cameras = [tuple(row.tolist()) for entry in rendered for row in entry.get("c", [])]
    return {
        "label_tables": len(labels),
        "same_labels": all(torch.equal(entry[:N], labels[0]) for entry in labels),
        "swapped_labels": not torch.equal(labels[0], call["real_c"]),
        "cameras": len(cameras),
        "moved_cameras": len(known - {tuple(row.tolist()) for row in call["real_c"]}),
        "strange_cameras": sum(camera not in known for camera in cameras),
        "resolutions": sorted({str(entry.get("neural_rendering_resolution")) for entry in rendered}),
    }


def main(tree: str, run: str, phase: str) -> None:
    sys.path[0] = tree
    compat.apply()
    legacy = importlib.import_module("legacy")
    options = json.loads((Path(run) / "training_options.json").read_text())
    with open(sorted(Path(run).glob("*.pkl"))[-1], "rb") as file:
        snapshot = legacy.load_network_pkl(file)
    facts = renders(snapshot, options) | traces(snapshot, options, phase) | calls_seen(snapshot, options, phase)
    print(json.dumps(facts))


if __name__ == "__main__":
    main(*sys.argv[1:])
