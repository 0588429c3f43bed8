"""The run folder, its checkpoint and the command line: what survives a kill, and what is refused."""

import dataclasses
import json
import zipfile
from typing import Annotated

import h5py
import keras
import numpy as np
import pytest

from common.harness import cli, training, tuning
from common.harness.batches import ArrayBatches
from common.harness.cli import BaseConfig
from common.harness.folder import RunFolder
from common.harness.models import load_model
from common.harness.reading import InputError
from common.harness.writing import write_whole
from common.latent import GaussianSampling

X = np.random.default_rng(0).random((95, 6), "float32")


def build():
    x = keras.Input((6,))
    z = GaussianSampling()([keras.layers.Dense(2)(x), keras.layers.Dense(2)(x)])
    model = keras.Model(x, keras.layers.Dense(6)(z))
    model.compile(keras.optimizers.Adam(0.01), "mse")
    return model


def fit(config, fused=False, extra=()):
    run = training.start(config, "test", "small")
    model = build()
    items = ArrayBatches(run, X, X)
    if fused:
        items.fuse(model)
    options = run.fit_options()
    options["callbacks"] += extra
    model.fit(items, validation_data=(X, X), **options)
    return run, model


@pytest.fixture
def config(tmp_path):
    return BaseConfig(epochs=4, out=tmp_path)


def batches(x, seed=0, epoch=0, batch_size=10, fused=1, **options):
    run = RunFolder(None, BaseConfig(seed=seed, batch_size=batch_size))
    run.state["epoch"] = epoch
    items = ArrayBatches(run, x, x, **options)
    items.fused = fused
    items.on_epoch_begin()
    return items


def test_batches_are_a_permutation_that_depends_on_seed_and_epoch():
    def order(*arguments, **options):
        items = batches(np.arange(95), *arguments, **options)
        return np.concatenate([items[i][0].ravel() for i in range(len(items))])

    assert len(set(order())) == 90
    np.testing.assert_array_equal(order(), order(fused=4))
    assert (order() != order(epoch=1)).any() and (order() != order(seed=1)).any()
    assert len(batches(np.arange(95), batch_size=1000)) == 1
    assert batches(np.arange(95), fused=4).steps == 9 and len(batches(np.arange(95), fused=4)) == 3
    run = RunFolder(None, BaseConfig(batch_size=10))
    assert ArrayBatches(run, X, X, batch_size=30).steps == 3         # a script may ask for other batches


def test_fit_delivers_each_epoch_in_its_own_order():
    seen, items, model = [], batches(X), build()

    class Note(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            items.run.state["epoch"] = epoch

        def on_epoch_end(self, epoch, logs=None):
            seen.append(items[0][0])

    model.fit(items, epochs=3, shuffle=False, verbose=0, callbacks=[Note()])
    for epoch, first_batch in enumerate(seen):
        np.testing.assert_array_equal(first_batch, batches(X, epoch=epoch)[0][0])


def test_a_transform_sees_fresh_noise_in_each_epoch():
    def noise(x, y, rng):
        return rng.random(x.shape), y

    first, again, later = (batches(X, epoch=epoch, transform=noise)[0][0] for epoch in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != later).all()


def test_fused_steps_train_the_same_weights():
    results = []
    for fused in (False, True):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(6)])
        model.compile(keras.optimizers.Adam(0.01), "mse")
        items = batches(X)
        if fused:
            items.fuse(model)
        history = model.fit(items, shuffle=False, epochs=3, verbose=0).history
        results.append([np.array(history["loss"]), *model.get_weights()])
    assert items.fused > 1 or keras.backend.backend() != "tensorflow"
    for a, b in zip(*results):
        np.testing.assert_allclose(a, b, atol=1e-5)


