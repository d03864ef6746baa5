"""The operators as torch sees them: schemas, shapes, derivatives, compilation."""

import pytest
import torch
from Unit.tracing.scenes import GRIDS, VIEWS, noise

from XRayTomoLib.tracing import METHODS, Projector, ops
from XRayTomoLib.tracing.projector import NO_MAP, NO_TABLE

GRID = GRIDS["oblique"]
CHECKS = ("test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_static")


@pytest.mark.parametrize("surface", ["flat", "free"])
def test_operators_are_registered_as_torch_expects(surface):
    A = Projector(GRID, VIEWS[surface], backend="cpu")
    rays, options = A._rays("cpu"), (A.metric, "joseph", 0.5)
    x, y = noise(GRID, torch.float64, lead=(2,)), torch.rand(2, *A.range_shape, dtype=torch.float64)
    y = y.flatten(1) if surface == "free" else y
    shape = list(A.views.shape)
    for name, arguments in (
        ("project", (x.requires_grad_(), NO_TABLE, NO_MAP, rays, shape, *options)),
        ("backproject", (y.requires_grad_(), rays, list(GRID.shape), *options)),
        ("project_jacobian", (x.detach(), NO_TABLE, rays, shape, *options)),
        ("ray_gradient", (x.detach(), NO_TABLE, y.detach(), rays, shape, *options)),
    ):
        torch.library.opcheck(getattr(ops, name).overload, arguments, test_utils=CHECKS)


@pytest.mark.parametrize("method", METHODS)
def test_compiles_without_graph_breaks(method):
    A = Projector(GRID, VIEWS["flat"], method=method, backend="cpu", skip_air=False)
    compiled = torch.compile(lambda x: A(x).square().sum(), fullgraph=True, backend="aot_eager")
    results = []
    for function in (compiled, lambda x: A(x).square().sum()):
        x = noise(GRID, torch.float64).requires_grad_()
        value = function(x)
        value.backward()
        results.append((value.detach(), x.grad))
    torch.testing.assert_close(results[0], results[1], rtol=1e-12, atol=1e-12)


def test_compiles_with_air_skipping():
    A = Projector(GRID, VIEWS["flat"], backend="cpu")
    x = noise(GRID)
    torch.testing.assert_close(torch.compile(A.forward, fullgraph=True, backend="aot_eager")(x), A(x))
