"""All methods by name on one small scan; coarse starts."""
import numpy as np
import pytest
import torch

from XRayTomoLib import jobs
from XRayTomoLib.geometry import CArm, circle
from XRayTomoLib.geometry.trajectories import Helix
from XRayTomoLib.grids import CartesianGrid
from XRayTomoLib.options import OptionError, options_of
from XRayTomoLib.reconstruction import METHODS, ReconstructionError, is_iterative, method_of, reconstruct
from XRayTomoLib.reconstruction.methods import binned, coarser
from XRayTomoLib.tracing import Projector

ARM = CArm(500, 300, 40, 48, 2.6, 2.6)
GRID = CartesianGrid.centred((16, 32, 32), 2.0)
FEW = {"iterations": 8}
SLOW = {"pdhg": {"iterations": 30}, "sart": {"iterations": 3}, "backprojection": {}}


def ball():
    k, j, i = np.indices(GRID.shape)
    points = np.stack([i, j, k], -1) @ GRID.ijk_to_ras[:3, :3].T + GRID.ijk_to_ras[:3, 3]
    return torch.as_tensor(np.clip(10.5 - np.linalg.norm(points - (3, -4, 2), axis=-1), 0, 1) * 0.02, dtype=torch.float32)


def scan(name):
    views = Helix(count=240, turns=3, pitch_mm=30).views(ARM) if name in ("helical-fdk", "katsevich") else circle(ARM, 40)
    return views, Projector(GRID, views)(ball())


@pytest.mark.parametrize("name", METHODS)
def test_every_method_finds_the_ball(name):
    views, p = scan(name)
    method = method_of(name, SLOW.get(name, FEW if is_iterative(METHODS[name]) else {}))
    known = {"prior": ball()} if name == "piccs" else {}
    steps = list(reconstruct(method, views, p, GRID, **known))
    x = steps[-1].preview
    assert x.shape == GRID.shape and torch.isfinite(x).all()
    assert float(torch.corrcoef(torch.stack([x.ravel(), ball().ravel()]))[0, 1]) > (0.7 if name == "backprojection" else 0.9)
    assert (0.25 if name == "backprojection" else 0.6) < float((x * ball()).sum() / ball().square().sum()) < 1.2
    assert steps[-1].index == steps[-1].total
    assert METHODS[name].TITLE and all(o.label and o.help for o in options_of(method))


def test_a_coarse_start_saves_iterations():
    views, p = scan("sirt")
    method = method_of("sirt", FEW)
    errors = [(jobs.run(reconstruct(method, views, p, GRID, levels=n)) - ball()).norm() for n in (0, 2)]
    assert errors[1] < 0.8 * errors[0]


def test_coarse_starts_are_nothing_to_show_or_to_resume_from():
    views, p = scan("sirt")
    steps = list(reconstruct(method_of("sirt", {"iterations": 2}), views, p, GRID, levels=1))
    assert [step.message for step in steps] == ["coarse start", "coarse start", "", "all iterations done"]
    assert [step.state is None and step.preview is None for step in steps] == [True, True, False, False]


def test_coarse_starts_do_not_stop_at_the_noise():
    """Nor do they estimate it: binned projections of 48 columns would be too narrow for that."""
    views, p = scan("cgls")
    method = method_of("cgls", {"iterations": 3, "stop_discrepancy": 1.0})
    steps = list(reconstruct(method, views, p, GRID, levels=1, noise=1e9))
    assert [step.message for step in steps][:-1] == ["coarse start"] * 3 and "noise level" in steps[-1].message


def test_coarser_grids_fill_the_same_box():
    for shape in ((16, 32, 32), (1, 9, 33)):
        grid = CartesianGrid.centred(shape, (1.0, 2.0, 3.0), (5, 6, 7))
        assert np.allclose(coarser(grid).bounds_ras(), grid.bounds_ras())
    p = torch.arange(35.0).reshape(1, 5, 7)
    assert torch.equal(binned(p, (2, 2))[0, 0, 0], p[0, :2, :2].mean())


def test_wrong_calls_are_refused_in_words():
    views, p = scan("fdk")
    with pytest.raises(ReconstructionError, match="method 'fkd' is not known"):
        method_of("fkd")
    with pytest.raises(OptionError, match="has no option 'iteratons'"):
        method_of("sirt", {"iteratons": 5})
    with pytest.raises(OptionError, match="expected 1 to 1000000"):
        method_of("sirt", {"iterations": 0})
    with pytest.raises(ReconstructionError, match="takes no start"):
        reconstruct(method_of("fdk"), views, p, GRID, start=ball())
