"""Runs inside Slicer: the library and its resources are those built beside the module, not another copy on the path."""

from pathlib import Path

import slicer

import XRayTomoLib
from XRayTomoLib.geometry.devices import device_names
from XRayTomoLib.resources import resource_path

modules = Path(slicer.modules.xraytomo.path).resolve().parent
library = Path(XRayTomoLib.__file__).resolve().parent
resources = resource_path().resolve()

if library != modules / "XRayTomoLib":
    raise RuntimeError(f"XRayTomoLib was imported from {library}, expected {modules}/XRayTomoLib.")
if resources != modules / "Resources":
    raise RuntimeError(f"Resources were found at {resources}, expected {modules}/Resources.")
if "Cios Fusion" not in " ".join(device_names()):
    raise RuntimeError(f"The device presets are incomplete: {device_names()}.")
