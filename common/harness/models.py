"""Trained models as .keras files: saved whole and without the optimizer, loaded in Keras' safe mode.

What a file makes Keras do is bounded by its size: nothing in it is packed, its configuration describes no
more weights than it holds, and is built in seconds.
"""

import contextlib
import io
import math
import pathlib
import re
import threading
import time

import h5py
import keras
import numpy as np

from common.harness import progress
from common.harness.archives import open_archive
from common.harness.language import in_users_language
from common.harness.reading import InputError, model_limit
from common.harness.writing import replacing

MEMBERS = ("metadata.json", "config.json", "model.weights.h5")
CONFIG_BYTES = 1 << 20               # our largest has 27,000
SECONDS = 4                          # of this thread's computing, until the last layer of a model is built
LOADING = threading.Lock()           # one thread at a time counts


class PredictionBar(keras.callbacks.Callback):
    """Progress of model.predict(x, callbacks=[PredictionBar()]), as progress.bar shows it."""

    def on_predict_begin(self, logs=None):
        self.bar = progress.bar(total=self.params.get("steps"), unit=(" batches", " 批"))

    def on_predict_batch_end(self, batch, logs=None):
        self.bar.update()

    def on_predict_end(self, logs=None):
        self.bar.close()


def save_model(model, path):
    """Saves a functional model as one whole .keras file, without the optimizer's state: it is three times the
    model.

    A model of mixed precision has float32 weights, and is saved as the float32 model that has them."""
    # a list of one would come back as a list
    outputs = model.outputs[0] if len(model.outputs) == 1 else model.outputs
    model = keras.Model(model.inputs, outputs, name=model.name)
    architecture = model.to_json()
    if "mixed_" in architecture:
        weights = model.get_weights()
        model = keras.models.model_from_json(re.sub("mixed_b?float16", "float32", architecture))
        model.set_weights(weights)
    with replacing(path) as part:
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
        raise InputError(in_users_language(
            f"expected a run folder with model.keras or a .keras file. Received: {path}",
            f"需要含有 model.keras 的运行目录，或 .keras 文件。收到：{path}"))
    try:
        numbers = numbers_in(weights_of(path))
        keras.ops.zeros(())          # so that what a backend does once is not counted
        with bounded(numbers, SECONDS, path):
            return keras.models.load_model(path, compile=False, safe_mode=True)
    except InputError:
        raise
    # Keras raises many kinds, from zipfile's to TypeError, for a file that is not its own
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(in_users_language(
            f"{path} is not a model of this script or is damaged: {reason[:200]}",
            f"{path} 不是这个脚本的模型，或已损坏：{reason[:200]}")) from error


def not_from(script, path, model):
    """InputError for a model that is not one that the script trains."""
    return InputError(in_users_language(
        f"expected a model trained by {script}. Received: {path}, a model named {model.name}",
        f"需要 {script} 训练的模型。收到：{path}，名为 {model.name} 的模型"))


def weights_of(path):
    """The HDF5 file in a .keras file, which has Keras' three members and no others, none of them packed.

    Older .h5 files know no safe mode, and are no archives. The checksum of each member is compared."""
    with open_archive(path, model_limit(path)) as archive:
        if sorted(archive.names) != sorted(MEMBERS):
            others = ", ".join(sorted(set(archive.names) ^ set(MEMBERS)))
            raise ValueError(f"it should hold {', '.join(MEMBERS)}, and nothing else. "
                             f"Missing or more: {others[:80]}")
        for name in MEMBERS[:2]:
            if sum(map(len, archive.pieces(name))) > CONFIG_BYTES:
                raise ValueError(f"its {name} should have at most {CONFIG_BYTES:,} bytes")
        return archive.read(MEMBERS[2])


def numbers_in(content):
    """How many numbers an HDF5 file of weights holds, after a look at all of them.

    Raises:
        ValueError: it claims more than it holds, refers to other files, or holds what is no finite number.
    """
    numbers, room = 0, len(content)
    with h5py.File(io.BytesIO(content), "r") as file:
        for name, item in datasets_in(file):
            room -= item.nbytes
            if room < 0 or item.external or item.is_virtual or item.dtype.kind not in "fiub":
                raise ValueError(f"its weights should be numbers, and in the file: {name} is not")
            if item.dtype.kind == "f" and not np.isfinite(item[()]).all():
                raise ValueError(f"its weights should be finite numbers: some in {name} are not")
            numbers += item.size
    return numbers


def datasets_in(file):
    """(name, dataset) of an HDF5 file; links to elsewhere are not followed."""
    found = []

    def note(name, item):
        if isinstance(item, h5py.Dataset):
            found.append((name, item))

    file.visititems(note)
    return found


@contextlib.contextmanager
def bounded(numbers, seconds, path):
    """Within this, layers may have so many weights in all, and compute so long. A configuration can ask for
    200,000,000 filters: a weight is refused before it is made. What other threads do does not count."""
    with LOADING, _counted(numbers, seconds, path):
        yield


@contextlib.contextmanager
def _counted(numbers, seconds, path):
    thread = threading.get_ident()
    made, called = keras.layers.Layer.add_weight, keras.layers.Layer.__call__
    left, end = numbers, time.thread_time() + seconds

    def add_weight(layer, *arguments, shape=None, **options):
        nonlocal left
        asked = arguments[0] if arguments and shape is None else shape
        left -= math.prod(asked or ()) if threading.get_ident() == thread else 0
        if left < 0 and threading.get_ident() == thread:
            raise InputError(f"{path} should describe no more than the {numbers:,} weights that it holds. "
                             f"Received: the layer {layer.name} with a weight of shape {tuple(asked)}")
        return made(layer, *arguments, shape=shape, **options)

    def call(layer, *arguments, **options):
        if threading.get_ident() == thread and time.thread_time() > end:
            raise InputError(f"{path} should be a model that is built in {seconds:.0f} seconds. "
                             "Received: one that takes longer, and was given up")
        return called(layer, *arguments, **options)

    keras.layers.Layer.add_weight, keras.layers.Layer.__call__ = add_weight, call
    try:
        yield
    finally:
        keras.layers.Layer.add_weight, keras.layers.Layer.__call__ = made, called


def array_function(model, last):
    """A model of one output as a function of a list of NumPy arrays → a NumPy array, with `last` (such as
    keras.ops.sigmoid) of the output as its result.

    It answers a single question at once: model.predict takes 40 ms to set up its loop. On TensorFlow it is
    one concrete function for all shapes, whose signature need not be looked up each time; other backends
    compile for each shape."""
    if keras.backend.backend() != "tensorflow":
        return lambda arrays: keras.ops.convert_to_numpy(last(keras.ops.convert_to_tensor(
            model.predict_on_batch(arrays))))
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in model.inputs])
    def function(*inputs):
        return last(model(list(inputs), training=False))

    concrete = function.get_concrete_function()
    dtypes = [tensor.dtype for tensor in model.inputs]
    return lambda arrays: concrete(*map(tf.constant, arrays, dtypes)).numpy()
