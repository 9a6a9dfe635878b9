"""While a file is read, nothing else is opened, compiled, started or connected to: seen by Python's audit hook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from linkgan_plugin.pickles.convert import convert
from tests.pickles.test_native import DIMS, WIDTH, generator
from tests.pickles.written import snapshot_bytes, stored

# Reads the second file under the hook, after the first has made Python import all that reading takes.
SCRIPT = """
import json, sys
from pathlib import Path
from linkgan_plugin.networks import load_network
from linkgan_plugin.pickles.convert import convert
from linkgan_plugin.pickles.describe import describe

def read(path):
    described = describe(path)
    network = load_network(path)
    convert(path, path.with_name("converted.safetensors"))
    return described["error"], type(network.generator).__name__

seen = []
def hook(event, args):
    kind = event.partition(".")[0]
    if watching and (kind in ("open", "compile", "exec", "subprocess", "socket", "ctypes") or event in (
        "os.system", "os.exec", "os.posix_spawn", "os.fork", "pickle.find_class", "import", "urllib.Request")):
        seen.append([event, str(args[0]) if args else ""])

watching = False
sys.addaudithook(hook)
read(Path(sys.argv[1]))
watching = True
result = read(Path(sys.argv[2]))
watching = False
print(json.dumps([result, seen]))
"""


@pytest.mark.parametrize("ending", ["pkl", "safetensors"])
def test_only_the_file_itself_is_opened(ending: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")  # whoever opens it waits forever
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        source = tmp_path / folder / "network.pkl"
        G = stored(generator(), {**DIMS, **WIDTH})
        source.write_bytes(snapshot_bytes(G_ema=G, training_set_kwargs={"path": str(tmp_path / "fifo")}))
        if ending != "pkl":
            convert(source, source.with_suffix(f".{ending}"))
    first, second = (tmp_path / folder / f"network.{ending}" for folder in ("first", "second"))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, first, second], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    result, seen = json.loads(done.stdout)
    assert result == [None, "Generator"]
    folder = str(tmp_path / "second")
    opened = {name for event, name in seen if event == "open"}
    assert str(second) in opened
    # What convert writes: its own new file, under a temporary name at first.
    others = [name for name in opened if name != str(second) and "converted.safetensors" not in name and name != folder]
    assert others == []
    assert [item for item in seen if item[0] != "open"] == []
