"""深度学习的互信息：无监督提取特征, https://kexue.fm/archives/6024

A code z of an image x is good where it tells x from other images: where the mutual information I(x; z) is
large. It is a divergence between joint and product, so a discriminator T of pairs (x, z) and pairs of
strangers measures it, and the encoder makes it larger. The term for each place C_ij of a feature map is the
one that matters, says the article.

    article                       here
    p(z|x)                        build_encoder: mean, log σ², feature map C; z = mean afterwards
    T₁, T₂ and their terms, (14)  MutualInformation(discriminator, weight), on logits
    a random order in the batch   the next sample: in a random order some samples are their own partners
    α, β, γ of the loss, (14)     ½, 1½, .01; γ is on the mean of the KL over the 256 dimensions

    python more/infomax.py             minutes: the article's loss, on 10,000 images of CIFAR-10
    python more/infomax.py --table     and local alone, global alone, the same network with labels
    python more/infomax.py --global-term text     T₁(x, z) of the text, where the author's code has T₁(z, z)
    python more/infomax.py --data FILE.npz     your own images: x_train, y_train, x_test, y_test

The article's bound of JS is ½ log 2, but with its definition JS ≤ log 2, and the maximum in (11) is
2 JS − 2 log 2: the loss of a z that knows nothing is 1.386 for each term. We print JS ≥ log 2 − loss/2.
"""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="kexue")
class MutualInformation(keras.layers.Layer):
    """Tells pairs (a, z) from pairs of strangers, and adds to the loss what makes a and z tell of each other.

        loss = E softplus(−T(a, z)) + E softplus(T(a', z)),   equation (12) with T = logits
        JS(p(a, z), p(a)p(z)) ≥ log 2 − loss/2, with equality for T = log p(a, z)/p(a)p(z)

    a' is that of the sample before in the batch, and of the last one for the first: nobody is their own
    stranger, and the order of batches is random. A feature map has a pair at each place, and the loss is the
    mean of them. A negative weight does not make the information smaller, as the discriminator would follow:
    that takes a discriminator with a training of its own.

    Args:
        discriminator: layer or model of [a, z] side by side, (..., d_a + d_z), to logits (..., 1).
        weight: factor of the loss.
        **kwargs: name, dtype and so on, as for any Keras layer.

    Call arguments:
        inputs: [a, z], of shapes (batch, d_a) or (batch, height, width, d_a), and (batch, d_z).

    Output:
        log 2 − loss/2 for each sample, (batch,), in nats: 0 for nothing in common, log 2 = .693 for all. A
        batch of one sample has no strangers, so its loss is 0.

    Raises:
        ValueError: other shapes, or a weight below 0.

    Precision: the loss is computed in float32 under any dtype policy.

    Example:
        a, z = np.random.rand(5, 4, 4, 3).astype("float32"), np.random.rand(5, 2).astype("float32")
        layer = MutualInformation(build_discriminator(8))
        print(layer([a, z]).shape, len(layer.losses))          # (5,) 1

    Reference: 苏剑林, 深度学习的互信息：无监督提取特征, https://kexue.fm/archives/6024;
        Hjelm et al., https://arxiv.org/abs/1808.06670
    """

    def __init__(self, discriminator, weight=1.0, **kwargs):
        super().__init__(**kwargs)
        if not weight >= 0:
            raise ValueError(f"weight expects a number of at least 0. Received: weight={weight!r}")
        self.discriminator, self.weight = discriminator, weight

    def build(self, input_shape):
        ranks = [len(shape) for shape in input_shape]
        if len(ranks) != 2 or ranks[0] not in (2, 4) or ranks[1] != 2:
            raise ValueError("inputs expects [a, z] of shapes (batch, d_a) or (batch, height, width, d_a), "
                             f"and (batch, d_z). Received: shapes={input_shape}")
        if not self.discriminator.built:
            sides = [None] * (ranks[0] - 1)
            self.discriminator.build((*sides, input_shape[0][-1] + input_shape[1][-1]))

    def call(self, inputs):
        a, z = inputs
        count = ops.shape(a)[0]
        if len(a.shape) == 4:
            z = ops.tile(z[:, None, None, :], (1, a.shape[1], a.shape[2], 1))
        related, strange = (ops.cast(self.discriminator(ops.concatenate([part, z], axis=-1)), "float32")
                            for part in (a, ops.roll(a, 1, axis=0)))
        terms = ops.softplus(-related) + ops.softplus(strange)
        terms = ops.mean(terms, axis=tuple(range(1, len(a.shape))))
        terms = terms * ops.cast(count > 1, "float32")
        self.add_loss(self.weight * ops.mean(terms))
        return float(np.log(2)) - terms / 2

    def compute_output_shape(self, input_shape):
        return (input_shape[0][0],)

    def get_config(self):
        return {**super().get_config(), "weight": self.weight,
                "discriminator": keras.saving.serialize_keras_object(self.discriminator)}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config.pop("discriminator")), **config)


