"""What may be put in: number types, channels, batches, operators; what is refused, and in which words."""

import re

import numpy as np
import pytest
import torch
from Unit.tracing.scenes import GRIDS, LINEAR, VIEWS, noise, relative

from XRayTomoLib.geometry import CArm
from XRayTomoLib.grids import CartesianGrid
from XRayTomoLib.tracing import METHODS, ProjectionError, Projector, Stack, available_backends, cpu, project
from XRayTomoLib.tracing.projector import choose_backend

GRID, FLAT = GRIDS["oblique"], VIEWS["flat"]


def codes_and_table():
    """int16 voxels of both signs, and a table that no simple formula hides: mu = (code + 1000) / 50000, 0 below -900."""
    codes = torch.randint(-1024, 2000, GRID.shape, generator=torch.Generator().manual_seed(4), dtype=torch.int16)
    every = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.float32)
    return codes, np.where(every > -900, (every + 1000) / 50000, 0).astype(np.float32)


# -- number types
@pytest.mark.parametrize("backend", ["cpu", "torch"])
@pytest.mark.parametrize("method", METHODS)
def test_half_precision_is_decoded_exactly(method, backend):
    x = noise(GRID).half()
    p = project(x, GRID, FLAT, method=method, backend=backend)
    assert p.dtype == torch.float32
    torch.testing.assert_close(p, project(x.float(), GRID, FLAT, method=method, backend=backend), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("backend", ["cpu", "torch"])
@pytest.mark.parametrize("method", METHODS)
def test_sixteen_bit_codes_are_looked_up(method, backend):
    codes, table = codes_and_table()
    decoded = torch.from_numpy(table)[codes.long() & 0xFFFF]
    expected = project(decoded, GRID, FLAT, method=method, backend=backend)
    for x in (codes, torch.from_numpy(codes.numpy().view(np.uint16))):
        p = project(x, GRID, FLAT, method=method, backend=backend, lookup=table)
        assert p.dtype == torch.float32
        torch.testing.assert_close(p, expected, rtol=2e-6, atol=2e-6)


def test_geometry_gradients_reach_through_codes():
    codes, table = codes_and_table()
    decoded = torch.from_numpy(table)[codes.long() & 0xFFFF]
    rows = [Projector(GRID, FLAT, lookup=t).jacobian(x)[1] for x, t in ((codes, table), (decoded, None))]
    assert relative(*rows) < 1e-5


def test_numpy_volumes_are_taken():
    x = noise(GRID)
    torch.testing.assert_close(project(x.numpy(), GRID, FLAT), project(x, GRID, FLAT), rtol=0, atol=0)


def test_volumes_that_are_not_contiguous():
    wide = torch.rand(*GRID.shape[:2], 2 * GRID.shape[2])
    for x in (wide[..., ::2], torch.rand(GRID.shape[::-1]).permute(2, 1, 0)):
        torch.testing.assert_close(project(x, GRID, FLAT), project(x.contiguous(), GRID, FLAT), rtol=0, atol=0)


# -- channels and batches
@pytest.mark.parametrize("backend", ["cpu", "torch"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("surface", ["flat", "free"])
def test_channels_and_batches_are_one_by_one(surface, method, backend):
    x = noise(GRID, torch.float64, lead=(2, 3))
    A = Projector(GRID, VIEWS[surface], method=method, backend=backend)
    p = A(x)
    assert p.shape == (2, 3, *A.range_shape)
    torch.testing.assert_close(p, torch.stack([torch.stack([A(c) for c in b]) for b in x]), rtol=1e-12, atol=1e-12)
    if method != "maximum":
        back = A.T(p)
        assert back.shape == x.shape
        torch.testing.assert_close(back, torch.stack([torch.stack([A.T(c) for c in b]) for b in p]), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_gradients_of_channels_are_one_by_one(method):
    x = noise(GRID, torch.float64, lead=(3,)).requires_grad_()
    project(x, GRID, FLAT, method=method).square().sum().backward()
    single = noise(GRID, torch.float64, lead=(3,))[1].requires_grad_()
    project(single, GRID, FLAT, method=method).square().sum().backward()
    torch.testing.assert_close(x.grad[1], single.grad, rtol=1e-10, atol=1e-10)


# -- air
def sparse(dtype=torch.float32):
    """Single voxels in corners, on the borders of blocks and in the middle of nothing."""
    x = torch.zeros(33, 41, 50, dtype=dtype)
    for k, j, i in ((0, 0, 0), (32, 40, 49), (7, 8, 15), (8, 7, 16), (16, 24, 24), (31, 1, 48), (15, 39, 7)):
        x[k, j, i] = 1.0
    x[20:23, 10:30, 20:24] = 0.3
    return x


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
@pytest.mark.parametrize("surface", VIEWS)
def test_skipping_air_changes_nothing(surface, dtype):
    grid = CartesianGrid.centred((33, 41, 50), 0.3, [5, -7, 3])
    with_map, without = (project(sparse(dtype), grid, VIEWS[surface], skip_air=skip) for skip in (True, False))
    assert float(without.abs().max()) > 0.1
    torch.testing.assert_close(
        with_map, without, rtol=1e-5 if dtype != torch.float64 else 1e-12, atol=1e-6 if dtype != torch.float64 else 1e-13
    )


@pytest.mark.parametrize("seed", range(4))
def test_air_beside_leaning_rays(seed):
    """Balls far apart, seen along every axis and aslant: windows lose octets at either end and fibres on every side."""
    rng = np.random.default_rng(seed)
    grid = CartesianGrid.centred((70, 80, 90), 1.0)
    places = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij"), -1)
    x = torch.from_numpy(sum(np.linalg.norm(places - rng.uniform(0, grid.shape), axis=-1) < rng.uniform(2, 6) for _ in range(12)) * 0.02)
    arm = CArm(sdd_mm=300.0, sod_mm=200.0, rows=40, cols=50, col_pitch_mm=3.0, row_pitch_mm=3.5)
    views = arm.views(rng.uniform(-180, 180, 12), rng.uniform(-90, 90, 12))
    for dtype, most in ((torch.float32, 1e-5), (torch.float64, 1e-13)):
        assert relative(project(x.to(dtype), grid, views), project(x.to(dtype), grid, views, skip_air=False)) < most


def test_map_of_air_follows_the_volume():
    """Changed in place, one through a view of it, another at the same place in memory: no stale map."""
    grid = CartesianGrid.centred((33, 41, 50), 0.3, [5, -7, 3])
    A, plain = Projector(grid, FLAT), Projector(grid, FLAT, skip_air=False)
    x = sparse()
    for change in (lambda: None, lambda: x.zero_(), lambda: x[5].fill_(0.2), lambda: x.flip(0).mul_(2), lambda: x.copy_(sparse().flip(0))):
        change()
        torch.testing.assert_close(A(x), plain(x), rtol=1e-5, atol=1e-6)
    for seed in range(3):
        fresh = noise(grid, seed=seed) * (torch.arange(33)[:, None, None] > 10 * seed)
        torch.testing.assert_close(A(fresh), plain(fresh), rtol=1e-5, atol=1e-5)


def test_map_of_air_follows_the_lookup():
    """The same codes under two attenuation models: bone alone, then everything."""
    grid = CartesianGrid.centred((33, 41, 50), 0.3, [5, -7, 3])
    codes = (sparse() * 1000).short() + 100
    every = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.float32)
    bone, all_of_it = np.where(every > 900, every, 0).astype(np.float32), np.maximum(every, 0)
    for table in (bone, all_of_it):
        p, plain = (project(codes, grid, FLAT, lookup=table, skip_air=skip) for skip in (True, False))
        torch.testing.assert_close(p, plain, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("air", [[(0, 1)], [(0, 1), (0x8000, 0x8001)], [(0x8000, 0x10000), (0, 50)], [(0, 0x10000)], [],
                                 [(2 * i, 2 * i + 1) for i in range(9)]])
def test_map_of_air_of_codes(air):
    """Whatever codes stand for air: few intervals of them, and many."""
    table = np.ones(65536, np.float32)
    for first, stop in air:
        table[first:stop] = 0
    codes = np.random.default_rng(0).choice(np.array([0, 1, 2, 16, 17, 49, 50, 0x7FFF, 0x8000, 0x8001, 0xFFFF], np.uint16), (1, 20, 17, 24))
    codes[:, :8, :8, :8] = air[0][0] if air else 1
    blocks = cpu.occupancy(codes.view(np.int16), table)
    assert np.array_equal(blocks, cpu.occupancy(table[codes], cpu.NO_TABLE))
    assert blocks.reshape(3, 3, 4)[0, 0, 0] == (not air)
    assert torch.from_numpy(blocks).reshape(3, 3, 4)[..., 3].sum() == 0       # beyond the volume


# -- determinism
@pytest.mark.parametrize("method", LINEAR)
def test_adjoint_is_the_same_bit_for_bit(method):
    A = Projector(GRID, FLAT, method=method, backend="cpu")
    y = torch.rand(A.range_shape)
    first = A.T(y)
    assert all(torch.equal(A.T(y), first) for _ in range(5))


@pytest.mark.parametrize("method", METHODS)
def test_number_of_threads_does_not_matter(method, monkeypatch):
    A = Projector(GRID, FLAT, method=method, backend="cpu")
    x, y = noise(GRID), torch.rand(A.range_shape)
    results = []
    for threads in (1, 2, 7):
        monkeypatch.setattr(cpu, "THREADS", threads)
        monkeypatch.setattr(cpu, "_pool", None)
        results.append((A(x), torch.zeros(1) if method == "maximum" else A.T(y)))
        if cpu._pool is not None:
            cpu._pool.shutdown()
    for p, back in results[1:]:
        assert torch.equal(p, results[0][0])
        torch.testing.assert_close(back, results[0][1], rtol=1e-5, atol=1e-5)


# -- operators
def test_operators_compose():
    A = Projector(GRID, FLAT)
    x, y = noise(GRID), torch.rand(A.range_shape)
    mask = (torch.arange(9) > 3).float()
    both = Stack([A[:2], A[2:]])
    torch.testing.assert_close(both(x), A(x))
    torch.testing.assert_close(both.T(y), A.T(y), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close((mask * A)(x), mask * A(x))
    normal = A.T @ A
    torch.testing.assert_close(normal(x), A.T(A(x)))
    for operator in (both, mask * A, normal, A.T):
        assert operator.dot_test() < 1e-5
    assert A.T.T is A and A.T.domain_shape == A.range_shape


def test_norm_is_the_largest_singular_value():
    grid = CartesianGrid.centred((3, 4, 5), 3.0, [5, -7, 3])
    A = Projector(grid, FLAT)
    matrix = A(torch.eye(60).reshape(60, 3, 4, 5)).reshape(60, -1)
    assert A.norm(iterations=60) == pytest.approx(float(torch.linalg.matrix_norm(matrix, 2)), rel=1e-3)


# -- refusals
A_TINY = (CartesianGrid.centred((2, 3, 4), 1.0), FLAT)
REFUSED = {
    "method": (lambda: Projector(*A_TINY, method="ray"), ProjectionError, "'ray' is not known; expected one of: joseph, siddon"),
    "backend": (lambda: Projector(*A_TINY, backend="gpu"), ProjectionError, "'gpu' is not known; expected auto, cpu, cuda, torch"),
    "step": (lambda: Projector(*A_TINY, step_mm=-0.5), ProjectionError, "step_mm -0.5: expected a length of more than 0 mm"),
    "step of 0": (lambda: Projector(*A_TINY, step_mm=0), ProjectionError, "step_mm 0: expected"),
    "lookup": (lambda: Projector(*A_TINY, lookup=np.zeros(256)), ProjectionError, "lookup has 256 values"),
    "shape": (lambda: Projector(*A_TINY)(torch.zeros(4, 3, 2)), ValueError, r"shape \(4, 3, 2\).*expected \[..., 2, 3, 4\]"),
    "projections' shape": (lambda: Projector(*A_TINY).T(torch.zeros(5, 9, 7)), ValueError, r"\(5, 9, 7\).*expected \[..., 5, 7, 9\]"),
    "type": (
        lambda: Projector(*A_TINY)(torch.zeros(2, 3, 4, dtype=torch.int32)),
        ProjectionError,
        "torch.int32: expected float32, float64",
    ),
    "type of projections": (
        lambda: Projector(*A_TINY).T(torch.zeros(5, 7, 9).half()),
        ProjectionError,
        "torch.float16: expected float32 or float64",
    ),
    "codes without lookup": (lambda: Projector(*A_TINY)(torch.zeros(2, 3, 4).short()), ProjectionError, "int16 needs `lookup`"),
    "gradient of half": (lambda: Projector(*A_TINY)(torch.zeros(2, 3, 4).half().requires_grad_()), ProjectionError, "without gradients"),
    "adjoint of maximum": (
        lambda: Projector(*A_TINY, method="maximum").T(torch.zeros(5, 7, 9)),
        ProjectionError,
        "not linear and has no adjoint",
    ),
    "stack": (lambda: Stack([Projector(*A_TINY), Projector(GRID, FLAT)]), ValueError, "only over one domain"),
    "product": (lambda: Projector(*A_TINY) @ Projector(GRID, FLAT), ValueError, "cannot follow"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_are_one_clear_sentence(case):
    action, kind, words = REFUSED[case]
    with pytest.raises(kind, match=words) as caught:
        action()
    message = str(caught.value)
    assert "\n" not in message and not re.search(r"Traceback|NoneType", message)


def test_missing_cuda_says_what_is_missing():
    if "cuda" in available_backends():
        pytest.skip("there is a GPU here")
    with pytest.raises(ImportError, match="GPU|numba-cuda"):
        Projector(*A_TINY, backend="cuda")


def test_missing_numba_gives_way_to_the_reference_and_says_so_once(monkeypatch, caplog):
    import sys

    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.setattr("XRayTomoLib.tracing.projector._announced", set())
    assert choose_backend("auto") == choose_backend("auto") == "torch"
    assert len([r for r in caplog.records if "numba" in r.message and "torch reference" in r.message]) == 1
    with pytest.raises(ImportError, match="pip install numba"):
        choose_backend("cpu")
