"""From counts to line integrals: dark, open beam, defective pixels, logarithm.

p = -ln((I - D) / (F - D)) for a flat image F, or -ln((I - D) / (I0 - D)) for one number I0; D is the dark image (0 without one).
Counts that are not above `least_transmission` of the open beam (a starved or dead pixel) are set to it, and how many is reported.
"""

from dataclasses import dataclass

import numpy as np

from ...counts import bad_pixels, line_integral, repair
from ...jobs import Step, provenance
from ...options import option, values_of
from .base import COUNTS, LINE_INTEGRAL, ProjectionError
from .stacks import writing_stack

OPEN_BEAMS = ("automatic", "flat", "number", "region", "brightest")
BRIGHTEST = 99.5                # percentile of a view that counts as its open beam
LEAST_DEFECT = 0.01             # of the open beam: what differs less from its neighbours is no defect


@dataclass(frozen=True)
class Normalisation:
    """How counts become line integrals."""

    open_beam: str = option("automatic", "Open beam", "what the open beam is taken from; automatic: the flat image, else I0, else the region, "
                            "else the brightest pixels of each view", choices=OPEN_BEAMS)
    i0: float = option(0.0, "I0", "counts of the open beam; 0: as the scanner wrote it", minimum=0.0)
    region_row: int = option(0, "Air: first row", "region that no object covers in any view", minimum=0, unit="px")
    region_col: int = option(0, "Air: first column", "region that no object covers in any view", minimum=0, unit="px")
    region_rows: int = option(0, "Air: rows", "height of the region; 0: no region", minimum=0, unit="px")
    region_cols: int = option(0, "Air: columns", "width of the region; 0: no region", minimum=0, unit="px")
    bad_sigma: float = option(8.0, "Bad pixels", "pixels of dark and flat image that are this many standard deviations from their neighbourhood "
                              "are defective; 0: none", minimum=0.0)
    least_transmission: float = option(1e-6, "Least transmission", "smaller and negative transmissions are set to it", minimum=1e-12, maximum=0.5)


@dataclass
class Report:
    """What the normalisation did: pixels repaired in each view, values clipped in all, and the open beam that was used."""

    open_beam: str = ""
    bad: int = 0
    clipped: int = 0
    values: int = 0

    def __str__(self):
        if not self.values:
            return f"line integrals as they were; {self.bad} defective pixels repaired in each view"
        share = self.clipped / self.values
        return f"open beam: {self.open_beam}; {self.bad} defective pixels repaired in each view; {self.clipped} values ({share:.2%}) clipped"


def flat_at(index, count, flat, flat_after=None):
    """The open beam during view `index` of `count`: between the image before the scan and the one after it, linear in the view's number."""
    if flat_after is None or count < 2:
        return flat
    return flat + (np.asarray(flat_after, np.float64) - flat) * (index / (count - 1))


def to_line_integrals(projections, path, options=None, geometry_path=None, bad=None, parameters=None):
    """Job: streams `projections` as line integrals to the stack `path` (.nrrd); yields a Step a view, returns the Report.

    Args:
        options: a Normalisation; projections that are line integrals already are only stored.
        geometry_path: where the geometry is written (default beside the stack).
        bad: mask [rows, cols] of defective pixels, besides those found in dark and flat images.
        parameters: how the projections were opened, name -> value, for the provenance.

    Raises:
        ProjectionError: no open beam as asked for, a region outside the detector, or a stack that cannot be written.
    """
    options = options or Normalisation()
    to_do = _Work(projections, options, bad)
    origin = provenance("import", {"projections": projections.source}, values_of(options) | {"kind": projections.kind} | (parameters or {}))
    with writing_stack(path, len(projections), projections.shape, np.float32, projections.views, LINE_INTEGRAL, origin, geometry_path) as append:
        for index in range(len(projections)):
            image = to_do.view(index)
            append(image)
            yield Step(index + 1, len(projections), message=f"view {index + 1} of {len(projections)}", preview=image)
    return to_do.report


class _Work:
    """What all views share: mask, open beam, and the report that grows."""

    def __init__(self, projections, options, bad):
        self.projections, self.options, self.report = projections, options, Report()
        self.bad = np.zeros(projections.shape, bool) if bad is None else np.array(bad, bool)
        if self.bad.shape != tuple(projections.shape):
            raise ProjectionError(f"{projections.source}: the mask of bad pixels has the shape {self.bad.shape}, the views have {projections.shape}.")
        self.dark, self.flat, self.flat_after = projections.dark, projections.flat, projections.flat_after
        if projections.kind == COUNTS:
            self._find_bad()
            self.beam = self._open_beam()
            self.report.open_beam = self.beam
        self.report.bad = int(self.bad.sum())

    def view(self, index):
        """Line integrals [rows, cols] of one view."""
        counts = self.projections[index]
        if self.bad.any():
            counts = repair(counts, self.bad)
        if self.projections.kind == LINE_INTEGRAL:
            return np.asarray(counts, np.float32)
        beam = self._beam_of(index, counts)
        if self.projections.exposure is not None and self.beam in ("flat", "number"):
            dark = 0.0 if self.dark is None else self.dark
            beam = dark + self.projections.exposure[index] * (beam - dark)
        p, clipped = line_integral(counts, beam, self.dark, self.options.least_transmission)
        self.report.clipped += clipped
        self.report.values += p.size
        return p

    def _find_bad(self):
        images = [image for image in (self.dark, self.flat, self.flat_after) if image is not None]
        least = LEAST_DEFECT * max((float(np.nanmedian(image)) for image in images), default=0.0)
        if self.options.bad_sigma > 0:
            for image in images:
                self.bad |= bad_pixels(image, self.options.bad_sigma, least)
        if self.bad.any() and not self.bad.all():
            self.dark, self.flat, self.flat_after = (None if image is None else repair(image, self.bad)
                                                     for image in (self.dark, self.flat, self.flat_after))
        if self.bad.all():
            raise ProjectionError(f"{self.projections.source}: all pixels would be defective; raise bad_sigma.")

    def _open_beam(self):
        """Which of OPEN_BEAMS is used; what was asked for has to be there."""
        asked, o = self.options.open_beam, self.options
        there = {"flat": self.flat is not None, "number": o.i0 > 0 or self.projections.i0 is not None,
                 "region": o.region_rows > 0 and o.region_cols > 0, "brightest": True}
        if asked == "automatic":
            asked = "number" if o.i0 > 0 else next(name for name, given in there.items() if given)
        if not there[asked]:
            needs = {"flat": "a flat image", "number": "i0 above 0", "region": "region_rows and region_cols above 0"}
            raise ProjectionError(f"{self.projections.source}: the open beam is to be taken from '{asked}', which needs {needs[asked]}; give it.")
        rows, cols = self.projections.shape
        if asked == "region" and (o.region_row + o.region_rows > rows or o.region_col + o.region_cols > cols):
            raise ProjectionError(f"{self.projections.source}: the region of air leaves the detector of {rows} x {cols} pixels; make it smaller.")
        return asked

    def _beam_of(self, index, counts):
        if self.beam == "flat":
            return flat_at(index, len(self.projections), self.flat, self.flat_after)
        if self.beam == "number":
            return self.options.i0 or self.projections.i0
        if self.beam == "brightest":
            return np.percentile(counts, BRIGHTEST)
        o = self.options
        return float(np.mean(counts[o.region_row : o.region_row + o.region_rows, o.region_col : o.region_col + o.region_cols], dtype=np.float64))
