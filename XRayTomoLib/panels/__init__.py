"""The panel, one file a section. A section is one class on the base of section.py; the panel shows those listed here, in this order."""

from .calibrate import CalibrateSection
from .compare import CompareSection
from .geometry_checks import GeometryChecksSection
from .import_projections import ImportProjectionsSection
from .radiograph import RadiographSection
from .reconstruct import ReconstructSection
from .register import RegisterSection
from .scan import ScanSection
from .source_detector import SourceDetectorSection
from .trajectory import TrajectorySection
from .volume import VolumeSection

SECTIONS = (
    VolumeSection, SourceDetectorSection, RadiographSection, TrajectorySection, ScanSection, ImportProjectionsSection, GeometryChecksSection,
    CalibrateSection, ReconstructSection, CompareSection, RegisterSection,
)  # fmt: skip
