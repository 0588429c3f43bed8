"""从SamplePairing到mixup：神奇的正则项, https://kexue.fm/archives/5693

Two training images are averaged and keep the label of one (SamplePairing), or they are mixed in the ratio
ε : 1 − ε and so are their labels (mixup). The article reads this as a regulariser, not as augmentation: it
asks for f(εa + (1−ε)b) = εf(a) + (1−ε)f(b), and only linear functions have that.

    article                    here
    (x_a + x_b)/2 with y_a     PairMixing(kind="sample_pairing")
    ε ~ U(0, 1), mixup         PairMixing(kind="mixup"): Beta(α, α), α = 1; its paper has .2 and .4
    the functional equation    linearity_gap: how far a model is from it

    python more/mixing.py             minutes: five ways to mix, one seed, on 10,000 images of CIFAR-10
    python more/mixing.py --table     three seeds
    python more/mixing.py --data FILE.npz     your own images: x_train, y_train, x_test, y_test

In production `keras.layers.MixUp` does the second, with a Beta distribution.
"""

import keras
import numpy as np


class PairMixing(keras.utils.PyDataset):
    """Batches in which each sample is mixed with another one, drawn from all of them, for `model.fit`.

        mixup             εx_a + (1−ε)x_b with εy_a + (1−ε)y_b, ε ~ Beta(α, α) for each sample
        sample_pairing    (x_a + x_b)/2 with y_a

    Of real targets mixup is the same, so it serves regression, too. A linear model with squared error gains
    nothing: its residuals are mixed as the samples are, and the best one stays the best.

    Args:
        x: samples (n, ...).
        y: one-hot classes or real targets, (n, ...).
        batch_size: samples in a batch.
        kind: "mixup" or "sample_pairing".
        alpha: α; 1 is the uniform distribution, which the article prefers.
        mixes: function of the epoch, counted from 0: whether it mixes. None: each does.
        seed: of the order, the partners and ε.
        **kwargs: workers and so on, as for any PyDataset.

    Example:
        x, y = np.random.rand(20, 3).astype("float32"), np.eye(2)[np.arange(20) % 2]
        model = keras.Sequential([keras.layers.Dense(2, activation="softmax")])
        model.compile("adam", "categorical_crossentropy")
        model.fit(PairMixing(x, y, batch_size=5), epochs=2, verbose=0)

    Reference: 苏剑林, 从SamplePairing到mixup：神奇的正则项, https://kexue.fm/archives/5693
    """

    def __init__(self, x, y, batch_size, kind="mixup", alpha=1.0, mixes=None, seed=0, **kwargs):
        super().__init__(**kwargs)
        if kind not in ("mixup", "sample_pairing"):
            raise ValueError(f"kind expects 'mixup' or 'sample_pairing'. Received: kind={kind!r}")
        if not (alpha > 0 and np.isfinite(alpha)):
            raise ValueError(f"alpha expects a number above 0. Received: alpha={alpha!r}")
        if len(x) != len(y) or not len(x):
            raise ValueError("x and y expect as many rows, at least one. "
                             f"Received: shapes={x.shape}, {y.shape}")
        if kind == "mixup" and y.dtype.kind in "iub" and y.ndim == 1:
            raise ValueError("mixup mixes targets, and a class number between two classes is no class: give "
                             f"one-hot classes, or real targets as floats. Received: y.dtype={y.dtype}")
        self.x, self.y, self.batch_size = x, y, batch_size
        self.kind, self.alpha, self.seed, self.epoch = kind, alpha, seed, 0
        self.mixes = mixes or (lambda epoch: True)

    def __len__(self):
        return -(-len(self.x) // self.batch_size)

    def on_epoch_end(self):
        self.epoch += 1

    def __getitem__(self, index):
        order = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.x))
        rows = order[index * self.batch_size:(index + 1) * self.batch_size]
        x, y = self.x[rows].astype("float32"), self.y[rows].astype("float32")
        if not self.mixes(self.epoch):
            return x, y
        rng = np.random.default_rng([self.seed, self.epoch, index])
        partners = rng.integers(len(self.x), size=len(rows))
        if self.kind == "sample_pairing":
            return (x + self.x[partners]) / 2, y
        share = rng.beta(self.alpha, self.alpha, len(rows)).astype("float32")
        return mixed(x, self.x[partners], share), mixed(y, self.y[partners], share)


def mixed(a, b, share):
    """εa + (1−ε)b with an ε for each row."""
    share = share.reshape(-1, *[1] * (a.ndim - 1))
    return share * a + (1 - share) * b


def linearity_gap(f, x, pairs=2000, share=None, seed=0):
    """E‖f(εa + (1−ε)b) − εf(a) − (1−ε)f(b)‖² over pairs of samples, and E‖f(a) − f(b)‖².

    The second is what the first is to be compared with: an f that says the same of all samples is linear, and
    useless. On the way from a to b a step in the middle has 1/12 of it.

    Args:
        f: function of samples (n, ...) → (n, outputs).
        share: ε; None: ε ~ U(0, 1) for each pair.
    """
    rng = np.random.default_rng(seed)
    a, b = x[rng.integers(len(x), size=(2, pairs))].astype("float32")
    share = np.full(pairs, share, "float32") if share is not None else rng.random(pairs, "float32")
    of_a, of_b = f(a), f(b)
    gap = f(mixed(a, b, share)) - mixed(of_a, of_b, share)
    return np.square(gap).sum(axis=1).mean(), np.square(of_a - of_b).sum(axis=1).mean()


def always(epochs):
    return lambda epoch: True


def never(epochs):
    return lambda epoch: False


