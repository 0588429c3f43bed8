"""基于Conv1D的光谱分类模型（一维序列分类）, https://kexue.fm/archives/5505

Stars, galaxies, quasars and what is too noisy for either, told apart by their spectra: residual blocks of
dilated convolutions, batches with a quota for each class, cross-entropy first and then the score itself in a
form that has a gradient.

    article                                    here
    Conv1D of 2f filters, halves added         FoldedConv1D
    Dropout over (batch, steps, 1)             Dropout(0.5, noise_shape=(None, None, 1))
    128/16/8/8 of 160                          QuotaBatches
    score_loss, −log of the soft macro-F1      MacroF1Loss

    python more/spectra.py             minutes: synthetic spectra, one seed
    python more/spectra.py --table     three seeds
    python more/spectra.py --data FOLDER                  index.csv (id,type), and id.txt or id.csv for each
    python more/spectra.py --predict FILE --run FOLDER    CSV or npz of wavelength and flux

The contest's spectra are not public, so without --data the script makes some up; their numbers say how the
ways to train compare and nothing of the sky. A folder holds either the contest's form, id.txt with 2,600
numbers, or that of SDSS, id.csv with Wavelength and Flux. Spectra of any length and sampling are brought to
one grid. The article's recipe is --points 2600 --batch-size 160 --steps 25000 --scaling article.
"""

import keras
import numpy as np
from keras import ops

CLASSES = ("star", "unknown", "galaxy", "qso")                 # in the article's order
QUOTAS = (0.8, 0.1, 0.05, 0.05)                                # of a batch
ENDS = (3900.0, 9000.0)                                        # Å, the contest's range


@keras.saving.register_keras_serializable(package="kexue")
class FoldedConv1D(keras.layers.Layer):
    """A convolution of twice as many filters, whose halves are added: a sum of two convolutions.

        y = relu(x ∗ W₁ + b₁) + relu(x ∗ W₂ + b₂)

    Each half goes through relu before they are added, so it is neither a wider convolution nor maxout.

    Args:
        filters: f, channels of the output.
        kernel_size, dilation_rate: of the convolution; padding is "same".
        activation: of each half.
        **kwargs: as for any layer; the dtype holds for the convolution inside, too.

    Call arguments: x (batch, steps, channels); mask (batch, steps), outside of which x counts as 0, and y is.
    Output: (batch, steps, filters).

    Raises:
        ValueError: inputs of another rank, or other channels than the layer was built for.

    Example:
        layer = FoldedConv1D(16, dilation_rate=2)
        layer(np.ones((2, 30, 1), "float32"))

    Reference: 苏剑林, 基于Conv1D的光谱分类模型（一维序列分类）, https://kexue.fm/archives/5505
    """

    def __init__(self, filters, kernel_size=3, dilation_rate=1, activation="relu", **kwargs):
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.dilation_rate = filters, kernel_size, dilation_rate
        self.conv = keras.layers.Conv1D(2 * filters, kernel_size, dilation_rate=dilation_rate, padding="same",
                                        activation=activation, dtype=self.dtype_policy, name="conv")
        self.supports_masking = True

    def build(self, input_shape):
        if len(input_shape) != 3 or input_shape[-1] is None:
            raise ValueError("the layer expects (batch, steps, channels). "
                             f"Received: shape={tuple(input_shape)}")
        self.conv.build(input_shape)
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: input_shape[-1]})

    def call(self, x, mask=None):
        if mask is not None:
            mask = ops.cast(mask, self.compute_dtype)[:, :, None]
            x = x * mask
        h = self.conv(x)
        y = h[:, :, :self.filters] + h[:, :, self.filters:]
        return y if mask is None else y * mask

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        return {**super().get_config(), "filters": self.filters, "kernel_size": self.kernel_size,
                "dilation_rate": self.dilation_rate,
                "activation": keras.activations.serialize(self.conv.activation)}


