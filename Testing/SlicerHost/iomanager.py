"""Reading and writing of nodes and scenes behind slicer.util.loadX and saveX."""

import os

import slicer
import vtk
from PySide6 import QtCore
from PySide6.QtCore import Signal

_ENDINGS = {
    "SceneFile": (".mrml", ".mrb"),
    "SegmentationFile": (".seg.nrrd",),
    "SequenceFile": (".seq.nrrd",),
    "MarkupsFile": (".mrk.json", ".fcsv"),
    "ModelFile": (".vtp", ".vtk", ".stl", ".ply", ".obj"),
    "TransformFile": (".h5", ".tfm"),
    "TableFile": (".csv", ".tsv"),
    "TextFile": (".txt", ".json"),
}
_VOLUME_OPTIONS = {"labelmap": 1, "center": 2, "singleFile": 4, "discardOrientation": 16}


class IOManager(QtCore.QObject):
    newSceneLoaded = Signal()
    newFileLoaded = Signal("QVariantMap")

    def fileType(self, path):
        name = str(path).lower()
        return next((kind for kind, endings in _ENDINGS.items() if name.endswith(endings)), "VolumeFile")

    def loadNodes(self, kind, properties, collection=None, messages=None):
        """True when the file became a node (or a scene); the node is added to `collection`."""
        path = properties["fileName"]
        if not os.path.exists(path):
            if messages:
                messages.AddMessage(vtk.vtkCommand.ErrorEvent, f"file not found: {path}")
            return False
        if kind == "SceneFile":
            return self.loadScene(path, properties.get("clear", True))
        name = properties.get("name") or os.path.basename(path).split(".")[0]
        node = getattr(self, "_load" + kind)(path, name, properties)
        if node and collection is not None:
            collection.AddItem(node)
        return node is not None

    @staticmethod
    def _loadVolumeFile(path, name, properties):
        options = sum(flag for key, flag in _VOLUME_OPTIONS.items() if properties.get(key))
        node = slicer.app.moduleLogic("Volumes").AddArchetypeVolume(path, name, options)
        if node and properties.get("show", True):
            logic = slicer.app.applicationLogic()
            selection = logic.GetSelectionNode()
            (selection.SetActiveLabelVolumeID if properties.get("labelmap") else selection.SetActiveVolumeID)(node.GetID())
            logic.PropagateVolumeSelection(1)
        return node

    @staticmethod
    def _loadMarkupsFile(path, name, properties):
        return slicer.mrmlScene.GetNodeByID(slicer.app.moduleLogic("Markups").LoadMarkups(path, name) or "")

    @staticmethod
    def _loadModelFile(path, name, properties):
        return slicer.app.moduleLogic("Models").AddModel(path)

    @staticmethod
    def _loadTransformFile(path, name, properties):
        return slicer.app.moduleLogic("Transforms").AddTransform(path, slicer.mrmlScene)

    @staticmethod
    def _loadSequenceFile(path, name, properties):
        return slicer.app.moduleLogic("Sequences").AddSequence(path)

    @staticmethod
    def _loadSegmentationFile(path, name, properties):
        return slicer.app.moduleLogic("Segmentations").LoadSegmentationFromFile(path)

    def _loadTableFile(self, path, name, properties):
        return self._loadByStorage("Table", path, name)

    def _loadTextFile(self, path, name, properties):
        return self._loadByStorage("Text", path, name)

    @staticmethod
    def _loadByStorage(kind, path, name):
        storage = getattr(slicer, f"vtkMRML{kind}StorageNode")()
        node = slicer.mrmlScene.AddNewNodeByClass(f"vtkMRML{kind}Node", name)
        storage.SetFileName(path)
        if storage.ReadData(node):
            return node
        slicer.mrmlScene.RemoveNode(node)
        return None

    def loadScene(self, path, clear=True):
        scene = slicer.mrmlScene
        if str(path).endswith(".mrb"):
            return bool(scene.ReadFromMRB(path, clear))
        scene.SetURL(path)
        return bool(scene.Connect() if clear else scene.Import())

    def fileWriterFileType(self, node):
        return "NodeFile"

    def saveNodes(self, kind, properties, messages=None):
        if kind == "SceneFile":
            return self._saveScene(properties["fileName"])
        node = slicer.mrmlScene.GetNodeByID(properties["nodeID"])
        if node.GetStorageNode() is None and not node.AddDefaultStorageNode(properties["fileName"]):
            return False  # small texts, for example, live in the scene file alone
        storage = node.GetStorageNode()
        storage.SetFileName(properties["fileName"])
        storage.SetUseCompression(int(properties.get("useCompression", storage.GetUseCompression())))
        return bool(storage.WriteData(node))

    @staticmethod
    def _saveScene(path):
        scene = slicer.mrmlScene
        if path.endswith(".mrb"):
            return bool(scene.WriteToMRB(path))
        if path.endswith(".mrml"):
            scene.SetRootDirectory(os.path.dirname(path))
            return bool(scene.Commit(path))
        return bool(scene.SaveSceneToSlicerDataBundleDirectory(path))
