"""What a calibration hands back, and the checks of what goes into one."""
from dataclasses import dataclass, field

import numpy as np

from ..geometry import Flat, Views


class CalibrationError(ValueError):
    """A calibration that its data do not allow; the message names what is wrong and the remedy."""


@dataclass(frozen=True)
class Parameter:
    """A calibrated number. standard_error: one sigma from the residuals and the Jacobian; None where the method has none."""
    name: str
    value: float
    unit: str
    standard_error: float | None = None

    def __str__(self):
        error = "" if self.standard_error is None else f" +- {self.standard_error:.2g}"
        return f"{self.name} = {self.value:.5g}{error} {self.unit}"


@dataclass(frozen=True, eq=False)
class CalibrationResult:
    """Geometry that agrees with the measurement, and how well.

    views          the calibrated Views
    method         "centre", "balls" or "refine"
    parameters     what all views share
    per_view       name -> values [N] of what each view has of its own (misalignment.UNITS names their units)
    error_before, error_after   over all views; `error_unit` says of what, and its unit
    view_errors    the same [N] of each view after calibration; NaN where a view took no part
    notes          sentences for people: what was used, left out, or is not observable
    provenance     dictionary of JSON values (jobs.provenance)
    """
    views: Views
    method: str
    parameters: tuple
    per_view: dict
    error_before: float
    error_after: float
    error_unit: str
    view_errors: np.ndarray
    notes: tuple = ()
    provenance: dict = field(default_factory=dict)

    def __getitem__(self, name):
        """The value of the parameter `name`."""
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter.value
        raise KeyError(f"{name}: this calibration found {', '.join(p.name for p in self.parameters) or 'nothing that all views share'}")

    def report(self):
        """Lines of text for people."""
        lines = [f"calibration by {self.method}, {len(self.views)} views",
                 f"error before {self.error_before:.4g}, after {self.error_after:.4g} ({self.error_unit})"]
        lines += [f"  {parameter}" for parameter in self.parameters]
        lines += [f"  {name}: {np.mean(values):.5g} on average over the views, {np.min(values):.5g} to {np.max(values):.5g}"
                  for name, values in self.per_view.items()]
        if np.isfinite(self.view_errors).any():
            worst = int(np.nanargmax(self.view_errors))
            lines.append(f"worst view {worst}: {self.view_errors[worst]:.4g}")
        return "\n".join([*lines, *self.notes])

    def as_dict(self):
        """The report as JSON values, without the views."""
        return {"method": self.method, "error_before": self.error_before, "error_after": self.error_after, "error_unit": self.error_unit,
                "parameters": [{"name": p.name, "value": p.value, "standard_error": p.standard_error, "unit": p.unit} for p in self.parameters],
                "per_view": {name: np.asarray(values).tolist() for name, values in self.per_view.items()},
                "view_errors": [None if np.isnan(e) else float(e) for e in self.view_errors],
                "notes": list(self.notes), "provenance": self.provenance}


def checked_projections(projections, views):
    """`projections` as float32 [N, rows, cols] that belong to the flat `views`, or CalibrationError."""
    if not isinstance(views.surface, Flat):
        raise CalibrationError(f"calibration is written for flat detectors, these views have a {type(views.surface).__name__} one; "
                               "resample the projections to a flat detector.")
    p = np.asarray(projections)
    if p.shape != (len(views), *views.shape):
        raise CalibrationError(f"projections of shape {p.shape} do not belong to the geometry, which has {len(views)} views of "
                               f"{views.shape[0]} x {views.shape[1]} pixels; give the geometry of these projections.")
    p = p.astype(np.float32)
    if not np.isfinite(p).all():
        view, row, col = np.argwhere(~np.isfinite(p))[0]
        raise CalibrationError(f"projection {view} is not a finite number at row {row}, column {col}; repair bad pixels first.")
    if np.ptp(p) == 0:
        raise CalibrationError(f"the projections hold the same value {p.flat[0]:g} everywhere; expected line integrals of an object.")
    return p
