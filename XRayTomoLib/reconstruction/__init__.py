"""From projections to a volume (floor 2)."""
from .algebraic import OSSART, SART, SIRT, Backprojection, Landweber
from .iteration import iterate, solver
from .krylov import CGLS, LSQR
from .problem import Problem, ReconstructionError
from .statistical import MLEM, OSEM, TransmissionML

cgls, lsqr, sirt, sart, os_sart, mlem, osem = (solver(method) for method in (CGLS, LSQR, SIRT, SART, OSSART, MLEM, OSEM))

__all__ = ["CGLS", "LSQR", "MLEM", "OSEM", "OSSART", "SART", "SIRT", "Backprojection", "Landweber", "Problem", "ReconstructionError",
           "TransmissionML", "cgls", "iterate", "lsqr", "mlem", "os_sart", "osem", "sart", "sirt", "solver"]
