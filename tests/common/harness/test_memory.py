"""What weights may take, and errors for want of memory."""

import math
import re
import subprocess
import sys
from dataclasses import dataclass

import keras
import numpy as np
import pytest

from common.harness import cli, memory
from common.harness.reading import InputError
from tests.articles import ROOT


@pytest.fixture
def room(monkeypatch):
    """So many bytes are free, for the weights of what the test builds."""
    def free(size, devices=1):
        monkeypatch.setattr(memory, "available", lambda: size)
        memory.limit_weights(keras.layers.Layer, devices)

    yield free
    memory.lift_limit()


def dense(*widths):
    return keras.Sequential([keras.Input((10,)), *map(keras.layers.Dense, widths)])


def test_weights_that_fit_to_the_byte_are_made_and_one_more_is_not(room):
    # ten by seven and seven by three numbers with their biases, of four bytes, four times
    needed = 16 * (10 * 7 + 7 + 7 * 3 + 3)
    room(needed)
    assert dense(7, 3).count_params() == needed / 16
    room(needed - 1)
    with pytest.raises(InputError, match=r"Received: a weight of shape \(3,\) in the layer"):
        dense(7, 3)
    room(2 * needed - 1, devices=2)
    with pytest.raises(InputError, match="choose smaller sizes"):
        dense(7, 3)


def test_what_no_machine_holds_is_refused_before_it_is_made(room):
    room(10 ** 12)
    with pytest.raises(InputError, match="takes 160,000,000,000.0 GB, .* smaller sizes.") as caught:
        dense(10 ** 18)
    assert "\n" not in str(caught.value)


def test_layers_within_layers_count_too_and_their_error_is_one_line(room):
    @keras.saving.register_keras_serializable(package="test")
    class Pair(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = keras.layers.Dense(50)

        def build(self, shape):
            self.built = True                    # before its layers are: they are built in call

        def call(self, x):
            return self.inner(x)

        def compute_output_spec(self, x):
            return keras.KerasTensor((x.shape[0], 50))

    room(1000)
    with pytest.raises(InputError) as caught:
        Pair()(np.zeros((1, 10), "float32"))
    assert "\n" not in str(caught.value)


def test_what_comes_after_a_training_has_no_limit(room):
    room(0)
    memory.lift_limit()
    assert dense(7).count_params() == 77


def test_the_free_memory_is_less_than_the_machine_has():
    free = memory.available()
    assert isinstance(free, int) and 10 ** 8 < free < 10 ** 14 or free == math.inf


def test_a_container_leaves_what_it_does_not_use(tmp_path):
    assert memory._free_of_container(tmp_path) == math.inf
    (tmp_path / "memory.max").write_text("max\n")
    assert memory._free_of_container(tmp_path) == math.inf
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 500\nfile 150\n")
    assert memory._free_of_container(tmp_path) == 450


# --------------------------------------------------------------------------------- errors for want of memory

@dataclass
class Config:
    """Options of a script without any."""


def numpy_array():
    np.zeros((1 << 24, 1 << 24))


def tensorflow_tensor():
    import tensorflow as tf

    tf.ones((1 << 24, 1 << 24))


def within_keras():
    """Keras makes a RuntimeError of what NumPy raises in a layer."""
    class Greedy(keras.layers.Layer):
        def call(self, x):
            return keras.ops.convert_to_tensor(np.zeros((1 << 24, 1 << 24)))

    Greedy()(np.zeros((1, 1)))


def system():
    raise OSError(12, "Cannot allocate memory")


def from_another():
    try:
        numpy_array()
    except MemoryError:
        raise ValueError("something else") from None


@pytest.mark.parametrize("greedy", [numpy_array, tensorflow_tensor, within_keras, system, from_another])
def test_want_of_memory_ends_in_one_line(greedy, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["script.py"])
    with pytest.raises(SystemExit) as caught:
        cli.main(lambda config: greedy(), Config, "")
    assert caught.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"error: {memory.ADVICE}"


JAX = """
import sys
sys.argv = ["script.py"]
import jax.numpy as jnp
from common.harness import cli
from tests.common.harness.test_memory import Config
cli.main(lambda config: jnp.ones((1 << 24, 1 << 24)), Config, "")
"""


def test_want_of_memory_on_jax():
    result = subprocess.run([sys.executable, "-c", JAX], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1] == f"error: {memory.ADVICE}"


@pytest.mark.torch
def test_want_of_memory_on_pytorch():
    import torch

    with pytest.raises(RuntimeError) as caught:
        torch.ones((1 << 24, 1 << 24))
    assert memory.is_exhausted(caught.value)
    assert memory.is_exhausted(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"))


OTHERS = [ValueError("not enough memory"), RuntimeError("shapes differ"), OSError(28, "full")]


@pytest.mark.parametrize("error", OTHERS)
def test_other_errors_stay_what_they_are(error, monkeypatch):
    def fail(config):
        raise error

    monkeypatch.setattr(sys, "argv", ["script.py"])
    with pytest.raises(type(error), match=re.escape(str(error))):
        cli.main(fail, Config, "")
