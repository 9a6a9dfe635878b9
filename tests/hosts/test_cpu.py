"""Hosts that know only CUDA, on a CPU: what they call works, what they pickle opens elsewhere, no number changes."""

from __future__ import annotations

EVERYTHING = """
import copy, io, pickle
from multiprocessing.reduction import ForkingPickler
import torch
from torch import nn
from linkgan_plugin.hosts.cpu import emulate, restore

real, zeros, to = torch.device, torch.zeros, torch.Tensor.to
originals = {name: getattr(torch.cuda, name) for name in ("Event", "current_stream", "set_device", "synchronize")}
emulate(threads=1)
assert torch.get_num_threads() == 1
emulate()

device = torch.device("cuda", 1)
cpu = real("cpu")
assert device == torch.device("cuda:3") == torch.device("cuda") == torch.device(type="cuda", index=0) == cpu
assert torch.device("meta").type == "meta" and torch.device(device) == cpu
assert type(device) is real and isinstance(device, torch.device) and not isinstance("cpu", torch.device)
assert issubclass(real, torch.device) and not issubclass(str, torch.device)
assert isinstance(torch.zeros(1).device, torch.device | None)
with torch.device("cuda"):
    assert torch.zeros(1).device == cpu

x = torch.arange(3.0)
for moved in (x.to(device), x.to("cuda"), x.to("cuda:1"), x.to(0), x.to(device="cuda"), x.cuda(), x.cuda(1)):
    assert moved is x
assert x.pin_memory() is x
for converted in (x.to("cuda", torch.float64), x.to(torch.float64), x.to(dtype=torch.float64)):
    assert converted.dtype == torch.float64
assert x.to(x.double()).dtype == torch.float64 and x.to("meta").device.type == "meta"
for made in (torch.zeros(2, device="cuda"), torch.randn([2], device="cuda:1"), torch.tensor(1, device=device),
             torch.zeros_like(x, device="cuda"), torch.empty(2, device=0), torch.full([2], 3, device="cuda")):
    assert made.device == cpu
assert torch.zeros(1, device="meta").device.type == "meta" and torch.zeros(2, 3).shape == (2, 3)
module = nn.Linear(2, 2, device="cuda")
for moved in (module.cuda(), module.cuda(0), module.to("cuda"), module.to(device), module.to(device="cuda:0")):
    assert moved is module
assert nn.Linear(2, 2).to("cuda", torch.float64).weight.dtype == torch.float64

for copied in (copy.copy(device), copy.deepcopy(device), pickle.loads(ForkingPickler.dumps(device))):
    assert type(copied) is real and copied == cpu
pickled = pickle.dumps({"device": device, "kind": torch.device})

torch.cuda.set_device(1); torch.cuda.synchronize(device); torch.cuda.empty_cache()
start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
start.record(torch.cuda.current_stream(device))
sum(range(200_000))
end.record(torch.cuda.current_stream(device)); end.synchronize()
assert 0 < start.elapsed_time(end) < 10_000 and end.query()
assert torch.cuda.current_stream(device) == torch.cuda.default_stream(device)
with torch.cuda.device(device), torch.cuda.stream(torch.cuda.Stream()):
    torch.cuda.current_stream().wait_stream(torch.cuda.default_stream())
torch.cuda.reset_peak_memory_stats(device)
assert torch.cuda.max_memory_allocated(device) == torch.cuda.max_memory_reserved(device) == 0
assert torch.cuda.current_device() == 0 and not torch.cuda.is_available()

file = io.BytesIO()
torch.save({"device": device, "x": x}, file)
file.seek(0)
assert torch.load(file, weights_only=True)["device"] == cpu

restore()
assert torch.device is real and torch.zeros is zeros and torch.Tensor.to is to
assert originals == {name: getattr(torch.cuda, name) for name in originals}
assert pickle.loads(pickled) == {"device": cpu, "kind": real}
assert torch.device("cuda").type == "cuda"
restore()
emulate()
assert torch.device("cuda").type == "cpu"
print("all")
"""


