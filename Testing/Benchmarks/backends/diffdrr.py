"""DiffDRR: its renderers get the rays of the case; volume and module are set up once."""
import torch
import torchio
from diffdrr.drr import DRR

from .xraytomo import moved


def module(case, renderer):
    mu = torch.from_numpy(case.mu).permute(2, 1, 0)[None].contiguous()      # torchio: [1, i, j, k]
    image = torchio.ScalarImage(tensor=mu, affine=case.grid.ijk_to_ras)
    subject = torchio.Subject(volume=image, density=image, mask=None, reorient=torch.eye(4)[None], fiducials=None)
    rows, cols = case.views.shape
    # Distance and pitch shape the module's own detector, which is not used.
    return DRR(subject, sdd=1.0, height=rows, width=cols, delx=1.0, renderer=renderer)


def rays(views):
    """Sources [N, 1, 3] and pixels [N, rows x cols, 3] in RAS, float32 (part of the views' graph)."""
    start, end = (torch.as_tensor(a) for a in views.rays())
    return start.reshape(len(views), -1, 3)[:, :1].float(), end.reshape(len(views), -1, 3).float()


def drr(case, renderer="siddon"):
    drr, (source, target) = module(case, renderer), rays(case.views)

    def step():
        with torch.no_grad():
            return drr.render(drr.density, source, target).reshape(-1, *case.views.shape).numpy()
    return step


def posegrad(case, renderer="siddon"):
    drr, weights = module(case, renderer), torch.from_numpy(case.loss_weights()).reshape(1, -1)

    def step():
        pose = torch.zeros(6, dtype=torch.float64, requires_grad=True)
        (drr.render(drr.density, *rays(moved(case.views, pose)))[:, 0] * weights).sum().backward()
        return pose.grad.numpy()
    return step


WORKS = {"drr": drr, "posegrad": posegrad}
