"""貌离神合的RNN与ODE：花式RNN简介, https://kexue.fm/archives/5643

Euler's step x(t + h) = x(t) + h f(x(t), t), equation (4), is a recurrence, equation (1). So a recurrent
network whose cell is f solves a differential equation in its forward pass, and back-propagation through it
finds the equation's parameters from data.

    article         here
    y_t, x_t        the state of the cell, and its input: the time t
    f(x, t)         ODECell.derivative
    h               step, split into `substeps`
    r, 1/N, a       Competition.parameters(), equation (7)

    python more/rnn_ode.py                    a minute: six parameters within 10 % of the truth
    python more/rnn_ode.py --table            three minutes: from five other starting points too
    python more/rnn_ode.py --data FILE.csv    your own two species: rows t,x1,x2; a blank is not known
"""

import keras
import numpy as np
from keras import ops

METHODS = ("euler", "midpoint", "rk4")


@keras.saving.register_keras_serializable(package="kexue")
class TanhCell(keras.layers.Layer):
    """The article's first cell of one's own: y_t = tanh(W₁ y_{t−1} + W₂ x_t + b), equation (2).

    Args:
        units: the size of y.
        **kwargs: name, dtype and so on, as for any Keras layer.

    Example:
        layer = keras.layers.RNN(TanhCell(4), return_sequences=True)
        print(layer(np.zeros((2, 5, 3), "float32")).shape)          # (2, 5, 4)

    Reference: 苏剑林, 貌离神合的RNN与ODE：花式RNN简介, https://kexue.fm/archives/5643
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = self.output_size = units

    def build(self, input_shape):
        self.recurrent = self.add_weight(shape=(self.units, self.units), initializer="orthogonal", name="W1")
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="W2")
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="b")

    def call(self, x, states, training=False):
        y = ops.tanh(ops.matmul(states[0], self.recurrent) + ops.matmul(x, self.kernel) + self.bias)
        return y, [y]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable(package="kexue")
class ODECell(keras.layers.Layer):
    """One step of ẋ = f(x, t), equation (3), as a cell for keras.layers.RNN: the network solves the equation.

        euler      x + h f(x, t)                                                 equation (4), error ~ h
        midpoint   x + h f(x + ½ h f(x, t), t + ½ h)                             error ~ h²
        rk4        the classical Runge-Kutta method                              error ~ h⁴

    A subclass defines derivative(x, t), which is f. The inputs of the RNN are the times t = 0, h, 2h, ...
    (batch, steps, 1), its initial state is x(0), and its outputs are x(h), x(2h), ...

    Args:
        dim: the size of x.
        step: h, the time between two outputs.
        method: "euler", "midpoint" or "rk4".
        substeps: equal parts of h that are computed one after the other.
        **kwargs: name, dtype and so on. dtype is float32 whatever the policy, unless you name float64: adding
            small steps in half precision loses them.

    Raises:
        ValueError: an unknown method, or dim, step or substeps that are not positive.

    Example:
        class Decay(ODECell):
            def derivative(self, x, t): return -x
        solve = keras.layers.RNN(Decay(1, step=0.1, method="rk4"), return_sequences=True)
        t = 0.1 * np.arange(10, dtype="float32")[None, :, None]
        print(solve(t, initial_state=np.ones((1, 1), "float32"))[0, -1])      # e⁻¹ = 0.3679

    Reference: 苏剑林, 貌离神合的RNN与ODE：花式RNN简介, https://kexue.fm/archives/5643
    """

    def __init__(self, dim, step=1.0, method="euler", substeps=1, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        if method not in METHODS:
            raise ValueError(f"method expects one of {METHODS}. Received: method={method!r}")
        for name, value in (("dim", dim), ("step", step), ("substeps", substeps)):
            if not value > 0:
                raise ValueError(f"{name} expects a positive number. Received: {name}={value!r}")
        self.dim = self.state_size = self.output_size = dim
        self.step, self.method, self.substeps = step, method, substeps

    def derivative(self, x, t):
        """f(x, t) for x (batch, dim) and t (batch, 1), as (batch, dim)."""
        raise NotImplementedError("ODECell expects a subclass that defines derivative(x, t).")

    def call(self, t, states, training=False):
        x, h = states[0], self.step / self.substeps
        for part in range(self.substeps):
            x = x + h * self.slope(x, t + part * h, h)
        return x, [x]

    def slope(self, x, t, h):
        """The mean derivative over a step, as the method estimates it."""
        first = self.derivative(x, t)
        if self.method == "euler":
            return first
        second = self.derivative(x + 0.5 * h * first, t + 0.5 * h)
        if self.method == "midpoint":
            return second
        third = self.derivative(x + 0.5 * h * second, t + 0.5 * h)
        fourth = self.derivative(x + h * third, t + h)
        return (first + 2 * second + 2 * third + fourth) / 6

    def get_config(self):
        return {**super().get_config(), "dim": self.dim, "step": self.step, "method": self.method,
                "substeps": self.substeps}


@keras.saving.register_keras_serializable(package="kexue")
class Competition(ODECell):
    """Two species that compete, equation (7):

        ẋ₁ = r₁ x₁ (1 − x₁/N₁) − a₁ x₁ x₂,   ẋ₂ = r₂ x₂ (1 − x₂/N₂) − a₂ x₁ x₂

    Args:
        start: r₁, r₂, 1/N₁, 1/N₂, a₁, a₂ to begin with; by default the article's.
        positive: the weights are logarithms, so parameters stay positive, and a step of the optimizer changes
            each of them by a share of itself. False: the weights are the parameters, as in the article.
        limit: derivatives are cut to ±limit. It keeps an exploding state finite; a cut derivative has no
            gradient, so it is no clipping of gradients.
        **kwargs: step, method, substeps, name and so on, see ODECell.

    Example:
        cell = Competition(step=1.0, method="rk4")
        solve = keras.layers.RNN(cell, return_sequences=True)
        solve(np.zeros((1, 3, 1), "float32"), initial_state=np.array([[100.0, 150.0]], "float32"))
        print(cell.parameters())         # to see what was learnt

    Reference: 苏剑林, 貌离神合的RNN与ODE：花式RNN简介, https://kexue.fm/archives/5643
    """

    def __init__(self, start=(0.1, 0.1, 1e-3, 1e-3, 1e-3, 1e-3), positive=True, limit=None, dim=2, **kwargs):
        super().__init__(dim=2, **kwargs)
        self.start, self.positive, self.limit = [float(value) for value in start], positive, limit
        if len(self.start) != 6 or (positive and min(self.start) <= 0):
            raise ValueError(f"start expects six numbers, positive ones. Received: start={start!r}")

    def build(self, input_shape):
        start = np.log(self.start) if self.positive else np.array(self.start)
        start = keras.initializers.Constant(start)
        self.weight = self.add_weight(shape=(6,), initializer=start, name="weight")

    def parameters(self):
        """r₁, r₂, 1/N₁, 1/N₂, a₁, a₂."""
        values = ops.convert_to_numpy(self.weight)
        return np.exp(values) if self.positive else values

    def derivative(self, x, t):
        values = ops.exp(self.weight) if self.positive else ops.convert_to_tensor(self.weight)
        r, inverse_n, a = values[0:2], values[2:4], values[4:6]
        f = r * x * (1 - x * inverse_n) - a * x[:, 0:1] * x[:, 1:2]
        return f if self.limit is None else ops.clip(f, -self.limit, self.limit)

    def get_config(self):
        return {**super().get_config(), "start": self.start, "positive": self.positive, "limit": self.limit}


@keras.saving.register_keras_serializable(package="kexue")
class NetworkODE(ODECell):
    """f is not known: a small network stands in its place, ẋ = scale · (W₂ tanh(W₁ x/scale + b₁) + b₂).

    Args:
        dim: the size of x.
        units: the hidden layer's.
        scale: the order of magnitude of x.
        **kwargs: step, method, substeps, name and so on, see ODECell.

    Example:
        solve = keras.layers.RNN(NetworkODE(2, step=0.1, method="midpoint"), return_sequences=True)
        print(solve(np.zeros((1, 3, 1), "float32")).shape)          # (1, 3, 2)

    Reference: 苏剑林, 貌离神合的RNN与ODE：花式RNN简介, https://kexue.fm/archives/5643
    """

    def __init__(self, dim, units=16, scale=1.0, **kwargs):
        super().__init__(dim, **kwargs)
        self.units, self.scale = units, scale

    def build(self, input_shape):
        self.inner = self.add_weight(shape=(self.dim, self.units), name="W1")
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="b1")
        small = keras.initializers.RandomNormal(0.0, 0.01)           # at first hardly anything moves
        self.outer = self.add_weight(shape=(self.units, self.dim), initializer=small, name="W2")
        self.shift = self.add_weight(shape=(self.dim,), initializer="zeros", name="b2")

    def derivative(self, x, t):
        hidden = ops.tanh(ops.matmul(x / self.scale, self.inner) + self.bias)
        return self.scale * (ops.matmul(hidden, self.outer) + self.shift)

    def get_config(self):
        return {**super().get_config(), "units": self.units, "scale": self.scale}


@keras.saving.register_keras_serializable(package="kexue")
def known_squares(y_true, y_pred):
    """The sum of squared errors over what is known; NaN in y_true, in either component, is not."""
    known = ops.logical_not(ops.isnan(y_true))
    errors = ops.where(known, y_pred - ops.where(known, y_true, 0.0), 0.0)
    return ops.sum(ops.square(errors), axis=(1, 2))


def build_solver(cell, steps):
    """[times, x(0)] → x at the ends of the steps, (batch, steps, dim)."""
    times = keras.Input((steps, 1), dtype=cell.dtype, name="t")
    start = keras.Input((cell.dim,), dtype=cell.dtype, name="x0")
    solve = keras.layers.RNN(cell, return_sequences=True, dtype=cell.dtype_policy)
    return keras.Model([times, start], solve(times, initial_state=[start]))


def solution(cell, start, steps):
    """x(h), x(2h), ... of one starting point as an array (steps, dim)."""
    times = cell.step * np.arange(steps)[None, :, None]
    return build_solver(cell, steps).predict_on_batch([times, np.asarray(start)[None]])[0]


# ------------------------------------------------------------------------------------------------------- demo

TRUTH = (0.1, 0.3, 0.002, 0.003, 1e-4, 2e-4)       # with which the article's table was made
NAMES = ("r1", "r2", "1/N1", "1/N2", "a1", "a2")
TABLE = """t,x1,x2
0,100,150
10,165,283
15,197,290
30,280,276
36,305,269
40,318,266
42,324,264"""


def filled(parts):
    """The columns of a line, with nan for blanks."""
    return [part.strip() or "nan" for part in parts]


def read_rows(text, name):
    """(times, values) of a CSV t,x1,x2, with NaN for blanks."""
    from common.harness.reading import InputError

    lines = [line.split(",") for line in text.strip().splitlines()]
    try:
        rows = np.array(list(map(filled, lines[1:])), "float64")
        times = rows[:, 0]
        fits = rows.shape[1] == 3 and len(rows) > 2 and times[0] == 0 and (np.diff(times) > 0).all()
        fits = fits and times[-1] <= 1000 and (times == times.round()).all() and np.isfinite(rows[0]).all()
    except (ValueError, IndexError):
        fits = False
    if not fits:
        raise InputError(f"{name} should hold a line of names and at least three rows t,x1,x2 with whole "
                         "times that rise from 0 to 1,000 at most, the first row without blanks. Received: "
                         f"{len(lines)} lines, the second {lines[1:2]}")
    return times.astype(int), rows[:, 1:]


def fitted(cell, rows, steps, rate, decay=True):
    """The cell after so many steps of Adam on the rows, all of them in each step."""
    times, values = rows
    length = int(times[-1])
    known = np.full((length, 2), np.nan)
    known[times[1:] - 1] = values[1:]
    repeat = (steps, 1, 1)                            # an epoch is one fused loop: every batch is the same
    x = [np.tile(np.arange(length)[None, :, None], repeat), np.tile(values[0], (steps, 1))]
    model = build_solver(cell, length)
    schedule = keras.optimizers.schedules.CosineDecay(rate, steps) if decay else rate
    # Compiled as a whole: a step of so small a network is 25 times as fast.
    model.compile(keras.optimizers.Adam(schedule), known_squares, jit_compile=True,
                  steps_per_execution=min(50, steps))
    model.fit(x, np.tile(known[None], repeat), batch_size=1, shuffle=False, verbose=0)
    return cell


def rms(cell, rows):
    """The root of the mean squared error over what is known."""
    times, values = rows
    per_unit = round(1 / cell.step)
    found = solution(cell, values[0], int(times[-1]) * per_unit)[times[1:] * per_unit - 1]
    return float(np.sqrt(np.nanmean(np.square(found - values[1:]))))


def convergence(steps=(8, 16, 32, 64)):
    """For each method the errors at t = 10 of so many steps, in float64."""
    def end(method, count):
        cell = Competition(TRUTH, step=10 / count, method=method, dtype="float64")
        return solution(cell, (100, 150), count)[-1]

    exact, errors = end("rk4", 500), {}
    for method in METHODS:
        errors[method] = [np.abs(end(method, count) - exact).max() for count in steps]
    return 10 / np.array(steps), errors


def draw(run, rows, arms, errors):
    """Left: the arms and the data, on and beyond them. Right: how fast each method's error falls."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    times, values = rows
    for (name, cell), line in zip(arms.items(), ("-", "--", ":")):
        curves = solution(cell, values[0], 100)
        for species, colour in enumerate(("tab:blue", "tab:red")):
            left.plot(1 + np.arange(100), curves[:, species], line, color=colour,
                      label=None if species else name)
    for species, colour in enumerate(("tab:blue", "tab:red")):
        left.plot(times, values[:, species], "o", color=colour, markersize=4)
    left.axvline(times[-1], color="grey", linewidth=0.5)
    left.set(xlabel="t", ylabel="x1 blue, x2 red", ylim=(0, 500), title="fitted to the dots")
    left.legend(fontsize="small")
    for method, values in errors[1].items():
        right.loglog(errors[0], values, "o-", label=method)
    right.set(xlabel="step h", ylabel="error at t = 10", title="orders 1, 2 and 4")
    right.legend()
    run.draw(figure)


