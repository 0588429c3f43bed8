"""The articles, what each says of itself in its cases.py, and how the suites start a script."""

import atexit
import functools
import importlib
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
ARTICLES = sorted(path.parent.name for path in ROOT.glob("*/train.py"))
FURTHER = sorted(path.stem for path in ROOT.glob("more/*.py") if path.stem != "__init__")
CASES = {article: importlib.import_module(f"tests.{article}.cases") for article in ARTICLES}


def run(script, *arguments, code=0, cwd=None, **environment):
    """Runs a script, without KEXUE_DATA, and returns the finished process, which has to end with the code.

    What most scripts need takes seconds to import. So a script is forked from a process that has imported it,
    see tests/stress/warm.py, but for those of nl2sql, whose Keras is another one, and for an environment
    that matters to imports.
    """
    arguments = list(map(str, arguments))
    if environment or not can_be_forked(script):
        result = started(script, arguments, cwd, environment)
    else:
        result = forked(script, arguments, cwd)
    assert result.returncode == code, f"{result.stdout[-2000:]}\n{result.stderr[-3000:]}"
    return result


def can_be_forked(script):
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    return hasattr(os, "fork") and backend == "tensorflow" and not script.startswith("nl2sql")


def started(script, arguments, cwd=None, environment=None):
    """The script in a process of its own, as a user starts it."""
    settings = {name: value for name, value in os.environ.items() if name != "KEXUE_DATA"}
    command = [sys.executable, str(ROOT / script), *arguments]
    settings |= environment or {}
    return subprocess.run(command, cwd=cwd, env=settings, capture_output=True, text=True, timeout=300)


def forked(script, arguments, cwd=None):
    """The same in a child of the warm process."""
    with tempfile.TemporaryDirectory() as folder:
        output, errors = pathlib.Path(folder, "output"), pathlib.Path(folder, "errors")
        warm = warm_process()
        call = ("tests.stress.warm:run_script", str(ROOT / script), *arguments)
        pid = warm.start(*call, log=output, errors=errors, cwd=cwd)
        code = warm.wait(pid, 300)
        if code is None:
            os.kill(pid, signal.SIGKILL)
        text, wrong = (path.read_text(encoding="utf-8", errors="replace") for path in (output, errors))
    return subprocess.CompletedProcess([script, *arguments], code, text, wrong)


@functools.cache
def warm_process():
    """One for each process of the test suite, which ends with it."""
    from tests.stress.warm import Warm

    warm = Warm("vae.train")
    atexit.register(warm.__exit__)
    return warm


def last_line(result):
    """The last line of its errors, which are no traceback."""
    assert "Traceback" not in result.stderr
    return result.stderr.strip().splitlines()[-1]


def load(path):
    """The object that "module:name.of.it" names."""
    module, _, names = path.partition(":")
    found = importlib.import_module(module)
    for name in names.split("."):
        found = getattr(found, name)
    return found
