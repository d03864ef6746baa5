"""Siddon's exact radiological path through piecewise constant voxels, without a chain of crossings.

R. L. Siddon, Med. Phys. 12(2), 1985. Seen along its major axis a ray meets at most three voxels of a layer (slopes are at most 1), so
each layer is taken by itself: its voxels follow from where the ray enters and leaves it, their lengths from two crossings.
"""
from math import floor, sqrt

from numpy import int32 as i32
from numpy import uint32 as u32


@device
def siddon_span(nm, nb, nc, s_m, s_b, s_c, d_m, d_b, d_c):
    """b, c at the entry of layer 0 (+1/2), slopes, layers o0 <= k < o1 of any length, k0 <= k < k1 that are wholly inside."""
    if d_m == 0.0:
        return real(0), real(0), real(0), real(0), i32(0), i32(0), i32(0), i32(0)
    inv = 1.0 / d_m
    db = real(d_b * inv)
    dc = real(d_c * inv)
    b = real(s_b - (s_m + 0.5) * d_b * inv + 0.5)
    c = real(s_c - (s_m + 0.5) * d_c * inv + 0.5)
    rb = recip(db)
    rc = recip(dc)
    lo = real(max(0.0, min(s_m, s_m + d_m) + 0.5))      # the segment in layers: layer k covers [k, k + 1]
    hi = real(min(nm * 1.0, max(s_m, s_m + d_m) + 0.5))
    q0, q1 = axis_range(b, db, rb, real(0), real(nb), lo, hi)
    q0, q1 = axis_range(c, dc, rc, real(0), real(nc), q0, q1)
    o0, o1 = whole_range(q0 - real(2), q1 + real(1), 0, nm - 1)
    if q1 < q0 - real(2):
        o1 = o0
    margin = real(1e-3) + real(1e-6) * real(nm + nb + nc)
    p0, p1 = axis_range(b, db, rb, margin, real(nb) - margin, lo, hi)
    p0, p1 = axis_range(c, dc, rc, margin, real(nc) - margin, p0, p1)
    k0, k1 = whole_range(p0, p1 - real(1), 0, nm - 1)
    k0 = max(k0, o0)
    k1 = min(k1, o1)
    if k1 <= k0:
        k0 = o1
        k1 = o1
    return b, c, db, dc, o0, o1, k0, k1


@device
def siddon_inner(v, table, sm, sb, sc, ka, kb, b, c, db, dc, rb, rc):
    """Path through layers ka <= k < kb, in layers; every voxel exists."""
    acc = real(0)
    for k in range(i32(ka), i32(kb)):
        kf = real(k)
        b0 = b + kf * db
        c0 = c + kf * dc
        b1 = b0 + db
        c1 = c0 + dc
        ib0 = i32(b0)
        ib1 = i32(b1)
        ic0 = i32(c0)
        ic1 = i32(c1)
        tb = (real(max(ib0, ib1)) - b0) * rb if ib0 != ib1 else real(1)
        tc = (real(max(ic0, ic1)) - c0) * rc if ic0 != ic1 else real(1)
        t1 = min(tb, tc)
        t2 = max(tb, tc)
        base = i32(i32(k) * sm)
        i0 = u32(i32(base + i32(i32(ib0 * sb) + i32(ic0 * sc)))) & MASK
        i2 = u32(i32(base + i32(i32(ib1 * sb) + i32(ic1 * sc)))) & MASK
        jb = ib1 if tb < tc else ib0
        jc = ic0 if tb < tc else ic1
        i1 = u32(i32(base + i32(i32(jb * sb) + i32(jc * sc)))) & MASK
        acc += fetch(v, table, i0) * t1 + fetch(v, table, i1) * (t2 - t1) + fetch(v, table, i2) * (real(1) - t2)
    return acc


@device
def siddon_layer(k, b, c, db, dc, rb, rc):
    """The three voxels (b, c) of layer k and the two crossings t1 <= t2; by_b: whether the first is one of b."""
    b0 = b + real(k) * db
    c0 = c + real(k) * dc
    ib0 = i32(floor(b0))
    ib1 = i32(floor(b0 + db))
    ic0 = i32(floor(c0))
    ic1 = i32(floor(c0 + dc))
    tb = real(1)
    tc = real(1)
    if ib0 != ib1:
        tb = min(max((real(max(ib0, ib1)) - b0) * rb, real(0)), real(1))
    if ic0 != ic1:
        tc = min(max((real(max(ic0, ic1)) - c0) * rc, real(0)), real(1))
    by_b = tb < tc
    jb = ib0
    jc = ic1
    if by_b:
        jb = ib1
        jc = ic0
    return ib0, ic0, jb, jc, ib1, ic1, min(tb, tc), max(tb, tc), by_b


