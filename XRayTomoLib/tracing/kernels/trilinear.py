"""Trilinear samples at equal steps along the ray, zeros outside the volume.

The ray is clipped to the support of the interpolation, [-1, n] on each axis, and cut into intervals of `step` mm, the last one
shorter; each interval counts by the sample at its middle times its length. The integral is continuous in the end points.
"""
from math import floor, sqrt

from numpy import int32 as i32
from numpy import uint32 as u32


@device
def clip_axis(s, d, lo, hi, a0, a1, f0, f1, face):
    """Clips [a0, a1] to lo <= s + a d <= hi; f0, f1: the axis that bounds each end (3: the ray's own end)."""
    if d == 0.0:
        if s < lo or s > hi:
            a1 = -1.0
        return a0, a1, f0, f1
    p = (lo - s) / d
    q = (hi - s) / d
    if min(p, q) > a0:
        a0 = min(p, q)
        f0 = face
    if max(p, q) < a1:
        a1 = max(p, q)
        f1 = face
    return a0, a1, f0, f1


@device
def clip_ray(nx, ny, nz, x, y, z, dx, dy, dz):
    """Part [a0, a1] of the ray on which the interpolation may differ from zero, and the axes that bound it."""
    a0, a1, f0, f1 = clip_axis(x, dx, -1.0, nx * 1.0, 0.0, 1.0, 3, 3, 0)
    a0, a1, f0, f1 = clip_axis(y, dy, -1.0, ny * 1.0, a0, a1, f0, f1, 1)
    return clip_axis(z, dz, -1.0, nz * 1.0, a0, a1, f0, f1, 2)


@device
def trilinear_inner(v, table, sx, sy, sz, n0, n1, x, y, z, dx, dy, dz):
    """Sum of the samples n0 <= n < n1 at (x, y, z) + n (dx, dy, dz); every footprint lies inside."""
    acc = real(0)
    vx = v[sx:]
    vy = v[sy:]
    vxy = v[sx + sy:]
    wz = v[sz:]
    wx = v[sz + sx:]
    wy = v[sz + sy:]
    wxy = v[sz + sx + sy:]
    for k in range(i32(n0), i32(n1)):
        kf = real(k)
        px = x + kf * dx
        py = y + kf * dy
        pz = z + kf * dz
        ix = i32(px)
        iy = i32(py)
        iz = i32(pz)
        fx = px - real(ix)
        fy = py - real(iy)
        fz = pz - real(iz)
        i = u32(i32(i32(ix * sx) + i32(i32(iy * sy) + i32(iz * sz)))) & MASK
        v0 = fetch(v, table, i)
        v1 = fetch(vy, table, i)
        w0 = fetch(wz, table, i)
        w1 = fetch(wy, table, i)
        a0 = v0 + fx * (fetch(vx, table, i) - v0)
        a1 = v1 + fx * (fetch(vxy, table, i) - v1)
        b0 = w0 + fx * (fetch(wx, table, i) - w0)
        b1 = w1 + fx * (fetch(wxy, table, i) - w1)
        a = a0 + fy * (a1 - a0)
        b = b0 + fy * (b1 - b0)
        acc += a + fz * (b - a)
    return acc


@device
def trilinear_sample(v, table, nx, ny, nz, px, py, pz):
    """The interpolation and its gradient at one point, each voxel checked."""
    ix = i32(floor(px))
    iy = i32(floor(py))
    iz = i32(floor(pz))
    fx = px - real(ix)
    fy = py - real(iy)
    fz = pz - real(iz)
    f = real(0)
    gx = real(0)
    gy = real(0)
    gz = real(0)
    for cz in range(2):
        kz = iz + cz
        if kz < 0 or kz >= nz:
            continue
        wz = fz if cz == 1 else real(1) - fz
        hz = real(1) if cz == 1 else real(-1)
        for cy in range(2):
            ky = iy + cy
            if ky < 0 or ky >= ny:
                continue
            wy = fy if cy == 1 else real(1) - fy
            hy = real(1) if cy == 1 else real(-1)
            for cx in range(2):
                kx = ix + cx
                if kx < 0 or kx >= nx:
                    continue
                wx = fx if cx == 1 else real(1) - fx
                hx = real(1) if cx == 1 else real(-1)
                value = real(fetch(v, table, kx + nx * (ky + ny * kz)))
                f += wx * wy * wz * value
                gx += hx * wy * wz * value
                gy += wx * hy * wz * value
                gz += wx * wy * hz * value
    return f, gx, gy, gz


