"""Joseph's method where detector columns are parallel to a volume axis: the same numbers, several times faster.

All rays of one detector column share their path across the other two axes. So a plane's two voxel lines along the axis are blended
once for the column, and what remains is linear interpolation in contiguous memory (lines.py).

vt [ny + 2, nx + 2, nz + ...] is the volume with that axis (z) last, a line of zeros on every side, and room for EIGHT behind each line;
g [6, 3] an affine bundle in (x, y, z) with g[2] and g[5] along z.
"""
from math import ceil, floor, sqrt

from numpy import float32 as f32

PAD = 32            # zeros kept at both ends of a line of rows or voxels
PLANES = 32         # planes and lines of a block of the volume that stays in the cache while all views go through it
LINES = 16
PATH = 11           # numbers that describe the path of a detector column


@device
def column_ray(g, u):
    """The ray of row 0 of detector column u (start and direction), and the steps of both along z per row."""
    sx = g[0, 0] + u * g[1, 0]
    sy = g[0, 1] + u * g[1, 1]
    sz = g[0, 2] + u * g[1, 2]
    dx = g[3, 0] + u * g[4, 0] - sx
    dy = g[3, 1] + u * g[4, 1] - sy
    dz = g[3, 2] + u * g[4, 2] - sz
    return sx, sy, sz, dx, dy, dz, g[2, 2], g[5, 2] - g[2, 2]


@device
def fill_path(path, g, u, nx, ny):
    """path [PATH] of column u: major axis (0 x, 1 y), planes k0 <= k < k1, the other index b on plane 0 and its slope; z of row 0 on plane 0
    and its slope, z per row on plane 0 and its slope; d along the major axis; planes per step of b (0: b stays the same)."""
    sx, sy, sz, dx, dy, dz, sz_r, dz_r = column_ray(g, u)
    if abs(dx) >= abs(dy):
        axis, nm, nb, s_m, s_b, d_m, d_b = 0.0, nx, ny, sx, sy, dx, dy
    else:
        axis, nm, nb, s_m, s_b, d_m, d_b = 1.0, ny, nx, sy, sx, dy, dx
    inv = 1.0 / d_m
    db = d_b * inv
    b0 = s_b - s_m * db
    k0 = 0.0
    k1 = float(nm)
    if abs(db) > 1e-12:
        ta = (-1 - b0) / db
        tb = (nb - b0) / db
        k0 = max(k0, ceil(min(ta, tb)))
        k1 = min(k1, floor(max(ta, tb)) + 1.0)
    elif b0 <= -1 or b0 >= nb:
        k1 = k0
    path[0], path[1], path[2], path[3], path[4] = axis, k0, k1, b0, db
    path[5], path[6], path[7], path[8], path[9] = sz - s_m * inv * dz, inv * dz, sz_r - s_m * inv * dz_r, inv * dz_r, d_m
    path[10] = 1.0 / db if abs(db) > 1e-12 else 0.0


@device
def fill_paths(paths, bundles, nx, ny, i0, i1):
    """paths [views, cols, PATH] of the views i0..i1."""
    for i in range(i0, i1):
        for u in range(paths.shape[1]):
            fill_path(paths[i, u], bundles[i], u, nx, ny)


@device
def mm_per_plane(g, metric, u, d_m, rows, lengths):
    """lengths [rows] of the rays of column u between two planes."""
    _, _, _, dx, dy, dz, _, dz_r = column_ray(g, u)
    for r in range(rows):
        lengths[r] = f32(sqrt(length_mm(metric, dx, dy, dz + r * dz_r)) / abs(d_m))


@device
def planes_between(path, ka, kb, j0, j1):
    """Planes of ka <= k < kb on which the column's crossing b is j0 <= b < j1."""
    ka = max(ka, int(path[1]))
    kb = min(kb, int(path[2]))
    per_step = path[10]
    if per_step == 0.0:
        return (ka, kb) if path[3] >= j0 and path[3] < j1 else (ka, ka)
    first = (j0 - path[3]) * per_step
    stop = (j1 - path[3]) * per_step
    if per_step > 0.0:
        return int(max(ka, ceil(first))), int(min(kb, ceil(stop)))
    return int(max(ka, floor(stop) + 1)), int(min(kb, floor(first) + 1))


@device
def on_plane(path, k, nb):
    """Index j of the lower of the two lines round plane k's crossing (from -1 to nb - 1), their weights, and z of row 0 and z per row there."""
    b = path[3] + k * path[4]
    j = min(max(int(floor(b)), -1), nb - 1)
    f = f32(min(max(b - j, 0.0), 1.0))
    return j, f32(1) - f, f, path[5] + k * path[6], path[7] + k * path[8]


