"""slicer.app: the application object with the MRML scene and the logics behind it."""

import shutil
import tempfile
import types

import slicer
import vtk
from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Signal

from .ctkwidgets import ctk
from .iomanager import IOManager
from .modules import LOGICS, Module, ModuleManager

_IN_SUBJECT_HIERARCHY = ("vtkMRMLDisplayableNode", "vtkMRMLSequenceBrowserNode", "vtkMRMLTextNode", "vtkMRMLTableNode")


class qSlicerApplication(QtWidgets.QApplication):
    startupCompleted = Signal()
    mrmlSceneChanged = Signal(object)
    _signals_ = {"mrmlSceneChanged": {"vtkMRMLScene*"}}

    def __init__(self, testing=True):
        self._folder = tempfile.mkdtemp(prefix="SlicerHost-")
        QtCore.QSettings.setDefaultFormat(QtCore.QSettings.IniFormat)
        QtCore.QSettings.setPath(QtCore.QSettings.IniFormat, QtCore.QSettings.UserScope, self._folder)
        super().__init__(["Slicer"])
        QtCore.QCoreApplication.setApplicationName("Slicer")
        self.setStyle("Fusion")
        self._testing, self._layoutManager, self._mainWindow = testing, None, None
        slicer.mrmlScene = self._makeScene()
        self._logic = self._makeApplicationLogic()
        self._makeRemoteIO()
        slicer.modules = types.SimpleNamespace()
        for name, className in LOGICS.items():
            self._addModuleLogic(name, getattr(slicer, className)())
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(slicer.mrmlScene, True)
        self._modules, self._io = ModuleManager(), IOManager()
        slicer.mrmlScene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, self._nodeAdded)
        slicer.mrmlScene.AddObserver(slicer.vtkMRMLScene.EndImportEvent, self._imported)

    def _makeScene(self):
        scene = slicer.vtkMRMLScene()
        crosshair = slicer.vtkMRMLCrosshairNode()
        crosshair.SetCrosshairName("default")
        scene.AddNode(crosshair)
        return scene

    def _makeApplicationLogic(self):
        logic = slicer.vtkSlicerApplicationLogic()
        logic.SetTemporaryPath(self._folder)
        logic.SetMRMLScene(slicer.mrmlScene)
        logic.SetSliceLogics(vtk.vtkCollection())
        logic.SetViewLogics(vtk.vtkCollection())
        return logic

    def _makeRemoteIO(self):
        """Without it the scene cannot read .mrb files."""
        self._remote = slicer.vtkMRMLRemoteIOLogic()
        self._remote.SetMRMLApplicationLogic(self._logic)
        self._remote.SetMRMLScene(slicer.mrmlScene)
        self._remote.GetCacheManager().SetRemoteCacheDirectory(self._folder)
        self._data = slicer.vtkDataIOManagerLogic()
        self._data.SetMRMLApplicationLogic(self._logic)
        self._data.SetMRMLScene(slicer.mrmlScene)
        self._data.SetAndObserveDataIOManager(self._remote.GetDataIOManager())
        self._remote.AddDataIOToScene()

    def _addModuleLogic(self, name, logic):
        logic.SetMRMLApplicationLogic(self._logic)
        logic.SetMRMLScene(slicer.mrmlScene)
        self._logic.SetModuleLogic(name, logic)
        setattr(slicer.modules, name.lower(), Module(name, logic))

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _nodeAdded(self, scene, event, node):
        if not scene.IsBatchProcessing():
            self._addToSubjectHierarchy(node)

    def _imported(self, scene, event):
        for index in range(scene.GetNumberOfNodes()):
            self._addToSubjectHierarchy(scene.GetNthNode(index))

    @staticmethod
    def _addToSubjectHierarchy(node):
        """In Slicer the plugins of the subject hierarchy do this; they are Qt classes and not in the wheel."""
        hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
        shown = any(node.IsA(name) for name in _IN_SUBJECT_HIERARCHY) and not node.GetHideFromEditors()
        if hierarchy and shown and not hierarchy.GetItemByDataNode(node):
            hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)

    # -- qSlicerCoreApplication's API
    applicationName = property(lambda self: "Slicer")
    temporaryPath = property(lambda self: self._folder)
    slicerHome = property(lambda self: self._folder)
    majorVersion, minorVersion, revision = 5, 12, "host"
    documentationBaseUrl = "https://slicer.readthedocs.io/en/latest/"

    def applicationLogic(self):
        return self._logic

    def moduleLogic(self, name):
        return self._logic.GetModuleLogic(name)

    def mrmlScene(self):
        return slicer.mrmlScene

    def moduleManager(self):
        return self._modules

    def coreIOManager(self):
        return self._io

    ioManager = coreIOManager

    def layoutManager(self):
        return self._layoutManager

    def testingEnabled(self):
        return self._testing

    def commandOptions(self):
        return types.SimpleNamespace(noMainWindow=self._mainWindow is None, testingEnabled=self._testing, runPythonAndExit=False)

    def userSettings(self):
        return ctk.ctkSettings()

    settings = userSettings

    def pauseRender(self):
        if self._layoutManager:
            self._layoutManager.setRenderPaused(True)

    def resumeRender(self):
        if self._layoutManager:
            self._layoutManager.setRenderPaused(False)

    def moduleDocumentationUrl(self, name):
        return self.documentationBaseUrl + name

    def restart(self):
        raise RuntimeError("slicer.app.restart() was called: the host cannot restart.")

    def removeTemporaryFiles(self):
        shutil.rmtree(self._folder, ignore_errors=True)
