"""The choices of the panel. A choice's value is the library's word, its label is what the user reads."""

from enum import Enum

from slicer.i18n import tr as _


class AttenuationKind(Enum):
    """How voxel values become attenuation."""

    HU_LINEAR = "hu_linear"
    HU_THRESHOLD = "hu_threshold"
    LINEAR = "linear"

    def label(self):
        return {
            AttenuationKind.HU_LINEAR: _("Linear in HU"),
            AttenuationKind.HU_THRESHOLD: _("Linear in HU above a threshold"),
            AttenuationKind.LINEAR: _("Values are 1/mm"),
        }[self]


class Method(Enum):
    """How a ray is summed through the volume."""

    JOSEPH = "joseph"
    SIDDON = "siddon"
    TRILINEAR = "trilinear"

    def label(self):
        return {Method.JOSEPH: _("Joseph"), Method.SIDDON: _("Siddon"), Method.TRILINEAR: _("Trilinear")}[self]


class Shows(Enum):
    """What the pixels of the radiograph hold."""

    LINE_INTEGRAL = "line integral"
    INTENSITY = "intensity"
    INVERTED = "inverted"

    def label(self):
        return {
            Shows.LINE_INTEGRAL: _("Line integral"),
            Shows.INTENSITY: _("Intensity I/I0"),
            Shows.INVERTED: _("Inverted, 1 - I/I0"),
        }[self]


class IsocentreFrom(Enum):
    """Where the isocentre comes from; a dragged gantry has a free one."""

    VOLUME = "volume"
    POINT = "point"
    FREE = "free"

    def label(self):
        return {
            IsocentreFrom.VOLUME: _("Centre of the volume"),
            IsocentreFrom.POINT: _("Markups point"),
            IsocentreFrom.FREE: _("Free position"),
        }[self]


class CoverageKind(Enum):
    """What a map of the geometry shows."""

    COVERAGE = "coverage"
    COMPLETENESS = "completeness"
    INCOMPLETENESS = "incompleteness"

    def label(self):
        return {
            CoverageKind.COVERAGE: _("Views that see a voxel"),
            CoverageKind.COMPLETENESS: _("Completeness (share of planes)"),
            CoverageKind.INCOMPLETENESS: _("Incompleteness (worst plane, degrees)"),
        }[self]


class StartFrom(Enum):
    """Where a registration starts from."""

    PLACE = "place"
    LANDMARKS = "landmarks"
    ISOCENTRE = "isocentre"
    SEARCH = "search"

    def label(self):
        return {
            StartFrom.PLACE: _("Where the object lies"),
            StartFrom.LANDMARKS: _("Landmarks"),
            StartFrom.ISOCENTRE: _("Isocentre of the X-rays"),
            StartFrom.SEARCH: _("Search over all orientations"),
        }[self]
