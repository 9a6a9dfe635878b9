"""Compatibility fixes: each host call fails without its fix, works with it, and nothing else is changed."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import nn

from linkgan_plugin.hosts import compat

FIXES = {fix.name: fix for fix in compat.FIXES}


def told(result) -> str:
    """Return what a process printed, after checking that it ended well."""
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


BREAK = """
import sys, warnings
import numpy, scipy, scipy.linalg, torch
warnings.simplefilter("ignore")
sys.modules["pkg_resources"] = sys.modules["distutils"] = None
torch.utils.data.Sampler.__init__ = object.__init__
real = numpy.percentile, scipy.linalg.sqrtm
numpy.percentile = lambda a, q, *, method="linear": real[0](a, q, method=method)
scipy.linalg.sqrtm = lambda A: real[1](A)
scipy.__version__ = "1.18.0"
"""

USE = """
def pkg_resources():
    from pkg_resources import parse_version as p
    assert p("1.9") < p("1.11.0a") < p("1.11")

def distutils():
    from distutils.util import strtobool
    assert strtobool("yes") == 1

def sampler():
    class Endless(torch.utils.data.Sampler):
        def __init__(self, data):
            super().__init__(data)
    Endless([1])

def percentile():
    assert numpy.percentile([0.0, 1.0, 5.0], 49, interpolation="lower") == 0
    assert numpy.percentile([0.0, 1.0, 5.0], 50) == 1

def sqrtm():
    root, error = scipy.linalg.sqrtm(numpy.diag([4.0, 9.0]), disp=False)
    assert numpy.allclose(root, numpy.diag([2.0, 3.0])) and 0 <= error < 1e-20

def outcomes():
    for use in (pkg_resources, distutils, sampler, percentile, sqrtm):
        try:
            use()
            yield "works"
        except (ImportError, TypeError) as error:
            yield type(error).__name__

from linkgan_plugin.hosts import compat
print(*outcomes())
names = compat.apply()
print(*names)
print(*outcomes())
mended = numpy.percentile, scipy.linalg.sqrtm, sys.modules["pkg_resources"]
assert compat.apply() == names == compat.applied()
assert mended == (numpy.percentile, scipy.linalg.sqrtm, sys.modules["pkg_resources"])
"""


def test_fixes_repair_what_fails_without_them_once(run_python):
    pytest.importorskip("setuptools")
    without, names, within = told(run_python("-c", BREAK + USE)).splitlines()
    assert without.split() == ["ModuleNotFoundError", "ModuleNotFoundError", "TypeError", "TypeError", "TypeError"]
    assert names.split() == ["pkg_resources", "distutils", "sampler", "percentile", "sqrtm"]
    assert within.split() == ["works"] * 5


UNBROKEN = """
import sys, types, warnings
import numpy, scipy.linalg, torch
for name in ("pkg_resources", "distutils"):
    sys.modules[name] = types.ModuleType(name)
class Sampler:
    def __init__(self, data_source): pass
torch.utils.data.Sampler = Sampler
percentile, init = numpy.percentile, Sampler.__init__
def old(a, q, method="linear", interpolation=None):
    warnings.warn("interpolation is renamed", DeprecationWarning)
    return percentile(a, q, method=interpolation or method)
