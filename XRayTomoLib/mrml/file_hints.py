"""What geometry files may leave out, as declared options: zero is not given."""

import inspect
from dataclasses import dataclass

from ..geometry.formats import load_format
from ..geometry.formats.astra import KINDS
from ..geometry.formats.deepdrr import RAS_FROM
from ..geometry.formats.iec import RAS_FROM_IEC
from ..options import option

NOT_GIVEN = "not given"


@dataclass(frozen=True)
class FileHints:
    """Detector, distances and frame for formats that do not carry them (matrices, RTK, cameras, linacs ...)."""

    rows: int = option(0, "Rows", "rows of the detector, where the file does not say it; 0 is not given", minimum=0, maximum=65536)
    cols: int = option(0, "Columns", "columns of the detector, where the file does not say it; 0 is not given", minimum=0, maximum=65536)
    col_pitch_mm: float = option(0.0, "Column pitch", "distance of neighbouring columns; 0 is not given", minimum=0, maximum=1000, unit="mm")
    row_pitch_mm: float = option(0.0, "Row pitch", "distance of neighbouring rows; 0 is not given", minimum=0, maximum=1000, unit="mm")
    sdd_mm: float = option(0.0, "Source-detector", "distance from source to detector; 0 is not given", minimum=0, maximum=1e5, unit="mm")

    kind: str = option(NOT_GIVEN, "Vectors", "what the rows of an ASTRA file are", choices=(NOT_GIVEN, *KINDS))
    unit_mm: float = option(0.0, "Unit", "length of the file's unit (a camera calibration's, a scene's); 0 is not given", minimum=0, maximum=1e6,
                            unit="mm")
    world: str = option(NOT_GIVEN, "World", "axes of the world that a DeepDRR device stands in", choices=(NOT_GIVEN, *RAS_FROM))
    patient_position: str = option(NOT_GIVEN, "Patient", "position on a linac's table", choices=(NOT_GIVEN, *RAS_FROM_IEC))

    def of_format(self, name):
        """The hints that are given and that the format takes, as read_geometry's keywords."""
        given = {}
        if self.rows and self.cols:
            given["shape"] = self.rows, self.cols
        if self.col_pitch_mm or self.row_pitch_mm:
            given["pitch_mm"] = self.col_pitch_mm or self.row_pitch_mm, self.row_pitch_mm or self.col_pitch_mm
        given |= {name: value for name in ("sdd_mm", "unit_mm") if (value := getattr(self, name))}
        given |= {name: value for name in ("kind", "world", "patient_position") if (value := getattr(self, name)) != NOT_GIVEN}
        taken = inspect.signature(load_format(name).read).parameters
        return {key: value for key, value in given.items() if key in taken}