@device
def trilinear_plan(length, step, a0, a1):
    """Number of whole steps, and the rest in mm, of the part [a0, a1] of a ray of `length` mm."""
    path = max(a1 - a0, 0.0) * length
    n = i32(floor(path / step))
    return n, path - n * step


@device
def trilinear_inner_range(nx, ny, nz, x, y, z, ex, ey, ez, n):
    """Samples k0 <= k < k1 of the n whose footprints lie inside."""
    margin = real(1e-3) + real(1e-6) * real(nx + ny + nz)
    p0, p1 = axis_range(x, ex, recip(ex), margin, real(nx - 1) - margin, real(0), real(n - 1))
    p0, p1 = axis_range(y, ey, recip(ey), margin, real(ny - 1) - margin, p0, p1)
    p0, p1 = axis_range(z, ez, recip(ez), margin, real(nz - 1) - margin, p0, p1)
    k0, k1 = whole_range(p0, p1, 0, n - 1)
    if k1 <= k0 or min(nx, ny, nz) < 2:     # one layer of voxels has no footprint of two
        return i32(n), i32(n)
    return k0, k1


@device
def trilinear_pixel(v, table, nx, ny, nz, metric, step, x, y, z, dx, dy, dz):
    """Line integral of one ray."""
    length = sqrt(length_mm(metric, dx, dy, dz))
    a0, a1, f0, f1 = clip_ray(nx, ny, nz, x, y, z, dx, dy, dz)
    if length == 0.0 or a1 <= a0:
        return real(0)
    n, rest = trilinear_plan(length, step, a0, a1)
    da = step / length
    first = a0 + 0.5 * da
    px = real(x + first * dx)
    py = real(y + first * dy)
    pz = real(z + first * dz)
    ex = real(da * dx)
    ey = real(da * dy)
    ez = real(da * dz)
    k0, k1 = trilinear_inner_range(nx, ny, nz, px, py, pz, ex, ey, ez, n)
    acc = real(0)
    for part in range(2):
        start = i32(0) if part == 0 else k1
        stop = k0 if part == 0 else i32(n)
        for k in range(start, stop):
            acc += trilinear_sample(v, table, nx, ny, nz, px + real(k) * ex, py + real(k) * ey, pz + real(k) * ez)[0]
    acc += trilinear_inner(v, table, i32(1), i32(nx), i32(nx * ny), k0, k1, px, py, pz, ex, ey, ez)
    al = a1 - 0.5 * rest / length
    last = trilinear_sample(v, table, nx, ny, nz, real(x + al * dx), real(y + al * dy), real(z + al * dz))[0]
    return acc * real(step) + last * real(rest)


@device
def end_shift(face, a, x, y, z, dx, dy, dz, axis):
    """1/d along the face that bounds the ray at parameter a, if that face belongs to `axis`, else 0: -(1 - a) and -a times it are
    the derivatives of a by start and end."""
    if face != axis:
        return 0.0
    if axis == 0:
        return 1.0 / dx
    if axis == 1:
        return 1.0 / dy
    return 1.0 / dz


