"""CPU drivers: a tile of rays at a time, in the calling thread and without the interpreter's lock.

v [channels, voxels]; rays [n, 6] start and direction; values [channels, n]. Working memory of a tile: whole [9, n], part [9, n]: five numbers
a ray each (joseph_start, tile_planes), then its octets in a window (fibres.py); window: voxels (windows.py).
"""
from math import floor, sqrt

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


@vector
def tile_extent(n, whole, part, ka, kb):
    """Least and largest b and c of the rays' samples on planes ka <= k < kb."""
    first_all = whole[3]
    stop_all = whole[4]
    b0 = real(1e9)
    b1 = real(-1e9)
    c0 = real(1e9)
    c1 = real(-1e9)
    for q in range(i32(n)):
        first = max(ka, first_all[q])
        last = i32(min(kb, stop_all[q]) - i32(1))
        none = real(0) if last >= first else real(4e9)
        ba = part[0, q] + real(first) * part[2, q]
        be = part[0, q] + real(last) * part[2, q]
        ca = part[1, q] + real(first) * part[3, q]
        ce = part[1, q] + real(last) * part[3, q]
        b0 = least(b0, least(ba, be) + none)
        b1 = most(b1, most(ba, be) - none)
        c0 = least(c0, least(ca, ce) + none)
        c1 = most(c1, most(ca, ce) - none)
    return b0, b1, c0, c1


@device
def tile_window(n, whole, part, ka, kb):
    """Voxels b0..b1, c0..c1 that the samples of the rays on planes ka <= k < kb lie between (b1 < b0: no samples)."""
    b0, b1, c0, c1 = tile_extent(n, whole, part, ka, kb)
    if b1 < b0:
        return i32(0), i32(-1), i32(0), i32(-1)
    return i32(floor(b0)), i32(floor(b1)) + i32(1), i32(floor(c0)), i32(floor(c1)) + i32(1)


@device
def window_is_air(occupancy, m, ox, oy, oz, ka, kb, n, whole, part):
    """Whether all blocks that the rays touch on planes ka <= k < kb hold air alone."""
    b0, b1, c0, c1 = tile_window(n, whole, part, ka, kb)
    if b1 < b0:
        return True
    om, ob, oc = turn(m, ox, oy, oz)
    tm, tb, tc = turn(m, 1, ox, ox * oy)
    for a in range(ka >> BLOCK, ((kb - 1) >> BLOCK) + 1):
        for c in range(max(c0, 0) >> BLOCK, min(c1 >> BLOCK, oc - 1) + 1):
            for b in range(max(b0, 0) >> BLOCK, min(b1 >> BLOCK, ob - 1) + 1):
                if occupancy[a * tm + b * tb + c * tc] != 0:
                    return False
    return True


@device
def without_air(occupancy, m, nx, ny, nz, ka, kb, n, whole, part):
    """The planes ka <= k < kb less those octets at either end on which the rays meet air alone."""
    ox = (nx >> BLOCK) + 1
    oy = (ny >> BLOCK) + 1
    oz = (nz >> BLOCK) + 1
    middle = i32(min(ka + EIGHT, kb))
    first = middle if window_is_air(occupancy, m, ox, oy, oz, ka, middle, n, whole, part) else ka
    if middle < kb and window_is_air(occupancy, m, ox, oy, oz, middle, kb, n, whole, part):
        return first, middle
    return first, kb


@device
def sample_directly(acc, v, table, m, nx, ny, nz, ka, kb, n, whole, part):
    """All samples on planes ka <= k < kb where the window is too large to copy: rays far apart."""
    nm, nb, nc = turn(m, nx, ny, nz)
    sm, sb, sc = turn(m, 1, nx, nx * ny)
    for q in range(n):
        for k in range(max(ka, whole[3, q]), min(kb, whole[4, q])):
            acc[q] += joseph_edge(v, table, k, nb, nc, sm, sb, sc, part[0, q], part[1, q], part[2, q], part[3, q])


@device
def tile_fibres(m, n, whole, part):
    """Columns and rows of fibres that the octets of rays with major axis m can touch."""
    columns = i32(3)
    rows = i32(3)
    for q in range(n):
        if whole[0, q] == m:
            columns = max(columns, fibres_passed(part[2, q]))
            rows = max(rows, fibres_passed(part[3, q]))
    return columns, rows


