"""What a detector can be beyond the device's flat panel, as declared options: curved, tilted, a part of it, binned."""

from dataclasses import dataclass

from ..options import OptionError, option, options_of
from .arrays import GeometryError


@dataclass(frozen=True)
class DetectorOptions:
    """Changes of a device's detector: its surface, its tilt against the beam, the region that is read out, and its binning."""

    surface: str = option("flat", "Surface", "shape of the detector", choices=("flat", "cylindrical", "spherical"))
    radius_mm: float = option(0.0, "Radius", "radius of a curved detector; 0 is focus-centred (the source-detector distance), negative bends "
                              "it away from the source", minimum=-1e5, maximum=1e5, unit="mm")
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
        """The C-arm with this detector surface."""
        return carm if self.surface == "flat" else carm.curved(self.radius_mm, self.surface)

    def applied(self, views):
        """The views with tilt, slant, region and binning; GeometryError for a region that leaves the detector."""
        if self.tilt_deg or self.slant_deg:
            views = views.with_detector(tilt_deg=self.tilt_deg, slant_deg=self.slant_deg)
        row, col = self.region_row, self.region_col
        rows, cols = self.region_rows or views.shape[0] - row, self.region_cols or views.shape[1] - col
        if min(rows, cols) < 1:
            raise GeometryError(f"detector: the region begins at pixel ({row}, {col}) of {views.shape[0]} x {views.shape[1]}; let it begin earlier")
        if (row, col, rows, cols) != (0, 0, *views.shape):
            views = views.cropped(row, col, rows, cols)
        return views.binned(self.binning) if self.binning > 1 else views
