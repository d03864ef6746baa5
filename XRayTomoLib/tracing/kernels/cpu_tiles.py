"""CPU drivers: a tile of rays at a time, in the calling thread and without the interpreter's lock.

v [channels, voxels]; rays [n, 6] start and direction; values [channels, n]. Working memory of a tile: whole [11, n], part [9, n]: five numbers
a ray each (joseph_start, tile_planes), then its octets in a window (fibres.py); window, offsets: windows.py; shear: shear.py.
"""
from math import sqrt

from numpy import int32 as i32

BLOCK = 3                   # air is known in blocks of 2^3 voxels a side


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
def joseph_start(v, table, nx, ny, nz, metric, rays, n, values, whole, part):
    """Frame of each ray of the tile, and in `values` what its cut end planes have too much.

    whole[:3]: major axis, planes first <= k < stop; part[:5]: b and c on plane 0, their slopes, mm per plane.
    """
    for q in range(n):
        dx = rays[q, 3]
        dy = rays[q, 4]
        dz = rays[q, 5]
        m = major_axis(dx, dy, dz)
        d_m, d_b, d_c = turn(m, dx, dy, dz)
        s_m, s_b, s_c = turn(m, rays[q, 0], rays[q, 1], rays[q, 2])
        nm, nb, nc = turn(m, nx, ny, nz)
        b, c, db, dc, first, stop = joseph_planes(nm, nb, nc, s_m, s_b, s_c, d_m, d_b, d_c)
        whole[0, q] = m
        whole[1, q] = first
        whole[2, q] = stop
        part[0, q] = b
        part[1, q] = c
        part[2, q] = db
        part[3, q] = dc
        part[4, q] = real(sqrt(length_mm(metric, dx, dy, dz)) / abs(d_m)) if d_m != 0.0 else real(0)
        values[q] = real(0)
        e0, lack0, e1, lack1 = joseph_ends(nm, s_m, d_m)
        if (e0 >= 0 or e1 >= 0) and d_m != 0.0:
            sm, sb, sc = turn(m, 1, nx, nx * ny)
            if e0 >= 0:
                values[q] -= lack0 * joseph_edge(v, table, e0, nb, nc, sm, sb, sc, b, c, db, dc)
            if e1 >= 0:
                values[q] -= lack1 * joseph_edge(v, table, e1, nb, nc, sm, sb, sc, b, c, db, dc)


@device
def tile_planes(m, n, whole):
    """First and last + 1 of the planes that rays with major axis m meet; rows 3 and 4 of whole become those of each ray (none for others)."""
    lo = i32(2147483647)
    hi = i32(0)
    for q in range(n):
        mine = whole[0, q] == m and whole[2, q] > whole[1, q]
        whole[3, q] = whole[1, q] if mine else i32(0)
        whole[4, q] = whole[2, q] if mine else i32(0)
        if mine:
            lo = min(lo, whole[1, q])
            hi = max(hi, whole[2, q])
    return lo, hi


@device
def without_air(occupancy, m, nx, ny, nz, ka, kb, b0, b1, c0, c1, shear, columns, rows):
    """Planes ka <= k < kb and fibres of a window less an octet at either end on which the rays meet air alone, and less what rays that pass
    something do not pass; and the last fibres b, c that such rays begin with."""
    om, ob, oc = turn(m, (nx >> BLOCK) + 1, (ny >> BLOCK) + 1, (nz >> BLOCK) + 1)
    tm, tb, tc = turn(m, 1, (nx >> BLOCK) + 1, ((nx >> BLOCK) + 1) * ((ny >> BLOCK) + 1))
    beyond = i32((1 << BLOCK) - 1)
    from_k, to_k, from_b, to_b, from_c, to_c = kb, ka, b1, i32(b0 - beyond), c1, i32(c0 - beyond)
    for half in range(2):
        first = i32(min(ka + half * EIGHT, kb))
        stop = i32(min(first + EIGHT, kb))
        b_low, b_high = extreme_shifts(shear[0], first - ka, stop - ka)
        c_low, c_high = extreme_shifts(shear[1], first - ka, stop - ka)
        for a in range(first >> BLOCK, (stop + beyond) >> BLOCK if first < stop else 0):
            for c in range(max(c0 + c_low, 0) >> BLOCK, min((c1 + c_high) >> BLOCK, oc - 1) + 1):
                for b in range(max(b0 + b_low, 0) >> BLOCK, min((b1 + b_high) >> BLOCK, ob - 1) + 1):
                    if occupancy[a * tm + b * tb + c * tc] != 0:
                        from_k = min(from_k, first)
                        to_k = stop
                        from_b = min(from_b, i32((b << BLOCK) - b_high))
                        to_b = max(to_b, i32((b << BLOCK) - b_low))
                        from_c = min(from_c, i32((c << BLOCK) - c_high))
                        to_c = max(to_c, i32((c << BLOCK) - c_low))
    skipped = EIGHT if from_k > ka and from_k < kb else 0
    shift_b = i32(shear[0, skipped] - shear[0, 0])
    shift_c = i32(shear[1, skipped] - shear[1, 0])
    to_b = min(i32(to_b + beyond), b1)
    to_c = min(i32(to_c + beyond), c1)
    b0 = i32(max(b0, i32(from_b - columns + 1)) + shift_b)
    b1 = i32(min(b1, i32(to_b + columns - 1)) + shift_b)
    c0 = i32(max(c0, i32(from_c - rows + 1)) + shift_c)
    c1 = i32(min(c1, i32(to_c + rows - 1)) + shift_c)
    return from_k, to_k, b0, b1, c0, c1, i32(to_b + shift_b), i32(to_c + shift_c)


