"""从几何视角来理解模型参数的初始化策略, https://kexue.fm/archives/7180

Independent entries with mean 0 and variance 1/n make an n × n matrix nearly orthogonal: two random vectors in
many dimensions are. For m × n the variance is 1/m, and 2/m before relu. How near is a number that can be
computed: the mean squared entry of WᵀW − I is (n + κ − 2)/(mn) in expectation, with κ the kurtosis of the
entries, 1/n + (κ − 2)/n² where m = n.

    article                       here
    corollaries 2 and 3           squared_error, expected_error
    corollary 4, ‖Wx‖ = ‖x‖       squared_ratio, expected_ratio
    1/m beside LeCun, Xavier      SCHEMES

    python more/initialisation.py            seconds: the errors, one network of 30 layers by scheme
    python more/initialisation.py --table    a minute: the same from ten seeds
"""

import numpy as np

# distribution of entries → (draw with mean 0 and variance 1, kurtosis E w⁴ / (E w²)²)
ENTRIES = {
    "normal": (lambda rng, shape: rng.normal(size=shape), 3.0),
    "uniform": (lambda rng, shape: rng.uniform(-np.sqrt(3), np.sqrt(3), shape), 1.8),
    "±1": (lambda rng, shape: rng.choice([-1.0, 1.0], shape), 1.0),
}
# scheme → variance of the entries of an m × n matrix, from n inputs to m outputs
SCHEMES = {
    "1/m, the article's": lambda m, n: 1 / m,
    "LeCun, 1/n": lambda m, n: 1 / n,
    "Xavier, 2/(m + n)": lambda m, n: 2 / (m + n),
    "2/m, the article's for relu": lambda m, n: 2 / m,
    "He, 2/n": lambda m, n: 2 / n,
}


def squared_error(w):
    """The mean squared entry of WᵀW − I."""
    return np.square(w.T @ w - np.eye(w.shape[1])).mean()


def expected_error(m, n, kurtosis):
    """Its expectation for independent entries with mean 0 and variance 1/m.

    Of the n² entries, the n² − n off the diagonal are sums of m products, variance 1/m; those on it are sums
    of m squares, variance (κ − 1)/m.
    """
    return (n + kurtosis - 2) / (m * n)


def squared_ratio(w, x):
    """‖Wx‖² / ‖x‖²."""
    return np.square(w @ x).sum() / np.square(x).sum()


def expected_ratio(m, n, variance):
    """Its expectation, for any x: each of m outputs has the variance ‖x‖² times that of an entry."""
    return m * variance


def norms_by_depth(widths, variance, rng):
    """‖x‖ and the root of the mean square after each relu layer, relative to the input, two arrays."""
    x = rng.normal(size=widths[0])
    norms, roots = [np.linalg.norm(x)], [np.sqrt(np.square(x).mean())]
    for n, m in zip(widths, widths[1:]):
        w = rng.normal(scale=np.sqrt(variance(m, n)), size=(m, n))
        x = np.maximum(w @ x, 0)
        norms.append(np.linalg.norm(x))
        roots.append(np.sqrt(np.square(x).mean()))
    return np.array(norms) / norms[0], np.array(roots) / roots[0]


# ------------------------------------------------------------------------------------------------------- demo

WIDTHS = [784] + [512, 128] * 15


def errors_table(sizes, seeds):
    """Rows of distribution, n, expected and measured squared error, and the metrics."""
    from common.harness.further import mean_and_deviation

    rows, metrics = [], {}
    for number, (name, (draw_entries, kurtosis)) in enumerate(ENTRIES.items()):
        for n in sizes:
            found = []
            for seed in seeds:
                rng = np.random.default_rng([seed, number, n])
                found.append(n * squared_error(draw_entries(rng, (n, n)) / np.sqrt(n)))
            exact = n * expected_error(n, n, kurtosis)
            rows.append([name, n, f"{exact:.5f}", mean_and_deviation(found)])
            metrics[f"n_times_error_{('normal', 'uniform', 'signs')[number]}_{n}"] = np.mean(found)
    return rows, metrics


def ratios_table(seeds):
    """Rows of scheme, shape, expected and measured ‖Wx‖²/‖x‖²."""
    from common.harness.further import mean_and_deviation

    rows = []
    for name, variance in list(SCHEMES.items())[:3]:
        for m, n in ((1000, 250), (250, 1000)):
            found = []
            for seed in seeds:
                rng = np.random.default_rng([seed, m])
                w = rng.normal(scale=np.sqrt(variance(m, n)), size=(m, n))
                found.append(squared_ratio(w, rng.normal(size=n)))
            rows.append([name, f"{m} × {n}", f"{expected_ratio(m, n, variance(m, n)):.4f}",
                         mean_and_deviation(found)])
    return rows


def draw(run, depths, singular):
    """Left: norms by depth for each scheme. Right: singular values of a nearly orthogonal matrix."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    for name, (norms, _) in depths.items():
        left.semilogy(norms, label=name)
    left.set(xlabel="relu layers, 512 and 128 wide by turns", ylabel="norm, relative to the input",
             ylim=(1e-8, 1e4), title="norms by depth")
    left.legend(fontsize="x-small")
    right.hist(singular, bins=40)
    right.set(xlabel="singular value", title="normal entries of variance 1/n, n = 1000")
    run.draw(figure)


def demo(config):
    """The errors, the ratios and norms by depth, for one seed or with --table ten."""
    import hashlib

    from common.harness import further
    from common.harness.reading import InputError

    if config.data:
        raise InputError("--data expects nothing, since the matrices are drawn; leave it out. "
                         f"Received: {config.data}")
    run = further.start(config, "initialisation", ("numpy",))
    seeds = range(config.seed, config.seed + (10 if config.table else 1))
    rows, metrics = errors_table((100,) if config.smoke else (100, 1000), seeds)
    run.table(["entries", "n", "n × expected error", "n × error"], rows)
    print()
    for row in ratios_table(seeds):
        print(*row, sep="\t", flush=True)
    depths = {}
    for name, variance in SCHEMES.items():
        found = [norms_by_depth(WIDTHS, variance, np.random.default_rng(seed)) for seed in seeds]
        depths[name] = np.exp(np.log(np.maximum(found, 1e-300)).mean(axis=0))        # geometric means
        print(f"{name:>30}, after 30 relu layers: norm × {depths[name][0, -1]:.3g}, "
              f"root mean square × {depths[name][1, -1]:.3g}")
    metrics |= {"norm_after_30_two_by_m": depths["2/m, the article's for relu"][0, -1],
                "norm_after_30_he": depths["He, 2/n"][0, -1],
                "norm_after_30_xavier": depths["Xavier, 2/(m + n)"][0, -1]}
    size = 200 if config.smoke else 1000
    rng = np.random.default_rng(config.seed)
    singular = np.linalg.svd(rng.normal(size=(size, size)) / np.sqrt(size), compute_uv=False)
    metrics |= {"smallest_singular_value": singular[-1], "largest_singular_value": singular[0]}
    draw(run, depths, singular)
    digest = hashlib.sha256(repr(WIDTHS).encode()).hexdigest()
    run.finish({"name": "random matrices", "source": "drawn", "sha256": digest, "builtin": True}, metrics)


def main():
    """The demo, python more/initialisation.py; only here is anything of this repository imported."""
    import pathlib
    import sys

    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
    from common.harness import further

    further.main(demo, __doc__)


if __name__ == "__main__":
    main()
