"""How the many threads of a GPU add to one voxel."""

@device
def deposit(o, i, w):
    """Adds w to voxel i undisturbed; the order of the sums is the threads' own."""
    cuda.atomic.add(o, i, w)