@device
def sample_directly(acc, v, table, m, nx, ny, nz, ka, kb, n, whole, part):
    """All samples on planes ka <= k < kb where the window is too large to copy: rays far apart."""
    nm, nb, nc = turn(m, nx, ny, nz)
    sm, sb, sc = turn(m, 1, nx, nx * ny)
    for q in range(n):
        for k in range(max(ka, whole[3, q]), min(kb, whole[4, q])):
            acc[q] += joseph_edge(v, table, k, nb, nc, sm, sb, sc, part[0, q], part[1, q], part[2, q], part[3, q])


@inlined
def fill_window(window, v, table, m, nx, ny, nz, ka, kb, b0, b1, c0, c1, last_b, last_c, n, whole, part, shear, offsets, columns, rows):
    """Copies the window and places the rays in it (place_octets); returns whether it fits."""
    width = window_width(m, b0, b1)
    if window_size(width, c1 - c0 + 1, columns, rows) > len(window):
        return False
    copy_window(window, v, table, m, nx, ny, nz, ka, kb, b0, b1, c0, c1, shear, offsets)
    place_octets(n, whole, part, ka, kb, b0, last_b, c0, last_c, width, shear)
    return True


@inlined
def joseph_tile(v, table, nx, ny, nz, metric, step, occupancy, rays, n, values, whole, part, window, shear, offsets):
    """Joseph's method over all rays of the tile, some planes at a time, from a copied window of the volume."""
    for channel in range(v.shape[0]):
        vc = v[channel]
        acc = values[channel, :n]
        joseph_start(vc, table, nx, ny, nz, metric, rays, n, acc, whole, part)
        for m in range(3):
            ka, hi = tile_planes(m, n, whole)
            columns, rows = tile_shear(m, n, whole, part, shear)
            shift = window_shift(vc, m)
            while ka < hi:
                stop = window_stop(ka, hi, shift)
                b0, b1, c0, c1 = window_extent(n, whole, part, ka, stop, shear)
                kb = stop
                last_b = b1
                last_c = c1
                if b1 >= b0 and len(occupancy) > 0:
                    ka, kb, b0, b1, c0, c1, last_b, last_c = without_air(occupancy, m, nx, ny, nz, ka, stop, b0, b1, c0, c1, shear, columns, rows)
                if b1 >= b0 and ka < kb:
                    if fill_window(window, vc, table, m, nx, ny, nz, ka, kb, b0, b1, c0, c1, last_b, last_c, n, whole, part, shear, offsets,
                                   columns, rows):
                        sum_samples(window, whole, part, shear, columns, rows, window_width(m, b0, b1) * RUN, i32(n), acc)
                    else:
                        sample_directly(acc, vc, table, m, nx, ny, nz, ka, kb, n, whole, part)
                ka = stop
        for q in range(n):
            acc[q] *= part[4, q]


@device
def sums_directly(sums, v, table, m, nx, ny, nz, ka, kb, kc, n, whole, part):
    """The five sums there."""
    nm, nb, nc = turn(m, nx, ny, nz)
    sm, sb, sc = turn(m, 1, nx, nx * ny)
    for q in range(n):
        for k in range(max(ka, whole[3, q]), min(kb, whole[4, q])):
            f, fb, fc = joseph_edge_grad(v, table, k, nb, nc, sm, sb, sc, part[0, q], part[1, q], part[2, q], part[3, q])
            w = real(k) - kc
            sums[q, 0] += f
            sums[q, 1] += fb
            sums[q, 2] += w * fb
            sums[q, 3] += fc
            sums[q, 4] += w * fc


