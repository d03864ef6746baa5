"""One DICOM file of X-ray projections: its header, functional groups, and frames as counts or logarithms of them."""

import math
import struct
from contextlib import contextmanager
from functools import cached_property

import numpy as np

from .base import COUNTS, LINE_INTEGRAL, MOST_PROJECTIONS, ProjectionError, check_memory

PROJECTIONS = {
    "1.2.840.10008.5.1.4.1.1.12.1": "XA", "1.2.840.10008.5.1.4.1.1.12.2": "RF", "1.2.840.10008.5.1.4.1.1.12.3": "XA biplane",
    "1.2.840.10008.5.1.4.1.1.12.1.1": "enhanced XA", "1.2.840.10008.5.1.4.1.1.12.2.1": "enhanced XRF",
}  # fmt: skip
ITEM_BYTES = 8              # of the header that each compressed frame has in the file (PS3.5 A.4)
DEFLATED = "1.2.840.10008.1.2.1.99"
# Functional groups (PS3.3 C.7.6.16, C.8.19.6) that hold what is asked for, by keyword.
GROUPS = {
    "ImagerPixelSpacing": "FramePixelDataPropertiesSequence", "PixelIntensityRelationship": "FramePixelDataPropertiesSequence",
    "PixelIntensityRelationshipSign": "FramePixelDataPropertiesSequence",
    "DistanceSourceToDetector": "XRayGeometrySequence", "DistanceSourceToIsocenter": "XRayGeometrySequence",
    "PositionerPrimaryAngle": "PositionerPositionSequence", "PositionerSecondaryAngle": "PositionerPositionSequence",
    "PositionerIsocenterPrimaryAngle": "IsocenterReferenceSystemSequence", "PositionerIsocenterSecondaryAngle": "IsocenterReferenceSystemSequence",
    "RescaleSlope": "PixelValueTransformationSequence", "RescaleIntercept": "PixelValueTransformationSequence",
    "FieldOfViewHorizontalFlip": "XRayFieldOfViewSequence", "FieldOfViewRotation": "XRayFieldOfViewSequence",
}  # fmt: skip


def is_projection_file(path):
    """Whether the file is DICOM with an X-ray projection SOP class; of a deflated one, which only opening it refuses, the part before says so."""
    try:
        with open(path, "rb") as file:
            if file.read(132)[128:] != b"DICM":
                return False
        with readable(path) as pydicom:
            meta = pydicom.filereader.read_file_meta_info(path)
            if meta.get("TransferSyntaxUID") == DEFLATED:
                return str(meta.get("MediaStorageSOPClassUID", "")) in PROJECTIONS
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"])
            return str(header.get("SOPClassUID", "")) in PROJECTIONS
    except (OSError, ProjectionError):
        return False


@contextmanager
def readable(path, what="not a readable DICOM file", remedy="export it again"):
    """Yields pydicom; what it raises on broken files, depending on where they are broken, becomes a ProjectionError."""
    pydicom = _pydicom(path)
    own = (pydicom.errors.InvalidDicomError, pydicom.errors.BytesLengthException)
    try:
        yield pydicom
    except ProjectionError:
        raise
    except (OSError, EOFError, ValueError, AttributeError, LookupError, TypeError, OverflowError, RuntimeError, struct.error, *own) as error:
        raise ProjectionError(f"{path}: {what} ({first_line(error)}); {remedy}.") from error


def _header(path, pydicom):
    """The dataset without its pixels. Deflated files, which pydicom unpacks as a whole, are refused before that."""
    if pydicom.filereader.read_file_meta_info(path).get("TransferSyntaxUID") == DEFLATED:
        raise ProjectionError(f"{path}: the file is deflated as a whole; export it uncompressed.")
    return pydicom.dcmread(path, stop_before_pixels=True)


