"""more/keras_tricks/: what each file's check says, and its optimizers and layers against float64 NumPy."""

import importlib
import json
import os
import re
import subprocess
import sys

import keras
import numpy as np
import pytest

from more.keras_tricks.center_loss import CenterLoss, build_classifier, within
from more.keras_tricks.ema import AveragedStatistics
from more.keras_tricks.heun import Heun
from more.keras_tricks.lazy_embedding import LazyEmbedding, encoded
from more.keras_tricks.lookahead import Lookahead
from more.keras_tricks.masks import masked_max, masked_mean
from more.keras_tricks.safe_generators import Batches
from more.keras_tricks.warmup import Warmup
from tests.articles import ROOT, run
from tests.test_backends import ON_JAX, ON_TORCH

FOLDER = ROOT / "more" / "keras_tricks"
TRICKS = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")
DEMOS = ["center_loss", "ema", "gradient_accumulation", "lazy_embedding"]      # with a run folder
PAGES = ("README.md", "README.zh.md")


@pytest.mark.parametrize("name", TRICKS)
def test_check(name):
    lines = importlib.import_module(f"more.keras_tricks.{name}").check()
    assert lines and all(isinstance(line, str) for line in lines)


ALL = """
import importlib, json, sys
sys.path.insert(0, sys.argv[1])
for name in json.loads(sys.argv[2]):
    importlib.import_module(f"more.keras_tricks.{name}").check()
"""


@pytest.mark.parametrize("backend", [pytest.param("jax", marks=ON_JAX),
                                     pytest.param("torch", marks=ON_TORCH)])
def test_checks_on_another_backend(backend):
    environment = {**os.environ, "KERAS_BACKEND": backend}
    command = [sys.executable, "-c", ALL, str(ROOT), json.dumps(TRICKS)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]


@pytest.mark.parametrize("name", sorted(set(TRICKS) - set(DEMOS)))
def test_each_file_runs_from_anywhere(name):
    """The demos are run below, and the others have nothing but this."""
    source = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    assert f"python more/keras_tricks/{name}.py" in source and "print(*check()" in source


@pytest.mark.slow
@pytest.mark.parametrize("name", DEMOS)
def test_smoke_run(name, tmp_path):
    result = run(f"more/keras_tricks/{name}.py", "--smoke", "--out", tmp_path / "out", cwd=tmp_path)
    assert "SMOKE RUN" in result.stdout
    folder, = (tmp_path / "out" / "more").glob("smoke-*")
    results = json.loads((folder / "results.json").read_text())
    assert results["smoke"] is True and results["data"]["builtin"] is True
    assert results["metrics"] and all(np.isfinite(value) for value in results["metrics"].values())
    assert {"picture.png", "table.md"} <= {path.name for path in folder.iterdir()}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name, options, message", [
    *((name, "--data /nowhere", "Received: /nowhere") for name in DEMOS),
    *((name, "--epochs 0", "--epochs expects 1 to") for name in DEMOS)])
def test_bad_options_are_named_before_anything_is_written(name, options, message, tmp_path, monkeypatch,
                                                          capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *options.split()])
    with pytest.raises(SystemExit, match="^2$"):
        importlib.import_module(f"more.keras_tricks.{name}").main()
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and message in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("page", PAGES)
def test_the_table_has_a_row_for_each_file(page):
    text = (FOLDER / page).read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| [")]
    named = [re.match(r"\| \[(\w+)\.py\]", line)[1] for line in rows if "](../" not in line.split(" | ")[0]]
    assert sorted(named) == TRICKS
    for row in rows:
        name = re.match(r"\| \[(\w+)\.py\]\((.+?)\)", row)
        source = (FOLDER / name[2]).read_text(encoding="utf-8")
        assert all(article in source for article in re.findall(r"archives/\d+", row)), name[1]


# --------------------------------------------------------------------------------------------- optimizers

def adam(gradients, theta, rate, weights_of=None):
    """θ after Adam's steps in float64, from the formulas of its paper; what a function makes of each θ."""
    m, v = np.zeros_like(theta), np.zeros_like(theta)
    for t, gradient in enumerate(gradients, 1):
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient ** 2
        moved = theta - rate * (m / (1 - 0.9 ** t)) / (np.sqrt(v / (1 - 0.999 ** t)) + 1e-7)
        theta = moved if weights_of is None else weights_of(t, gradient, theta, moved)
    return theta


def applied(optimizer, gradients, start):
    """The variable that an optimizer leaves."""
    variable = keras.Variable(start.astype("float32"), name="embeddings")
    optimizer.build([variable])
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient.astype("float32"))], [variable])
    return variable.numpy()


