"""从变分编码、信息瓶颈到正态分布：论遗忘的重要性, https://kexue.fm/archives/6181

A network that keeps less of x has less to overfit with. The variational information bottleneck bounds I(x; z)
from above by KL(p(z|x) ‖ N(0, I)) and pays λ for each nat of it: z = μ + σε in training, z = μ in inference.
It is the encoder of a variational autoencoder with labels for the decoder.

    article                               here
    p(z|x), λ KL(p(z|x) ‖ q(z))           GaussianSampling(λ, noise_in_inference=False) of common/latent.py
    its threshold β on the KL             free_bits of the same layer
    z cos θ + z' sin θ                    interpolate: N(0, I) again, which (1−t)z + tz' is not

    python more/vib.py             minutes: seven networks on hotel reviews, one seed
    python more/vib.py --table     five seeds, and TF-IDF with logistic regression beside them
    python more/vib.py --data FILE.csv     your own reviews: rows label,review
    python more/vib.py --data imdb         the article's IMDB: words, of which 400 are read

The article compares a network with the bottleneck and one without, which lacks its layer of 128, too. So
three arms have the layer alone, its noise alone, and dropout in the noise's place.
"""

import numpy as np

ARMS = {                                           # name → (what follows the pooled features, λ)
    "plain": ("nothing", 0.0),
    "Dense": ("dense", 0.0),
    "Dense, dropout ½": ("dropout", 0.0),
    "noise, λ 0": ("noise", 0.0),
    "λ 0.001": ("noise", 0.001),
    "λ 0.01": ("noise", 0.01),
    "λ 0.1, the article's": ("noise", 0.1),
}


def build_classifier(tokens, length, kind="noise", weight=0.1, free_bits=0.0, dim=128):
    """The article's network: embedding, convolution, maximum over time, bottleneck, one logit.

    Args:
        tokens: how many there are; 0 is the padding in front.
        kind: "nothing", "dense", "dropout" or "noise" between the pooled features and the logit.
        weight: λ, the price of a nat.
        free_bits: β, nats of each dimension that cost nothing.
    """
    import keras
    from keras import layers

    from common.latent import GaussianSampling

    x = keras.Input((length,), dtype="int32")
    h = layers.Embedding(tokens, 50)(x)
    h = layers.Conv1D(250, 3, activation="relu")(h)
    real = keras.ops.cast(x[:, 2:, None] > 0, "float32")     # a window that ends in padding has nothing else
    h = layers.GlobalMaxPooling1D()(layers.Multiply()([h, real]))
    if kind != "nothing":
        mean = layers.Dense(dim, name="mean")(h)
    if kind == "noise":
        log_var = layers.Dense(dim, name="log_var")(h)
        h = GaussianSampling(weight, free_bits, noise_in_inference=False, name="z")([mean, log_var])
    elif kind != "nothing":
        h = layers.Dropout(0.5 if kind == "dropout" else 0.0, name="z")(mean)
    return keras.Model(x, layers.Dense(1, name="logit")(h))


def nats(mean, log_var):
    """KL(N(μ, σ²) ‖ N(0, I)), a sum over dimensions and a mean over samples: the bound of I(x; z)."""
    return float(0.5 * (np.square(mean) + np.exp(log_var) - log_var - 1).sum(axis=1).mean())


def interpolate(z, other, angles):
    """z cos θ + z' sin θ for each angle, (angles, ...): if both are N(0, I), so is each of these."""
    shape = (-1, *[1] * np.ndim(z))
    return np.cos(angles).reshape(shape) * z + np.sin(angles).reshape(shape) * other


# ------------------------------------------------------------------------------------------------------- demo

