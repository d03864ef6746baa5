"""A dense matrix as an operator: problems whose solutions are known in closed form."""
import torch

from XRayTomoLib.tracing import LinearOperator


class Dense(LinearOperator):
    """y = M x for x of `domain_shape`."""
    dtype = torch.float64

    def __init__(self, matrix, domain_shape, range_shape):
        self.matrix, self.domain_shape, self.range_shape = matrix, tuple(domain_shape), tuple(range_shape)

    def __getitem__(self, index):
        each = self.matrix.shape[0] // self.range_shape[0]
        rows = self.matrix.reshape(self.range_shape[0], each, -1)[index]
        return Dense(rows.reshape(-1, self.matrix.shape[1]), self.domain_shape, (len(rows), *self.range_shape[1:]))

    def forward(self, x):
        return (self.matrix @ x.reshape(-1)).reshape(self.range_shape)

    def adjoint(self, y):
        return (self.matrix.T @ y.reshape(-1)).reshape(self.domain_shape)


def positive_problem(rows=40, shape=(2, 3, 4), seed=0):
    """An overdetermined operator with entries >= 0 and a volume > 0, float64: (operator, x)."""
    generator = torch.Generator().manual_seed(seed)
    count = torch.Size(shape).numel()
    matrix = torch.rand(rows, count, generator=generator, dtype=torch.float64)
    matrix = matrix * (torch.rand(rows, count, generator=generator) > 0.5)
    x = 0.1 + torch.rand(shape, generator=generator, dtype=torch.float64)
    return Dense(matrix, shape, (rows, 1, 1)), x
