"""Projections of Varian TrueBeam and ProBeam (.xim), with their air scans; geometry/formats/truebeam.py reads their geometry."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from ...geometry.formats.truebeam import TITLE, folders_in, has_bowtie, read_scan, read_xim, scan_file
from ...geometry.formats.truebeam import recognise as recognise_geometry
from .base import ProjectionError
from .scans import head_of, projections_of
from .varian import check_compressed, decode

__all__ = ["TITLE", "open_projections", "read_pixels", "recognise"]


def recognise(path):
    return recognise_geometry(Path(path), head_of(path))


def open_projections(path, patient_position="HFS", isocentre_ras=(0.0, 0.0, 0.0)):
    """ProjectionSet of the folder of Scan.xml (or of one acquisition below it); hints: see geometry/formats/iec.py.

    flat is the mean of the air scans of this kind (with or without bowtie) in Calibrations/Air-*; exposure is each projection's
    KVNormChamber relative to that of flat, so that the open beam of projection i is exposure[i] * flat. Air scans of several
    folders are not mixed: then there is no flat, and `found` says so.
    """
    scan = read_scan(path, patient_position=patient_position, isocentre_ras=isocentre_ras)
    info = scan_file(scan.files[0].parent)
    files, scan.found["air scans"] = _air_scans(info.parent, has_bowtie(info))
    flat, monitor = _mean_air(files, scan.views.shape)
    exposure = scan.exposure
    if exposure is not None:
        exposure = exposure / (exposure.mean() if monitor is None else monitor)
    return projections_of(path, replace(scan, exposure=exposure), read_pixels, np.int32, flat=flat)


def _air_scans(folder, bowtie):
    """Files of the air scans made with or without bowtie, and a line about them."""
    name = "filterbowtie" if bowtie else "filter.xim"
    places = [place for calibrations in folders_in(folder, "calibrations") for place in folders_in(calibrations, "air-")]
    found = {place: sorted(f for f in place.rglob("*") if f.name.lower().startswith(name) and f.suffix.lower() == ".xim") for place in places}
    found = {place: files for place, files in found.items() if files}
    kind = "with" if bowtie else "without"
    if len(found) > 1:
        return [], f"not used: several folders hold some {kind} bowtie ({', '.join(place.name for place in found)}); keep the one of this scan"
    files = next(iter(found.values()), [])
    return files, f"{len(files)} {kind} bowtie" + (f", mean of {next(iter(found)).name}" if files else "")


def _mean_air(files, shape):
    """(mean image [rows, cols] of the air scans scaled to their mean monitor reading, that reading); None for what there is not."""
    with_pixels = [(file, header) for file, header in ((file, read_xim(file)) for file in files) if min(header.shape) > 0]
    if not with_pixels:
        return None, None
    monitors = [header.properties.get("KVNormChamber") for _, header in with_pixels]
    if any(not isinstance(m, (int, float)) or not 0 < m < np.inf for m in monitors):
        monitors = None
    mean = np.zeros(shape)
    for i, (file, header) in enumerate(with_pixels):
        if header.shape != tuple(shape):
            raise ProjectionError(f"{file}: the air scan has {header.shape[1]} x {header.shape[0]} pixels, the projections {shape[1]} x {shape[0]}; "
                                  "keep the air scan of this scan's mode.")
        mean += read_pixels(file) / (1.0 if monitors is None else monitors[i] / np.mean(monitors))
    return mean / len(with_pixels), None if monitors is None else float(np.mean(monitors))


def read_pixels(path):
    """Pixels [rows, cols], int32, of one .xim file, compressed or not."""
    path = Path(path)
    xim = read_xim(path)
    if min(xim.shape) == 0:
        raise ProjectionError(f"{path}: the file holds no pixels; get a complete copy.")
    if xim.table is None:
        form = {1: np.dtype("u1"), 2: np.dtype("<u2"), 4: np.dtype("<i4")}[xim.bytes_per_pixel]
        return np.fromfile(path, form, xim.shape[0] * xim.shape[1], offset=xim.data[0]).reshape(xim.shape).astype(np.int32)
    check_compressed(path, xim.shape, xim.table[1] + xim.data[1])
    table, data = (np.fromfile(path, np.uint8, count, offset=at) for at, count in (xim.table, xim.data))
    return decode(path, table, data, xim.shape).view(np.int32)
