"""CTK and MRML widgets behave as in Slicer where the probe does not ask."""

import ctk
import pytest
import qt
import slicer
from SlicerHost import driving


def shown(widget):
    widget.resize(300, 60)
    widget.show()
    driving.process()
    return widget


def test_collapsible_button_hides_what_was_visible():
    section = ctk.ctkCollapsibleButton("Section")
    layout = qt.QVBoxLayout(section)
    visible, hidden = qt.QLabel("visible"), qt.QLabel("hidden")
    layout.addWidget(visible)
    layout.addWidget(hidden)
    hidden.hide()
    heard = []
    section.connect("contentsCollapsed(bool)", heard.append)
    shown(section)
    driving.click(section)
    assert section.collapsed
    assert not visible.isVisible()
    driving.click(section)
    driving.click(section, (50, section.headerHeight + 5))  # below the header
    assert not section.collapsed
    assert visible.isVisible()
    assert not hidden.isVisible()
    assert heard == [True, False]


def test_collapsible_group_box():
    box = ctk.ctkCollapsibleGroupBox("Group")
    child = qt.QLabel("child")
    qt.QVBoxLayout(box).addWidget(child)
    box.collapsed = True
    shown(box)
    assert not child.isVisible()
    box.setChecked(True)
    assert child.isVisible()
    assert not box.collapsed


def test_slider_and_spin_box_of_a_slider_widget_follow_each_other():
    widget = shown(ctk.ctkSliderWidget())
    widget.setRange(-10, 10)
    widget.singleStep = 0.5
    heard = []
    widget.connect("valueChanged(double)", heard.append)
    driving.type_text(widget.spinBox(), "2.5")
    widget.slider().setValue(widget.slider().value + 1)
    assert heard == [2.0, 2.5, 3.0]  # the first key is a value already
    assert widget.spinBox().value == 3.0


def test_slider_widget_without_tracking_changes_at_release():
    widget = shown(ctk.ctkSliderWidget())
    widget.tracking = False
    changed, changing = [], []
    widget.connect("valueChanged(double)", changed.append)
    widget.connect("valueIsChanging(double)", changing.append)
    slider = widget.slider()
    slider.setSliderDown(True)
    slider.setSliderPosition(7)
    assert (changed, changing) == ([], [7.0])
    slider.setSliderDown(False)
    assert changed == [7.0]


def test_colour_button():
    button = ctk.ctkColorPickerButton()
    heard = []
    button.connect("colorChanged(QColor)", lambda colour: heard.append(colour.name()))
    button.color = qt.QColor(255, 0, 0)
    button.setColor(qt.QColor(255, 0, 0))
    assert heard == ["#ff0000"]
    assert button.text == "#ff0000"


def test_path_line_edit():
    edit = shown(ctk.ctkPathLineEdit())
    heard = []
    edit.connect("currentPathChanged(QString)", heard.append)
    driving.type_text(edit, "/a/b")
    assert edit.currentPath == heard[-1] == "/a/b"


def test_coordinates_widget():
    widget = slicer.qMRMLCoordinatesWidget()
    heard = []
    widget.connect("coordinatesChanged(double*)", lambda values: heard.append(list(values)))
    widget.coordinates = "1,2,3.5"
    widget.setCoordinates(1, 2, 3.5)
    assert widget.coordinates == "1,2,3.5"
    assert heard == [[1.0, 2.0, 3.5]]


@pytest.fixture
def selector():
    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    selector.noneEnabled = True
    selector.setMRMLScene(slicer.mrmlScene)
    yield selector
    selector.setMRMLScene(None)


def items(selector):
    box = selector.comboBox()
    return [box.itemText(row) for row in range(box.count)]


def test_node_selector_lists_derived_classes_unless_told_otherwise(selector):
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "ct")
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    assert {"ct", "labels"} <= set(items(selector))
    selector.showChildNodeTypes = False
    assert "labels" not in items(selector)


def test_node_selector_follows_names_attributes_and_hidden_nodes(selector):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "old")
    node.SetName("new")
    assert "new" in items(selector)
    selector.addAttribute("vtkMRMLScalarVolumeNode", "kind", "drr")
    assert "new" not in items(selector)
    hidden = slicer.vtkMRMLScalarVolumeNode()
    hidden.SetName("hidden")
    hidden.SetAttribute("kind", "drr")
    hidden.SetHideFromEditors(True)
    slicer.mrmlScene.AddNode(hidden)
    assert selector.nodeCount() == 0


def test_node_selector_is_used_as_a_user_does(selector):
    selector.baseName = "Radiograph"
    first = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "first")
    driving.choose(selector, "first")
    assert selector.currentNode() is first
    driving.choose(selector, "Create new Volume")
    assert selector.currentNode().GetName() == "Radiograph"
    driving.choose(selector, "Delete current node")
    assert selector.currentNode() is first
    driving.choose(selector, "None")
    assert selector.currentNode() is None


def test_deleted_selector_leaves_the_scene_alone():
    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = ["vtkMRMLModelNode"]
    selector.setMRMLScene(slicer.mrmlScene)
    selector.deleteLater()
    del selector
    driving.process(0.02)
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", "later")  # an observer left behind would be a recorded error


def test_place_widget_starts_and_ends_placing():
    points = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode")
    widget = shown(slicer.qSlicerMarkupsPlaceWidget())
    widget.setMRMLScene(slicer.mrmlScene)
    widget.setCurrentNode(points)
    driving.click(widget.placeButton())
    interaction = slicer.app.applicationLogic().GetInteractionNode()
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    view = slicer.app.layoutManager().sliceWidget("Red").sliceView()
    driving.move(view, (100, 100))
    driving.drag(view, (100, 100), (100, 100), steps=1)
    assert points.GetNumberOfControlPoints() == 1
    assert not widget.placeModeEnabled
