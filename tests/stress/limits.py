"""Memory and seconds that reading a file adds to a process, for every reader, under files that exhaust it.

    python tests/stress/limits.py "xlsx with row 99999999999"     one of BOMBS or LARGEST, measured; else all

Three lists of files of 10 MB at most: bombs.BOMBS, each of which once took gigabytes or minutes and has to
be refused; bombs.LARGEST, the most that is taken; and for every reader that is fuzzed, each of its texts
with long contents, which may be taken or refused. Each is made in one process and read in another one,
which has imported the reader before.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

import collections
import json
import os
import re
import resource
import signal
import tempfile
import time

from common.harness.reading import InputError
from tests.articles import load
from tests.stress.bombs import BOMBS, LARGEST, SIZE

MEGABYTES, SECONDS = 500, 5.0          # that reading may add: of memory, and of CPU time
LONGEST = 60                           # seconds, of CPU time and of the clock, after which a reader is killed
TEXTS = (".txt", ".json", ".jsonl", ".csv", ".tsv")


# ---------------------------------------------------------------------------------------------------- readers

def images(path):
    from common.harness import datasets

    return datasets.load_images(str(path))


def vectors(path):
    from dgcnn.vectors import load_vectors

    return load_vectors(path, collections.Counter(), 100)


def tableqa(path):
    from nl2sql.corpus import read_records

    return read_records(path.with_name("questions.json"), path)


# ----------------------------------------------------------------------------------------- in child processes

def in_child(function, *arguments):
    """What the function returns, as JSON, from a child of this process; a fault where it never does."""
    receiving, sending = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if not child:
        os.close(receiving)
        silence()
        signal.alarm(LONGEST)
        used = int(time.process_time())
        resource.setrlimit(resource.RLIMIT_CPU, (used + LONGEST, used + LONGEST))
        try:
            answer = function(*arguments)
        except BaseException as error:
            answer = {"outcome": "fault", "message": f"{error!r:.300}"}
        os.write(sending, json.dumps(answer).encode())
        os._exit(0)
    os.close(sending)
    with open(receiving, "rb") as answers:
        answer = answers.read()
    _, status = os.waitpid(child, 0)
    if answer:
        return json.loads(answer)
    return {"outcome": "fault", "message": f"killed by signal {status & 127}, or after {LONGEST} seconds"}


def silence():
    """From here on this process prints nothing."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def memory(field):
    """VmRSS of this process, or VmHWM, its peak, in bytes."""
    status = pathlib.Path("/proc/self/status").read_text()
    return 1024 * int(re.search(rf"{field}:\s+(\d+) kB", status)[1])


def measured(read, path):
    """{"outcome", "message", "megabytes", "seconds"} of reading a path in this process."""
    pathlib.Path("/proc/self/clear_refs").write_text("5")               # the peak begins anew
    before, clock = memory("VmRSS"), time.process_time()
    outcome, message = "taken", ""
    try:
        read(path)
    except InputError as error:
        outcome, message = "refused", str(error)
    except Exception as error:
        outcome, message = "fault", f"{error!r:.300}"
    seconds = time.process_time() - clock
    return {"outcome": outcome, "message": message, "seconds": seconds,
            "megabytes": (memory("VmHWM") - before) / 1e6}


def made(make, folder):
    """The path of a file, written into a folder, as text."""
    path = pathlib.Path(make(folder))
    size = path.stat().st_size if path.is_file() else 0
    if size > SIZE:
        raise ValueError(f"{path} has {size:,} bytes")
    return str(path)


def of_file(reader, make, folder):
    """The figures of one file of BOMBS or LARGEST."""
    path = in_child(made, make, folder)
    if not isinstance(path, str):
        return path
    return in_child(measured, load(reader), pathlib.Path(path))


# ---------------------------------------------------------------------------------------------- long contents

def repeated(content):
    return content * (SIZE // max(1, len(content)))


LONG = {
    "again and again": repeated,
    "one line": lambda content: repeated("春".encode()),
    "empty lines": lambda content: repeated(b"\n"),
    "short lines": lambda content: repeated("春风\t山水\n".encode()),
    "brackets": lambda content: repeated(b"["),
    "lists": lambda content: b"[" + repeated(b"[],") + b"[]]",
    "objects": lambda content: b"[" + repeated(b'{"":0},') + b"{}]",
    "blanks before it": lambda content: repeated(b" ")[len(content):] + content,
}


def of_long_contents(name, folder):
    """(what it is, figures) for each text that a reader reads, and each kind of long content."""
    from tests.stress.readers import READERS

    valid, read = READERS[name][1]()
    for file in valid:
        if pathlib.Path(file).suffix in TEXTS:
            for kind in LONG:
                yield f"{name}, {kind} in {file}", in_child(measured_long, read, folder, valid, file, kind)


def measured_long(read, folder, valid, file, kind):
    """The figures of long content in one of the files, after what is valid was read: it imports the rest."""
    for name, content in valid.items():
        (folder / name).write_bytes(content)
    read(folder)
    (folder / file).write_bytes(LONG[kind](valid[file])[:SIZE])
    return measured(read, folder)


# -------------------------------------------------------------------------------------------------------- all

def fault_of(found, to_refuse):
    """What is wrong with the figures of a file, or None."""
    if found["outcome"] == "fault":
        return found["message"]
    if to_refuse and found["outcome"] != "refused":
        return "taken"
    if found["megabytes"] > MEGABYTES or found["seconds"] > SECONDS:
        return f"{found['outcome']} with {found['megabytes']:.0f} MB in {found['seconds']:.1f} s"
    return None if "\n" not in found["message"] else f"more than a line: {found['message']!r:.200}"


def all_files(folder):
    """(what it is, whether it has to be refused, figures) of all files, each in a folder of its own."""
    from tests.stress.readers import READERS

    for number, (name, (reader, make)) in enumerate((BOMBS | LARGEST).items()):
        place = folder / f"{number}"
        place.mkdir()
        yield name, name in BOMBS, of_file(reader, make, place)
    for number, name in enumerate(READERS):
        place = folder / f"long-{number}"
        place.mkdir()
        for what, found in of_long_contents(name, place):
            yield what, False, found


def limits(place):
    """The figures of the part: files, how many were refused, the most memory, the most time, and faults."""
    totals = {"files": 0, "refused": 0, "megabytes": 0, "milliseconds": 0, "faults": []}
    for name, to_refuse, found in all_files(pathlib.Path(place)):
        totals["files"] += 1
        totals["refused"] += found["outcome"] == "refused"
        totals["megabytes"] = max(totals["megabytes"], round(found.get("megabytes", 0)))
        totals["milliseconds"] = max(totals["milliseconds"], round(1000 * found.get("seconds", 0)))
        if fault := fault_of(found, to_refuse):
            totals["faults"].append(f"{name}: {fault}")
        print(f"{found['outcome']:>8} {found.get('megabytes', 0):6.0f} MB {found.get('seconds', 0):6.2f} s  "
              f"{name}: {found['message'][:200]}", flush=True)
    return totals


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="kexue-limits-") as scratch:
        if len(sys.argv) > 1:
            print(json.dumps(of_file(*(BOMBS | LARGEST)[sys.argv[1]], pathlib.Path(scratch))))
        else:
            print(json.dumps(limits(scratch)))
