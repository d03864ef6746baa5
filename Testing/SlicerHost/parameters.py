"""slicer.parameterNodeWrapper: typed access to a parameter node, in the text format that Slicer writes."""

import enum
import pathlib
import typing

import slicer
import vtk
from PySide6 import QtWidgets

from . import connectors


class Validator:
    def validate(self, value):
        raise NotImplementedError


class WithinRange(Validator):
    def __init__(self, minimum, maximum):
        self.minimum, self.maximum = minimum, maximum

    def validate(self, value):
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within range [{self.minimum}, {self.maximum}], is {value}")


class Minimum(WithinRange):
    def __init__(self, minimum):
        super().__init__(minimum, float("inf"))


class Maximum(WithinRange):
    def __init__(self, maximum):
        super().__init__(float("-inf"), maximum)


class Choice(Validator):
    def __init__(self, choices):
        self.choices = choices

    def validate(self, value):
        if value not in self.choices:
            raise ValueError(f"Value must be one of {self.choices}, is {value!r}")


class Default:
    def __init__(self, value=None, *, generator=None):
        self.value, self.generator = value, generator

    def make(self):
        return self.generator() if self.generator else self.value


class Decimals:
    def __init__(self, value):
        self.value = value


class SingleStep:
    def __init__(self, value):
        self.value = value


class Parameter:
    """One typed member: bool, int, float, str, Enum, Path, or a node class (or a Union of node classes and None)."""

    _empty = {bool: False, int: 0, float: 0.0, str: ""}

    def __init__(self, name, hint, default):
        arguments = typing.get_args(typing.Annotated[hint, None])
        self.name, self.type, self.notes = name, arguments[0], arguments[1:-1]
        alternatives = [kind for kind in typing.get_args(self.type) or (self.type,) if kind is not type(None)]
        self.isNode = all(isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode) for kind in alternatives)
        self.nodeClasses = tuple(alternatives) if self.isNode else ()
        if not self.isNode and self.type not in self._empty and not issubclass(self.type, (enum.Enum, pathlib.PurePath)):
            raise TypeError(f"The host's parameter node wrapper has no type {self.type} (parameter '{name}').")
        self.default = default if default is not ... else self._annotatedDefault()

    def _annotatedDefault(self):
        note = self.note(Default)
        if note:
            return note.make()
        if self.isNode:
            return None
        if self.type in self._empty:
            return self._empty[self.type]
        return next(iter(self.type)) if issubclass(self.type, enum.Enum) else self.type()

    def note(self, cls):
        return next((note for note in self.notes if isinstance(note, cls)), None)

    def limits(self):
        ranges = [note for note in self.notes if isinstance(note, WithinRange)]
        return max([r.minimum for r in ranges], default=float("-inf")), min([r.maximum for r in ranges], default=float("inf"))

    def check(self, value):
        accepted = (*self.nodeClasses, type(None)) if self.isNode else (int, float) if self.type is float else self.type
        if not isinstance(value, accepted):
            raise TypeError(f"Parameter '{self.name}' is of type {self.type}, got {value!r}.")
        for note in self.notes:
            if isinstance(note, Validator):
                note.validate(value)

    def write(self, node, value):
        self.check(value)
        if self.isNode:
            node.SetParameter(self.name, "")
            node.SetNodeReferenceID(self.name, value.GetID() if value else None)
        else:
            node.SetParameter(self.name, value.name if isinstance(value, enum.Enum) else str(value))

    def read(self, node):
        if not node.HasParameter(self.name):
            self.write(node, self.default)
        text = node.GetParameter(self.name)
        if self.isNode:
            return node.GetNodeReference(self.name)
        if self.type is bool:
            return text == "True"
        return self.type[text] if issubclass(self.type, enum.Enum) else self.type(text)


class Wrapper:
    """Base of the classes that parameterNodeWrapper makes; `allParameters` is {name: Parameter}."""

    def __init__(self, parameterNode, prefix=None):
        self.__dict__.update(parameterNode=parameterNode, _connections={}, _updating=False)
        for parameter in self.allParameters.values():
            parameter.read(parameterNode)

    def __setattr__(self, name, value):
        if not hasattr(type(self), name):
            raise AttributeError(f"{type(self).__name__} has no parameter '{name}'")
        super().__setattr__(name, value)

    def connectGui(self, ui):
        """Connects every widget whose dynamic property SlicerParameterName names a parameter; returns a tag."""
        widgets = ui.findChildren(QtWidgets.QWidget) if isinstance(ui, QtWidgets.QWidget) else vars(ui).values()
        named = {widget.property("SlicerParameterName"): widget for widget in widgets if hasattr(widget, "property")}
        return self.connectParametersToGui({name: widget for name, widget in named.items() if name})

    def connectParametersToGui(self, mapping):
        unknown = sorted(set(mapping) - set(self.allParameters))
        if unknown:
            raise ValueError(f"Cannot find a param with the given name: {', '.join(unknown)}")
        bound = {name: connectors.bind(widget, self.allParameters[name]) for name, widget in mapping.items()}
        for name, connector in bound.items():
            connector.write(getattr(self, name))
        slots = [(c.signal, self._connectSignal(name, c)) for name, c in bound.items() if c.signal is not None]
        observer = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._showIn(bound))
        tag = len(self._connections)
        self._connections[tag] = slots, observer
        return tag

    def _connectSignal(self, name, connector):
        def changed(*_):
            if not self._updating:
                setattr(self, name, connector.read())

        connector.signal.connect(changed)
        return changed

    def _showIn(self, bound):
        if self._updating:
            return
        self.__dict__["_updating"] = True
        try:
            for name, connector in bound.items():
                connector.write(getattr(self, name))
        finally:
            self.__dict__["_updating"] = False

    def disconnectGui(self, tag):
        slots, observer = self._connections.pop(tag, ((), None))
        for signal, slot in slots:
            signal.disconnect(slot)
        if observer is not None:
            self.RemoveObserver(observer)

    def getValue(self, name):
        return getattr(self, name)

    def setValue(self, name, value):
        setattr(self, name, value)

    def default(self, name):
        return Default(self.allParameters[name].default)

    def StartModify(self):
        return self.parameterNode.StartModify()

    def EndModify(self, previous):
        return self.parameterNode.EndModify(previous)

    def Modified(self):
        self.parameterNode.Modified()

    def AddObserver(self, event, callback, priority=0.0):
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag):
        self.parameterNode.RemoveObserver(tag)


def _access(parameter):
    return property(lambda self: parameter.read(self.parameterNode), lambda self, value: parameter.write(self.parameterNode, value))


def parameterNodeWrapper(cls):
    """Decorator: the annotations of `cls` become parameters."""
    hints = typing.get_type_hints(cls, include_extras=True)
    parameters = {name: Parameter(name, hint, vars(cls).get(name, ...)) for name, hint in hints.items()}
    body = {name: value for name, value in vars(cls).items() if name not in ("__dict__", "__weakref__")}
    body.update({name: _access(parameter) for name, parameter in parameters.items()})
    return type(cls.__name__, (Wrapper,), body | {"allParameters": parameters})


EXPORTS = (parameterNodeWrapper, Validator, WithinRange, Minimum, Maximum, Choice, Default, Decimals, SingleStep)
