"""Detector surfaces: where pixel (row, col) of a view lies, and which pixel a ray meets.

A surface knows no position: it bends the plane that a view's `origin`, `u` and `v` span. `Flat` is that plane itself. Curved
surfaces touch the plane at their apex pixel and measure columns (and rows) along the arc, so that the pitch stays |u| (and |v|).
"""
from .base import Flat, Surface
from .curved import Cylindrical, Spherical
from .free import FreePixels
from .panels import Panels
from .polar import Polar

__all__ = ["Surface", "Flat", "Cylindrical", "Spherical", "Polar", "Panels", "FreePixels"]
