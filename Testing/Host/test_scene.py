"""The scene, its files and the application around them."""

import hashlib

import numpy as np
import pytest
import SampleData
import slicer
import vtk
from SlicerHost import driving

IJK_TO_RAS = np.array([[-0.5, 0, 0, 10], [0, -0.7, 0, -20], [0, 0, 2, 5], [0, 0, 0, 1.0]])  # right-handed: readers flip others


@pytest.fixture
def volume():
    array = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)
    return slicer.util.addVolumeFromArray(array, ijkToRAS=IJK_TO_RAS, name="Thörax 1")


def matrix(node):
    m = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(m)
    return slicer.util.arrayFromVTKMatrix(m)


def test_scene_file_brings_everything_back(volume, tmp_path):
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Gantry")
    slicer.util.updateTransformMatrixFromArray(transform, np.diag([1, 1, -1, 1.0]))
    volume.SetAndObserveTransformNodeID(transform.GetID())
    text = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", "Geometry")
    text.SetText('{"α": 1}')
    parameters = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "Parameters")
    parameters.SetParameter("angle", "12.5")
    parameters.SetNodeReferenceID("volume", volume.GetID())
    path = str(tmp_path / "scene.mrb")
    assert slicer.util.saveScene(path)
    slicer.mrmlScene.Clear(0)
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0

    slicer.util.loadScene(path)
    again = slicer.util.getNode("Thörax 1")
    assert np.array_equal(slicer.util.arrayFromVolume(again).ravel(), np.arange(24))
    assert np.allclose(matrix(again), IJK_TO_RAS)
    assert again.GetParentTransformNode() is slicer.util.getNode("Gantry")
    assert slicer.util.getNode("Geometry").GetText() == '{"α": 1}'
    assert slicer.util.getNode("Parameters").GetNodeReference("volume") is again


@pytest.mark.parametrize("ending", ["nrrd", "nii.gz", "mha"])
def test_volume_files_round_trip(volume, tmp_path, ending):
    path = str(tmp_path / f"volume.{ending}")
    assert slicer.util.saveNode(volume, path)
    again = slicer.util.loadVolume(path)
    assert np.array_equal(slicer.util.arrayFromVolume(again), slicer.util.arrayFromVolume(volume))
    assert np.allclose(matrix(again), IJK_TO_RAS, atol=1e-5)


def test_missing_file_is_an_error(tmp_path):
    with pytest.raises(RuntimeError, match="Failed to load"):
        slicer.util.loadVolume(str(tmp_path / "missing.nrrd"))


def test_subject_hierarchy_has_items_of_data_and_not_of_parameters(volume):
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    parameters = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
    assert hierarchy.GetItemByDataNode(volume)
    assert not hierarchy.GetItemByDataNode(parameters)


def test_views_survive_the_closing_of_the_scene(volume):
    slicer.util.setSliceViewerLayers(background=volume)
    slicer.mrmlScene.Clear(0)
    driving.process()
    red = slicer.app.layoutManager().sliceWidget("Red")
    assert red.mrmlSliceNode() is slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed")
    assert not driving.pixels(red.sliceView()).any()


def test_layouts_can_be_changed():
    manager = slicer.app.layoutManager()
    before = manager.layout
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUp3DView)
    driving.process()
    assert manager.threeDWidget(0).isVisible()
    assert not manager.sliceWidget("Red").isVisible()
    manager.setLayout(before)
    driving.process()
    assert manager.sliceWidget("Red").isVisible()


def register(tmp_path, name, **options):
    path = tmp_path / "sample.txt"
    path.write_text("sample")
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="Test", sampleName=name, uris=path.as_uri(), fileNames="copy.txt", nodeNames="Sample", **options
    )
    return path


def test_sample_data_from_a_file(tmp_path):
    path = register(tmp_path, "file")
    checksum = "SHA256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    register(tmp_path, "checked", checksums=checksum)
    node = SampleData.downloadSample("checked")
    assert (node.GetName(), node.GetText()) == ("Sample", "sample")
    register(tmp_path, "wrong", checksums="SHA256:" + "0" * 64)
    with pytest.raises(RuntimeError, match="checksum"):
        SampleData.downloadSample("wrong")


def test_sample_data_from_a_custom_downloader_and_never_from_a_network():
    register_ = SampleData.SampleDataLogic.registerCustomSampleDataSource
    register_(category="Test", sampleName="made", customDownloader=lambda source: source.sampleName + "!")
    register_(category="Test", sampleName="far", uris="https://example.org/a.nrrd", fileNames="a.nrrd", nodeNames="a")
    assert SampleData.SampleDataLogic().downloadSamples("made") == "made!"
    with pytest.raises(RuntimeError, match="no network"):
        SampleData.downloadSample("far")
    with pytest.raises(ValueError, match="unknown"):
        SampleData.downloadSample("unknown")
