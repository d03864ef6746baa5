"""Joseph's method where detector columns are parallel to a volume axis: the same numbers, several times faster.

All rays of one detector column share their path across the other two axes. So a plane's two voxel lines along the axis are blended
once for the column, and what remains is linear interpolation in contiguous memory. `vector` compiles as `device` does and promises
that arrays do not overlap, which lets loops that read and write be vectorised.

vt [ny, nx, nz] is the volume with that axis (z) last; g [6, 3] an affine bundle in (x, y, z) with g[2] and g[5] along z.
"""
from math import ceil, floor, sqrt

import numpy as np
from numpy import float32 as f32
from numpy import int32 as i32
from numpy import uint32 as u32

PAD = 2         # zeros kept at both ends of a line of voxels
GROUP = 16      # detector columns, or rows of voxels, that are written back together


@vector
def add_line(acc, line, first, step):
    """acc[r] += line(first + r step), linear interpolation."""
    for r in range(i32(len(acc))):
        p = first + f32(r) * step
        ip = i32(p)
        i = u32(ip) & MASK
        a, b = pair(line, i)
        acc[r] += a + (p - f32(ip)) * (b - a)


@vector
def add_four_lines(acc, c0, c1, c2, c3, v0, d0, v1, d1, v2, d2, v3, d3):
    """The sum of four add_line in one pass over acc."""
    for r in range(i32(len(acc))):
        rf = f32(r)
        p = v0 + rf * d0
        ip = i32(p)
        i = u32(ip) & MASK
        a, b = pair(c0, i)
        s = a + (p - f32(ip)) * (b - a)
        p = v1 + rf * d1
        ip = i32(p)
        i = u32(ip) & MASK
        a, b = pair(c1, i)
        s += a + (p - f32(ip)) * (b - a)
        p = v2 + rf * d2
        ip = i32(p)
        i = u32(ip) & MASK
        a, b = pair(c2, i)
        s += a + (p - f32(ip)) * (b - a)
        p = v3 + rf * d3
        ip = i32(p)
        i = u32(ip) & MASK
        a, b = pair(c3, i)
        s += a + (p - f32(ip)) * (b - a)
        acc[r] += s


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
def spread_one(a, line, wa):
    for i in range(i32(len(line))):
        a[i] += wa * line[i]


@vector
def gather_two(line, g, first, step, dz):
    """Transpose of add_line as a gather, rows at least one voxel apart: line[z] = sum_r g[r] max(0, 1 - |z_r - z|), where
    first + z step is the row of voxel z (shifted by what g is padded)."""
    for z in range(i32(len(line))):
        p = first + f32(z) * step
        ip = i32(p)
        t = (p - f32(ip)) * dz
        a, b = pair(g, u32(ip) & MASK)
        line[z] = a * max(f32(1) - t, f32(0)) + b * max(f32(1) - (dz - t), f32(0))


@vector
def gather_four(line, g, first, step, dz):
    """The same for rows half a voxel to one voxel apart."""
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
    line[:] = 0
    n = len(line)
    for r in range(rows):
        z = z0 + r * dz
        k = int(floor(z))
        f = f32(z - k)
        if k >= 0 and k < n:
            line[k] += (f32(1) - f) * g[r]
        if k + 1 >= 0 and k + 1 < n:
            line[k + 1] += f * g[r]