def demo(config):
    """Everything for one starting point, or with --table the fit from five."""
    import hashlib
    import pathlib

    from common.harness import further
    from common.harness.reading import read_text

    text = read_text(pathlib.Path(config.data)) if config.data else TABLE
    rows = read_rows(text, config.data or "the table")
    run = further.start(config, "rnn_ode")
    keras.utils.set_random_seed(config.seed)
    steps = min(config.epochs, 50) if config.smoke else config.epochs
    metrics = {} if config.data else forward(rows)

    ours = fitted(Competition(substeps=10), rows, steps, config.learning_rate)
    article = fitted(Competition(positive=False, limit=1e5), rows, steps, 1e-4, decay=False)
    network = fitted(NetworkODE(2, scale=300.0, method="midpoint", substeps=2), rows, steps, 1e-2)
    arms = {"equation (7)": ours, "the article's recipe": article, "a network for f": network}
    for key, cell in zip(("ours", "article", "network"), arms.values()):
        metrics[f"rms_{key}"] = rms(cell, rows)
        metrics |= {f"x{i + 1}_at_100_{key}": x for i, x in enumerate(solution(cell, rows[1][0], 100)[-1])}
    table = [["truth", *TRUTH, None]] if not config.data else []
    for key in ("ours", "article"):
        found = {"ours": ours, "article": article}[key].parameters()
        table.append([key, *map(float, found), metrics[f"rms_{key}"]])
        metrics |= {f"{name}_{key}": value for name, value in zip(NAMES, found)}
    if config.table:
        table += other_starts(config, rows, steps)
    errors = convergence()
    metrics |= {f"order_{method}": order(*errors, method) for method in METHODS}
    run.table(["arm", *NAMES, "rms"], table)
    draw(run, rows, arms, errors)
    data = {"name": config.data or "the article's table", "source": "file" if config.data else "the article",
            "sha256": hashlib.sha256(text.encode()).hexdigest(), "builtin": not config.data}
    run.finish(data, metrics)