@keras.saving.register_keras_serializable(package="kexue")
class MacroF1Loss(keras.losses.Loss):
    """−log of the macro-F1 of a batch, with probabilities in the place of counts.

        L = −log Σₖ (2/K) · Σ w y p / Σ w (y + p)          sums over the batch, K classes

    It is the F1 of the classes as the batches have them. Where those have quotas, w = natural share / quota
    of a sample's class makes it the F1 of the natural shares.

    Symbols: y = one-hot labels, p = softmax of the logits, w = class_weights or sample_weight.

    Args:
        class_weights: w for each class; None: 1.
        name: of the loss.

    Call arguments: labels (batch,), (batch, 1) or one-hot (batch, K); logits (batch, K); sample_weight
        (batch,), which multiplies w. Output: one number, since a batch has one score.

    Raises:
        ValueError: other shapes, or another number of weights than classes.

    Precision: float32 under any policy.

    Example:
        model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4)])
        model.compile("adam", MacroF1Loss())

    Reference: 苏剑林, 基于Conv1D的光谱分类模型（一维序列分类）, https://kexue.fm/archives/5505
    """

    def __init__(self, class_weights=None, name="macro_f1_loss"):
        super().__init__(name=name, reduction=None)
        self.class_weights = None if class_weights is None else [float(w) for w in class_weights]

    def __call__(self, y_true, y_pred, sample_weight=None):
        logits = ops.cast(ops.convert_to_tensor(y_pred), "float32")
        y, classes = ops.convert_to_tensor(y_true), logits.shape[-1]
        if len(logits.shape) != 2 or tuple(y.shape[1:]) not in ((), (1,), (classes,)):
            raise ValueError("the loss expects logits (batch, K) and labels (batch,), (batch, 1) or (batch, "
                             f"K). Received: shapes={tuple(logits.shape)}, {tuple(y.shape)}")
        if self.class_weights is not None and len(self.class_weights) != classes:
            raise ValueError(f"class_weights expects {classes} numbers. "
                             f"Received: class_weights={self.class_weights}")
        if tuple(y.shape[1:]) != (classes,):
            y = ops.one_hot(ops.reshape(ops.cast(y, "int32"), (-1,)), classes)
        y, p = ops.cast(y, "float32"), ops.softmax(logits)
        w = ops.ones_like(y[:, :1])
        if self.class_weights is not None:
            w = ops.sum(y * ops.convert_to_tensor([self.class_weights], "float32"), axis=1, keepdims=True)
        if sample_weight is not None:
            w = w * ops.reshape(ops.cast(sample_weight, "float32"), (-1, 1))
        both, all_ = ops.sum(w * y * p, axis=0), ops.sum(w * (y + p), axis=0)
        return -ops.log(ops.mean(2 * both / (all_ + 1e-7)) + 1e-7)

    def get_config(self):
        return {"class_weights": self.class_weights, "name": self.name}