@device
def trilinear_pixel_grad(v, table, nx, ny, nz, metric, step, x, y, z, dx, dy, dz, out):
    """Line integral and its derivatives by the ray's start and end (voxel coordinates) -> out[0:7].

    Sample n lies at s + a_n d, a_n = a0 + (n + 1/2) step/|d|: it moves with the ends themselves, with the face at a0 and with |d|.
    """
    for q in range(7):
        out[q] = real(0)
    length = sqrt(length_mm(metric, dx, dy, dz))
    a0, a1, f0, f1 = clip_ray(nx, ny, nz, x, y, z, dx, dy, dz)
    if length == 0.0 or a1 <= a0:
        return
    n, rest = trilinear_plan(length, step, a0, a1)
    da = step / length
    acc = 0.0
    g0x = 0.0
    g0y = 0.0
    g0z = 0.0
    g1x = 0.0
    g1y = 0.0
    g1z = 0.0
    along = 0.0                     # sum of f's derivative along d
    along1 = 0.0                    # the same times (n + 1/2) step / |d|
    for k in range(n):
        rel = (k + 0.5) * da
        a = a0 + rel
        f, gx, gy, gz = trilinear_sample(v, table, nx, ny, nz, real(x + a * dx), real(y + a * dy), real(z + a * dz))
        acc += f
        g0x += (1.0 - a) * gx
        g0y += (1.0 - a) * gy
        g0z += (1.0 - a) * gz
        g1x += a * gx
        g1y += a * gy
        g1z += a * gz
        slope = gx * dx + gy * dy + gz * dz
        along += slope
        along1 += slope * rel
    al = a1 - 0.5 * rest / length
    f, gx, gy, gz = trilinear_sample(v, table, nx, ny, nz, real(x + al * dx), real(y + al * dy), real(z + al * dz))
    slope = (gx * dx + gy * dy + gz * dz) * rest
    # the last sample lies at (a0 + n da + a1) / 2 and counts by rest = |d| (a1 - a0) - n step
    by_a0 = step * along + 0.5 * slope - f * length
    by_a1 = 0.5 * slope + f * length
    by_length = -(step * along1 + 0.5 * slope * n * da) / length + f * (a1 - a0)
    out[0] = real(acc * step + f * rest)
    mx, my, mz = metric_times(metric, dx, dy, dz)
    for q in range(3):
        g_start = step * (g0x if q == 0 else g0y if q == 1 else g0z) + rest * (1.0 - al) * (gx if q == 0 else gy if q == 1 else gz)
        g_end = step * (g1x if q == 0 else g1y if q == 1 else g1z) + rest * al * (gx if q == 0 else gy if q == 1 else gz)
        u0 = end_shift(f0, a0, x, y, z, dx, dy, dz, q)
        u1 = end_shift(f1, a1, x, y, z, dx, dy, dz, q)
        stretch = by_length * (mx if q == 0 else my if q == 1 else mz) / length
        out[1 + q] = real(g_start - by_a0 * (1.0 - a0) * u0 - by_a1 * (1.0 - a1) * u1 - stretch)
        out[4 + q] = real(g_end - by_a0 * a0 * u0 - by_a1 * a1 * u1 + stretch)


@device
def trilinear_spread(o, w, nx, ny, nz, z0, z1, px, py, pz):
    """Transpose of trilinear_sample, for the voxels of the slab z0 <= k < z1."""
    ix = i32(floor(px))
    iy = i32(floor(py))
    iz = i32(floor(pz))
    fx = px - real(ix)
    fy = py - real(iy)
    fz = pz - real(iz)
    for cz in range(2):
        kz = iz + cz
        if kz < z0 or kz >= z1:
            continue
        wz = w * (fz if cz == 1 else real(1) - fz)
        for cy in range(2):
            ky = iy + cy
            if ky < 0 or ky >= ny:
                continue
            wy = wz * (fy if cy == 1 else real(1) - fy)
            for cx in range(2):
                kx = ix + cx
                if kx >= 0 and kx < nx:
                    deposit(o, kx + nx * (ky + ny * (kz - z0)), wy * (fx if cx == 1 else real(1) - fx))


@device
def trilinear_adjoint(o, w, nx, ny, nz, z0, z1, metric, step, x, y, z, dx, dy, dz):
    """Adds w times the ray's weights to the slab z0 <= k < z1, whose voxels are o."""
    length = sqrt(length_mm(metric, dx, dy, dz))
    a0, a1, f0, f1 = clip_ray(nx, ny, nz, x, y, z, dx, dy, dz)
    if length == 0.0 or a1 <= a0:
        return
    n, rest = trilinear_plan(length, step, a0, a1)
    da = step / length
    first = a0 + 0.5 * da
    pz = real(z + first * dz)
    ez = real(da * dz)
    q0, q1 = axis_range(pz, ez, recip(ez), real(z0) - real(1.01), real(z1) + real(0.01), real(0), real(n - 1))
    k0, k1 = whole_range(q0, q1, 0, n - 1)
    for k in range(k0, k1):
        spread = w * real(step)
        trilinear_spread(o, spread, nx, ny, nz, z0, z1, real(x + first * dx) + real(k) * real(da * dx),
                         real(y + first * dy) + real(k) * real(da * dy), pz + real(k) * ez)
    al = a1 - 0.5 * rest / length
    trilinear_spread(o, w * real(rest), nx, ny, nz, z0, z1, real(x + al * dx), real(y + al * dy), real(z + al * dz))
