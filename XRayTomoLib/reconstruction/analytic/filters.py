"""Ramp filters along detector rows.

The ramp is that of a band-limited signal, sampled in space (A. C. Kak, M. Slaney, Principles of Computerized Tomographic Imaging, 1988,
eq. 3-61): a ramp sampled in frequency would lose the mean. Windows multiply its spectrum.
Where samples are steps of angle a, the ramp is that of the angle times (a / sin a)^2 (section 3.4.1).
"""
import math

import torch

from ..problem import ReconstructionError

WINDOWS = {
    "ram-lak": torch.ones_like,
    "shepp-logan": lambda f: torch.sinc(f / 2),
    "cosine": lambda f: torch.cos(math.pi / 2 * f),
    "hamming": lambda f: 0.54 + 0.46 * torch.cos(math.pi * f),
    "hann": lambda f: 0.5 + 0.5 * torch.cos(math.pi * f),
}  # of the frequency as a share of the cut-off
WIDEST = 0.75 * math.pi     # angle (rad) up to which the fan's factor grows: only rows that are continued are wider


def ramp_response(length, window="ram-lak", cutoff=1.0, angle=0.0):
    """Spectrum [length // 2 + 1] (float64) of the ramp for unit sample distance, for real FFTs of `length` samples.

    window: one of WINDOWS; cutoff: highest frequency kept, as a share of Nyquist's; angle (rad): of a sample in the fan, 0: flat detectors.
    """
    if window not in WINDOWS:
        raise ReconstructionError(f"filter '{window}' is not known; expected one of: {', '.join(WINDOWS)}")
    if not 0 < cutoff <= 1:
        raise ReconstructionError(f"filter cut-off {cutoff}: expected a share of the Nyquist frequency, above 0 and up to 1")
    n = torch.arange(length, dtype=torch.float64)
    n = torch.minimum(n, length - n)
    kernel = torch.where(n % 2 == 1, -1 / (math.pi * n.clamp_min(1)) ** 2, torch.zeros_like(n))
    kernel[0] = 0.25
    kernel /= torch.sinc((n * angle).clamp_max(WIDEST) / math.pi).square()
    share = torch.arange(length // 2 + 1, dtype=torch.float64) / (length / 2) / cutoff
    return torch.fft.rfft(kernel).real * torch.where(share <= 1, WINDOWS[window](share), torch.zeros_like(share))


def filter_rows(p, spacing, window="ram-lak", cutoff=1.0, extend=0.0, angle=0.0):
    """Rows [..., cols] of `p` convolved with the ramp; `spacing` (mm) is a number or broadcasts against [..., 1]; angle: see ramp_response.

    extend: share of the row's width by which truncated rows are continued on both sides, falling from their outer value to 0 as cos^2
    (B. Ohnesorge et al., Med. Phys. 27, 2000, in its simplest form).
    """
    cols = p.shape[-1]
    margin = math.ceil(extend * cols)
    if margin:
        p = extended(p, margin)
    length = 2 ** math.ceil(math.log2(max(2 * p.shape[-1], 2)))
    response = ramp_response(length, window, cutoff, angle).to(p)
    filtered = torch.fft.irfft(torch.fft.rfft(p, length).mul_(response), length)
    return filtered[..., margin:margin + cols] / spacing


def extended(p, margin):
    """Rows continued by `margin` samples on both sides, from the outer value to 0."""
    fall = torch.cos(math.pi / 2 * torch.arange(1, margin + 1, dtype=torch.float64) / (margin + 1)).square().to(p)
    return torch.cat([p[..., :1] * fall.flip(0), p, p[..., -1:] * fall], -1)
