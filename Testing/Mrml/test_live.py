"""The worker behind the live radiograph, with tracers whose time and result the test decides."""

import time

import numpy as np
import pytest

from XRayTomoLib.geometry import carm
from XRayTomoLib.grids import CartesianGrid
from XRayTomoLib.mrml.live import COARSE_SECONDS, LiveRadiograph, Request, VolumeData
from XRayTomoLib.physics.attenuation import AttenuationModel

ROWS, COLS = 192, 256
ARM = carm("Free form").resampled(ROWS, COLS)
VOLUME = VolumeData(("a",), np.ones((4, 4, 4), np.float32), CartesianGrid.centred((4, 4, 4), 10.0), AttenuationModel("linear"))


def request(primary_deg=0.0, **changes):
    return Request(**({"volume": VOLUME, "views": ARM.views(primary_deg)} | changes))


def angle_tracer(seconds_per_pixel=0.0):
    """A picture of the view's primary angle: tells which request a frame belongs to."""

    def trace(mu, grid, views, method):
        time.sleep(seconds_per_pixel * np.prod(views.shape))
        direction = views.centre[0] - views.source[0]
        angle = np.degrees(np.arctan2(-direction[0], direction[1]))
        return np.full(views.shape, angle, np.float32), "test"

    return trace


def frames_until_idle(live, seconds=10.0):
    frames, end = [], time.monotonic() + seconds
    while live.busy:
        assert time.monotonic() < end, "the worker did not come to rest"
        frame = live.poll()
        frames += [frame] if frame else []
        time.sleep(0.001)
    return frames


@pytest.fixture
def live_with():
    made = []

    def make(tracer):
        made.append(LiveRadiograph(tracer))
        return made[-1]

    yield make
    for live in made:
        live.close()


def test_a_fast_picture_comes_full_at_once(live_with):
    live = live_with(angle_tracer())
    live.submit(request(20.0))
    frames_until_idle(live)
    live.submit(request(30.0))
    frames = frames_until_idle(live)
    assert [f.image.shape for f in frames] == [(ROWS, COLS)]
    assert frames[0].image[0, 0] == pytest.approx(30, abs=1e-3)
    assert frames[0].is_full


def test_a_slow_picture_comes_coarse_first_then_full(live_with):
    per_pixel = 0.3 / (ROWS * COLS)
    live = live_with(angle_tracer(per_pixel))
    live.submit(request())
    frames_until_idle(live)
    live.submit(request(10.0))
    coarse, full = frames_until_idle(live)
    assert coarse.image.size < ROWS * COLS
    assert coarse.image.size * per_pixel <= 1.3 * COARSE_SECONDS
    assert full.is_full
    assert full.image.shape == (ROWS, COLS)
    np.testing.assert_allclose(coarse.views.corners(), full.views.corners(), atol=1e-9)
    assert 0.25 < full.seconds < 2


def test_frames_never_go_back_while_dragging(live_with):
    live = live_with(angle_tracer(0.3 / (ROWS * COLS)))
    live.submit(request())
    frames_until_idle(live)
    angles = np.linspace(1, 60, 60)
    shown = []
    for angle in angles:
        live.submit(request(angle))
        time.sleep(0.01)
        frame = live.poll()
        shown += [float(frame.image[0, 0])] if frame else []
    last = frames_until_idle(live)
    shown += [float(f.image[0, 0]) for f in last]
    assert len(shown) > 5
    assert shown == sorted(shown)
    assert last[-1].is_full
    assert shown[-1] == pytest.approx(60, abs=1e-3)


def test_a_new_request_does_not_wait_for_a_long_picture(live_with):
    live = live_with(angle_tracer(3.0 / (ROWS * COLS)))
    live.submit(request(coarse_first=False))
    while not live.progress:
        live.poll()
        time.sleep(0.001)
    start = time.monotonic()
    live.submit(request(40.0))
    frame = None
    while frame is None:
        frame = live.poll()
        time.sleep(0.001)
    assert frame.image[0, 0] == pytest.approx(40, abs=1e-3)
    assert time.monotonic() - start < 0.5


def test_what_was_discarded_is_not_shown(live_with):
    live = live_with(angle_tracer(0.2 / (ROWS * COLS)))
    live.submit(request(10.0))
    live.discard()
    assert frames_until_idle(live) == []
    live.submit(request(20.0))
    assert frames_until_idle(live)[-1].image[0, 0] == pytest.approx(20, abs=1e-3)


def test_an_error_comes_with_the_frame_and_the_next_request_works(live_with):
    def trace(mu, grid, views, method):
        if method == "broken":
            raise ValueError("the reason")
        return angle_tracer()(mu, grid, views, method)

    live = live_with(trace)
    live.submit(request(method="broken"))
    (failed,) = frames_until_idle(live)
    assert str(failed.error) == "the reason"
    live.submit(request())
    assert frames_until_idle(live)[-1].is_full


def test_attenuation_is_computed_once_for_a_volume(live_with):
    class Counting(AttenuationModel):
        calls = 0

        def mu(self, values):
            Counting.calls += 1
            return super().mu(values)

    volume = VolumeData(("counted",), VOLUME.values, VOLUME.grid, Counting("linear"))
    live = live_with(angle_tracer())
    for angle in (0.0, 10.0, 20.0):
        live.submit(request(angle, volume=volume))
        frames_until_idle(live)
    assert Counting.calls == 1


@pytest.mark.parametrize(("shows", "expected"), [("line integral", 2.0), ("intensity", np.exp(-2.0)), ("inverted", 1 - np.exp(-2.0))])
def test_what_a_pixel_shows(live_with, shows, expected):
    live = live_with(lambda mu, grid, views, method: (np.full(views.shape, 2.0, np.float32), "test"))
    live.submit(request(shows=shows))
    np.testing.assert_allclose(frames_until_idle(live)[-1].image, expected, rtol=1e-6)
