"""XRayTomo itself. The Projector is made in the step: a DRR, and a step of a registration, comes with a new pose every time."""
import numpy as np
import scipy.fft
import torch

from XRayTomoLib.geometry import pose_about
from XRayTomoLib.grids.meshes import TriangleMesh
from XRayTomoLib.tracing import Projector
from XRayTomoLib.tracing.backprojection import backproject_voxels
from XRayTomoLib.tracing.cpu import in_parallel
from XRayTomoLib.tracing.scene import Scene, SceneMesh, SceneVolume


def target(case):
    return Projector(case.grid, case.views).target


def project(case, method="joseph", skip_air=True):
    mu = torch.from_numpy(case.mu)

    def step():
        with torch.no_grad():
            return Projector(case.grid, case.views, method, skip_air=skip_air)(mu).numpy()
    return step


def scene(case):
    """The volume with a ball of 10580 triangles that takes the place of its middle."""
    mesh = TriangleMesh.sphere(30.0, divisions=23, centre_ras=case.grid.centre_ras)
    both = Scene([SceneVolume(case.grid, torch.from_numpy(case.mu)), SceneMesh(mesh, 0.2)])

    def step():
        with torch.no_grad():
            return both(case.views).numpy()
    return step


def adjoint(case, method="joseph"):
    y = torch.from_numpy(case.random_projections())

    def step():
        with torch.no_grad():
            return Projector(case.grid, case.views, method).T(y).numpy()
    return step


def posegrad(case, method="joseph"):
    mu, weights = torch.from_numpy(case.mu), torch.from_numpy(case.loss_weights())

    def step():
        pose = torch.zeros(6, dtype=torch.float64, requires_grad=True)
        (Projector(case.grid, moved(case.views, pose), method)(mu) * weights).sum().backward()
        return pose.grad.numpy()
    return step


def moved(views, pose):
    """`views` moved by the pose (3 radians, 3 mm; a torch tensor) about the origin of RAS."""
    return views.transformed(pose_about(pose[:3], pose[3:], torch.zeros(3, dtype=torch.float64)))


def fdk(case):
    def step():
        return backproject_voxels(torch.from_numpy(filtered(case.projections, case.views)), case.grid, case.views).numpy()
    return step


def filtered(projections, views):
    """Projections of a full turn about the origin of RAS, weighted and ramp-filtered along the rows for `backproject_voxels`.

    L. A. Feldkamp, L. C. Davis, J. W. Kress, J. Opt. Soc. Am. A 1(6), 1984; the ramp is sampled in space at the pitch on the isocentre.
    """
    count, rows, cols = projections.shape
    length = scipy.fft.next_fast_len(2 * cols, real=True)
    lag = np.minimum(np.arange(length), length - np.arange(length))
    odd = np.where(lag % 2 == 1, -1 / (np.pi * np.maximum(lag, 1)) ** 2, 0.0)
    ramp = scipy.fft.rfft(np.where(lag == 0, 0.25, odd)).real.astype(np.float32)
    out = np.empty_like(projections)
    in_parallel(_filter_view, ((projections[i], views[i], 2 * np.pi / count, ramp, length, out[i]) for i in range(count)))
    return out


def _filter_view(p, view, turn, ramp, length, out):
    sdd, sod = view.sdd_mm[0], abs(view.source[0] @ view.normal[0])
    (col_pitch,), (row_pitch,) = view.pitch_mm
    to_origin = view.origin[0] - view.source[0]
    u = to_origin @ view.u[0] / col_pitch + col_pitch * np.arange(p.shape[1])
    v = to_origin @ view.v[0] / row_pitch + row_pitch * np.arange(p.shape[0])
    scale = 0.5 * turn * sod ** 2 / (col_pitch * sod / sdd)
    cosine = (scale * sdd / np.sqrt(sdd ** 2 + u ** 2 + v[:, None] ** 2)).astype(np.float32)
    out[:] = scipy.fft.irfft(scipy.fft.rfft(p * cosine, length) * ramp, length)[:, :p.shape[1]]


WORKS = {"drr": project, "scene": scene, "posegrad": posegrad, "project": project, "adjoint": adjoint, "fdk": fdk}
