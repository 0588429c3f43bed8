"""Training scripts that are killed, starved of disk, robbed of their folder, doubled, driven to NaN, or run
twice.

Every part takes (script, warm, place) and returns its figures; `faults` in them lists what went wrong,
which should be nothing.
"""

import collections
import contextlib
import csv
import functools
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import tempfile

AIMS = ("reading", "first step", "epoch end", "writing", "anywhere")
CHAIN = 6               # kills of one run before it may end
BEST = ("model.keras", "weights.npz")
EPOCH_END = re.compile("(write|replace) (checkpoint.npz|model.keras|weights.npz|log.csv)")


@contextlib.contextmanager
def scratch_folder():
    """A folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="kexue-stress-") as folder:
        yield pathlib.Path(folder)


def begin(script, warm, folder, **options):
    """A new run below folder, to its end or to where the options of warm.child stop it: (run folder or None,
    code, text)."""
    out = folder / "out"
    code, text = warm.run(
        "tests.stress.warm:run_script",
        script.path,
        *script.options.split(),
        *options.pop("more", ()),
        "--out",
        out,
        log=folder.with_suffix(".txt"),
        out=out,
        **options,
    )
    return next(iter(out.glob("*/*")), None), code, text


def resume(script, warm, run, **options):
    """The same for a run that was stopped: (code, what it printed)."""
    log = run.parents[2].with_suffix(".resume.txt")
    log.unlink(missing_ok=True)
    return warm.run(
        "tests.stress.warm:run_script", script.path, "--resume", run, log=log, out=run.parents[1], **options
    )


def outcome(run):
    """What must not depend on kills: the rows of log.csv and the metrics, all but the times."""
    rows = list(csv.DictReader((run / "log.csv").read_text().splitlines()))
    for row in rows:
        del row["seconds"]
    metrics = json.loads((run / "results.json").read_text())["metrics"]
    return rows, {name: value for name, value in metrics.items() if not name.endswith("_per_second")}


def printed(value):
    """The same to the digits that are printed."""
    rows, metrics = value
    return [list(map(rounded, row.values())) for row in rows], {
        name: rounded(x) for name, x in metrics.items()
    }


def rounded(number):
    return f"{float(number):.4g}"


def clean(code, text, *patterns):
    """None where a run ended with code 2 and one line that has one of the patterns, else what it did
    instead."""
    last = text.strip().splitlines()[-1] if text.strip() else ""
    right = (
        code == 2
        and "Traceback" not in text
        and last.startswith("error: ")
        and re.search("|".join(patterns), last)
    )
    return None if right else f"code {code}: {text[-600:]}"


@functools.cache
def uninterrupted(script, warm, folder):
    """(run folder, accesses to files as (seconds, name, how often before)) of a run that nothing disturbs."""
    folder.mkdir()
    run, code, text = begin(script, warm, folder, record=folder / "accesses.txt")
    if code:
        raise RuntimeError(f"{script.path} {script.options} ended with {code}:\n{text[-2000:]}")
    seen, accesses = collections.Counter(), []
    for line in (folder / "accesses.txt").read_text().splitlines():
        seconds, name = line.split(" ", 1)
        seen[name] += 1
        accesses.append((float(seconds), name, seen[name]))
    return run, accesses


# ------------------------------------------------------------------------------------------------------ kills

def moment(aim, accesses, rng):
    """(options for warm.child, or seconds after which to kill) for a kill at a random moment of this kind."""
    made = next(i for i, (_, name, _) in enumerate(accesses) if name == "mkdir run")
    first_end = next(i for i, (_, name, _) in enumerate(accesses) if EPOCH_END.match(name))
    if aim == "anywhere":
        return rng.uniform(0, accesses[-1][0])
    if aim == "first step":     # in the longest silence before the first files of an epoch's end
        longest = max(range(made, first_end), key=lambda i: accesses[i + 1][0] - accesses[i][0])
        (begin, name, number), (end, *_) = accesses[longest], accesses[longest + 1]
        return {"at": [name, number], "delay": rng.uniform(0.01, end - begin)}
    choice = {"reading": accesses[:made], "epoch end": [a for a in accesses if EPOCH_END.match(a[1])],
              "writing": accesses[made:]}[aim]
    _, name, number = rng.choice(choice)
    return {
        "at": [name, number],
        "delay": 0.0 if aim == "reading" or rng.random() < 0.5 else rng.uniform(0.0005, 0.02),
    }


def kill(script, warm, place, count, seed=0):
    """Kills runs at random moments and continues them, CHAIN times each, until `count` kills have hit."""
    chains = Chains(script, warm, place, count, seed)
    while sum(chains.kills.values()) < count:
        chains.one()
    kills, faults = chains.kills, chains.faults
    return {"kills": sum(kills.values()), "aimed at": dict(kills), **chains.found, "losses": len(faults),
            "faults": faults}


class Chains:
    """Runs that are killed and continued again and again; what became of them."""

    def __init__(self, script, warm, place, count, seed):
        self.script, self.warm, self.place, self.count = script, warm, place, count
        self.rng = random.Random(f"{script.article} {seed}")
        self.whole, self.accesses = uninterrupted(script, warm, place / "whole")
        self.kills, self.faults = collections.Counter(), []
        self.found = {"runs": 0, "resumes": 0, "restarts": 0, "bit for bit": 0}

    def one(self):
        """One run, from its beginning to its end."""
        folder = self.place / f"chain-{self.found['runs']}"
        folder.mkdir()
        self.found["runs"] += 1
        before, run, hits = len(self.faults), None, 0
        ended = False
        while not ended:
            run, aim, code, text = self._attempt(folder, run, hits)
            if code == -9:
                self.kills[aim] += 1
                hits += 1
                run, ended = self._after_a_kill(run)
            else:
                ended = True
                if code:
                    self.faults.append(f"after a kill: code {code}: {text[-600:]}")
        if len(self.faults) == before:
            self._compare(run)
        shutil.rmtree(folder)

    def _attempt(self, folder, run, hits):
        """A start, new or resumed, with a kill while there are some left: (run folder, what it aimed at,
        code, text)."""
        left = hits < CHAIN and sum(self.kills.values()) < self.count
        aim = self.rng.choice(AIMS) if left else None
        when = moment(aim, self.accesses, self.rng) if aim else {}
        begun = run and (run / "checkpoint.npz").exists()
        code, text = attempt(self.script, self.warm, folder, run, when)
        if begun and code == 0 and "continuing after epoch" not in text:
            self.faults.append(f"{run.name} began anew")
        return next(iter((folder / "out").glob("*/*")), None), aim, code, text

    def _after_a_kill(self, run):
        """(the run folder, if there is anything to continue; whether the run had ended)."""
        if run and not (run / "config.json").exists():
            code, text = resume(self.script, self.warm, run)
            wrong = clean(code, text, "--resume expects the folder of a run")
            self.faults += [wrong] if wrong else []
            shutil.rmtree(run)
            run = None
        if run and (run / "results.json").exists():         # killed after its last file
            return run, True
        self.found["resumes" if run else "restarts"] += 1
        return run, False

    def _compare(self, run):
        ended, expected = outcome(run), outcome(self.whole)
        self.found["bit for bit"] += ended == expected
        if printed(ended) != printed(expected):
            self.faults.append(f"{run.name}: {ended} instead of {expected}")
        left = [path.name for path in run.rglob(".*")]
        self.faults += [f"left behind: {left}"] if left else []


def attempt(script, warm, folder, run, when):
    """One start of the script, new or resumed, with a kill at an access or after seconds: (code, text)."""
    options = when if isinstance(when, dict) else {}
    arguments = ["--resume", run] if run else [*script.options.split(), "--out", folder / "out"]
    log = folder / "log.txt"
    log.unlink(missing_ok=True)
    pid = warm.start(
        "tests.stress.warm:run_script", script.path, *arguments, log=log, out=folder / "out", **options
    )
    code = warm.wait(pid, when if isinstance(when, float) else 600)
    if code is None:
        os.kill(pid, 9)
        code = warm.wait(pid) if isinstance(when, float) else "none, it hung"
    return code, log.read_text(errors="replace")


# ----------------------------------------------------------------------------------------------- surroundings

def digest(run):
    """The contents of a run folder."""
    return {
        str(p.relative_to(run)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in run.rglob("*")
        if p.is_file()
    }


def surroundings(script, warm, place):
    """A full disk, a folder that cannot be written or is removed, and two processes on one folder."""
    cases, faults = [], []

    def case(name, wrong):
        cases.append(name)
        faults.extend([f"{name}: {wrong}"] if wrong else [])

    whole, _ = uninterrupted(script, warm, place / "whole")
    (place / "a").mkdir()
    run, code, _ = begin(script, warm, place / "a", at=["write checkpoint.npz", 2])
    before = digest(run)
    pages = (
        sum(-(-p.stat().st_size // 4096) for p in run.rglob("*"))
        + (run / "checkpoint.npz").stat().st_size // 8192
    )
    refused = "cannot be written"

    def resumed(name, folder, **options):
        case(name, clean(*resume(script, warm, folder, **options), refused))
        changed = [path for path, content in before.items() if digest(folder).get(path) != content]
        # it may be a better epoch's
        case(f"{name}: earlier files", [path for path in changed if path not in BEST])

    resumed("files of 16 kB at most", run, limit=1 << 14)
    with tmpfs(place / "small", 4096 * pages) as disk:
        copy = shutil.copytree(run, (disk or place / "small") / "out/x/run")
        if disk:
            resumed("full tmpfs", copy)
            subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        else:
            for folder in (copy, copy.parents[1]):
                folder.chmod(0o555)
        if disk or os.geteuid():                    # who may write anywhere but mount nothing cannot try this
            resumed("read-only run folder", copy)
            case("read-only output", clean(*begin(script, warm, place / "small")[1:], "--out expects a "
                                                                                      "folder that can"))
        for folder in () if disk else (copy, copy.parents[1]):
            folder.chmod(0o755)
    for where in ("write checkpoint.npz", "write log.csv"):
        (folder := place / f"removed at {where}").mkdir()
        _, code, text = begin(script, warm, folder, at=[where, 1], act="remove")
        case(f"folder removed at {where}", clean(code, text, refused, "is gone"))
        case(f"folder removed at {where}: nothing written there", list((folder / "out").glob("*/*")))

    pids = [
        warm.start("tests.stress.warm:run_script", script.path, "--resume", run, log=place / f"two-{i}.txt")
        for i in range(2)
    ]
    codes = [warm.wait(pid) for pid in pids]
    texts = [(place / f"two-{i}.txt").read_text() for i in range(2)]
    case(
        "two at once on one folder",
        None
        if sorted(codes) == [0, 2]
        and not clean(2, texts[codes.index(2)], "another process is training", "that run is finished")
        else f"{codes}: {texts}",
    )
    case(
        "two at once on one folder: the end",
        printed(outcome(run)) != printed(outcome(whole)) and outcome(run),
    )
    return {"cases": len(cases), "without tmpfs": int("full tmpfs" not in cases), "faults": faults}


@contextlib.contextmanager
def tmpfs(path, size):
    """A disk of so many bytes, or None where this user may mount none."""
    path.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", path],
                             capture_output=True).returncode == 0 if shutil.which("mount") else False
    try:
        yield path if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", path], check=True)


# --------------------------------------------------------------------------------------------- NaN, and twice

def diverge(script, warm, place):
    """A learning rate of a million ends within the epoch, with the step."""
    (place / "nan").mkdir()
    run, code, text = begin(script, warm, place / "nan", more=["--learning-rate", "1e6"])
    wrong = clean(
        code,
        text,
        r"(a finite number|has grown to \S+) at step [\d,]+, in .*epoch \d+; (.* is kept in|no epoch was)",
        r"no finite numbers of 16 bits: the training diverged.* step [\d,]+",
    )
    where = re.search(r"step ([\d,]+)", text)
    left = wrong is None and [p.name for p in run.rglob(".*")]
    return {
        "stopped at step": where and int(where[1].replace(",", "")),
        "faults": [w for w in (wrong, left) if w],
    }


def twice(script, warm, place):
    """The same seed twice with --smoke: the same metrics, to the last bit."""
    found = []
    for name in ("one", "two"):
        (place / name).mkdir()
        run, code, text = begin(script, warm, place / name, more=["--smoke"])
        if code:
            raise RuntimeError(text[-2000:])
        found.append(outcome(run))
    return {
        "metrics": len(found[0][1]),
        "faults": [] if found[0] == found[1] else [f"{found[0]} and {found[1]}"],
    }
