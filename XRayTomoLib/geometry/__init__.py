"""Sources, detectors and trajectories (floor 0)."""
from .arrays import GeometryError
from .detectors import Cylindrical, Flat, FreePixels, Panels, Polar, Spherical
from .devices import CArm, Device, angles_from_gantry, carm, device_names, gantry_from_angles, load_device
from .pose import pose_about, rigid, rotation_about_axis, rotation_from_vector, transform_points, transform_vectors, vector_from_rotation
from .trajectories import TRAJECTORIES, Jitter, circle
from .views import Views

__all__ = ["GeometryError", "Flat", "Cylindrical", "Spherical", "FreePixels", "Polar", "Panels", "TRAJECTORIES", "Jitter", "Views",
           "CArm", "Device", "carm", "device_names", "load_device",
           "gantry_from_angles", "angles_from_gantry", "circle", "pose_about", "rigid", "rotation_about_axis", "rotation_from_vector",
           "vector_from_rotation", "transform_points", "transform_vectors"]
