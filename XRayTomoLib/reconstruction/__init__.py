"""From projections to a volume (floor 2)."""
from .algebraic import SIRT
from .iteration import iterate, solver
from .krylov import CGLS
from .problem import Problem, ReconstructionError

cgls, sirt = solver(CGLS), solver(SIRT)

__all__ = ["CGLS", "SIRT", "Problem", "ReconstructionError", "cgls", "iterate", "sirt", "solver"]
