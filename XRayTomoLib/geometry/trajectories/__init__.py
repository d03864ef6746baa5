"""Trajectories: the ways of source and detector, each declared by its options.

>>> Helix(count=720, turns=3, pitch_mm=80).views(carm("Linac CBCT panel"), isocentre_ras=(0, 0, 0))

TRAJECTORIES holds all by name; panel and command line make their controls from the options of the class.
"""
from .base import Trajectory, fan_angle_deg, looking_at
from .circular import Circle, Helix, Laminography, TwoOrbits, circle
from .free import Free, sampled_curve
from .linear import Lines, Tomosynthesis, Translation
from .orbits import CArmSweep, Lissajous, Random, Saddle, Sinusoid, Spiral
from .perturbed import Jitter, with_flying_focal_spot

TRAJECTORIES = {
    "circle": Circle, "helix": Helix, "carm-sweep": CArmSweep, "lissajous": Lissajous, "sinusoid": Sinusoid, "saddle": Saddle,
    "spiral": Spiral, "tomosynthesis": Tomosynthesis, "laminography": Laminography, "translation": Translation, "lines": Lines,
    "random": Random, "two-orbits": TwoOrbits, "free": Free,
}

__all__ = ["TRAJECTORIES", "Trajectory", "Jitter", "circle", "fan_angle_deg", "looking_at", "sampled_curve", "with_flying_focal_spot",
           *(t.__name__ for t in TRAJECTORIES.values())]
