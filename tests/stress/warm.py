"""A process that has imported a script with its TensorFlow, and forks a child for each run of it.

The import takes seconds, a fork milliseconds. It works because nothing was computed before the fork:
TensorFlow starts its threads with its first operation. A child can be told to be killed, or to lose its run
folder, at its n-th access to a file: Python's audit hooks report these before they happen, so the scripts
need no hooks of their own.

This file is also the program of the warm process: python tests/stress/warm.py MODULE.
"""

import collections
import importlib
import json
import os
import pathlib
import re
import resource
import runpy
import shutil
import signal
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Warm:
    """A warm process; `with Warm("vae.train") as warm` ends it."""

    def __init__(self, module, **environment):
        clean = {name: value for name, value in os.environ.items() if name != "KEXUE_DATA"}
        self.process = subprocess.Popen(
            [sys.executable, "-u", __file__, module],
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**clean, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT), **environment},
        )
        self._answer()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.stdin.close()
        self.process.wait()

    def _answer(self):
        while line := self.process.stdout.readline():
            if line.startswith("answer "):          # an import may print, too
                return json.loads(line.removeprefix("answer "))
        raise RuntimeError("the warm process has ended; its error stands above")

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request, default=str) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def start(self, call, *arguments, log, **options):
        """Forks a child that calls "module:function" with the arguments, and returns its number; see
        `child`."""
        return self.ask(call=call, arguments=arguments, log=log, **options)

    def wait(self, pid, seconds=600):
        """Its exit code, minus the signal that ended it, or None where it still runs after so many
        seconds."""
        return self.ask(wait=pid, seconds=seconds)

    def run(self, call, *arguments, log, **options):
        """Start and wait: (exit code, what it printed)."""
        pid = self.start(call, *arguments, log=log, **options)
        code = self.wait(pid)
        if code is None:
            os.kill(pid, signal.SIGKILL)
            self.wait(pid)
        return code, pathlib.Path(log).read_text(errors="replace")

    def call(self, function, *arguments, folder):
        """The value of "module:function" in a child, by way of JSON; what went wrong there is raised here."""
        result, log = pathlib.Path(folder) / "result.json", pathlib.Path(folder) / "log.txt"
        pid = self.start("tests.stress.warm:to_file", function, arguments, result, log=log)
        while (code := self.wait(pid)) is None:
            pass
        if code:
            raise RuntimeError(f"{function} ended with {code}:\n{log.read_text(errors='replace')[-3000:]}")
        return json.loads(result.read_text())


def serve():
    """Reads requests, one a line: fork a child, or wait for one."""
    for line in sys.stdin:
        request, answer = json.loads(line), None
        if "wait" in request:
            end = time.monotonic() + request["seconds"]
            while (found := os.waitpid(request["wait"], os.WNOHANG))[0] == 0 and time.monotonic() < end:
                time.sleep(0.002)
            answer = os.waitstatus_to_exitcode(found[1]) if found[0] else None
        elif (answer := os.fork()) == 0:
            child(**request)
        print("answer", json.dumps(answer), flush=True)


def child(
    call,
    arguments,
    log,
    errors=None,
    cwd=None,
    environment=None,
    out=None,
    record=None,
    at=None,
    delay=0.0,
    act="kill",
    limit=None,
):
    """Calls call(*arguments) and never returns.

    Args:
        log: file for what it prints.
        errors: file for its standard error; by default the log.
        cwd: its working directory.
        environment: changes of it; None takes a variable away.
        out: folder below which accesses to files are counted; what lies elsewhere counts as "read".
        record: file that gets a line of seconds and name for each access.
        at: [name, n], the access at which, `delay` seconds later, the child is killed or its run folder
            removed, see `act`.
        limit: bytes that a file may have, as on a full disk.
    """
    redirect(log, errors)
    os.chdir(cwd or ROOT)
    for name, value in (environment or {}).items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    if out:
        sys.addaudithook(watch(out, open(record, "w") if record else None, at, delay, act))
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    os._exit(exit_code_of(call, arguments))


def redirect(log, errors=None):
    """Standard output and standard error to files, nothing as standard input."""
    def opened(path):
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)

    os.dup2(opened(log), 1)
    os.dup2(opened(errors) if errors else 1, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)


def exit_code_of(call, arguments):
    """The exit code of a process that does nothing but this call, whose last words are printed as Python
    does."""
    try:
        module, _, name = call.partition(":")
        getattr(importlib.import_module(module), name)(*arguments)
        return 0
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        print(error.code, file=sys.stderr)
        return 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def watch(out, record, at, delay, act):
    """The audit hook: names each access to a file, and acts at the chosen one."""
    seen, start = collections.Counter(), time.monotonic()

    def hook(event, arguments):
        path = path_of(event, arguments)
        name = path and name_of(event, arguments, path, str(out))
        if not name:
            return
        seen[name] += 1
        if record:
            record.write(f"{time.monotonic() - start:.4f} {name}\n")
            record.flush()
        if at != [name, seen[name]]:
            return
        if act == "remove":
            shutil.rmtree(pathlib.Path(path).parent)
        elif delay:
            threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()
        else:
            os.kill(os.getpid(), signal.SIGKILL)

    return hook


VERBS = {"open": "write", "os.mkdir": "mkdir", "os.rename": "replace"}


def path_of(event, arguments):
    """The path that an event of Python's audit hooks is about, or None for one that accesses no file by
    name."""
    if event not in VERBS or not isinstance(arguments[0], (str, os.PathLike)):
        return None
    path = os.fspath(arguments[1 if event == "os.rename" else 0])
    return path if isinstance(path, str) else None


def name_of(event, arguments, path, out):
    """What an access is called: "read" outside the folder `out`, else what is done to which file; None for
    the rest."""
    if not path.startswith(out):
        return "read" if event == "open" else None
    if event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
        return None
    if event == "os.mkdir" and path.count(os.sep) == out.count(os.sep) + 2:
        return "mkdir run"
    file = re.sub(r"^[.][0-9]+[.]", "", os.path.basename(path))
    return f"{VERBS[event]} {file}"


def run_script(path, *arguments):
    """The script as a user starts it, in a process that has imported what it needs."""
    sys.argv = [path, *map(str, arguments)]
    runpy.run_path(path, run_name="__main__")


def run_code(code):
    """Python code as `python -c` runs it."""
    sys.path.insert(0, os.getcwd())
    exec(code, {"__name__": "__main__"})


def to_file(function, arguments, path):
    """Writes the value of "module:function" as JSON."""
    module, _, name = function.partition(":")
    value = getattr(importlib.import_module(module), name)(*arguments)
    pathlib.Path(path).write_text(json.dumps(value))


if __name__ == "__main__":
    importlib.import_module(sys.argv[1])
    sys.path[0] = str(ROOT)          # not tests/stress/
    print("answer true", flush=True)
    serve()
