"""slicer.ScriptedLoadableModule: the base classes of module, widget, logic and test."""

import logging
import os
import sys
import unittest

import slicer
from PySide6 import QtWidgets


class ScriptedLoadableModule:
    def __init__(self, parent):
        super().__init__()  # cooperative: VTKObservationMixin may follow
        self.parent, self.moduleName = parent, type(self).__name__
        slicer.selfTests[self.moduleName] = self.runTest

    def resourcePath(self, filename):
        return os.path.join(os.path.dirname(self.parent.path), "Resources", filename)

    def getDefaultModuleDocumentationLink(self, docPage=None):
        return f'<a href="{slicer.app.moduleDocumentationUrl(docPage or self.moduleName)}">documentation</a>'

    def runTest(self, msec=100, **options):
        test = getattr(sys.modules[type(self).__module__], self.moduleName + "Test")()
        test.messageDelay = msec
        test.runTest(**options)


class ScriptedLoadableModuleWidget:
    def __init__(self, parent=None):
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = slicer.util.settingsValue("Developer/DeveloperMode", False, converter=slicer.util.toBool)
        self.parent = parent or self._ownParent()
        self.layout = self.parent.layout()
        slicer.app.moduleManager().connect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)
        if parent is None:
            self.setup()
            self.parent.show()

    @staticmethod
    def _ownParent():
        widget = slicer.qMRMLWidget()
        QtWidgets.QVBoxLayout(widget)
        widget.setMRMLScene(slicer.mrmlScene)
        return widget

    def resourcePath(self, filename):
        return os.path.join(os.path.dirname(slicer.util.modulePath(self.moduleName)), "Resources", filename)

    def setup(self):
        """Slicer adds its "Reload & Test" section here in developer mode; the host has no such mode."""

    def cleanup(self):
        pass

    def _onModuleAboutToBeUnloaded(self, name):
        if name == self.moduleName:
            self.cleanup()
            slicer.app.moduleManager().disconnect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def onReload(self):
        slicer.util.reloadScriptedModule(self.moduleName)


class ScriptedLoadableModuleLogic:
    def __init__(self, parent=None):
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getAllParameterNodes(self):
        nodes = slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")
        return [node for node in nodes if node.GetAttribute("ModuleName") == self.moduleName]

    def getParameterNode(self):
        if self.isSingletonParameterNode:
            node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
            if node:
                node.SetAttribute("ModuleName", self.moduleName)  # closing the scene took it away
                return node
        elif self.getAllParameterNodes():
            return self.getAllParameterNodes()[0]
        return slicer.mrmlScene.AddNode(self.createParameterNode())

    def createParameterNode(self):
        node = slicer.vtkMRMLScriptedModuleNode()
        if self.isSingletonParameterNode:
            node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    messageDelay, enableScreenshots, screenshotScaleFactor = 0, False, 1.0

    def __init__(self, methodName="runTest"):
        super().__init__(methodName)

    def delayDisplay(self, message, requestedDelay=None, msec=None):
        logging.info(message)
        slicer.app.processEvents()

    def takeScreenshot(self, name, description, type=-1):
        self.delayDisplay(description)

    def runTest(self):
        for name in sorted(name for name in dir(self) if name.startswith("test") and callable(getattr(self, name))):
            self.setUp()
            getattr(self, name)()
            self.tearDown()


def runUnitTest(folders, name):
    """slicer.testing.runUnitTest: raises when a test of the Python module `name` fails."""
    sys.path.extend([folders] if isinstance(folders, str) else folders)
    result = unittest.TextTestRunner(verbosity=2).run(unittest.TestLoader().loadTestsFromName(name))
    if not result.wasSuccessful():
        raise RuntimeError(f"The tests of {name} failed.")


EXPORTS = (ScriptedLoadableModule, ScriptedLoadableModuleWidget, ScriptedLoadableModuleLogic, ScriptedLoadableModuleTest)
