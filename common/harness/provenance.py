"""Where a number comes from: the commit, the machine and the versions that results.json names.

No Keras in here.
"""

import contextlib
import importlib.metadata
import os
import pathlib
import platform
import subprocess

from common.harness.writing import ROOT


def commit():
    """The commit of this repository, with -modified where files differ from it, or None outside of git."""
    try:
        changed = _git("status", "--porcelain", "-uno")
        return _git("rev-parse", "--short=12", "HEAD") + ("-modified" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*arguments):
    result = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return result.stdout.strip()


def machine():
    """Processor, cores and system."""
    processor = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
        processor = names[0] if names else processor
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{processor}, {cores} cores, {platform.system()}"


def versions(packages):
    """Versions of Python and of these packages."""
    found = {name: importlib.metadata.version(name) for name in packages}
    return {"python": platform.python_version(), **found}
