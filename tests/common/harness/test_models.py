"""Model files that would exhaust the machine, and models that must not be believed."""

import threading

import h5py
import keras
import numpy as np
import pytest

from common.harness import models
from common.harness.models import bounded, load_model, save_model
from common.harness.reading import InputError
from tests.articles import ROOT
from tests.stress import bombs
from vae.autoencoder import Autoencoder


@pytest.mark.parametrize("name, message", [
    ("model with a further member", "nothing else. Missing or more: assets/x.txt"),
    ("model with a layer of 200,000,000 units", "Received: the layer .* with a weight of shape"),
    ("model with a layer of 200,000,000 filters", r"Received: the layer added with .* \(3, 100, 200000000\)"),
    ("model with 20,000 layers", "config.json should have at most 1,048,576 bytes"),
    ("model with a weight that is NaN", "finite numbers: some in layers/.* are not"),
    ("model with a weight that is infinite", "finite numbers: some in layers/.* are not"),
    ("model with weights that HDF5 packed", "weights should be numbers, and in the file: layers/.* is not"),
])
def test_models_that_would_exhaust_the_machine_or_answer_nan(tmp_path, name, message):
    _, path = bombs.made(name, tmp_path)
    with pytest.raises(InputError, match=message) as found:
        Autoencoder.load(path)
    assert "\n" not in str(found.value)


def test_what_is_packed_is_no_model_of_ours(tmp_path):
    path = bombs.model(tmp_path, config=[b" " * 10**7, bombs.model_parts()["config.json"]])
    with pytest.raises(InputError, match="unpacks to more than"):
        load_model(path)
    path = bombs.model(tmp_path, weights=[bombs.model_parts()["model.weights.h5"], bytes(10**7)])
    with pytest.raises(InputError, match="unpacks to more than"):
        load_model(path)
    assert Autoencoder.load(bombs.model(tmp_path)).latent_dim == 2         # packed it may be, if that is all


@pytest.mark.parametrize("edit", ["external", "text", "link"])
def test_weights_that_lie_elsewhere_or_are_no_numbers(tmp_path, edit):
    def change(file):
        name = bombs.first_dataset(file)
        shape = file[name].shape
        del file[name]
        if edit == "external":
            file.create_dataset(name, shape, "float32", external=[(str(tmp_path / "x"), 0, 10**9)])
        elif edit == "text":
            file.create_dataset(name, shape, h5py.string_dtype())
        else:
            file[name] = h5py.ExternalLink(str(tmp_path / "y.h5"), "x")

    (tmp_path / "x").write_bytes(bytes(10**6))
    with h5py.File(tmp_path / "y.h5", "w") as other:
        other["x"] = np.zeros(3)
    with pytest.raises(InputError, match="model.keras (is not a model|should describe)"):
        Autoencoder.load(bombs.weights(tmp_path, change))


def test_a_model_with_as_many_weights_as_its_file_is_built(tmp_path):
    x = keras.Input((3,))
    model = keras.Model(x, keras.layers.Dense(2)(keras.layers.BatchNormalization()(x)))
    save_model(model, tmp_path / "x.keras")
    assert models.numbers_in(models.weights_of(tmp_path / "x.keras")) == 20 == model.count_params()
    assert load_model(tmp_path / "x.keras").count_params() == 20
    before = keras.layers.Layer.add_weight, keras.layers.Layer.__call__
    for numbers, seconds, message in ((19, 9, "x should describe no more than the 19"), (20, -1, "longer")):
        with pytest.raises(InputError, match=message), bounded(numbers, seconds, "x"):
            keras.models.clone_model(model)
    assert before == (keras.layers.Layer.add_weight, keras.layers.Layer.__call__)


def in_thread(function):
    """What a function raises in a thread of its own, or None."""
    raised = []

    def work():
        try:
            function()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    return raised[0] if raised else None


def test_what_other_threads_build_does_not_count():
    def build():
        keras.layers.Dense(3)(np.zeros((1, 2)))

    with bounded(8, 60, "x"):
        assert in_thread(build) is None
        keras.layers.Dense(2)(np.zeros((1, 2)))                     # 6 of the 8 weights
        with pytest.raises(InputError, match="no more than the 8 weights"):
            build()
    with bounded(9, -1, "x"):
        assert in_thread(build) is None                             # nor does the time of other threads


def test_threads_load_one_after_the_other():
    """Two at once would leave Keras changed for ever."""
    add_weight, call = keras.layers.Layer.add_weight, keras.layers.Layer.__call__
    threads = [threading.Thread(target=Autoencoder.load, args=(ROOT / "vae/weights/vae.keras",))
               for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (keras.layers.Layer.add_weight, keras.layers.Layer.__call__) == (add_weight, call)


def test_a_model_that_never_ends_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(models, "SECONDS", 0.3)
    with pytest.raises(InputError, match="should be a model that is built in"):
        load_model(bombs.long_chain(tmp_path))


@pytest.mark.parametrize("path", sorted(ROOT.glob("*/weights/**/*.keras")), ids=lambda path: path.parts[-3])
def test_what_we_ship_is_within_the_limits(path):
    content = models.weights_of(path)
    assert models.numbers_in(content) * 4 < len(content) and len(content) < path.stat().st_size


def test_a_model_is_a_function_of_arrays_of_all_shapes():
    tokens, gate = keras.Input((None,), dtype="int32"), keras.Input((None, 1))
    model = keras.Model([tokens, gate], keras.layers.Embedding(9, 3)(tokens) * gate)
    function = models.array_function(model, keras.ops.sigmoid)
    for shape in ((1, 4), (3, 2)):
        arrays = [np.ones(shape, "int32"), np.full((*shape, 1), 0.5, "float32")]
        expected = keras.ops.sigmoid(model(arrays))
        np.testing.assert_allclose(function(arrays), expected, rtol=1e-6)
