"""What geometry files may leave out, as declared options: zero is not given."""

import inspect
from dataclasses import dataclass

from ..geometry.formats import load_format
from ..options import option


@dataclass(frozen=True)
class FileHints:
    """Detector and distances for formats that do not carry them (matrices, RTK, cameras ...)."""

    rows: int = option(0, "Rows", "rows of the detector, where the file does not say it; 0 is not given", minimum=0, maximum=65536)
    cols: int = option(0, "Columns", "columns of the detector, where the file does not say it; 0 is not given", minimum=0, maximum=65536)
    col_pitch_mm: float = option(0.0, "Column pitch", "distance of neighbouring columns; 0 is not given", minimum=0, maximum=1000, unit="mm")
    row_pitch_mm: float = option(0.0, "Row pitch", "distance of neighbouring rows; 0 is not given", minimum=0, maximum=1000, unit="mm")
    sdd_mm: float = option(0.0, "Source-detector", "distance from source to detector; 0 is not given", minimum=0, maximum=1e5, unit="mm")

    def of_format(self, name):
        """The hints that are given and that the format takes, as read_geometry's keywords."""
        given = {}
        if self.rows and self.cols:
            given["shape"] = self.rows, self.cols
        if self.col_pitch_mm or self.row_pitch_mm:
            given["pitch_mm"] = self.col_pitch_mm or self.row_pitch_mm, self.row_pitch_mm or self.col_pitch_mm
        if self.sdd_mm:
            given["sdd_mm"] = self.sdd_mm
        taken = inspect.signature(load_format(name).read).parameters
        return {key: value for key, value in given.items() if key in taken}
