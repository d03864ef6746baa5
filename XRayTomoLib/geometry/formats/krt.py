"""K, R, t camera calibrations: XMALab's text files (MayaCam 2.0) and JSON.

x_camera = R x + t, (col, row, 1) ~ K x_camera, z ahead of the source, first pixel's centre at (0, 0): OpenCV's camera model without
distortion (docs.opencv.org, "Camera Calibration and 3D Reconstruction"). World = RAS, as far as the calibration's own frame is that.
Text: one camera a file, under the headings `image size` (columns, rows), `camera matrix`, `rotation`, `translation`; a folder is read
as the views of all its camera files, in the order of their names.
JSON: {"cameras": [{"K": 3x3, "R": 3x3, "t": [3], "image_size": [cols, rows], "sdd_mm": ...}, ...]}, or one such object alone.
A negative K[0, 0] (views seen from the detector) and a skew are legal and kept.
"""
import json

import numpy as np

from ..arrays import to_numpy
from ..views import Views
from . import FormatError
from .cameras import check_rotations, pinholes, views_from_rays
from .fields import finite, keys_of, read_object, read_text

TITLE = "Camera calibration K, R, t (OpenCV, XMALab)"
SUFFIXES = (".krt.txt", ".krt.json")
_LEAST_FOCAL = 1e-12     # of K's largest number: where focal lengths are smaller, K has no inverse in float64
SECTIONS = {"image size": (1, 2), "camera matrix": (3, 3), "rotation": (3, 3), "translation": (3, 1)}


def recognise(path, head):
    if path.is_dir():
        return bool(_camera_files(path))
    return _is_camera_text(head) or {"K", "R", "t"} <= keys_of(head)


def read(path, sdd_mm=None, pitch_mm=None, shape=None, unit_mm=1.0):
    """Views of the cameras in a file or folder.

    sdd_mm or pitch_mm: where the detector lies (see cameras.py; sdd_mm overrides the file's); shape = (rows, cols) where the file has
    no image size; unit_mm: length of the calibration's unit in mm.
    """
    hints = dict(sdd_mm=sdd_mm, pitch_mm=pitch_mm, shape=shape, unit_mm=unit_mm)
    if path.is_dir():
        files = _camera_files(path)
        if not files:
            raise FormatError(f"{path}: no camera file in this folder; expected texts that begin with 'image size'")
        return Views.concatenate(_views(file, _text_camera(file), **hints) for file in files)
    if not read_text(path).lstrip().startswith("{"):
        return _views(path, _text_camera(path), **hints)
    document = read_object(path)
    cameras = document.objects("cameras") if "cameras" in document else [document]
    return Views.concatenate(_views(camera.where, _json_camera(camera), **hints) for camera in cameras)


def write(path, views):
    """Writes JSON, or XMALab's text for one view where the name ends with .txt (which leaves out where the detector lies)."""
    k, rotation, t = pinholes(views, TITLE)
    (rows, cols), sdd_mm = views.shape, to_numpy(views.sdd_mm)
    if path.suffix == ".txt":
        if len(views) != 1:
            raise FormatError(f"an XMALab text holds one camera, here are {len(views)} views; write .json, or one file a view")
        values = {"image size": [[cols, rows]], "camera matrix": k[0], "rotation": rotation[0], "translation": t[0][:, None]}
        blocks = [name + "\n" + "".join(",".join(repr(x) for x in np.asarray(row).tolist()) + "\n" for row in values[name]) for name in SECTIONS]
        path.write_text("\n".join(blocks), encoding="utf-8")
        return
    cameras = [{"K": k[i].tolist(), "R": rotation[i].tolist(), "t": t[i].tolist(), "image_size": [cols, rows], "sdd_mm": float(sdd_mm[i])}
               for i in range(len(views))]
    path.write_text(json.dumps({"cameras": cameras}, indent=1), encoding="utf-8")


def _views(where, camera, sdd_mm, pitch_mm, shape, unit_mm):
    k, rotation, t, size, own_sdd = camera
    check_rotations(where, rotation)
    if not (abs(k[2] - [0, 0, 1]).max() < 1e-9 and k[1, 0] == 0 and min(abs(k[0, 0]), abs(k[1, 1])) > _LEAST_FOCAL * abs(k).max()):
        raise FormatError(f"{where}: the camera matrix K must be upper triangular with 1 at its end and focal lengths other than 0")
    if not (np.isfinite(unit_mm) and unit_mm > 0):
        raise FormatError(f"{where}: unit_mm = {unit_mm}; expected a length above 0 mm")
    if sdd_mm is None and pitch_mm is None:
        sdd_mm = own_sdd
    per_col, per_row, first = np.linalg.inv(k @ rotation).T
    source = -unit_mm * np.linalg.solve(rotation, t)
    return views_from_rays(where, source, first, per_col, per_row, size if shape is None else shape, sdd_mm, pitch_mm)


def _json_camera(camera):
    if np.any(camera.array("distortion", (None,), default=0.0)):
        raise FormatError(f"{camera.where}: 'distortion' is not zero; a pinhole camera has no distortion: undistort the pictures first")
    size = camera.array("image_size", (2,), default=None)
    size = None if size is None else (size[1], size[0])
    t = finite(f"{camera.where}: 't'", camera.get("t")).reshape(-1)
    if t.shape != (3,):
        raise FormatError(f"{camera.where}: 't' has {t.size} numbers; expected 3")
    return camera.array("K", (3, 3)), camera.array("R", (3, 3)), t, size, camera.number("sdd_mm", default=None, positive=True)


def _text_camera(path):
    sections = _sections(path)
    missing = [name for name in SECTIONS if name not in sections]
    if missing:
        raise FormatError(f"{path}: the section '{missing[0]}' is missing")
    values = {}
    for name, shape in SECTIONS.items():
        values[name] = finite(f"{path}: '{name}'", sections[name])
        if values[name].shape != shape:
            raise FormatError(f"{path}: '{name}' has {values[name].shape} numbers; expected {shape[0]} lines of {shape[1]}")
    cols, rows = values["image size"][0]
    return values["camera matrix"], values["rotation"], values["translation"][:, 0], (rows, cols), None


def _sections(path):
    sections, current = {}, None
    for number, line in enumerate(read_text(path).splitlines(), 1):
        line = line.strip()
        if line.lower() in SECTIONS:
            current = sections.setdefault(line.lower(), [])
        elif line:
            try:
                row = [float(word) for word in line.split(",")]
            except ValueError:
                raise FormatError(f"{path}: line {number}, '{line[:40]}': expected numbers between commas or one of {', '.join(SECTIONS)}") from None
            if current is None:
                raise FormatError(f"{path}: line {number}: numbers before the first heading; expected 'image size'")
            current.append(row)
    return sections


def _is_camera_text(head):
    return head.lstrip().lower().startswith(b"image size") and b"camera matrix" in head.lower()


def _camera_files(folder):
    found = []
    for file in sorted(folder.glob("*.txt")):
        with open(file, "rb") as stream:
            if _is_camera_text(stream.read(4096)):
                found.append(file)
    return found
