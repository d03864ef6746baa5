"""What Slicer only prints, or what a test would not notice, is an error in the stand-in."""

import subprocess
import sys
import threading
from pathlib import Path

import ctk
import pytest
import qt
import slicer
from SlicerHost import driving
from SlicerHost.signals import expectedErrors

FORM = """<ui version="4.0"><class>Form</class><widget class="qMRMLWidget" name="Form"><layout class="QVBoxLayout">
<item><widget class="{cls}" name="first">{property}</widget></item></layout></widget>
<connections><connection><sender>Form</sender><signal>mrmlSceneChanged(vtkMRMLScene*)</signal>
<receiver>{receiver}</receiver><slot>setMRMLScene(vtkMRMLScene*)</slot></connection></connections></ui>"""


def load(tmp_path, cls="qMRMLNodeComboBox", property="", receiver="first"):
    path = tmp_path / "form.ui"
    path.write_text(FORM.format(cls=cls, property=property, receiver=receiver))
    return slicer.util.loadUI(str(path))


@pytest.mark.parametrize("make", [qt.QPushButton, ctk.ctkSliderWidget, ctk.ctkCollapsibleButton, slicer.qMRMLNodeComboBox, qt.QTimer])
def test_unknown_attributes_cannot_be_set_or_read(make):
    widget = make()
    with pytest.raises(AttributeError, match="txet"):
        widget.txet = "typing error"
    with pytest.raises(AttributeError, match="txet"):
        widget.txet  # noqa: B018


def test_unknown_signals_cannot_be_connected():
    with pytest.raises(AttributeError, match="valueChange"):
        ctk.ctkSliderWidget().connect("valueChange(double)", print)
    with pytest.raises(AttributeError, match="vtkMRMLScene"):
        slicer.qMRMLNodeComboBox().connect("currentNodeChanged(vtkMRMLScene*)", print)


def test_exceptions_in_slots_and_observers_are_recorded():
    button, node = qt.QPushButton(), slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode")
    button.connect("clicked(bool)", lambda checked: 1 / 0)
    button.clicked.connect(lambda: [].pop())
    node.AddObserver("ModifiedEvent", lambda *_: {}["missing"])
    qt.QTimer.singleShot(0, lambda: int("x"))
    with expectedErrors() as errors:
        button.click()
        node.Modified()
        driving.process(0.05)
    assert [text.strip().splitlines()[-1].split(":")[0] for text in errors] == ["ZeroDivisionError", "IndexError", "KeyError", "ValueError"]


def test_exceptions_in_threads_are_recorded():
    with expectedErrors() as errors:
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
    assert len(errors) == 1
    assert "ZeroDivisionError" in errors[0]


def test_slot_errors_fail_the_launcher(tmp_path):
    code = "import qt; b = qt.QPushButton(); b.connect('clicked()', lambda: 1 / 0); b.click()"
    command = [sys.executable, "-m", "SlicerHost", "--testing", "--no-main-window", "--python-code", code]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


def test_form_with_a_selector_gets_the_scene(tmp_path):
    form = load(tmp_path)
    form.setMRMLScene(slicer.mrmlScene)
    assert slicer.util.childWidgetVariables(form).first.mrmlScene() is slicer.mrmlScene


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cls": "qMRMLNoSuchWidget"}, "qMRMLNoSuchWidget"),
        ({"receiver": "second"}, "missing widget"),
        ({"property": '<property name="noneEnable"><bool>true</bool></property>'}, "noneEnable"),
    ],
)
def test_mistakes_in_forms_are_refused(tmp_path, change, message):
    with pytest.raises(RuntimeError, match=message):
        load(tmp_path, **change)


def test_flags_of_custom_widgets_are_understood(tmp_path):
    flags = "ctkPathLineEdit::Files|ctkPathLineEdit::Writable"
    form = load(tmp_path, "ctkPathLineEdit", f'<property name="filters"><set>{flags}</set></property>', "Form")
    assert form.findChild(ctk.ctkPathLineEdit, "first").filters == 0x22


def test_unknown_module_metadata_is_refused():
    from SlicerHost.modules import Module

    with pytest.raises(AttributeError, match="titel"):
        Module("Test").titel = "x"


def test_hidden_and_disabled_widgets_cannot_be_clicked():
    button = qt.QPushButton("hidden")
    with pytest.raises(AssertionError, match="not visible"):
        driving.click(button)
    button.show()
    button.enabled = False
    with pytest.raises(AssertionError, match="disabled"):
        driving.click(button)
