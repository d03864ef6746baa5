"""Real X-rays of a wrist: preparation finds their fields, and the similarities have their top at the pose that others found."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from XRayTomoLib.geometry import rigid
from XRayTomoLib.geometry.formats import read_geometry
from XRayTomoLib.grids import CartesianGrid
from XRayTomoLib.registration.case import Case
from XRayTomoLib.registration.images import Preparation, around, prepare
from XRayTomoLib.registration.objective import Objective
from XRayTomoLib.registration.poses import Tangent
from XRayTomoLib.registration.similarity import similarity_of

WRIST = Path(__file__).resolve().parents[4] / "shared/data/wrist"
pytestmark = pytest.mark.skipif(not WRIST.is_dir(), reason=f"the wrist data set is not at {WRIST}")
FACTOR = 8
AROUND_PX = 3


@pytest.fixture(scope="module")
def xrays():
    import SimpleITK as sitk
    views = [read_geometry(WRIST / f"xr_calib_wrist_cam0{n}.txt", sdd_mm=1500.0) for n in (1, 2)]
    files = [WRIST / f"xr_rad_uln_cam0{n}_UND.0099.tif" for n in (1, 2)]
    images = [sitk.GetArrayFromImage(sitk.ReadImage(str(file))).astype(float) for file in files]
    return [prepare(image, view, Preparation(inverted=True)) for image, view in zip(images, views)]


@pytest.fixture(scope="module")
def radius(xrays):
    """The case at a coarse resolution, and the pose of radius_pose_0099.json."""
    import SimpleITK as sitk
    volume = sitk.GetArrayFromImage(sitk.ReadImage(str(WRIST / "rad_dcm_cropped.tif"))).astype(np.float32)
    known = json.loads((WRIST / "radius_pose_0099.json").read_text())
    grid = CartesianGrid.centred(volume.shape, known["spacing_xyz"])
    turn = np.linalg.inv(np.array(known["R_world_to_vol"]))
    pose = rigid(turn, known["center_world_mm"])
    whole = Case(grid, torch.from_numpy(volume) * 1e-5, [x.binned(FACTOR) for x in xrays], np.zeros(3))
    window = [around(x, whole.render(pose, i)[0], AROUND_PX) for i, x in enumerate(whole.xrays)]
    return Case(grid, whole.mu, window, np.zeros(3)), pose


def test_fields_of_the_image_intensifiers(xrays):
    for x in xrays:
        field = x.mask.numpy()
        r, c = np.argwhere(field).T
        radius = np.sqrt(field.sum() / np.pi)
        assert 840 < radius < 885 and abs(r.mean() - 880) < 25 and abs(c.mean() - 880) < 25
        assert not field[:100, :100].any() and field[600:1200, 500:1300].mean() > 0.999


@pytest.mark.parametrize("name", ["local-ncc", "multiscale-ncc", "gradient-ncc", "gradient-correlation", "gradient-orientation"])
def test_the_known_pose_is_the_top(radius, name):
    """One bone among many: what looks at patches or gradients sees it, what looks at intensities of the whole picture does not."""
    case, pose = radius
    steps = np.concatenate([s * np.diag([0.05] * 3 + [2.0] * 3) for s in (1, -1)])
    values = Objective(case, similarity_of(name))(np.concatenate([pose[None], Tangent(tuple(pose[:3, 3])).moved(steps, pose)]))
    assert int(values.argmax()) == 0
    assert name != "gradient-ncc" or float(values[0]) > 0.6