@device
def joseph_tile(v, table, nx, ny, nz, metric, step, occupancy, rays, n, values, whole, part, window):
    """Joseph's method over all rays of the tile, some planes at a time, from a copied window of the volume."""
    for channel in range(v.shape[0]):
        vc = v[channel]
        acc = values[channel, :n]
        joseph_start(vc, table, nx, ny, nz, metric, rays, n, acc, whole, part)
        for m in range(3):
            ka, hi = tile_planes(m, n, whole)
            columns, rows = tile_fibres(m, n, whole, part)
            shift = window_shift(vc, m)
            while ka < hi:
                stop = window_stop(ka, hi, shift)
                kb = stop
                if len(occupancy) > 0:
                    ka, kb = without_air(occupancy, m, nx, ny, nz, ka, stop, n, whole, part)
                b0, b1, c0, c1 = tile_window(n, whole, part, ka, kb)
                if b1 >= b0:
                    width = copy_window(window, vc, table, m, nx, ny, nz, ka, kb, b0, b1, c0, c1)
                    if width == 0:
                        sample_directly(acc, vc, table, m, nx, ny, nz, ka, kb, n, whole, part)
                    else:
                        place_octets(n, whole, part, ka, kb, real(b0), real(c0), width)
                        sum_fibres(columns, rows, width * RUN, window, whole, part, i32(n), acc)
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


@device
def joseph_tile_sums(v, table, nx, ny, nz, n, sums, whole, part, window):
    """The five sums of all rays of the tile."""
    for m in range(3):
        ka, hi = tile_planes(m, n, whole)
        columns, rows = tile_fibres(m, n, whole, part)
        shift = window_shift(v, m)
        kc = real(0.5) * real(turn(m, nx, ny, nz)[0])
        while ka < hi:
            kb = window_stop(ka, hi, shift)
            b0, b1, c0, c1 = tile_window(n, whole, part, ka, kb)
            if b1 >= b0:
                width = copy_window(window, v, table, m, nx, ny, nz, ka, kb, b0, b1, c0, c1)
                if width == 0:
                    sums_directly(sums, v, table, m, nx, ny, nz, ka, kb, kc, n, whole, part)
                else:
                    place_octets(n, whole, part, ka, kb, real(b0), real(c0), width)
                    grade_fibres(columns, rows, width * RUN, window, whole, part, i32(n), sums, real(ka) - kc)
            ka = kb


@device
def joseph_tile_grad(v, table, nx, ny, nz, metric, step, rays, n, values, whole, part, window, sums, out):
    """Line integrals and their derivatives by start and end, out [n, 7], of one channel."""
    joseph_start(v, table, nx, ny, nz, metric, rays, n, values, whole, part)
    sums[:n] = real(0)
    joseph_tile_sums(v, table, nx, ny, nz, n, sums, whole, part, window)
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
def siddon_tile_grad(v, table, nx, ny, nz, metric, step, rays, n, values, whole, part, window, sums, out):
    for q in range(n):
        siddon_pixel_grad(v, table, nx, ny, nz, metric, step, rays[q, 0], rays[q, 1], rays[q, 2], rays[q, 3], rays[q, 4], rays[q, 5], out[q])


@device
def siddon_tile(v, table, nx, ny, nz, metric, step, occupancy, rays, n, values, whole, part, window):
    for channel in range(v.shape[0]):
        for q in range(n):
            values[channel, q] = siddon_pixel(v[channel], table, nx, ny, nz, metric, step, rays[q, 0], rays[q, 1], rays[q, 2], rays[q, 3],
                                              rays[q, 4], rays[q, 5])


@device
def trilinear_tile_grad(v, table, nx, ny, nz, metric, step, rays, n, values, whole, part, window, sums, out):
    for q in range(n):
        trilinear_pixel_grad(v, table, nx, ny, nz, metric, step, rays[q, 0], rays[q, 1], rays[q, 2], rays[q, 3], rays[q, 4], rays[q, 5], out[q])


@device
def trilinear_tile(v, table, nx, ny, nz, metric, step, occupancy, rays, n, values, whole, part, window):
    for channel in range(v.shape[0]):
        for q in range(n):
            values[channel, q] = trilinear_pixel(v[channel], table, nx, ny, nz, metric, step, rays[q, 0], rays[q, 1], rays[q, 2], rays[q, 3],
                                                 rays[q, 4], rays[q, 5])


@device
def maximum_tile_grad(v, table, nx, ny, nz, metric, step, rays, n, values, whole, part, window, sums, out):
    for q in range(n):
        maximum_pixel_grad(v, table, nx, ny, nz, metric, step, rays[q, 0], rays[q, 1], rays[q, 2], rays[q, 3], rays[q, 4], rays[q, 5], out[q])


@device
def maximum_tile(v, table, nx, ny, nz, metric, step, occupancy, rays, n, values, whole, part, window):
    for channel in range(v.shape[0]):
        for q in range(n):
            values[channel, q] = maximum_pixel(v[channel], table, nx, ny, nz, metric, step, rays[q, 0], rays[q, 1], rays[q, 2], rays[q, 3],
                                               rays[q, 4], rays[q, 5])
