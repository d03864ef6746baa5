"""What a test does with the application: clicks, drags, types, waits, takes pictures. Positions are (x, y) in a widget's pixels."""

import time

import numpy as np
import slicer
from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest


def process(seconds=0.0):
    """Lets the application run: at least all that is pending, and for so long."""
    end = time.monotonic() + seconds
    slicer.app.processEvents()
    while time.monotonic() < end:
        slicer.app.processEvents()
        time.sleep(0.001)


def wait_until(predicate, seconds=5.0):
    """Lets the application run until `predicate()` is true; AssertionError after so many seconds."""
    end = time.monotonic() + seconds
    while not predicate():
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain for {getattr(predicate, '__name__', predicate)}")
        slicer.app.processEvents()
        time.sleep(0.001)


def click(widget, position=None, button=Qt.LeftButton):
    """Clicks as a user would: AssertionError when the widget is hidden or disabled."""
    assert widget.isVisible(), f"{widget.objectName or widget} is not visible and cannot be clicked"
    assert widget.isEnabled(), f"{widget.objectName or widget} is disabled and cannot be clicked"
    place = QtCore.QPoint(*position) if position else _clickable(widget)
    QTest.mouseClick(widget, button, Qt.NoModifier, place)
    process()


def _clickable(widget):
    """Check boxes react on their box and text, collapsible sections on their header: the left end of the first line."""
    if isinstance(widget, (QtWidgets.QCheckBox, QtWidgets.QRadioButton)):
        return QtCore.QPoint(8, widget.height // 2)
    if hasattr(widget, "headerHeight"):
        return QtCore.QPoint(14, widget.headerHeight // 2)
    return widget.rect.center()


def drag(view, start, end, steps=10, button=Qt.LeftButton):
    """Presses at `start`, moves in `steps` and releases at `end`."""
    (x0, y0), (x1, y1) = start, end
    _mouse(view, QtCore.QEvent.MouseMove, start, Qt.NoButton, Qt.NoButton)
    _mouse(view, QtCore.QEvent.MouseButtonPress, start, button, button)
    for step in range(1, steps + 1):
        share = step / steps
        _mouse(view, QtCore.QEvent.MouseMove, (x0 + share * (x1 - x0), y0 + share * (y1 - y0)), Qt.NoButton, button)
        process()
    _mouse(view, QtCore.QEvent.MouseButtonRelease, end, button, Qt.NoButton)
    process()


def move(view, position):
    """Moves the mouse without a button."""
    _mouse(view, QtCore.QEvent.MouseMove, position, Qt.NoButton, Qt.NoButton)
    process()


def _mouse(widget, kind, position, button, buttons):
    local = QtCore.QPointF(*position)
    event = QtGui.QMouseEvent(kind, local, QtCore.QPointF(widget.mapToGlobal(local)), button, buttons, Qt.NoModifier)
    QtWidgets.QApplication.sendEvent(widget, event)


def type_text(widget, text):
    """Replaces the text of a line edit, spin box or editable combo box and presses Return."""
    assert widget.isEnabled(), f"{widget.objectName or widget} is disabled and takes no text"
    edit = widget if isinstance(widget, QtWidgets.QLineEdit) else widget.findChildren(QtWidgets.QLineEdit)[0]
    edit.setFocus()
    edit.selectAll()
    QTest.keyClicks(edit, text)
    QTest.keyClick(edit, Qt.Key_Return)
    process()


def choose(box, text):
    """Chooses an item of a combo box or node selector by its text, as a user does."""
    box = box.comboBox() if hasattr(box, "comboBox") else box
    row = box.findText(text)
    assert row >= 0, f"no item '{text}' among {[box.itemText(i) for i in range(box.count)]}"
    box.setCurrentIndex(row)
    box.activated.emit(row)
    process()


def position_of(view, ras):
    """(x, y) in the pixels of a 3D or slice view at which a point of the world (RAS, mm) is seen."""
    view.renderWindow().Render()
    if hasattr(view, "mrmlSliceNode"):
        matrix = slicer.util.arrayFromVTKMatrix(view.mrmlSliceNode().GetXYToRAS())
        x, y = np.linalg.solve(matrix, np.append(ras, 1.0))[:2]
    else:
        view.renderer().SetWorldPoint(*ras, 1.0)
        view.renderer().WorldToDisplay()
        x, y, _ = view.renderer().GetDisplayPoint()
    ratio = view.devicePixelRatioF()
    return x / ratio, view.height - y / ratio - 1


def screenshot(path, widget=None):
    """Saves what the main window (or a widget) shows, views included; returns the QImage."""
    process()
    picture = (widget or slicer.util.mainWindow()).grab()
    if not picture.save(str(path)):
        raise OSError(f"could not write the picture {path}")
    return picture.toImage()


def pixels(widget):
    """What a widget shows as a uint8 array [row, column, RGB]."""
    process()
    image = widget.grab().toImage().convertToFormat(QtGui.QImage.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()
