"""Fuzzing that watches which lines of a reader run: libFuzzer, by atheris, goes on from the inputs that
reached new ones.

    python tests/stress/guided.py couplets 100000     libFuzzer ends the process, so each reader has its own

Where readers.fuzz edits valid files at random, this finds its way through their syntax. Bytes decide alone:
the first one says which file they replace. atheris is no requirement, `make stress` installs it where there
is one for this Python.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGES = ["common", *(path.parent.name for path in ROOT.glob("*/train.py"))]
LONGEST = 1 << 14               # bytes of an input


def guided(name, count, seconds=20, program=__file__):
    """At most `count` inputs for a reader, in at most so many seconds: {"guided", "faults"}; none without
    atheris."""
    try:
        import atheris  # noqa: F401
    except ImportError:
        return {"guided": 0, "faults": []}
    with tempfile.TemporaryDirectory(prefix="kexue-fuzz-") as folder:
        result = subprocess.run(
            [sys.executable, program, name, str(count), str(seconds)],
            cwd=folder,
            text=True,
            errors="replace",
            capture_output=True,
            stdin=subprocess.DEVNULL,
        )
    done = re.search(r"number_of_executed_units: (\d+)", result.stderr)
    _, raised, error = result.stdout.partition("=== Uncaught Python exception: ===")
    if done and not result.returncode:
        return {"guided": int(done[1]), "faults": []}
    text = error if raised else result.stderr
    return {"guided": int(done[1]) if done else 0, "faults": [text.strip()[-900:]]}


def main(name, count, seconds="20"):
    import atheris

    sys.path.insert(0, str(ROOT))
    with atheris.instrument_imports(include=PACKAGES, enable_loader_override=False):
        from tests.stress import readers

        valid, read = readers.READERS[name][1]()
    files, corpus = list(valid), pathlib.Path("corpus")
    corpus.mkdir()
    for i, file in enumerate(files):
        (corpus / str(i)).write_bytes(bytes([i]) + valid[file])
    with readers.scratch() as folder:

        def one(data):
            spoiled = {files[data[0] % len(files)]: data[1:]} if data else {}
            readers.attempt(read, folder, {**valid, **spoiled})

        atheris.Setup(
            [
                sys.argv[0],
                f"-runs={count}",
                f"-max_total_time={seconds}",
                f"-max_len={LONGEST}",
                "-seed=1",
                "-timeout=60",
                "-rss_limit_mb=0",
                "-print_final_stats=1",
                str(corpus),
            ],
            one,
        )
        atheris.Fuzz()                                       # ends the process


if __name__ == "__main__":
    main(*sys.argv[1:])