class Frames:
    """Header and frames of one file: `count`, `shape` (rows, cols), `dtype`, `kind`, `meaning` (of the values, for people)."""

    def __init__(self, path):
        self.path = path
        with readable(path) as pydicom:
            self.dataset = _header(path, pydicom)
            self._read()

    def _read(self):
        if str(self.dataset.get("SOPClassUID", "")) not in PROJECTIONS:
            raise ProjectionError(f"{self.path}: SOP class {self.dataset.get('SOPClassUID', 'missing')}; expected XA, RF or an enhanced one of them.")
        self.count = self._whole("NumberOfFrames", 1, MOST_PROJECTIONS)
        self.shape = (self._whole("Rows", None, 1 << 16), self._whole("Columns", None, 1 << 16))
        if self.dataset.get("SamplesPerPixel", 1) != 1:
            raise ProjectionError(f"{self.path}: {self.dataset.SamplesPerPixel} samples per pixel (colour); expected grey levels.")
        self._check_size()
        self.kind, self.falls, self.meaning = self._intensity()
        plain = self._lut is None and self._rescale(0) == (1.0, 0.0)
        signed = self.dataset.get("PixelRepresentation", 0) == 1
        self.dtype = np.dtype(f"{'i' if signed else 'u'}{self.dataset.BitsAllocated // 8}") if plain and self.falls else np.dtype(np.float32)

    def _check_size(self):
        """Whether the file can hold its frames, where they are not compressed, and one frame fits into memory."""
        bits, syntax = self.dataset.get("BitsAllocated"), self.dataset.file_meta.TransferSyntaxUID
        if bits not in (8, 16):
            raise ProjectionError(f"{self.path}: BitsAllocated = {bits}; expected 8 or 16.")
        promised, held = self.count * math.prod(self.shape) * bits // 8, self.path.stat().st_size
        if syntax.is_compressed and self.count * ITEM_BYTES > held:
            raise ProjectionError(f"{self.path}: {self.count} compressed frames (NumberOfFrames) do not fit into {held} bytes; export it again.")
        if not syntax.is_compressed and promised > held:
            raise ProjectionError(f"{self.path}: {self.count} frames of {self.shape[0]} x {self.shape[1]} pixels (NumberOfFrames, Rows, Columns) "
                                  f"are {promised} bytes, the file has {held}; export it again.")
        check_memory(8 * math.prod(self.shape), self.path)

    def _intensity(self):
        """(kind, whether values fall with attenuation, for people): Pixel Intensity Relationship and its sign (PS3.3 C.8.7.1.1.2, C.8.11.3).

        Without the sign (plain XA) the display tells: attenuating things are shown dark, by low values in MONOCHROME2.
        """
        relation = str(self.value("PixelIntensityRelationship", 0) or "LIN").upper()
        sign = self.value("PixelIntensityRelationshipSign", 0)
        falls = int(sign) != -1 if sign is not None else str(self.dataset.get("PhotometricInterpretation", "MONOCHROME2")) != "MONOCHROME1"
        if self._lut is not None:
            return COUNTS, falls, f"{relation}, made linear by the lookup table of the file"
        if relation == "LOG":
            return LINE_INTEGRAL, falls, "LOG: line integrals up to an unknown factor and offset"
        notes = {"LIN": "LIN: proportional to the intensity", "DISP": "DISP: for display, not proportional to the intensity"}
        return COUNTS, falls, notes.get(relation, f"{relation}: taken as proportional to the intensity")

    def pixels(self, index):
        """Frame `index` [rows, cols] as its kind says: counts fall, line integrals rise with attenuation."""
        with readable(self.path, f"frame {index} cannot be decoded", "export it uncompressed") as pydicom:
            stored = pydicom.pixels.pixel_array(self.path, index=index, raw=True)
        rises = self.kind == LINE_INTEGRAL
        if self._lut is not None:
            stored = self._through_lut(stored)
        if self._rescale(index) != (1.0, 0.0):
            slope, intercept = self._rescale(index)
            stored = (stored * slope + intercept).astype(np.float32)
        if self.falls != rises:
            return stored if self.dtype == stored.dtype else stored.astype(self.dtype)
        return (self._top(index) - stored.astype(np.float64)).astype(self.dtype)

    def _top(self, index):
        """The largest value that pixels can have: what inverted ones are counted from."""
        if self._lut is not None:
            return float(np.max(self._lut[1]))
        signed = self.dataset.get("PixelRepresentation", 0) == 1
        slope, intercept = self._rescale(index)
        return (2.0 ** (int(self.dataset.get("BitsStored", 16)) - signed) - 1) * slope + intercept

    def _rescale(self, index):
        slope, intercept = self.number("RescaleSlope", index), self.number("RescaleIntercept", index)
        return (1.0 if slope in (None, 0.0) else slope), (intercept or 0.0)

    @cached_property
    def _lut(self):
        """(first value that is mapped, table) of the Modality LUT, or of the enhanced file's TO_LINEAR; None without one."""
        item = next(iter(self.dataset.get("ModalityLUTSequence", [])), None)
        if item is None:
            tables = self._group("FramePixelDataPropertiesSequence", 0, "PixelIntensityRelationshipLUTSequence") or []
            item = next((table for table in tables if table.get("LUTFunction") == "TO_LINEAR"), None)
        if item is None:
            return None
        length, first, _ = (int(n) for n in item.LUTDescriptor)
        data = item.LUTData
        table = np.frombuffer(data, "<u2") if isinstance(data, bytes) else np.atleast_1d(np.asarray(data, np.int64))
        if len(table) != (length or 1 << 16):
            raise ProjectionError(f"{self.path}: the lookup table has {len(table)} values, its LUTDescriptor says {length or 1 << 16}.")
        return first, table.astype(np.float32)

    def _through_lut(self, stored):
        first, table = self._lut
        return table[np.clip(stored.astype(np.int64) - first, 0, len(table) - 1)]

    def value(self, keyword, index):
        """The value of `keyword` for frame `index`: from its functional group, the shared one, or the header; None if it is nowhere."""
        with readable(self.path, f"{keyword} cannot be read"):
            found = self._group(GROUPS[keyword], index, keyword) if keyword in GROUPS else None
            found = self.dataset.get(keyword) if found is None else found
        return None if found is None or found == "" else found

    def _group(self, sequence, index, keyword):
        frames, shared = self.dataset.get("PerFrameFunctionalGroupsSequence"), self.dataset.get("SharedFunctionalGroupsSequence")
        for groups in (frames[index] if frames is not None and index < len(frames) else None, shared[0] if shared else None):
            for item in (groups or {}).get(sequence, []):
                if keyword in item:
                    return item.get(keyword)
        return None

    def number(self, keyword, index):
        """A finite number or None."""
        values = self.numbers(keyword, index, 1)
        return None if values is None else values[0]

    def numbers(self, keyword, index, count):
        """`count` finite numbers or None."""
        value = self.value(keyword, index)
        if value is None:
            return None
        try:
            values = [float(x) for x in np.ravel(np.asarray(value, dtype=object))]
        except (TypeError, ValueError):
            values = []
        if len(values) != count or not all(map(math.isfinite, values)):
            raise ProjectionError(f"{self.path}: {keyword} = {str(value)[:60]}; expected {count} finite number{'s' * (count > 1)}.")
        return values

    def angle(self, keyword, index):
        """Positioner angle of a frame. The increments are offsets from the angle, one a frame, or the step between frames (PS3.3 C.8.7.5.1.3)."""
        angle, steps = self.number(keyword, index), self.value(f"{keyword}Increment", index)
        if angle is None or steps is None:
            return angle
        count = len(steps) if isinstance(steps, (list, tuple)) or hasattr(steps, "append") else 1
        if count not in (1, self.count):
            raise ProjectionError(f"{self.path}: {count} values of {keyword}Increment for {self.count} frames; expected one, or one for each.")
        steps = self.numbers(f"{keyword}Increment", index, count)
        return angle + (steps[index] if count == self.count else index * steps[0])

    def order(self, keyword):
        """A whole number to sort by; 0 where it is missing or none."""
        text = str(self.value(keyword, 0)).strip()
        return int(text) if text.lstrip("-").isdigit() else 0

    def _whole(self, keyword, default, most):
        value = self.dataset.get(keyword, default)
        value = default if value is None else value
        if value is None or not 1 <= int(value) <= most:
            raise ProjectionError(f"{self.path}: {keyword} = {value}; expected a whole number from 1 to {most}.")
        return int(value)


def first_line(error):
    return (str(error).splitlines() or ["no reason given"])[0].rstrip(".")


def _pydicom(path):
    try:
        import pydicom
        import pydicom.pixels
    except ModuleNotFoundError as error:
        raise ProjectionError(f"{path}: DICOM X-ray images need the Python package pydicom; install it with: pip install pydicom.") from error
    return pydicom
