"""Ordered subsets: an operator's views dealt out to several smaller operators."""
import numpy as np

from .problem import ReconstructionError

ORDERS = ("angular distance", "random", "sequential")


def deal(count, subsets):
    """Indices of `count` views dealt to `subsets` hands, one after the other: subset s has the views s, s + subsets, ..."""
    if not 1 <= subsets <= count:
        raise ReconstructionError(f"{subsets} subsets of {count} views: expected 1 to {count}")
    return [np.arange(s, count, subsets) for s in range(subsets)]


def sequence(subsets, order, seed=0):
    """In which order the subsets take their turn: 0, 1, 2, ...; shuffled with `seed`; or each as far as possible from those before it.

    The last is bit reversal (G. Herman, L. Meyer, IEEE Trans. Med. Imaging 12, 1993, for powers of two) over any number of subsets.
    """
    if order == "sequential":
        return np.arange(subsets)
    if order == "random":
        return np.random.default_rng(seed).permutation(subsets)
    if order == "angular distance":
        bits = max(1, (subsets - 1).bit_length())
        reversed_bits = np.array([int(format(i, f"0{bits}b")[::-1], 2) for i in range(2 ** bits)])
        return reversed_bits[reversed_bits < subsets]
    raise ReconstructionError(f"order '{order}' of subsets is not known; expected one of: {', '.join(ORDERS)}")


def subset_operators(A, subsets, order, seed=0):
    """[(indices of the views, operator of these views)] in the order of their turns; A must be an operator that takes A[views]."""
    own = np.asarray(A.view_numbers)
    if subsets == 1:
        return [(np.arange(len(own)), A)]
    if not hasattr(A, "__getitem__"):
        raise ReconstructionError(f"{A} cannot be split into subsets: it has no A[views]; take the method with one subset")
    hands = [np.flatnonzero(np.isin(own, hand)) for hand in deal(A.view_count, subsets)]
    return [(hands[s], A[hands[s]]) for s in sequence(subsets, order, seed)]
