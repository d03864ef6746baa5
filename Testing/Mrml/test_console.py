"""XRayTomoLogic as a script uses it: nodes in, nodes out, one sentence for bad input."""

import numpy as np
import pytest
import slicer
import vtk

import XRayTomo
from XRayTomoLib.mrml.geometry_node import views_from_node
from XRayTomoLib.physics.attenuation import AttenuationModel

SMALL = {"rows": 48, "cols": 64, "row_pitch_mm": 2.0, "col_pitch_mm": 2.0}


@pytest.fixture
def logic():
    return XRayTomo.XRayTomoLogic()


def block(fill=0, shape=(20, 24, 28), name="Block", dtype=np.int16):
    values = np.full(shape, -1000, dtype)
    values[4:-4, 4:-4, 4:-4] = fill
    matrix = np.diag([2.0, 2.0, 2.0, 1.0])
    matrix[:3, 3] = -np.array(shape[::-1]) + 1.0
    return slicer.util.addVolumeFromArray(values, ijkToRAS=slicer.util.vtkMatrixFromArray(matrix), name=name)


def picture(node):
    return slicer.util.arrayFromVolume(node)[0]


def test_line_integral_through_water(logic):
    node = logic.radiograph(block(), primaryDeg=90, **SMALL)
    assert node.GetName() == "Block radiograph"
    assert picture(node).shape == (48, 64)
    along = 20 * 2 * AttenuationModel().mu_water
    assert picture(node)[23:25, 31:33].mean() == pytest.approx(along, rel=0.02)
    assert picture(node)[0, 0] == 0


@pytest.mark.parametrize("shows", ["line integral", "intensity", "inverted"])
def test_quantities_belong_together(logic, shows):
    volume = block()
    p = picture(logic.radiograph(volume, **SMALL))
    expected = {"line integral": p, "intensity": np.exp(-p), "inverted": 1 - np.exp(-p)}[shows]
    np.testing.assert_allclose(picture(logic.radiograph(volume, shows=shows, **SMALL)), expected, atol=1e-6)


def test_a_transformed_volume_is_seen_where_it_is(logic):
    volume = block()
    shift = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Shift")
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(2, 3, 10.0)
    shift.SetMatrixTransformToParent(matrix)
    still = logic.radiograph(volume, isocentreRas=(0, 0, 0), **SMALL)
    volume.SetAndObserveTransformNodeID(shift.GetID())
    moved = logic.radiograph(volume, isocentreRas=(0, 0, 0), **SMALL)
    follows = logic.radiograph(volume, **SMALL)
    rows = np.arange(48)[:, None]
    height = [(rows * picture(n)).sum() / picture(n).sum() for n in (still, moved, follows)]
    assert height[1] < height[0] - 5
    assert height[2] == pytest.approx(height[0], abs=1e-3)


def test_geometry_nodes_are_used_and_reported(logic):
    geometry = logic.createGeometry("Free form", primaryDeg=[0, 90], isocentreRas=(1, 2, 3))
    assert len(views_from_node(geometry)) == 2
    with pytest.raises(ValueError, match="2 views"):
        logic.radiograph(block(), geometryNode=geometry)
    one = logic.createGeometry("Free form", primaryDeg=90, name="Lateral", **SMALL)
    node = logic.radiograph(block(), geometryNode=one)
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    np.testing.assert_allclose(slicer.util.arrayFromVTKMatrix(matrix), views_from_node(one).image_to_ras(), atol=1e-9)


def test_the_given_output_node_is_filled_and_keeps_its_name(logic):
    output = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Mine")
    assert logic.radiograph(block(), outputNode=output, **SMALL) is output
    assert output.GetName() == "Mine"
    logic.radiograph(block(), outputNode=output, **(SMALL | {"rows": 40}))
    assert picture(output).shape == (40, 64)


def nan_volume():
    values = np.zeros((6, 6, 6), np.float32)
    values[2, 2, 2] = np.nan
    return slicer.util.addVolumeFromArray(values, name="Holes")


BAD = {
    "no volume": (lambda: None, {}, "No volume is selected"),
    "empty volume": (lambda: slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Void"), {}, "'Void' is empty"),
    "one slice": (lambda: slicer.util.addVolumeFromArray(np.zeros((1, 5, 5)), name="Flat"), {}, "5 x 5 x 1"),
    "NaN": (nan_volume, {}, "NaN"),
    "source inside": (block, {"sod_mm": 5.0, "sdd_mm": 500.0}, r"source.*inside the volume 'Block'.*raise"),
    "not seen": (block, {"isocentreRas": (0, 0, 5000.0)}, "does not see the volume 'Block'"),
    "SDD <= SOD": (block, {"sdd_mm": 400.0, "sod_mm": 400.0}, "400"),
    "zero rows": (block, {"rows": 0}, "0 rows"),
    "unknown device": (block, {"device": "Toaster"}, "Toaster.*Cios Fusion"),
    "unknown value": (block, {"sid_mm": 3}, "sid_mm.*sdd_mm"),
    "unknown method": (block, {"method": "magic"}, "magic"),
    "unknown quantity": (block, {"shows": "magic"}, "magic"),
}


@pytest.mark.parametrize("case", list(BAD))
def test_bad_input_is_one_sentence_and_makes_no_picture(logic, case):
    make, values, sentence = BAD[case]
    volume = make()
    before = len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"))
    with pytest.raises(ValueError, match=sentence) as caught:
        logic.radiograph(volume, **(SMALL | values))
    assert "\n" not in str(caught.value)
    assert len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")) == before


def test_bad_input_leaves_an_output_node_as_it_was(logic):
    output = logic.radiograph(block(), **SMALL)
    before = picture(output).copy()
    with pytest.raises(ValueError, match="inside"):
        logic.radiograph(block(), outputNode=output, sod_mm=5.0, **SMALL)
    np.testing.assert_array_equal(picture(output), before)
