"""Analytic reconstruction: a formula each, no iterations."""
from .fdk import FDK, fdk

__all__ = ["FDK", "fdk"]
