"""Grids found from the views, and checkpoints."""
import signal
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch

from XRayTomoLib import jobs
from XRayTomoLib.geometry import CArm, Views, circle, pose_about
from XRayTomoLib.grids import CartesianGrid
from XRayTomoLib.jobs import Step
from XRayTomoLib.reconstruction import ReconstructionError, method_of, reconstruct
from XRayTomoLib.reconstruction.checkpoint import fingerprint, load_state, save_state, with_checkpoints
from XRayTomoLib.reconstruction.grids import automatic_grid, box_grid, useful_views
from XRayTomoLib.tracing import Projector

ARM = CArm(500, 300, 40, 48, 2.6, 2.6)
RADIUS = 300 * np.sin(np.arctan(24 * 2.6 / 500))


@pytest.mark.parametrize("isocentre", [(0, 0, 0), (40, -25, 60)])
def test_a_circle_gives_its_field_of_view_in_magnified_pixels(isocentre):
    grid = automatic_grid(circle(ARM, 60, isocentre_ras=isocentre))
    assert np.allclose(grid.centre_ras, isocentre, atol=2)
    assert np.allclose(grid.spacing_mm, 2.6 * 300 / 500, rtol=1e-6)
    extent = np.diff(grid.bounds_ras())[:, 0]
    assert np.allclose(extent[:2], 2 * RADIUS, atol=8) and 40 < extent[2] < 2.6 * 40 * 300 / 500 + 8


def test_a_fan_gives_one_layer():
    views = circle(replace(ARM, rows=1, row_pitch_mm=1.0), 90, isocentre_ras=(3, 4, 5))
    grid = automatic_grid(views)
    assert grid.shape[0] == 1 and grid.spacing_mm[2] == pytest.approx(0.6) and np.allclose(grid.centre_ras, (3, 4, 5), atol=2)


def test_parallel_beams():
    angle = np.radians(180) * np.arange(60) / 60
    ahead = np.stack([-np.sin(angle), np.cos(angle), 0 * angle], 1)
    u, v = np.stack([-np.cos(angle), -np.sin(angle), 0 * angle], 1), np.array([0.0, 0.0, -1.0])
    grid = automatic_grid(Views(direction=ahead, origin=200 * ahead - 39.5 * u - 15.5 * v, u=u, v=v, shape=(32, 80)))
    assert np.allclose(grid.spacing_mm, 1) and np.allclose(np.diff(grid.bounds_ras())[:, 0], [80, 80, 32], atol=5)


def test_views_that_see_nothing_of_a_region_are_left_out():
    views = Views.concatenate([circle(ARM, 8), circle(ARM, 8, isocentre_ras=(0, 0, 500))])
    assert useful_views(views, CartesianGrid.centred((8, 8, 8), 2.0)).tolist() == list(range(8))


def test_boxes():
    grid = box_grid((0, 0, 0), (10, 20, 31), 2.0)
    assert grid.shape == (16, 10, 5) and np.allclose(grid.centre_ras, (5, 10, 15.5))
    for wrong in (((0, 0, 0), (0, 1, 1), 1.0), ((0, 0, 0), (1, 1, 1), 0.0), ((0, 0, 0), (1e6, 1e6, 1e6), 0.1)):
        with pytest.raises(ReconstructionError):
            box_grid(*wrong)


def test_views_that_share_no_region_are_refused():
    apart = Views.concatenate([circle(ARM, 1).transformed(pose_about((0, 0, a), (900 * a, 0, 0), (0, 0, 0))) for a in range(4)])
    with pytest.raises(ReconstructionError, match="give a grid"):
        automatic_grid(apart)


def scan():
    grid, views = CartesianGrid.centred((8, 16, 16), 4.0), circle(ARM, 20)
    return views, Projector(grid, views)(torch.rand(grid.shape, generator=torch.Generator().manual_seed(0))), grid