def test_what_hosts_ask_of_cuda_works_until_restored(run_python):
    result = run_python("-c", EVERYTHING)
    assert (result.returncode, result.stdout.strip()) == (0, "all"), result.stderr


GPU_FILE = """
import io, torch
from torch import serialization
from linkgan_plugin.hosts.cpu import emulate

# Write as a GPU would: every storage says that it lies on cuda:0.
serialization.register_package(0, lambda storage: "cuda:0", lambda storage, location: None)
file = io.BytesIO()
torch.save(torch.arange(3.0), file)
serialization._package_registry.pop(0)

def read(**kwargs):
    file.seek(0)
    return torch.load(file, **kwargs).tolist()

try:
    read()
except RuntimeError as error:
    print("CUDA device" in str(error))
emulate()
print(read(), read(map_location="cuda"))
file.seek(0)
print(torch.storage._load_from_bytes(file.getvalue()).tolist())
"""


def test_files_written_on_a_gpu_are_read(run_python):
    result = run_python("-c", GPU_FILE)
    assert result.stdout.splitlines() == ["True", "[0.0, 1.0, 2.0] [0.0, 1.0, 2.0]", "[0.0, 1.0, 2.0]"], result.stderr


TRAIN = """
import sys
import torch
from torch import nn
from linkgan_plugin.hosts.cpu import emulate

def model(device):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)).to(device)
    return module, torch.optim.SGD(module.parameters(), lr=0.1)

def train(rank, store):
    emulate(threads=1)
    device = torch.device("cuda", rank)
    torch.cuda.set_device(device)
    torch.distributed.init_process_group(backend="nccl", init_method=f"file://{store}", rank=rank, world_size=2)
    module, optimizer = model(device)
    ddp = nn.parallel.DistributedDataParallel(module, device_ids=[device], broadcast_buffers=False)
    assert isinstance(ddp, torch.nn.parallel.DistributedDataParallel)
    torch.manual_seed(rank)
    for _ in range(5):
        optimizer.zero_grad()
        ddp(torch.randn(4, 3, device=device)).square().mean().backward()
        optimizer.step()
    if rank == 0:
        torch.save(module.state_dict(), store + ".pt")

if __name__ == "__main__":
    torch.multiprocessing.spawn(train, (sys.argv[1],), nprocs=2)
    module, optimizer = model("cpu")  # the same without ranks, and without emulation
    draws = [torch.Generator().manual_seed(rank) for rank in range(2)]
    for _ in range(5):
        optimizer.zero_grad()
        module(torch.cat([torch.randn(4, 3, generator=draw) for draw in draws])).square().mean().backward()
        optimizer.step()
    for name, value in torch.load(sys.argv[1] + ".pt").items():
        torch.testing.assert_close(value, module.state_dict()[name], rtol=1e-5, atol=1e-6)
    print("same")
"""


def test_two_spawned_ranks_train_as_one_plain_process(run_python, tmp_path):
    script = tmp_path / "train.py"
    script.write_text(TRAIN)
    result = run_python(script, tmp_path / "store")
    assert (result.returncode, result.stdout.strip()) == (0, "same"), result.stderr


STEPS = """
import torch
from linkgan_plugin.hosts.cpu import emulate, restore

def run(device):
    torch.manual_seed(0)
    convolution = torch.nn.Conv2d(3, 8, 3, device=device).to(device)
    optimizer = torch.optim.Adam(convolution.parameters(), lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        convolution(torch.randn(2, 3, 8, 8, device=device)).square().mean().backward()
        optimizer.step()
    return torch.cat([p.detach().flatten() for p in convolution.parameters()]), torch.get_rng_state()

plain = run("cpu")
emulate()
emulated = [run(device) for device in ("cuda", torch.device("cuda", 0), "cpu")]
print(all(torch.equal(a, b) for result in emulated for a, b in zip(plain, result)))
import torch._dynamo, torch.compiler  # they look up everything that torch has, by name
"""


def test_no_number_changes(run_python):
    result = run_python("-c", STEPS)
    assert (result.returncode, result.stdout.strip()) == (0, "True"), result.stderr
