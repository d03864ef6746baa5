"""Says what an image file holds: size, place in RAS, values, and how it was made if XRayTomo made it; or what projections are in a folder."""

SUMMARY = "what an image file, or a folder of projections, holds"
AXES = (("L", "R"), ("P", "A"), ("I", "S"))


def add_arguments(parser):
    parser.add_argument("file", metavar="FILE", help="NRRD, NIfTI, MetaImage or a folder of DICOM slices; projections of a scanner")
    parser.add_argument("--series", metavar="UID", help="series of a DICOM folder that holds several")


def run(options):
    from ..io import read_image

    projections = projections_of(options.file)
    lines = describe(read_image(options.file, options.series)) if projections is None else projections.describe()
    width = max(12, *(len(name) + 2 for name in lines))
    for name, text in lines.items():
        print(f"{name:<{width}}{text}")


def projections_of(path):
    """The projections of a stack or a scanner's folder; None where the path holds none."""
    from ..io.projections import ProjectionError, open_projections, recognise

    try:
        reader = recognise(path)
    except ProjectionError:
        return None
    return open_projections(path, reader)


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