numpy.percentile = old
def sqrtm(A, disp=True): return A, 0.0
scipy.__version__, scipy.linalg.sqrtm = "1.18.0", sqrtm
stubs = dict(sys.modules)
from linkgan_plugin.hosts import compat
assert compat.active() is False
print(compat.apply(), compat.active())
assert sys.modules["pkg_resources"] is stubs["pkg_resources"] and sys.modules["distutils"] is stubs["distutils"]
assert Sampler.__init__ is init and numpy.percentile is old and scipy.linalg.sqrtm is sqrtm
"""


def test_what_works_is_left_alone(run_python):
    assert told(run_python("-W", "error::DeprecationWarning:__main__", "-c", UNBROKEN)) == "[] True"


def test_an_older_scipy_is_not_even_tried(monkeypatch):
    """Trying would import scipy.linalg, which takes a third of a second."""

    def tried(A):
        raise AssertionError

    monkeypatch.setattr(scipy.linalg, "sqrtm", tried)
    monkeypatch.setattr(scipy, "__version__", "1.17.1")
    assert FIXES["sqrtm"].needed() is False


@pytest.mark.parametrize("disp", [True, False])
def test_the_square_root_is_what_it_was(disp):
    linalg = scipy.linalg
    matrix = np.random.default_rng(0).normal(size=(6, 6))
    matrix = matrix @ matrix.T
    theirs = linalg.sqrtm
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linalg, "sqrtm", theirs)  # put back at the end
        compat._give_sqrtm_disp()
        ours = linalg.sqrtm(matrix, disp=disp)
    root = theirs(matrix)
    assert np.array_equal(ours if disp else ours[0], root)
    if not disp:
        assert ours[1] == pytest.approx(np.sum((root @ root - matrix) ** 2) / np.sqrt(np.sum(matrix**2)), abs=1e-20)


def test_betas_become_floats_and_adam_takes_them():
    options = {"G_opt_kwargs": {"lr": 1, "betas": [0, 0.99]}, "D_opt_kwargs": {"lr": 1}, "other": {"betas": [0, 1]}}
    compat.float_betas(options)
    betas = options["G_opt_kwargs"]["betas"]
    assert betas == [0, 0.99]
    assert [type(beta) for beta in betas] == [float, float]
    assert options["D_opt_kwargs"] == {"lr": 1}
    assert options["other"] == {"betas": [0, 1]}
    torch.optim.Adam([torch.zeros(1)], betas=betas)


def test_a_summary_is_printed_of_zeros():
    z, c = torch.full([2, 3], float("nan")), torch.empty([2, 0])
    compat.zero_inputs(z, c)
    assert z.tolist() == [[0, 0, 0], [0, 0, 0]]


def test_broken_averages_are_set_to_zero():
    generator, mapping = nn.Module(), nn.Module()
    generator.add_module("mapping", mapping)
    mapping.register_buffer("w_avg", torch.tensor([1.0, torch.nan, torch.inf]))
    generator.register_buffer("w_avg", torch.tensor([2.0]))
    generator.register_buffer("scale", torch.tensor([torch.nan]))
    assert compat.zero_broken_averages(generator) == 2
    assert mapping.w_avg.tolist() == [1, 0, 0]
    assert generator.w_avg.tolist() == [2]
    assert generator.scale.isnan().all()
    assert compat.zero_broken_averages(generator) == 0


def working(image, grid):
    return nn.functional.grid_sample(image, grid, align_corners=False)


def broken(image, grid):
    operation = (working, ["out"])  # what torch's operation has become
    return operation(image, grid)


@pytest.mark.parametrize(
    ("op", "wanted", "answer"), [(working, True, True), (broken, True, False), (working, False, False)]
)
def test_the_custom_grid_sampler_is_used_where_it_works(op, wanted, answer):
    module = {}
    should_use = compat.grid_sample(lambda: wanted, module)
    module["_GridSample2dForward"] = type("Forward", (), {"apply": staticmethod(op)})  # the class comes after
    before = torch.get_rng_state()
    with torch.no_grad():
        assert should_use() is answer
    assert torch.equal(torch.get_rng_state(), before)


def test_the_custom_grid_sampler_is_tried_once():
    calls = []

    def op(image, grid):
        calls.append(image.shape)
        return working(image, grid)

    should_use = compat.grid_sample(lambda: True, {"_GridSample2dForward": type("F", (), {"apply": staticmethod(op)})})
    assert [should_use() for _ in range(3)] == [True, True, True]
    assert len(calls) == 1


def test_buffers_without_ranks_stay():
    module = nn.BatchNorm1d(2)
    module.running_mean.fill_(3)
    compat.broadcast_buffers(module)
    assert module.running_mean.tolist() == [3, 3]


RANKS = """
import sys
import torch
from torch import nn
from linkgan_plugin.hosts import compat

def rank(index, store):
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=index, world_size=2)
    torch.manual_seed(index)
    module = nn.Linear(2, 2)
    module.register_buffer("noise", torch.randn(4))
    own, theirs = module.noise.clone(), [torch.empty(4) for _ in range(2)]
    wrapped = nn.parallel.DistributedDataParallel(module, broadcast_buffers=False)
    for fix in (lambda module: None, compat.broadcast_buffers):
        fix(wrapped)
        torch.distributed.all_gather(theirs, module.noise)
        if index == 0:
            print(torch.equal(*theirs), torch.equal(own, module.noise), flush=True)

torch.multiprocessing.start_processes(rank, (sys.argv[1],), nprocs=2, start_method="fork")
"""


def test_ranks_get_the_buffers_of_the_first(run_python, tmp_path):
    without = not FIXES["ddp buffers"].needed()
    assert told(run_python("-c", RANKS, tmp_path / "store")).splitlines() == [f"{without} True", "True True"]


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("sampler", lambda: torch.utils.data.Sampler([1])),
        ("percentile", lambda: np.percentile([0.0], 1, interpolation="lower")),
        ("betas", lambda: torch.optim.Adam([torch.zeros(1)], betas=(0, 0.9))),
        ("grid_sample", lambda: torch._C._jit_get_operation(compat.GRID_SAMPLE_OP).__name__),
    ],
)
def test_a_fix_is_needed_where_the_hosts_call_fails(name, call):
    try:
        call()
        fails = False
    except (TypeError, ValueError, AttributeError):
        fails = True
    assert FIXES[name].needed() is fails


def test_a_host_that_warns_at_every_refusal_warns_once():
    asked = []

    def refusing():
        asked.append(True)
        warnings.warn("not supported", stacklevel=1)
        return False

    use = compat.grid_sample(refusing, {})
    with pytest.warns(UserWarning, match="not supported") as caught:
        assert not any([use(), use(), use()])
    assert len(caught) == len(asked) == 1


LENT = """
import sys
sys.modules["pkg_resources"] = None
from linkgan_plugin.hosts import compat
with compat.temporarily_applied():
    from pkg_resources import parse_version
    assert compat.active()
assert "pkg_resources" not in sys.modules
assert not compat.active() and "pkg_resources" not in compat.applied()
sys.modules["pkg_resources"] = None
compat.apply()
with compat.temporarily_applied():
    pass
assert sys.modules["pkg_resources"].parse_version and compat.active()
print("done")
"""


def test_temporary_fixes_leave_no_stub_behind(run_python):
    result = run_python("-c", LENT)
    assert result.stdout == "done\n", result.stderr
