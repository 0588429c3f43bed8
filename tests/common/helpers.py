"""What the tests of several layer files share."""

import atexit
import functools
import os
import pathlib
import subprocess
import sys
import tempfile

import keras
import numpy as np
import pytest
from keras import ops

from tests.stress.warm import Warm

ROOT = pathlib.Path(__file__).resolve().parents[2]

# jit_compile=True, as a parameter of tests. torch.compile takes a minute or two for each model.
COMPILED = pytest.param(True, marks=pytest.mark.slow) if keras.backend.backend() == "torch" else True
# The same for models with a CRF, whose tensors torch.compile cannot trace.
COMPILED_CRF = pytest.param(True, marks=pytest.mark.skipif(keras.backend.backend() == "torch",
                                                           reason="torch.compile cannot trace a CRF"))


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def built(layer, rng, channels):
    """The layer for sequences of so many channels, with a bias that is not zero."""
    layer.build((None, None, channels))
    if layer.bias is not None:
        layer.bias.assign(rng.normal(size=layer.bias.shape))
    return layer


def assert_nan_or_refused(evaluate, *arguments):
    """What a compiled model makes of targets or masks that it cannot take: NaN in a graph, where values are
    unknown. PyTorch computes without a graph: an error."""
    if keras.backend.backend() == "torch":
        with pytest.raises(ValueError, match="Received: .*="):
            evaluate(*arguments)
    else:
        assert np.isnan(evaluate(*arguments)).all()


def run_elsewhere(code, folder):
    """Runs Python code in a fresh process in this folder and returns what it prints. It finds common/.

    Fresh means that it has imported Keras and nothing of ours. On TensorFlow, whose import takes seconds, it
    is forked from a process that has done so.
    """
    if keras.backend.backend() == "tensorflow" and hasattr(os, "fork"):
        return forked(code, pathlib.Path(folder))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def forked(code, folder):
    with tempfile.TemporaryDirectory() as logs:
        output, errors = pathlib.Path(logs, "output"), pathlib.Path(logs, "errors")
        warm = process_with_keras()
        pid = warm.start("tests.stress.warm:run_code", code, log=output, errors=errors, cwd=folder)
        result = warm.wait(pid, 300)
        assert result == 0, errors.read_text()[-2000:]
        return output.read_text()


@functools.cache
def process_with_keras():
    """One for each process of the test suite, which ends with it."""
    warm = Warm("keras")
    atexit.register(warm.__exit__)
    return warm


def load_elsewhere(model, x, module, folder, code="", compile=True):
    """Saves the model and loads it in a fresh process, which imports the module of its layers.

    Returns the outputs for x there, and what more code prints, which finds the model as `model`.
    """
    model.save(folder / "model.keras")
    np.save(folder / "x.npy", x)
    printed = run_elsewhere(f"""
import keras, numpy, {module}
model = keras.models.load_model("model.keras", compile={compile})
numpy.save("y.npy", keras.ops.convert_to_numpy(model(numpy.load("x.npy"))))
{code}
""", folder)
    return np.load(folder / "y.npy"), printed
