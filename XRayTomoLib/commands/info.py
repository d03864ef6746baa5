"""Says what an image file holds: size, place in RAS, values, and how it was made if XRayTomo made it."""

SUMMARY = "what an image file holds"
AXES = (("L", "R"), ("P", "A"), ("I", "S"))


def add_arguments(parser):
    parser.add_argument("file", metavar="FILE", help="NRRD, NIfTI, MetaImage or a folder of DICOM slices")
    parser.add_argument("--series", metavar="UID", help="series of a DICOM folder that holds several")


def run(options):
    from ..io import read_image

    image = read_image(options.file, options.series)
    for name, text in describe(image).items():
        print(f"{name:<12}{text}")


def describe(image):
    """Line name -> text."""
    import numpy as np

    from ..io import VolumeError, check_voxels
    from ..physics.attenuation import looks_like_hu

    grid = image.grid
    lines = {
        "name": image.name,
        "voxels": f"{_join(grid.shape[::-1])} (i x j x k), {image.array.dtype}, {image.array.nbytes / 1e6:.1f} MB",
        "spacing": f"{_join(f'{s:.6g}' for s in grid.spacing_mm)} mm",
        "axes": f"{axis_codes(grid)}, {'left' if grid.is_left_handed else 'right'}-handed",
        "centre RAS": f"{', '.join(f'{x:.2f}' for x in grid.centre_ras)} mm",
    }
    try:
        check_voxels(image.array, image.name)
        lines["range"] = looks_like_hu(image.array)[1]
    except VolumeError as error:
        lines["range"] = f"values {np.nanmin(image.array):.4g} to {np.nanmax(image.array):.4g}"
        lines["note"] = str(error)
    return lines | image.fields


def axis_codes(grid):
    """The directions nearest to which i, j and k grow, for example 'LPS'."""
    return "".join(AXES[abs(column).argmax()][int(column[abs(column).argmax()] > 0)] for column in grid.directions.T)


def _join(values):
    return " x ".join(map(str, values))
