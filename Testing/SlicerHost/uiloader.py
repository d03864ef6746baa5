"""Loads .ui files with the host's widgets in the place of Slicer's designer plugins."""

import xml.etree.ElementTree as ET

from PySide6 import QtCore, QtUiTools, QtWidgets

from . import signals
from .pythonqt import customWidgets, loading


class QUiLoader(QtUiTools.QUiLoader):
    """Makes ctk and qMRML widgets, and the <connections> itself, as they may pass VTK objects.

    Raises RuntimeError for classes, properties and connected widgets that do not exist.
    """

    def createWidget(self, className, parent=None, name=""):
        cls = customWidgets.get(className)
        if cls is None:
            return super().createWidget(className, parent, name)
        widget = cls(parent)
        widget.setObjectName(name)
        return widget

    def load(self, device, parent=None):
        root = ET.fromstring(bytes(device.readAll()).decode())
        self._refuseUnknownClasses(root)
        flags = self._takeFlags(root)
        connections = root.find("connections")
        if connections is not None:
            root.remove(connections)
        loading.append(self)
        try:
            top = super().load(self._buffer(root), parent)
        finally:
            loading.pop()

        def find(name):
            return top if top.property("objectName") == name else top.findChild(QtCore.QObject, name)

        for name, attribute, value in flags:
            setattr(find(name), attribute, value)
        self._refuseUnknownProperties(root, find)
        for connection in connections if connections is not None else []:
            self._connect(connection, find)
        return top

    @staticmethod
    def _buffer(root):
        buffer = QtCore.QBuffer()
        buffer.setData(ET.tostring(root))
        buffer.open(QtCore.QIODevice.ReadOnly)
        return buffer

    @staticmethod
    def _refuseUnknownClasses(root):
        classes = {widget.get("class") for widget in root.iter("widget")}
        unknown = {name for name in classes if not hasattr(QtWidgets, name)} - set(customWidgets) - {"Line"}
        if unknown:
            raise RuntimeError(f"widget classes unknown to the host: {sorted(unknown)}")

    @staticmethod
    def _refuseUnknownProperties(root, find):
        """Qt would make a dynamic property of a misspelled one; real dynamic properties say stdset="0"."""
        for element in root.iter("widget"):
            cls = customWidgets.get(element.get("class"))
            for item in element.findall("property") if cls else []:
                known = find(element.get("name")).metaObject().indexOfProperty(item.get("name")) >= 0
                if not known and item.get("stdset") != "0":
                    raise RuntimeError(f"widget '{element.get('name')}': {cls.__name__} has no property '{item.get('name')}'")

    @staticmethod
    def _takeFlags(root):
        """Values such as `ctkPathLineEdit::Files|ctkPathLineEdit::Writable`, which Qt cannot know: [(widget, property, number)]."""
        flags = []
        for element in root.iter("widget"):
            cls = customWidgets.get(element.get("class"))
            for item in list(element.findall("property")) if cls else []:
                text = item.findtext("set") or item.findtext("enum") or ""
                if text.startswith(element.get("class") + "::"):
                    number = 0
                    for name in text.split("|"):
                        number |= getattr(cls, name.rpartition("::")[2])
                    flags.append((element.get("name"), item.get("name"), number))
                    element.remove(item)
        return flags

    @staticmethod
    def _connect(connection, find):
        values = {element.tag: element.text for element in connection if element.tag != "hints"}
        sender, receiver = find(values["sender"]), find(values["receiver"])
        if sender is None or receiver is None:
            raise RuntimeError(f".ui connection to a missing widget: {values}")
        signals.connect(sender, values["signal"], receiver, values["slot"])
