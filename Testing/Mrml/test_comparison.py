"""Volumes compared on nodes: other grids, other units, the difference in its place, profiles along a line."""

import numpy as np
import pytest
import slicer

from XRayTomoLib.grids import CartesianGrid
from XRayTomoLib.mrml import comparison, tables
from XRayTomoLib.mrml.volumes import VolumeError, grid_from_volume
from XRayTomoLib.physics.attenuation import AttenuationModel


def volume(values, grid, name):
    return slicer.util.addVolumeFromArray(np.asarray(values, np.float32), ijkToRAS=slicer.util.vtkMatrixFromArray(grid.ijk_to_ras), name=name)


def field(grid):
    k, j, i = np.indices(grid.shape)
    return grid.ras_from_ijk(np.stack([i, j, k], -1).astype(float)) @ [0.001, 0.0, 0.002] + 0.3


@pytest.fixture
def logic():
    return slicer.util.getModuleLogic("XRayTomo")


def test_a_linear_field_is_the_same_on_two_grids(logic):
    coarse, fine = CartesianGrid.centred((12, 14, 16), 5.0), CartesianGrid.centred((16, 18, 14), 3.0, (2, -1, 1))
    figures, node = logic.compare(volume(field(fine) + 0.01, fine, "Fine"), volume(field(coarse), coarse, "Coarse"))
    assert figures["bias"] == pytest.approx(0.01, rel=1e-4) and figures["deviation"] < 1e-6 and figures["voxels"] == 16 * 18 * 14
    assert grid_from_volume(node) == fine and np.allclose(slicer.util.arrayFromVolume(node), 0.01, atol=1e-6)


def test_only_what_both_show_counts(logic):
    whole, part = CartesianGrid.centred((8, 8, 20), 4.0), CartesianGrid.centred((8, 8, 10), 4.0, (-20, 0, 0))
    figures, node = logic.compare(volume(field(whole), whole, "Whole"), volume(field(part), part, "Part"))
    assert figures["voxels"] == 8 * 8 * 10 and figures["nrmse"] < 1e-6
    assert not slicer.util.arrayFromVolume(node)[:, :, 10:].any()


def test_hu_and_attenuation_are_compared_in_attenuation(logic):
    grid, model = CartesianGrid.centred((6, 7, 8), 4.0), AttenuationModel(energy_kev=60)
    hu = np.linspace(-1000, 1500, 6 * 7 * 8).reshape(grid.shape)
    figures, _node = logic.compare(volume(model.mu(hu), grid, "Mu"), volume(hu, grid, "CT"), attenuation=model)
    assert figures["relative_error"] < 1e-6


def test_profiles_follow_the_line(logic):
    grid = CartesianGrid.centred((20, 20, 20), 2.0)
    line = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsLineNode")
    a, b = volume(field(grid), grid, "A"), volume(field(grid) * 1.5, grid, "B")
    with pytest.raises(VolumeError, match="both ends"):
        logic.compare(a, b, line)
    line.AddControlPoint(0, 0, -15)
    line.AddControlPoint(0, 0, 15)
    _figures, node = logic.compare(a, b, line)
    table = comparison.profile_table(node)
    distance, first, second = (slicer.util.arrayFromTableColumn(table, table.GetColumnName(n)) for n in range(3))
    assert distance[-1] == pytest.approx(30) and np.allclose(first, 0.3 + 0.002 * (distance - 15), atol=1e-6)
    assert np.allclose(second, 1.5 * first, atol=1e-6)
    _figures, again = logic.compare(a, b, outputNode=node)
    assert again is node
    assert [len(slicer.util.getNodesByClass(f"vtkMRMLPlot{kind}Node")) for kind in ("Chart", "Series")] == [1, 2]
    assert table.GetNodeReference(tables.CHART_ROLE).GetNumberOfPlotSeriesNodes() == 2


def test_a_volume_is_not_its_own_reference(logic):
    grid = CartesianGrid.centred((4, 4, 4), 2.0)
    a = volume(field(grid), grid, "A")
    with pytest.raises(VolumeError, match="another reference"):
        logic.compare(a, a)
    with pytest.raises(VolumeError, match="No volume"):
        logic.compare(a, None)
