"""Opens a host's snapshot with `load_network`: ``open_network.py TREE OUT SNAPSHOT``; prints what it found as JSON.

The image of plain_host.py goes to OUT, to be compared with the plain host's own.
"""

import json
import sys

import torch

from linkgan_plugin.networks import load_network
from tests.hosts.plain_host import image

tree, out, snapshot = sys.argv[1:]
network = load_network(snapshot, host=tree)
torch.save(image(network.generator), out)
spec = network.spec.to_json() if network.spec is not None else None
print(json.dumps({"spec": spec}))
