"""The plumbing of every training script: its command line, its run folder, its checkpoints, its results.

A script reads in a straight line without this file: `main` turns its Config into a command line and calls `train`;
`start` makes or reopens the run folder; `Checkpoint` is the callback that makes `--resume` work after a kill.
"""

import contextlib
import csv
import ctypes
import dataclasses
import importlib.metadata
import io
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import time
import typing
import zipfile
from typing import ClassVar, Literal

import keras
import numpy as np

try:
    import fcntl
except ImportError:      # Windows
    fcntl = None

from common import devices
from common.datasets import InputError

ROOT = pathlib.Path(__file__).resolve().parents[1]
HELD = {}                                                      # run folders of this process → handles that lock them
# nl2sql/ runs this file with tf_keras in Keras' place, see nl2sql/legacy_keras.py: there these are missing.
LEGACY = not hasattr(keras, "ops")
PyDataset, to_numpy = (object, np.asarray) if LEGACY else (keras.utils.PyDataset, keras.ops.convert_to_numpy)
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3     # from glibc's malloc.h


@dataclasses.dataclass
class BaseConfig:
    """What every script's command line shares."""

    builtin: ClassVar[str] = "digits"    # the --data that --smoke trains on; an article of text names its own sample
    epochs: int = 50
    """Passes over the training data."""
    batch_size: int = 100
    """Samples in one step of the optimizer."""
    learning_rate: float = 1e-3
    """Learning rate of the optimizer, the peak where a schedule changes it."""
    seed: int = 0
    """Seed of the weights, the noise and the order of the data."""
    data: str = ""
    """Which data: see the script's README. Empty: the article's, or the built-in sample where that cannot be had."""
    out: pathlib.Path = ROOT / "runs"
    """Folder in which each run gets a folder of its own."""
    resume: pathlib.Path | None = None
    """Run folder of a run that was stopped: continues it with its own configuration."""
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    """What layers compute in; weights, losses and metrics are float32. mixed_...: for GPUs that have it."""
    devices: int = 1
    """Devices of this machine that share each batch; 0: all. Of several machines: see common/launch.py."""
    smoke: bool = False
    """A few steps on the built-in sample, to see that everything works; what it writes is marked as such."""


def main(train, config_class, description):
    """Parses the command line and calls train(config); prints an InputError as one line and exits with code 2."""
    import tyro

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.get_logger().setLevel("ERROR")   # it warns of every second compiled function; ours are few and meant
    sys.stdout.reconfigure(errors="replace")
    config = tyro.cli(config_class, description=description, config=(tyro.conf.FlagCreatePairsOff,))
    try:
        devices.join(getattr(config, "devices", 1))
        train(settle(config) if isinstance(config, BaseConfig) else _seeded(config))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        devices.end(2)
    except KeyboardInterrupt:
        later = "; the run continues with --resume and its folder" if isinstance(config, BaseConfig) else ""
        print(f"\nstopped{later}", file=sys.stderr)
        devices.end(130)


def settle(config):
    """The configuration that will run: that of the resumed run, or this one, shortened for --smoke.

    Raises:
        InputError: an option that cannot work, whatever the script; --resume with a folder that is not a stopped run, or
            with options that ask for another configuration.
    """
    if config.resume is None:
        short = {"epochs": min(config.epochs, 2), "data": config.data or config.builtin} if config.smoke else {}
        return _checked(dataclasses.replace(config, **short))
    saved = _saved_config(config)
    for name, value in as_json(config).items():
        default = next(field.default for field in dataclasses.fields(config) if field.name == name)
        if value not in (default, saved[name]):
            raise InputError(f"--resume continues a run with its own configuration: leave out {option(name)} or start a "
                             f"new run. Received: {value}, the run has {saved[name]}")
    return _checked(dataclasses.replace(config, **saved))


def _checked(config):
    for name in ("epochs", "batch_size", "learning_rate"):
        value = getattr(config, name)
        if value is not None and not 0 < value < float("inf"):    # a script may choose its own default later: None
            raise InputError(f"{option(name)} expects a positive number. Received: {value}")
    return _seeded(config)


