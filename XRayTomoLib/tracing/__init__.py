"""The ray tracer (floor 1)."""
from .operator import Adjoint, LinearOperator, Product, Stack, Weighted
from .projector import ProjectionError, Projector, available_backends
from .targets import METHODS, TargetMissing

__all__ = ["Adjoint", "LinearOperator", "Product", "Stack", "Weighted", "ProjectionError", "Projector", "available_backends", "METHODS",
           "TargetMissing", "project"]


def project(mu, grid, views, **options):
    """Projections of `mu` in one call: Projector(grid, views, **options)(mu)."""
    return Projector(grid, views, **options)(mu)
