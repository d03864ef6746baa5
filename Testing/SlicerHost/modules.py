"""Modules and their manager: C++ modules have a logic only, scripted ones are loaded from Folder/Name.py as in Slicer."""

import importlib.util
import sys
from pathlib import Path

import slicer
from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Signal

from .mrmlwidgets import mrmlClass, qMRMLWidget

# module -> class of its logic, in the order of dependence
LOGICS = {
    "Units": "vtkSlicerUnitsLogic",
    "Colors": "vtkMRMLColorLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Texts": "vtkSlicerTextsLogic",
    "Cameras": "vtkSlicerCamerasModuleLogic",
    "Models": "vtkSlicerModelsLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Annotations": "vtkSlicerAnnotationModuleLogic",
    "Sequences": "vtkSlicerSequencesLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "VolumeRendering": "vtkSlicerVolumeRenderingLogic",
    "CropVolume": "vtkSlicerCropVolumeLogic",
    "Plots": "vtkSlicerPlotsLogic",
    "SceneViews": "vtkSlicerSceneViewsModuleLogic",
    "ViewControllers": "vtkSlicerViewControllersLogic",
    "Reformat": "vtkSlicerReformatLogic",
    "Data": "vtkSlicerDataModuleLogic",
}


class Module(QtCore.QObject):
    """A module as qSlicerAbstractCoreModule; scripted classes write their metadata into it (`parent.title = ...`)."""

    def __init__(self, name, logic=None, path=""):
        super().__init__()
        self.name = self.title = name
        self.path, self._logic, self._widget = path, logic, None
        self.categories, self.dependencies, self.contributors, self.associatedNodeTypes = [], [], [], []
        self.helpText = self.acknowledgementText = ""
        self.icon, self.hidden, self.index = QtGui.QIcon(), False, -1

    name = None  # not objectName, which `name` is for other objects

    def __setattr__(self, name, value):
        if not (name.startswith("_") or name in self.__dict__ or name in self._metadata):
            raise AttributeError(f"'{name}' does not exist on qSlicerScriptedLoadableModule")
        self.__dict__[name] = value

    _metadata = {"name", "title", "path", "categories", "dependencies", "contributors", "associatedNodeTypes", "helpText",
                 "acknowledgementText", "icon", "hidden", "index", "widgetRepresentationCreationEnabled"}  # fmt: skip

    def logic(self):
        return self._logic

    def mrmlScene(self):
        return slicer.mrmlScene

    def widgetRepresentation(self):
        if self._widget is None and self.path:
            self._widget = self.createNewWidgetRepresentation()
        return self._widget

    def createNewWidgetRepresentation(self):
        widget = qSlicerScriptedLoadableModuleWidget(self)
        widget.reload()
        return widget


class qSlicerScriptedLoadableModule(Module):
    pass


@mrmlClass
class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """The C++ parent of a scripted module's widget class."""

    def __init__(self, module):
        super().__init__()
        self._module, self._python, self._entered = module, None, False
        QtWidgets.QVBoxLayout(self)
        self.setMRMLScene(slicer.mrmlScene)

    def module(self):
        return self._module

    def reload(self):
        name = self._module.name
        self._python = getattr(sys.modules[name], name + "Widget")(self)
        setattr(slicer.modules, name + "Widget", self._python)
        self._python.setup()

    def self(self):
        return self._python

    def isEntered(self):
        return self._entered

    def enter(self):
        self._entered = True
        self._callOptional("enter")

    def exit(self):
        self._entered = False
        self._callOptional("exit")

    def _callOptional(self, name):
        if hasattr(self._python, name):
            getattr(self._python, name)()


class ModuleManager(QtCore.QObject):
    moduleAboutToBeUnloaded = Signal(str)
    moduleLoaded = Signal(str)

    def loadScripted(self, path):
        """Loads Folder/Name.py once as module `Name` and makes its class Name(parent)."""
        path = Path(path).resolve()
        name = path.stem
        python = self._import(name, path)
        module = qSlicerScriptedLoadableModule(name, slicer.vtkSlicerScriptedLoadableModuleLogic(), str(path))
        setattr(slicer.modules, name + "Instance", getattr(python, name)(module))
        setattr(slicer.modules, name.lower(), module)
        self.moduleLoaded.emit(name)
        return module

    @staticmethod
    def _import(name, path):
        if str(path.parent) not in sys.path:
            sys.path.insert(0, str(path.parent))
        known = sys.modules.get(name)
        if known is not None and getattr(known, "__file__", None) == str(path):  # a test file imported it before
            return known
        spec = importlib.util.spec_from_file_location(name, path)
        sys.modules[name] = python = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(python)
        return python

    def module(self, name):
        return getattr(slicer.modules, name.lower(), None)

    def modulesNames(self):
        return tuple(module.name for module in vars(slicer.modules).values() if isinstance(module, Module))