def _seeded(config):
    if not 0 <= (seed := getattr(config, "seed", 0)) < 2 ** 32:
        raise InputError(f"--seed expects 0 to 2³² − 1. Received: {seed}")
    return config


@dataclasses.dataclass
class Run:
    """A run folder and what is known of the run in it."""

    folder: pathlib.Path
    config: BaseConfig
    state: dict = dataclasses.field(default_factory=lambda: {"epoch": 0, "best": None, "seconds": 0.0, "log": []})

    @property
    def epoch(self):
        """Finished epochs: pass it to model.fit as initial_epoch."""
        return self.state["epoch"]

    def path(self, name):
        """The path of a file in the run folder, which has to be there still: nothing is written where it was."""
        if not self.folder.is_dir():
            raise InputError(f"{shown(self.folder)}, the folder of this run, is gone: it was moved or removed.")
        return self.folder / name

    def finish(self, data, metrics):
        """Writes results.json; `data` is the data set's describe(), `metrics` maps names to numbers."""
        write_json(self.path("results.json"), {
            "config": as_json(self.config), "data": data, "seed": self.config.seed, "commit": commit(),
            "machine": machine(), "versions": versions(), "minutes": round(self.state["seconds"] / 60, 2),
            "smoke": self.config.smoke, "metrics": {name: float(value) for name, value in metrics.items()},
        })
        release(self.folder)
        print("\n".join(f"{name:>44} {value:.4g}" for name, value in metrics.items()))
        print(f"{'SMOKE RUN: no results, ' if self.config.smoke else ''}pictures, model and results.json are in "
              f"{shown(self.folder)}", flush=True)


def start(config, article, name):
    """A new run folder below config.out, or the one named by config.resume, as a Run; seeds everything.

    Raises:
        InputError: the folder cannot be written, what config.resume names cannot be continued, another process is at it, or
            the devices cannot share the batches.
    """
    if LEGACY and (config.precision, config.devices) != ("float32", 1):
        raise InputError("bert4keras computes in float32 on one device: leave out --precision and --devices. "
                         f"Received: {config.precision}, {config.devices}")
    devices.spread(config)
    config = devices.private(config)
    if config.resume:
        run = Run(pathlib.Path(config.resume), config)
        hold(run.folder)
        if _saved_config(config) != as_json(config):
            raise InputError(f"{run.folder} holds a run with another configuration.")
        if (path := run.path("checkpoint.npz")).exists():
            run.state, _ = read_checkpoint(path)
    else:
        run = Run(_new_folder(pathlib.Path(config.out) / article, f"{'smoke-' if config.smoke else ''}{name}"), config)
        hold(run.folder)
        write_json(run.path("config.json"), as_json(config))
    keep_memory()
    leave_input_alone()
    keras.utils.set_random_seed(config.seed)
    set_precision(config.precision)     # until the training ends, see Checkpoint.on_train_end
    print(f"run: {shown(run.folder)}, keras on {keras.backend.backend()}"
          + (f", continuing after epoch {run.epoch}" if run.epoch else ""), flush=True)
    return run


def hold(folder):
    """Keeps a run folder for this process until it ends, however that be, and removes what a killed one wrote half.

    Raises:
        InputError: another process has the folder, or it cannot be written.
    """
    try:
        if fcntl and (key := (folder.stat().st_dev, folder.stat().st_ino)) not in HELD:
            handle = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                HELD[key] = handle
            except BlockingIOError:
                os.close(handle)
                raise InputError(f"another process is training in {shown(folder)} at this moment: wait for it, or stop it "
                                 "first.") from None
            except OSError:                        # a network drive without locks
                os.close(handle)
        for part in folder.rglob(".*"):
            if re.match(r"\.\d+\.", part.name):    # the names that write_whole and save_model write under
                part.unlink()
    except OSError as error:
        raise InputError(f"{folder} cannot be written ({error.strerror or error}).") from error


