"""The scan of a volume: every view as a radiograph of its own, in memory and in a file, and what cannot be."""

from dataclasses import replace

import numpy as np
import pytest

from XRayTomoLib.geometry import FreePixels, GeometryError, carm, circle
from XRayTomoLib.geometry.detectors import Panels
from XRayTomoLib.grids import CartesianGrid
from XRayTomoLib.io.projections.stacks import open_stack
from XRayTomoLib.jobs import run
from XRayTomoLib.physics.attenuation import AttenuationModel
from XRayTomoLib.workflows.radiograph import coarser, radiograph
from XRayTomoLib.workflows.scan import scan, scan_to_array, scan_to_file

GRID = CartesianGrid.centred((12, 14, 16), spacing_mm=8.0)
VIEWS = circle(carm("Cios Fusion").resampled(10, 12), 7)
MODEL = AttenuationModel()


@pytest.fixture(scope="module")
def values():
    values = np.full(GRID.shape, -1000, np.int16)
    values[3:8, 4:9, 5:12] = 300
    return values


def test_every_view_is_a_radiograph(values):
    steps = []
    stack, target = run(scan_to_array(values, GRID, VIEWS, MODEL), steps.append)
    assert stack.shape == (7, 10, 12) and stack.dtype == np.float32 and target
    assert [steps[-1].index, steps[-1].total] == [7, 7]
    for i in range(7):
        np.testing.assert_allclose(stack[i], radiograph(values, GRID, VIEWS[i], MODEL)[0], atol=1e-5)
    assert stack.max() > 0.5


def test_a_scan_into_a_file_is_the_same_and_has_its_geometry(values, tmp_path):
    path = tmp_path / "scan.nrrd"
    run(scan_to_file(path, values, GRID, VIEWS, MODEL))
    stack = open_stack(path)
    np.testing.assert_array_equal(stack.to_array(), run(scan_to_array(values, GRID, VIEWS, MODEL))[0])
    np.testing.assert_array_equal(stack.views.source, VIEWS.source)
    assert stack.kind == "line integral"


def test_a_scan_that_is_cancelled_leaves_no_file(values, tmp_path):
    job = scan_to_file(tmp_path / "scan.nrrd", values, GRID, VIEWS, MODEL)
    next(job)
    job.close()
    assert list(tmp_path.iterdir()) == []


def test_one_view_may_miss_the_volume_but_not_all(values):
    away = VIEWS.transformed(np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 5000.0], [0, 0, 0, 1]]))
    mixed = replace(VIEWS, **{n: np.concatenate([getattr(VIEWS, n)[:3], getattr(away, n)[3:]]) for n in ("source", "origin", "u", "v")})
    stack = run(scan_to_array(values, GRID, mixed, MODEL))[0]
    assert stack[0].max() > 0 and (stack[5] == 0).all()
    with pytest.raises(GeometryError, match="does not see the volume 'Block'"):
        run(scan(values, GRID, away, MODEL, lambda *_: None, name="Block"))


def test_a_source_in_the_volume_is_named(values):
    near = replace(VIEWS, source=np.concatenate([VIEWS.source[:4], [[1.0, 2.0, 3.0]], VIEWS.source[5:]]))
    with pytest.raises(GeometryError, match=r"view 4.*RAS \(1, 2, 3\) mm lies inside"):
        run(scan(values, GRID, near, MODEL, lambda *_: None))


def test_coarser_views_cover_the_same_area_and_join_no_panels():
    fine = circle(carm("Cios Fusion").resampled(60, 90), 2)
    panels = fine.with_surface(Panels.on_arc((60, 90), 3, 1020.0, [float(a[0]) for a in fine.pitch_mm]))
    assert coarser(fine, 8).shape == (7, 11)
    assert coarser(panels, 8).surface.cols == (5, 5, 5)
    assert coarser(panels, 1) is panels
    assert coarser(fine.with_surface(FreePixels(fine.surface.points(fine))), 8).shape == (60, 90)
    start, end = coarser(panels, 6).rays()
    np.testing.assert_allclose(end, panels.rays()[1].reshape(2, 10, 6, 15, 6, 3).mean((2, 4)), atol=1e-9)
