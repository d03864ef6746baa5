"""qMRMLNodeComboBox."""

from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Signal

from .mrmlwidgets import Observers, mrmlClass, qMRMLWidget
from .pythonqt import prop


@mrmlClass
class qMRMLNodeComboBox(qMRMLWidget):
    currentNodeChanged = Signal(object)
    currentNodeIDChanged = Signal(str)
    nodeAddedByUser = Signal(object)
    nodeActivated = Signal(object)
    _signals_ = {
        **qMRMLWidget._signals_,
        "currentNodeChanged": {"vtkMRMLNode*", "bool"},
        "nodeAddedByUser": {"vtkMRMLNode*"},
        "nodeActivated": {"vtkMRMLNode*"},
    }
    nodeTypes, setNodeTypes = prop("nodeTypes", [])
    hideChildNodeTypes, setHideChildNodeTypes = prop("hideChildNodeTypes", [])
    showHidden, setShowHidden = prop("showHidden", False)
    showChildNodeTypes, setShowChildNodeTypes = prop("showChildNodeTypes", True)
    noneEnabled, setNoneEnabled = prop("noneEnabled", False)
    addEnabled, setAddEnabled = prop("addEnabled", True)
    removeEnabled, setRemoveEnabled = prop("removeEnabled", True)
    editEnabled, setEditEnabled = prop("editEnabled", False)
    renameEnabled, setRenameEnabled = prop("renameEnabled", False)
    selectNodeUponCreation, setSelectNodeUponCreation = prop("selectNodeUponCreation", True)
    baseName, setBaseName = prop("baseName", "")
    noneDisplay, setNoneDisplay = prop("noneDisplay", "None")

    def __init__(self, parent=None):
        super().__init__(parent)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._box, self._id, self._row, self._attributes = QtWidgets.QComboBox(), "", 0, []
        self._sceneObservers, self._nodeObservers = Observers(self), Observers(self)
        self._box.setSizeAdjustPolicy(QtWidgets.QComboBox.AdjustToMinimumContentsLengthWithIcon)
        layout.addWidget(self._box)
        self._box.activated.connect(self._activated)
        self.setEnabled(False)

    def comboBox(self):
        return self._box

    def setMRMLScene(self, scene):
        self._sceneObservers.keep(())
        for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndBatchProcessEvent) if scene else ():
            self._sceneObservers.add(event, scene, event, lambda *_: self._refresh())
        super().setMRMLScene(scene)
        self.setEnabled(scene is not None)
        self._refresh()
        if not self.noneEnabled and not self._id and self.nodes():  # as in Slicer: here, but not when nodes are added later
            self._select(self.nodes()[0].GetID())

    # -- which nodes
    def _accepts(self, node, types, children, hidden, hiddenTypes):
        listed = node.GetClassName() in types if not children else any(node.IsA(name) for name in types)
        return (
            listed
            and (hidden or not node.GetHideFromEditors())
            and not any(node.IsA(name) for name in hiddenTypes)
            and all(self._hasAttribute(node, name, value) for cls, name, value in self._attributes if node.IsA(cls))
        )

    @staticmethod
    def _hasAttribute(node, name, value):
        return node.GetAttribute(name) is not None and value in (None, node.GetAttribute(name))

    def nodes(self):
        """Those that it lists, in the scene's order. Every node that is added asks every selector: Qt's properties are read once."""
        scene, types = self._scene, self.nodeTypes
        if scene is None:
            return []
        if len(types) == 1:
            found = scene.GetNodesByClass(types[0])
            every = [found.GetItemAsObject(i) for i in range(found.GetNumberOfItems())]
            found.UnRegister(scene)
        else:
            every = [scene.GetNthNode(i) for i in range(scene.GetNumberOfNodes())]
        rules = types, self.showChildNodeTypes, self.showHidden, self.hideChildNodeTypes
        return [node for node in every if self._accepts(node, *rules)]

    def nodeCount(self):
        return len(self.nodes())

    def nodeFromIndex(self, index):
        return self.nodes()[index]

    def addAttribute(self, nodeType, name, value=None):
        self._attributes.append((nodeType, name, value))
        self._refresh()

    # -- the list
    def _changed(self, name):
        self._refresh()

    def _refresh(self):
        if self._scene is None or self._scene.IsBatchProcessing():
            return
        nodes = self.nodes()
        ids = [node.GetID() for node in nodes]
        self._fill(nodes)
        self._observe(nodes)
        if self._id in ids or not self._id or not ids:
            self._select(self._id if self._id in ids else "")
        else:  # the current node was removed: the next one, else the last one (also when there is a None item)
            self._select(ids[min(self._row, len(ids) - 1)])
        self._row = ids.index(self._id) if self._id in ids else 0

    def _fill(self, nodes):
        self._box.clear()
        if self.noneEnabled:
            self._box.addItem(self.noneDisplay, "")
        for node in nodes:
            self._box.addItem(node.GetName() or "", node.GetID())
        for name in self.nodeTypes if self.addEnabled else ():
            self._box.addItem(f"Create new {self._scene.GetTypeDisplayNameByClassName(name)}", "CREATE/" + name)
        if self.renameEnabled:
            self._box.addItem("Rename current node", "RENAME")
        if self.removeEnabled:
            self._box.addItem("Delete current node", "REMOVE")

    def _observe(self, nodes):
        """A changed name changes the item."""
        self._nodeObservers.keep(nodes)
        for node in nodes:
            self._nodeObservers.add(node, node, "ModifiedEvent", self._nodeModified)

    def _nodeModified(self, node, event):
        row = self._box.findData(node.GetID())
        if row >= 0 and self._box.itemText(row) != node.GetName():
            self._box.setItemText(row, node.GetName() or "")

    # -- the choice
    def _select(self, nodeID):
        ids = [node.GetID() for node in self.nodes()]
        self._row = ids.index(nodeID) if nodeID in ids else 0
        self._box.setCurrentIndex(self._box.findData(nodeID))
        if nodeID != self._id:
            self._id = nodeID
            self.currentNodeChanged.emit(self.currentNode())
            self.currentNodeIDChanged.emit(nodeID)

    def _activated(self, index):
        data = self._box.itemData(index) or ""
        if data.startswith("CREATE/"):
            self.addNode(data.removeprefix("CREATE/"))
        elif data == "REMOVE":
            if self.currentNode():
                self._scene.RemoveNode(self.currentNode())
        elif data == "RENAME":
            self._rename(self.currentNode())
        else:
            self._select(data)
            self.nodeActivated.emit(self.currentNode())
        self._refresh()

    def _rename(self, node):
        name, accepted = QtWidgets.QInputDialog.getText(self, "Rename", "New name:", text=node.GetName()) if node else ("", False)
        if accepted:
            node.SetName(name)

    def addNode(self, nodeType=None):
        nodeType = nodeType or self.nodeTypes[0]
        name = self.baseName or self._scene.GetTypeDisplayNameByClassName(nodeType)
        node = self._scene.AddNewNodeByClass(nodeType, self._scene.GenerateUniqueName(name))
        for cls, attribute, value in self._attributes:
            if node.IsA(cls):
                node.SetAttribute(attribute, value or "")
        if self.selectNodeUponCreation:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def currentNode(self):
        return self._scene.GetNodeByID(self._id) if self._scene and self._id else None

    def setCurrentNode(self, node):
        if not (node is None or hasattr(node, "GetID")):
            raise TypeError(f"setCurrentNode takes a MRML node or None, got {node!r}")
        self.setCurrentNodeID(node.GetID() if node else "")

    def setCurrentNodeID(self, nodeID):
        if nodeID == self._id:  # parameters are shown again after every change of any of them
            return
        self._refresh()
        accepted = nodeID in [node.GetID() for node in self.nodes()]  # as in Slicer: a node that the filter rejects selects nothing
        self._select(nodeID if accepted else "")

    currentNodeID = QtCore.Property(str, lambda self: self._id, setCurrentNodeID)
