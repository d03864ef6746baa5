"""What the methods of calibration can be told (XRayTomoLib.options); apart from them, so that parsers and panels load nothing heavy."""
from dataclasses import dataclass

from ..options import option

BY = ("conjugate rays", "sharpness")
FREE = ("each view", "shared detector", "whole scan")


@dataclass(frozen=True)
class CentreOptions:
    by: str = option("conjugate rays", "Criterion", "differences of conjugate rays, or sharpness of a reconstruction", choices=BY)
    in_plane: bool = option(True, "In-plane rotation", "look for the detector's rotation about its normal, too")
    search_share: float = option(0.25, "Search range", "largest shift looked for, in parts of the detector's width", minimum=0.0, maximum=0.5)


@dataclass(frozen=True)
class BallOptions:
    free: str = option("shared detector", "What is free", "each view: source and detector; shared detector: poses of one source and detector; "
                       "whole scan: the misalignment of a circular scan and the phantom's pose", choices=FREE)
    iterations: int = option(40, "Iterations", "at most", minimum=1, maximum=500)


@dataclass(frozen=True)
class RefineOptions:
    levels: int = option(2, "Coarse levels", "times that the detector is binned by 2 before the full resolution", minimum=0, maximum=6)
    iterations: int = option(15, "Iterations", "at most, on each level", minimum=1, maximum=200)
    method: str = option("joseph", "Projector", "how the volume is traced", choices=("joseph", "trilinear", "siddon"))
