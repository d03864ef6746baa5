"""Analytic reconstruction: a formula each, no iterations."""
from .fdk import FDK, fdk
from .helical import HelicalFDK
from .katsevich import Katsevich

__all__ = ["FDK", "HelicalFDK", "Katsevich", "fdk"]