def build_discriminator(width=256):
    """The article's T: three layers and a logit; on a feature map they are convolutions of 1 × 1."""
    dense = keras.layers.Dense
    return keras.Sequential([dense(width, "relu"), dense(width, "relu"), dense(width, "relu"), dense(1)])


def build_encoder(shape=(32, 32, 3), width=64, dim=256):
    """The article's encoder: images in ±½ → [mean, log σ², feature map C of an eighth of the size]."""
    layers = keras.layers

    def convolved(h, filters):
        h = layers.Conv2D(filters, 3, padding="same")(h)
        return layers.LeakyReLU(0.2)(layers.BatchNormalization()(h))

    x = h = keras.Input(shape)
    for filters in (width, 2 * width, 4 * width):
        h = layers.MaxPooling2D(2)(convolved(h, filters))
    features = h
    for _ in range(2):
        h = convolved(h, 4 * width)
    h = layers.GlobalMaxPooling2D()(h)
    mean, log_var = layers.Dense(dim, name="mean")(h), layers.Dense(dim, name="log_var")(h)
    return keras.Model(x, [mean, log_var, features])


def build_infomax(encoder, weights=(0.5, 1.5, 0.01), global_term="code", width=256):
    """The model of equation (14): images → the estimates of JS, global and local, its loss added inside.

    Args:
        weights: α, β, γ: of the global term, of the local term, of the KL.
        global_term: "code": T₁ sees z twice, as in the author's code, where x comes in by z alone; "text": T₁
            sees C, all of it, and z, as in equation (14).
    """
    from common.latent import GaussianSampling

    of_global, of_local, of_prior = weights
    x = keras.Input(encoder.input_shape[1:])
    mean, log_var, features = encoder(x)
    z = GaussianSampling(of_prior / mean.shape[-1], name="z")([mean, log_var])      # a mean over dimensions
    whole = z if global_term == "code" else keras.layers.Flatten()(features)
    terms = [("global", of_global, whole), ("local", of_local, features)]
    estimates = {name: MutualInformation(build_discriminator(width), weight, name=name)([part, z])
                 for name, weight, part in terms if weight}
    return keras.Model(x, estimates)


# --------------------------------------------------------------------------------------- what a code is worth

def neighbours(queries, data, k, metric="euclid"):
    """The k nearest rows of the data for each query, (n, k): by distance, or by the cosine of the angle as
    seen from the mean of the data."""
    if metric == "cosine":
        centre = data.mean(axis=0)
        queries, data = (part - centre for part in (queries, data))
        queries, data = (part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12)
                         for part in (queries, data))
    distance = np.square(data).sum(axis=1) - 2 * queries @ data.T
    nearest = np.argpartition(distance, k - 1, axis=1)[:, :k]
    order = np.take_along_axis(distance, nearest, axis=1).argsort(axis=1, kind="stable")
    return np.take_along_axis(nearest, order, axis=1)


def voted(rows, labels):
    """The most frequent label of each row of neighbours; of several the one of the nearer neighbour."""
    found = labels[rows]
    votes = (found[:, :, None] == found[:, None, :]).sum(axis=2)
    return found[np.arange(len(rows)), votes.argmax(axis=1)]