def review_parts(texts, labels, seed, length=128, most=5000):
    """Character numbers (n, length), padded in front, and labels of the training, validation and test parts,
    with the vocabulary of the training part; and the rows of the parts."""
    from common.harness.reviews import split, vocabulary_of

    parts = split(len(texts), (0.6, 0.15), seed)
    vocabulary = vocabulary_of([texts[row] for row in parts[0]], (1,), most - 2)
    encoded = np.zeros((len(texts), length), "int32")
    for row, text in enumerate(texts):
        numbers = [vocabulary.get(character, -1) + 2 for character in text[:length]]    # 1: unknown
        encoded[row, length - len(numbers):] = numbers
    return [(encoded[rows], labels[rows]) for rows in parts], parts


def load_imdb(length=400, most=5000):
    """IMDB as Keras has it, from its home or the cache: parts of (words, labels), and where they are from."""
    import keras

    from common.harness.datasets import HOME, Dataset
    from common.harness.download import Download, cache_folder, fetch
    from common.harness.reading import InputError

    digest = "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f"
    try:
        path = fetch(Download(HOME + "imdb.npz", digest, "imdb.npz"))
    except OSError as error:
        raise InputError(f"imdb is not in the cache and could not be downloaded ({error}): get "
                         f"{HOME}imdb.npz elsewhere and put it at {cache_folder() / 'imdb.npz'}.") from error
    (x, y), (x_test, y_test) = keras.datasets.imdb.load_data(str(path), num_words=most)
    x, x_test = (keras.utils.pad_sequences(part, maxlen=length) for part in (x, x_test))
    parts = [(x[:20_000], y[:20_000]), (x[20_000:], y[20_000:]), (x_test, y_test)]
    return parts, Dataset("imdb", str(path), digest, False).describe()


def train_arm(name, parts, tokens, seed, epochs):
    """(model, accuracy on validation data after each epoch, scores on test data)."""
    import keras

    from common.harness.metrics import class_scores

    keras.utils.set_random_seed(seed)
    (x, y), valid, (x_test, y_test) = parts
    model = build_classifier(tokens, x.shape[1], *ARMS[name])
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True),
                  metrics=[keras.metrics.BinaryAccuracy(threshold=0.0, name="accuracy")])
    history = model.fit(x, y, batch_size=32, epochs=epochs, validation_data=valid, verbose=0).history
    logits = model.predict(x_test, batch_size=500, verbose=0)[:, 0].astype("float64")
    p = 1 / (1 + np.exp(-logits))
    scores = class_scores(np.stack([1 - p, p], axis=1), y_test)
    scores["nats"] = np.nan
    if ARMS[name][0] == "noise":
        outputs = [model.get_layer(part).output for part in ("mean", "log_var")]
        scores["nats"] = nats(*keras.Model(model.input, outputs).predict(x_test, batch_size=500, verbose=0))
    print(f"{name}, seed {seed}: " + ", ".join(f"{key} {value:.4f}" for key, value in scores.items()),
          flush=True)
    return model, history["val_accuracy"], scores


