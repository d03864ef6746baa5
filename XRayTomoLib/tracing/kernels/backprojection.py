"""Voxel-driven backprojection: each voxel adds up what its projections hold, bilinearly, divided by a power of its depth.

P [views, 3, 4] maps voxels (x, y, z, 1) to (col w, row w, w) with w the depth in mm (1 for parallel rays). Projections are padded by
one pixel that repeats the border, so that voxels seen within half a pixel of it count; col and row include that pad.
The weight is 1 / w^power, power 0, 1 or 2.

arcs [views, 3], or [0, 3] for flat detectors, describe cylinders about the source that touch the plane along one column: that column, the
radius as a number of columns, and the row at the source's height. Columns are steps of angle then, and w is the distance across the cylinder's
axis.
"""
from math import atan, ceil, floor, sqrt

from numpy import float32 as f32
from numpy import int32 as i32
from numpy import uint32 as u32


@vector
def backproject_line(line, p, cols, un, ux, vn, vx, wn, wx, power):
    """line[x] += weight * p(col, row) for voxels whose four pixels exist."""
    below = p[cols:]
    for x in range(i32(len(line))):
        xf = f32(x)
        rw = f32(1) / (wn + xf * wx)
        u = (un + xf * ux) * rw
        v = (vn + xf * vx) * rw
        iu = i32(u)
        iv = i32(v)
        fu = u - f32(iu)
        fv = v - f32(iv)
        i = u32(i32(iu + i32(iv * cols))) & MASK
        a0, a1 = pair(p, i)
        b0, b1 = pair(below, i)
        a = a0 + fu * (a1 - a0)
        b = b0 + fu * (b1 - b0)
        line[x] += (rw * rw if power == 2 else rw if power == 1 else f32(1)) * (a + fv * (b - a))


@device
def clip_positive(q, s, x0, x1):
    """Clips [x0, x1] to q + s x >= 0."""
    if s > 0:
        return max(x0, -q / s), x1
    if s < 0:
        return x0, min(x1, -q / s)
    return (x0, x1) if q >= 0 else (x0, x0 - 2)


@device
def visible_range(un, ux, vn, vx, wn, wx, rows, cols, n):
    """Voxels a <= x < b of a line in front of the source whose pixel lies on the padded detector's inside [1/2, n + 1/2]."""
    e = 1e-6
    a = 0.0
    b = n - 1.0
    a, b = clip_positive(wn - 1e-9, wx, a, b)
    a, b = clip_positive(un - (0.5 - e) * wn, ux - (0.5 - e) * wx, a, b)
    a, b = clip_positive((cols - 1.5 + e) * wn - un, (cols - 1.5 + e) * wx - ux, a, b)
    a, b = clip_positive(vn - (0.5 - e) * wn, vx - (0.5 - e) * wx, a, b)
    a, b = clip_positive((rows - 1.5 + e) * wn - vn, (rows - 1.5 + e) * wx - vx, a, b)
    return int(ceil(max(a, 0.0))), int(floor(max(min(b, n - 1.0), -1.0))) + 1


@device
def line_start(M, y, z):
    """col w, row w and w of the voxel (0, y, z)."""
    return M[0, 1] * y + M[0, 2] * z + M[0, 3], M[1, 1] * y + M[1, 2] * z + M[1, 3], M[2, 1] * y + M[2, 2] * z + M[2, 3]


@device
def on_arc(un, vn, wn, arc):
    """Column, row and 1 / distance on the arc of the plane's pixel (un / wn, vn / wn)."""
    rw = 1.0 / wn
    slope = (un * rw - arc[0]) / arc[1]
    cosine = 1.0 / sqrt(1.0 + slope * slope)
    return arc[0] + arc[1] * atan(slope), arc[2] + (vn * rw - arc[2]) * cosine, rw * cosine


@device
def is_inside(u, v, rows, cols):
    """Whether a pixel lies on the padded detector's inside."""
    e = 1e-6
    return u >= 0.5 - e and u <= cols - 1.5 + e and v >= 0.5 - e and v <= rows - 1.5 + e


@device
def backproject_arc_line(line, p, M, arc, y, z, power):
    """line[x] += weight * p(col, row) for the voxels (x, y, z) in front of the source that an arc p [rows + 2, cols + 2] sees."""
    rows, cols = p.shape
    un, vn, wn = line_start(M, y, z)
    for x in range(len(line)):
        w = wn + x * M[2, 0]
        if w > 1e-9:
            u, v, rw = on_arc(un + x * M[0, 0], vn + x * M[1, 0], w, arc)
            if is_inside(u, v, rows, cols):
                iu = int(u)
                iv = int(v)
                fu = f32(u - iu)
                a = p[iv, iu] + fu * (p[iv, iu + 1] - p[iv, iu])
                b = p[iv + 1, iu] + fu * (p[iv + 1, iu + 1] - p[iv + 1, iu])
                line[x] += f32(rw * rw if power == 2 else rw if power == 1 else 1.0) * (a + f32(v - iv) * (b - a))