class Kill(keras.callbacks.Callback):
    """Ends the training in the middle of an epoch, as a kill would."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.now == self.epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("killed_in", [0, 2])
def test_a_resumed_run_ends_as_the_uninterrupted_one(config, fused, killed_in):
    _, whole = fit(config, fused)
    with pytest.raises(KeyboardInterrupt):
        fit(config, fused, [Kill(killed_in)])
    folder = max(config.out.glob("test/*"), key=lambda path: (path.stat().st_mtime_ns))
    config = cli.settle(dataclasses.replace(config, resume=folder))
    run, resumed = fit(config, fused)
    for a, b in zip(whole.get_weights(), resumed.get_weights()):
        np.testing.assert_array_equal(a, b)
    rows = (folder / "log.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", "1", "2", "3", "4"]


def test_model_keras_is_the_best_epoch_without_optimizer(config):
    run, _ = fit(config)
    best = load_model(run.folder)
    assert getattr(best, "optimizer", None) is None
    with zipfile.ZipFile(run.path("model.keras")) as archive, archive.open("model.weights.h5") as weights:
        assert "optimizer" not in h5py.File(weights)
    losses = [row["val_loss"] for row in run.state["log"]]
    assert run.state["best"] == min(losses)
    run.finish({"name": "x"}, {"number": np.float32(1)})
    results = json.loads((run.folder / "results.json").read_text())
    assert set(results) == {
        "config",
        "data",
        "seed",
        "commit",
        "machine",
        "versions",
        "minutes",
        "smoke",
        "metrics",
    }
    assert not [path for path in run.folder.iterdir() if path.name.startswith(".")]


def test_two_runs_never_share_a_folder(config):
    assert training.start(config, "test", "a").folder != training.start(config, "test", "a").folder


def test_nan_stops_the_run_and_keeps_the_last_good_model(config):
    class Spoil(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                self.model.trainable_variables[0].assign(self.model.trainable_variables[0] * np.nan)

    with pytest.raises(
        InputError, match=r"no longer a finite number at step 3, in epoch 3.*epoch 2 or better is kept"
    ):
        fit(config, extra=[Spoil()])
    folder = next(config.out.glob("test/*"))
    assert all(np.isfinite(w).all() for w in load_model(folder).get_weights())
    assert json.loads(np.load(folder / "checkpoint.npz")["state"].item())["epoch"] == 2


def test_a_loss_that_explodes_but_stays_finite_stops_the_run_too(config):
    class Explode(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                self.model.trainable_variables[0].assign(self.model.trainable_variables[0] * 1e6)

    with pytest.raises(
        InputError, match=r"the loss has grown to \S+ at step 3, in epoch 3.*epoch 2 or better is kept"
    ):
        fit(config, extra=[Explode()])


@dataclasses.dataclass
class Wider(cli.BaseConfig):
    fixed: Annotated[int, cli.Between(1, 5)] = 1


@dataclasses.dataclass
class Options(Wider):
    epochs: int = 3                                    # another default, and the limits of the class below
    width: Annotated[int, cli.Between(2, 4096)] = 128
    rate: Annotated[float, cli.Between(0, below=1)] | None = None
    rates: tuple[Annotated[float, cli.Between(0, 1)], ...] = (0, 1.0)
    fixed: Annotated[int, cli.Between(1, 1)] = 1       # new limits take the place of those above


@pytest.mark.parametrize("changes, message", [
    ({"epochs": 0}, "--epochs expects 1 to 1,000,000. Received: 0"),
    ({"batch_size": -1}, "--batch-size expects 1 to 1,000,000. Received: -1"),
    ({"learning_rate": 0.0}, "--learning-rate expects more than 0 and at most 1,000,000. Received: 0.0"),
    ({"learning_rate": float("nan")}, "--learning-rate expects more than 0 .* Received: nan"),
    ({"learning_rate": float("inf")}, "--learning-rate expects more than 0 .* Received: inf"),
    ({"devices": 10 ** 9}, "--devices expects 0 to 1,024. Received: 1000000000"),
    ({"rates": (0.5, 2.0)}, "--rates expects 0 to 1. Received: 2.0"),
    ({"fixed": 2}, "--fixed expects 1 to 1. Received: 2"),
    ({"seed": 2 ** 32}, "--seed expects 0 to 4,294,967,295"),
    ({"width": 1}, "--width expects 2 to 4,096. Received: 1"),
    ({"width": 4097}, "--width expects 2 to 4,096. Received: 4097"),
    ({"rate": 1.0}, "--rate expects at least 0 and less than 1. Received: 1.0"),
])
def test_options_beyond_their_limits(changes, message):
    cli.check(Options(width=2, rate=0.0))
    cli.check(Options(width=4096, rate=0.999, rates=()))
    assert dict(cli.limits_of(Options))["fixed"] == cli.Between(1, 1)
    with pytest.raises(InputError, match=message):
        cli.settle(Options(**changes))


def test_resume_refuses_what_is_no_stopped_run(config, tmp_path):
    for content in (None, "{", '{"epochs": 3}', "[]"):
        folder = tmp_path / "folder"
        folder.mkdir(exist_ok=True)
        if content:
            (folder / "config.json").write_text(content)
        with pytest.raises(InputError, match="--resume expects the folder of a run of this script"):
            cli.settle(dataclasses.replace(config, resume=folder))
    run = training.start(config, "test", "a")
    with pytest.raises(InputError, match="leave out --batch-size"):
        cli.settle(dataclasses.replace(config, resume=run.folder, batch_size=7))
    run.path("checkpoint.npz").write_bytes(b"half")
    with pytest.raises(InputError, match="is damaged"):
        training.start(cli.settle(dataclasses.replace(config, resume=run.folder)), "test", "a")
    run.finish({}, {})
    with pytest.raises(InputError, match="that run is finished"):
        cli.settle(dataclasses.replace(config, resume=run.folder))


ROW = {"epoch": 1, "loss": 0.5, "seconds": 1.5}
STATE = {"epoch": 1, "best": 0.5, "seconds": 1.5, "log": [ROW]}


@pytest.mark.parametrize("changes, message", [
    ({"log": [3]}, "row 1 of the log is not that of epoch 1"),
    ({"log": [{"epoch": 1}]}, "row 1 of the log is not that of epoch 1"),
    ({"log": [ROW | {"epoch": 2}]}, "row 1 of the log is not that of epoch 1"),
    ({"log": [ROW | {"loss": "low"}]}, "row 1 of the log holds more than finite numbers"),
    ({"log": [ROW | {"loss": float("nan")}]}, "row 1 of the log holds more than finite numbers"),
    ({"log": [ROW | {"loss": [0.5]}]}, "row 1 of the log holds more than finite numbers"),
    ({"log": []}, "a row of the log for each epoch"), ({"epoch": 2}, "a row of the log for each epoch"),
    ({"epoch": "1"}, "a row of the log for each epoch"), ({"log": {"1": ROW}}, "a row of the log for each"),
    ({"best": "x"}, "best is no number"), ({"best": float("inf")}, "best is no number"),
    ({"seconds": -1}, "seconds is no time"), ({"seconds": None}, "seconds is no time"),
    ({"more": 1}, "expected epoch, best, seconds, log"),
    ({"epoch": 100, "log": [ROW | {"epoch": n} for n in range(1, 101)]},
     "belongs to another run than config.json beside it, which has 4 epochs. Received: 100 finished epochs"),
])
def test_checkpoints_that_make_no_sense_are_named(config, changes, message):
    run = training.start(config, "test", "a")
    np.savez(run.path("checkpoint.npz"), state=np.array(json.dumps(STATE | changes)))
    with pytest.raises(InputError, match=message):
        training.start(cli.settle(dataclasses.replace(config, resume=run.folder)), "test", "a")


@pytest.mark.parametrize("kind", ["float64", "float16", "int32"])
def test_checkpoints_whose_arrays_are_of_another_type_are_named(config, kind):
    run, _ = fit(dataclasses.replace(config, epochs=1))
    saved = json.loads(run.path("config.json").read_text())
    run.path("config.json").write_text(json.dumps(saved | {"epochs": 2}))
    with np.load(run.path("checkpoint.npz")) as file:
        arrays = dict(file)
    arrays["v0"] = arrays["v0"].astype(kind)
    np.savez(run.path("checkpoint.npz"), **arrays)
    with pytest.raises(InputError, match="belongs to another model than config.json"):
        fit(cli.settle(dataclasses.replace(config, resume=run.folder, epochs=2)))


def test_a_place_that_cannot_be_written(config, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="--out expects a folder that can be written"):
        training.start(dataclasses.replace(config, out=tmp_path / "file"), "test", "a")
    with pytest.raises(InputError, match="cannot be written"):
        write_whole(tmp_path / "file" / "x", b"")


def test_model_files_that_are_not_ours(tmp_path):
    with pytest.raises(InputError, match="expected a run folder"):
        load_model(tmp_path)
    for content in (b"", b"PK\3\4 nothing", b"\0" * 1000):
        (tmp_path / "model.keras").write_bytes(content)
        with pytest.raises(InputError, match="is not a model of this script or is damaged"):
            load_model(tmp_path)
    keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x)]).save(tmp_path / "model.keras")
    with pytest.raises(InputError, match="is not a model of this script"):
        load_model(tmp_path)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.data feeds TensorFlow alone")
def test_the_input_of_fit_is_not_tuned():
    from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter

    tuning.disable_autotune()
    tuning.disable_autotune()
    batches = ArrayBatches(
        RunFolder(None, cli.BaseConfig(batch_size=2)), np.zeros((4, 3), "float32"), np.zeros(4)
    )
    dataset = PyDatasetAdapter(batches).get_tf_dataset()
    assert not dataset.options().autotune.enabled and len(list(dataset)) == 2


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_cross_entropy_and_its_gradient_are_those_of_float64(dtype):
    rng = np.random.default_rng(0)
    logits = (5 * rng.normal(size=(4, 3, 50))).astype(dtype)
    y = rng.integers(0, 50, (4, 3))
    exact = logits.astype("float64")
    log_z = np.log(np.exp(exact).sum(axis=-1))
    right = np.take_along_axis(exact, y[..., None], axis=-1)[..., 0]
    found = keras.ops.convert_to_numpy(tuning.cross_entropy(keras.ops.convert_to_tensor(y), logits))
    assert found.dtype == "float32" and np.allclose(found, log_z - right, atol=1e-5)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        x = tf.constant(logits)
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(tuning.cross_entropy(y, x))
        expected = np.exp(exact - log_z[..., None]) - np.eye(50)[y]
        assert np.allclose(tape.gradient(total, x), expected, atol=1e-3 if dtype == "float16" else 1e-6)
