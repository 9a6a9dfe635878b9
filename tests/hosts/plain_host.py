"""Opens snapshots in a host's own tree, with the plugin out of reach: ``plain_host.py TREE OUT SNAPSHOT...``.

Writes to OUT (torch.save) for each snapshot: `tensors` by network and name, `links` by network, `image` of a seeded z,
and `resolution`, what G_ema renders rays at.
"""

import importlib.abc
import sys
import types
from pathlib import Path

import torch


class NoPlugin(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in ("linkgan_plugin", "training_loops"):
            raise ImportError(f"{name} is out of reach here")


def today() -> None:
    """stylegan3 asks for a package that setuptools has dropped; its users of today provide it as well."""
    try:
        import pkg_resources  # noqa: F401
    except ImportError:
        from packaging.version import parse

        sys.modules["pkg_resources"] = types.ModuleType("pkg_resources")
        sys.modules["pkg_resources"].parse_version = parse


def image(G) -> torch.Tensor:
    z = torch.randn([2, G.z_dim], generator=torch.Generator().manual_seed(0))
    # A camera at distance 2.7 that looks at the origin, for those that take one; else zeros.
    camera = [1, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, 2.7, 0, 0, 0, 1, 4.26, 0, 0.5, 0, 4.26, 0.5, 0, 0, 1]
    c = torch.tensor([camera] * 2, dtype=torch.float32) if G.c_dim == 25 else torch.zeros([2, G.c_dim])
    torch.manual_seed(0)
    out = G(z, c, noise_mode="const") if hasattr(G, "synthesis") else G(z, c)
    return out["image"] if isinstance(out, dict) else out


def describe(path: str) -> dict:
    import legacy

    with open(path, "rb") as file:
        data = legacy.load_network_pkl(file)
    networks = {name: data[name] for name in ("G", "D", "G_ema")}
    return {
        "tensors": {
            f"{name}.{key}": value.detach().clone()
            for name, network in networks.items()
            for key, value in [*network.named_parameters(), *network.named_buffers()]
        },
        "links": {name: getattr(network, "link_spec", None) for name, network in networks.items()},
        "resolution": getattr(networks["G_ema"], "neural_rendering_resolution", None),
        "image": image(data["G_ema"].eval().requires_grad_(False).float()),
    }


if __name__ == "__main__":
    tree, out, *snapshots = sys.argv[1:]
    sys.path[0] = str(Path(tree).resolve())
    sys.meta_path.insert(0, NoPlugin())
    today()
    torch.save({path: describe(path) for path in snapshots}, out)
