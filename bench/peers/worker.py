"""One peer in a process of its own: python -m peers.worker MODULE. Reads requests from stdin, one JSON object a line, and
answers each with one on stdout:

    {"do": "load", "folder": F}    F/spec.json, F/data.npz, F/start.npz  ->  {"compile_s": s, "versions": {...}}
    {"do": "check"}                ->  {"values": [...]}
    {"do": "time", "seconds": s}   ->  {"wall": seconds a step, "cpu": likewise of all its threads; over at least s seconds}
    {"do": "memory"}               ->  {"peak_mb": of this process}

An answer {"missing": reason} says that the peer cannot do it; {"error": text} is a fault.
"""
import importlib
import json
import os
import resource
import sys
import time
import traceback

import numpy as np

from peers import Missing


def arrays(path):
    with np.load(path) as z:
        return [z[k] for k in z.files]


class Worker:
    def __init__(self, module):
        self.peer = importlib.import_module(module)
        self.job = None

    def load(self, request):
        folder = request["folder"]
        with open(os.path.join(folder, "spec.json"), encoding="utf-8") as f:
            spec = json.load(f)
        spec["folder"] = folder
        self.job = self.peer.build(spec, arrays(os.path.join(folder, "data.npz")), arrays(os.path.join(folder, "start.npz")))
        start = time.perf_counter()
        self.job.compile()
        return {"compile_s": time.perf_counter() - start, "versions": self.peer.versions()}

    def check(self, _):
        return {"values": [float(x) for x in self.job.check()]}

    def time(self, request):
        steps, start, cpu = 0, time.perf_counter(), time.process_time()
        while True:
            steps += self.job.run()
            spent = time.perf_counter() - start
            if spent >= request["seconds"]:
                return {"wall": spent / steps, "cpu": (time.process_time() - cpu) / steps}

    def memory(self, _):
        return {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def main():
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    os.dup2(2, 1)                                # whatever a package prints must not get between the answers,
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)             # nor may its processes read the requests

    def answer(value):
        answers.write(json.dumps(value) + "\n")
        answers.flush()
    try:
        worker = Worker(sys.argv[1])
    except ImportError as e:
        answer({"missing": f"not installed: {e}"})
        return
    answer({"ready": True})
    for line in requests:
        request = json.loads(line)
        try:
            answer(getattr(worker, request["do"])(request))
        except Missing as e:
            answer({"missing": str(e)})
        except Exception as e:                   # a fault of the peer is a finding, to be reported with its text
            traceback.print_exc()
            answer({"error": f"{type(e).__name__}: {str(e).strip().splitlines()[0] if str(e).strip() else ''}"[:300]})


if __name__ == "__main__":
    main()
