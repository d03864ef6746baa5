"""CUDA's voxel-driven backprojection (backprojection.py): a thread adds up all views for a few layers of one voxel column.

p [views, rows, cols]; P [views, 3, 4] maps voxels (x, y, z, 1) to (col w, row w, w), w the depth in mm (1 for parallel rays).
"""
from math import floor

from numpy import float32 as f32
from numpy import int32 as i32

LAYERS = 4          # layers of one thread, over which a view's matrix is read once


@device
def seen(image, cols, rows, un, vn, wn, power):
    """The image at the pixel (un / wn, vn / wn), weighted by 1/wn^power (0, 1 or 2); border pixels reach half a pixel outward."""
    if wn <= f32(1e-9):
        return f32(0)
    rw = f32(1) / wn
    u = un * rw
    v = vn * rw
    half = f32(0.5)
    if u < -half or u > f32(cols) - half or v < -half or v > f32(rows) - half:
        return f32(0)
    iu = i32(floor(u))
    iv = i32(floor(v))
    fu = u - f32(iu)
    fv = v - f32(iv)
    c0 = max(iu, 0)
    c1 = min(iu + 1, cols - 1)
    r0 = max(iv, 0)
    r1 = min(iv + 1, rows - 1)
    a = image[r0, c0] + fu * (image[r0, c1] - image[r0, c0])
    b = image[r1, c0] + fu * (image[r1, c1] - image[r1, c0])
    weight = rw * rw if power == 2 else rw if power == 1 else f32(1)
    return weight * (a + fv * (b - a))


@kernel
def backproject(p, P, volume, power):
    """volume = the sum over all views."""
    x, y, z = cuda.grid(3)
    z *= LAYERS
    if x < volume.shape[2] and y < volume.shape[1]:
        xf = f32(x)
        yf = f32(y)
        zf = f32(z)
        sums = cuda.local.array(LAYERS, f32)
        for t in range(LAYERS):
            sums[t] = f32(0)
        for i in range(p.shape[0]):
            M = P[i]
            un = M[0, 0] * xf + M[0, 1] * yf + M[0, 2] * zf + M[0, 3]
            vn = M[1, 0] * xf + M[1, 1] * yf + M[1, 2] * zf + M[1, 3]
            wn = M[2, 0] * xf + M[2, 1] * yf + M[2, 2] * zf + M[2, 3]
            for t in range(LAYERS):
                sums[t] += seen(p[i], p.shape[2], p.shape[1], un, vn, wn, power)
                un += M[0, 2]
                vn += M[1, 2]
                wn += M[2, 2]
        for t in range(LAYERS):
            if z + t < volume.shape[0]:
                volume[z + t, y, x] = sums[t]