def forward(rows):
    """How well the true parameters give the table, by the step that they are integrated with."""
    cells = {h: Competition(TRUTH, step=h) for h in (0.01, 0.1, 1.0)}
    return {f"rms_forward_h{h:g}": rms(cell, rows) for h, cell in cells.items()}


def other_starts(config, rows, steps):
    """Our fit from five starting points, each parameter e^N(0, ½²) times the article's."""
    table = []
    for seed in range(config.seed + 1, config.seed + 6):
        start = np.array([0.1, 0.1, 1e-3, 1e-3, 1e-3, 1e-3])
        start *= np.exp(0.5 * np.random.default_rng(seed).normal(size=6))
        cell = fitted(Competition(start, substeps=10), rows, steps, config.learning_rate)
        table.append([f"ours, start {seed}", *map(float, cell.parameters()), rms(cell, rows)])
    return table


def order(steps, errors, method):
    """The slope of log error against log h."""
    return np.polyfit(np.log(steps), np.log(errors[method]), 1)[0]


def main():
    """The demo, python more/rnn_ode.py; only here is anything of this repository imported."""
    import pathlib
    import sys

    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
    from common.harness import cli, further

    further.main(
        demo, __doc__,
        epochs=(10_000, cli.Between(1, 100_000), "Steps of Adam in each fit, each on all the data."),
        learning_rate=(0.2, cli.Between(above=0, most=1),
                       "The peak of Adam's cosine schedule on the logarithms of the parameters."))


if __name__ == "__main__":
    main()