def test_a_checkpoint_takes_work_up_where_it_was(tmp_path):
    views, p, grid = scan()
    method, path = method_of("cgls", {"iterations": 8}), tmp_path / "c.pt"
    belongs = fingerprint(method, views, p, grid)
    job = with_checkpoints(reconstruct(method, views, p, grid), path, belongs, 0.0)
    for _ in range(3):
        next(job)
    job.close()
    state = load_state(path, belongs)
    assert state["iteration"] == 3
    assert torch.allclose(jobs.run(reconstruct(method, views, p, grid, state=state)), jobs.run(reconstruct(method, views, p, grid)))
    longer = method_of("cgls", {"iterations": 20})
    assert load_state(path, fingerprint(longer, views, p, grid))["iteration"] == 3


@contextmanager
def full_disk(most_bytes):
    """Files cannot grow beyond `most_bytes`."""
    resource = pytest.importorskip("resource", reason="limits of file sizes are Unix's")
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path):
    path, belongs = tmp_path / "c.pt", {"method": "SIRT"}
    save_state(path, {"x": torch.ones(10), "iteration": 1}, belongs)
    with full_disk(20000), pytest.raises(ReconstructionError, match="the checkpoint before is kept; make room"):
        save_state(path, {"x": torch.zeros(100000), "iteration": 2}, belongs)
    assert load_state(path, belongs)["iteration"] == 1 and [f.name for f in tmp_path.iterdir()] == ["c.pt"]


def work(count):
    """Steps whose states are one number, and a result."""
    for n in range(1, count + 1):
        yield Step(n, count, 0.5, "", None, {"iteration": n})
    return "volume"


def test_work_goes_on_when_a_checkpoint_cannot_be_written(tmp_path, monkeypatch, caplog):
    """A full disk after the second step: the volume comes, the checkpoint before is kept, the steps and the log say so."""
    path, steps = tmp_path / "c.pt", []
    job = with_checkpoints(work(4), path, {"method": "SIRT"}, every_s=0.0)
    steps += [next(job), next(job)]
    monkeypatch.setattr(torch, "save", full)
    assert jobs.run(job, steps.append) == "volume"
    assert [step.index for step in steps] == [1, 2, 3, 4] and load_state(path, {"method": "SIRT"})["iteration"] == 2
    assert ["make room" in step.message for step in steps] == [False, False, True, True] and "make room" in caplog.text


def test_the_result_outlives_a_last_checkpoint_that_cannot_be_written(tmp_path, monkeypatch):
    job, steps = with_checkpoints(work(3), tmp_path / "c.pt", {}, every_s=3600.0), []
    next(job)
    monkeypatch.setattr(torch, "save", full)
    assert jobs.run(job, steps.append) == "volume" and "make room" in steps[-1].message
    assert [step.residual for step in steps] == [0.5, 0.5, None]           # the warning is no iteration
    closed = with_checkpoints(work(3), tmp_path / "d.pt", {})
    with pytest.raises(ReconstructionError, match="there is none before"):
        next(closed)


def test_closed_work_is_saved_where_it_stood(tmp_path):
    job = with_checkpoints(work(9), tmp_path / "c.pt", {}, every_s=3600.0)
    for _ in range(4):
        next(job)
    job.close()
    assert load_state(tmp_path / "c.pt", {})["iteration"] == 4


def full(*arguments):
    raise OSError(28, "No space left on device")


def test_foreign_and_broken_checkpoints_are_refused(tmp_path):
    views, p, grid = scan()
    method, path = method_of("cgls"), tmp_path / "c.pt"
    save_state(path, {"x": torch.zeros(2), "iteration": 1}, fingerprint(method, views, p, grid))
    with pytest.raises(ReconstructionError, match="another projection"):
        load_state(path, fingerprint(method, views, p + 1, grid))
    with pytest.raises(ReconstructionError, match="another method"):
        load_state(path, fingerprint(method_of("sirt"), views, p, grid))
    path.write_bytes(b"no checkpoint")
    with pytest.raises(ReconstructionError, match="not a checkpoint"):
        load_state(path, fingerprint(method, views, p, grid))
    with pytest.raises(ReconstructionError, match="no such checkpoint"):
        load_state(tmp_path / "absent.pt", {})
