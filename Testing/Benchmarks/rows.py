"""One line of the result: a backend of ours against a peer, from the times of the same rounds."""
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

FIGURES = json.loads(Path(__file__).with_name("figures.json").read_text(encoding="utf-8"))


@dataclass
class Measured:
    """What one backend did: its result, wall and processor seconds of every run, memory beyond inputs and outputs, and what computed."""
    name: str
    result: np.ndarray
    wall: list = field(default_factory=list)
    cpu: list = field(default_factory=list)
    extra_mb: float | None = None
    target: str | None = None


def row(work, case, method, ours, peer, rounds, exact=None, inside=...):
    """The line as a dict. `exact`: the true result, if there is one; `inside`: the part of the results that is compared."""
    line = {"work": work, "case": case, "method": method, "target": ours.target, "peer": peer.name,
            "ratio": np.median(peer.wall) / np.median(ours.wall), "ratio_min": min(peer.wall) / min(ours.wall),
            "ratio_cpu": min(peer.cpu) / min(ours.cpu), "difference": relative(ours.result, peer.result, inside),
            "ms": 1e3 * np.median(ours.wall), "peer_ms": 1e3 * np.median(peer.wall),
            "extra_mb": ours.extra_mb, "peer_extra_mb": peer.extra_mb, "rounds": rounds}
    if exact is not None:
        line |= {"error": relative(ours.result, exact), "peer_error": relative(peer.result, exact)}
    return rounded(line | verdict(work, case, method, peer.name, line["ratio"]))


def verdict(work, case, method, peer, ratio):
    """The figure that the ratio is held against and whether it passes; empty where none is set, and for methods that are no default."""
    if method not in FIGURES["methods"]:
        return {}

    def figure(group):
        return FIGURES[group].get(work, {}).get(case, {}).get(peer)
    least, most = figure("peer_time_over_ours_at_least"), figure("our_time_over_peer_at_most")
    if least is not None:
        return {"figure": f">= {least}", "passes": bool(ratio >= FIGURES["passes_at"] * least)}
    if most is not None:
        return {"figure": f"ours <= {most} x peer", "passes": bool(1 / ratio <= most)}
    return {}


def relative(a, b, inside=...):
    """Relative difference |a - b| / |b| (L2) of the parts `inside`, or None where the shapes differ."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape:
        return None
    a, b = a[inside], b[inside]
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def rounded(line):
    """The dict with floats of four digits, ready for JSON."""
    return {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in line.items()}


def memory_row(work, case, measured):
    """Peak resident memory of the first step of a fresh process, beyond inputs and result."""
    line = {"work": "memory", "case": case, "of": work, "backend": measured.name, "target": measured.target, "extra_mb": measured.extra_mb}
    if measured.target is not None and measured.extra_mb is not None:
        most = FIGURES["extra_mb_below"][work]
        line |= {"figure": f"< {most} MB", "passes": measured.extra_mb < most}
    return rounded(line)
