"""The CTK widgets that modules use, as small PySide6 widgets: CTK's properties, signals and (roughly) its looks."""

import types

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Qt, Signal

from .pythonqt import hostClass, prop

ctk = types.ModuleType("ctk")


def ctkClass(cls):
    setattr(ctk, cls.__name__, cls)
    return hostClass(cls)


@ctkClass
class ctkSettings(QtCore.QSettings):
    pass


@ctkClass
class ctkCheckBox(QtWidgets.QCheckBox):
    pass


@ctkClass
class ctkMessageBox(QtWidgets.QMessageBox):
    pass


@ctkClass
class ctkDoubleSpinBox(QtWidgets.QDoubleSpinBox):
    pass


@ctkClass
class ctkComboBox(QtWidgets.QComboBox):
    defaultText, setDefaultText = prop("defaultText", "")

    def _changed(self, name):
        self.setPlaceholderText(self.defaultText)


def paintHeader(widget, rectangle, text, collapsed):
    """The grey bar with an arrow of Slicer's collapsible sections."""
    painter = QtGui.QPainter(widget)
    painter.setRenderHint(QtGui.QPainter.Antialiasing)
    painter.setPen(widget.palette.mid().color())
    painter.setBrush(widget.palette.button().color().darker(104))
    painter.drawRoundedRect(rectangle.adjusted(0, 0, -1, -1), 3, 3)
    arrow = QtWidgets.QStyleOption()
    arrow.rect = QtCore.QRect(rectangle.left() + 7, rectangle.center().y() - 4, 9, 9)
    arrow.palette = widget.palette
    arrow.state = QtWidgets.QStyle.State_Enabled
    shape = QtWidgets.QStyle.PE_IndicatorArrowRight if collapsed else QtWidgets.QStyle.PE_IndicatorArrowDown
    widget.style().drawPrimitive(shape, arrow, painter, widget)
    painter.setPen(widget.palette.buttonText().color())
    painter.drawText(rectangle.adjusted(24, 0, -6, 0), Qt.AlignVCenter | Qt.AlignLeft, text)
    painter.end()


class Collapsible:
    """What ctkCollapsibleButton and ctkCollapsibleGroupBox share: hiding the children that were visible."""

    headerHeight = 24

    def _showContents(self, shown):
        children = [child for child in self.children() if isinstance(child, QtWidgets.QWidget)]
        if not shown:
            self._hiddenChildren = [child for child in children if not child.isHidden()]
        for child in self._hiddenChildren:
            child.setVisible(shown)
        if shown:
            self._hiddenChildren = []
        self.setMaximumHeight(16777215 if shown else self.headerHeight)
        self.updateGeometry()
        self.update()

    def childEvent(self, event):
        """Children that come after the section was collapsed, as in .ui files."""
        child = event.child()
        late = event.polished() and isinstance(child, QtWidgets.QWidget)
        if late and "_hiddenChildren" in self.__dict__ and self.collapsed:
            self._hiddenChildren.append(child)
            child.setVisible(False)

    def sizeHint(self):
        return self._bounded(self.layout().totalSizeHint() if self.layout() else QtCore.QSize())

    def minimumSizeHint(self):
        return self._bounded(self.layout().totalMinimumSize() if self.layout() else QtCore.QSize())

    def _bounded(self, size):
        return QtCore.QSize(max(size.width(), 60), self.headerHeight if self.collapsed else max(size.height(), self.headerHeight))


@ctkClass
class ctkCollapsibleButton(Collapsible, QtWidgets.QAbstractButton):
    contentsCollapsed = Signal(bool)

    def __init__(self, text="", parent=None):
        super().__init__(parent if isinstance(text, str) else text)
        self._hiddenChildren = []
        self.setText(text if isinstance(text, str) else "")
        self.setCheckable(True)
        self.setChecked(True)
        self.setContentsMargins(0, self.headerHeight, 0, 0)
        self.setSizePolicy(QtWidgets.QSizePolicy.Preferred, QtWidgets.QSizePolicy.Preferred)
        self.toggled.connect(self._toggled)

    def setCollapsed(self, collapsed):
        self.setChecked(not collapsed)

    collapsed = QtCore.Property(bool, lambda self: not self.isChecked(), setCollapsed)

    def _toggled(self, checked):
        self._showContents(checked)
        self.contentsCollapsed.emit(not checked)

    def hitButton(self, position):
        return position.y() < self.headerHeight

    def paintEvent(self, event):
        paintHeader(self, QtCore.QRect(0, 0, self.width, self.headerHeight - 2), self.text, self.collapsed)


