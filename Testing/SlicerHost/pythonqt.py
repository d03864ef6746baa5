"""The `qt` module of Slicer (PythonQt) made from PySide6.

PythonQt's rules that hold here: a Qt property is a plain attribute and not callable, while setX and isX remain; dynamic
properties and named children are attributes; `name` is objectName; nothing unknown can be set on a C++ object; enums are
integers; surplus signal arguments are dropped (signals.py).
"""

import ctypes
import sys
import threading
import types

if "PySide6" in sys.modules:
    raise RuntimeError("PySide6 was imported before SlicerHost: its enums can no longer be made integers. Import SlicerHost first.")
sys.pyside6_option_python_enum = 0x2 | 0x4 | 0x8  # IntEnum, global and unscoped names, as in PythonQt

import shiboken6  # noqa: E402
from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets  # noqa: E402

from . import signals  # noqa: E402

if sys.version_info < (3, 12):
    # PySide6 6.12.0 gives away a reference to None in every call that returns nothing, and one to True in every disconnect(). Where
    # they are not yet immortal, the interpreter aborts after some thousand calls ("deallocating None", "deallocating True or False"),
    # so they get references that never run out.
    for constant in (None, True, False):
        ctypes.c_ssize_t.from_address(id(constant)).value += 1 << 40

# Virtual getters that are also properties: as attributes of the base class they would recurse in Python subclasses.
_VIRTUAL = {"sizeHint", "minimumSizeHint"}
# Shiboken resolves these before the dictionary of the class, so they are taken in __getattribute__.
_OVERRIDES = {"connect": signals.connect, "disconnect": signals.disconnect}
_readQtProperty = QtCore.QObject.property
_findQtChildren = QtCore.QObject.findChildren
_setAttribute = shiboken6.Object.__dict__["__setattr__"]  # the only one that CPython accepts for these types
loading = []  # not empty while a .ui file is loaded: PySide6 then sets every named child on the top widget, PythonQt does not
customWidgets = {}  # class name -> host class, for .ui files and findChildren


class _PropertyAttribute:
    """A Qt property as attribute; on the class itself a static method of the same name stays (QTimer.singleShot)."""

    def __init__(self, name, static=None):
        self.name, self.static = name, static

    def __get__(self, instance, owner=None):
        return (self.static or self) if instance is None else instance.property(self.name)

    def __set__(self, instance, value):
        if isinstance(self.static, types.BuiltinFunctionType):
            raise AttributeError(f"'{self.name}' of {type(instance).__name__} is a method in PythonQt: use its setter.")
        if not instance.setProperty(self.name, _converted(instance, self.name, value)):
            raise AttributeError(f"property '{self.name}' of {type(instance).__name__} does not accept {value!r}")


def _converted(instance, name, value):
    """PythonQt's conversions: NumPy scalars are numbers, an int property truncates, text is not a number."""
    if hasattr(value, "dtype") and not value.shape:
        value = value.item()
    if isinstance(value, tuple):
        value = list(value)
    meta = instance.metaObject()
    index = meta.indexOfProperty(name)
    kind = meta.property(index).typeName() if index >= 0 else ""
    if kind in ("int", "double", "bool") and not isinstance(value, (int, float, type(None))):
        raise AttributeError(f"property '{name}' of type '{kind}' does not accept {value!r}")
    return int(value) if kind == "int" and isinstance(value, float) else value


def _readProperty(self, name):
    value = _readQtProperty(self, name)
    return tuple(value) if isinstance(value, list) else value


def _findChildren(self, cls=QtCore.QObject, name=""):
    """PythonQt also takes the name of a class."""
    if isinstance(cls, str):
        cls = customWidgets.get(cls) or getattr(sys.modules["qt"], cls)
    return _findQtChildren(self, cls, name) if name else _findQtChildren(self, cls)


def _getAttributeOf(original):
    """One per class, because Shiboken's own version also tells static from instance overloads (QFile.exists)."""
    return lambda self, name: types.MethodType(_OVERRIDES[name], self) if name in _OVERRIDES else original(self, name)


def _getUnknown(self, name):
    if not name.startswith("__"):
        value = self.property(name)
        if value is not None:
            return value
        for child in self.children():
            if child.property("objectName") == name:
                return child
    raise AttributeError(f"{type(self).__name__} has no attribute named '{name}'")


def _set(self, name, value):
    cls = type(self)
    known = getattr(cls, name, None)
    if isinstance(known, QtCore.Property):
        self.setProperty(name, _converted(self, name, value))
    elif not _isCpp(cls) or name.startswith("_") or known is not None:
        _setAttribute(self, name, value)
    elif self.property(name) is not None:
        self.setProperty(name, value)
    elif not loading:
        raise AttributeError(f"'{name}' does not exist on {cls.__name__} and creating new attributes on C++ objects is not allowed")


def _isCpp(cls):
    """Classes that are C++ in Slicer; Python subclasses of them may have attributes of their own."""
    return cls.__module__.startswith("PySide6") or "_cpp_" in cls.__dict__


def _adopt(cls):
    """Gives one class of PySide6 the manners of PythonQt."""
    meta = cls.staticMetaObject
    cls.__setattr__ = _set
    if "__getattribute__" in vars(cls):
        cls.__getattribute__ = _getAttributeOf(vars(cls)["__getattribute__"])
    if meta.className() != cls.__name__:
        return
    for index in range(meta.propertyOffset(), meta.propertyCount()):
        name = meta.property(index).name()
        if name not in _VIRTUAL:
            setattr(cls, name, _PropertyAttribute(name, getattr(cls, name, None)))


def install():
    """Patches PySide6, puts the module `qt` into sys.modules and returns it."""
    qt = types.ModuleType("qt")
    for module in (QtCore, QtGui, QtWidgets, QtUiTools):
        for name, value in ((name, getattr(module, name)) for name in dir(module) if not name.startswith("_")):
            setattr(qt, name, value)
            if isinstance(value, type) and issubclass(value, QtCore.QObject) and value.__module__.startswith("PySide6"):
                _adopt(value)
    root = QtCore.QObject
    root.__getattr__ = _getUnknown
    root.name = _PropertyAttribute("objectName")
    root.property = _readProperty
    root.findChildren = _findChildren
    root.className = lambda self: self.metaObject().className()
    root.delete = root.deleteLater
    sys.excepthook = signals.reportError
    threading.excepthook = lambda thrown: signals.reportError(thrown.exc_type, thrown.exc_value, thrown.exc_traceback)
    sys.modules["qt"] = qt
    return qt


def hostClass(cls):
    """Declares a Python class to be a C++ one in Slicer: found in .ui files, strict about unknown attributes."""
    cls._cpp_ = True
    customWidgets[cls.__name__] = cls
    return cls


def prop(name, default, kind=None):
    """A Qt property of a host widget and its setter: `text, setText = prop("text", "")`; a change calls self._changed(name)."""
    kind = kind or {list: "QStringList"}.get(type(default), type(default))
    hidden = "_" + name

    def read(self):
        value = self.__dict__.get(hidden, default)
        return tuple(value) if isinstance(value, list) else value

    def write(self, value):
        self.__dict__[hidden] = type(default)(value)
        self._changed(name)

    return QtCore.Property(kind, read, write), write
