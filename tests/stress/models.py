"""Model files that are damaged, another article's, of another version or an attack: refused with one line.

Those of nl2sql are NumPy archives, the others' .keras archives. A flipped bit may hit a byte of the archive
that means nothing, such as a time of change: then the model is taken, and has to be the one that was saved,
bit for bit. In a weight it is noticed, since each part of the archive has a CRC-32.
"""

import base64
import io
import json
import marshal
import pathlib
import pickle
import random
import shutil
import sys
import zipfile

import numpy as np

from common.harness.reading import InputError
from tests.articles import CASES, load
from tests.stress.scripts import SCRIPTS


def parts_of(content):
    """The parts of a .keras archive, name → bytes."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive_of(parts):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def edited(content, edit):
    """The archive after edit(config), a function that changes its parsed config.json."""
    parts = parts_of(content)
    config = json.loads(parts["config.json"])
    edit(config)
    return archive_of({**parts, "config.json": json.dumps(config).encode()})


def strange(content, marker):
    """name → an archive that must be refused. Those that could act would make the file `marker`."""
    code = compile(f"lambda x: (open({str(marker)!r}, 'w'), x)[1]", "x", "eval")
    body = base64.b64encode(marshal.dumps(eval(code).__code__)).decode()
    act = {"class_name": "__lambda__", "config": {"value": [body, None, None]}}
    layers = "layers"

    def added(kind, module="keras.layers", registered=None, **options):
        def edit(config):
            config["config"][layers].append({
                "class_name": kind, "module": module, "registered_name": registered, "name": "added",
                "config": {"name": "added", **options}, "inbound_nodes": []})
        return edited(content, edit)

    parts, pickled = parts_of(content), np.array([Act(marker)], dtype=object)

    def later(config):
        ours = [layer for layer in config["config"][layers] if "kexue>" in str(layer["registered_name"])]
        layer = ours[0] if ours else config["config"][layers][1]
        layer["config"]["of_a_later_version"] = 1

    without_config = {name: part for name, part in parts.items() if name != "config.json"}
    without_weights = {name: part for name, part in parts.items() if not name.endswith(".h5")}
    return {
        "lambda": added("Lambda", function=act),
        "lambda by name": added("Lambda", function="system", module="keras.layers"),
        "activation that is a lambda": added("Activation", activation=act),
        "function of another module": added(
            "Activation",
            activation={
                "class_name": "function",
                "module": "os",
                "config": "system",
                "registered_name": "system",
            },
        ),
        "class of another module": added("Popen", "subprocess", args=["touch", str(marker)]),
        "unknown layer": added("NoSuchLayer"),
        "layer of another package": added("Gate", None, "theirs>Gate"),
        "layer with an option of a later version": edited(content, later),
        "no config": archive_of(without_config),
        "config that is no model": archive_of({**parts, "config.json": b"[1, 2]"}),
        "deep config": archive_of({**parts, "config.json": b"[" * 100_000}),
        "no weights": archive_of(without_weights),
        "weights that are a pickle": archive_of({**parts, "model.weights.h5": pickle.dumps(Act(marker))}),
        "weights as pickled arrays": archive_of(
            {**without_weights, "model.weights.npz": arrays_of({"a": pickled})}
        ),
        **no_archives(marker),
    }


def strange_arrays(content, marker):
    """The same for the NumPy archive of a parser of nl2sql."""
    with np.load(io.BytesIO(content)) as file:
        arrays = dict(file)
    first, *_, last = sorted(arrays)
    return {
        "an array that is a pickle": arrays_of({**arrays, first: np.array([Act(marker)], dtype=object)}),
        "one array more that is a pickle": arrays_of(
            {**arrays, "more": np.array([Act(marker)], dtype=object)}
        ),
        "no first array": arrays_of({name: array for name, array in arrays.items() if name != first}),
        "no last array": arrays_of({name: array for name, array in arrays.items() if name != last}),
        "an array of another shape": arrays_of({**arrays, first: arrays[first][:-1]}),
        "an array of text": arrays_of({**arrays, first: arrays[first].astype("U9")}),
        "one member that is no array": archive_of({**parts_of(content), first + ".npy": b"\x93NUMPY"}),
        **no_archives(marker),
    }


def no_archives(marker):
    return {"a pickle": pickle.dumps(Act(marker)), "empty": b"", "a page": b"<html>Please log in</html>",
            "an empty archive": archive_of({})}


class Act:
    """Makes the file `marker` when its pickle is loaded."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return open, (self.marker, "w")


