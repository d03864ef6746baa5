"""CPU drivers: a tile of rays at a time, in the calling thread and without the interpreter's lock.

v [channels, voxels]; rays [n, 6] start and direction; values [channels, n].
"""
from math import sqrt

from numpy import int32 as i32


@device
def fill_bundle(g, r0, r1, c0, c1, rays):
    """Rays of the pixels r0..r1 x c0..c1 of an affine bundle."""
    n = 0
    for r in range(r0, r1):
        for c in range(c0, c1):
            rays[n, 0], rays[n, 1], rays[n, 2], rays[n, 3], rays[n, 4], rays[n, 5] = bundle_ray(g, r, c)
            n += 1
    return n


@device
def fill_listed(ends, q0, q1, rays):
    """Rays q0..q1 of a list ends [n, 2, 3] of starts and ends."""
    for q in range(q0, q1):
        for a in range(3):
            rays[q - q0, a] = ends[q, 0, a]
            rays[q - q0, 3 + a] = ends[q, 1, a] - ends[q, 0, a]
    return q1 - q0


@device
def joseph_tile(v, table, nx, ny, nz, metric, step, occupancy, rays, n, values, whole, part):
    """Joseph a run of planes at a time over all rays of the tile, so that voxels are read while they are in the cache.

    whole [n, 3]: major axis and inner planes; part [n, 5]: intercepts, slopes, mm per plane.
    """
    ox = (nx >> BLOCK) + 1
    oy = (ny >> BLOCK) + 1
    oz = (nz >> BLOCK) + 1
    for channel in range(v.shape[0]):
        lo = i32(2147483647)
        hi = i32(0)
        vc = v[channel]
        for q in range(n):
            x = rays[q, 0]
            y = rays[q, 1]
            z = rays[q, 2]
            dx = rays[q, 3]
            dy = rays[q, 4]
            dz = rays[q, 5]
            m = major_axis(dx, dy, dz)
            d_m, d_b, d_c = turn(m, dx, dy, dz)
            s_m, s_b, s_c = turn(m, x, y, z)
            nm, nb, nc = turn(m, nx, ny, nz)
            sm, sb, sc = turn(m, 1, nx, nx * ny)
            b, c, db, dc, o0, o1, k0, k1 = joseph_span(nm, nb, nc, s_m, s_b, s_c, d_m, d_b, d_c)
            values[channel, q] = joseph_border(vc, table, nm, nb, nc, sm, sb, sc, s_m, d_m, b, c, db, dc, o0, o1, k0, k1)
            if len(occupancy) > 0:
                om, ob, oc = turn(m, ox, oy, oz)
                tm, tb, tc = turn(m, 1, ox, ox * oy)
                k0, k1 = trim(occupancy, ob, oc, tm, tb, tc, k0, k1, b, c, db, dc)
            whole[q, 0] = m
            whole[q, 1] = k0
            whole[q, 2] = k1
            part[q, 0] = b
            part[q, 1] = c
            part[q, 2] = db
            part[q, 3] = dc
            part[q, 4] = real(sqrt(length_mm(metric, dx, dy, dz)) / abs(d_m)) if d_m != 0.0 else real(0)
            if k1 > k0:
                lo = min(lo, i32(k0))
                hi = max(hi, i32(k1))
        # along i long runs suit the hardware's prefetch, across it short ones stay in the first cache
        run = i32(128) if n > 0 and whole[n // 2, 0] == 0 else i32(16)
        ka = lo
        while ka < hi:
            kb = ka + run
            for q in range(n):
                a = max(ka, whole[q, 1])
                e = min(kb, whole[q, 2])
                if e > a:
                    sm, sb, sc = turn(whole[q, 0], 1, nx, nx * ny)
                    values[channel, q] += joseph_inner(vc, table, i32(sm), i32(sb), i32(sc), a, e, part[q, 0], part[q, 1], part[q, 2], part[q, 3])
            ka = kb
        for q in range(n):
            values[channel, q] *= part[q, 4]


@device
def siddon_tile(v, table, nx, ny, nz, metric, step, occupancy, rays, n, values, whole, part):
    for channel in range(v.shape[0]):
        for q in range(n):
            values[channel, q] = siddon_pixel(v[channel], table, nx, ny, nz, metric, step, rays[q, 0], rays[q, 1], rays[q, 2], rays[q, 3],
                                              rays[q, 4], rays[q, 5])


@device
def trilinear_tile(v, table, nx, ny, nz, metric, step, occupancy, rays, n, values, whole, part):
    for channel in range(v.shape[0]):
        for q in range(n):
            values[channel, q] = trilinear_pixel(v[channel], table, nx, ny, nz, metric, step, rays[q, 0], rays[q, 1], rays[q, 2], rays[q, 3],
                                                 rays[q, 4], rays[q, 5])


@device
def maximum_tile(v, table, nx, ny, nz, metric, step, occupancy, rays, n, values, whole, part):
    for channel in range(v.shape[0]):
        for q in range(n):
            values[channel, q] = maximum_pixel(v[channel], table, nx, ny, nz, metric, step, rays[q, 0], rays[q, 1], rays[q, 2], rays[q, 3],
                                               rays[q, 4], rays[q, 5])


@device
def mark_blocks(v, table, nx, ny, nz, blocks, b0, b1):
    """blocks[kz, ky, kx] = 1 where a block of layers b0..b1 holds a voxel that is not zero."""
    side = 1 << BLOCK
    for kz in range(b0, b1):
        for z in range(kz * side, min((kz + 1) * side, nz)):
            for y in range(ny):
                line = (z * ny + y) * nx
                for x in range(nx):
                    if fetch(v, table, line + x) != real(0):
                        blocks[kz, y >> BLOCK, x >> BLOCK] = 1


@device
def maximum_spread(v, table, o, y, nx, ny, nz, rays, n):
    """Adds each ray's weight y [n] to the voxels of its largest sample."""
    for q in range(n):
        maximum_subgradient(v, table, o, y[q], nx, ny, nz, rays[q, 0], rays[q, 1], rays[q, 2], rays[q, 3], rays[q, 4], rays[q, 5])
