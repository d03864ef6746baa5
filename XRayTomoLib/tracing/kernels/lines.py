"""Linear interpolation along lines of float32, and its transpose.

`vector` compiles as `device` does and promises that arrays do not overlap, which lets loops that read and write be vectorised.
`lanes` (put in by targets.py): whether the operations of lanes.py are there. Lines are read, and results written, a little beyond their
ends where they are: see there.
"""
from math import floor

from numpy import float32 as f32
from numpy import int32 as i32
from numpy import int64 as i64
from numpy import uint32 as u32

GROUP = 16      # lines that are written back together
ONE = 2.0 ** 32 # a step of one, as lanes.py counts


@vector
def add_line_plainly(acc, line, first, step):
    """acc[r] += line(first + r step)."""
    for r in range(i32(len(acc))):
        p = first + f32(r) * step
        ip = i32(p)
        i = u32(ip) & MASK
        a, b = pair(line, i)
        acc[r] += a + (p - f32(ip)) * (b - a)


@device
def add_line_in_loops(acc, line, first, step):
    """The same with first and step in float64."""
    add_line_plainly(acc, line, f32(first), f32(step))


@device
def add_line_by_lanes(acc, line, first, step):
    p = i64(first * ONE)
    d = i64(step * ONE)
    full = len(acc) - len(acc) % EIGHT
    rest = i32(len(acc) - full)
    if abs(step) <= 1.0:
        for r in range(0, full, EIGHT):
            add_eight_near(acc, r, i32(EIGHT), line, p + r * d, d, f32(step))
        if rest > 0:
            add_eight_near(acc, full, rest, line, p + full * d, d, f32(step))
    elif abs(step) < 1.99:
        for r in range(0, full, EIGHT):
            add_eight_wide(acc, r, i32(EIGHT), line, p + r * d, d, f32(step))
        if rest > 0:
            add_eight_wide(acc, full, rest, line, p + full * d, d, f32(step))
    else:
        add_line_plainly(acc, line, f32(first), f32(step))


add_line = add_line_by_lanes if lanes else add_line_in_loops


@vector
def blend(line, a, b, wa, wb):
    for i in range(i32(len(line))):
        line[i] = wa * a[i] + wb * b[i]


@vector
def spread_two(a, b, line, wa, wb):
    for i in range(i32(len(line))):
        t = line[i]
        a[i] += wa * t
        b[i] += wb * t


@vector
def gather_two(line, g, first, step, dz):
    """Transpose of add_line as a gather, rows at least one voxel apart: line[z] = sum_r g[r] max(0, 1 - |z_r - z|), where
    first + z step is the row of voxel z (shifted by what g is padded) and dz = 1 / |step|."""
    for z in range(i32(len(line))):
        p = first + f32(z) * step
        ip = i32(p)
        t = (p - f32(ip)) * dz
        a, b = pair(g, u32(ip) & MASK)
        line[z] = a * max(f32(1) - t, f32(0)) + b * max(f32(1) - (dz - t), f32(0))


@vector
def gather_four(line, g, first, step, dz):
    """The same for rows half a voxel to one voxel apart; g begins one row earlier."""
    after = g[2:]
    for z in range(i32(len(line))):
        p = first + f32(z) * step
        ip = i32(p)
        t = (p - f32(ip)) * dz
        i = u32(ip) & MASK
        a, b = pair(g, i)
        c, d = pair(after, i)
        line[z] = (a * max(f32(1) - (t + dz), f32(0)) + b * max(f32(1) - t, f32(0))
                   + c * max(f32(1) - (dz - t), f32(0)) + d * max(f32(1) - (dz + dz - t), f32(0)))


@device
def scatter_rows(line, g, z0, dz, rows):
    """The same for rows as close as they like: line (zeroed here) gets each row's two shares; z_r = z0 + r dz counts from line[0]."""
    line[:] = f32(0)
    n = len(line)
    for r in range(rows):
        z = z0 + r * dz
        k = int(floor(z))
        f = f32(z - k)
        if k >= 0 and k < n:
            line[k] += (f32(1) - f) * g[r]
        if k + 1 >= 0 and k + 1 < n:
            line[k + 1] += f * g[r]


# pads of the gathers are as small as can be: a larger place would leave fewer digits to the fraction
@device
def spread_apart_in_loops(low, high, wl, wh, g, pad, z0, dz, lo, hi, line):
    """spread_rows for |dz| >= 1."""
    part = line[:hi - lo]
    gather_two(part, g[pad - 1:], f32((lo - z0) / dz + 1), f32(1 / dz), f32(abs(dz)))
    spread_two(low[lo:hi], high[lo:hi], part, wl, wh)


@device
def spread_apart_by_lanes(low, high, wl, wh, g, pad, z0, dz, lo, hi, line):
    p = i64(((lo - z0) / dz + pad) * ONE)
    d = i64(ONE / dz)
    step = f32(1 / dz)
    apart = f32(abs(dz))
    full = hi - (hi - lo) % EIGHT
    for z in range(lo, full, EIGHT):
        spread_eight(low, high, z, i32(EIGHT), wl, wh, g, p + (z - lo) * d, d, step, apart)
    if full < hi:
        spread_eight(low, high, full, i32(hi - full), wl, wh, g, p + (full - lo) * d, d, step, apart)


spread_apart = spread_apart_by_lanes if lanes else spread_apart_in_loops


@device
def spread_rows(low, high, wl, wh, g, pad, z0, dz, lo, hi, rows, line):
    """Transpose of add_line after blend: adds to voxels lo <= z < hi of two lines, by weights wl and wh, what the rows g[pad:] of a detector
    column leave there; row r lies at z0 + r dz. line: working memory."""
    if abs(dz) >= 1.0:
        spread_apart(low, high, wl, wh, g, pad, z0, dz, lo, hi, line)
        return
    part = line[:hi - lo]
    if abs(dz) >= 0.5:
        gather_four(part, g[pad - 3:], f32((lo - z0) / dz + 2), f32(1 / dz), f32(abs(dz)))
    else:
        scatter_rows(part, g[pad:], z0 - lo, dz, rows)
    spread_two(low[lo:hi], high[lo:hi], part, wl, wh)