@device
def two_lines(vt, axis, k, j):
    """The voxel lines j and j + 1 of plane k."""
    if axis == 0.0:
        return vt[j + 1, k + 1], vt[j + 2, k + 1]
    return vt[k + 1, j + 1], vt[k + 1, j + 2]


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
def add_plane(acc, vt, nb, nz, path, k, rows, line):
    """Adds to acc [rows] the samples of one column on plane k; line [nz + 2 PAD] has zeros at the ends."""
    j, wl, wh, z0, dz = on_plane(path, k, nb)
    ra, rb = rows_inside(z0, dz, rows, nz)
    if rb > ra:
        za = z0 + ra * dz
        zb = z0 + (rb - 1) * dz
        lo = max(int(floor(min(za, zb))), 0)
        hi = min(int(floor(max(za, zb))) + 2, nz)
        low, high = two_lines(vt, path[0], k, j)
        blend(line[lo + PAD:hi + PAD], low[lo:hi], high[lo:hi], wl, wh)
        add_line(acc[ra:rb], line, za + PAD, dz)


@device
def separable_forward(vt, nx, ny, nz, yt, paths, rows, line):
    """Adds to the columns yt [views, cols, rows + 2 PAD] their samples on all planes; line [nz + 2 PAD] has zeros at the ends."""
    views, cols, _ = yt.shape
    for axis in range(2):
        nm, nb = (nx, ny) if axis == 0 else (ny, nx)
        for ka in range(0, nm, PLANES):
            for j0 in range(-1, nb, LINES):
                for i in range(views):
                    for u in range(cols):
                        if paths[i, u, 0] == axis:
                            k0, k1 = planes_between(paths[i, u], ka, ka + PLANES, j0, j0 + LINES)
                            for k in range(k0, k1):
                                add_plane(yt[i, u, PAD:], vt, nb, nz, paths[i, u], k, rows, line)


@device
def spread_plane(low, high, wl, wh, g, z0, dz, nz, rows, line):
    """Transpose of add_plane for a column g [rows + 2 PAD] whose row r lies at z0 + r dz."""
    za = z0 + (rows - 1) * dz
    lo = int(ceil(max(min(z0, za) - 1, 0.0)))
    hi = int(floor(min(max(z0, za) + 1, nz - 1.0))) + 1
    if hi > lo:
        spread_rows(low, high, wl, wh, g, PAD, z0, dz, lo, hi, rows, line)


@device
def separable_adjoint(vt, nx, ny, nz, yt, paths, rows, axis, ka, line):
    """Exact transpose of separable_forward: PLANES planes from ka of the columns whose major axis is `axis`; nobody else writes there.

    yt [views, cols, rows + 2 PAD], zeros at the ends; line [nz]: working memory.
    """
    views, cols, _ = yt.shape
    nb = ny if axis == 0 else nx
    for j0 in range(-1, nb, LINES):
        for i in range(views):
            for u in range(cols):
                if paths[i, u, 0] == axis:
                    k0, k1 = planes_between(paths[i, u], ka, ka + PLANES, j0, j0 + LINES)
                    for k in range(k0, k1):
                        j, wl, wh, z0, dz = on_plane(paths[i, u], k, nb)
                        low, high = two_lines(vt, paths[i, u, 0], k, j)
                        spread_plane(low, high, wl, wh, yt[i, u], z0, dz, nz, rows, line)


@device
def to_columns(y, yt, bundle, metric, paths, lengths):
    """yt[u, PAD + r] = y[r, u] times the ray's length between two planes, for one view."""
    rows, cols = y.shape
    for u0 in range(0, cols, GROUP):
        u1 = min(u0 + GROUP, cols)
        for r in range(rows):
            for u in range(u0, u1):
                yt[u, PAD + r] = y[r, u]
        for u in range(u0, u1):
            mm_per_plane(bundle, metric, u, paths[u, 9], rows, lengths)
            for r in range(rows):
                yt[u, PAD + r] *= lengths[r]


@device
def from_columns(yt, y, bundle, metric, paths, lengths):
    """y[r, u] += yt[u, PAD + r] times that length."""
    rows, cols = y.shape
    for u0 in range(0, cols, GROUP):
        u1 = min(u0 + GROUP, cols)
        for u in range(u0, u1):
            mm_per_plane(bundle, metric, u, paths[u, 9], rows, lengths)
            for r in range(rows):
                yt[u, PAD + r] *= lengths[r]
        for r in range(rows):
            for u in range(u0, u1):
                y[r, u] += yt[u, PAD + r]


@device
def to_lines(v, vt, y0, y1):
    """vt[y + 1, x + 1, z] = v[z, y, x] for rows y0..y1."""
    nz, ny, nx = v.shape
    for y in range(y0, y1):
        for zb in range(0, nz, GROUP):
            for x in range(nx):
                for z in range(zb, min(zb + GROUP, nz)):
                    vt[y + 1, x + 1, z] = v[z, y, x]


@device
def from_lines(vt, v, y0, y1):
    """v[z, y, x] += vt[y + 1, x + 1, z] for rows y0..y1."""
    nz, ny, nx = v.shape
    for y in range(y0, y1):
        for zb in range(0, nz, GROUP):
            for xb in range(0, nx, GROUP):
                for z in range(zb, min(zb + GROUP, nz)):
                    for x in range(xb, min(xb + GROUP, nx)):
                        v[z, y, x] += vt[y + 1, x + 1, z]
