"""Linear operators: A(x), the exact adjoint A.T, composition, norm and dot test."""
import torch


class OneProcess:
    """Sums and maxima over an operator's range that lies in this process: complete as they are."""

    def total(self, value):
        return value

    def largest(self, value):
        return value


class LinearOperator:
    """Maps tensors [..., *domain_shape] to [..., *range_shape]. Subclasses give `forward` and `adjoint`.

    processes   over which the range is spread; sums over projections go through its total(), maxima through its largest()
    """
    domain_shape: tuple
    range_shape: tuple
    processes = OneProcess()
    dtype = torch.float32
    device = torch.device("cpu")

    def forward(self, x):
        raise NotImplementedError

    def adjoint(self, y):
        raise NotImplementedError

    def __call__(self, x):
        return self.forward(self._checked(x, self.domain_shape, "domain"))

    @property
    def T(self):
        return Adjoint(self)

    @property
    def view_numbers(self):
        """Number of each of the range's first entries (views) among those of all processes."""
        return range(self.range_shape[0])

    @property
    def view_count(self):
        """How many views all processes have together."""
        return self.range_shape[0]

    def _checked(self, x, shape, where):
        x = torch.as_tensor(x)
        if tuple(x.shape[x.ndim - len(shape):]) != tuple(shape):
            raise ValueError(f"{type(self).__name__}: a tensor of shape {tuple(x.shape)} is not of the operator's {where}; "
                             f"expected [..., {', '.join(map(str, shape))}]")
        return x

    def __matmul__(self, other):
        """(A @ B)(x) = A(B(x))."""
        return Product(self, other)

    def __rmul__(self, factor):
        return Weighted(self, factor)

    def norm(self, iterations=30, seed=0):
        """Largest singular value by the power method on A.T A (a lower bound that grows with `iterations`)."""
        x = self._random(self.domain_shape, seed)
        value = 0.0
        for _ in range(iterations):
            x = x / x.norm()
            x = self.T(self(x))
            value = float(x.norm())
        return value ** 0.5

    def dot_test(self, seed=0, dtype=None):
        """|<A x, y> - <x, A.T y>| / (|A x| |y|) for random x and y (of `dtype`), summed in float64."""
        x, y = self._random(self.domain_shape, seed, dtype), self._random(self.range_shape, seed + 1, dtype)
        ax, aty = self(x).double(), self.T(y).double()
        left, right = (ax * y.double()).sum(), (x.double() * aty).sum()
        return float((left - right).abs() / (ax.norm() * y.double().norm()))

    def _random(self, shape, seed, dtype=None):
        generator = torch.Generator().manual_seed(seed)
        return torch.rand(shape, generator=generator, dtype=dtype or self.dtype).to(self.device)

    def __repr__(self):
        return f"{type(self).__name__}({' x '.join(map(str, self.domain_shape))} -> {' x '.join(map(str, self.range_shape))})"


class Adjoint(LinearOperator):
    """The transpose of an operator."""

    def __init__(self, operator):
        self.operator = operator
        self.domain_shape, self.range_shape = operator.range_shape, operator.domain_shape
        self.dtype, self.device = operator.dtype, operator.device

    def forward(self, x):
        return self.operator.adjoint(x)

    def adjoint(self, y):
        return self.operator.forward(y)

    @property
    def T(self):
        return self.operator


class Product(LinearOperator):
    """A after B."""

    def __init__(self, a, b):
        if tuple(a.domain_shape) != tuple(b.range_shape):
            raise ValueError(f"{a} cannot follow {b}: its domain {tuple(a.domain_shape)} is not the other's range {tuple(b.range_shape)}")
        self.a, self.b = a, b
        self.domain_shape, self.range_shape, self.processes = b.domain_shape, a.range_shape, a.processes
        self.dtype, self.device = b.dtype, b.device

    def forward(self, x):
        return self.a(self.b(x))

    def adjoint(self, y):
        return self.b.T(self.a.T(y))


class Weighted(LinearOperator):
    """weights * A: a number, or a tensor that broadcasts against the range (a mask, statistical weights)."""

    def __init__(self, operator, weights):
        self.operator, self.weights, self.processes = operator, weights, operator.processes
        self.domain_shape, self.range_shape = operator.domain_shape, operator.range_shape
        self.dtype, self.device = operator.dtype, operator.device

    def forward(self, x):
        return self.weights * self.operator(x)

    def adjoint(self, y):
        return self.operator.T(self.weights * y)


class Stack(LinearOperator):
    """Operators of one domain, their ranges one after the other along the first axis (views)."""

    def __init__(self, operators):
        self.operators = list(operators)
        first = self.operators[0]
        if any(tuple(o.domain_shape) != tuple(first.domain_shape) or o.range_shape[1:] != first.range_shape[1:] for o in self.operators):
            raise ValueError("operators can be stacked only over one domain, with ranges that differ in the first axis alone")
        self.domain_shape = first.domain_shape
        self.range_shape = (sum(o.range_shape[0] for o in self.operators), *first.range_shape[1:])
        self.dtype, self.device = first.dtype, first.device

    def _axis(self):
        return -len(self.range_shape)

    def forward(self, x):
        return torch.cat([o(x) for o in self.operators], self._axis())

    def adjoint(self, y):
        parts = y.split([o.range_shape[0] for o in self.operators], self._axis())
        return sum(o.T(part) for o, part in zip(self.operators, parts))
