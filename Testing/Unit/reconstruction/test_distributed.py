"""Two processes with half of the views each find what one process finds."""
import os
import socket

import numpy as np
import pytest
import torch
import torch.multiprocessing as multiprocessing

from XRayTomoLib import jobs
from XRayTomoLib.geometry import CArm, circle
from XRayTomoLib.grids import CartesianGrid
from XRayTomoLib.reconstruction import METHODS, ReconstructionError, is_iterative, method_of, reconstruct
from XRayTomoLib.reconstruction.distributed import Processes, joined
from XRayTomoLib.tracing import Projector

GRID = CartesianGrid.centred((4, 12, 12), 4.0)
VIEWS = circle(CArm(500, 300, 8, 16, 6.0, 6.0), 11)
FEWER = {"osem": {"subsets": 3}, "os-sart": {"subsets": 3, "momentum": True}, "asd-pocs": {"subsets": 4}, "piccs": {"subsets": 4}}
NAMES = [name for name in METHODS if is_iterative(METHODS[name]) and name != "mlem"]


def cases():
    """(name, options, what else is known) of every iterative method."""
    prior = torch.rand(GRID.shape, generator=torch.Generator().manual_seed(5))
    for name in NAMES:
        known = {"prior": prior} if name == "piccs" else {}
        yield name, {"iterations": 1 if name == "backprojection" else 4} | FEWER.get(name, {}), known
    yield "sirt", {"iterations": 2}, {"levels": 1}
    yield "cgls", {"iterations": 30, "stop_residual": 0.03}, {}


def projections():
    return Projector(GRID, VIEWS)(0.01 * torch.rand(GRID.shape, generator=torch.Generator().manual_seed(0)))


def work(rank, port, folder):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), RANK=str(rank), WORLD_SIZE="2", OMP_NUM_THREADS="1")
    torch.set_num_threads(1)
    p = projections()
    with joined() as processes:
        own = processes.share(len(VIEWS))
        A = processes.projector(own, len(VIEWS))(GRID, VIEWS[own])
        found = [jobs.run(reconstruct(method_of(name, options), VIEWS[own], p[own], GRID, projector=processes.projector(own, len(VIEWS)), **known))
                 for name, options, known in cases()]
        torch.save({"found": found, "dot": _dot_test(A), "own": own.tolist()}, f"{folder}/{rank}.pt")


def _dot_test(A):
    generator = torch.Generator().manual_seed(A.processes.rank)
    x, y = torch.rand(A.domain_shape, generator=torch.Generator().manual_seed(9)), torch.rand(A.range_shape, generator=generator)
    left = float(A.processes.total((A(x).double() * y).sum()))
    return abs(left - float((x.double() * A.T(y)).sum())) / left


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    multiprocessing.spawn(work, (free_port(), str(folder)), nprocs=2)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]


def test_the_views_are_dealt_out_and_products_are_reduced(two):
    assert sorted(two[0]["own"] + two[1]["own"]) == list(range(len(VIEWS)))
    assert max(result["dot"] for result in two) < 1e-6


@pytest.mark.parametrize("case", range(len(NAMES) + 2), ids=[*NAMES, "levels", "stopped"])
def test_two_processes_find_what_one_finds(two, case):
    name, options, known = list(cases())[case]
    alone = jobs.run(reconstruct(method_of(name, options), VIEWS, projections(), GRID, **known))
    assert torch.equal(two[0]["found"][case], two[1]["found"][case])
    assert float((two[0]["found"][case] - alone).norm() / alone.norm()) < 1e-5


def test_what_cannot_be_dealt_out_is_refused():
    with pytest.raises(ReconstructionError, match="3 views cannot be dealt out to 4"):
        Processes(0, 4).share(3)
    with pytest.raises(ReconstructionError, match="torchrun"), joined():
        pass
    assert np.array_equal(Processes(1, 3).share(8), [1, 4, 7])
