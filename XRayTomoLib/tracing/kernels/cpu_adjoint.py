"""CPU adjoints: a tile of rays at a time adds to a slab of the volume, the layers z0 <= k < z1, that belongs to the calling thread.

o: the slab's voxels; rays [n, 6] start and direction in the whole volume; weights [n]: the pixels.
"""
from math import sqrt

from numpy import int32 as i32


@device
def tile_misses(rays, n, z0, z1):
    """Whether all rays run below, or all above, what the slab's samples reach."""
    low = 1e300
    high = -1e300
    for q in range(n):
        low = min(low, min(rays[q, 2], rays[q, 2] + rays[q, 5]))
        high = max(high, max(rays[q, 2], rays[q, 2] + rays[q, 5]))
    # half a plane more than the support: the sample of a cut plane may lie that much beyond the end of the ray
    return high < z0 - 1.5 or low > z1 + 0.5


@device
def adjoint_start(o, nx, ny, nz, z0, metric, rays, n, weights, whole, part):
    """Frame of each ray in the slab of nz layers as joseph_start has it, part[4, n] its weight; the cut end planes are corrected here."""
    for q in range(n):
        dx = rays[q, 3]
        dy = rays[q, 4]
        dz = rays[q, 5]
        m = major_axis(dx, dy, dz)
        d_m, d_b, d_c = turn(m, dx, dy, dz)
        s_m, s_b, s_c = turn(m, rays[q, 0], rays[q, 1], rays[q, 2] - z0)
        nm, nb, nc = turn(m, nx, ny, nz)
        w = real(0)
        if d_m != 0.0:
            w = weights[q] * real(sqrt(length_mm(metric, dx, dy, dz)) / abs(d_m))
        b, c, db, dc, first, stop = joseph_planes(nm, nb, nc, s_m, s_b, s_c, d_m, d_b, d_c)
        whole[0, q] = m
        whole[1, q] = first
        whole[2, q] = stop if w != real(0) else first
        part[0, q] = b
        part[1, q] = c
        part[2, q] = db
        part[3, q] = dc
        part[4, q] = w
        e0, lack0, e1, lack1 = joseph_ends(nm, s_m, d_m)
        if w != real(0) and (e0 >= 0 or e1 >= 0):
            sm, sb, sc = turn(m, 1, nx, nx * ny)
            if e0 >= 0:
                joseph_spread(o, e0, -lack0 * w, nb, nc, sm, sb, sc, b, c, db, dc)
            if e1 >= 0:
                joseph_spread(o, e1, -lack1 * w, nb, nc, sm, sb, sc, b, c, db, dc)


@device
def spread_directly(o, m, nx, ny, nz, ka, kb, n, whole, part):
    """All samples on planes ka <= k < kb where the window does not fit."""
    nm, nb, nc = turn(m, nx, ny, nz)
    sm, sb, sc = turn(m, 1, nx, nx * ny)
    for q in range(n):
        for k in range(max(ka, whole[3, q]), min(kb, whole[4, q])):
            joseph_spread(o, k, part[4, q], nb, nc, sm, sb, sc, part[0, q], part[1, q], part[2, q], part[3, q])


@inlined
def spread_window(o, m, nx, ny, nz, ka, kb, b0, b1, c0, c1, n, whole, part, window, shear, offsets, columns, rows):
    """The same through a window."""
    width = window_width(m, b0, b1)
    size = window_size(width, c1 - c0 + 1, columns, rows)
    if size > len(window):
        spread_directly(o, m, nx, ny, nz, ka, kb, n, whole, part)
        return
    window[:size] = real(0)
    place_octets(n, whole, part, ka, kb, b0, b1, c0, c1, width, shear)
    spread_samples(window, whole, part, shear, columns, rows, width * RUN, i32(n))
    add_window(o, window, m, nx, ny, nz, ka, kb, b0, b1, c0, c1, shear, offsets)


@inlined
def joseph_tile_adjoint(o, nx, ny, nz, z0, z1, metric, step, rays, n, weights, whole, part, window, shear, offsets):
    """The transpose of joseph_tile: padding by zeros splits exactly over slabs."""
    if tile_misses(rays, n, z0, z1):
        return
    layers = z1 - z0
    adjoint_start(o, nx, ny, layers, z0, metric, rays, n, weights, whole, part)
    for m in range(3):
        ka, hi = tile_planes(m, n, whole)
        columns, rows = tile_shear(m, n, whole, part, shear)
        while ka < hi:
            kb = window_stop(ka, hi, i32(0))
            b0, b1, c0, c1 = window_extent(n, whole, part, ka, kb, shear)
            if b1 >= b0:
                spread_window(o, m, nx, ny, layers, ka, kb, b0, b1, c0, c1, n, whole, part, window, shear, offsets, columns, rows)
            ka = kb


@device
def siddon_tile_adjoint(o, nx, ny, nz, z0, z1, metric, step, rays, n, weights, whole, part, window, shear, offsets):
    for q in range(n):
        if weights[q] != real(0):
            siddon_adjoint(o, weights[q], nx, ny, nz, z0, z1, metric, step, rays[q, 0], rays[q, 1], rays[q, 2], rays[q, 3], rays[q, 4], rays[q, 5])


@device
def trilinear_tile_adjoint(o, nx, ny, nz, z0, z1, metric, step, rays, n, weights, whole, part, window, shear, offsets):
    for q in range(n):
        if weights[q] != real(0):
            trilinear_adjoint(o, weights[q], nx, ny, nz, z0, z1, metric, step, rays[q, 0], rays[q, 1], rays[q, 2], rays[q, 3], rays[q, 4], rays[q, 5])
