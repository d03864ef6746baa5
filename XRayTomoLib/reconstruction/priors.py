"""What is known of volumes before they are measured: priors on volumes [K, J, I].

A prior has `value(x)`, and either a `gradient(x)` with the Lipschitz constant `lipschitz` (smooth priors), or `prox(b, step, bounds)` =
argmin 1/2 |x - b|^2 + step value(x), x kept by bounds(x) (a function in place), or both. Differences are between neighbouring voxels,
without unit of length; axes of one voxel have none.
"""
import math
from dataclasses import dataclass

import torch

from .problem import ReconstructionError


def differences(x):
    """Forward differences along k, j, i [3, K, J, I]; 0 behind the last voxel."""
    d = torch.zeros(3, *x.shape, dtype=x.dtype, device=x.device)
    for axis in range(3):
        n = x.shape[axis] - 1
        d[axis].narrow(axis, 0, n).copy_(x.narrow(axis, 1, n) - x.narrow(axis, 0, n))
    return d


def differences_adjoint(d):
    """The transpose of `differences` (minus the divergence)."""
    x = torch.zeros_like(d[0])
    for axis in range(3):
        n = x.shape[axis] - 1
        part = d[axis].narrow(axis, 0, n)
        x.narrow(axis, 0, n).sub_(part)
        x.narrow(axis, 1, n).add_(part)
    return x


def lengths(d):
    """Euclidean length of the difference at each voxel (a sum of squares: torch's norm over a leading axis takes fifty times as long)."""
    return (d[0] * d[0]).addcmul_(d[1], d[1]).addcmul_(d[2], d[2]).sqrt_()


def curvature(x):
    """Largest eigenvalue of differences_adjoint(differences()): 4 for each axis of more than one voxel."""
    return 4.0 * sum(n > 1 for n in x.shape)


@dataclass(frozen=True)
class TotalVariation:
    """Sum of the lengths of the differences (L. Rudin, S. Osher, E. Fatemi, Physica D 60, 1992), isotropic."""
    smooth = False
    inner: int = 20

    def value(self, x):
        return lengths(differences(x)).sum()

    def prox(self, b, step, bounds=lambda x: x):
        """Fast gradient projection on the dual (A. Beck, M. Teboulle, IEEE Trans. Image Process. 18, 2009), `inner` iterations."""
        if step <= 0 or curvature(b) == 0:
            return bounds(b.clone())
        dual, t = b.new_zeros(3, *b.shape), 1.0
        extrapolated = dual.clone()
        for _ in range(self.inner):
            x = bounds(torch.sub(b, differences_adjoint(extrapolated), alpha=step))
            moved = differences(x).div_(curvature(b) * step).add_(extrapolated)
            moved /= lengths(moved).clamp_min_(1.0)
            before, t = t, 0.5 + math.sqrt(0.25 + t * t)
            extrapolated = torch.lerp(dual, moved, 1 + (before - 1) / t, out=dual)
            dual = moved
        return bounds(torch.sub(b, differences_adjoint(dual), alpha=step))

    def gradient(self, x, floor=1e-8):
        """A subgradient; differences shorter than `floor` of the longest count as flat."""
        d = differences(x)
        size = lengths(d)
        return differences_adjoint(d / size.clamp_min(max(floor * float(size.max()), 1e-30)))


@dataclass(frozen=True)
class Huber:
    """Sum of t^2 / (2 edge) up to `edge` and t - edge / 2 beyond, t the length of the difference: smooth in flat parts, total
    variation at edges (P. Huber, Ann. Math. Statist. 35, 1964)."""
    edge: float
    smooth = True

    def value(self, x):
        t = lengths(differences(x))
        return torch.where(t <= self.edge, t * t / (2 * self.edge), t - self.edge / 2).sum()

    def gradient(self, x):
        d = differences(x)
        return differences_adjoint(d / lengths(d).clamp_min(self.edge))

    def lipschitz(self, x):
        return curvature(x) / self.edge


