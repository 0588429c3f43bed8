"""The one clock of all contenders. Python 3.7 and nothing else is needed, since the originals' Keras 2 runs
there."""

import json
import resource
import time


def rate(work, count, seconds=0.0):
    """Does the work, on `count` samples, again and again for so many seconds, at least once; samples per
    second."""
    start, repeats = time.perf_counter(), 0
    while not repeats or time.perf_counter() - start < seconds:
        work()
        repeats += 1
    return count * repeats / (time.perf_counter() - start)


def report(work, count, repeats=3):
    """Does the work once to warm up and `repeats` times more; prints for run.py, as JSON, the peak of the
    process's memory and the samples per second of each."""
    work()
    speeds = [rate(work, count) for _ in range(repeats)]
    print(json.dumps({"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))
    print(json.dumps(speeds))