@device
def siddon_cut(k, s_m, d_m):
    """The part [t0, t1] of layer k (in [0, 1]) that lies between the ends of the ray."""
    entry = k - 0.5
    t0 = min(max(min(s_m, s_m + d_m) - entry, 0.0), 1.0)
    t1 = min(max(max(s_m, s_m + d_m) - entry, 0.0), 1.0)
    return real(t0), real(t1)


@device
def voxel_or_zero(v, table, nb, nc, k, sm, sb, sc, ib, ic):
    if ib >= 0 and ib < nb and ic >= 0 and ic < nc:
        return real(fetch(v, table, k * sm + ib * sb + ic * sc))
    return real(0)


@device
def common_part(a0, a1, b0, b1):
    return max(min(a1, b1) - max(a0, b0), real(0))


@device
def siddon_edge(v, table, k, nb, nc, sm, sb, sc, b, c, db, dc, rb, rc, s_m, d_m):
    """Path through layer k, each voxel checked, cut at the ends of the ray."""
    ib0, ic0, jb, jc, ib1, ic1, t1, t2, by_b = siddon_layer(k, b, c, db, dc, rb, rc)
    a0, a1 = siddon_cut(k, s_m, d_m)
    acc = common_part(a0, a1, real(0), t1) * voxel_or_zero(v, table, nb, nc, k, sm, sb, sc, ib0, ic0)
    acc += common_part(a0, a1, t1, t2) * voxel_or_zero(v, table, nb, nc, k, sm, sb, sc, jb, jc)
    acc += common_part(a0, a1, t2, real(1)) * voxel_or_zero(v, table, nb, nc, k, sm, sb, sc, ib1, ic1)
    return acc


@device
def siddon_border(v, table, nb, nc, sm, sb, sc, s_m, d_m, b, c, db, dc, o0, o1, k0, k1):
    """Layers outside the inner range."""
    rb = recip(db)
    rc = recip(dc)
    acc = real(0)
    for k in range(o0, k0):
        acc += siddon_edge(v, table, k, nb, nc, sm, sb, sc, b, c, db, dc, rb, rc, s_m, d_m)
    for k in range(k1, o1):
        acc += siddon_edge(v, table, k, nb, nc, sm, sb, sc, b, c, db, dc, rb, rc, s_m, d_m)
    return acc


@device
def siddon_pixel(v, table, nx, ny, nz, metric, step, x, y, z, dx, dy, dz):
    """Line integral of one ray."""
    m = major_axis(dx, dy, dz)
    d_m, d_b, d_c = turn(m, dx, dy, dz)
    if d_m == 0.0:
        return real(0)
    s_m, s_b, s_c = turn(m, x, y, z)
    nm, nb, nc = turn(m, nx, ny, nz)
    sm, sb, sc = turn(m, 1, nx, nx * ny)
    b, c, db, dc, o0, o1, k0, k1 = siddon_span(nm, nb, nc, s_m, s_b, s_c, d_m, d_b, d_c)
    acc = siddon_border(v, table, nb, nc, sm, sb, sc, s_m, d_m, b, c, db, dc, o0, o1, k0, k1)
    acc += siddon_inner(v, table, i32(sm), i32(sb), i32(sc), k0, k1, b, c, db, dc, recip(db), recip(dc))
    return acc * real(sqrt(length_mm(metric, dx, dy, dz)) / abs(d_m))


