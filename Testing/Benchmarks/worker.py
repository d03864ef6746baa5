"""One backend in a process of its own. Asked by JSON lines on stdin, it answers by JSON lines on stdout.

{"do": "prepare", adapter, work, case, folder, options} -> {"usual_s", "extra_mb", "target"}
{"do": "run", "count"} -> {"wall": [...], "cpu": [...]}
{"do": "save", "path"} -> {}
An error is answered by {"error"}.
"""
import gc
import json
import os
import sys
import time
import traceback

import numpy as np


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)                       # what packages print must not mix with the answers
    state = Worker()
    for line in sys.stdin:
        question = json.loads(line)
        try:
            answer = getattr(state, question.pop("do"))(**question)
        except Exception as problem:    # the parent reports it as this backend's row
            traceback.print_exc()
            answer = {"error": f"{type(problem).__name__}: {problem}"[:500]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


class Worker:
    def prepare(self, adapter, work, case, folder, options):
        from Benchmarks.backends import step_of, target_of
        from Benchmarks.cases import Case
        case = Case.load(case, folder)
        step_of(adapter, work, case.tiny(), options)()      # compiles
        self.step = step_of(adapter, work, case, options)
        with Peak() as peak:
            self.last = self.step()
        extra_mb = None if peak.mb is None else max(0.0, peak.mb - np.asarray(self.last).nbytes / 2**20)
        start = time.perf_counter()
        self.last = self.step()                             # what is made once a volume stands now
        return {"usual_s": time.perf_counter() - start, "extra_mb": extra_mb, "target": target_of(adapter, case)}

    def run(self, count):
        wall, cpu = [], []
        for _ in range(count):
            cpu0, wall0 = time.process_time(), time.perf_counter()
            self.last = self.step()
            wall.append(time.perf_counter() - wall0)
            cpu.append(time.process_time() - cpu0)
        return {"wall": wall, "cpu": cpu}

    def save(self, path):
        np.save(path, np.asarray(self.last))
        return {}


class Peak:
    """Growth of the resident memory's peak in a block, `mb`; None where the system does not tell (only Linux does)."""

    def __enter__(self):
        gc.collect()
        self.mb = None
        if sys.platform == "linux":
            import ctypes
            ctypes.CDLL(None).malloc_trim(0)        # memory freed earlier must not hide new need
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")                     # the peak starts anew
            self.before = self._read("VmRSS")
        return self

    def __exit__(self, *_):
        if sys.platform == "linux":
            self.mb = self._read("VmHWM") - self.before

    @staticmethod
    def _read(name):
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) / 1024 for line in file if line.startswith(name + ":"))


if __name__ == "__main__":
    main()
