"""Calibration of scanners: from the projections themselves, from a ball phantom, with a known volume (floor 2)."""
from .centre import CentreOptions, calibrate_centre
from .misalignment import UNITS, RotationAxis, misaligned, rotation_axis
from .result import CalibrationError, CalibrationResult, Parameter

__all__ = ["CalibrationError", "CalibrationResult", "CentreOptions", "Parameter", "RotationAxis", "UNITS", "calibrate_centre", "misaligned",
           "rotation_axis"]