@ctkClass
class ctkCollapsibleGroupBox(Collapsible, QtWidgets.QGroupBox):
    headerHeight = 20

    def __init__(self, title="", parent=None):
        super().__init__(parent if isinstance(title, str) else title)
        self._hiddenChildren = []
        self.setTitle(title if isinstance(title, str) else "")
        self.setCheckable(True)
        self.toggled.connect(self._showContents)

    def setCollapsed(self, collapsed):
        self.setChecked(not collapsed)

    collapsed = QtCore.Property(bool, lambda self: not self.isChecked(), setCollapsed)

    def paintEvent(self, event):
        painter = QtGui.QPainter(self)
        if not self.collapsed:
            painter.setPen(self.palette.mid().color())
            painter.drawRect(QtCore.QRect(0, self.headerHeight // 2, self.width - 1, self.height - self.headerHeight // 2 - 1))
        painter.end()
        width = self.fontMetrics().horizontalAdvance(self.title) + 34
        paintHeader(self, QtCore.QRect(6, 0, min(width, self.width - 12), self.headerHeight - 1), self.title, self.collapsed)


@ctkClass
class ctkSliderWidget(QtWidgets.QWidget):
    valueChanged = Signal(float)
    valueIsChanging = Signal(float)
    minimum, setMinimum = prop("minimum", 0.0)
    maximum, setMaximum = prop("maximum", 99.99)
    value, setValue = prop("value", 0.0)
    singleStep, setSingleStep = prop("singleStep", 1.0)
    pageStep, setPageStep = prop("pageStep", 10.0)
    decimals, setDecimals = prop("decimals", 2)
    suffix, setSuffix = prop("suffix", "")
    prefix, setPrefix = prop("prefix", "")
    tracking, setTracking = prop("tracking", True)

    def __init__(self, parent=None):
        super().__init__(parent)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._slider, self._spinBox = QtWidgets.QSlider(Qt.Horizontal), ctkDoubleSpinBox()
        layout.addWidget(self._slider, 1)
        layout.addWidget(self._spinBox)
        self._slider.valueChanged.connect(self._slid)
        self._slider.sliderReleased.connect(lambda: self.setValue(self._ofStep(self._slider.value)))
        self._spinBox.valueChanged.connect(self._typed)
        self._updating, self._emitted = False, 0.0
        self._changed("value")

    def setRange(self, minimum, maximum):
        self.setMinimum(minimum)
        self.setMaximum(maximum)

    def _ofStep(self, step):
        return min(self.minimum + step * self.singleStep, self.maximum)

    def _slid(self, step):
        if self._updating:
            return
        value = self._ofStep(step)
        if self._slider.sliderDown:
            self.valueIsChanging.emit(value)
        if self.tracking or not self._slider.sliderDown:
            self.setValue(value)

    def _typed(self, value):
        if not self._updating:
            self.setValue(value)

    def _changed(self, name):
        value = min(max(self.value, self.minimum), self.maximum)
        self.__dict__["_value"] = value
        self._updating = True
        self._showIn(self._spinBox, value)
        step = self.singleStep or 1.0
        self._slider.setRange(0, int(min(round((self.maximum - self.minimum) / step), 2**31 - 1)))
        self._slider.setPageStep(max(1, round(self.pageStep / step)))
        self._slider.setValue(round((value - self.minimum) / step))
        self._updating = False
        if value != self._emitted:
            self._emitted = value
            self.valueChanged.emit(value)

    def _showIn(self, spinBox, value):
        """Touches only what differs: a spin box rewrites its text while the user types when it is told the same value again."""
        for name in ("decimals", "minimum", "maximum", "singleStep", "prefix", "suffix"):
            if getattr(spinBox, name) != getattr(self, name):
                setattr(spinBox, name, getattr(self, name))
        if spinBox.value != round(value, self.decimals):
            spinBox.setValue(value)

    def spinBox(self):
        return self._spinBox

    def slider(self):
        return self._slider


@ctkClass
class ctkColorPickerButton(QtWidgets.QPushButton):
    colorChanged = Signal(QtGui.QColor)
    color, setColor = prop("color", QtGui.QColor(0, 0, 0))
    displayColorName, setDisplayColorName = prop("displayColorName", True)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._shown = self.color
        self.clicked.connect(self.changeColor)
        self._changed("color")

    def changeColor(self):
        chosen = QtWidgets.QColorDialog.getColor(self.color, self)
        if chosen.isValid():
            self.setColor(chosen)

    def _changed(self, name):
        swatch = QtGui.QPixmap(16, 16)
        swatch.fill(self.color)
        self.setIcon(QtGui.QIcon(swatch))
        self.setText(self.color.name() if self.displayColorName else "")
        if self.color != self._shown:
            self._shown = self.color
            self.colorChanged.emit(self.color)


@ctkClass
class ctkPathLineEdit(QtWidgets.QWidget):
    currentPathChanged = Signal(str)
    Dirs, Files, Readable, Writable, Executable, Hidden = 0x1, 0x2, 0x10, 0x20, 0x40, 0x100  # QDir.Filter
    NoDot, NoDotDot, NoDotAndDotDot = 0x2000, 0x4000, 0x6000
    currentPath, setCurrentPath = prop("currentPath", "")
    settingKey, setSettingKey = prop("settingKey", "")
    nameFilters, setNameFilters = prop("nameFilters", [])
    filters, setFilters = prop("filters", 0x2 | 0x6000)

    def __init__(self, parent=None):
        super().__init__(parent)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._edit, button = QtWidgets.QLineEdit(), QtWidgets.QToolButton()
        button.setText("…")
        layout.addWidget(self._edit, 1)
        layout.addWidget(button)
        self._shown = ""
        self._edit.textChanged.connect(self.setCurrentPath)
        button.clicked.connect(self.browse)

    def browse(self):
        if self.filters & self.Dirs:
            path = QtWidgets.QFileDialog.getExistingDirectory(self, "", self.currentPath)
        elif self.filters & self.Writable:
            path, _ = QtWidgets.QFileDialog.getSaveFileName(self, "", self.currentPath, ";;".join(self.nameFilters))
        else:
            path, _ = QtWidgets.QFileDialog.getOpenFileName(self, "", self.currentPath, ";;".join(self.nameFilters))
        if path:
            self.setCurrentPath(path)

    def addCurrentPathToHistory(self):
        """CTK keeps a history in the settings; the host has none to show."""

    def _changed(self, name):
        if self.currentPath != self._shown:
            self._shown = self.currentPath
            self._edit.setText(self.currentPath)
            self.currentPathChanged.emit(self.currentPath)
