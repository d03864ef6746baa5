"""The main window: module panel at the left, views at the right."""

import types

import slicer
from PySide6 import QtWidgets
from PySide6.QtCore import Qt

from .ctkwidgets import ctkCollapsibleButton
from .layout import LayoutManager
from .modules import qSlicerScriptedLoadableModule

PANEL_WIDTH = 470  # pixels, about what Slicer gives its panel on a usual screen


class MainWindow(QtWidgets.QMainWindow):
    def __init__(self, app):
        super().__init__()
        self.setObjectName("qSlicerMainWindow")
        self.setWindowTitle("3D Slicer stand-in")
        app._mainWindow, app._layoutManager = self, LayoutManager(app.applicationLogic(), slicer.mrmlScene)
        self.setCentralWidget(app._layoutManager.viewport())
        self._current = None
        self._addToolBar(app)
        self._addPanel()
        self.statusBar().showMessage("")

    def _addToolBar(self, app):
        bar = self.addToolBar("Modules")
        bar.setMovable(False)
        bar.addWidget(QtWidgets.QLabel(" Modules: "))
        self._selector = QtWidgets.QComboBox()
        self._selector.setMinimumWidth(220)
        self._selector.activated.connect(lambda row: self.selectModule(self._selector.itemData(row)))
        bar.addWidget(self._selector)
        app.moduleManager().moduleLoaded.connect(self._listModule)

    def _listModule(self, name):
        self._selector.addItem(slicer.app.moduleManager().module(name).title, name)
        self._selector.setCurrentIndex(-1 if self._current is None else self._selector.findData(self._current.module().name))

    def _addPanel(self):
        panel, self._area, self._help = QtWidgets.QWidget(), QtWidgets.QScrollArea(), ctkCollapsibleButton("Help & Acknowledgement")
        self._helpText = QtWidgets.QLabel()
        self._helpText.setWordWrap(True)
        self._helpText.setOpenExternalLinks(True)
        QtWidgets.QVBoxLayout(self._help).addWidget(self._helpText)
        self._help.setCollapsed(True)
        layout = QtWidgets.QVBoxLayout(panel)
        layout.addWidget(self._help)
        layout.addWidget(self._area, 1)
        self._area.setWidgetResizable(True)
        self._area.setFrameShape(QtWidgets.QFrame.NoFrame)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        dock = QtWidgets.QDockWidget("", self)
        dock.setObjectName("PanelDockWidget")
        dock.setTitleBarWidget(QtWidgets.QWidget())
        dock.setWidget(panel)
        self.addDockWidget(Qt.LeftDockWidgetArea, dock)
        self.resizeDocks([dock], [PANEL_WIDTH], Qt.Horizontal)

    def moduleSelector(self):
        selected = self._current.module().name if self._current else ""
        return types.SimpleNamespace(selectModule=self.selectModule, selectedModule=selected)

    def selectModule(self, name):
        module = slicer.app.moduleManager().module(name)
        if not isinstance(module, qSlicerScriptedLoadableModule):
            raise RuntimeError(f"The host has no panel of a module '{name}': only scripted modules that it was started with have one.")
        widget = module.widgetRepresentation()
        if widget is self._current:
            return
        if self._current:
            self._current.exit()
            self._area.takeWidget()
        self._area.setWidget(widget)
        self._helpText.setText(module.helpText + "<p>" + module.acknowledgementText)
        self._selector.setCurrentIndex(self._selector.findData(name))
        self._current = widget
        widget.show()
        widget.enter()
