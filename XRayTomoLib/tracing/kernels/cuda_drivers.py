"""CUDA drivers of one method, a thread per ray: `pixel`, `pixel_grad` and `adjoint` are put in by targets.py.

v, o [channels, voxels]; bundles [views, 6, 3] from view `first` of a launch on; ends [n, 2, 3].
"""

@device
def listed_ray(ends, q):
    """Ray q of a list of starts and ends: s and d."""
    sx = ends[q, 0, 0]
    sy = ends[q, 0, 1]
    sz = ends[q, 0, 2]
    return sx, sy, sz, ends[q, 1, 0] - sx, ends[q, 1, 1] - sy, ends[q, 1, 2] - sz


@kernel
def bundle_forward(v, table, nx, ny, nz, metric, step, out, bundles, first):
    """out [channels, views, rows, cols]."""
    c, r, i = cuda.grid(3)
    i += first
    if c < out.shape[3] and r < out.shape[2] and i < out.shape[1]:
        x, y, z, dx, dy, dz = bundle_ray(bundles[i], r, c)
        for channel in range(v.shape[0]):
            out[channel, i, r, c] = pixel(v[channel], table, nx, ny, nz, metric, step, x, y, z, dx, dy, dz)


@kernel
def listed_forward(v, table, nx, ny, nz, metric, step, out, ends):
    """out [channels, n]."""
    q = cuda.grid(1)
    if q < out.shape[1]:
        x, y, z, dx, dy, dz = listed_ray(ends, q)
        for channel in range(v.shape[0]):
            out[channel, q] = pixel(v[channel], table, nx, ny, nz, metric, step, x, y, z, dx, dy, dz)


@kernel
def bundle_jacobian(v, table, nx, ny, nz, metric, step, out, bundles, first):
    """out [channels, views, rows, cols, 7]."""
    c, r, i = cuda.grid(3)
    i += first
    if c < out.shape[3] and r < out.shape[2] and i < out.shape[1]:
        x, y, z, dx, dy, dz = bundle_ray(bundles[i], r, c)
        sums = cuda.local.array(7, real)
        for channel in range(v.shape[0]):
            pixel_grad(v[channel], table, nx, ny, nz, metric, step, x, y, z, dx, dy, dz, sums)
            for a in range(7):
                out[channel, i, r, c, a] = sums[a]


@kernel
def listed_jacobian(v, table, nx, ny, nz, metric, step, out, ends):
    """out [channels, n, 7]."""
    q = cuda.grid(1)
    if q < out.shape[1]:
        x, y, z, dx, dy, dz = listed_ray(ends, q)
        sums = cuda.local.array(7, real)
        for channel in range(v.shape[0]):
            pixel_grad(v[channel], table, nx, ny, nz, metric, step, x, y, z, dx, dy, dz, sums)
            for a in range(7):
                out[channel, q, a] = sums[a]


@kernel
def bundle_adjoint(o, y, nx, ny, nz, metric, step, bundles, first):
    """Adds the adjoint of y [channels, views, rows, cols] to o."""
    c, r, i = cuda.grid(3)
    i += first
    if c < y.shape[3] and r < y.shape[2] and i < y.shape[1]:
        sx, sy, sz, dx, dy, dz = bundle_ray(bundles[i], r, c)
        for channel in range(y.shape[0]):
            w = y[channel, i, r, c]
            if w != real(0):
                adjoint(o[channel], w, nx, ny, nz, 0, nz, metric, step, sx, sy, sz, dx, dy, dz)


@kernel
def listed_adjoint(o, y, nx, ny, nz, metric, step, ends):
    """Adds the adjoint of y [channels, n] to o."""
    q = cuda.grid(1)
    if q < y.shape[1]:
        sx, sy, sz, dx, dy, dz = listed_ray(ends, q)
        for channel in range(y.shape[0]):
            w = y[channel, q]
            if w != real(0):
                adjoint(o[channel], w, nx, ny, nz, 0, nz, metric, step, sx, sy, sz, dx, dy, dz)


@kernel
def listed_subgradient(v, table, o, y, nx, ny, nz, ends):
    """Adds each ray's weight y [channels, n] to the voxels of its largest sample."""
    q = cuda.grid(1)
    if q < y.shape[1]:
        sx, sy, sz, dx, dy, dz = listed_ray(ends, q)
        for channel in range(y.shape[0]):
            maximum_subgradient(v[channel], table, o[channel], y[channel, q], nx, ny, nz, sx, sy, sz, dx, dy, dz)
