"""X-ray devices: presets (data files) and the C-arm that turns clinical angles into views."""
import json
from dataclasses import MISSING, dataclass, fields, replace
from functools import lru_cache

import numpy as np

from ..resources import resource_path
from .arrays import GeometryError, to_numpy
from .detectors import Cylindrical, Flat, Spherical
from .pose import rigid, rotation_about_axis
from .views import Views

# surfaces of a C-arm's detector, made from their radius and the pixel (row, col) that touches the plane
SURFACES = {"flat": lambda radius_mm, apex: Flat(), "cylindrical": lambda radius_mm, apex: Cylindrical(radius_mm, apex[1]), "spherical": Spherical}


@dataclass(frozen=True)
class Device:
    """A preset of Resources/Presets/devices: distances in mm, detector in pixels and mm per pixel; the lowest and highest angle where the
    machine has limits."""
    name: str
    kind: str
    sdd_mm: float
    sod_mm: float
    rows: int
    cols: int
    row_pitch_mm: float
    col_pitch_mm: float
    primary_limits_deg: tuple = None
    secondary_limits_deg: tuple = None
    description: str = ""
    source: str = ""

    @staticmethod
    def from_file(path):
        """Reads a preset; unknown or missing keys raise GeometryError."""
        values = json.loads(path.read_text(encoding="utf-8"))
        known = {f.name for f in fields(Device)}
        required = {f.name for f in fields(Device) if f.default is MISSING}
        if set(values) - known or required - set(values):
            raise GeometryError(f"device file {path.name}: expected the keys {sorted(known)}, found {sorted(values)}")
        limits = {name: tuple(values[name]) for name in ("primary_limits_deg", "secondary_limits_deg") if values.get(name) is not None}
        return Device(**{**values, **limits})


@lru_cache(maxsize=1)
def devices():
    """All presets by name, in the order of their files (read once)."""
    found = [Device.from_file(f) for f in sorted(resource_path("Presets/devices").glob("*.json"))]
    return {d.name: d for d in found}


def device_names():
    return list(devices())


def load_device(name):
    """The preset called `name` (case does not matter)."""
    known = devices()
    for d in known.values():
        if d.name.casefold() == str(name).casefold():
            return d
    raise GeometryError(f"device '{name}' is not known; expected one of: {', '.join(known)}")