def arrays_of(arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def same(a, b):
    """Whether two models have the same layers and bit for bit the same weights; or two dicts the same
    arrays."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(np.array_equal(a[name], b[name], equal_nan=True) for name in a)
    return a.get_config() == b.get_config() and len(a.weights) == len(b.weights) and all(
        np.array_equal(x, y, equal_nan=True) for x, y in zip(a.get_weights(), b.get_weights()))


def attack(article, folder, others, flips, place):
    """Gives the article's loader the model of a run folder in every wrong form.

    Args:
        article: key of SCRIPTS.
        folder: a run folder, or one of weights/ with everything beside the model that its loader wants.
        others: model files of other articles.
        flips: how many random bits are flipped, one at a time; a tenth as many truncations.
    """
    place, rng = pathlib.Path(place), random.Random(article)
    shutil.copytree(folder, place / "model")
    attempt = Attempt(SCRIPTS[article], place)
    content = attempt.content
    for _ in range(flips):
        wrong, bit = bytearray(content), rng.randrange(8 * len(content))
        wrong[bit // 8] ^= 1 << bit % 8
        attempt(f"bit {bit}", bytes(wrong), harmless=True)
    for _ in range(flips // 10):
        attempt("truncated", content[:rng.randrange(len(content))])
    kinds = strange if attempt.path.suffix == ".keras" else strange_arrays
    for name, wrong in kinds(content, attempt.marker).items():
        attempt(name, wrong)
    for other in others:
        attempt(f"model of {other}", pathlib.Path(other).read_bytes())
    if attempt.path.suffix == ".keras":
        older_format(attempt)
    sys.stdout.flush()
    return attempt.found


class Attempt:
    """Puts something in a model's place, loads it, and notes what came of it."""

    def __init__(self, script, place):
        self.script, self.folder = script, place / "model"
        self.path, self.marker = self.folder / script.weights, place / "acted"
        if self.path.suffix == ".keras":
            next(self.folder.glob("*.keras")).rename(self.path)
        self.read = load(CASES[script.article].READ)
        self.content = self.path.read_bytes()
        script.load(self.folder)                    # the model itself is taken, and its layers are registered
        self.right = self.read(self.path)
        self.found = {"refused": 0, "harmless": 0, "faults": []}

    def __call__(self, name, wrong, harmless=False):
        """Harmless: the change may be one that changes nothing of the model."""
        self.path.write_bytes(wrong)
        try:
            self.script.load(self.folder)
            if harmless and same(self.read(self.path), self.right):
                self.found["harmless"] += 1
            else:
                self.found["faults"].append(f"{name}: taken")
        except InputError as error:
            self.found["refused"] += 1
            if "\n" in str(error):
                self.found["faults"].append(f"{name}: {error}")
        except Exception as error:
            self.found["faults"].append(f"{name}: {error!r:.300}")
        if self.marker.exists():
            self.found["faults"].append(f"{name}: its code was run")
            self.marker.unlink()


def older_format(attempt):
    """A model in HDF5, which knows no safe mode, with a lambda in it."""
    import keras

    attempt.path.unlink()
    old = attempt.path.with_suffix(".h5")
    keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x)]).save(old)
    try:
        attempt.read(old)
        attempt.found["faults"].append("an .h5 file with a lambda was taken")
    except InputError:
        attempt.found["refused"] += 1