def paper_schedule(epochs):
    """SamplePairing's schedule in its paper: the first tenth of the epochs without, then 8 of 10 epochs with,
    the last fifth without."""
    def mixes(epoch):
        within = epochs // 10 <= epoch < epochs * 4 // 5
        return within and (epoch - epochs // 10) % 10 < 8

    return mixes


# ------------------------------------------------------------------------------------------------------- demo

ARMS = {                                             # name → kind, α, which epochs mix
    "none": ("mixup", 1.0, never),
    "SamplePairing": ("sample_pairing", 1.0, always),
    "SamplePairing, its schedule": ("sample_pairing", 1.0, paper_schedule),
    "mixup, U(0, 1)": ("mixup", 1.0, always),
    "mixup, Beta(.2, .2)": ("mixup", 0.2, always),
}


def build_resnet(shape, classes, widths=(16, 32, 64)):
    """A small residual network of logits: a block for each width, of which each but the first halves the
    picture."""
    layers = keras.layers
    x = keras.Input(shape)
    h = layers.Rescaling(1 / 127.5, offset=-1)(x)
    h = layers.Conv2D(widths[0], 3, strides=2, padding="same", use_bias=False)(h)
    for width in widths:
        stride = 1 if width == widths[0] else 2
        start = layers.ReLU()(layers.BatchNormalization()(h))
        short = layers.Conv2D(width, 1, strides=stride, use_bias=False)(start)
        h = layers.Conv2D(width, 3, strides=stride, padding="same", use_bias=False)(start)
        h = layers.ReLU()(layers.BatchNormalization()(h))
        h = layers.Conv2D(width, 3, padding="same", use_bias=False)(h)
        h = layers.Add()([h, short])
    h = layers.ReLU()(layers.BatchNormalization()(h))
    return keras.Model(x, layers.Dense(classes)(layers.GlobalAveragePooling2D()(h)))


def train_arm(name, seed, config, train, test):
    """A model trained in one of the ways: f of its probabilities, and its scores."""
    from common.harness.metrics import class_scores

    keras.utils.set_random_seed(seed)
    kind, alpha, schedule = ARMS[name]
    classes = int(train[1].max()) + 1
    batches = PairMixing(train[0], np.eye(classes)[train[1]], config.batch_size, kind, alpha,
                         schedule(config.epochs), seed)
    model = build_resnet(train[0].shape[1:], classes)
    # A tenth of the rate in the last fifth, for all alike: the arms differ in what they mix alone.
    rate = keras.optimizers.schedules.PiecewiseConstantDecay(
        [len(batches) * config.epochs * 4 // 5], [config.learning_rate, config.learning_rate / 10])
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss)
    model.fit(batches, epochs=config.epochs, verbose=0)

    def f(x):
        logits = np.concatenate([model.predict_on_batch(x[i:i + 500]) for i in range(0, len(x), 500)])
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True)

    gap, size = linearity_gap(f, test[0])
    scores = class_scores(f(test[0]), test[1]) | {"linearity_gap": gap, "relative_gap": gap / size}
    print(f"{name}, seed {seed}: " + ", ".join(f"{key} {value:.4f}" for key, value in scores.items()),
          flush=True)
    return f, scores


def draw(run, curves, shares, results):
    """Left: how far each model is from linear on the way from b to a. Right: confidence and what it is
    worth."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, curve in curves.items():
        left.plot(shares, curve, label=name)
        right.plot(results[name]["calibration_error"], results[name]["accuracy"], "o")
        right.annotate(name, (results[name]["calibration_error"], results[name]["accuracy"]), fontsize=7)
    left.axhline(1 / 12, color="grey", linewidth=0.6)
    left.set(xlabel="ε", ylabel="distance² from linear, relative to ‖f(a) − f(b)‖²",
             title="f(εa + (1−ε)b) on test images")
    left.legend(fontsize=7)
    right.set(xlabel="calibration error", ylabel="test accuracy")
    right.margins(x=0.3)
    run.draw(figure)


def demo(config):
    """The five ways, from one seed; with --table from three."""
    import dataclasses

    from common.harness import further
    from common.harness.photographs import load_photographs

    train, test, data = load_photographs(config.data, config.smoke)
    if config.smoke:
        config = dataclasses.replace(config, epochs=1)
        train, test = [(x[:200], y[:200]) for x, y in (train, test)]
    run = further.start(config, "mixing")
    shares, curves, results, rows, metrics = np.linspace(0, 1, 11), {}, {}, [], {}
    for name in ARMS:
        found = []
        for seed in range(config.seed, config.seed + (3 if config.table else 1)):
            f, scores = train_arm(name, seed, config, train, test)
            found.append(scores)
            if seed == config.seed:
                gaps = [linearity_gap(f, test[0], 500, share) for share in shares]
                curves[name], results[name] = [gap / size for gap, size in gaps], scores
        values = np.array([list(scores.values()) for scores in found])
        rows.append([name, *map(further.mean_and_deviation, values.T)])
        metrics |= {f"{key}, {name}": value for key, value in zip(scores, values.mean(axis=0))}
    run.table(["arm", "accuracy", "cross-entropy", "calibration error", "linearity gap", "relative"], rows)
    draw(run, curves, shares, results)
    run.finish(data, metrics)


def main():
    """The demo, python more/mixing.py; only here is anything of this repository imported."""
    import pathlib
    import sys

    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
    from common.harness import cli, further

    further.main(
        demo, __doc__,
        epochs=(16, cli.Between(1, 10_000), "Passes over the training images."),
        batch_size=(128, cli.Between(1, 10_000), "Images in one step of the optimizer."),
        learning_rate=(1e-3, cli.Between(above=0, most=1), "Adam's rate; the last fifth has a tenth of it."))


if __name__ == "__main__":
    main()