def release(folder):
    """Ends what hold began."""
    if handle := HELD.pop((folder.stat().st_dev, folder.stat().st_ino), None):
        os.close(handle)


def set_precision(policy):
    """What the layers that are made from here on compute in."""
    if not LEGACY:
        keras.config.set_dtype_policy(policy)


def keep_memory():
    """Asks the C library to keep freed memory for the next step; to be called before TensorFlow's first operation.

    The first tf.data generator of a process, which is how model.fit reads a PyDataset, lowers glibc's M_TRIM_THRESHOLD to
    128 kB (tensorflow/core/kernels/data/generator_dataset_op.cc). From then on the buffers of an XLA loop go back to the
    system after each operation and come back page by page: 800 page faults in a step of the 784-256-2 autoencoder, half of
    its time. Fixed thresholds and 16 MB of slack (M_TOP_PAD) end that. Other C libraries are left alone.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        library = ctypes.CDLL(None)
        for name, size in [(M_MMAP_THRESHOLD, 1 << 25), (M_TRIM_THRESHOLD, 1 << 30), (M_TOP_PAD, 1 << 24)]:
            library.mallopt(name, size)


def leave_input_alone():
    """Turns tf.data's tuning of what model.fit reads from a PyDataset off; Keras does so itself for several workers alone.

    With it epochs of gan whose steps took 2.05 s ended after 2.58 s, others after 5.1 or 10.3 s: as if fit waited for a
    thread whose pauses double from 10 ms on. Without it they end with their last step. A generator that is read one batch
    ahead has nothing to tune.
    """
    if LEGACY or keras.backend.backend() != "tensorflow":
        return
    from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter

    plain = PyDatasetAdapter.get_tf_dataset
    if getattr(plain, "alone", False):
        return

    def get_tf_dataset(adapter):
        import tensorflow as tf

        options = tf.data.Options()
        options.autotune.enabled = False
        return plain(adapter).with_options(options)

    get_tf_dataset.alone = True
    PyDatasetAdapter.get_tf_dataset = get_tf_dataset


def cosine_rate(peak, steps):
    """The learning rate of all our own recipes: up to the peak in the first 4 % of the steps, then down to 0 as a cosine."""
    warmup = max(1, steps // 25)
    return keras.optimizers.schedules.CosineDecay(0.0, max(1, steps - warmup), warmup_target=peak, warmup_steps=warmup)


class Batches(PyDataset):
    """Shuffled batches whose order depends on (seed, epoch) alone, so that a resumed run sees what it would have seen.

    What is left over when the number of samples is not a multiple of the batch size waits for the next epoch's shuffle.
    Of several processes that train together each takes its share of every batch.
    Give model.fit shuffle=False beside it: by default fit shuffles the items of a PyDataset once more, by a random state
    that no checkpoint holds.

    Args:
        run: the Run, whose configuration has seed and batch_size and whose epoch is the one to deliver.
        x, y: one array, or a list of arrays with the same length; datasets.Pictures will do, too.
        chunk: batches in one item, see fuse_steps; 1 delivers plain batches.
        transform: function of (x, y, NumPy generator) → (x, y) for noise on the data that is fresh in every epoch.
    """

    def __init__(self, run, x, y, chunk=1, transform=None):
        super().__init__()
        self.run, self.x, self.y, self.chunk, self.transform = run, x, y, chunk, transform
        self.samples = len(x[0] if isinstance(x, (list, tuple)) else x)
        self.batch_size = devices.whole(min(run.config.batch_size, self.samples))
        if not self.batch_size:
            raise InputError(f"expected at least {devices.count()} training samples, one for each device. "
                             f"Received: {self.samples}")
        self.batches = self.samples // self.batch_size
        self.on_epoch_begin()

    def on_epoch_begin(self):
        self.key = [self.run.config.seed, self.run.epoch]
        self.order = np.random.default_rng(self.key).permutation(self.samples)

    def __len__(self):
        return -(-self.batches // self.chunk)

    def __getitem__(self, index):
        stop = min((index + 1) * self.chunk, self.batches) * self.batch_size
        rows = self.order[index * self.chunk * self.batch_size:stop]
        if not self.transform:      # what a transform draws for a batch must not depend on how many processes share it
            rows = devices.share(rows)
        taken = {}    # an autoencoder's input is its target too: gathered once

        def take(arrays):
            if isinstance(arrays, (list, tuple)):
                return tuple(take(array) for array in arrays)
            if id(arrays) not in taken:
                batch = arrays[rows]
                taken[id(arrays)] = batch if self.chunk == 1 else batch.reshape(-1, self.batch_size, *batch.shape[1:])
            return taken[id(arrays)]

        x, y = take(self.x), take(self.y)
        if self.transform:
            x, y = devices.share(self.transform(x, y, np.random.default_rng([*self.key, index])))
        return tuple(x) if isinstance(x, list) else x, y      # tf.data takes tuples of arrays and no lists


def fuse_steps(model, x, y):
    """Lets model.fit run the batches of one Batches item in a single compiled function: small models train much faster.

    A 784-256-2 autoencoder computes for two milliseconds a batch; fetching the batch and starting a step cost as much again.
    On the TensorFlow backend this compiles a loop over model.train_step by XLA and returns the number of batches that an
    item of Batches should hold; on other backends, which compile whole steps anyway, it changes nothing and returns 1.
    Not for convolutions: XLA on a CPU slows them down.

    Args:
        model: a compiled model with plain inputs and targets of fixed shape.
        x, y: a few samples, from which the model builds its optimizer and metrics.
    """
    if keras.backend.backend() != "tensorflow" or devices.count() > 1:
        return 1
    import tensorflow as tf

    x, y = keras.tree.map_structure(np.asarray, (x, y))
    model.evaluate(x, y, verbose=0)                                 # builds the metrics
    model.optimizer.build(model.trainable_variables)

    @tf.function(jit_compile=True)
    def steps(data):
        for i in tf.range(tf.shape(tf.nest.flatten(data)[0])[0]):
            model.train_step(tf.nest.map_structure(lambda t: t[i], data))
        return model.get_metrics_result()

    model.train_function = lambda iterator: steps(next(iterator))   # what model.fit calls for each item
    return 20                                                       # 20 batches of MNIST are 6 MB: they stay in the cache


class Checkpoint(keras.callbacks.Callback):
    """After each epoch: the state from which --resume continues, log.csv, and model.keras when the model got better.

    Keras' BackupAndRestore writes in place and forgets seed generators and best values; this writes weights, optimizer,
    random state, best value and log into one file that appears whole, checkpoint.npz. A loss that is no longer finite, or
    an epoch's mean 10,000 times what training began with, stops the run with an InputError that says where, and leaves the
    last good files.

    Args:
        run: the Run; its state is restored into the model when training begins.
        monitor: the logged value that decides what model.keras holds; None keeps the last epoch.
        best: min or max, which values of it are better.
    """

    def __init__(self, run, monitor="val_loss", best=min):
        super().__init__()
        self.run, self.monitor, self.best = run, monitor, best

    def _variables(self):
        return [*self.model.variables, *self.model.optimizer.variables]   # seed generators included, metrics not

    def on_train_begin(self, logs=None):
        optimizer = self.model.optimizer
        if not getattr(optimizer, "built", False):      # with several devices it is, and loss scaling would build it twice
            optimizer.build(self.model.trainable_variables)
        if self.run.epoch:
            _, saved = read_checkpoint(self.run.path("checkpoint.npz"))
            if [a.shape for a in saved] != [tuple(v.shape) for v in self._variables()]:
                raise InputError(f"{self.run.path('checkpoint.npz')} belongs to another model than config.json beside it.")
            for variable, value in zip(self._variables(), saved):
                variable.assign(value)
            write_log(self.run)     # a kill may have come between the two files
        devices.train_only(self.model)
        self.clock, self.first = time.monotonic(), None

    def on_train_batch_begin(self, batch, logs=None):
        devices.training(True)

    def on_train_batch_end(self, batch, logs=None):
        devices.training(False)
        loss, where = float(logs["loss"]), f"in epoch {self.run.epoch + 1}"
        if not np.isfinite(loss):
            self._stop_at("is no longer a finite number", where)
        self.first = self.first or max(1.0, abs(loss))
        if loss > 10_000 * self.first:
            self._stop_at(f"has grown to {loss:.3g}", where)

    def on_epoch_end(self, epoch, logs=None):
        values = {name: float(value) for name, value in logs.items()}
        if not all(np.isfinite(value) for value in values.values()):
            self._stop_at("is no longer a finite number", f"in the validation after epoch {epoch + 1}")
        state, now = self.run.state, time.monotonic()
        state["seconds"] += now - self.clock
        self.clock = now
        state["epoch"] = epoch + 1
        state["log"].append({"epoch": epoch + 1, **values, "seconds": round(state["seconds"], 2)})
        value, before = values.get(self.monitor), state["best"]
        if None in (value, before) or value != before and self.best(value, before) == value:
            state["best"] = value
            self.save_best()
        arrays = {f"v{i}": to_numpy(v) for i, v in enumerate(self._variables())}
        buffer = io.BytesIO()
        np.savez(buffer, state=np.array(json.dumps(state)), **arrays)
        write_whole(self.run.path("checkpoint.npz"), buffer.getvalue())
        write_log(self.run)

    def save_best(self):
        """Writes the model, which is better than all before it."""
        save_model(self.model, self.run.path("model.keras"))

    def on_train_end(self, logs=None):
        # What comes after the training measures: in float32, as losses are, and on one device.
        set_precision("float32")
        devices.alone()

    def _stop_at(self, what, where):
        kept = (f"the model of epoch {self.run.epoch} or better is kept in {shown(self.run.folder)}"
                if self.run.epoch else "no epoch was finished, so there is no model")
        rate = float(to_numpy(self.model.optimizer.learning_rate))
        step = int(self.model.optimizer.iterations)
        raise InputError(f"the loss {what} at step {step:,}, {where}; {kept}. Try a smaller "
                         f"--learning-rate. Received: a learning rate of {rate:g}")


def read_checkpoint(path):
    """(state of the run, values of the variables) of a checkpoint.npz, all of it read: damage is told before training."""
    try:
        with np.load(path, allow_pickle=False) as file:
            state, values = json.loads(str(file["state"])), [file[f"v{i}"] for i in range(len(file.files) - 1)]
        if not (isinstance(state, dict) and set(state) == set(Run(None, None).state) and isinstance(state["log"], list)
                and state["epoch"] == len(state["log"]) and isinstance(state["seconds"], float)
                and all(isinstance(value, np.ndarray) for value in values)):
            raise ValueError("what it says of the run makes no sense")
        return state, values
    except Exception as error:     # zipfile, json and NumPy raise a dozen kinds for a file that is not theirs
        raise InputError(f"{path} is damaged ({error}); model.keras beside it holds the best epoch.") from error


def save_model(model, path):
    """Saves a functional model as one whole .keras file, without the optimizer's state: it is three times the model.

    A model of mixed precision has float32 weights, and is saved as the float32 model that has them."""
    part = path.with_name(f".{os.getpid()}.{path.name}")
    outputs = model.outputs[0] if len(model.outputs) == 1 else model.outputs    # a list of one would come back as a list
    model = keras.Model(model.inputs, outputs, name=model.name)
    if "mixed_" in (architecture := model.to_json()):
        weights = model.get_weights()
        model = keras.models.model_from_json(re.sub("mixed_b?float16", "float32", architecture))
        model.set_weights(weights)
    with _written(path, part):
        model.save(part)


def load_model(path):
    """A trained model from a .keras file, or from the run folder that holds it.

    Raises:
        InputError: no such file, or not a model of this repository.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        path = path / "model.keras"
    if not path.is_file():
        raise InputError(f"expected a run folder with model.keras or a .keras file. Received: {path}")
    try:
        with zipfile.ZipFile(path) as archive:      # the older .h5 files know no safe mode; a sum for each part shows damage
            if damaged := archive.testzip():
                raise ValueError(f"its part {damaged} does not have the checksum that it was saved with")
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:   # Keras raises many kinds, from zipfile's to TypeError, for a file that is not its own
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path} is not a model of this script or is damaged: {reason[:200]}") from error


