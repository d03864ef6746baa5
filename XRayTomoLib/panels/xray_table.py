"""The table of X-rays in section Register: which of them take part, the geometry and the preparation of each."""

import qt
import slicer
from slicer.i18n import tr as _

from ..geometry.formats.xraytomo import FORMAT
from ..mrml import stack, xrays
from . import dependencies
from .form import Form


class XRayTable:
    """Keeps the table at the panel's X-rays; the selected row is the parameter overlayXray. `section` is the Register section."""

    def __init__(self, section):
        self._section, self._ui = section, section.ui
        self._isQuiet = False
        self._shown = None
        ui = self._ui
        self.form = Form(ui.preparationWidget, self.onPreparation)
        ui.xrayTable.setHorizontalHeaderLabels([_("X-ray"), _("Taken from")])
        ui.xrayTable.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
        ui.xrayTable.horizontalHeader().setSectionResizeMode(1, qt.QHeaderView.ResizeToContents)
        ui.xrayTable.verticalHeader().setVisible(False)
        ui.xrayTable.connect("cellChanged(int,int)", self.onCell)
        ui.xrayTable.connect("itemSelectionChanged()", self.onSelection)
        ui.xraySelector.connect("currentNodeChanged(vtkMRMLNode*)", self.onCandidate)
        ui.xrayGeometrySelector.addAttribute("vtkMRMLTextNode", "XRayTomo.Format", FORMAT)
        ui.addXrayButton.connect("clicked()", self.onAdd)
        ui.removeXrayButton.connect("clicked()", self.onRemove)
        ui.setGeometryButton.connect("clicked()", self.onSetGeometry)
        for name in xrays.SIDE_ROLES:
            self._selector(name).connect("currentNodeChanged(vtkMRMLNode*)", lambda node, name=name: self.onSide(name, node))

    @property
    def selected(self):
        """The node of the selected row, or None."""
        node = self._section.parameters.overlayXray
        return node if node is not None and node in xrays.xrays_of(self._section.parameters) else None

    def update(self):
        p = self._section.parameters
        if self.selected is None:
            nodes = xrays.xrays_of(p)
            p.overlayXray = nodes[0] if nodes else None
        self._quietly(self._fill)
        self._quietly(self._showSelected)
        self.onCandidate()

    def onCandidate(self, node=None):
        node = self._ui.xraySelector.currentNode()
        self._ui.addXrayButton.enabled = node is not None
        self._ui.xrayViewSpinBox.enabled = node is not None and bool(node.GetAttribute(stack.STACK_ATTRIBUTE))

    def onAdd(self):
        p = self._section.parameters
        self._section.attempt(lambda: xrays.add_xray(p, self._ui.xraySelector.currentNode(), self._ui.xrayViewSpinBox.value), self._select)

    def onRemove(self):
        if self.selected is not None:
            xrays.remove_xray(self._section.parameters, self.selected)
            self._section.panel.update()

    def onSetGeometry(self):
        node, geometry, index = self.selected, self._ui.xrayGeometrySelector.currentNode(), self._ui.xrayGeometryViewSpinBox.value
        if node is not None and geometry is not None:
            self._section.attempt(lambda: xrays.set_geometry(node, geometry, index))

    def onCell(self, row, column):
        if not self._isQuiet:
            xrays.use(xrays.xrays_of(self._section.parameters)[row], self._ui.xrayTable.item(row, 0).checkState() == qt.Qt.Checked)
            self._section.panel.update()

    def onSelection(self):
        row = self._ui.xrayTable.currentRow()
        nodes = xrays.xrays_of(self._section.parameters) if self._section.parameters is not None else []
        if not self._isQuiet and 0 <= row < len(nodes):
            self._section.parameters.overlayXray = nodes[row]

    def onPreparation(self, values):
        if self.selected is not None:
            xrays.set_preparation(self.selected, values)
            self._section.panel.update()

    def onSide(self, name, node):
        if self._isQuiet or self._section.parameters is None or self.selected is None:
            return
        xray, role = self.selected, xrays.SIDE_ROLES[name]
        if xray.GetNodeReferenceID(role) and xray.GetNodeReference(role) is None:
            node = None  # the image was removed from the scene: the selector went to the next one by itself
        xray.SetNodeReferenceID(role, node.GetID() if node is not None else None)
        self._section.panel.update()

    def forget(self):
        """Another scene: the table is filled anew."""
        self._shown = None

    def _select(self, node):
        p = self._section.parameters
        p.overlayXray = node
        if p.overlaySlice is None:
            p.overlaySlice = _free_slice(p)

    def _fill(self):
        nodes, table = xrays.xrays_of(self._section.parameters), self._ui.xrayTable
        now = [(xrays.changed_key(node), node.GetName(), xrays.is_used(node)) for node in nodes]
        if now != self._shown:
            self._shown = now
            table.setRowCount(len(nodes))
            for row, node in enumerate(nodes):
                words, problem = xrays.describe_xray(node)
                item = qt.QTableWidgetItem(node.GetName())
                item.setCheckState(qt.Qt.Checked if xrays.is_used(node) else qt.Qt.Unchecked)
                table.setItem(row, 0, item)
                other = qt.QTableWidgetItem(words or _("no geometry"))
                for each in (item, other):
                    each.setToolTip(problem or node.GetName())
                table.setItem(row, 1, other)
        if self.selected is not None:
            table.selectRow(nodes.index(self.selected))

    def _showSelected(self):
        node = self.selected
        for widget in (self._ui.removeXrayButton, self._ui.setGeometryButton, self._ui.xrayGeometrySelector, self._ui.preparationGroupBox):
            widget.enabled = node is not None
        for name, role in xrays.SIDE_ROLES.items():
            self._selector(name).setCurrentNode(node.GetNodeReference(role) if node is not None else None)
        if node is not None and dependencies.isPresent("torch"):
            from ..registration.images import Preparation

            self.form.show(Preparation, xrays.preparation_of(node))

    def _selector(self, name):
        return getattr(self._ui, name + "Selector")

    def _quietly(self, work):
        self._isQuiet = True
        try:
            work()
        finally:
            self._isQuiet = False


def _free_slice(p):
    """A slice view of the layout that no other section has taken; None where there is none."""
    taken = {node.GetID() for node in (p.sliceNode, p.projectionSlice) if node is not None}
    for name in ("Yellow", "Green", "Red"):
        node = slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceNode{name}")
        if node is not None and node.GetID() not in taken:
            return node
    return None
