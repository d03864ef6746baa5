"""Volumes, geometry and gantry as nodes: transforms respected or refused, geometry exact, angles both ways."""


import numpy as np
import pytest
import slicer
import vtk

from XRayTomoLib.geometry import CArm, GeometryError, carm
from XRayTomoLib.mrml.gantry import GantryPose, move_gantry, new_gantry_node, read_gantry
from XRayTomoLib.mrml.geometry_node import new_geometry_node, views_from_node, write_geometry
from XRayTomoLib.mrml.transforms import TransformError
from XRayTomoLib.mrml.volumes import VolumeError, array_from_volume, examine_volume, grid_from_volume

OBLIQUE = np.array([[1.9, 0.3, 0.1, -20.0], [-0.4, 1.4, 0.2, 5.0], [0.2, -0.1, -2.5, 60.0], [0, 0, 0, 1.0]])  # left-handed


def volume(shape=(6, 5, 4), matrix=OBLIQUE, dtype=np.int16, name="CT"):
    values = (np.arange(np.prod(shape)).reshape(shape) * 20 - 1000).astype(dtype)
    return slicer.util.addVolumeFromArray(values, ijkToRAS=slicer.util.vtkMatrixFromArray(matrix), name=name)


def transform(matrix):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Moved")
    node.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    return node


def rotation(degrees, translation=(0, 0, 0)):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0, translation[0]], [s, c, 0, translation[1]], [0, 0, 1, translation[2]], [0, 0, 0, 1.0]])


def test_grid_of_an_oblique_left_handed_volume():
    grid = grid_from_volume(volume())
    np.testing.assert_allclose(grid.ijk_to_ras, OBLIQUE, atol=1e-12)
    assert grid.shape == (6, 5, 4)
    assert grid.is_left_handed


def test_grid_counts_nested_linear_transforms():
    inner, outer = transform(rotation(30, (10, 0, 0))), transform(rotation(-70, (0, 5, 7)))
    inner.SetAndObserveTransformNodeID(outer.GetID())
    node = volume()
    node.SetAndObserveTransformNodeID(inner.GetID())
    np.testing.assert_allclose(grid_from_volume(node).ijk_to_ras, rotation(-70, (0, 5, 7)) @ rotation(30, (10, 0, 0)) @ OBLIQUE, atol=1e-9)


def test_a_volume_under_a_non_rigid_transform_is_refused_by_name():
    warp = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", "Warp")
    warp.SetAndObserveTransformToParent(vtk.vtkThinPlateSplineTransform())
    node = volume()
    node.SetAndObserveTransformNodeID(warp.GetID())
    with pytest.raises(TransformError, match="'CT'.*'Warp'.*harden"):
        grid_from_volume(node)


def test_what_cannot_be_x_rayed_is_refused():
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Nothing")
    colour = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "Colour")
    image = vtk.vtkImageData()
    image.SetDimensions(4, 4, 4)
    image.AllocateScalars(vtk.VTK_FLOAT, 3)
    colour.SetAndObserveImageData(image)
    flat = volume((1, 5, 4))
    for node, sentence in ((None, "No volume"), (empty, "'Nothing' is empty"), (colour, "'Colour' has 3 values"), (flat, "4 x 5 x 1")):
        with pytest.raises(VolumeError, match=sentence):
            array_from_volume(node)


def test_the_summary_and_what_to_do():
    summary, problem = examine_volume(volume((6, 5, 40)), "hu_linear")
    assert summary.startswith("40 x 5 x 6, 1.95 x 1.44 x 2.51 mm, -1000 to 2.298e+04")
    assert summary.endswith("HU")
    assert problem == ""
    assert "1/mm" in examine_volume(volume((6, 5, 40)), "linear")[1]
    raw = slicer.util.addVolumeFromArray(np.linspace(0, 0.03, 64, dtype=np.float32).reshape(4, 4, 4), name="mu")
    assert "1/mm" in examine_volume(raw, "hu_linear")[1]
    assert examine_volume(raw, "linear")[1] == ""


def test_nan_is_named_with_its_number():
    values = np.zeros((4, 4, 4), np.float32)
    values[1, 2, 3] = np.nan
    summary, problem = examine_volume(slicer.util.addVolumeFromArray(values, name="Holes"), "hu_linear")
    assert summary == ""
    assert "'Holes' has 1 voxel" in problem
    assert "-1000 HU" in problem


def test_geometry_node_survives_the_scene_bundle(tmp_path):
    views = carm("Cios Fusion").views([10.1, 20.2], 5, (1.1, 2.2, 3.3))
    node = new_geometry_node("Scan")
    write_geometry(node, views)
    modified = node.GetMTime()
    write_geometry(node, views)
    assert node.GetMTime() == modified
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    again = views_from_node(slicer.util.getNode("Scan"))
    np.testing.assert_array_equal(again.origin, views.origin)
    np.testing.assert_array_equal(again.source, views.source)


ARM = CArm(1000.0, 600.0, 40, 60, 1.3, 0.9, (7.0, -4.0), flipped=True)


@pytest.mark.parametrize("angles", [(0, 0, 0), (30, 10, 0), (-150, -40, 25), (80, 60, -170), (0, 90, 33), (12, -90, 0)])
def test_gantry_and_c_arm_say_the_same(angles):
    primary, secondary, in_plane = angles
    isocentre = (10.0, -20.0, 30.0)
    pose = GantryPose(primary, secondary, in_plane, isocentre)
    with_gantry = ARM.local_views().transformed(pose.matrix())
    turned = CArm(1000.0, 600.0, 40, 60, 1.3, 0.9, (7.0, -4.0), in_plane, flipped=True).views(primary, secondary, isocentre)
    for name in ("source", "origin", "u", "v"):
        np.testing.assert_allclose(getattr(with_gantry, name), getattr(turned, name), atol=1e-9)
    again = GantryPose.from_matrix(pose.matrix())
    np.testing.assert_allclose(again.matrix(), pose.matrix(), atol=1e-9)
    if abs(secondary) < 90:
        np.testing.assert_allclose((again.primary_deg, again.secondary_deg, again.in_plane_deg), angles, atol=1e-9)


def test_gantry_under_a_parent_is_posed_in_the_world():
    gantry, parent = new_gantry_node("Gantry"), transform(rotation(50, (100, 0, 0)))
    gantry.SetAndObserveTransformNodeID(parent.GetID())
    pose = GantryPose(20, -10, 5, (1, 2, 3)).matrix()
    move_gantry(gantry, pose)
    np.testing.assert_allclose(read_gantry(gantry), pose, atol=1e-9)
    modified = gantry.GetMTime()
    move_gantry(gantry, pose)
    assert gantry.GetMTime() == modified


def test_a_scaled_gantry_is_refused():
    gantry = new_gantry_node("Gantry")
    gantry.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(np.diag([2.0, 1, 1, 1])))
    with pytest.raises(GeometryError, match="'Gantry' scales"):
        read_gantry(gantry)