def write_whole(path, content):
    """Writes bytes so that the file appears whole or not at all; makes its folder where there is none."""
    part = path.with_name(f".{os.getpid()}.{path.name}")
    with _written(path, part):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


def write_figure(path, draw):
    """Writes what draw(binary file) draws, whole or not at all."""
    buffer = io.BytesIO()
    draw(buffer)
    write_whole(path, buffer.getvalue())


def write_json(path, value):
    """Writes a JSON file, whole or not at all."""
    write_whole(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def write_log(run):
    """Writes log.csv, one row an epoch."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(run.state["log"][0]))
    writer.writeheader()
    writer.writerows(run.state["log"])
    write_whole(run.path("log.csv"), text.getvalue().encode())


def as_json(config):
    """The configuration as config.json holds it: what decides the outcome, not where it is kept."""
    return {key: str(value) if isinstance(value, pathlib.Path) else value
            for key, value in dataclasses.asdict(config).items() if key not in ("out", "resume", "devices")}


@contextlib.contextmanager
def _written(path, part):
    try:
        yield
        os.replace(part, path)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror or error}); earlier files are as they were.") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _new_folder(parent, name):
    stamp = time.strftime("%Y%m%d-%H%M%S")
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for attempt in range(1000):
            folder = parent / f"{name}-{stamp}{f'-{attempt}' if attempt else ''}"
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
                return folder
    except OSError as error:
        raise InputError(f"--out expects a folder that can be written. Received: {parent} ({error.strerror})") from error
    raise InputError(f"{parent} holds 1,000 runs of this second already.")


def _saved_config(config):
    folder = pathlib.Path(config.resume)
    try:
        saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if not isinstance(saved, dict) or set(saved) != set(as_json(config)):
            raise ValueError("its config.json is not this script's")
        hints = typing.get_type_hints(type(config))
        if wrong := [name for name, value in saved.items() if not _fits(value, hints[name])]:
            raise ValueError(f"its config.json has {wrong[0]} = {saved[wrong[0]]!r:.60}")
        if (folder / "results.json").exists():
            raise ValueError("that run is finished")
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"--resume expects the folder of a run of this script that was stopped. "
                         f"Received: {folder} ({error})") from error
    return saved


def _fits(value, hint):
    """Whether a value from JSON is of the type that a field of a Config has."""
    if typing.get_origin(hint) is typing.Literal:
        return value in typing.get_args(hint)
    options = typing.get_args(hint) or (hint,)
    if value is None or len(options) > 1:
        return type(None) in options if value is None else any(_fits(value, choice) for choice in options)
    return isinstance(value, (int, float) if hint is float else hint) and isinstance(value, bool) == (hint is bool)


def option(name):
    """A field's name as it is typed."""
    return f"--{name.replace('_', '-')}"


def shown(path):
    """A path as short as it can be typed."""
    path = pathlib.Path(path).resolve()
    return path.relative_to(pathlib.Path.cwd()) if path.is_relative_to(pathlib.Path.cwd()) else path


def commit():
    """The commit of this repository, or None outside of git."""
    def git(*arguments):
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("-modified" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def machine():
    """Processor, cores and system, as results.json names them."""
    processor = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        processor = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), processor)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{processor}, {cores} cores, {platform.system()}"


def versions():
    """Versions of Python and of what computes."""
    packages = ["tf_keras", "bert4keras"] if LEGACY else ["keras"]
    packages += ["numpy", {"tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}[keras.backend.backend()]]
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in packages}}