def linear_probe(x, y, x_test, strengths=(10, 100, 1000, 10_000, 100_000)):
    """The classes (m,) of x_test by least squares on standardised features, with the ridge that is best on
    the last fifth of the training part."""
    classes, at = int(y.max()) + 1, len(x) * 4 // 5
    mean, deviation = x.mean(axis=0), x.std(axis=0) + 1e-6
    x, x_test = ((part - mean) / deviation for part in (x, x_test))
    targets = np.eye(classes, dtype=x.dtype)[y] - 1 / classes

    def solutions(x, targets, strengths):
        gram, right = x.T @ x, x.T @ targets
        return [np.linalg.solve(gram + s * np.eye(len(gram), dtype=x.dtype), right) for s in strengths]

    tried = solutions(x[:at], targets[:at], strengths)
    scores = [((x[at:] @ w).argmax(axis=1) == y[at:]).mean() for w in tried]
    w, = solutions(x, targets, [strengths[int(np.argmax(scores))]])
    return (x_test @ w).argmax(axis=1)


# ------------------------------------------------------------------------------------------------------- demo

ARMS = {                      # name → what trains the encoder, weights of the global, local and prior term
    "random": ("nothing", ()),
    "both": ("information", (0.5, 1.5, 0.01)),
    "local alone": ("information", (0.0, 1.5, 0.01)),
    "global alone": ("information", (0.5, 0.0, 0.01)),
    "global alone, T₁(x, z)": ("information of the text", (0.5, 0.0, 0.01)),
    "with labels": ("labels", ()),
}


def as_inputs(images):
    """uint8 images → pixels in ±½."""
    return images.astype("float32") / 255 - 0.5


def encode(encoder, images):
    """mean and feature map of images, as rows."""
    mean, _, features = encoder.predict(as_inputs(images), batch_size=250, verbose=0)
    return {"z": mean, "map": features.reshape(len(features), -1)}


def fit_arm(teacher, weights, train, test, config):
    """An encoder after training, and what is known then of test images: the estimates of JS, or with labels
    the accuracy."""
    keras.utils.set_random_seed(config.seed)
    images, labels = train
    encoder = build_encoder(images.shape[1:], config.width, 4 * config.width)
    if teacher == "nothing":
        return encoder, {}
    loss, optimizer = None, keras.optimizers.Adam(config.learning_rate)
    if teacher == "labels":
        model = keras.Model(encoder.input, keras.layers.Dense(int(labels.max()) + 1)(encoder.outputs[0]))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    else:
        term = "text" if "text" in teacher else config.global_term
        model, labels = build_infomax(encoder, weights, term, 4 * config.width), None
    model.compile(optimizer, loss, jit_compile=False)            # convolutions are faster so on a CPU
    model.fit(as_inputs(images), labels, batch_size=config.batch_size, epochs=config.epochs, verbose=2)
    found = model.predict(as_inputs(test[0]), batch_size=64, verbose=0)
    if teacher == "labels":
        return encoder, {"accuracy": (found.argmax(axis=1) == test[1]).mean()}
    return encoder, {f"JS, {name}": estimate.mean() for name, estimate in found.items()}


def scores_of(features, train, test):
    """Accuracy of ten neighbours, by distance and by angle, and of the linear probe."""
    (x, x_test), y, y_test = features, train[1], test[1]
    found = {f"10-NN, {metric}": voted(neighbours(x_test, x, 10, metric), y)
             for metric in ("euclid", "cosine")}
    found["linear probe"] = linear_probe(x, y, x_test)
    return {name: (classes == y_test).mean() for name, classes in found.items()}


def principal(x, x_test, count=256):
    """Both on the principal components of the first."""
    centre = x.mean(axis=0)
    _, vectors = np.linalg.eigh(np.cov(x, rowvar=False))
    vectors = vectors[:, ::-1][:, :count].astype(x.dtype)
    return (x - centre) @ vectors, (x_test - centre) @ vectors


