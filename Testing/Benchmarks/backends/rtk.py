"""RTK's C++ filters (ITK). Its rotation axis is Y: RTK's (x, y, z) are our (A, S, R), and its volume's axes our (j, k, i)."""
import itk
import numpy as np
from itk import RTK

IMAGE = itk.Image[itk.F, 3]
CYCLE = [1, 2, 0]


def geometry(views):
    g = RTK.ThreeDCircularProjectionGeometry.New()
    column_pitch, row_pitch = views.pitch_mm
    for i in range(len(views)):
        vectors = views.source[i], views.centre[i], views.u[i] / column_pitch[i], views.v[i] / row_pitch[i]
        kinds = itk.Point[itk.D, 3], itk.Point[itk.D, 3], itk.Vector[itk.D, 3], itk.Vector[itk.D, 3]
        if not g.AddProjection(*(_filled(kind(), vector[CYCLE]) for kind, vector in zip(kinds, vectors))):
            raise ValueError(f"RTK does not take view {i}")
    return g


def _filled(target, values):
    for k in range(3):
        target[k] = float(values[k])
    return target


def volume_image(array, grid):
    """The voxels [k, j, i] in RTK's order (slowest to fastest: i, k, j)."""
    image = itk.image_from_array(np.ascontiguousarray(array.transpose(2, 0, 1)))
    image.SetSpacing([float(s) for s in grid.spacing_mm[CYCLE]])
    image.SetOrigin([float(x) for x in grid.ijk_to_ras[CYCLE, 3]])
    image.SetDirection(itk.matrix_from_array(np.ascontiguousarray(grid.directions[np.ix_(CYCLE, CYCLE)])))
    return image


def projection_image(array, views):
    """Projections [views, rows, cols] on the detector's own coordinates: its centre is the origin of the geometry's detector frame."""
    image = itk.image_from_array(np.ascontiguousarray(array))
    pitch = [float(p[0]) for p in views.pitch_mm]
    rows, cols = views.shape
    image.SetSpacing([*pitch, 1.0])
    image.SetOrigin([-(cols - 1) / 2 * pitch[0], -(rows - 1) / 2 * pitch[1], 0.0])
    return image


def project(case):
    empty = np.zeros((len(case.views), *case.views.shape), np.float32)
    f = RTK.JosephForwardProjectionImageFilter[IMAGE, IMAGE].New()
    f.SetInput(0, projection_image(empty, case.views))
    f.SetInput(1, volume_image(case.mu, case.grid))
    return _runs(f, case)


def adjoint(case):
    f = RTK.JosephBackProjectionImageFilter[IMAGE, IMAGE].New()
    f.SetInput(0, volume_image(np.zeros(case.grid.shape, np.float32), case.grid))
    f.SetInput(1, projection_image(case.random_projections(), case.views))
    run = _runs(f, case)
    return lambda: run().transpose(1, 2, 0)


def fdk(case):
    f = RTK.FDKConeBeamReconstructionFilter[IMAGE].New()
    f.SetInput(0, volume_image(np.zeros(case.grid.shape, np.float32), case.grid))
    f.SetInput(1, projection_image(case.projections, case.views))
    run = _runs(f, case, f.GetRampFilter(), f.GetWeightFilter())
    return lambda: run().transpose(1, 2, 0)


def _runs(f, case, *inner):
    """Step that makes the filter (and those inside it) work anew."""
    f.SetGeometry(geometry(case.views))
    f.InPlaceOff()

    def step():
        for part in (f, *inner):
            part.Modified()
        f.Update()
        return itk.array_view_from_image(f.GetOutput())
    return step


WORKS = {"drr": project, "project": project, "adjoint": adjoint, "fdk": fdk}