@pytest.mark.parametrize("steps, share", [(1, 0.5), (5, 0.5), (3, 0.8), (4, 1.0)])
def test_lookahead_is_its_three_steps_in_numpy(steps, share):
    rng = np.random.default_rng(0)
    gradients, start = rng.normal(size=(17, 3, 2)), rng.normal(size=(3, 2))
    kept = [start]

    def back(t, gradient, theta, moved):
        if t % steps == 0:
            moved = kept[0] + share * (moved - kept[0])
            kept[0] = moved
        return moved

    expected = adam(gradients, start, 0.1, back)
    found = applied(Lookahead(keras.optimizers.Adam(0.1), steps, share), gradients, start)
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5)


def test_lookahead_counts_updates_of_accumulated_gradients():
    rng = np.random.default_rng(0)
    gradients, start = rng.normal(size=(12, 3, 2)), rng.normal(size=(3, 2))
    means = gradients.reshape(6, 2, 3, 2).mean(axis=1)
    expected = applied(Lookahead(keras.optimizers.Adam(0.1), 2), means, start)
    inner = keras.optimizers.Adam(0.1, gradient_accumulation_steps=2)
    np.testing.assert_allclose(applied(Lookahead(inner, 2), gradients, start), expected, rtol=1e-4)


def test_lookahead_begins_from_weights_that_were_loaded_after_it_was_built():
    variable = keras.Variable([5.0])
    optimizer = Lookahead(keras.optimizers.SGD(0.5), 2)
    optimizer.build([variable])
    variable.assign([1.0])
    for _ in range(2):
        optimizer.apply([keras.ops.convert_to_tensor([1.0])], [variable])
    assert variable.numpy() == pytest.approx(0.5)                        # half the way from 1 to 0


def test_lookahead_keeps_a_constraint():
    constraint = keras.constraints.UnitNorm(axis=0)
    layer = keras.layers.Dense(3, kernel_constraint=constraint)
    model = keras.Sequential([keras.Input((4,)), layer])
    model.compile(Lookahead(keras.optimizers.SGD(1.0), 2), "mse")
    rng = np.random.default_rng(0)
    model.fit(rng.normal(size=(8, 4)), rng.normal(size=(8, 3)), batch_size=2, verbose=0)
    np.testing.assert_allclose(np.linalg.norm(layer.get_weights()[0], axis=0), 1, rtol=1e-5)


def test_lazy_rows_rest_and_their_moments_do_not():
    rng = np.random.default_rng(0)
    gradients, start = rng.normal(size=(9, 4, 2)), rng.normal(size=(4, 2))
    gradients *= rng.random((9, 4, 1)) < 0.5
    gradients[0, 1, 0] = 0.0                        # one component of a row that is there is no absent row

    def resting(t, gradient, theta, moved):
        return np.where((gradient != 0).any(axis=1, keepdims=True), moved, theta)

    found = applied(LazyEmbedding(keras.optimizers.Adam(0.1)), gradients, start)
    np.testing.assert_allclose(found, adam(gradients, start, 0.1, resting), rtol=2e-4, atol=2e-5)
    assert np.abs(found - adam(gradients, start, 0.1)).max() > 0.01


