"""Projections on disk: what scanners and cameras write, read view by view."""

from .base import ProjectionError, ProjectionSet

__all__ = ["ProjectionError", "ProjectionSet"]
