"""Declared options: one description of a method's parameters, from which panel, command line and server make their controls.

A dataclass whose fields are made by `option` is such a description; an instance of it is a set of values.

>>> @dataclass(frozen=True)
... class Circle:
...     count: int = option(180, "Views", "number of views", minimum=1)
"""
import dataclasses
import math
from dataclasses import dataclass

ALL = "all"


class OptionError(ValueError):
    """A value that an option does not allow."""


@dataclass(frozen=True)
class Option:
    """One parameter: its `name` in code and files, its `label` in the panel, its `help` (a phrase), and what it allows.

    kind: int, float, bool or str. unit: "mm", "deg", ... (already part of the name where it matters). choices: allowed texts.
    several: texts of which a value names some, with commas between them, or ALL.
    """
    name: str
    kind: type
    default: object
    label: str
    help: str
    minimum: float | None = None
    maximum: float | None = None
    unit: str = ""
    choices: tuple = ()
    several: tuple = ()

    def checked(self, value):
        """`value` as this option's kind; OptionError with what is expected instead."""
        try:
            if isinstance(value, str) and self.kind is not str or isinstance(value, bool) and self.kind in (int, float):
                raise ValueError
            result = self.kind(value)
            if self.kind in (int, float) and (not math.isfinite(result) or result != value):
                raise ValueError
        except (TypeError, ValueError, OverflowError) as error:
            raise OptionError(f"{self.name} = {value!r}: expected a value of type {self.kind.__name__}") from error
        if self.choices and result not in self.choices:
            raise OptionError(f"{self.name} = {value!r}: expected one of {', '.join(map(str, self.choices))}")
        if self.several and (not named(result, self.several) or set(named(result, self.several)) - set(self.several)):
            raise OptionError(f"{self.name} = {value!r}: expected {ALL}, or some of {', '.join(self.several)}, with commas")
        if self.minimum is not None and result < self.minimum or self.maximum is not None and result > self.maximum:
            raise OptionError(f"{self.name} = {value!r}: expected {self._range()}")
        return result

    def _range(self):
        unit = f" {self.unit}" if self.unit else ""
        if self.maximum is None:
            return f"at least {self.minimum}{unit}"
        return f"at most {self.maximum}{unit}" if self.minimum is None else f"{self.minimum} to {self.maximum}{unit}"


def named(text, several):
    """The names that the value `text` of an option with `several` lists."""
    return list(several) if text.strip() == ALL else [name.strip() for name in text.split(",") if name.strip()]


def option(default, label, help, minimum=None, maximum=None, unit="", choices=(), several=()):
    """A dataclass field that is an `Option`; its kind is that of `default`."""
    described = Option("", type(default), default, label, help, minimum, maximum, unit, tuple(choices), tuple(several))
    return dataclasses.field(default=default, metadata={"option": described})


def options_of(described):
    """The options of a dataclass (or an instance of it), in its order."""
    return [dataclasses.replace(f.metadata["option"], name=f.name) for f in dataclasses.fields(described) if "option" in f.metadata]


def make(described, values):
    """An instance of the dataclass `described` from a dictionary; unknown names and values that are not allowed raise OptionError."""
    known = {o.name: o for o in options_of(described)}
    for name in values:
        if name not in known:
            raise OptionError(f"{described.__name__} has no option '{name}'; expected some of {', '.join(known)}")
    return described(**{name: known[name].checked(value) for name, value in values.items()})


def values_of(instance):
    """The instance's options as a dictionary of JSON values."""
    return {o.name: getattr(instance, o.name) for o in options_of(instance)}
