"""从动力学角度看优化算法（一）：从SGD到动量加速, https://kexue.fm/archives/5655
（二）：自适应学习率算法, https://kexue.fm/archives/6234
（三）：一个更整体的视角, https://kexue.fm/archives/6261

An optimizer is a numerical method for a differential equation. Gradient descent is Euler's for θ̇ = −L', with
noise it is Langevin's equation; momentum is leapfrog for θ̈ + λθ̇ = −L'. Part three lets θ fall by the value of
L itself, divided by its slope, and so cross a local minimum.

    article                      here
    (15) and (16) of part one    momentum: leapfrog, of order two
    (18) and (20)                nesterov with look_ahead ½; the standard one has look_ahead 1
    (9), the stationary density  langevin_variance
    (11) of part two             sign_descent
    part three, its example      value_descent on f, whose global minimum is at 0.41

    python more/optimiser_dynamics.py            seconds: orders, densities, and which starts cross
    python more/optimiser_dynamics.py --table    a minute: the same from five seeds where there is noise
"""

import numpy as np


def momentum(slope, theta, friction, step, count):
    """Equations (15) and (16): θ after so many steps of size γ from rest.

    The speed lives between the steps, so the first one is that of time −γ/2; with a speed of zero there the
    whole method would be of order one.
    """
    beta = (1 - friction * step / 2) / (1 + friction * step / 2)
    alpha = step ** 2 / (1 + friction * step / 2)
    v = step ** 2 / 2 * slope(theta)
    for _ in range(count):
        v = beta * v - alpha * slope(theta)
        theta = theta + v
    return theta


def nesterov(slope, theta, friction, step, count, look_ahead=0.5):
    """β = 1 − λγ and α = γ², equation (18), with the slope at θ + look_ahead βv, equation (20).

    look_ahead 0 is the explicit form of (18), 1 the standard Nesterov momentum.
    """
    beta, alpha = 1 - friction * step, step ** 2
    v = step ** 2 / 2 * slope(theta)
    for _ in range(count):
        v = beta * v - alpha * slope(theta + look_ahead * beta * v)
        theta = theta + v
    return theta


def oscillator(slope, theta, friction, time, count=20_000):
    """θ̈ + λθ̇ = −L', equation (10), from rest, by Runge and Kutta's method with many steps: what is true."""
    state, h = np.array([theta, 0.0]), time / count

    def derivative(state):
        return np.array([state[1], -friction * state[1] - slope(state[0])])

    for _ in range(count):
        first = derivative(state)
        second = derivative(state + h / 2 * first)
        third = derivative(state + h / 2 * second)
        state = state + h / 6 * (first + 2 * second + 2 * third + derivative(state + h * third))
    return state[0]


def langevin_variance(sigma, rng, step=0.01, time=10.0, particles=20_000):
    """The variance of θ in θ̇ = −θ + σξ, equation (8) with L = θ²/2, after a long time.

    With white noise a step of size γ has the variance σ²γ, and the stationary density is exp(−2L/σ²), of
    variance σ²/2; equation (9) has no 2.
    """
    theta = np.zeros(particles)
    for _ in range(round(time / step)):
        theta += -step * theta + sigma * np.sqrt(step) * rng.normal(size=particles)
    return theta.var()


def sign_descent(theta, rate, count):
    """Equation (11) of part two, θ ← θ − γ sign L', on L = θ²/2: the last two places. It never stops, since
    its steps do not shrink."""
    places = [theta]
    for _ in range(count):
        places.append(places[-1] - rate * np.sign(places[-1]))
    return places[-2:]


def f(x):
    """The example of part three: minima at 0.41, where it is 0, and at 3."""
    return x * (x - 1) * (x - 3) ** 2 + 1.62276


def f_slope(x):
    return (2 * x - 1) * (x - 3) ** 2 + 2 * x * (x - 1) * (x - 3)


def value_descent(x, most=1000.0, step=0.01, count=2500, slope=f_slope):
    """x ← x − h sign(f') min(1/|f'|, M) f: all places.

    Far from minima f falls like exp(−t). Where f' is nearly zero but f is not, x jumps by up to h M f, and
    how far hangs on digits of f' that rounding decides: the same f' in another form ends elsewhere.
    """
    path = [x]
    for _ in range(count):
        rise = slope(x)
        inverse = np.minimum(1 / np.maximum(np.abs(rise), 1e-300), most)
        x = x - step * np.sign(rise) * inverse * f(x)
        path.append(x)
    return np.array(path)