@device
def siddon_pixel_grad(v, table, nx, ny, nz, metric, step, x, y, z, dx, dy, dz, out):
    """Line integral and its derivatives by the ray's start and end (voxel coordinates) -> out[0:7].

    value = |d| sum_k f_k (a_(k+1) - a_k): face j, crossed at a_j, contributes (f_before - f_after) a_j, and
    da_j/ds = -(1 - a_j)/d, da_j/dt = -a_j/d along the face's axis. Exact for the discrete model, zero almost everywhere for rays
    along an axis: use Joseph where a useful gradient is wanted.
    """
    length2 = length_mm(metric, dx, dy, dz)
    m = major_axis(dx, dy, dz)
    d_m, d_b, d_c = turn(m, dx, dy, dz)
    for q in range(7):
        out[q] = real(0)
    if d_m == 0.0:
        return
    s_m, s_b, s_c = turn(m, x, y, z)
    nm, nb, nc = turn(m, nx, ny, nz)
    sm, sb, sc = turn(m, 1, nx, nx * ny)
    b, c, db, dc, o0, o1, k0, k1 = siddon_span(nm, nb, nc, s_m, s_b, s_c, d_m, d_b, d_c)
    rb = recip(db)
    rc = recip(dc)
    acc = real(0)
    jm0 = real(0)
    jm1 = real(0)
    jb0 = real(0)
    jb1 = real(0)
    jc0 = real(0)
    jc1 = real(0)
    before = real(0)                    # the value that the ray, seen upwards along m, comes from
    for k in range(o0, o1):
        ib0, ic0, jb, jc, ib1, ic1, t1, t2, by_b = siddon_layer(k, b, c, db, dc, rb, rc)
        a0, a1 = siddon_cut(k, s_m, d_m)
        f0 = voxel_or_zero(v, table, nb, nc, k, sm, sb, sc, ib0, ic0)
        f1 = voxel_or_zero(v, table, nb, nc, k, sm, sb, sc, jb, jc)
        f2 = voxel_or_zero(v, table, nb, nc, k, sm, sb, sc, ib1, ic1)
        acc += common_part(a0, a1, real(0), t1) * f0 + common_part(a0, a1, t1, t2) * f1 + common_part(a0, a1, t2, real(1)) * f2
        if a0 == real(0) and a1 > real(0):
            jm0 += before - f0
            jm1 += real(k) * (before - f0)
        if t1 > a0 and t1 < a1:
            jump = f0 - f1
            if by_b:
                jb0 += jump
                jb1 += (real(k) + t1) * jump
            else:
                jc0 += jump
                jc1 += (real(k) + t1) * jump
        if t2 > a0 and t2 < a1:
            jump = f1 - f2
            if by_b:
                jc0 += jump
                jc1 += (real(k) + t2) * jump
            else:
                jb0 += jump
                jb1 += (real(k) + t2) * jump
        before = f2 if a1 == real(1) and a0 < real(1) else real(0)
    if before != real(0):
        jm0 += before
        jm1 += real(o1) * before
    mm = sqrt(length2) / abs(d_m)
    sign = 1.0 if d_m > 0.0 else -1.0   # jumps were taken upwards along m
    inv = 1.0 / d_m
    first = (-0.5 - s_m) * inv          # ray parameter of the entry of layer 0
    length = sqrt(length2) * sign
    am = first * jm0 + inv * jm1
    ab = first * jb0 + inv * jb1
    ac = first * jc0 + inv * jc1
    ub = length / d_b if abs(d_b) > 1e-12 * abs(d_m) else 0.0
    uc = length / d_c if abs(d_c) > 1e-12 * abs(d_m) else 0.0
    um = length * inv
    gx, gy, gz = metric_times(metric, dx, dy, dz)
    store_gradient(out, mm * acc, length2, d_m, -um * (jm0 - am), -ub * (jb0 - ab), -uc * (jc0 - ac), -um * am, -ub * ab, -uc * ac,
                   m, gx, gy, gz)


@device
def siddon_drop(o, nb, c0, c1, k, sm, sb, sc, ib, ic, w):
    """Adds w to voxel (k, ib, ic) if c0 <= ic < c1; o begins at layer k = 0 and ic = c0."""
    if w != real(0) and ib >= 0 and ib < nb and ic >= c0 and ic < c1:
        deposit(o, k * sm + ib * sb + (ic - c0) * sc, w)


@device
def siddon_adjoint(o, w, nx, ny, nz, z0, z1, metric, step, x, y, z, dx, dy, dz):
    """Adds w times the ray's lengths to the slab z0 <= k < z1, whose voxels are o.

    Everything is rounded as in the whole volume: a ray along a slab's border belongs to one slab, never to none.
    """
    if (z < z0 - 1.0 and z + dz < z0 - 1.0) or (z > z1 and z + dz > z1):
        return
    m = major_axis(dx, dy, dz)
    d_m, d_b, d_c = turn(m, dx, dy, dz)
    if d_m == 0.0:
        return
    w *= real(sqrt(length_mm(metric, dx, dy, dz)) / abs(d_m))
    s_m, s_b, s_c = turn(m, x, y, z)
    nm, nb, nc = turn(m, nx, ny, nz)
    sm, sb, sc = turn(m, 1, nx, nx * ny)
    b, c, db, dc, o0, o1, k0, k1 = siddon_span(nm, nb, nc, s_m, s_b, s_c, d_m, d_b, d_c)
    rb = recip(db)
    rc = recip(dc)
    first = i32(0)                      # of the layers that o holds
    c0 = i32(0)
    c1 = i32(nc)
    if m == 2:
        first = i32(z0)
        o0 = max(o0, i32(z0))
        o1 = min(o1, i32(z1))
    else:
        c0 = i32(z0)
        c1 = i32(z1)
        q0, q1 = axis_range(c, dc, rc, real(z0), real(z1), real(o0), real(o1))
        o0, o1 = whole_range(q0 - real(2), q1 + real(1), o0, o1 - 1)
    for k in range(o0, o1):
        ib0, ic0, jb, jc, ib1, ic1, t1, t2, by_b = siddon_layer(k, b, c, db, dc, rb, rc)
        a0, a1 = siddon_cut(k, s_m, d_m)
        siddon_drop(o, nb, c0, c1, k - first, sm, sb, sc, ib0, ic0, w * common_part(a0, a1, real(0), t1))
        siddon_drop(o, nb, c0, c1, k - first, sm, sb, sc, jb, jc, w * common_part(a0, a1, t1, t2))
        siddon_drop(o, nb, c0, c1, k - first, sm, sb, sc, ib1, ic1, w * common_part(a0, a1, t2, real(1)))
