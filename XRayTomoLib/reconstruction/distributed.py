"""Reconstructions that are larger than one machine: the views are dealt out to the processes that torchrun has started.

Every process holds the whole volume, but only its own views and their projections. Backprojections are summed over the processes, and
so are the sums over projections that methods take (Problem), so that all of them do the same steps on the same volume:

    torchrun --nproc-per-node 2 reconstruct.py

    with joined() as processes:
        own = processes.share(len(views))
        x = jobs.run(reconstruct(method, views[own], p[own], grid, projector=processes.projector(own, len(views))))
"""
import os
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist

from ..tracing import LinearOperator, Projector
from .problem import ReconstructionError


def is_started_by_torchrun():
    """Whether this is one of several processes that torchrun has started."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "MASTER_ADDR" in os.environ


@contextmanager
def joined(device="cpu"):
    """Joins the processes of torchrun (nccl for tensors on a GPU, gloo else) and yields them as `Processes`; leaves them at the end."""
    if not is_started_by_torchrun():
        raise ReconstructionError("there are no other processes to join; start the program with torchrun --nproc-per-node N")
    dist.init_process_group("nccl" if torch.device(device).type == "cuda" else "gloo")
    try:
        yield Processes(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


@dataclass(frozen=True)
class Processes:
    """`size` processes of torch.distributed, of which this is number `rank`."""
    rank: int
    size: int

    def share(self, count):
        """Numbers of the views, of `count`, that this process has: one after the other, so that each sees the object from all sides."""
        if count < self.size:
            raise ReconstructionError(f"{count} views cannot be dealt out to {self.size} processes; start at most {count}")
        return np.arange(self.rank, count, self.size)

    def projector(self, numbers, count):
        """What `reconstruct` takes as its projector where this process has the views `numbers` of `count`."""
        return lambda grid, views, **options: DistributedProjector(Projector(grid, views, **options), self, numbers, count)

    def total(self, value):
        """Sum of a tensor over all processes, the same in each."""
        return self._reduced(value, dist.ReduceOp.SUM)

    def largest(self, value):
        """Maximum of a tensor over all processes."""
        return self._reduced(value, dist.ReduceOp.MAX)

    @staticmethod
    def _reduced(value, how):
        value = value.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(value, how)
        return value


class DistributedProjector(LinearOperator):
    """The rows of A that belong to this process's views; A.T sums over all processes.

    local     operator of the own views, or None where a subset has none of them
    numbers   the own views' numbers among all `count`
    """

    def __init__(self, local, processes, numbers, count, shapes=None):
        self.local, self.processes, self.view_numbers, self.view_count = local, processes, np.asarray(numbers), count
        self.domain_shape, view_shape, self.dtype, self.device = shapes or (local.domain_shape, local.range_shape[1:], local.dtype, local.device)
        self.range_shape = (len(self.view_numbers), *view_shape)
        if local is not None and local.range_shape[0] != len(self.view_numbers):
            raise ReconstructionError(f"{local.range_shape[0]} views with {len(self.view_numbers)} numbers; expected a number for each")

    view_numbers = view_count = None        # as given, in place of the operator's own

    def __getitem__(self, index):
        """The operator of some of the own views, by their place among them; all processes take their part of the same views."""
        numbers = self.view_numbers[index]
        local = self.local[index] if self.local is not None and len(numbers) else None
        return DistributedProjector(local, self.processes, numbers, self.view_count,
                                    (self.domain_shape, self.range_shape[1:], self.dtype, self.device))

    def forward(self, x):
        return x.new_empty((*x.shape[:x.ndim - 3], *self.range_shape)) if self.local is None else self.local(x)

    def adjoint(self, y):
        own = y.new_zeros((*y.shape[:y.ndim - 3], *self.domain_shape)) if self.local is None else self.local.T(y)
        return self.processes.total(own)