@device
def column_path(g, u, nx, ny):
    """Path of detector column u across x and y: whether x is its major axis, planes, others, start, slope, intercept, planes k0 <= k < k1,
    d along major and the other axis; and z: start and direction of row 0, and their steps per row."""
    sx = g[0, 0] + u * g[1, 0]
    sy = g[0, 1] + u * g[1, 1]
    sz = g[0, 2] + u * g[1, 2]
    dx = g[3, 0] + u * g[4, 0] - sx
    dy = g[3, 1] + u * g[4, 1] - sy
    dz = g[3, 2] + u * g[4, 2] - sz
    by_x = abs(dx) >= abs(dy)
    if by_x:
        nm, nb, dm, db, s, b0 = nx, ny, dx, dy / dx, sx, sy - sx * (dy / dx)
    else:
        nm, nb, dm, db, s, b0 = ny, nx, dy, dx / dy, sy, sx - sy * (dx / dy)
    k0 = 0
    k1 = nm
    if abs(db) > 1e-12:
        ta = (-1 - b0) / db
        tb = (nb - b0) / db
        k0 = max(k0, int(ceil(max(min(ta, tb), -1.0))))
        k1 = min(k1, int(floor(min(max(ta, tb), nm + 1.0))) + 1)
    elif b0 <= -1 or b0 >= nb:
        k1 = k0
    return by_x, nb, dm, s, db, b0, k0, k1, dx, dy, sz, dz, g[2, 2], g[5, 2] - g[2, 2]


@device
def rows_inside(z0, dz, rows, nz):
    """Rows ra <= r < rb with z0 + r dz in the support [-1, nz]."""
    if abs(dz) < 1e-9:
        return (0, rows) if z0 > -1 and z0 < nz else (0, 0)
    ta = (-1 - z0) / dz
    tb = (nz - z0) / dz
    ra = int(ceil(max(min(ta, tb), 0.0)))
    rb = int(floor(min(max(ta, tb), rows - 1.0))) + 1
    return ra, rb


@device
def plane_lines(vt, by_x, k, j, nb):
    """The two voxel lines round (plane k, other index j) and which of them exist."""
    ja = min(max(j, 0), nb - 1)
    jb = min(max(j + 1, 0), nb - 1)
    if by_x:
        return vt[ja, k], vt[jb, k]
    return vt[k, ja], vt[k, jb]


@device
def separable_forward(vt, bundles, metric, rows, cols, out, q0, q1, lines, accs):
    """Adds to out [views, rows, cols] the columns q0..q1 (over views x cols); lines [4, nz + 2 PAD] with zeros at the ends; accs [GROUP, rows]."""
    ny, nx, nz = vt.shape
    first = np.empty(4, np.float32)
    step = np.empty(4, np.float32)
    l0 = lines[0]
    l1 = lines[1]
    l2 = lines[2]
    l3 = lines[3]
    q = q0
    while q < q1:
        i = q // cols
        u0 = q - i * cols
        u1 = min(u0 + GROUP, cols, u0 + q1 - q)
        for u in range(u0, u1):
            acc = accs[u - u0]
            acc[:] = 0
            by_x, nb, dm, s, db, b0, k0, k1, dx, dy, sz, dz0, sz_r, dz_r = column_path(bundles[i], u, nx, ny)
            count = 0
            n0 = 0
            n1 = 0
            for k in range(k0, k1):
                b = b0 + k * db
                j = int(floor(b))
                if j < -1 or j >= nb:
                    continue
                f = f32(b - j)
                a = (k - s) / dm
                z0 = sz + a * dz0
                dz = sz_r + a * dz_r
                ra, rb = rows_inside(z0, dz, rows, nz)
                if rb <= ra:
                    continue
                za = z0 + ra * dz
                zb = z0 + (rb - 1) * dz
                lo = max(int(floor(min(za, zb))), 0)
                hi = min(int(floor(max(za, zb))) + 2, nz)
                if count > 0 and (ra != n0 or rb != n1):
                    for t in range(count):
                        add_line(acc[n0:n1], lines[t], first[t] + f32(n0) * step[t], step[t])
                    count = 0
                low, high = plane_lines(vt, by_x, k, j, nb)
                wl = f32(1) - f if j >= 0 else f32(0)
                wh = f if j + 1 < nb else f32(0)
                blend(lines[count][lo + PAD:hi + PAD], low[lo:hi], high[lo:hi], wl, wh)
                n0 = ra
                n1 = rb
                first[count] = f32(z0 + PAD)
                step[count] = f32(dz)
                count += 1
                if count == 4:
                    r0 = f32(n0)
                    add_four_lines(acc[n0:n1], l0, l1, l2, l3, first[0] + r0 * step[0], step[0], first[1] + r0 * step[1], step[1],
                                   first[2] + r0 * step[2], step[2], first[3] + r0 * step[3], step[3])
                    count = 0
            for t in range(count):
                add_line(acc[n0:n1], lines[t], first[t] + f32(n0) * step[t], step[t])
            for r in range(rows):
                acc[r] *= f32(sqrt(length_mm(metric, dx, dy, dz0 + r * dz_r)) / abs(dm))
        for r in range(rows):
            for u in range(u0, u1):
                out[i, r, u] += accs[u - u0, r]
        q += u1 - u0


