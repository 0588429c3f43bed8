"""Every number among the options of a training script at its least and at its greatest value, in whole runs.

A run may end, be refused with one line, or train until its time is over, as it was asked to; it may not end
with a traceback, be killed by the system or hang before it has a run folder.
"""

import importlib
import os
import signal

from tests.stress.processes import clean


def options_of(article):
    """[option, value as it is typed] for both ends of every number; to be called in a process of the
    article's own, whose Keras may be another one."""
    from common.harness import cli

    found = []
    for name, limits in cli.limits_of(importlib.import_module(f"{article}.train").Config):
        ends = (limits.least, limits.most)
        found += [(cli.option(name), str(end)) for end in ends if end is not None]
    return found


def ends(script, warm, place, seconds, options=None):
    """The figures of one script.

    Args:
        seconds: after which a run that trains is stopped.
        options: those of options_of by default.
    """
    found = {"runs": 0, "ended": 0, "refused": 0, "stopped": 0, "faults": []}
    for name, value in options or warm.call("tests.stress.ends:options_of", script.article, folder=place):
        folder = place / f"run-{found['runs']}"
        folder.mkdir()
        outcome = one(script, warm, folder, name, value, seconds)
        found["runs"] += 1
        if outcome in found:
            found[outcome] += 1
        else:
            found["faults"].append(f"{name}={value}: {outcome}")
    return found


def one(script, warm, folder, name, value, seconds):
    """One run: "ended", "refused", "stopped", or what was wrong with it."""
    log = folder / "log.txt"
    arguments = [*script.options.split(), f"{name}={value}", "--out", folder / "out"]
    pid = warm.start("tests.stress.warm:run_script", script.path, *arguments, log=log)
    code = warm.wait(pid, seconds)
    if code is None:
        os.kill(pid, signal.SIGKILL)
        warm.wait(pid)
    return judged(code, log.read_text(errors="replace"), bool(list(folder.glob("out/*/*"))))


def judged(code, text, begun):
    """The same of a run's exit code, None where it was stopped, what it printed, and whether it made its run
    folder."""
    if code == 0:
        return "ended"
    if code is None and begun:
        return "stopped"
    if code is None:
        return f"it hung: {text[-300:]}"
    reasons = ("expects? ", "expected ", "diverged", "finite number", "grown to", "needs more memory")
    return clean(code, text, *reasons) or "refused"
