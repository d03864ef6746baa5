"""What a detector can be beyond the device's flat panel, as declared options: curved, of panels, polar, tilted, a part of it, binned."""

from dataclasses import dataclass

from ..options import OptionError, option, options_of
from .arrays import GeometryError
from .detectors import Panels, Polar


@dataclass(frozen=True)
class DetectorOptions:
    """Changes of a device's detector: its surface, its tilt against the beam, the region that is read out, and its binning."""

    surface: str = option("flat", "Surface", "shape of the detector: several flat panels stand side by side on an arc, the rows of a polar "
                          "one are rings and its columns angles", choices=("flat", "cylindrical", "spherical", "panels", "polar"))
    radius_mm: float = option(0.0, "Radius", "radius of a curved detector, or of the panels' arc; 0 is focus-centred (the source-detector "
                              "distance), negative bends it away from the source", minimum=-1e5, maximum=1e5, unit="mm")
    panels: int = option(3, "Panels", "number of panels, which share the columns evenly", minimum=1, maximum=1024)
    gap_mm: float = option(0.0, "Gap", "distance between the edges of neighbouring panels", minimum=0, maximum=1e4, unit="mm")
    inner_mm: float = option(0.0, "Inner ring", "distance of a polar detector's first ring from its centre; the last one touches the shorter "
                             "sides of the flat panel", minimum=0, maximum=1e5, unit="mm")
    tilt_deg: float = option(0.0, "Tilt", "rotation of the detector about its columns' direction u", minimum=-89, maximum=89, unit="deg")
    slant_deg: float = option(0.0, "Slant", "rotation of the detector about its rows' direction v", minimum=-89, maximum=89, unit="deg")
    binning: int = option(1, "Binning", "so many pixels in each direction become one", minimum=1, maximum=1024)
    region_row: int = option(0, "Region: row", "first row that is read out, before binning", minimum=0, maximum=65535)
    region_col: int = option(0, "Region: column", "first column that is read out, before binning", minimum=0, maximum=65535)
    region_rows: int = option(0, "Region: rows", "rows that are read out, before binning; 0 is all", minimum=0, maximum=65536)
    region_cols: int = option(0, "Region: columns", "columns that are read out, before binning; 0 is all", minimum=0, maximum=65536)

    def __post_init__(self):
        for o in options_of(self):
            try:
                o.checked(getattr(self, o.name))
            except OptionError as error:
                raise GeometryError(f"detector: {error}") from error

    def device(self, carm):
        """The C-arm with this detector surface, where it is curved."""
        return carm.curved(self.radius_mm, self.surface) if self.surface in ("cylindrical", "spherical") else carm

    def applied(self, views):
        """The views with panels or rings, tilt, slant, region and binning; GeometryError for a region that leaves the detector."""
        if self.surface == "panels":
            views = views.with_surface(self._panels(views))
        elif self.surface == "polar":
            views = views.with_surface(self._polar(views))
        if self.tilt_deg or self.slant_deg:
            views = views.with_detector(tilt_deg=self.tilt_deg, slant_deg=self.slant_deg)
        row, col = self.region_row, self.region_col
        rows, cols = self.region_rows or views.shape[0] - row, self.region_cols or views.shape[1] - col
        if min(rows, cols) < 1:
            raise GeometryError(f"detector: the region begins at pixel ({row}, {col}) of {views.shape[0]} x {views.shape[1]}; let it begin earlier")
        if (row, col, rows, cols) != (0, 0, *views.shape):
            views = views.cropped(row, col, rows, cols)
        return views.binned(self.binning) if self.binning > 1 else views

    def _panels(self, views):
        """Panels on an arc about a point on the source's side; all views have the pitch and the distance of the first."""
        if self.radius_mm < 0:
            raise GeometryError(f"detector: the panels' arc has the radius {self.radius_mm:g} mm; panels face the source, expected 0 or more")
        pitch = [float(p[0]) for p in views.pitch_mm]
        return Panels.on_arc(views.shape, self.panels, self.radius_mm or float(views.sdd_mm[0]), pitch, self.gap_mm)

    def _polar(self, views):
        """As many rings as rows and angles as columns, a full turn, about the middle of the flat panel."""
        rows, cols = views.shape
        u, v = (float(p[0]) for p in views.pitch_mm)
        outer = min(rows * v, cols * u) / 2
        if not self.inner_mm < outer:
            raise GeometryError(f"detector: the inner ring at {self.inner_mm:g} mm leaves no room on a panel that reaches {outer:g} mm from its "
                                "middle; let it be smaller")
        ring = (outer - self.inner_mm) / rows
        return Polar(((rows - 1) / 2, (cols - 1) / 2), self.inner_mm + ring / 2, ring, 0.0, 360.0 / cols)
