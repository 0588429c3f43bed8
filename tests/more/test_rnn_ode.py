"""more/rnn_ode.py against loops in float64 NumPy, matrix exponentials, and Keras' own recurrent layer."""

import keras
import numpy as np
import pytest
from scipy.linalg import expm

from common.harness.reading import InputError
from more import rnn_ode
from more.rnn_ode import Competition, NetworkODE, ODECell, TanhCell


class Linear(ODECell):
    """ẋ = x A + t: its solution is known."""

    matrix = np.array([[-0.3, 1.0], [-1.0, -0.2]])

    def derivative(self, x, t):
        return keras.ops.matmul(x, keras.ops.cast(self.matrix, x.dtype)) + t


def exact(t, start):
    """Of x extended by t and 1, whose derivatives are 1 and 0, so that the equation is linear."""
    big = np.zeros((4, 4))
    big[:2, :2] = Linear.matrix
    big[2, :2] = 1
    big[3, 2] = 1
    return (np.array([*start, 0, 1]) @ expm(t * big))[:2]


@pytest.mark.parametrize("method, order", [("euler", 1), ("midpoint", 2), ("rk4", 4)])
def test_errors_fall_with_the_order_of_the_method(method, order):
    errors = []
    for steps in (20, 40):
        cell = Linear(2, step=2 / steps, method=method, dtype="float64")
        errors.append(np.abs(rnn_ode.solution(cell, (1.0, 0.5), steps)[-1] - exact(2, (1.0, 0.5))).max())
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.15)
    assert errors[1] < 0.1


def test_substeps_are_steps():
    whole = Linear(2, step=0.5, substeps=5, dtype="float64")
    parts = Linear(2, step=0.1, dtype="float64")
    np.testing.assert_allclose(rnn_ode.solution(whole, (1, 2), 3), rnn_ode.solution(parts, (1, 2), 15)[4::5],
                               rtol=1e-12)


def test_competition_is_equation_7_step_by_step():
    r, n, a = np.array([0.1, 0.3]), np.array([500.0, 1000 / 3]), np.array([1e-4, 2e-4])
    x, path = np.array([100.0, 150.0]), []
    for _ in range(100):
        x = x + 0.1 * (r * x * (1 - x / n) - a * x[0] * x[1])
        path.append(x)
    found = rnn_ode.solution(Competition(rnn_ode.TRUTH, step=0.1, dtype="float64"), (100, 150), 100)
    np.testing.assert_allclose(found, path, rtol=1e-6)


def test_the_articles_table_was_made_with_steps_of_a_tenth():
    rows = rnn_ode.read_rows(rnn_ode.TABLE, "table")
    errors = {h: rnn_ode.rms(Competition(rnn_ode.TRUTH, step=h), rows) for h in (0.1, 1.0)}
    assert errors[0.1] == pytest.approx(0.309, abs=0.002)       # rounding to whole numbers alone is 0.29
    assert errors[1.0] == pytest.approx(1.266, abs=0.005)


def test_tanh_cell_is_keras_simple_rnn():
    x = np.random.default_rng(0).normal(size=(2, 6, 3)).astype("float32")
    ours, theirs = keras.layers.RNN(TanhCell(4)), keras.layers.SimpleRNN(4)
    ours(x), theirs(x)
    recurrent, kernel, bias = ours.get_weights()
    theirs.set_weights([kernel, recurrent, bias + 0.1])
    ours.set_weights([recurrent, kernel, bias + 0.1])
    np.testing.assert_allclose(ours(x), theirs(x), atol=1e-6)


def test_the_gradient_through_the_solver_is_that_of_differences():
    rows = rnn_ode.read_rows(rnn_ode.TABLE, "table")
    import tensorflow as tf

    def loss(shift):
        start = np.array(rnn_ode.TRUTH) * 1.3 * np.exp(shift)
        cell = Competition(start, method="rk4", dtype="float64")
        model = rnn_ode.build_solver(cell, 12)
        target = np.full((1, 12, 2), np.nan)
        target[0, 9] = rows[1][1]
        x = [np.arange(12.0)[None, :, None], rows[1][:1]]
        with tf.GradientTape() as tape:
            value = rnn_ode.known_squares(keras.ops.convert_to_tensor(target), model(x))[0]
        return float(value), tape.gradient(value, model.trainable_variables[0]).numpy()

    gradient = loss(np.zeros(6))[1]
    for i, shift in enumerate(1e-5 * np.eye(6)):
        difference = (loss(shift)[0] - loss(-shift)[0]) / 2e-5
        assert gradient[i] == pytest.approx(difference, rel=1e-5)


def test_what_is_not_known_does_not_count_in_either_component():
    y = np.array([[[1.0, np.nan], [np.nan, np.nan], [2.0, 5.0]]])
    x = np.array([[[2.0, 7.0], [1e3, 1e3], [4.0, 5.0]]])
    assert float(rnn_ode.known_squares(y, keras.ops.convert_to_tensor(x))[0]) == 1 + 4


def test_the_fit_comes_nearer_and_the_parameters_stay_positive():
    keras.utils.set_random_seed(0)
    rows = rnn_ode.read_rows(rnn_ode.TABLE, "table")
    cell = rnn_ode.fitted(Competition(), rows, 400, 2e-2)
    assert 3 * rnn_ode.rms(cell, rows) < rnn_ode.rms(Competition(), rows)
    assert (cell.parameters() > 0).all()


@pytest.mark.parametrize("cell", [Competition(step=0.5, substeps=2, limit=9.0, positive=False),
                                  NetworkODE(2, units=3, scale=10.0, method="midpoint"), TanhCell(2)])
def test_what_saves_loads(cell, tmp_path):
    x = keras.Input((4, 1))
    model = keras.Model(x, keras.layers.RNN(cell, return_sequences=True)(x))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    t = np.arange(4, dtype="float32")[None, :, None]
    np.testing.assert_array_equal(loaded(t), model(t))
    assert loaded.layers[-1].cell.get_config() == cell.get_config()


@pytest.mark.parametrize("options, message", [
    ({"method": "heun"}, "method expects one of"), ({"step": 0.0}, "step expects a positive number"),
    ({"substeps": 0}, "substeps expects"), ({"start": (1, 2)}, "start expects six numbers"),
    ({"start": (0, 1, 1, 1, 1, 1)}, "start expects six numbers, positive ones"),
])
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Competition(**options)


@pytest.mark.parametrize("rows", ["", "0,1,2", "0,1,2\n2,3\n3,4,5", "0,1,2\n2,3,a\n3,4,5",
                                  "1,1,2\n2,3,1\n3,4,5", "0,1,\n2,3,1\n3,4,5", "0,1,2\n0.5,3,1\n3,4,5",
                                  "0,1,2\n2,3,1\n9999,4,5"])
def test_rows_that_cannot_be_used_are_refused_with_what_is_expected(rows):
    with pytest.raises(InputError, match="a line of names and at least three rows"):
        rnn_ode.read_rows(f"t,x1,x2\n{rows}", "file")


def test_blanks_in_rows_are_not_known():
    times, values = rnn_ode.read_rows("t,x1,x2\n0,1,2\n2,,3\n5,4,", "file")
    assert times.tolist() == [0, 2, 5] and np.isnan(values).sum() == 2
