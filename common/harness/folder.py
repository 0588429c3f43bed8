"""The folder of a run: made or reopened, locked while a process trains in it, and what is known of the run in
it.

No Keras in here.
"""

import contextlib
import csv
import dataclasses
import io
import json
import os
import pathlib
import time
import typing

try:
    import fcntl
except ImportError:      # Windows
    fcntl = None

from common.harness import provenance
from common.harness.language import in_users_language
from common.harness.reading import InputError, read_text
from common.harness.writing import remove_parts, shown, write_json, write_whole

LOCKS = {}               # run folders of this process → handles that lock them


def new_state():
    """What is known of a run before its first epoch."""
    return {"epoch": 0, "best": None, "seconds": 0.0, "log": []}


@dataclasses.dataclass
class RunFolder:
    """A run folder and what is known of the run in it."""

    folder: pathlib.Path
    config: typing.Any
    state: dict = dataclasses.field(default_factory=new_state)
    packages: typing.ClassVar[tuple] = ()                      # whose versions results.json names

    @property
    def epoch(self):
        """Finished epochs."""
        return self.state["epoch"]

    def path(self, name):
        """The path of a file in the run folder, which has to be there still: nothing is written where it
        was."""
        if not self.folder.is_dir():
            raise InputError(in_users_language(
                f"{shown(self.folder)}, the folder of this run, is gone: it was moved or removed.",
                f"本次运行的目录 {shown(self.folder)} 不见了：被移动或删除了。"))
        return self.folder / name

    def write_log(self):
        """Writes log.csv, one row an epoch."""
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(self.state["log"][0]))
        writer.writeheader()
        writer.writerows(self.state["log"])
        write_whole(self.path("log.csv"), text.getvalue().encode())

    def save_vocab(self, vocab, source, name="vocab.json"):
        """Writes the vocabulary; one that a resumed run has is the same, or its weights would mean
        nothing."""
        path = self.path(name)
        if self.config.resume and path.exists() and type(vocab).load(path) != vocab:
            raise InputError(in_users_language(
                f"the text of {source} has changed since {shown(self.folder)} began. Start a new run.",
                f"{shown(self.folder)} 开始之后，{source} 的文本变了。请另开一次运行。"))
        vocab.save(path)

    def finish(self, data, metrics):
        """Writes results.json and prints it; `data` is the data set's describe(), `metrics` maps names to
        numbers."""
        write_json(self.path("results.json"), {
            "config": as_json(self.config),
            "data": data,
            "seed": self.config.seed,
            "commit": provenance.commit(),
            "machine": provenance.machine(),
            "versions": provenance.versions(self.packages),
            "minutes": round(self.state["seconds"] / 60, 2),
            "smoke": self.config.smoke,
            "metrics": {name: float(value) for name, value in metrics.items()},
        })
        unlock(self.folder)
        print_metrics(metrics)
        warnings = ("SMOKE RUN: no results, ", "试运行，数字无意义；") if self.config.smoke else ("", "")
        print(in_users_language(
            f"{warnings[0]}pictures, model and results.json are in {shown(self.folder)}",
            f"{warnings[1]}图片、模型和 results.json 在 {shown(self.folder)}"), flush=True)


def print_start(run, engine):
    """The line with which a training begins or continues; `engine` is the Keras that it runs on."""
    since = ("", "")
    if run.epoch:
        since = (f", continuing after epoch {run.epoch}", f"，从第 {run.epoch} 轮之后继续")
    print(in_users_language(f"run: {shown(run.folder)}, {engine}{since[0]}",
                            f"运行目录：{shown(run.folder)}，{engine}{since[1]}"), flush=True)


def print_metrics(metrics):
    """A line for each number."""
    print("\n".join(f"{name:>44} {value:.4g}" for name, value in metrics.items()))


def open_run(run_class, config, article, name):
    """A new run folder below config.out, or the one named by config.resume, locked, as a run_class.

    Raises:
        InputError: the folder cannot be written, what config.resume names cannot be continued, or another
            process is at it.
    """
    if not config.resume:
        folder = _new_folder(pathlib.Path(config.out) / article, f"smoke-{name}" if config.smoke else name)
        lock(folder)
        write_json(folder / "config.json", as_json(config))
        return run_class(folder, config)
    folder = pathlib.Path(config.resume)
    lock(folder)
    if saved_config(config) != as_json(config):
        raise InputError(in_users_language(f"{folder} holds a run with another configuration.",
                                           f"{folder} 里的运行用的是另一种配置。"))
    return run_class(folder, config)


