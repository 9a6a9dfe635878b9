"""Runs Python commands in processes of their own that need not import torch again: one JSON request a line.

A request names `argv` (a script, or ``-m module``), `env`, `cwd`, `out` and `err` files, and whether to emulate CUDA.
The answers are the process id when it starts and its exit code when it ends. The child is a fork of this process, which
has imported libraries only: nothing of the plugin, nothing of a host.
"""

import gc
import importlib
import json
import os
import runpy
import signal
import sys
from typing import Any

# What takes long to import; torch._dynamo is imported by the first use of an optimizer.
for name in ("torch", "torch._dynamo", "torch.distributed", "numpy", "click", "PIL.Image", "psutil"):
    importlib.import_module(name)
# Children neither visit nor copy what is here already.
gc.freeze()


def serve() -> dict[str, Any]:
    """Answer requests until the input ends; returns, in a child, the request it is to run."""
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            return request
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    sys.exit(0)


def become(request: dict[str, Any]) -> None:
    """Turn this process into the one the request asks for."""
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    for descriptor, name in ((1, "out"), (2, "err")):
        file = os.open(request[name], os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
        os.dup2(file, descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    # A shell's background jobs ignore SIGINT, and so would the commands started here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = request["argv"]


request = serve()
become(request)
if request["emulate"]:
    from linkgan_plugin.hosts.cpu import emulate

    emulate()
if sys.argv[0] == "-m":
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
else:
    # A script's own folder comes first, as Python puts it.
    sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
    runpy.run_path(sys.argv[0], run_name="__main__")
