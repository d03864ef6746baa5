"""The parameter node wrapper writes what Slicer writes, and connects the widgets that Slicer connects."""

import enum
import pathlib
import typing
from typing import Annotated

import ctk
import pytest
import qt
import slicer
from slicer.parameterNodeWrapper import Choice, Decimals, Default, SingleStep, WithinRange, parameterNodeWrapper


class Method(enum.Enum):
    JOSEPH = "joseph"
    SIDDON = "siddon"

    def label(self):
        return self.value.title()


@parameterNodeWrapper
class Parameters:
    volume: slicer.vtkMRMLScalarVolumeNode
    anything: typing.Union[slicer.vtkMRMLModelNode, slicer.vtkMRMLTextNode, None]  # noqa: UP007
    angle: Annotated[float, WithinRange(-180, 180), SingleStep(0.5), Decimals(1)] = 30
    rows: Annotated[int, WithinRange(1, 4096)] = 256
    live: bool = True
    name: str = "DRR"
    kind: Annotated[str, Choice(["a", "b"]), Default("b")]
    method: Method = Method.SIDDON
    path: pathlib.Path = pathlib.Path("a/b")


@pytest.fixture
def node():
    return slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")


@pytest.fixture
def parameters(node):
    return Parameters(node)


def test_text_format_is_slicers(node, parameters):
    texts = {name: node.GetParameter(name) for name in node.GetParameterNames()}
    assert texts == {"volume": "", "anything": "", "angle": "30", "rows": "256", "live": "True", "name": "DRR", "kind": "b",
                     "method": "SIDDON", "path": str(pathlib.Path("a/b"))}  # fmt: skip


def test_values_come_back_with_their_types(node, parameters):
    parameters.angle, parameters.live, parameters.method = 12.5, False, Method.JOSEPH
    again = Parameters(node)
    assert (again.angle, again.live, again.method, again.path) == (12.5, False, Method.JOSEPH, pathlib.Path("a/b"))
    assert isinstance(again.rows, int)


def test_nodes_are_references(node, parameters):
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    parameters.volume = volume
    assert node.GetNodeReferenceID("volume") == volume.GetID()
    slicer.mrmlScene.RemoveNode(volume)
    assert parameters.volume is None


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [("angle", 181, ValueError), ("angle", "12", TypeError), ("rows", 1.5, TypeError), ("kind", "c", ValueError),
     ("method", "joseph", TypeError), ("volume", "a volume", TypeError), ("angel", 3, AttributeError)],
)  # fmt: skip
def test_wrong_values_are_refused_and_change_nothing(parameters, name, value, error):
    with pytest.raises(error, match=r"Value|type|angel"):
        setattr(parameters, name, value)
    assert (parameters.angle, parameters.rows, parameters.kind, parameters.method) == (30, 256, "b", Method.SIDDON)


def test_unsupported_types_are_refused():
    with pytest.raises(TypeError, match="bytes"):
        parameterNodeWrapper(type("Bad", (), {"__annotations__": {"data": bytes}}))


@pytest.fixture
def panel(parameters):
    panel = qt.QWidget()
    classes = {"angle": ctk.ctkSliderWidget, "rows": qt.QSpinBox, "live": qt.QCheckBox, "name": qt.QLineEdit, "kind": qt.QComboBox,
               "method": qt.QComboBox, "path": ctk.ctkPathLineEdit, "volume": slicer.qMRMLNodeComboBox}  # fmt: skip
    layout = qt.QVBoxLayout(panel)
    for name, cls in classes.items():
        widget = cls()
        widget.objectName = name
        widget.setProperty("SlicerParameterName", name)
        layout.addWidget(widget)
    panel.volume.setMRMLScene(slicer.mrmlScene)
    tag = parameters.connectGui(panel)
    yield panel
    parameters.disconnectGui(tag)
    panel.volume.setMRMLScene(None)


def test_widgets_show_the_values(panel):
    angle = panel.angle
    assert (angle.value, angle.minimum, angle.maximum, angle.singleStep, angle.decimals) == (30, -180, 180, 0.5, 1)
    assert (panel.rows.value, panel.rows.maximum, panel.live.checked, panel.kind.currentText) == (256, 4096, True, "b")
    assert [panel.method.itemText(row) for row in range(panel.method.count)] == ["Joseph", "Siddon"]
    assert panel.path.currentPath == str(pathlib.Path("a/b"))


def test_widgets_write_the_values_and_follow_them(panel, parameters):
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    panel.angle.value, panel.rows.value, panel.live.checked, panel.method.currentIndex = 45.5, 512, False, 0
    panel.volume.setCurrentNode(volume)
    assert (parameters.angle, parameters.rows, parameters.live, parameters.method) == (45.5, 512, False, Method.JOSEPH)
    assert parameters.volume is volume
    parameters.angle, parameters.name, parameters.volume = -5, "other", None
    assert (panel.angle.value, panel.findChild(qt.QLineEdit, "name").text) == (-5, "other")
    assert panel.volume.currentNode() is None


def test_a_slider_needs_a_range_and_a_widget_its_type(parameters):
    slider = ctk.ctkSliderWidget()
    with pytest.raises(RuntimeError, match="ctkSliderWidget"):
        parameters.connectParametersToGui({"name": slider})
    with pytest.raises(ValueError, match="angel"):
        parameters.connectParametersToGui({"angel": slider})