def sheet_rows(features, train, test, metric, count=10, across=9):
    """Test images, each with its nearest training images, row by row, values in
    [0, 1]; grey ones without an axis for channels."""
    rows = neighbours(features[1][:count], features[0], across, metric)
    lines = [np.concatenate([test[0][i:i + 1], train[0][row]]) for i, row in enumerate(rows)]
    images = np.concatenate(lines) / 255
    return images[..., 0] if images.shape[-1] == 1 else images


def draw(run, results, images):
    """Left: what each code is worth. Right: test images and their neighbours, by angle."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
    names = list(results)
    for place, score in enumerate(results[names[0]]):
        values = [results[name][score] for name in names]
        left.barh(np.arange(len(names)) + 0.27 * (place - 1), values, 0.27, label=score)
    left.set_yticks(range(len(names)), names, fontsize=7)
    left.invert_yaxis()
    left.set_xlabel("test accuracy")
    left.legend(fontsize=7)
    height, width = images.shape[1:3]
    across = 7
    kept = images.reshape(-1, 10, *images.shape[1:])[:6, :across]
    sheet = kept.swapaxes(1, 2).reshape(len(kept) * height, across * width, *images.shape[3:])
    right.imshow(sheet, cmap="gray")
    right.axis("off")
    right.set_title("a test image and its neighbours (both, z, cosine)", fontsize=9)
    run.draw(figure)


def demo(config):
    """What the article's loss makes of an encoder; with --table the terms one by one, and with labels."""
    from common.harness import further, plots
    from common.harness.photographs import load_photographs

    train, test, data = load_photographs(config.data, config.smoke)
    if config.smoke:
        config.epochs, config.width = 1, 8
        train, test = ((x[:300], y[:300]) for x, y in (train, test))
    run = further.start(config, "infomax")
    pixels = [as_inputs(part[0]).reshape(len(part[0]), -1) for part in (train, test)]
    features = {"pixels": pixels, "PCA-256": principal(*pixels)}
    arms = ARMS if config.table else {name: ARMS[name] for name in ("random", "both")}
    metrics = {}
    for name, arm in arms.items():
        encoder, estimates = fit_arm(*arm, train, test, config)
        metrics |= {f"{key}, {name}": value for key, value in estimates.items()}
        parts = [encode(encoder, part[0]) for part in (train, test)]
        for kind in ("z", "map"):
            features[f"{name}, {kind}"] = [part[kind] for part in parts]
    z = features["both, z"][1]
    metrics |= {"mean of |mean of z|": np.abs(z.mean(axis=0)).mean(), "deviation of z": z.std(axis=0).mean()}
    results = {name: scores_of(part, train, test) for name, part in features.items()}
    run.table(["features", "10-NN, Euclid", "10-NN, cosine", "linear probe"],
              [[name, *map(float, scores.values())] for name, scores in results.items()])
    for name, scores in results.items():
        metrics |= {f"{key}, {name}": value for key, value in scores.items()}
    sheets = {metric: sheet_rows(features["both, z"], train, test, metric) for metric in ("euclid", "cosine")}
    plots.save_sheets({f"neighbours-{name}": images for name, images in sheets.items()}, run.folder, 10)
    draw(run, results, sheets["cosine"])
    run.finish(data, metrics)


def main():
    """The demo, python more/infomax.py; only here is anything of this repository imported."""
    import pathlib
    import sys

    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
    from common.harness import cli, further

    further.main(
        demo, __doc__,
        epochs=(3, cli.Between(1, 10_000), "Passes over the training images; the article has 50."),
        batch_size=(64, cli.Between(2, 10_000), "Images in one step of the optimizer."),
        learning_rate=(1e-3, cli.Between(above=0, most=1), "Adam's learning rate."),
        width=(64, cli.Between(4, 512), "Filters of the first convolution; z has four times as many."),
        global_term=("code", ("code", "text"), "What T₁ sees beside z: z again, or the image's feature map."))


if __name__ == "__main__":
    main()
