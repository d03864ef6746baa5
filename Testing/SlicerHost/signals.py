"""Signals and slots in PythonQt's way: `button.connect("clicked(bool)", f)`, and a record of what went wrong in slots."""

import contextlib
import inspect
import re
import sys
import traceback

import shiboken6
from PySide6 import QtCore

slotErrors = []  # the traceback of every exception that a slot, an observer or a thread let go; a test that leaves one has failed
_connections = {}  # (C++ pointer, signal name) -> [(slot, adapter)]


def reportError(exc_type, exc, tb):
    """Records an exception that nobody can catch because C++ or a thread called the code; sys.excepthook leads here."""
    text = "".join(traceback.format_exception(exc_type, exc, tb))
    slotErrors.append(text)
    sys.stderr.write(text)


@contextlib.contextmanager
def expectedErrors():
    """Moves the errors that slots and observers raise in the block into the list that it gives."""
    before, found = list(slotErrors), []
    slotErrors.clear()
    try:
        yield found
    finally:
        found += slotErrors
        slotErrors[:] = before


def connect(sender, signature, receiver, slot=None, *_):
    """`sender.connect("signal(type)", callable)` or `(…, receiver, "slot(type)")`; True, as in PythonQt.

    Raises AttributeError for a signal that does not exist, where PythonQt prints a line and goes on.
    """
    name, types = _split(signature)
    if not _hasSignal(sender, name, types):
        raise AttributeError(f"signal '{signature}' does not exist on {sender.metaObject().className()}")
    target = getattr(receiver, _split(slot)[0]) if slot else receiver
    adapter = _adapter(target, len(types))
    getattr(sender, name).connect(adapter)
    key = (shiboken6.getCppPointer(sender)[0], name)
    if key not in _connections:
        sender.destroyed.connect(lambda *_: _connections.pop(key, None))
    _connections.setdefault(key, []).append((target, adapter))
    return True


def disconnect(sender, signature, receiver=None, slot=None):
    """True when such a connection existed; without a receiver all connections of the signal end."""
    name, _ = _split(signature)
    target = getattr(receiver, _split(slot)[0]) if slot else receiver
    known = _connections.get((shiboken6.getCppPointer(sender)[0], name), [])
    found = [entry for entry in known if target is None or entry[0] == target]
    for entry in found:
        known.remove(entry)
        getattr(sender, name).disconnect(entry[1])
    return bool(found)


def _split(signature):
    match = re.fullmatch(r"\s*[12]?(\w+)\s*\((.*)\)\s*", signature)
    if not match:
        raise ValueError(f"'{signature}' is not a signature such as 'clicked(bool)'.")
    return match.group(1), [argument.strip() for argument in match.group(2).split(",") if argument.strip()]


def _hasSignal(sender, name, types):
    declared = getattr(type(sender), "_signals_", {})  # signatures with MRML types, which a Python signal cannot declare
    if name in declared:
        return re.sub(r"const |[& ]", "", ",".join(types)) in declared[name]
    normalized = QtCore.QMetaObject.normalizedSignature(f"{name}({','.join(types)})")
    return sender.metaObject().indexOfSignal(str(normalized) if isinstance(normalized, str) else bytes(normalized).decode()) >= 0


def _adapter(target, arity):
    """A function of exactly `arity` parameters (PySide6 picks the signal's overload by it) that drops surplus arguments."""
    accepted = arity
    function = getattr(target, "__func__", target)
    if inspect.isfunction(function) and not function.__code__.co_flags & inspect.CO_VARARGS:
        accepted = min(arity, function.__code__.co_argcount - inspect.ismethod(target))

    def call(*arguments):
        try:
            target(*arguments[:accepted])
        except Exception:
            reportError(*sys.exc_info())

    return (lambda: call(), lambda a: call(a), lambda a, b: call(a, b), lambda a, b, c: call(a, b, c))[arity]
