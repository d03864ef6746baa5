"""What all per-ray functions share: reading a voxel, orienting a ray, clipping.

These files are plain Python, written once. A target (targets.py) loads them with `device` (its decorator), `real` (its number
type), `fetch` (how it reads a voxel) and `deposit` (how it adds to one) put in.

Coordinates are voxel indices (i, j, k), voxel centres at integers. A ray is s + a d, a in [0, 1]. Volumes are flat, i fastest.
Each ray is seen in its own frame: m is the axis along which it is longest, b and c are the other two.
"""
from math import ceil, floor

from numpy import int32 as i32
from numpy import uint32 as u32

MASK = u32(0x7FFFFFFF)      # an index that is visibly not negative spares the compiler the wrap-around


@device
def fetch_number(v, table, i):
    """A voxel stored as a number."""
    return v[i]


@device
def fetch_coded(v, table, i):
    """A voxel stored as 16 bits whose meaning is looked up."""
    return table[v[i]]


@device
def deposit_alone(o, i, w):
    """Adds w to voxel i of which nobody else writes."""
    o[i] += w


@device
def major_axis(dx, dy, dz):
    """0, 1, 2: the axis of the largest |d|."""
    ax = abs(dx)
    ay = abs(dy)
    az = abs(dz)
    if ax >= ay and ax >= az:
        return 0
    if ay >= az:
        return 1
    return 2


@device
def turn(m, x, y, z):
    """(x, y, z) in the frame of major axis m: (along m, b, c)."""
    if m == 0:
        return x, y, z
    if m == 1:
        return y, x, z
    return z, x, y


@device
def recip(x):
    """1/x, with a huge finite value for (almost) zero, so that axis_range stays free of NaN."""
    if abs(x) < real(1e-30):
        return real(1e30)
    return real(1) / x


@device
def axis_range(s, slope, rslope, lo, hi, k0, k1):
    """Clips [k0, k1] to those k with lo <= s + k slope <= hi; rslope = recip(slope)."""
    a = (lo - s) * rslope
    b = (hi - s) * rslope
    return max(k0, min(a, b)), min(k1, max(a, b))


@device
def whole_range(q0, q1, lo, hi):
    """Integers k0 <= k < k1 of the real range [q0, q1] within [lo, hi]; an empty range is (lo, lo)."""
    k0 = i32(ceil(min(max(q0, real(lo)), real(hi + 1))))
    k1 = i32(floor(max(min(q1, real(hi)), real(lo - 1)))) + i32(1)
    if k1 <= k0:
        return i32(lo), i32(lo)
    return k0, k1


@device
def length_mm(metric, dx, dy, dz):
    """|d| in mm, squared, from the grid's metric (xx, yy, zz, xy, xz, yz)."""
    return (metric[0] * dx * dx + metric[1] * dy * dy + metric[2] * dz * dz
            + 2.0 * (metric[3] * dx * dy + metric[4] * dx * dz + metric[5] * dy * dz))


@device
def metric_times(metric, dx, dy, dz):
    """G d: half the derivative of |d|^2 in mm."""
    return (metric[0] * dx + metric[3] * dy + metric[4] * dz, metric[3] * dx + metric[1] * dy + metric[5] * dz,
            metric[4] * dx + metric[5] * dy + metric[2] * dz)


@device
def bundle_ray(g, r, c):
    """Pixel (r, c) of an affine bundle g [6, 3]: s and d."""
    sx = g[0, 0] + c * g[1, 0] + r * g[2, 0]
    sy = g[0, 1] + c * g[1, 1] + r * g[2, 1]
    sz = g[0, 2] + c * g[1, 2] + r * g[2, 2]
    dx = g[3, 0] + c * g[4, 0] + r * g[5, 0] - sx
    dy = g[3, 1] + c * g[4, 1] + r * g[5, 1] - sy
    dz = g[3, 2] + c * g[4, 2] + r * g[5, 2] - sz
    return sx, sy, sz, dx, dy, dz


@device
def store_gradient(out, value, length2, d_m, gs_m, gs_b, gs_c, gt_m, gt_b, gt_c, m, gx, gy, gz):
    """out[0:7] = value, its derivative by the start and by the end of the ray.

    value = |d| q: (gs, gt) are the derivatives of q by start and end in the ray's frame, times |d|; (gx, gy, gz) = G d.
    """
    out[0] = real(value)
    scale = value / length2
    out[1] = real(-gx * scale)
    out[2] = real(-gy * scale)
    out[3] = real(-gz * scale)
    out[4] = real(gx * scale)
    out[5] = real(gy * scale)
    out[6] = real(gz * scale)
    ib = 1 if m == 0 else 0
    ic = 1 if m == 2 else 2
    out[1 + m] += real(gs_m)
    out[1 + ib] += real(gs_b)
    out[1 + ic] += real(gs_c)
    out[4 + m] += real(gt_m)
    out[4 + ib] += real(gt_b)
    out[4 + ic] += real(gt_c)
