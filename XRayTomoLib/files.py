"""Files that are written completely or not at all, and the suffixes that say what they are."""

import os
import re
import tempfile
from contextlib import contextmanager
from pathlib import Path

SUFFIXES = (".nii.gz", ".nrrd", ".nhdr", ".nii", ".mha", ".mhd")


class FileError(ValueError):
    """A file that cannot be read or written; the message is one sentence that names the file and the remedy."""


def suffix_of(path):
    """The suffix in lower case; `.nii.gz` counts as one."""
    name = Path(path).name.lower()
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), Path(name).suffix)


def stem_of(path):
    """The file's name without `suffix_of`."""
    name = Path(path).name
    return name[: len(name) - len(suffix_of(path))]


def natural_order(path):
    """Sort key of a file's name that counts digits as numbers (img2 before img10) and does not mind case."""
    return [(1, int(part), "") if part.isdigit() else (0, 0, part.lower()) for part in re.split(r"([0-9]+)", Path(path).name) if part]


def check_target(path, suffixes):
    """Raises FileError if `path` does not end with one of `suffixes` or its folder does not exist: before long work, not after it."""
    if suffix_of(path) not in suffixes:
        raise FileError(f"{path}: '{suffix_of(path)}' files cannot be written here; let the name end with {' or '.join(suffixes)}.")
    if not Path(path).resolve().parent.is_dir():
        raise FileError(f"{path}: the folder {Path(path).resolve().parent} does not exist; make it or choose another folder.")


@contextmanager
def replacing(path):
    """Yields a temporary path beside `path` (same suffix), which takes its place when the block ends without an error.

    Raises:
        OSError: the folder of `path` does not exist or cannot be written.
    """
    path = Path(path)
    handle, temporary = tempfile.mkstemp(prefix=f".{stem_of(path)}-", suffix=suffix_of(path), dir=path.parent)
    os.close(handle)
    try:
        yield Path(temporary)
        os.chmod(temporary, _permissions(path))
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _permissions(path):
    """What the file had, else what a plain `open` would give it (mkstemp makes private files)."""
    if path.exists():
        return path.stat().st_mode
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
