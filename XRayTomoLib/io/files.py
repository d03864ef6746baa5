"""Files that are either written completely or not at all, and quiet use of ITK."""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

SUFFIXES = (".nii.gz", ".nrrd", ".nhdr", ".nii", ".mha", ".mhd")


def suffix_of(path):
    """The suffix in lower case; `.nii.gz` counts as one."""
    name = Path(path).name.lower()
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), Path(name).suffix)


def stem_of(path):
    """The file's name without `suffix_of`."""
    name = Path(path).name
    return name[: len(name) - len(suffix_of(path))]


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


def last_line(error):
    """The reason in an error of ITK, which also tells where in its own source it arose."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else "no reason given"


@contextmanager
def quiet_itk():
    """ITK prints warnings of broken files to stderr; the errors that follow say more."""
    import SimpleITK as sitk

    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.GlobalWarningDisplayOff()
    try:
        yield sitk
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)
