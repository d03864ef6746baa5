"""The ray tracer (floor 1)."""
from .backprojection import backproject_voxels, spread_voxels
from .compilers import TargetMissing
from .drr import DRR
from .meshes import chord_lengths
from .operator import Adjoint, LinearOperator, Product, Stack, Weighted
from .projector import ProjectionError, Projector, available_backends
from .scene import Scene, SceneMesh, SceneVolume
from .targets import METHODS

__all__ = ["Adjoint", "LinearOperator", "Product", "Stack", "Weighted", "ProjectionError", "Projector", "available_backends", "METHODS",
           "TargetMissing", "DRR", "Scene", "SceneMesh",
           "SceneVolume", "backproject_voxels", "chord_lengths", "project", "spread_voxels"]


def project(mu, grid, views, **options):
    """Projections of `mu` in one call: Projector(grid, views, **options)(mu)."""
    return Projector(grid, views, **options)(mu)
