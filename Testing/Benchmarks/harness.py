"""Backends in processes of their own, run in turn: in every round each works once or a few times, so that load of the machine
falls on all alike and warm is compared with warm."""
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from .rows import Measured

ROOT = Path(__file__).resolve().parents[2]


class BackendError(RuntimeError):
    """A backend that could not do its work; the message is its own."""


class Backend:
    """A worker process that has done the work once. `name` is how rows call it."""

    def __init__(self, python, name, adapter, work, case, folder, options, log):
        paths = [str(ROOT), str(ROOT / "Testing"), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        self.name = name
        self.process = subprocess.Popen([python, "-m", "Benchmarks.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                        text=True, env=environment)
        try:
            answer = self.ask(do="prepare", adapter=adapter, work=work, case=case, folder=str(folder), options=options)
        except BackendError:
            self.close()
            raise
        self.measured = Measured(name, None, extra_mb=answer["extra_mb"], target=answer["target"])
        self.usual_s = answer["usual_s"]

    def ask(self, **question):
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"error": "the process ended"}
        if "error" in answer:
            raise BackendError(f"{self.name}: {answer['error']}")
        return answer

    def work(self):
        """One round: several runs of what is fast, one of what is slow."""
        answer = self.ask(do="run", count=1 if self.usual_s > 2 else 3 if self.usual_s > 0.2 else 7)
        self.measured.wall += answer["wall"]
        self.measured.cpu += answer["cpu"]
        self.usual_s = min(self.measured.wall)

    def finish(self, folder):
        path = Path(folder) / f"{self.name.replace(' ', '_')}.npy"
        self.ask(do="save", path=str(path))
        self.measured.result = np.load(path)
        self.close()
        return self.measured

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def compare(python, case, backends, folder, rounds):
    """{name: Measured} of the `backends`, rows of (name, adapter, work, options), over `rounds` interleaved rounds of the saved `case`.

    A backend that fails is told on stderr and left out.
    """
    alive = []
    with tempfile.TemporaryDirectory() as results, open(Path(folder) / "workers.log", "a") as log:
        try:
            for name, adapter, work, options in backends:
                try:
                    alive.append(Backend(python, name, adapter, work, case, folder, options, log))
                except BackendError as problem:
                    print(f"left out: {problem}", file=sys.stderr)
            for _ in range(rounds):
                for backend in alive:
                    backend.work()
            return {backend.name: backend.finish(results) for backend in alive}
        finally:
            for backend in alive:
                if backend.process.poll() is None:
                    backend.close()
