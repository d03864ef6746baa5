"""Which widget shows which parameter: the pairs of Slicer's parameter node wrapper, chosen by the exact class of the widget."""

import enum
import pathlib
import sys
import typing

import slicer
from PySide6 import QtWidgets

_INTEGER = 2**31


class Connector(typing.NamedTuple):
    """Reads and writes the widget's value; `signal` tells of changes (None: the widget only shows)."""

    read: typing.Callable
    write: typing.Callable
    signal: object


def bind(widget, parameter):
    """Prepares the widget (range, items, node types) and returns its Connector; RuntimeError for a pair that Slicer has not."""
    notes = {type(note).__name__: note.value for note in parameter.notes if type(note).__name__ in ("SingleStep", "Decimals")}
    if "SingleStep" in notes:
        widget.singleStep = notes["SingleStep"]
    if "Decimals" in notes:
        widget.decimals = notes["Decimals"]
    for classes, accepts, connect in _table():
        if type(widget) in classes and accepts(parameter):
            return connect(widget, parameter)
    raise RuntimeError(f"Slicer cannot connect parameter '{parameter.name}' ({parameter.type}) to a {type(widget).__name__}.")


def _table():
    q, ctk = QtWidgets, sys.modules["ctk"]
    sliders = (q.QSlider, ctk.ctkSliderWidget, slicer.qMRMLSliderWidget)
    boxes = (q.QSpinBox, q.QDoubleSpinBox, ctk.ctkDoubleSpinBox, slicer.qMRMLSpinBox)
    return (
        ((slicer.qMRMLNodeComboBox,), lambda p: p.isNode, _node),
        ((q.QCheckBox, ctk.ctkCheckBox, q.QPushButton), lambda p: p.type is bool, _checked),
        ((*sliders, *boxes), lambda p: p.type in (int, float), _number),
        ((q.QComboBox, ctk.ctkComboBox), _hasChoices, _choice),
        ((q.QLineEdit,), lambda p: p.type is str, _lineEdit),
        ((q.QTextEdit,), lambda p: p.type is str, _textEdit),
        ((q.QLabel,), lambda p: p.type is str, _label),
        ((ctk.ctkPathLineEdit,), lambda p: not p.isNode and issubclass(p.type, pathlib.PurePath), _path),
    )


def _hasChoices(parameter):
    return any(hasattr(note, "choices") for note in parameter.notes) or not parameter.isNode and issubclass(parameter.type, enum.Enum)


def _node(widget, parameter):
    widget.nodeTypes = [cls.__name__ for cls in parameter.nodeClasses]
    return Connector(widget.currentNode, widget.setCurrentNode, widget.currentNodeChanged)


def _checked(widget, parameter):
    if type(widget) is QtWidgets.QPushButton:
        widget.setCheckable(True)
    return Connector(lambda: widget.checked, widget.setChecked, widget.toggled)


def _number(widget, parameter):
    low, high = parameter.limits()
    if float("inf") in (-low, high) and "Slider" in type(widget).__name__:
        raise RuntimeError(f"Parameter '{parameter.name}': a slider needs a WithinRange annotation.")
    if type(widget) in (QtWidgets.QSlider, QtWidgets.QSpinBox):
        low, high = int(max(low, -_INTEGER)), int(min(high, _INTEGER - 1))
    widget.setMinimum(low)
    widget.setMaximum(high)
    return Connector(lambda: parameter.type(widget.value), widget.setValue, widget.valueChanged)


def _choice(widget, parameter):
    choices = next((note.choices for note in parameter.notes if hasattr(note, "choices")), None)
    values = list(choices or parameter.type)
    widget.clear()
    for value in values:
        named = value.label() if hasattr(value, "label") else value.name if isinstance(value, enum.Enum) else str(value)
        widget.addItem(named)
    return Connector(lambda: values[widget.currentIndex], lambda v: widget.setCurrentIndex(values.index(v)), widget.currentIndexChanged)


def _lineEdit(widget, parameter):
    return Connector(lambda: widget.text, lambda text: text == widget.text or widget.setText(text), widget.textChanged)


def _textEdit(widget, parameter):
    return Connector(widget.toPlainText, lambda text: text == widget.toPlainText() or widget.setPlainText(text), widget.textChanged)


def _label(widget, parameter):
    return Connector(lambda: widget.text, widget.setText, None)


def _path(widget, parameter):
    return Connector(
        lambda: parameter.type(widget.currentPath), lambda path: widget.setCurrentPath(str(path)), widget.currentPathChanged
    )
