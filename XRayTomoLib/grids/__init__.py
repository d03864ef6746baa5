"""Grids of unknowns and analytic objects (floor 0)."""
from .anatomy import chest, pelvis, phantom_by_name, shepp_logan
from .cartesian import CartesianGrid, GridError
from .meshes import MeshError, TriangleMesh
from .phantoms import Box, Cylinder, Ellipsoid, Phantom, to_hu

__all__ = ["CartesianGrid", "GridError", "Ellipsoid", "Box", "Cylinder", "Phantom", "MeshError", "TriangleMesh", "chest", "pelvis",
           "phantom_by_name", "shepp_logan", "to_hu"]
