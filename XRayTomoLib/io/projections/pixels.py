"""One picture file as pixels: TIFF and PNG (through SimpleITK), EDF."""

import math
from pathlib import Path

from ...files import natural_order
from ..itk import last_line, quiet_itk
from .base import ProjectionError, check_memory
from .edf import edf_frames, read_edf_frame
from .tiff import check_directories

TIFF, PNG, EDF = (".tif", ".tiff"), (".png",), (".edf",)
PICTURES = TIFF + PNG + EDF
SIGNATURES = {**dict.fromkeys(TIFF, (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")), ".png": (b"\x89PNG\r\n\x1a\n",)}
READERS = {**dict.fromkeys(TIFF, "TIFFImageIO"), ".png": "PNGImageIO"}
# The highest ratio of pixels to bytes that a picture can reach: LZW with 12-bit codes, of strings of 4096 bytes at most.
COMPRESSION_LIMIT = 2 * 4096


class Picture:
    """The pages of one picture file: `count`, `shape` (rows, cols), `dtype`; `page(i)` reads pixels [rows, cols].

    Raises:
        ProjectionError: the file is missing, broken, in colour, or promises more pixels than it can hold.
    """

    def __init__(self, path):
        self.path = Path(path)
        suffix = self.path.suffix.lower()
        if suffix not in PICTURES:
            raise ProjectionError(f"{path}: '{suffix}' pictures cannot be read; expected one of: {', '.join(PICTURES)}.")
        try:
            self._frames = edf_frames(self.path) if suffix in EDF else None
            if self._frames is None:
                self._examine(suffix)
        except OSError as error:
            raise ProjectionError(f"{path}: cannot be read ({error.strerror or error}); check the path.") from error
        if self._frames is not None:
            shapes = {frame[2] for frame in self._frames}
            if len(shapes) != 1:
                raise ProjectionError(f"{path}: its images have different sizes; store one size a file.")
            self.count, self.shape = len(self._frames), shapes.pop()
            self.dtype = self._frames[0][1].newbyteorder("=")

    def page(self, index=0):
        return self.pages()[index] if self._frames is None else read_edf_frame(self.path, self._frames[index])

    def pages(self):
        """All pages [page, row, col] of a TIFF or PNG, which is decoded as a whole."""
        import SimpleITK as sitk

        check_memory(self.count * math.prod(self.shape) * self.dtype.itemsize, self.path)
        with quiet_itk():
            try:
                image = self._reader().Execute()
            except RuntimeError as error:
                raise ProjectionError(f"{self.path}: the picture is broken or cut short ({last_line(error)}); get a complete copy.") from error
        return sitk.GetArrayFromImage(image).reshape(self.count, *self.shape)

    def _reader(self):
        import SimpleITK as sitk

        reader = sitk.ImageFileReader()
        reader.SetImageIO(READERS[self.path.suffix.lower()])
        reader.SetFileName(str(self.path))
        return reader

    def _examine(self, suffix):
        with open(self.path, "rb") as file:
            if not file.read(8).startswith(SIGNATURES[suffix]):
                raise ProjectionError(f"{self.path}: the content is not that of a {suffix} file; get a complete copy.")
        if suffix in TIFF:
            check_directories(self.path)
        with quiet_itk() as sitk:
            reader = self._reader()
            try:
                reader.ReadImageInformation()
                size, components = reader.GetSize(), reader.GetNumberOfComponents()
                self.dtype = sitk.GetArrayViewFromImage(sitk.Image(1, 1, 1, reader.GetPixelID())).dtype
            except (RuntimeError, TypeError) as error:
                raise ProjectionError(f"{self.path}: not a readable picture ({last_line(error)}); get a complete copy.") from error
        if components != 1:
            raise ProjectionError(f"{self.path}: {components} values per pixel (colour); expected grey levels.")
        self.count, self.shape = (size[2] if len(size) == 3 else 1), (size[1], size[0])
        promised, held = self.count * math.prod(self.shape) * self.dtype.itemsize, self.path.stat().st_size
        if promised > COMPRESSION_LIMIT * held or min(self.count, *self.shape) < 1:
            raise ProjectionError(f"{self.path}: the header promises {promised} bytes of pixels, the file has {held}; get a complete copy.")


def pictures_of(folder):
    """The picture files of a folder in natural order (img2 before img10), those of the most frequent suffix only; [] if there are none."""
    files = [file for file in Path(folder).iterdir() if file.suffix.lower() in PICTURES and file.is_file() and not file.name.startswith(".")]
    suffixes = [file.suffix.lower() for file in files]
    if not files:
        return []
    chosen = max(sorted(set(suffixes)), key=suffixes.count)
    return sorted((file for file in files if file.suffix.lower() == chosen), key=natural_order)
