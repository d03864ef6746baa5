"""From projections to a volume (floor 2)."""
from .algebraic import OSSART, SART, SIRT, Backprojection, Landweber
from .analytic import FDK, HelicalFDK, Katsevich, fdk
from .iteration import iterate, solver
from .krylov import CGLS, LSQR
from .methods import METHODS, is_iterative, method_of, reconstruct
from .pocs import ASDPOCS, PICCS
from .problem import Problem, ReconstructionError
from .regularised import FISTA, PDHG
from .statistical import MLEM, OSEM, TransmissionML

landweber, sirt, sart, os_sart = (solver(method) for method in (Landweber, SIRT, SART, OSSART))
cgls, lsqr, mlem, osem, fista, pdhg = (solver(method) for method in (CGLS, LSQR, MLEM, OSEM, FISTA, PDHG))

__all__ = ["ASDPOCS", "CGLS", "FDK", "FISTA", "HelicalFDK", "Katsevich", "LSQR", "METHODS", "MLEM", "OSEM", "OSSART", "PDHG", "PICCS", "SART",
           "SIRT", "Backprojection", "Landweber", "Problem", "ReconstructionError", "TransmissionML", "cgls", "fdk", "fista", "is_iterative",
           "iterate", "landweber", "lsqr", "method_of", "mlem", "os_sart", "osem", "pdhg", "reconstruct", "sart", "sirt", "solver"]