def settings_of(path):
    """What runs that differ in their seed alone have in common; a file stands for itself."""
    if not (path / "config.json").exists():
        return str(path)
    text = read_text(path / "config.json")
    try:
        settings = json.loads(text)
        return json.dumps({**settings, "seed": None}, sort_keys=True)
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(in_users_language(
            f"{path / 'config.json'} should hold a run's settings, but cannot be read: {error}",
            f"{path / 'config.json'} 应是一次运行的配置，但读不出来：{error}")) from error


def lock(folder):
    """Keeps a run folder for this process until it ends, however that be, and removes what a killed one wrote
    half.

    Raises:
        InputError: another process has the folder, or it cannot be written.
    """
    try:
        if fcntl and _key(folder) not in LOCKS:
            _lock(folder)
        remove_parts(folder)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(in_users_language(f"{folder} cannot be written ({reason}).",
                                           f"{folder} 无法写入（{reason}）。")) from error


def _lock(folder):
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        LOCKS[_key(folder)] = handle
    except BlockingIOError:
        os.close(handle)
        raise InputError(in_users_language(
            f"another process is training in {shown(folder)} at this moment: wait for it, or stop it first.",
            f"另一个进程正在 {shown(folder)} 里训练：请等它结束，或先停掉它。")) from None
    except OSError:                        # a network drive without locks
        os.close(handle)


def unlock(folder):
    """Ends what lock began."""
    if handle := LOCKS.pop(_key(folder), None):
        os.close(handle)


def _key(folder):
    return folder.stat().st_dev, folder.stat().st_ino


def as_json(config):
    """The configuration as config.json holds it: what decides the outcome, not where it is kept."""
    values = dataclasses.asdict(config)
    return {name: str(value) if isinstance(value, pathlib.Path) else value
            for name, value in values.items() if name not in ("out", "resume", "devices")}


def saved_config(config):
    """What the run that config.resume names has in its config.json.

    Raises:
        InputError: it is no stopped run of this script.
    """
    folder = pathlib.Path(config.resume)
    try:
        saved = json.loads(read_text(folder / "config.json"))
        if not isinstance(saved, dict) or set(saved) != set(as_json(config)):
            raise ValueError(in_users_language("its config.json is not this script's",
                                               "其中的 config.json 不是这个脚本的"))
        hints = typing.get_type_hints(type(config))
        wrong = [name for name, value in saved.items() if not _fits(value, hints[name])]
        if wrong:
            found = f"{wrong[0]} = {saved[wrong[0]]!r:.60}"
            raise ValueError(in_users_language(f"its config.json has {found}",
                                               f"其中的 config.json 有 {found}"))
        if (folder / "results.json").exists():
            raise ValueError(in_users_language("that run is finished", "该次运行已经结束"))
    except (OSError, ValueError, RecursionError, InputError) as error:
        raise InputError(in_users_language(
            f"--resume expects the folder of a run of this script that was stopped. "
            f"Received: {folder} ({error})",
            f"--resume 需要这个脚本中途停下的运行目录。收到：{folder}（{error}）")) from error
    return saved


def _fits(value, hint):
    """Whether a value from JSON is of the type that a field of a Config has."""
    if typing.get_origin(hint) is typing.Literal:
        return value in typing.get_args(hint)
    choices = typing.get_args(hint) or (hint,)
    if value is None:
        return type(None) in choices
    if len(choices) > 1:
        return any(_fits(value, choice) for choice in choices)
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, hint) and isinstance(value, bool) == (hint is bool)


def _new_folder(parent, name):
    stamp = time.strftime("%Y%m%d-%H%M%S")
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for ending in ["", *(f"-{attempt}" for attempt in range(1, 1000))]:
            folder = parent / f"{name}-{stamp}{ending}"
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
                return folder
    except OSError as error:
        raise InputError(in_users_language(
            f"--out expects a folder that can be written. Received: {parent} ({error.strerror})",
            f"--out 需要可以写入的目录。收到：{parent}（{error.strerror}）")) from error
    raise InputError(in_users_language(f"{parent} holds 1,000 runs of this second already.",
                                       f"{parent} 里同一秒的运行已有 1,000 个。"))