@device
def separable_adjoint(vt, bundles, metric, yt, axis, m0, m1, up, down, line):
    """Exact transpose of separable_forward: planes m0..m1 of the columns whose major axis is `axis` (0 x, 1 y); nobody else writes there.

    yt [views, cols, rows]; up, down [rows + 8] zeros; line [nz].
    """
    ny, nx, nz = vt.shape
    views, cols, rows = yt.shape
    for i in range(views):
        for u in range(cols):
            by_x, nb, dm, s, db, b0, k0, k1, dx, dy, sz, dz0, sz_r, dz_r = column_path(bundles[i], u, nx, ny)
            k0 = max(k0, m0)
            k1 = min(k1, m1)
            if by_x != (axis == 0) or k1 <= k0:
                continue
            for r in range(rows):
                w = yt[i, u, r] * f32(sqrt(length_mm(metric, dx, dy, dz0 + r * dz_r)) / abs(dm))
                up[r + 3] = w
                down[rows + 2 - r] = w
            for k in range(k0, k1):
                b = b0 + k * db
                j = int(floor(b))
                if j < -1 or j >= nb:
                    continue
                f = f32(b - j)
                a = (k - s) / dm
                z0 = sz + a * dz0
                dz = sz_r + a * dz_r
                g = up
                if dz < 0:
                    z0 = z0 + (rows - 1) * dz
                    dz = -dz
                    g = down
                lo = int(ceil(max(z0 - 1, 0.0)))
                hi = int(floor(min(z0 + (rows - 1) * dz + 1, nz - 1.0))) + 1
                if hi <= lo:
                    continue
                part = line[lo:hi]
                if dz >= 1.0:
                    gather_two(part, g[2:], f32((lo - z0) / dz + 1), f32(1 / dz), f32(dz))
                elif dz >= 0.5:
                    gather_four(part, g, f32((lo - z0) / dz + 2), f32(1 / dz), f32(dz))
                else:
                    scatter_rows(part, g[3:], z0 - lo, dz, rows)
                low, high = plane_lines(vt, by_x, k, j, nb)
                if j < 0:
                    spread_one(high[lo:hi], part, f)
                elif j + 1 >= nb:
                    spread_one(low[lo:hi], part, f32(1) - f)
                else:
                    spread_two(low[lo:hi], high[lo:hi], part, f32(1) - f, f)


@device
def to_lines(v, vt, y0, y1):
    """vt[y, x, z] = v[z, y, x] for rows y0..y1."""
    nz, ny, nx = v.shape
    for y in range(y0, y1):
        for zb in range(0, nz, GROUP):
            for x in range(nx):
                for z in range(zb, min(zb + GROUP, nz)):
                    vt[y, x, z] = v[z, y, x]


@device
def from_lines(vt, v, y0, y1):
    """v[z, y, x] += vt[y, x, z] for rows y0..y1."""
    ny, nx, nz = vt.shape
    for y in range(y0, y1):
        for zb in range(0, nz, GROUP):
            for xb in range(0, nx, GROUP):
                for z in range(zb, min(zb + GROUP, nz)):
                    for x in range(xb, min(xb + GROUP, nx)):
                        v[z, y, x] += vt[y, x, z]