@dataclass(frozen=True)
class CArm:
    """A source and a detector that turn about an isocentre.

    In the gantry frame (origin at the isocentre) the detector lies along +y, the source along -y; at primary = secondary = 0 the
    frame is RAS: source posterior, detector anterior, u towards the patient's left, v towards the feet.
    principal_offset_mm: where the central ray meets the detector, along u and v from its centre. in_plane_deg turns the detector
    about the central ray, from u towards v. surface: "flat", "cylindrical" or "spherical"; curved ones touch the plane where the central
    ray meets it and have the radius radius_mm (0: focus-centred, the source-detector distance; negative: bent away from the source).
    primary_limits_deg, secondary_limits_deg: the lowest and highest angle that the machine reaches, or None.
    """
    sdd_mm: float
    sod_mm: float
    rows: int
    cols: int
    col_pitch_mm: float
    row_pitch_mm: float
    principal_offset_mm: tuple = (0.0, 0.0)
    in_plane_deg: float = 0.0
    flipped: bool = False
    surface: str = "flat"
    radius_mm: float = 0.0
    primary_limits_deg: tuple = None
    secondary_limits_deg: tuple = None

    def __post_init__(self):
        if not self.sod_mm > 0:
            raise GeometryError(f"source-isocentre distance {self.sod_mm} mm: expected more than 0 mm")
        if not self.sdd_mm > self.sod_mm:
            raise GeometryError(f"source-detector distance {self.sdd_mm} mm is not larger than the source-isocentre distance {self.sod_mm} mm; "
                                "raise the first or lower the second")
        if int(self.rows) < 1 or int(self.cols) < 1:
            raise GeometryError(f"detector of {self.rows} rows x {self.cols} columns: both must be at least 1")
        if not (self.col_pitch_mm > 0 and self.row_pitch_mm > 0):
            raise GeometryError(f"pixel pitch {self.col_pitch_mm} x {self.row_pitch_mm} mm: both must be more than 0 mm")
        if self.surface not in SURFACES:
            raise GeometryError(f"detector surface '{self.surface}': expected one of {', '.join(SURFACES)}")
        for limits in (self.primary_limits_deg, self.secondary_limits_deg):
            if limits is not None and not (len(limits) == 2 and limits[0] <= limits[1]):
                raise GeometryError(f"limits of angles {limits}: expected the lowest and the highest angle in degrees, or None")

    def curved(self, radius_mm=0.0, surface="cylindrical"):
        """The same pixels on a curved detector; radius_mm 0 is focus-centred."""
        return replace(self, surface=surface, radius_mm=radius_mm)

    def check_angles(self, primary_deg, secondary_deg):
        """GeometryError where one of the angles is beyond what the machine reaches."""
        for name, angles, limits in (("primary", primary_deg, self.primary_limits_deg), ("secondary", secondary_deg, self.secondary_limits_deg)):
            if limits is not None:
                lowest, highest = float(np.min(angles)), float(np.max(angles))
                if lowest < limits[0] - 1e-9 or highest > limits[1] + 1e-9:
                    raise GeometryError(f"{name} angles from {lowest:g} to {highest:g} degrees: "
                                        f"the device reaches {limits[0]:g} to {limits[1]:g} degrees")

    def resampled(self, rows, cols):
        """The same detector area with another number of pixels."""
        if rows < 1 or cols < 1:
            raise GeometryError(f"detector of {rows} rows x {cols} columns: both must be at least 1")
        return replace(self, rows=rows, cols=cols, row_pitch_mm=self.row_pitch_mm * self.rows / rows,
                       col_pitch_mm=self.col_pitch_mm * self.cols / cols)

    def local_views(self):
        """The one view of this C-arm in the gantry frame."""
        turn = rotation_about_axis((0, -1, 0), self.in_plane_deg)      # from u = -x towards v = -z
        u = turn @ np.array([-self.col_pitch_mm, 0.0, 0.0])
        v = turn @ np.array([0.0, 0.0, -self.row_pitch_mm])
        principal = np.array([0.0, self.sdd_mm - self.sod_mm, 0.0])
        along_u, along_v = self.principal_offset_mm
        centre = principal - along_u / self.col_pitch_mm * u - along_v / self.row_pitch_mm * v
        origin = centre - (self.cols - 1) / 2 * u - (self.rows - 1) / 2 * v
        apex = ((self.rows - 1) / 2 + along_v / self.row_pitch_mm, (self.cols - 1) / 2 + along_u / self.col_pitch_mm)
        surface = SURFACES[self.surface](self.radius_mm or self.sdd_mm, apex)
        views = Views(source=[0.0, -self.sod_mm, 0.0], origin=origin, u=u, v=v, shape=(self.rows, self.cols), surface=surface)
        return views.flipped() if self.flipped else views

    def views(self, primary_deg=0.0, secondary_deg=0.0, isocentre_ras=(0.0, 0.0, 0.0)):
        """Views at the given angles, which broadcast against each other (as does isocentre_ras [3] or [N, 3])."""
        local = self.local_views()
        primary, secondary = (a.ravel() for a in np.broadcast_arrays(np.atleast_1d(primary_deg), np.atleast_1d(secondary_deg)))
        centres = np.broadcast_to(np.asarray(isocentre_ras, np.float64), (len(primary), 3))
        return local[[0] * len(primary)].transformed(gantry_from_angles(primary, secondary, centres))


def carm(device):
    """The C-arm of a `Device` or of the preset with that name."""
    d = device if isinstance(device, Device) else load_device(device)
    return CArm(d.sdd_mm, d.sod_mm, d.rows, d.cols, d.col_pitch_mm, d.row_pitch_mm,
                primary_limits_deg=d.primary_limits_deg, secondary_limits_deg=d.secondary_limits_deg)


def gantry_from_angles(primary_deg, secondary_deg, isocentre_ras=(0.0, 0.0, 0.0)):
    """4x4 ras_from_gantry: secondary (cranial +) about the gantry's x, then primary (LAO +) about S, as DICOM's positioner angles.

    Angles [N] and isocentres [N, 3] give [N, 4, 4]."""
    rotation = rotation_about_axis((0, 0, 1), primary_deg) @ rotation_about_axis((1, 0, 0), secondary_deg)
    return rigid(rotation, isocentre_ras)


def angles_from_gantry(matrix):
    """(primary_deg, secondary_deg, roll_deg) of ras_from_gantry: primary in (-180, 180], secondary in [-90, 90], and the rotation
    about the central ray that remains. At secondary = +-90 the primary angle is free; it is then given as 0."""
    rotation = to_numpy(matrix)[:3, :3]
    x, y, z = rotation[:, 1] / np.linalg.norm(rotation[:, 1])
    secondary = np.degrees(np.arcsin(np.clip(z, -1, 1)))
    primary = 0.0 if np.hypot(x, y) < 1e-9 else np.degrees(np.arctan2(0.0 - x, y))
    rest = gantry_from_angles(primary, secondary)[:3, :3].T @ rotation
    roll = np.degrees(np.arctan2(rest[0, 2], rest[0, 0]))
    return float(primary), float(secondary), float(roll)