def noisy_descent(x, noise, rng, step=0.01, count=200_000):
    """Gradient descent on f with normal noise in its gradient: all places."""
    path, kicks = np.empty(count), rng.normal(scale=noise, size=count)
    for i in range(count):
        x = x - step * (f_slope(x) + kicks[i])
        path[i] = x
    return path


# ------------------------------------------------------------------------------------------------------- demo

FORMS = {"(15), momentum": momentum,
         "(18)": lambda *arguments: nesterov(*arguments, look_ahead=0.0),
         "(20), look ahead ½": nesterov,
         "standard Nesterov": lambda *arguments: nesterov(*arguments, look_ahead=1.0)}
STEPS = (0.1, 0.05, 0.025)


def orders(time=5.0, friction=1.0):
    """Form → errors at the end for each step size, on a pendulum, L = 1 − cos θ."""
    exact, found = oscillator(np.sin, 1.0, friction, time), {}
    for name, form in FORMS.items():
        found[name] = [abs(form(np.sin, 1.0, friction, step, round(time / step)) - exact) for step in STEPS]
    return found


def crossings(most, starts):
    """(places at the end, the share of them that is at the global minimum, within 0.05)."""
    ends = value_descent(starts, most)[-1]
    return ends, (np.abs(ends - 0.4069) < 0.05).mean()


def draw(run, path):
    """Left: the article's run, and its neighbours. Right: where every start ends, by M."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(path, linewidth=0.8, label="start 4, the article's")
    left.plot(value_descent(3.55), linewidth=0.8, label="start 3.55")
    left.set(xlabel="step", ylabel="x", title="descent by the value of f, M = 1000")
    left.legend(fontsize="small")
    starts = np.linspace(3.5, 5, 301)
    for most, mark in ((1000.0, "."), (10.0, "+")):
        right.plot(starts, crossings(most, starts)[0], mark, markersize=3, label=f"M = {most:g}")
    right.set(xlabel="start", ylabel="end", title="who reaches the minimum at 0.41", ylim=(-1, 6))
    right.legend(fontsize="small")
    run.draw(figure)


def demo(config):
    """All numbers, for one seed or with --table five where there is noise."""
    import hashlib

    from common.harness import further
    from common.harness.reading import InputError

    if config.data:
        raise InputError("--data expects nothing, since the functions are the articles'; leave it out. "
                         f"Received: {config.data}")
    run = further.start(config, "optimiser_dynamics", ("numpy",))
    rngs = [np.random.default_rng(config.seed + i) for i in range(5 if config.table else 1)]
    errors, metrics = orders(), {}
    rows = [[name, *map(float, found), float(np.log2(found[0] / found[-1]) / 2)]
            for name, found in errors.items()]
    run.table(["form", *(f"error at γ = {step}" for step in STEPS), "order"], rows)
    for key, row in zip(("momentum", "18", "20", "nesterov"), rows):
        metrics[f"order_{key}"] = row[-1]
    path = value_descent(4.0)
    metrics |= {"end": path[-1], "f_at_end": f(path[-1]), "highest": path.max(),
                "last_step_above_1": np.flatnonzero(path > 1)[-1]}
    starts = np.linspace(3.5, 5, 301 if config.smoke else 10_001)
    metrics |= {f"share_of_starts_M{most:g}": crossings(most, starts)[1] for most in (1000.0, 100.0, 10.0)}
    metrics["share_within_1e-9_of_4"] = crossings(1000.0, 4 + 1e-12 * np.arange(1000))[1]
    metrics["end_with_the_slope_expanded"] = value_descent(4.0, slope=np.poly1d([4, -21, 30, -9]))[-1]
    metrics["gradient_descent_ends_at"] = noisy_descent(4.0, 0.0, rngs[0], count=2500)[-1]
    count = 20_000 if config.smoke else 200_000
    near = [(np.abs(noisy_descent(4.0, 10.0, rng, count=count) - 0.41) < 1).mean() for rng in rngs]
    variances = [langevin_variance(1.0, rng) for rng in rngs]
    metrics |= {"noise_near_global_minimum": np.mean(near), "langevin_variance": np.mean(variances)}
    metrics["sign_descent_last_move"] = abs(np.diff(sign_descent(1.03, 0.1, 1000))[0])
    draw(run, path)
    digest = hashlib.sha256(b"x(x-1)(x-3)^2+1.62276").hexdigest()
    run.finish({"name": "the articles' functions", "source": "formulas", "sha256": digest, "builtin": True},
               metrics)


def main():
    """The demo, python more/optimiser_dynamics.py; only here is anything of this repository imported."""
    import pathlib
    import sys

    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
    from common.harness import further

    further.main(demo, __doc__)


if __name__ == "__main__":
    main()
