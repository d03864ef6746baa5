"""3x4 projection matrices: text, .npy ([N, 3, 4] or one [3, 4]) and JSON.

(col w, row w, w) = P (R, A, S, 1) in mm, with w > 0 ahead of the source and the first pixel's centre at (0, 0).
Text: 12 numbers a view, in rows of 4 or 12, between blanks or commas; `#` begins a comment.
JSON: {"matrices": [N][3][4], "shape": [rows, cols], "sdd_mm": one number or one a view}.
A matrix is known up to a factor: it holds the source and the rays, not where the detector lies. Written ones have w = 1 on the detector.
"""
import json

import numpy as np

from ..arrays import to_numpy
from . import FormatError
from .cameras import per_view_or_one, require_flat_cone, views_from_rays
from .fields import NPY_MAGIC, Fields, finite, keys_of, npy_header, read_npy, read_object, read_text

TITLE = "Projection matrices 3x4"
SUFFIXES = (".matrices.txt", ".matrices.npy", ".matrices.json")


def recognise(path, head):
    if head.startswith(NPY_MAGIC):
        return npy_header(path, head)[0][-2:] == (3, 4)
    if "matrices" in keys_of(head):
        return True
    lines = [line.split(b"#")[0].replace(b",", b" ").split() for line in head.splitlines()[:-1] or [head]]
    return all(len(words) in (0, 4, 12) and all(map(_is_number, words)) for words in lines) and any(lines)


def read(path, shape=None, sdd_mm=None, pitch_mm=None, ahead_ras=None, first_pixel=0.0):
    """Views of the matrices in a file.

    shape = (rows, cols); sdd_mm or pitch_mm: where the detector lies (see cameras.py). ahead_ras: a point known to lie ahead of every
    source, which fixes the matrices' signs where the file has w < 0 there (RTK's have). first_pixel: the number that the matrices give
    to the centre of the first column and row (0; 0.5 where pixels' corners are whole numbers; 1 in MATLAB).
    """
    where, (matrices, own) = path, _contents(path)
    matrices = matrices / abs(matrices).max((1, 2), keepdims=True).clip(1e-300)
    if ahead_ras is not None:
        w = matrices[:, 2] @ np.append(finite(f"{where}: 'ahead_ras'", ahead_ras), 1.0)
        matrices = matrices * np.sign(w)[:, None, None]
    spread = np.linalg.svd(matrices[:, :, :3], compute_uv=False)
    degenerate = np.flatnonzero(~(spread[:, 2] > 1e-13 * spread[:, 0]))
    if len(degenerate):
        raise FormatError(f"{where}: matrix {degenerate[0]} has no source (its left 3x3 part is singular: parallel rays, or a damaged file)")
    rays = np.linalg.inv(matrices[:, :, :3])
    source = -(rays @ matrices[:, :, 3:])[..., 0]
    first = rays[..., 2] + first_pixel * (rays[..., 0] + rays[..., 1])
    if sdd_mm is None and pitch_mm is None:
        sdd_mm = own.get("sdd_mm", None)
    if shape is None:
        shape = own.get("shape", None)
    return views_from_rays(where, source, first, rays[..., 0], rays[..., 1], shape, sdd_mm, pitch_mm)


def write(path, views):
    """Writes JSON (with shape and distances), or .npy or text (the matrices alone) by the name's suffix."""
    require_flat_cone(views, TITLE)
    matrices = to_numpy(views.projection_matrices())
    if path.suffix == ".npy":
        with open(path, "wb") as file:
            np.save(file, matrices, allow_pickle=False)
    elif path.suffix == ".txt":
        np.savetxt(path, matrices.reshape(-1, 4), fmt="%.17g")
    else:
        document = {"matrices": matrices.tolist(), "shape": list(views.shape), "sdd_mm": per_view_or_one(views.sdd_mm)}
        path.write_text(json.dumps(document), encoding="utf-8")


def _contents(path):
    """Matrices [N, 3, 4] and the JSON object around them (no fields where there is none)."""
    if path.suffix == ".npy":
        return _stack(path, read_npy(path)), Fields(path, {})
    text = read_text(path)
    if text.lstrip().startswith("{"):
        document = read_object(path)
        return document.array("matrices", (None, 3, 4)), document
    try:
        numbers = np.array([float(word) for line in text.splitlines() for word in line.split("#")[0].replace(",", " ").split()])
    except ValueError as error:
        raise FormatError(f"{path}: {error}; expected numbers, 12 for each view") from None
    if len(numbers) == 0 or len(numbers) % 12:
        raise FormatError(f"{path}: holds {len(numbers)} numbers; expected 12 for each view")
    return finite(path, numbers).reshape(-1, 3, 4), Fields(path, {})


def _stack(where, numbers):
    if numbers.size == 0 or numbers.ndim > 3 or numbers.shape[-2:] != (3, 4):
        raise FormatError(f"{where}: holds numbers of the shape {numbers.shape}; expected [N, 3, 4]")
    return numbers.reshape(-1, 3, 4)


def _is_number(word):
    try:
        float(word)
    except ValueError:
        return False
    return True
