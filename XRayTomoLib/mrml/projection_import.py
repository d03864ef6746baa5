"""Import projections: what the files hold, what the user corrects, and the job that makes a stack of line integrals of them."""

import inspect
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import slicer

from ..files import stem_of
from ..io.projections import ProjectionError, load_reader, open_projections, open_stack, recognise
from ..io.projections.normalise import Normalisation, to_line_integrals
from ..jobs import Step, provenance
from ..options import option, values_of
from .stack import LIMIT_BYTES, fill_stack_node, link_stack_node, new_stack_image, new_stack_node
from .trajectory import new_scan_geometry, show_geometry
from .volumes import PROVENANCE_ATTRIBUTE, VolumeError

_AS_FOUND = "as found"
_MIDDLE = -1.0


@dataclass(frozen=True)
class Corrections:
    """What takes the place of what the files say; zero, -1 and empty texts leave it to them."""

    kind: str = option(_AS_FOUND, "Pixels hold", "what the pixels hold", choices=(_AS_FOUND, "counts", "line integral"))
    use_selected: bool = option(False, "Selected geometry", "takes the geometry that is selected under Trajectory")
    angles: str = option("", "Angles", "a file with one angle in degrees a line, or START:RANGE, for example 0:360")
    col_pitch_mm: float = option(0.0, "Column pitch", "distance of neighbouring columns; 0 is as found", minimum=0, maximum=1000, unit="mm")
    row_pitch_mm: float = option(0.0, "Row pitch", "distance of neighbouring rows; 0 is that of the columns", minimum=0, maximum=1000, unit="mm")
    sdd_mm: float = option(0.0, "Source-detector", "distance to the detector; 0 is as found, or parallel rays", minimum=0, maximum=1e5, unit="mm")
    sod_mm: float = option(0.0, "Source-axis", "distance to the rotation axis; 0 is as found, or parallel rays", minimum=0, maximum=1e5, unit="mm")
    axis_col: float = option(_MIDDLE, "Axis column", "column onto which the rotation axis falls; -1 is the middle", minimum=-1, maximum=1e5)
    reverse: bool = option(False, "Reverse", "the other sense of rotation, of a scanner that turns the object for example")
    flip: bool = option(False, "Flip", "the columns run the other way")
    patient_position: str = option(_AS_FOUND, "Patient", "position on a linac's table", choices=(_AS_FOUND, "HFS", "HFP", "FFS", "FFP"))
    turn_centre: bool = option(False, "Turn centre", "the other sign of a Nikon scan's centre of rotation, where the reconstruction is double")
    series: str = option("", "Series", "series instance UID, where a DICOM folder holds several")
    dark: str = option("", "Dark", "dark images: a stack, a picture or a folder of them, averaged")
    flat: str = option("", "Flat", "images of the open beam: a stack, a picture or a folder of them, averaged")

    def hints(self, reader):
        """Keywords for open_projections; those that the reader does not take are left out."""
        pitch = (self.col_pitch_mm, self.row_pitch_mm or self.col_pitch_mm) if self.col_pitch_mm else None
        axis = None if self.axis_col == _MIDDLE else self.axis_col
        position = None if self.patient_position == _AS_FOUND else self.patient_position
        given = {"angles": self.angles or None, "pitch_mm": pitch, "sdd_mm": self.sdd_mm or None, "sod_mm": self.sod_mm or None,
                 "axis_col": axis, "reverse": self.reverse or None, "flip": self.flip or None, "patient_position": position,
                 "centre_of_rotation_sign": -1 if self.turn_centre else None, "series": self.series or None}  # fmt: skip
        takes = inspect.signature(load_reader(reader).open_projections).parameters
        general = {"kind": None if self.kind == _AS_FOUND else self.kind, "dark": self.dark or None, "flat": self.flat or None}
        return {name: value for name, value in given.items() if name in takes and value is not None} | general


def open_corrected(path, reader, corrections, selected_views=None):
    """ProjectionSet of a file or folder; `reader` (None: as recognised), Corrections, and the views for `use_selected`."""
    if not str(path):
        raise ProjectionError("No file is chosen: choose a file of the scan, or its folder.")
    name = reader or recognise(path)
    projections = open_projections(path, name, **corrections.hints(name))
    if not corrections.use_selected:
        return projections
    if selected_views is None:
        raise ProjectionError("The selected geometry is to be taken, but none is selected: create or import one under Trajectory.")
    return projections.with_views(selected_views)


def open_steps(path, reader, corrections, selected_views=None):
    """Job: open_corrected of the same arguments; many files, or a slow disk, take their time."""
    yield Step(0, message=f"Looking into {Path(path).name or path}")
    return open_corrected(path, reader, corrections, selected_views)


def draw_geometry(projections, name, node=None):
    """The geometry of a ProjectionSet as a node that is drawn; a node that is given is refilled. Raises ProjectionError where it is not known."""
    if projections.views is None:
        raise ProjectionError(unknown_geometry(projections))
    node = node or new_scan_geometry(f"{name} geometry")
    show_geometry(node, projections.views)
    return node


def unknown_geometry(projections):
    """A sentence on what is missing of the geometry of a ProjectionSet."""
    return f"The geometry of {projections.source} is {projections.found.get('geometry of the files', 'not known')}."


def name_of(path):
    """What the nodes of a file or folder are called."""
    return stem_of(Path(path).resolve()) or "Projections"


def load_steps(projections, options=None, path=None, folder=None, limit_bytes=LIMIT_BYTES):
    """Job: the line integrals of a ProjectionSet. Returns (report, vtkImageData), or (report, None) where they were written to `path`.

    Without `path` they pass through a file in `folder` that is removed; above `limit_bytes` that is refused (VolumeError).
    """
    options = options or Normalisation()
    if path is not None:
        return (yield from to_line_integrals(projections, path, options)), None
    shape = len(projections), *projections.shape
    size = 4 * shape[0] * shape[1] * shape[2]
    if size > limit_bytes:
        count, rows, cols = shape
        raise VolumeError(f"{count} projections of {rows} x {cols} pixels need {size / 1e9:.1f} GB, more than a node holds: choose a file.")
    with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as temporary:
        file = Path(temporary) / "stack.nrrd"
        report = yield from to_line_integrals(projections, file, options)
        stack, (image, out) = open_stack(file), new_stack_image(shape)
        for index in range(shape[0]):
            out[index] = stack[index]
        del stack
    return report, image


def put_loaded(projections, image, path, name, geometry_node, options, stack_node=None):
    """The stack node of loaded projections, with its geometry (a node or None) and provenance."""
    node = stack_node or new_stack_node(name)
    if image is None:
        link_stack_node(node, path, geometry_node)
    else:
        fill_stack_node(node, image, geometry_node)
    made = provenance("import", {"projections": projections.source}, values_of(options) | {"kind": projections.kind})
    node.SetAttribute(PROVENANCE_ATTRIBUTE, json.dumps(made))
    return node


def import_now(path, reader, name, stack_path, options, hints, run):
    """The whole way for scripts; `run` runs the job. Returns (stack node, geometry node or None)."""
    projections = open_projections(path, reader, **hints)
    _report, image = run(load_steps(projections, options, stack_path, slicer.app.temporaryPath))
    name = name or name_of(path)
    geometry = draw_geometry(projections, name) if projections.views is not None else None
    return put_loaded(projections, image, stack_path, name, geometry, options), geometry

