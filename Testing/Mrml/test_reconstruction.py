"""Reconstruction on nodes: where the volume lies, what is taken back, how it converges, and volumes on another grid."""

import json

import numpy as np
import pytest
import slicer

from XRayTomoLib.geometry import CArm, circle
from XRayTomoLib.grids import CartesianGrid
from XRayTomoLib.grids.resampling import resampled
from XRayTomoLib.mrml import convergence, reconstruction_job, tables
from XRayTomoLib.mrml.geometry_node import new_geometry_node, write_geometry
from XRayTomoLib.mrml.volumes import VolumeError, grid_from_volume

MU = 0.02


def vtk_matrix(array):
    return slicer.util.vtkMatrixFromArray(np.asarray(array, float))


@pytest.fixture
def logic():
    return slicer.util.getModuleLogic("XRayTomo")


@pytest.fixture
def volume():
    """1/mm: a block off the centre, in 6 mm voxels."""
    values = np.zeros((16, 18, 20), np.float32)
    values[5:12, 6:12, 4:12] = MU
    matrix = np.diag([6.0, 6.0, 6.0, 1.0])
    matrix[:3, 3] = -6 * (np.array([20, 18, 16]) - 1) / 2
    return slicer.util.addVolumeFromArray(values, ijkToRAS=vtk_matrix(matrix), name="Block")


@pytest.fixture
def scan(logic, volume):
    from XRayTomoLib.physics.attenuation import AttenuationModel

    geometry = new_geometry_node("Circle")
    write_geometry(geometry, circle(CArm(900, 600, 26, 30, 8.0, 8.0), 20))
    return logic.simulateScan(volume, geometry, attenuation=AttenuationModel(kind="linear"))


def array(node):
    return slicer.util.arrayFromVolume(node)


