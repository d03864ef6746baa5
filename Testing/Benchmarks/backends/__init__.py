"""Adapters: one module a package. Each has `WORKS`, from the name of the work to a function (case, **options) -> step, and step() does the
work once and returns its result as a NumPy array. What is done once a volume or geometry is done before the step, on every side.
"""
from importlib import import_module

PEERS = {"diffdrr": "siddon", "nanodrr": "trilinear", "rtk": "joseph"}      # and the method that each has


def adapter(name):
    """Dotted name of the adapter module `name` of this package."""
    return f"{__name__}.{name}"


def step_of(module, work, case, options):
    """The step of an adapter given by its dotted name."""
    return import_module(module).WORKS[work](case, **options)


def target_of(module, case):
    """What computes, where the adapter can tell."""
    return getattr(import_module(module), "target", lambda case: None)(case)
