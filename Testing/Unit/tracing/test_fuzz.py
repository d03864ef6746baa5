"""Whatever grids, detectors and poses come: no crash, no NaN, nothing read or written outside the volume."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from Unit.tracing.scenes import single_rays

from XRayTomoLib.geometry import rotation_from_vector
from XRayTomoLib.grids import CartesianGrid
from XRayTomoLib.tracing import METHODS, Projector, cpu
from XRayTomoLib.tracing.targets import cpu_kernels

sizes = st.integers(1, 9)
scales = st.sampled_from([1e-3, 0.5, 1.0, 40.0])
# half steps hit voxel centres, planes and corners; the rest is anywhere, also very far away
places = st.one_of(
    st.integers(-12, 24).map(lambda n: n / 2), st.floats(-12, 12), st.sampled_from([-1e7, 1e7, 1e-12, -0.5 - 1e-9, -0.5 + 1e-9])
)
rays = st.lists(st.tuples(*[places] * 6), min_size=1, max_size=5)
GUARD = 4096


@st.composite
def scenes(draw):
    """(grid, ends of rays [n, 2, 3] in voxel coordinates); some rays have no length."""
    shape, ends = (draw(sizes), draw(sizes), draw(sizes)), np.array(draw(rays)).reshape(-1, 2, 3)
    if draw(st.booleans()):
        ends[0, 1] = ends[0, 0]
    matrix = np.eye(4)
    turn = rotation_from_vector([0.3, 1.0, -0.5]) if draw(st.booleans()) else np.eye(3)
    matrix[:3, :3] = turn @ np.diag([draw(scales), draw(scales), -draw(scales)])
    return CartesianGrid(shape, matrix), ends


def projector(scene, method):
    grid, ends = scene
    step = max(float(grid.spacing_mm.min()), float(grid.spacing_mm.max()) / 20)
    return Projector(
        grid, single_rays(grid.ras_from_ijk(ends[:, 0]), grid.ras_from_ijk(ends[:, 1])), method=method, backend="cpu", step_mm=step
    )


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=60, deadline=None)
@given(scenes(), st.sampled_from([torch.float32, torch.float64]))
def test_values_and_derivatives_are_finite_and_read_nothing_outside(method, scene, dtype):
    A = projector(scene, method)
    count = int(np.prod(A.domain_shape))
    memory = torch.full((count + 2 * GUARD,), float("nan"), dtype=dtype)  # what lies before and behind the volume shows when it is read
    x = memory[GUARD : GUARD + count].view(A.domain_shape)
    x[:] = torch.linspace(0.1, 1.0, count, dtype=dtype).view(A.domain_shape)
    p, (value, rows) = A(x), A.jacobian(x)
    assert torch.isfinite(p).all() and torch.isfinite(value).all() and torch.isfinite(rows).all()
    start, end = A.views.rays()
    longest = np.linalg.norm(np.ptp(A.grid.corners_ras(), axis=0)) + 2 * A.grid.spacing_mm.sum()
    assert (p >= -1e-3 * longest).all() and (method == "maximum" or float(p.max()) <= 3 * longest)


@pytest.mark.parametrize("method", ["joseph", "siddon", "trilinear"])
@settings(max_examples=60, deadline=None)
@given(scenes(), st.sampled_from(["float32", "float64"]))
def test_adjoint_is_finite_and_writes_nothing_outside(method, scene, real):
    A = projector(scene, method)
    listed, (nz, ny, nx) = A._rays("cpu").numpy(), A.domain_shape
    kernel, weights = cpu_kernels(real, False, method)["listed_adjoint"], np.ones(len(listed), real)
    for z0 in range(nz):  # a slab of one layer at a time
        memory = np.full(nx * ny + 2 * GUARD, np.pi, real)
        slab = memory[GUARD:-GUARD]
        slab[:] = 0
        kernel(slab, weights, nx, ny, nz, z0, z0 + 1, np.asarray(A.metric), A.step_mm, listed, cpu.TILE, *cpu.adjoint_scratch(np.dtype(real)))
        assert np.isfinite(slab).all()
        assert (memory[:GUARD] == real_pi(real)).all() and (memory[-GUARD:] == real_pi(real)).all()


def real_pi(real):
    return np.dtype(real).type(np.pi)


BETWEEN_CLOSED_PAGES = """
import ctypes, mmap, sys
import numpy as np
sys.path.insert(0, sys.argv[1])
from XRayTomoLib.tracing import cpu
shape, page, random = (16, 19, 21), mmap.PAGESIZE, np.random.default_rng(4)
size = 4 * 16 * 19 * 21
inside = -(-size // page) * page
memory = mmap.mmap(-1, inside + 2 * page)
start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
for closed in (start, start + page + inside):
    assert ctypes.CDLL(None, use_errno=True).mprotect(ctypes.c_void_p(closed), page, 0) == 0
for at_end in (False, True):
    volume = np.frombuffer(memory, np.float32, size // 4, page + (inside - size if at_end else 0)).reshape(1, *shape)
    for _ in range(400):
        corner = random.uniform(-0.5, 3.0, 3)
        point = np.array(shape[::-1]) - 1 - corner if at_end else corner
        along = 30 * np.array([1.0, *random.uniform(-1, 1, 2)])
        ends, options = np.array([[point - along, point + along]]), ([1.0] * 3 + [0.0] * 3, "joseph", 1.0)
        cpu.forward(volume, cpu.NO_TABLE, ends, (1, 1), *options, cpu.NO_MAP)
        cpu.adjoint(np.ones((1, 1), np.float32), ends, shape, *options, volume)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="closes pages of memory by Linux's call")
def test_leaning_windows_end_with_the_volume():
    """Rays through the first and the last voxels of a volume that ends where memory does; the process dies if anything beyond is touched."""
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", BETWEEN_CLOSED_PAGES, str(root)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