def test_the_grid_of_a_turned_volume_is_taken_as_it_lies_in_the_world(logic, scan):
    turned = np.array([[0, -7.0, 0, 30], [7.0, 0, 0, -40], [0, 0, 7.0, -35], [0, 0, 0, 1]])
    like = slicer.util.addVolumeFromArray(np.zeros((11, 12, 13), np.float32), ijkToRAS=vtk_matrix(turned))
    shift = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    shift.SetMatrixTransformToParent(vtk_matrix([[1, 0, 0, 5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]))
    like.SetAndObserveTransformNodeID(shift.GetID())
    node = logic.reconstruct(scan, method="sirt", regionNode=like, iterations=1)
    assert grid_from_volume(node) == grid_from_volume(like)
    boxed = logic.reconstruct(scan, method="sirt", regionNode=like, spacingMm=14.0, iterations=1)
    assert array(boxed).shape == (6, 6, 7) and np.allclose(grid_from_volume(boxed).centre_ras, grid_from_volume(like).centre_ras)


def test_a_result_under_a_transform_lies_in_the_world_where_it_was_made(logic, scan, volume):
    output = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Result")
    turn = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    turn.SetMatrixTransformToParent(vtk_matrix([[0, 1, 0, 3], [-1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]))
    output.SetAndObserveTransformNodeID(turn.GetID())
    assert logic.reconstruct(scan, method="sirt", regionNode=volume, outputNode=output, iterations=1) is output
    assert np.allclose(grid_from_volume(output).ijk_to_ras, grid_from_volume(volume).ijk_to_ras, atol=1e-9)


def test_an_exact_start_is_kept_in_hounsfield_units_too(logic, scan, volume):
    """The residual of the true volume is that of rounding; a start in HU means the same attenuation."""
    node = logic.reconstruct(scan, method="cgls", regionNode=volume, startNode=volume, iterations=1)
    rows = array_of_column(convergence.table_of(node), "residual")
    assert rows[0] < 1e-5 and np.allclose(array(node), array(volume), atol=1e-5)
    hu = slicer.util.addVolumeFromArray(array(volume) / MU * 1000 - 1000, ijkToRAS=vtk_matrix(grid_from_volume(volume).ijk_to_ras))
    again = logic.reconstruct(scan, method="cgls", regionNode=volume, startNode=hu, waterPerMm=MU, iterations=1)
    assert np.allclose(array(again), array(hu), atol=0.5)


def array_of_column(table, name):
    column = table.GetTable().GetColumnByName(name)
    return [column.GetValue(n) for n in range(column.GetNumberOfValues())]


def test_air_and_water_are_minus_1000_and_0(logic, scan, volume):
    plain = logic.reconstruct(scan, method="sirt", regionNode=volume, iterations=3)
    hu = logic.reconstruct(scan, method="sirt", regionNode=volume, iterations=3, waterPerMm=MU, airPerMm=0.001)
    assert np.allclose(array(hu), (array(plain) - MU) / (MU - 0.001) * 1000, atol=0.1)
    assert json.loads(hu.GetAttribute("XRayTomo.Provenance"))["parameters"]["air_per_mm"] == 0.001
    with pytest.raises(ValueError, match="water"):
        logic.reconstruct(scan, method="sirt", waterPerMm=0.001, airPerMm=0.002)


def test_convergence_is_a_table_with_its_plot(logic, scan, volume):
    node = logic.reconstruct(scan, method="cgls", regionNode=volume, iterations=4)
    table = convergence.table_of(node)
    residual = array_of_column(table, "residual")
    assert array_of_column(table, "iteration") == [1, 2, 3, 4] and all(a > b for a, b in zip(residual, residual[1:], strict=False))
    chart = table.GetNodeReference(tables.CHART_ROLE)
    assert chart.GetNthPlotSeriesNode(0).GetTableNode() is table
    logic.reconstruct(scan, method="cgls", regionNode=volume, iterations=2, outputNode=node)
    assert convergence.table_of(node) is table and table.GetNumberOfRows() == 2
    convergence.remove_convergence_of(node)
    assert not slicer.util.getNodesByClass("vtkMRMLTableNode") and not slicer.util.getNodesByClass("vtkMRMLPlotSeriesNode")


def test_the_prior_is_drawn_beside_the_residual(logic, scan, volume):
    node = logic.reconstruct(scan, method="fista", regionNode=volume, iterations=4)
    table = convergence.table_of(node)
    prior, share = array_of_column(table, "prior"), array_of_column(table, "prior share")
    assert len(prior) == 4 and min(prior) > 0 and max(share) == 1 and share[0] == pytest.approx(prior[0] / max(prior))
    chart = table.GetNodeReference(tables.CHART_ROLE)
    assert [chart.GetNthPlotSeriesNode(n).GetYColumnName() for n in range(2)] == ["residual", "prior share"]
    logic.reconstruct(scan, method="cgls", regionNode=volume, iterations=2, outputNode=node)
    assert chart.GetNumberOfPlotSeriesNodes() == 1 and len(slicer.util.getNodesByClass("vtkMRMLPlotSeriesNode")) == 1


def test_a_failure_takes_back_what_it_made(logic, scan, volume):
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    with pytest.raises(ValueError, match="prior"):
        logic.reconstruct(scan, method="piccs", regionNode=volume)
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes
    with pytest.raises(VolumeError, match="another node"):
        logic.reconstruct(scan, method="sirt", outputNode=scan)


def test_a_discarded_job_gives_a_node_its_voxels_back(scan, volume):
    before, matrix = array(volume).copy(), grid_from_volume(volume).ijk_to_ras
    volume.CreateDefaultDisplayNodes()
    volume.GetDisplayNode().AutoWindowLevelOff()
    volume.GetDisplayNode().SetWindowLevelMinMax(-1, 2)
    job = reconstruction_job.ReconstructionJob(reconstruction_job.reconstruction_request(scan, "sirt", {}, None, 12.0), scan)
    job.begin(volume)
    while (picture := job.take_picture()) is None:
        next(job.steps)
    job.show(picture)
    assert array(volume).shape != before.shape and volume.GetDisplayNode().GetWindowLevelMin() != -1
    job.steps.close()
    job.discard()
    assert np.array_equal(array(volume), before) and np.array_equal(grid_from_volume(volume).ijk_to_ras, matrix)
    assert volume.GetDisplayNode().GetWindowLevelMin() == -1 and volume.GetDisplayNode().GetWindowLevelMax() == 2


def test_a_window_that_the_user_chose_stays(scan):
    job = reconstruction_job.ReconstructionJob(reconstruction_job.reconstruction_request(scan, "sirt", {"iterations": 3}, None, 12.0), scan)
    job.begin()
    while (picture := job.take_picture()) is None:
        next(job.steps)
    job.show(picture)
    job.node.GetDisplayNode().SetWindowLevelMinMax(0.25, 0.75)
    job.show(picture)
    assert (job.node.GetDisplayNode().GetWindowLevelMin(), job.node.GetDisplayNode().GetWindowLevelMax()) == (0.25, 0.75)


def test_a_linear_field_is_resampled_exactly_onto_an_oblique_grid():
    turn = np.array([[np.cos(0.3), -np.sin(0.3), 0], [np.sin(0.3), np.cos(0.3), 0], [0, 0, 1.0]])
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = turn * [1.5, 2.0, 2.5], [-10, -12, -9]
    grid = CartesianGrid((14, 16, 18), matrix)
    onto = CartesianGrid.centred((3, 4, 5), 2.0, grid.centre_ras)

    def field(g):
        k, j, i = np.indices(g.shape)
        return g.ras_from_ijk(np.stack([i, j, k], -1).astype(float)) @ [1.0, -2.0, 3.0] + 4

    assert np.allclose(resampled(field(grid), grid, onto), field(onto), atol=1e-4)
    border = resampled(field(grid), grid, CartesianGrid.centred((1, 1, 1), 1.0, grid.ras_from_ijk([-0.4, 5.0, 5.0])), outside=-7)
    assert border[0, 0, 0] == pytest.approx(field(grid)[5, 5, 0])
    far = CartesianGrid.centred((3, 3, 3), 1.0, (500, 0, 0))
    assert (resampled(field(grid), grid, far, outside=-7) == -7).all()