def peer(texts, labels, rows):
    """The scores of TF-IDF of 1- and 2-grams of characters with logistic regression, on the same rows."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    from common.harness.metrics import class_scores

    train, _, test = rows
    vectors = TfidfVectorizer(analyzer="char", ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    x = vectors.fit_transform([texts[row] for row in train])
    found = LogisticRegression(C=10, max_iter=1000).fit(x, labels[train])
    p = found.predict_proba(vectors.transform([texts[row] for row in test]))
    return class_scores(p, labels[test]) | {"nats": np.nan}


def path_of(model, parts, steps=13):
    """From a complaint's z to a praise's, on the arc and on the line: mean probability, mean ‖z‖²."""
    import keras

    x, y = parts[-1]
    encode = keras.Model(model.input, model.get_layer("mean").output)
    z = encode.predict_on_batch(np.concatenate([x[y == 0][:200], x[y == 1][:200]]))
    count = min(200, (y == 0).sum(), (y == 1).sum())
    start, end = z[:count], z[-count:]
    shares = np.linspace(0, 1, steps).reshape(-1, 1, 1)
    paths = {"arc": interpolate(start, end, np.linspace(0, np.pi / 2, steps)),
             "line": (1 - shares) * start + shares * end}
    found = {}
    for name, path in paths.items():
        logits = np.stack([keras.ops.convert_to_numpy(model.get_layer("logit")(points)) for points in path])
        found[name] = (1 / (1 + np.exp(-logits))).mean(axis=(1, 2)), np.square(path).sum(axis=2).mean(axis=1)
    return found


def draw(run, curves, table, paths):
    """Accuracy by epoch; cross-entropy against nats; what lies between a complaint and a praise."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for name, curve in curves.items():
        left.plot(np.arange(1, len(curve) + 1), curve, label=name)
    left.set(xlabel="epoch", ylabel="validation accuracy")
    left.legend(fontsize=6)
    for name, scores in table.items():
        if np.isfinite(scores["nats"]):
            middle.plot(scores["nats"], scores["cross_entropy"], "o")
            middle.annotate(name, (scores["nats"], scores["cross_entropy"]), fontsize=7)
    middle.set(xlabel="KL(p(z|x) ‖ N(0, I)), nats", ylabel="test cross-entropy")
    middle.margins(x=0.3)
    norms = right.twinx()
    for name, (probability, norm) in paths.items():
        style = "-" if name == "arc" else "--"
        right.plot(np.linspace(0, 1, len(probability)), probability, style, color="C0", label=name)
        norms.plot(np.linspace(0, 1, len(norm)), norm, style, color="C1")
    right.set(xlabel="from a complaint to a praise", ylabel="p(praise), blue")
    norms.set_ylabel("‖z‖², orange")
    right.legend(fontsize=7)
    run.draw(figure)


def demo(config):
    """Seven networks, from one seed; with --table from five, beside logistic regression."""
    from common.harness import further
    from common.harness.reviews import load_reviews

    imdb, texts = config.data == "imdb", None
    if imdb:
        parts, data = load_imdb()
    else:
        texts, labels, data = load_reviews(config.data, config.smoke)
    run = further.start(config, "vib")
    epochs = 1 if config.smoke else config.epochs
    found, curves, kept = {name: [] for name in ARMS}, {}, None
    for seed in range(config.seed, config.seed + (5 if config.table else 1)):
        if texts:
            parts, rows = review_parts(texts, labels, seed, 32 if config.smoke else 128)
            found.setdefault("TF-IDF, logistic regression", []).append(peer(texts, labels, rows))
        for name in ARMS:
            model, curve, scores = train_arm(name, parts, 5000, seed, epochs)
            found[name].append(scores)
            if seed == config.seed:
                curves[name] = curve
            if seed == config.seed and name == "λ 0.01":
                kept = path_of(model, parts)
    table, metrics, lines = {}, {}, []
    for name, runs in found.items():
        values = np.array([list(scores.values()) for scores in runs])
        lines.append([name, *map(further.mean_and_deviation, values.T)])
        table[name] = dict(zip(runs[0], values.mean(axis=0)))
        metrics |= {f"{key}, {name}": value for key, value in table[name].items() if np.isfinite(value)}
    for name, (probability, norm) in kept.items():
        half = len(norm) // 2
        metrics[f"probability in the middle, {name}"] = probability[half]
        metrics[f"norm in the middle by that at the ends, {name}"] = 2 * norm[half] / (norm[0] + norm[-1])
    run.table(["arm", "accuracy", "cross-entropy", "calibration error", "nats of z"], lines)
    draw(run, curves, table, kept)
    run.finish(data, metrics)


def main():
    """The demo, python more/vib.py; only here is anything of this repository imported."""
    import pathlib
    import sys

    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
    from common.harness import cli, further

    further.main(demo, __doc__, epochs=(5, cli.Between(1, 1000), "Passes over the training reviews."))


if __name__ == "__main__":
    main()
