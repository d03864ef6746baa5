"""Jobs: steps, the worker of live pictures under pressure, hashes and provenance."""
import json
import threading

import numpy as np
import pytest

from XRayTomoLib.jobs import JobThread, LatestWorker, Step, mapped, provenance, run, sha256_of


def wait_until_taken(worker, attempts=500):
    pause = threading.Event()
    for _ in range(attempts):
        found = worker.take()
        if found is not None:
            return found
        pause.wait(0.01)
    raise AssertionError("the worker gave no result within 5 s")


def test_run_follows_a_job_to_its_result():
    def job():
        for i in range(3):
            yield Step(i, 3)
        return "done"
    seen = []
    assert run(job(), seen.append) == "done" and [s.index for s in seen] == [0, 1, 2]


def test_run_hands_on_errors():
    def job():
        yield Step(0)
        raise ValueError("no such voxel")
    with pytest.raises(ValueError, match="no such voxel"):
        run(job())


def test_only_the_newest_waiting_request_is_worked_on():
    begun, gate, done = threading.Event(), threading.Event(), []

    def compute(request):
        begun.set()
        assert gate.wait(5)
        done.append(request)
        return request * 10
    worker = LatestWorker(compute)
    assert worker.submit(1) == 1 and begun.wait(5) and worker.busy
    for request in (2, 3, 4):
        number = worker.submit(request)
    gate.set()
    results = [wait_until_taken(worker)]
    while results[-1][0] < number:
        results.append(wait_until_taken(worker))
    assert done == [1, 4] and results[-1] == (4, 4, 40, None)
    assert [r[0] for r in results] == sorted(r[0] for r in results)
    assert not worker.busy and worker.take() is None and worker.close()


def test_worker_survives_an_error_and_hands_it_over():
    worker = LatestWorker(lambda request: 1 / request)
    worker.submit(0)
    number, request, result, error = wait_until_taken(worker)
    assert (number, request, result) == (1, 0, None) and isinstance(error, ZeroDivisionError)
    worker.submit(2)
    assert wait_until_taken(worker)[2] == 0.5
    assert worker.close()


def test_close_ends_the_thread_and_says_when_it_cannot():
    begun, gate = threading.Event(), threading.Event()
    worker = LatestWorker(lambda request: (begun.set(), gate.wait(5)))
    worker.submit(1)
    assert begun.wait(5) and not worker.close(timeout=0.05)
    gate.set()
    assert worker.close()


def test_hash_depends_on_values_shape_and_type():
    a = np.arange(6, dtype=np.float32)
    assert sha256_of(a) == sha256_of(np.repeat(a, 2)[::2])
    assert len({sha256_of(x) for x in (a, a.reshape(2, 3), a.astype(np.float64), a + 1, a.view(np.int32))}) == 5


def test_provenance_is_json():
    record = provenance("drr", {"ct": "chest.nrrd"}, {"primary_deg": 30.0})
    assert json.loads(json.dumps(record)) == record
    assert record["operation"] == "drr" and record["inputs"]["ct"] == "chest.nrrd" and record["software"].startswith("XRayTomo ")


def endless(closed):
    try:
        index = 0
        while True:
            yield Step(index)
            index += 1
    finally:
        closed.set()


def test_a_job_in_its_thread_gives_its_result_and_its_newest_step():
    def job():
        for i in range(100):
            yield Step(i, 100)
        return "done"
    thread = JobThread(job())
    thread._thread.join(5)
    assert not thread.running and thread.result == "done" and thread.error is None and not thread.cancelled
    assert thread.take().index == 99 and thread.take() is None


def test_a_cancelled_job_is_closed():
    closed = threading.Event()
    thread = JobThread(endless(closed))
    assert thread.cancel() and closed.is_set()
    assert thread.cancelled and thread.result is None and thread.error is None


def test_the_error_of_a_job_is_handed_over():
    def job():
        yield Step(0)
        raise ValueError("no such voxel")
    thread = JobThread(job())
    thread._thread.join(5)
    assert str(thread.error) == "no such voxel" and not thread.running


def test_mapped_jobs_change_steps_keep_the_result_and_close_what_they_wrap():
    closed = []

    def job():
        try:
            for n in range(3):
                yield Step(n)
            return "done"
        finally:
            closed.append(True)
    told = []
    assert run(mapped(job(), lambda step: Step(10 + step.index)), lambda step: told.append(step.index)) == "done"
    assert told == [10, 11, 12] and closed == [True]
    left = mapped(job(), lambda step: step)
    next(left)
    left.close()
    assert closed == [True, True]
