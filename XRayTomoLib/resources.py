"""Where the data files of XRayTomo (presets, icons, user-interface files) lie.

They lie beside the package in the source tree, in the build tree and in an installed Slicer extension, and inside it
in a Python wheel.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def resource_path(relative: str = "") -> Path:
    """Path of a file or folder of `Resources`, for example `resource_path("Presets/devices")`.

    Raises:
        FileNotFoundError: nothing of that name was installed.
    """
    candidates = [folder / "Resources" / relative for folder in (_PACKAGE, _PACKAGE.parent)]
    for candidate in candidates:
        if candidate.exists():
            return candidate
    raise FileNotFoundError(f"XRayTomo's resource '{relative}' is at none of {', '.join(map(str, candidates))}: install XRayTomo again.")