@device
def backproject_slab(p, P, arcs, volume, z0, z1, power):
    """Adds all views to layers z0..z1 of volume; p [views, rows + 2, cols + 2]."""
    nz, ny, nx = volume.shape
    views, rows, cols = p.shape
    for i in range(views):
        flat = p[i].reshape(-1)
        M = P[i]
        for z in range(z0, z1):
            for y in range(ny):
                if len(arcs):
                    backproject_arc_line(volume[z, y], p[i], M, arcs[i], y, z, power)
                    continue
                un, vn, wn = line_start(M, y, z)
                a, b = visible_range(un, M[0, 0], vn, M[1, 0], wn, M[2, 0], rows, cols, nx)
                if b > a:
                    backproject_line(volume[z, y, a:b], flat, i32(cols), f32(un + a * M[0, 0]), f32(M[0, 0]), f32(vn + a * M[1, 0]),
                                     f32(M[1, 0]), f32(wn + a * M[2, 0]), f32(M[2, 0]), power)


@device
def spread_value(p, i, cols, u, v, value):
    """Deals a value out to the four pixels from p[i] on, round (u, v)."""
    fu = f32(u - int(u))
    below = value * f32(v - int(v))
    here = value - below
    p[i] += here - here * fu
    p[i + 1] += here * fu
    p[i + cols] += below - below * fu
    p[i + cols + 1] += below * fu


@device
def spread_arc_line(line, p, M, arc, y, z, power):
    """The transpose of backproject_arc_line."""
    rows, cols = p.shape
    flat = p.reshape(-1)
    un, vn, wn = line_start(M, y, z)
    for x in range(len(line)):
        w = wn + x * M[2, 0]
        if w > 1e-9:
            u, v, rw = on_arc(un + x * M[0, 0], vn + x * M[1, 0], w, arc)
            if is_inside(u, v, rows, cols):
                value = line[x] * f32(rw * rw if power == 2 else rw if power == 1 else 1.0)
                spread_value(flat, int(v) * cols + int(u), cols, u, v, value)


@device
def spread_line(line, p, cols, un, ux, vn, vx, wn, wx, power):
    """The transpose of backproject_line: each voxel's weighted value is dealt out to its four pixels."""
    for x in range(len(line)):
        rw = 1 / (wn + x * wx)
        u = (un + x * ux) * rw
        v = (vn + x * vx) * rw
        value = line[x] * f32(rw * rw if power == 2 else rw if power == 1 else 1.0)
        spread_value(p, int(v) * cols + int(u), cols, u, v, value)


@device
def spread_view(p, M, arcs, volume, power):
    """Adds what one view, p [rows + 2, cols + 2], receives from all voxels; arcs [1 or 0, 3]: its own."""
    nz, ny, nx = volume.shape
    rows, cols = p.shape
    flat = p.reshape(-1)
    for z in range(nz):
        for y in range(ny):
            if len(arcs):
                spread_arc_line(volume[z, y], p, M, arcs[0], y, z, power)
                continue
            un, vn, wn = line_start(M, y, z)
            a, b = visible_range(un, M[0, 0], vn, M[1, 0], wn, M[2, 0], rows, cols, nx)
            if b > a:
                spread_line(volume[z, y, a:b], flat, cols, un + a * M[0, 0], M[0, 0], vn + a * M[1, 0], M[1, 0], wn + a * M[2, 0], M[2, 0], power)


@device
def add_voxel_line(acc, p, M, arcs, i, x, y, nz, power, line):
    """Adds to the voxels acc [nz] at (x, y) what view i, p [cols + 2, rows + 2], holds for them; line [rows + 2 + BEYOND]: working memory."""
    cols, rows = p.shape
    w = M[2, 3] + M[2, 0] * x + M[2, 1] * y
    if w <= 1e-9:
        return
    un = M[0, 3] + M[0, 0] * x + M[0, 1] * y
    vn = M[1, 3] + M[1, 0] * x + M[1, 1] * y
    rw = 1.0 / w
    u = un * rw
    v0 = vn * rw
    if len(arcs):
        u, v0, rw = on_arc(un, vn, w, arcs[i])
    if u < 0.5 or u > cols - 1.5:
        return
    iu = int(u)
    dv = M[1, 2] * rw
    ta = (0.5 - v0) / dv
    tb = (rows - 1.5 - v0) / dv
    n0 = int(ceil(max(min(ta, tb) - 1e-6, 0.0)))
    n1 = int(floor(min(max(ta, tb) + 1e-6, nz - 1.0))) + 1
    if n1 <= n0:
        return
    va = v0 + n0 * dv
    vb = v0 + (n1 - 1) * dv
    r0 = max(int(min(va, vb)), 0)
    r1 = min(int(max(va, vb)) + 2, rows)
    fu = f32(u - iu)
    weight = f32(rw * rw if power == 2 else rw if power == 1 else 1.0)
    blend(line[r0:r1], p[iu, r0:r1], p[iu + 1, r0:r1], weight * (f32(1) - fu), weight * fu)
    add_line(acc[n0:n1], line, va, dv)


@device
def backproject_block(pt, P, arcs, volume, y0, x0, power, accs, line):
    """The same for columns parallel to z (col and w do not depend on z): adds to GROUP x GROUP lines of volume, which stay in the cache;
    pt [views, cols + 2, rows + 2]; accs [GROUP^2, nz + EIGHT], line: working memory."""
    nz, ny, nx = volume.shape
    y1 = min(y0 + GROUP, ny)
    x1 = min(x0 + GROUP, nx)
    accs[:] = f32(0)
    for i in range(pt.shape[0]):
        for y in range(y0, y1):
            for x in range(x0, x1):
                add_voxel_line(accs[(y - y0) * GROUP + x - x0], pt[i], P[i], arcs, i, x, y, nz, power, line)
    for z in range(nz):
        for y in range(y0, y1):
            for x in range(x0, x1):
                volume[z, y, x] += accs[(y - y0) * GROUP + x - x0, z]
