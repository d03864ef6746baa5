"""CPU drivers of one method, which Python calls: `tile`, `tile_grad` and `tile_adjoint` are put in by targets.py."""

@device
def bundle_forward(v, table, nx, ny, nz, metric, step, occupancy, bundles, rows, cols, out, q0, q1, side, rays, values, whole, part, window,
                   shear, offsets):
    """Tiles q0..q1 of side x side pixels over all views; out [channels, views, rows, cols]."""
    across = (cols + side - 1) // side
    down = (rows + side - 1) // side
    for q in range(q0, q1):
        i = q // (across * down)
        t = q - i * across * down
        r0 = (t // across) * side
        c0 = (t % across) * side
        r1 = min(r0 + side, rows)
        c1 = min(c0 + side, cols)
        n = fill_bundle(bundles[i], r0, r1, c0, c1, rays)
        tile(v, table, nx, ny, nz, metric, step, occupancy, rays, n, values, whole, part, window, shear, offsets)
        for channel in range(v.shape[0]):
            p = 0
            for r in range(r0, r1):
                for c in range(c0, c1):
                    out[channel, i, r, c] = values[channel, p]
                    p += 1


@device
def listed_forward(v, table, nx, ny, nz, metric, step, occupancy, ends, out, q0, q1, side, rays, values, whole, part, window, shear, offsets):
    """Blocks q0..q1 of side x side listed rays; out [channels, n]."""
    for q in range(q0, q1):
        first = q * side * side
        n = fill_listed(ends, first, min(first + side * side, len(ends)), rays)
        tile(v, table, nx, ny, nz, metric, step, occupancy, rays, n, values, whole, part, window, shear, offsets)
        for channel in range(v.shape[0]):
            for p in range(n):
                out[channel, first + p] = values[channel, p]


@device
def bundle_jacobian(v, table, nx, ny, nz, metric, step, bundles, rows, cols, out, full, q0, q1, side, rays, values, whole, part, window, shear,
                    offsets, sums, sevens):
    """Tiles q0..q1 over all views; out [channels, views, rows, cols], full [..., 7]: the value again and its derivatives."""
    across = (cols + side - 1) // side
    down = (rows + side - 1) // side
    for q in range(q0, q1):
        i = q // (across * down)
        t = q - i * across * down
        r0 = (t // across) * side
        c0 = (t % across) * side
        r1 = min(r0 + side, rows)
        c1 = min(c0 + side, cols)
        n = fill_bundle(bundles[i], r0, r1, c0, c1, rays)
        for channel in range(v.shape[0]):
            tile_grad(v[channel], table, nx, ny, nz, metric, step, rays, n, values[0, :n], whole, part, window, shear, offsets, sums, sevens)
            p = 0
            for r in range(r0, r1):
                for c in range(c0, c1):
                    out[channel, i, r, c] = sevens[p, 0]
                    for a in range(7):
                        full[channel, i, r, c, a] = sevens[p, a]
                    p += 1


@device
def listed_jacobian(v, table, nx, ny, nz, metric, step, ends, out, full, q0, q1, side, rays, values, whole, part, window, shear, offsets, sums,
                    sevens):
    """Blocks q0..q1 of side x side listed rays; out [channels, n], full [channels, n, 7]."""
    for q in range(q0, q1):
        first = q * side * side
        n = fill_listed(ends, first, min(first + side * side, len(ends)), rays)
        for channel in range(v.shape[0]):
            tile_grad(v[channel], table, nx, ny, nz, metric, step, rays, n, values[0, :n], whole, part, window, shear, offsets, sums, sevens)
            for p in range(n):
                out[channel, first + p] = sevens[p, 0]
                for a in range(7):
                    full[channel, first + p, a] = sevens[p, a]


@device
def bundle_adjoint(o, y, nx, ny, nz, z0, z1, metric, step, bundles, side, rays, weights, whole, part, window, shear, offsets):
    """Adds the adjoint of y [views, rows, cols] to the slab z0 <= k < z1, whose voxels are o."""
    views, rows, cols = y.shape
    for i in range(views):
        for r0 in range(0, rows, side):
            r1 = min(r0 + side, rows)
            for c0 in range(0, cols, side):
                c1 = min(c0 + side, cols)
                n = fill_bundle(bundles[i], r0, r1, c0, c1, rays)
                p = 0
                for r in range(r0, r1):
                    for c in range(c0, c1):
                        weights[p] = y[i, r, c]
                        p += 1
                tile_adjoint(o, nx, ny, nz, z0, z1, metric, step, rays, n, weights, whole, part, window, shear, offsets)


@device
def listed_adjoint(o, y, nx, ny, nz, z0, z1, metric, step, ends, side, rays, weights, whole, part, window, shear, offsets):
    """The same for listed rays, y [n]."""
    for first in range(0, len(y), side * side):
        n = fill_listed(ends, first, min(first + side * side, len(y)), rays)
        tile_adjoint(o, nx, ny, nz, z0, z1, metric, step, rays, n, y[first:first + n], whole, part, window, shear, offsets)


@device
def maximum_spread(v, table, o, y, nx, ny, nz, rays, n):
    """Adds each ray's weight y [n] to the voxels of its largest sample."""
    for q in range(n):
        maximum_subgradient(v, table, o, y[q], nx, ny, nz, rays[q, 0], rays[q, 1], rays[q, 2], rays[q, 3], rays[q, 4], rays[q, 5])
