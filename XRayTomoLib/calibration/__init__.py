"""Calibration of scanners: from the projections themselves, from a ball phantom, with a known volume (floor 2)."""
from .balls import BallPhantom, assign, find_balls, measured_balls
from .bundle import calibrate_balls
from .camera import projection_matrix, view_from_matrix
from .centre import calibrate_centre
from .misalignment import UNITS, RotationAxis, misaligned, rotation_axis
from .options import BallOptions, CentreOptions, RefineOptions
from .refine import calibrate_refine
from .result import CalibrationError, CalibrationResult, Parameter

__all__ = ["BallOptions", "BallPhantom", "CalibrationError", "CalibrationResult", "CentreOptions", "Parameter", "RefineOptions", "RotationAxis",
           "UNITS", "assign", "calibrate_balls", "calibrate_centre", "calibrate_refine", "find_balls", "measured_balls", "misaligned",
           "projection_matrix", "rotation_axis", "view_from_matrix"]