@inlined
def joseph_tile_sums(v, table, nx, ny, nz, n, sums, whole, part, window, shear, offsets):
    """The five sums of all rays of the tile."""
    for m in range(3):
        ka, hi = tile_planes(m, n, whole)
        columns, rows = tile_shear(m, n, whole, part, shear)
        shift = window_shift(v, m)
        kc = real(0.5) * real(turn(m, nx, ny, nz)[0])
        while ka < hi:
            kb = window_stop(ka, hi, shift)
            b0, b1, c0, c1 = window_extent(n, whole, part, ka, kb, shear)
            if b1 >= b0:
                if fill_window(window, v, table, m, nx, ny, nz, ka, kb, b0, b1, c0, c1, b1, c1, n, whole, part, shear, offsets, columns, rows):
                    grade_samples(window, whole, part, shear, columns, rows, window_width(m, b0, b1) * RUN, i32(n), sums, real(ka) - kc)
                else:
                    sums_directly(sums, v, table, m, nx, ny, nz, ka, kb, kc, n, whole, part)
            ka = kb


@device
def joseph_tile_grad(v, table, nx, ny, nz, metric, step, rays, n, values, whole, part, window, shear, offsets, sums, out):
    """Line integrals and their derivatives by start and end, out [n, 7], of one channel."""
    joseph_start(v, table, nx, ny, nz, metric, rays, n, values, whole, part)
    sums[:n] = real(0)
    joseph_tile_sums(v, table, nx, ny, nz, n, sums, whole, part, window, shear, offsets)
    for q in range(n):
        dx = rays[q, 3]
        dy = rays[q, 4]
        dz = rays[q, 5]
        m = whole[0, q]
        d_m, d_b, d_c = turn(m, dx, dy, dz)
        if d_m == 0.0:
            out[q, :] = real(0)
            continue
        nm, nb, nc = turn(m, nx, ny, nz)
        sm, sb, sc = turn(m, 1, nx, nx * ny)
        joseph_finish(v, table, nm, nb, nc, sm, sb, sc, m, turn(m, rays[q, 0], rays[q, 1], rays[q, 2])[0], d_m, d_b, d_c, part[0, q], part[1, q],
                      part[2, q], part[3, q], sums[q, 0], sums[q, 1], sums[q, 2], sums[q, 3], sums[q, 4], metric, dx, dy, dz, out[q])


@device
def siddon_tile_grad(v, table, nx, ny, nz, metric, step, rays, n, values, whole, part, window, shear, offsets, sums, out):
    for q in range(n):
        siddon_pixel_grad(v, table, nx, ny, nz, metric, step, rays[q, 0], rays[q, 1], rays[q, 2], rays[q, 3], rays[q, 4], rays[q, 5], out[q])


@device
def siddon_tile(v, table, nx, ny, nz, metric, step, occupancy, rays, n, values, whole, part, window, shear, offsets):
    for channel in range(v.shape[0]):
        for q in range(n):
            values[channel, q] = siddon_pixel(v[channel], table, nx, ny, nz, metric, step, rays[q, 0], rays[q, 1], rays[q, 2], rays[q, 3],
                                              rays[q, 4], rays[q, 5])


@device
def trilinear_tile_grad(v, table, nx, ny, nz, metric, step, rays, n, values, whole, part, window, shear, offsets, sums, out):
    for q in range(n):
        trilinear_pixel_grad(v, table, nx, ny, nz, metric, step, rays[q, 0], rays[q, 1], rays[q, 2], rays[q, 3], rays[q, 4], rays[q, 5], out[q])


@device
def trilinear_tile(v, table, nx, ny, nz, metric, step, occupancy, rays, n, values, whole, part, window, shear, offsets):
    for channel in range(v.shape[0]):
        for q in range(n):
            values[channel, q] = trilinear_pixel(v[channel], table, nx, ny, nz, metric, step, rays[q, 0], rays[q, 1], rays[q, 2], rays[q, 3],
                                                 rays[q, 4], rays[q, 5])


@device
def maximum_tile_grad(v, table, nx, ny, nz, metric, step, rays, n, values, whole, part, window, shear, offsets, sums, out):
    for q in range(n):
        maximum_pixel_grad(v, table, nx, ny, nz, metric, step, rays[q, 0], rays[q, 1], rays[q, 2], rays[q, 3], rays[q, 4], rays[q, 5], out[q])


@device
def maximum_tile(v, table, nx, ny, nz, metric, step, occupancy, rays, n, values, whole, part, window, shear, offsets):
    for channel in range(v.shape[0]):
        for q in range(n):
            values[channel, q] = maximum_pixel(v[channel], table, nx, ny, nz, metric, step, rays[q, 0], rays[q, 1], rays[q, 2], rays[q, 3],
                                               rays[q, 4], rays[q, 5])