@pytest.mark.parametrize("wrap", [Lookahead, LazyEmbedding])
@pytest.mark.parametrize("jit", [True, False])
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_wrapped_optimizers_train_save_and_go_on(wrap, jit, policy, tmp_path):
    """What is loaded takes the next step as the model that was saved does."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([
        keras.Input((4,), dtype="int32"), keras.layers.Embedding(9, 3, dtype=policy),
        keras.layers.Flatten(), keras.layers.Dense(1, dtype="float32")])
    optimizer = wrap(keras.optimizers.Adam(1e-2))
    if policy != "float32":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=8.0)
    model.compile(optimizer, "mse", jit_compile=jit and keras.backend.backend() != "torch")
    x, y = np.random.default_rng(0).integers(9, size=(24, 4)), np.ones((24, 1))
    log = model.fit(x, y, batch_size=4, epochs=6, shuffle=False, verbose=0).history["loss"]
    assert log[-1] < log[0]
    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")
    for net in (model, copy):
        net.fit(x[:8], y[:8], batch_size=4, shuffle=False, verbose=0)
    for a, b in zip(model.get_weights(), copy.get_weights()):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    copy.optimizer.learning_rate = 0.5
    inner = copy.optimizer
    while hasattr(inner, "inner_optimizer"):
        inner = inner.inner_optimizer
    assert float(inner.learning_rate) == 0.5


def test_heun_is_the_formula():
    a = np.array([[2.0, 0.5], [0.5, 1.0]])
    theta = start = np.array([1.0, -2.0])
    for _ in range(5):
        trial = theta - 0.1 * a @ theta
        theta = theta - 0.05 * (a @ theta + a @ trial)
    variable, optimizer = keras.Variable(start.astype("float32")), Heun(0.1)
    optimizer.build([variable])
    for _ in range(10):
        gradient = (a @ variable.numpy()).astype("float32")
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
    np.testing.assert_allclose(variable.numpy(), theta, rtol=1e-5)


@pytest.mark.parametrize("make, message", [
    (lambda: Lookahead("adam", steps=0), "steps expects an integer of at least 1"),
    (lambda: Lookahead("adam", share=0), "share expects a number above 0 and at most 1"),
    (lambda: Lookahead("adam", share=float("nan")), "share expects a number above 0 and at most 1"),
    (lambda: Lookahead(keras.optimizers.Adam(use_ema=True)), "inner_optimizer expects one without use_ema"),
    (lambda: LazyEmbedding(keras.optimizers.Adam(gradient_accumulation_steps=2)), "neither accumulates"),
    (lambda: LazyEmbedding("adam").build([keras.Variable([1.0])]), "names expects those of matrices"),
    (lambda: Heun(0.1, clipnorm=1.0), "expects gradients as they are"),
    (lambda: Warmup(1e-3, 0), "steps expects at least 1"),
    (lambda: Batches(np.ones(3), np.ones(2)), "x and y expect as many rows"),
    (lambda: CenterLoss(3)([np.zeros((4, 2)), np.zeros((4, 2))]), "the layer expects labels"),
])
def test_what_they_refuse(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# ------------------------------------------------------------------------------------------------- layers

def test_center_loss_is_the_formula_and_its_gradient():
    model, features = build_classifier(0.5, dim=6)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 6)).astype("float32"), np.array([3, 1, 3, 0, 9])
    layer = model.get_layer("center_loss")
    model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    centers, f = layer.centers.numpy().astype("float64"), np.array(features(x), "float64")
    logits = np.array(model([x, y]), "float64")
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    expected = -log_p[np.arange(5), y].mean() + 0.5 * np.square(f - centers[y]).sum(axis=1).mean()
    assert model.train_on_batch([x, y], y) == pytest.approx(expected, rel=1e-5)
    moved = centers.copy()
    for row, label in zip(f, y):
        moved[label] += 0.1 * (row - centers[label]) / 5
    np.testing.assert_allclose(layer.centers.numpy(), moved, rtol=1e-4, atol=1e-6)


def test_center_loss_of_a_label_that_is_none_is_nan():
    layer = CenterLoss(3)
    layer([np.array([0, 3]), np.zeros((2, 2), "float32")])
    assert np.isnan(float(layer.losses[0]))


def test_variance_within_classes():
    labels = np.repeat([0, 1], 500)
    rng = np.random.default_rng(0)
    features = np.stack([labels * 10.0, np.zeros(1000)], axis=1) + rng.normal(size=(1000, 2))
    assert within(features, labels) == pytest.approx(2 / (2 + 25), rel=0.1)


def test_masked_mean_and_max_do_not_see_padding():
    rng = np.random.default_rng(0)
    x = -rng.random((2, 6, 3)).astype("float32") - 1
    mask = np.array([[1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 1]], "bool")
    x[0, 3:] = 100.0
    for function, plain in ((masked_mean, np.mean), (masked_max, np.max)):
        found = np.array(function(keras.ops.convert_to_tensor(x), mask))
        expected = np.stack([plain(x[0, :3], axis=0), plain(x[1], axis=0)])
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_batches_have_each_row_once_and_another_order_in_each_epoch():
    batches = Batches(np.arange(10), np.arange(10) * 2, 4)
    orders = []
    for _ in range(2):
        parts = [batches[i] for i in range(len(batches))]
        assert [len(x) for x, _ in parts] == [4, 4, 2]
        assert all((2 * x == y).all() for x, y in parts)
        orders.append(np.concatenate([x for x, _ in parts]).tolist())
        batches.on_epoch_begin()
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(10)) and orders[0] != orders[1]


def test_words_are_pairs_of_neighbours():
    found = encoded(["房间很好", "好"], {"房间": 0, "很好": 1}, 3)
    assert found.tolist() == [[1, 2, 0], [3, 0, 0]]                 # no row of nothing but padding


# --------------------------------------------------------------------------------------------------- averages

def test_statistics_are_averaged_as_weights_are():
    """From the statistics after the first step on, α at each step; swapped twice they are what they were."""
    class Seen(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(np.array(self.model.layers[1].moving_mean))

    seen, averaged = [], AveragedStatistics(0.7)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.1),
                              keras.layers.BatchNormalization(momentum=0.5), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.01, use_ema=True, ema_momentum=0.7), "mse")
    x = np.random.default_rng(0).normal(2.0, 1.0, (40, 3)).astype("float32")
    model.fit(x, x[:, :1], batch_size=8, verbose=0, callbacks=[Seen(), averaged])
    expected = seen[0]
    for value in seen[1:]:
        expected = 0.7 * expected + 0.3 * value
    batch_norm = model.layers[1]
    latest = np.array(batch_norm.moving_mean)
    averaged.swap()
    np.testing.assert_allclose(np.array(batch_norm.moving_mean), expected, rtol=1e-5)
    averaged.swap()
    np.testing.assert_array_equal(np.array(batch_norm.moving_mean), latest)
    assert len(averaged.variables()) == 2                      # the seed of dropout is none
