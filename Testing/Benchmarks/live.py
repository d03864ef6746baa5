"""The panel's live picture without the panel: coarse pictures while an angle is dragged, the full one at rest."""
import time

import numpy as np

from XRayTomoLib.io import fetch_sample, read_volume
from XRayTomoLib.mrml.live import LiveRadiograph, Request, VolumeData
from XRayTomoLib.physics.attenuation import AttenuationModel

from .cases import ARM
from .rows import FIGURES, rounded

TICK_SECONDS = 1 / 60
DRAG_SECONDS = 3.0


def measure(rounds):
    """The rows of the live picture: 256 x 256 of the chest CT, by every method that is dragged."""
    volume = read_volume(fetch_sample("chest-ct"))
    data = VolumeData(("chest-ct",), volume.array, volume.grid, AttenuationModel())
    for method in ("joseph", "siddon", "trilinear"):
        live = LiveRadiograph()
        try:
            drag(live, data, method, 1.0)       # compiles, learns how long a pixel takes
            drags = [drag(live, data, method, DRAG_SECONDS) for _ in range(rounds)]
        finally:
            live.close()
        yield row(method, rounds, drags)


def drag(live, data, method, seconds):
    """Turns the C-arm for `seconds` as a timer of 60 Hz does: (pictures per second, pixels of the last coarse one, s to the full one)."""
    frames, target, shape = 0, None, None
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        turn = 20 * (time.perf_counter() - start)
        live.submit(Request(data, ARM.views(turn, 10.0, data.grid.centre_ras), method))
        time.sleep(TICK_SECONDS)
        frame = live.poll()
        if frame is not None:
            frames, target, shape = frames + 1, frame.target, frame.image.shape
    rate = frames / (time.perf_counter() - start)
    live.submit(Request(data, ARM.views(turn, 10.0, data.grid.centre_ras), method))
    rest = time.perf_counter()
    while frame is None or not frame.is_full:
        time.sleep(0.001)
        frame = live.poll() or frame
    return rate, shape, time.perf_counter() - rest, target


def row(method, rounds, drags):
    """The line of one method from its (pictures per second, coarse shape, seconds to the full one, target) of every round."""
    least, most = FIGURES["live"]["coarse_frames_per_second_at_least"], FIGURES["live"]["full_picture_seconds_at_most"]
    rates, shapes, full, targets = zip(*drags)
    rate, seconds = float(np.median(rates)), float(np.median(full))
    return rounded({"work": "live", "case": "chest-ct", "method": method, "target": targets[-1], "frames_per_second": rate,
                    "coarse": shapes[-1], "full_ms": 1e3 * seconds, "full_ms_most": 1e3 * max(full), "rounds": rounds,
                    "figure": f">= {least}/s, <= {most} s", "passes": rate >= least and seconds <= most})