@dataclass(frozen=True)
class QGGMRF:
    """q-generalised Gaussian Markov field with p = 2 over the six face neighbours (J.-B. Thibault et al., Med. Phys. 34, 2007, eq. 18):
    quadratic for differences below t_edge * edge, nearly |difference|^q beyond."""
    edge: float
    q: float = 1.2
    t_edge: float = 1.0
    smooth = True

    def _share(self, d):
        return 1 / (1 + (d.abs() / (self.t_edge * self.edge)) ** (2 - self.q))

    def value(self, x):
        d = differences(x)
        return (d * d / (2 * self.edge ** 2) * self._share(d)).sum()

    def gradient(self, x):
        d = differences(x)
        share = self._share(d)
        return differences_adjoint(d / self.edge ** 2 * share * (1 + (self.q - 2) / 2 * (1 - share)))

    def lipschitz(self, x):
        return curvature(x) / self.edge ** 2


HAAR = (1 / math.sqrt(2), 1 / math.sqrt(2))
DAUBECHIES4 = tuple((a + b * math.sqrt(3)) / (4 * math.sqrt(2)) for a, b in ((1, 1), (3, 1), (3, -1), (1, -1)))
WAVELETS = {"haar": HAAR, "daubechies-4": DAUBECHIES4}


@dataclass(frozen=True)
class Wavelets:
    """Sum of the absolute details of an orthogonal, periodic wavelet transform (I. Daubechies, Comm. Pure Appl. Math. 41, 1988).

    Axes are halved as often as they can be, `levels` times at most.
    """
    wavelet: str = "daubechies-4"
    levels: int = 3
    smooth = False

    def __post_init__(self):
        if self.wavelet not in WAVELETS:
            raise ReconstructionError(f"wavelet '{self.wavelet}' is not known; expected one of: {', '.join(WAVELETS)}")

    def value(self, x):
        return sum(detail.abs().sum() for detail in self._details(self.transformed(x), x.shape))

    def prox(self, b, step, bounds=lambda x: x):
        """Soft thresholds on the details; bounds are kept after them."""
        coefficients = self.transformed(b)
        for detail in self._details(coefficients, b.shape):
            detail.copy_(torch.sign(detail) * (detail.abs() - step).clamp_min(0))
        return bounds(self.inverted(coefficients))

    def _axes(self, shape):
        """Per level, the block's shape and the axes that are halved there."""
        block, steps = list(shape), []
        for _ in range(self.levels):
            axes = [a for a in range(3) if block[a] % 2 == 0 and block[a] >= len(WAVELETS[self.wavelet])]
            if not axes:
                break
            steps.append((tuple(block), axes))
            block = [n // 2 if a in axes else n for a, n in enumerate(block)]
        return steps, tuple(block)

    def _details(self, coefficients, shape):
        """Views of all coefficients but the coarsest block."""
        steps, _ = self._axes(shape)
        for block, axes in steps:
            for choice in range(1, 2 ** len(axes)):
                high = [a for n, a in enumerate(axes) if choice >> n & 1]
                yield coefficients[tuple(slice(block[a] // 2, block[a]) if a in high else slice(0, block[a] // 2 if a in axes else block[a])
                                         for a in range(3))]

    def transformed(self, x):
        """Coefficients [K, J, I]: coarse ones first along each axis."""
        out = x.clone()
        for block, axes in self._axes(x.shape)[0]:
            part = out[tuple(slice(0, n) for n in block)]
            for axis in axes:
                part.copy_(self._split(part, axis))
        return out

    def inverted(self, coefficients):
        out = coefficients.clone()
        for block, axes in reversed(self._axes(coefficients.shape)[0]):
            part = out[tuple(slice(0, n) for n in block)]
            for axis in reversed(axes):
                part.copy_(self._join(part, axis))
        return out

    def _filters(self):
        low = WAVELETS[self.wavelet]
        return low, [(-1) ** n * c for n, c in enumerate(reversed(low))]

    def _split(self, x, axis):
        x = x.movedim(axis, -1)
        halves = [sum(c * x.roll(-n, -1)[..., ::2] for n, c in enumerate(taps)) for taps in self._filters()]
        return torch.cat(halves, -1).movedim(-1, axis)

    def _join(self, x, axis):
        x = x.movedim(axis, -1)
        half = x.shape[-1] // 2
        total = torch.zeros_like(x)
        for part, taps in zip((x[..., :half], x[..., half:]), self._filters()):
            spread = torch.zeros_like(x)
            spread[..., ::2] = part
            total += sum(c * spread.roll(n, -1) for n, c in enumerate(taps))
        return total.movedim(-1, axis)
