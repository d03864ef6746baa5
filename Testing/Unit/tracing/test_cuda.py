"""The CUDA target without a GPU: in numba's simulator against the CPU target, and compiled to PTX."""
import importlib.util
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from Unit.tracing import simulated_gpu
from Unit.tracing.scenes import relative

from XRayTomoLib.tracing import METHODS, ProjectionError, available_backends, cpu, cuda, reference
from XRayTomoLib.tracing.backprojection import on_cpu
from XRayTomoLib.tracing.projector import choose_backend

ROOT = Path(__file__).resolve().parents[3]
TOLERANCE = {"float64": 1e-12}


def run_script(name, *arguments, **environment):
    """Output of a script beside this file, run by itself."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "Testing"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run([sys.executable, str(Path(__file__).with_name(name)), *map(str, arguments)], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": paths, **environment}, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """What the CUDA target gave in the simulator, by the name of the case."""
    path = tmp_path_factory.mktemp("simulated") / "found.npz"
    run_script("simulated_gpu.py", path, NUMBA_ENABLE_CUDASIM="1")
    with np.load(path, allow_pickle=False) as found:
        return dict(found)


@pytest.mark.parametrize("case", simulated_gpu.CASES, ids="/".join)
def test_simulated_gpu_agrees_with_the_cpu(simulated, case):
    expected = simulated_gpu.result(cpu, case)
    found = simulated["/".join(case)]
    assert found.dtype == expected.dtype and found.shape == expected.shape
    assert (expected != 0).mean() > 0.05, "the rays must hit the grid for the comparison to mean anything"
    assert relative(found, expected) <= TOLERANCE.get(case[3], 1e-5)


@pytest.mark.parametrize("case", simulated_gpu.BACKPROJECTIONS, ids="/".join)
def test_simulated_backprojection_agrees_with_the_cpu(simulated, case):
    p, *rest = simulated_gpu.backprojection_case(*case)
    assert relative(simulated["/".join(case)], on_cpu(p.numpy(), *rest)) <= 1e-5


def test_every_kernel_compiles_to_ptx(tmp_path):
    if importlib.util.find_spec("numba_cuda") is None:
        pytest.skip("compiling for a GPU needs numba-cuda: pip install 'numba-cuda[cu12]'")
    lines = run_script("ptx.py", XRAYTOMO_CACHE=str(tmp_path)).split("\n")[:-1]
    assert len(lines) == 64
    for name, for_capability, atomic, doubles in map(str.split, lines):
        assert for_capability == "True", name
        assert (atomic == "True") == name.endswith(("adjoint", "subgradient")), f"{name}: threads meet in voxels there alone"
        assert (doubles == "False") == (name == "backproject"), f"{name}: only the geometry of rays is worked out in double precision"


def gpu_check(*arguments):
    script = ROOT / "Testing" / "Benchmarks" / "gpu_check.py"
    return subprocess.run([sys.executable, str(script), *arguments], capture_output=True, text=True)


@pytest.mark.skipif("cuda" in available_backends(), reason="there is a GPU")
def test_gpu_check_says_what_is_missing():
    done = gpu_check()
    assert done.returncode == 2 and done.stdout == "" and done.stderr.startswith("gpu_check: nothing was checked, for ")


@pytest.mark.skipif("cuda" not in available_backends(), reason="no NVIDIA GPU with numba-cuda here; the simulator stands in")
def test_gpu_agrees_with_the_cpu():
    done = gpu_check("parity")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_volume_of_too_many_voxels_is_refused():
    bundle = torch.zeros(1, 6, 3, dtype=torch.float64)
    with pytest.raises(ValueError, match="2048 x 1024 x 1024 voxels.*2\\^31 - 1.*split the grid"):
        cuda.adjoint(torch.zeros(1, 1, 1, 1), bundle, (2048, 1024, 1024), [1.0] * 6, "joseph", 0.5)


def test_a_backend_is_refused_where_the_tensors_do_not_lie():
    with pytest.raises(ProjectionError, match="'cpu' tensors, and these lie on 'cuda'"):
        choose_backend("cpu", torch.device("cuda"))
    with pytest.raises(ProjectionError, match="'cuda' tensors, and these lie on 'cpu'"):
        choose_backend("cuda", torch.device("cpu"))


def test_a_device_without_kernels_gets_the_reference_with_one_line(caplog, monkeypatch):
    monkeypatch.setattr("XRayTomoLib.tracing.projector._announced", set())
    with caplog.at_level(logging.WARNING):
        assert [choose_backend("auto", torch.device("mps")) for _ in range(2)] == ["torch", "torch"]
    assert len(caplog.messages) == 1 and "'mps'" in caplog.messages[0]


@pytest.mark.parametrize("method", METHODS)
def test_reference_makes_its_tensors_where_its_input_lies(method):
    """A tensor made on the default device (here: without memory) would not mix with the volume's."""
    volume = torch.rand(1, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    rays = torch.tensor([[[2.1, 2.2, -9.0], [3.0, 1.0, 12.0]], [[-9.0, 1.3, 1.1], [14.0, 3.1, 2.0]]], dtype=torch.float64)
    metric = (1.0, 1.0, 1.0, 0.0, 0.0, 0.0)
    expected = reference.line_integrals(volume, rays, metric, method, 0.5)
    with torch.device("meta"):
        found = reference.line_integrals(volume, rays, metric, method, 0.5)
    assert found.device == volume.device and torch.equal(found, expected)