class QuotaBatches(keras.utils.PyDataset):
    """Batches with a fixed number of each class, drawn from all of that class with replacement.

    Args:
        x: samples, (n, ...).
        y: class numbers (n,).
        quotas: samples of each class in a batch; None: whole batches are drawn from all samples alike.
        batch_size: with quotas=None, samples in a batch.
        steps: batches in an epoch.
        seed: of what is drawn.
        **kwargs: workers and so on, as for any PyDataset.

    Raises:
        ValueError: a class with a quota and no sample.

    Example:
        batches = QuotaBatches(np.random.rand(20, 3), np.arange(20) % 2, quotas=(6, 2), steps=5)

    Reference: 苏剑林, 基于Conv1D的光谱分类模型（一维序列分类）, https://kexue.fm/archives/5505
    """

    def __init__(self, x, y, quotas=None, batch_size=160, steps=500, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.quotas, self.rows = (batch_size,), [np.arange(len(y))]
        if quotas is not None:
            self.quotas, self.rows = tuple(quotas), [np.flatnonzero(y == k) for k in range(len(quotas))]
        empty = [k for k, rows in enumerate(self.rows) if self.quotas[k] and not len(rows)]
        if empty:
            raise ValueError(f"y expects samples of each class that has a quota. Received: none of {empty}")
        self.x, self.y, self.steps, self.seed, self.epoch = x, y, steps, seed, 0

    def __len__(self):
        return self.steps

    def on_epoch_end(self):
        self.epoch += 1

    def __getitem__(self, index):
        rng = np.random.default_rng([self.seed, self.epoch, index])
        drawn = [rng.choice(rows, count) for rows, count in zip(self.rows, self.quotas) if count]
        rows = np.concatenate(drawn)
        return self.x[rows], self.y[rows]


def build_classifier(points=2600, classes=4):
    """The article's network: 8 blocks of three folded convolutions, 748,324 parameters; logits."""
    layers = keras.layers
    x = h = keras.Input((points, 1))
    for i, f in enumerate((16, 16, 32, 32, 64, 64, 128, 128)):
        if i and h.shape[1] > 1:
            h = layers.MaxPooling1D(2)(h)
        short = h if h.shape[-1] == f else layers.Conv1D(f, 1)(h)
        for dilation in (1, 2, 4):
            h = FoldedConv1D(f, dilation_rate=dilation)(h)
        h = layers.Add()([short, h])
    h = layers.Dropout(0.5, noise_shape=(None, None, 1))(h)      # steps; SpatialDropout1D drops channels
    h = layers.Dense(128, "relu")(layers.GlobalMaxPooling1D()(h))
    return keras.Model(x, layers.Dense(classes)(h), name="spectra")


def macro_f1(labels, predicted, classes=4):
    """(the mean, an array for each class) of F1 = 2 TP / (P + P̂), over all samples at once; 0 where a class
    is neither there nor predicted."""
    f1 = np.zeros(classes)
    for k in range(classes):
        there, said = labels == k, predicted == k
        f1[k] = 2 * (there & said).sum() / max(there.sum() + said.sum(), 1)
    return f1.mean(), f1


def scaled(flux, scaling="rms"):
    """Fluxes as the network reads them, (n, points, 1): over 100 as in the article, or each over its root
    mean square, so that the unit does not matter."""
    flux = np.asarray(flux, "float32")
    size = 100.0
    if scaling == "rms":
        size = np.sqrt(np.square(flux).mean(axis=1, keepdims=True)) + 1e-9
    return (flux / size)[:, :, None]


# -------------------------------------------------------------------------------------- synthetic spectra

BALMER = (4102.0, 4341.0, 4861.0, 6563.0)
COOL = (3934.0, 3968.0, 4300.0, 5175.0, 5893.0)                # Ca K and H, G, Mg, Na
NEBULAR = {3727.0: 1.0, 4861.0: 0.5, 4959.0: 0.35, 5007.0: 1.0, 6563.0: 1.5, 6583.0: 0.5, 6725.0: 0.4}
BROAD = {1216.0: 3.0, 1549.0: 1.5, 1909.0: 0.8, 2800.0: 0.9, 4861.0: 0.6, 6563.0: 1.5}


# of signal to noise, the least and the largest
RATIOS = {"star": (2.0, 40.0), "unknown": (0.3, 1.5), "galaxy": (2.0, 12.0), "qso": (2.0, 12.0)}


def line(x, center, width):
    """A Gaussian of height 1."""
    return np.exp(-0.5 * np.square((x - center) / width))


def star(x, rng, temperature=None):
    """A black body with Balmer lines where it is hot, metals where it is cool, TiO below 4,000 K."""
    t = np.exp(rng.uniform(np.log(3000), np.log(15_000))) if temperature is None else temperature
    flux = x ** -5.0 / np.expm1(1.4388e8 / (x * t))
    flux /= flux.mean()
    depth = 0.6 * np.exp(-0.5 * (np.log(t / 9500) / 0.3) ** 2) + 0.05
    for center in BALMER:
        flux *= 1 - depth * line(x, center, rng.uniform(6, 14))
    for center in COOL:
        flux *= 1 - 0.6 / (1 + (t / 5200) ** 8) * line(x, center, rng.uniform(6, 12))
    for head in (5167.0, 5448.0, 6159.0, 7054.0):
        band = (x >= head) * np.exp(-(x - head) / 120)
        flux *= 1 - 0.5 / (1 + (t / 3700) ** 12) * band
    return flux


def galaxy(x, rng):
    """Two populations of stars at a redshift below 0.4, and the lines of gas."""
    rest = x / (1 + rng.uniform(0.01, 0.4))
    share, old, young = rng.uniform(0.1, 0.9), rng.uniform(4500, 5500), rng.uniform(6000, 9000)
    flux = share * star(rest, rng, old) + (1 - share) * star(rest, rng, young)
    flux *= np.where(rest < 4000, rng.uniform(0.5, 0.8), 1.0)
    strength = np.exp(rng.uniform(np.log(0.05), np.log(1.5)))
    for center, height in NEBULAR.items():
        flux += strength * height * rng.uniform(0.5, 1.5) * line(rest, center, 5)
    return flux


def qso(x, rng):
    """A power law at a redshift of 0.5 to 3, with broad lines."""
    rest = x / (1 + rng.uniform(0.5, 3.0))
    flux = (x / 6000) ** -rng.uniform(0.5, 2.0)
    velocity = rng.uniform(2000, 5000) / 3e5
    for center, height in BROAD.items():
        flux *= 1 + height * rng.uniform(0.4, 1.2) * line(rest, center, center * velocity)
    return flux * np.where(rest < 1216, rng.uniform(0.4, 0.8), 1.0)


def synthesize(counts, points, seed):
    """(fluxes (n, points), labels (n,)) of so many spectra of each class, in a random order.

    The noise is white, larger at both ends and at three bands of the sky. A spectrum of the class unknown is
    one of the others with a signal-to-noise ratio of about 1; the others have 2 and more.
    """
    rng, x = np.random.default_rng(seed), np.linspace(*ENDS, points)
    noise = 1 + 1.5 * np.square((x - 6300) / 2600)
    for center, width in ((5577.0, 8.0), (7605.0, 25.0), (8350.0, 60.0)):
        noise += 2 * line(x, center, width)
    makers = {"star": star, "galaxy": galaxy, "qso": qso}
    labels = rng.permutation(np.repeat(np.arange(len(CLASSES)), counts))
    flux = np.empty((len(labels), points), "float32")
    for row, label in zip(flux, labels):
        name = CLASSES[label]
        ratio = np.exp(rng.uniform(*np.log(RATIOS[name])))
        if name == "unknown":
            name = rng.choice(list(makers))
        spectrum = makers[name](x, rng)
        spectrum = spectrum / spectrum.mean() + noise * rng.normal(size=points) / ratio
        row[:] = spectrum * np.exp(rng.uniform(np.log(10), np.log(1000)))
    return flux, labels


# ------------------------------------------------------------------------------------------------------- demo

COUNTS = (5100, 600, 210, 90)                                  # of 6,000 synthetic spectra to train on


def load(config, seed):
    """[(x, labels) to train, to choose by, to test], where they are from, and fluxes to show."""
    import hashlib

    from common.harness.datasets import Dataset
    from common.harness.paths import named_path
    from common.harness.reading import InputError, sha256_of
    from common.harness.spectra import read_folder

    if config.data:
        folder = named_path(config.data)
        if not (folder / "index.csv").is_file():
            raise InputError(f"--data expects a folder with index.csv. Received: {config.data}")
        flux, labels = read_folder(folder, CLASSES, config.points, ENDS, config.most, seed)
        ends = np.cumsum([int(0.6 * len(labels)), int(0.2 * len(labels))])
        data = Dataset(folder.name, str(folder), sha256_of(folder / "index.csv"), False).describe()
    else:
        small = 20 if config.smoke else 1
        parts = [np.array(COUNTS) // (small * divisor) for divisor in (1, 3, 2)]
        made = [synthesize(counts, config.points, [seed, i]) for i, counts in enumerate(parts)]
        flux, labels = (np.concatenate(arrays) for arrays in zip(*made))
        ends = np.cumsum([len(part[1]) for part in made])[:2]
        digest = hashlib.sha256(flux.tobytes()).hexdigest()
        data = Dataset("synthetic spectra", "made by the script", digest, True).describe()
    parts = list(zip(np.split(scaled(flux, config.scaling), ends), np.split(labels, ends)))
    for name, (_, found) in zip(("training", "validation", "test"), parts):
        if len(np.unique(found)) < 2 or not len(found):
            raise InputError("--data expects several classes in each part. "
                             f"Received: {len(found)} spectra of {len(np.unique(found))} classes for {name}")
    return parts, data | {"spectra": len(labels)}, (flux[:ends[0]], labels[:ends[0]])


class BestF1(keras.callbacks.Callback):
    """The weights of the epoch with the best macro-F1 on validation data, which the model has at the end.

    Args:
        valid: (x, labels).

    Example:
        callback = BestF1((np.zeros((4, 650, 1)), np.arange(4)))

    Reference: 苏剑林, 基于Conv1D的光谱分类模型（一维序列分类）, https://kexue.fm/archives/5505
    """

    def __init__(self, valid):
        super().__init__()
        self.valid, self.curve, self.best = valid, [], None

    def on_epoch_end(self, epoch, logs=None):
        x, labels = self.valid
        score, _ = macro_f1(labels, predicted(self.model, x))
        if not self.curve or score > max(self.curve):
            self.best = self.model.get_weights()
        self.curve.append(score)

    def on_train_end(self, logs=None):
        self.model.set_weights(self.best)


def predicted(model, x):
    """Class numbers; every last part of a batch is read, too."""
    return model.predict(x, batch_size=100, verbose=0).argmax(axis=1)


def train_stage(model, parts, loss, rate, config, seed, quotas=True, epochs=10):
    """Trains for config.steps in ten parts, and keeps the best of them. The validation curve."""
    (x, labels), valid, _ = parts
    wanted = None
    if quotas:
        wanted = [round(config.batch_size * share) for share in QUOTAS]
        wanted = [count if (labels == k).any() else 0 for k, count in enumerate(wanted)]
    steps = 1 if config.smoke else max(1, config.steps // epochs)
    batches = QuotaBatches(x, labels, wanted, config.batch_size, steps, seed)
    best = BestF1(valid)
    # XLA would compile for longer than a stage takes
    model.compile(keras.optimizers.Adam(rate), loss, jit_compile=False)
    model.fit(batches, epochs=1 if config.smoke else epochs, callbacks=[best], verbose=0)
    return best.curve


def arms_of(parts, config, seed):
    """Name → predicted classes of the test part, name → validation curve, and the model of the two stages."""
    x_test = parts[-1][0]
    entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    found, curves = {"PCA, logistic regression": peer(parts)}, {}

    def run(name, model, *options, **more):
        curves[name] = train_stage(model, parts, *options, config, seed, **more)
        found[name] = predicted(model, x_test)
        print(f"{name}, seed {seed}: macro-F1 {macro_f1(parts[-1][1], found[name])[0]:.4f}", flush=True)

    keras.utils.set_random_seed(seed)
    first = build_classifier(config.points)
    start = first.get_weights()
    run("cross-entropy, natural batches", first, entropy, 1e-3, quotas=False)
    first.set_weights(start)
    run("soft F1 from scratch", first, MacroF1Loss(), 1e-3)
    first.set_weights(start)
    run("cross-entropy, quotas", first, entropy, 1e-3)
    middle = first.get_weights()
    run("then cross-entropy again", first, entropy, 1e-4)
    first.set_weights(middle)
    shares = np.bincount(parts[0][1], minlength=len(CLASSES)) / len(parts[0][1])
    run("then soft F1 of natural shares", first, MacroF1Loss(shares / QUOTAS), 1e-4)
    first.set_weights(middle)
    run("then soft F1, the article's", first, MacroF1Loss(), 1e-4)
    return found, curves, first


def peer(parts):
    """Classes by logistic regression on 50 principal components, each class weighted to the same sum."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    (x, labels), _, (x_test, _) = parts
    count = min(50, len(x) - 1, x.shape[1])
    found = make_pipeline(PCA(count, random_state=0), StandardScaler(),
                          LogisticRegression(class_weight="balanced", max_iter=1000))
    return found.fit(x[:, :, 0], labels).predict(x_test[:, :, 0])


def draw(run, data, shown, labels, found, f1s):
    """A spectrum of each class, the confusion matrix of the two stages, and F1 by class and way to train."""
    from matplotlib.figure import Figure

    kind = "synthetic" if data["builtin"] else data["name"]
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    figure.suptitle(f"{kind} spectra", fontsize=10)
    left, middle, right = figure.subplots(1, 3)
    flux, kinds = shown
    x = np.linspace(*ENDS, flux.shape[1])
    for k, name in enumerate(CLASSES):
        rows = np.flatnonzero(kinds == k)
        if len(rows):
            rough = np.abs(np.diff(flux[rows])).mean(axis=1) / np.abs(flux[rows]).mean(axis=1)
            clear = flux[rows[rough.argmin()]]               # the one with the least noise shows its lines
            spectrum = clear / np.abs(clear).max()
            left.plot(x, spectrum - 2 * k, linewidth=0.5, label=name)
    left.set(xlabel="wavelength, Å", yticks=[], title=f"one of each class, {kind}")
    left.legend(fontsize=6)
    table = np.zeros((len(CLASSES), len(CLASSES)), int)
    np.add.at(table, (labels, found), 1)
    middle.imshow(np.log1p(table), cmap="Blues")
    for (i, j), count in np.ndenumerate(table):
        middle.text(j, i, count, ha="center", va="center", fontsize=7)
    middle.set(xticks=range(4), yticks=range(4), xlabel="predicted", ylabel="right",
               title=f"two stages, {kind}")
    middle.set_xticklabels(CLASSES, fontsize=7)
    middle.set_yticklabels(CLASSES, fontsize=7)
    for name, values in f1s.items():
        right.plot(CLASSES, values, "o-", markersize=3, linewidth=0.8, label=name)
    right.set(ylabel="F1", title=f"test, {kind}")
    right.legend(fontsize=5)
    run.draw(figure)


def demo(config):
    """All ways to train, from one seed; with --table from three. With --predict the class of a spectrum."""
    from common.harness import further
    from common.harness.models import save_model

    if config.predict or config.run:
        return classify(config)
    seeds = range(config.seed, config.seed + (3 if config.table else 1))
    loaded = load(config, config.seed)
    run = further.start(config, "spectra")
    results, first = {}, None
    for seed in seeds:
        parts, data, shown = loaded if seed == config.seed else load(config, seed)
        labels = parts[-1][1]
        found, _, model = arms_of(parts, config, seed)
        for name, said in found.items():
            results.setdefault(name, []).append(np.append(*macro_f1(labels, said)))
        if first is None:
            first = data, shown, labels, found
            save_model(model, run.path("model.keras"))
    rows, metrics, f1s = [], {}, {}
    for name, scores in results.items():
        values = np.array(scores)
        rows.append([name, *map(further.mean_and_deviation, values.T)])
        f1s[name] = values.mean(axis=0)[1:]
        keys = [f"macro-F1, {name}", *(f"F1 of {kind}, {name}" for kind in CLASSES)]
        metrics |= dict(zip(keys, values.mean(axis=0)))
    run.table(["way to train", "macro-F1", *CLASSES], rows)
    data, shown, labels, found = first
    draw(run, data, shown, labels, found["then soft F1, the article's"], f1s)
    run.finish(data, metrics)


def classify(config):
    """Prints the class of the spectrum in a file, by the model of a run."""
    import json

    from common.harness.models import load_model
    from common.harness.paths import named_path
    from common.harness.reading import InputError, read_text
    from common.harness.spectra import on_grid

    if not (config.predict and config.run):
        raise InputError("--predict FILE and --run FOLDER go together. "
                         f"Received: --predict {config.predict!r}, --run {config.run!r}")
    folder, path = named_path(config.run, "--run"), named_path(config.predict, "--predict")
    model = load_model(folder)
    if model.name != "spectra" or model.output_shape != (None, len(CLASSES)):
        raise InputError(f"--run expects the folder of a run of this script. Received: {folder}")
    settings = json.loads(read_text(folder / "config.json"))
    flux = on_grid(path, model.input_shape[1], ENDS)
    logits = model.predict(scaled(flux[None], settings.get("scaling", "rms")), verbose=0)[0].astype("float64")
    p = np.exp(logits - logits.max())
    for name, share in sorted(zip(CLASSES, p / p.sum()), key=lambda pair: -pair[1]):
        print(f"{name:>8} {share:.3f}")


def main():
    """The demo, python more/spectra.py; only here is anything of this repository imported."""
    import pathlib
    import sys

    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
    from common.harness import cli, further

    further.main(
        demo, __doc__,
        points=(650, cli.Between(16, 20_000), "Points of the grid; the article has 2,600."),
        batch_size=(40, cli.Between(20, 10_000), "Spectra in a batch; the article has 160."),
        steps=(300, cli.Between(1, 1_000_000), "Batches in each stage of training."),
        most=(20_000, cli.Between(10, 1_000_000), "Spectra of --data that are read at most."),
        scaling=("rms", ("rms", "article"), "Divisor: each root mean square, or 100 for all."),
        predict=("", None, "CSV or .npz file of a spectrum to classify."),
        run=("", None, "Run folder whose model answers --predict."))


if __name__ == "__main__":
    main()
