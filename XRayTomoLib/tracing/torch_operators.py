"""Registers functions as operators of torch, as torch.library.custom_op does, whose first call, however, imports torch's whole compiler:
several seconds that a radiograph need not wait for."""
import torch

LIBRARY = "xraytomo"
_library = torch.library.Library(LIBRARY, "DEF")


class TorchOperator:
    """An operator that changes none of its arguments; called like the function, with positional arguments."""

    def __init__(self, function):
        self.name, self.__doc__ = function.__name__, function.__doc__
        self.qualified = f"{LIBRARY}::{self.name}"
        _library.define(self.name + torch.library.infer_schema(function, mutates_args=()), tags=(torch.Tag.pt2_compliant_tag,))
        _library.impl(self.name, function, "CompositeExplicitAutograd")
        self.overload = getattr(getattr(torch.ops, LIBRARY), self.name).default

    def __call__(self, *arguments):
        return self.overload(*arguments)

    def register_fake(self, function):
        """`function` gives the result's shape and type without computing it."""
        torch.library.register_fake(self.qualified, function, lib=_library)
        return function

    def register_autograd(self, backward, setup_context):
        torch.library.register_autograd(self.qualified, backward, setup_context=setup_context, lib=_library)
