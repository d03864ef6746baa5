"""Weights of rays in circular scans: so that all measurements of one line together count once.

beta is a source's angle (rad), gamma the angle of a ray from the central one, counter-clockwise like beta: the same line is measured
again from beta + pi + 2 gamma at -gamma.
"""
import math

import numpy as np
import torch

from ..problem import ReconstructionError

OFFSET_SHARE = 0.1      # a detector whose sides differ by more than this share counts as shifted


def is_shifted(gamma):
    """Whether a detector of columns at `gamma` (rad, or mm for parallel rays) lies off the axis: its sides differ by OFFSET_SHARE of its width."""
    low, high = -float(gamma.min()), float(gamma.max())
    return abs(high - low) > OFFSET_SHARE * (high + low)


def refuse_shifted(gamma):
    """Raises ReconstructionError for a shifted detector: it misses lines beyond its narrow side, which helical methods take for measured."""
    if is_shifted(gamma):
        right, left = math.degrees(-float(gamma.min())), math.degrees(float(gamma.max()))
        raise ReconstructionError(f"the detector is shifted: it sees {left:.1f} degrees on one side of the axis and {right:.1f} on the other, where "
                                  "helical inversions want both alike; take an iterative method (CGLS, SIRT), or crop the wider side if the object "
                                  "fits")


def angular_steps(angle, period):
    """Angle (rad) [N] that each view stands for: half the way to its neighbours on the circle of `period` (2 pi, or pi for parallel
    rays). Beside the open side of an arc, a gap of many steps, a usual step is taken."""
    angle = np.mod(np.asarray(angle, float), period)
    order = np.argsort(angle, kind="stable")
    gaps = np.diff(np.append(angle[order], angle[order[0]] + period))
    usual = np.median(gaps[gaps > 1e-9]) if (gaps > 1e-9).any() else period
    gaps = np.where(gaps > gap_limit(usual), usual, gaps)
    steps = np.empty(len(angle))
    steps[order] = (gaps + np.roll(gaps, 1)) / 2
    return steps


def gap_limit(usual):
    """A gap larger than this (rad) is the open side of an arc, not a coarse step: 20 degrees, as RTK has it, or 5 usual steps."""
    return max(math.radians(20), 5 * usual)


def arc(angle):
    """(start, length) in rad of the arc that the views cover; length 2 pi for a full turn."""
    ordered = np.sort(np.mod(angle, 2 * math.pi))
    gaps = np.diff(np.append(ordered, ordered[0] + 2 * math.pi))
    widest = int(np.argmax(gaps))
    if gaps[widest] <= gap_limit(np.median(gaps)):
        return 0.0, 2 * math.pi
    start = ordered[(widest + 1) % len(ordered)]
    return float(start), float(2 * math.pi - gaps[widest])


def parker(beta, gamma, length):
    """Smooth short-scan weights (D. L. Parker, Med. Phys. 9, 1982, eq. 12), with the over-scan as part of the fan.

    beta [N, 1] from the start of the arc, gamma [1 or N, cols], `length` (rad) of the arc: at least pi + the full fan angle.
    """
    delta = (length - math.pi) / 2
    reach = float(gamma.abs().max())
    if delta < reach * (1 - 1e-3) - 1e-6:
        raise ReconstructionError(f"the scan covers {math.degrees(length):.1f} degrees; the fan of {math.degrees(2 * reach):.1f} degrees needs "
                                  f"{180 + math.degrees(2 * reach):.1f}: take an iterative method for limited angles (or the redundancy "
                                  "'limited'), or crop the detector")
    rise, fall = (delta - gamma).clamp_min(1e-9), (delta + gamma).clamp_min(1e-9)
    first = torch.sin(math.pi / 4 * beta / rise).square()
    last = torch.sin(math.pi / 4 * (math.pi + 2 * delta - beta) / fall).square()
    one = torch.ones_like(first)
    return torch.where(beta < 2 * rise, first, torch.where(beta <= math.pi - 2 * gamma, one, last))


def offset_weights(gamma):
    """Weights of a full scan with a shifted detector (G. Wang, Med. Phys. 29, 2002, eq. 8), 0 to 1, for gamma (or s) of the columns.

    Both sides share the part that the shorter one sees; beyond it the longer side counts in full.
    """
    low, high = -float(gamma.min()), float(gamma.max())
    shared = min(low, high)
    if shared <= 0:
        raise ReconstructionError("the detector does not reach the axis of rotation: lines near it are never measured; shift the detector")
    towards = gamma if high >= low else -gamma
    return 0.5 * (1 + torch.sin(math.pi / 2 * (towards / shared).clamp(-1, 1)))
