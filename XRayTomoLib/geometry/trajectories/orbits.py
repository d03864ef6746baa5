"""Ways of a C-arm by its two angles, and others on a sphere or a cylinder round the isocentre."""
from dataclasses import dataclass

import numpy as np

from ...options import option
from .base import Trajectory, looking_at
from .circular import TURN, angles_of


@dataclass(frozen=True)
class CArmSweep(Trajectory):
    """A sweep of one angle of a C-arm while the other stays, within the limits of the device where its preset has them."""
    TITLE = "C-arm sweep"
    count: int = option(133, "Views", "number of views", minimum=1, maximum=1_000_000)
    frame_rate_hz: float = option(30.0, "Frame rate", "views per second, for the times of the views", minimum=1e-6, unit="Hz")
    swept: str = option("primary angle", "Swept angle", "the angle that runs", choices=("primary angle", "secondary angle"))
    start_deg: float = option(-100.0, "Start", "angle of the first view", minimum=-360, maximum=360, unit="deg")
    end_deg: float = option(40.0, "End", "angle of the last view", minimum=-360, maximum=360, unit="deg")
    other_deg: float = option(0.0, "Other angle", "the angle that stays", minimum=-360, maximum=360, unit="deg")

    def about_origin(self, carm):
        swept = np.linspace(self.start_deg, self.end_deg, self.count)
        angles = (swept, self.other_deg) if self.swept == "primary angle" else (self.other_deg, swept)
        carm.check_angles(*angles)
        return carm.views(*angles)


@dataclass(frozen=True)
class Lissajous(Trajectory):
    """Both angles swing: a Lissajous figure on the sphere round the isocentre, within the limits of the device."""
    TITLE = "Lissajous"
    primary_amplitude_deg: float = option(30.0, "Primary amplitude", "largest primary angle", minimum=0, maximum=180, unit="deg")
    secondary_amplitude_deg: float = option(20.0, "Secondary amplitude", "largest secondary angle", minimum=0, maximum=90, unit="deg")
    primary_cycles: float = option(3.0, "Primary cycles", "swings of the primary angle during the scan", minimum=0, maximum=1000)
    secondary_cycles: float = option(2.0, "Secondary cycles", "swings of the secondary angle during the scan", minimum=0, maximum=1000)
    phase_deg: float = option(90.0, "Phase", "how far the primary swing is ahead", minimum=-360, maximum=360, unit="deg")

    def about_origin(self, carm):
        time = np.arange(self.count) / self.count
        primary = self.primary_amplitude_deg * np.sin(2 * np.pi * self.primary_cycles * time + np.deg2rad(self.phase_deg))
        secondary = self.secondary_amplitude_deg * np.sin(2 * np.pi * self.secondary_cycles * time)
        carm.check_angles(primary, secondary)
        return carm.views(primary, secondary)


@dataclass(frozen=True)
class Sinusoid(Trajectory):
    """A full turn during which the secondary angle swings: a sine wave round the sphere."""
    TITLE = "Sinusoid"
    amplitude_deg: float = option(20.0, "Amplitude", "largest secondary angle", minimum=0, maximum=89, unit="deg")
    cycles: int = option(3, "Cycles", "swings in a turn", minimum=1, maximum=1000)
    start_deg: float = option(0.0, "Start", "primary angle of the first view", minimum=-720, maximum=720, unit="deg")

    def about_origin(self, carm):
        turn = angles_of(self.count, 0.0, TURN)
        return carm.views(self.start_deg + turn, self.amplitude_deg * np.sin(np.deg2rad(self.cycles * turn)))


@dataclass(frozen=True)
class Saddle(Trajectory):
    """A saddle: the source stays on the cylinder of its distance from the axis and rises and falls twice in a turn, height cos(2 angle)
    above the isocentre's plane; the central ray runs through the isocentre (Pack, Noo and Kudo, Phys. Med. Biol. 49, 2004)."""
    TITLE = "Saddle"
    height_mm: float = option(100.0, "Height", "largest height of the source over the isocentre's plane", minimum=0, maximum=1e5, unit="mm")
    start_deg: float = option(0.0, "Start", "primary angle of the first view", minimum=-720, maximum=720, unit="deg")

    def about_origin(self, carm):
        turn = np.deg2rad(angles_of(self.count, 0.0, TURN))
        at = turn + np.deg2rad(self.start_deg)
        sources = np.stack([carm.sod_mm * np.sin(at), -carm.sod_mm * np.cos(at), self.height_mm * np.cos(2 * turn)], -1)
        return looking_at(carm, sources)


@dataclass(frozen=True)
class Spiral(Trajectory):
    """A spiral over the sphere round the isocentre from one secondary angle to the other; equal steps of height, thus of area."""
    TITLE = "Spherical spiral"
    turns: float = option(6.0, "Turns", "number of turns", minimum=0.01, maximum=10000)
    first_deg: float = option(-60.0, "First secondary angle", "secondary angle of the first view", minimum=-90, maximum=90, unit="deg")
    last_deg: float = option(60.0, "Last secondary angle", "secondary angle of the last view", minimum=-90, maximum=90, unit="deg")
    start_deg: float = option(0.0, "Start", "primary angle of the first view", minimum=-720, maximum=720, unit="deg")

    def about_origin(self, carm):
        ends = np.sin(np.deg2rad([self.first_deg, self.last_deg]))
        secondary = np.degrees(np.arcsin(np.linspace(*ends, self.count)))
        return carm.views(self.start_deg + TURN * self.turns * np.arange(self.count) / self.count, secondary)


@dataclass(frozen=True)
class Random(Trajectory):
    """Directions drawn at random, evenly over the part of the sphere within two ranges of angles."""
    TITLE = "Random"
    primary_range_deg: float = option(180.0, "Primary range", "largest primary angle to either side", minimum=0, maximum=180, unit="deg")
    secondary_range_deg: float = option(45.0, "Secondary range", "largest secondary angle to either side", minimum=0, maximum=90, unit="deg")
    seed: int = option(0, "Seed", "the same seed gives the same views", minimum=0, maximum=2**31 - 1)

    def about_origin(self, carm):
        random = np.random.default_rng(self.seed).uniform(-1, 1, (2, self.count))
        height = np.sin(np.deg2rad(self.secondary_range_deg)) * random[1]
        return carm.views(self.primary_range_deg * random[0], np.degrees(np.arcsin(height)))
