"""The compression of Varian's .hnd and .xim files: differences to a prediction from three neighbours, in one, two or four bytes.

With i the pixel's index through the whole image of w columns (so that a row's first pixel has the end of the row before as its left
neighbour) p[i] = d[i] + p[i-1] + p[i-w] - p[i-w-1], modulo 2^32. The first row and one pixel more are stored as they are; two bits
in a table say how many bytes each later difference has. With e[i] = p[i] - p[i-w] this reads e[i] = e[i-1] + d[i]: a cumulative sum
along i gives e, one along the columns gives p.
"""

import numpy as np

from .base import ProjectionError, check_memory

BYTES_PER_PIXEL = 40  # of working memory while an image is decoded: positions (8), widths, differences, sums and the file itself
CODES = np.stack([np.arange(256) >> shift & 3 for shift in (0, 2, 4, 6)], 1).astype(np.uint8)  # the four codes in each byte


def table_bytes(shape):
    """Bytes of the table of codes, four a byte, of all pixels but the first row and one."""
    rows, cols = shape
    return -(-((rows - 1) * cols - 1) // 4)


def check_compressed(path, shape, held):
    """Raises ProjectionError if a file with `held` bytes for table and differences cannot hold the image, or memory cannot."""
    rows, cols = shape
    least = table_bytes(shape) + 4 * (cols + 1) + (rows - 1) * cols - 1
    if held < least:
        raise ProjectionError(f"{path}: {cols} x {rows} pixels need at least {least} bytes, the file has {held} for them; get a complete copy.")
    check_memory(BYTES_PER_PIXEL * rows * cols, path)


def decode(path, table, data, shape):
    """Pixels [rows, cols], uint32, of the codes in `table` and the first row and differences in `data` (both uint8 arrays).

    Raises:
        ProjectionError: a code that does not exist, or data that end before the last pixel.
    """
    rows, cols = shape
    count = (rows - 1) * cols - 1
    codes = CODES.take(table[: table_bytes(shape)], axis=0).ravel()[:count]
    if codes.size < count or len(data) < 4 * (cols + 1):
        raise ProjectionError(f"{path}: the compressed pixels end too early; get a complete copy.")
    if (codes == 3).any():
        raise ProjectionError(f"{path}: pixel {int(np.argmax(codes == 3)) + cols + 1} has a difference of no known width; get an undamaged copy.")
    first = data[: 4 * (cols + 1)].view("<u4")
    pixels = np.empty((rows, cols), np.uint32)
    pixels[0] = first[:cols]
    rise = pixels[1:].reshape(-1)
    rise[:1] = first[cols:] - first[:1]
    rise[1:] = _differences(path, codes, data[4 * (cols + 1) :])
    np.cumsum(rise, out=rise, dtype=np.uint32)
    np.cumsum(pixels, axis=0, out=pixels, dtype=np.uint32)
    return pixels


def _differences(path, codes, data):
    """The differences as uint32 (modulo 2^32)."""
    widths = np.left_shift(1, codes, dtype=np.uint8)
    starts = np.cumsum(widths, dtype=np.int64)
    if len(codes) and starts[-1] > len(data):
        raise ProjectionError(f"{path}: the differences need {starts[-1]} bytes, the file has {len(data)} for them; get a complete copy.")
    starts -= widths
    differences = data.view(np.int8).take(starts).astype(np.int32)  # right where the width is one byte
    for code, form in ((1, "<i2"), (2, "<i4")):
        wide = np.flatnonzero(codes == code)
        # numbers that begin at any byte: a view whose step is one byte
        numbers = np.ndarray(max(len(data) - (1 << code) + 1, 0), form, np.ascontiguousarray(data), strides=(1,))
        differences[wide] = numbers[starts[wide]]
    return differences.view(np.uint32)
