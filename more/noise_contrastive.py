"""“噪声对比估计”杂谈：曲径通幽之妙, https://kexue.fm/archives/5617

A density p(x) = e^G(x)/Z whose Z nobody can compute is learnt by telling data from noise U: the logit
G(x) − γ of "this is data" is best where p(x) = U(x) e^(G(x) − γ), so γ says what log Z is. Of words with
noise from the word frequencies the same loss gives ⟨u, v⟩ = PMI, which is word2vec with negative samples.

    article              here
    p(x) ~ e^(−ax²−bx⁴)  QuarticEnergy, equation (2)
    γ                    LogPartition.gamma
    loss (5)             nce_loss; with k samples of noise for one of data, log Z = γ − log U − log k
    ⟨u, v⟩, (14)         SkipGram; with k negatives PMI − log k

    python more/noise_contrastive.py             log Z of one data set, and the words
    python more/noise_contrastive.py --table     all sizes, noises and k of the README, five data sets each

--data takes a text of words separated by blanks, a sentence a line; by default the People's Daily of January
1998, cws/pd199801.utf8 in the folder that KEXUE_DATA names.
"""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="kexue")
def nce_loss(y_true, y_pred):
    """−log σ(s) of data and −log σ(−s) of noise, equation (5): a sum over the candidates of a row.

    Keras' binary_crossentropy is the mean over them, which is the same up to the factor 1 + k.

    Args:
        y_true: 1 for data and 0 for noise, (batch, candidates).
        y_pred: logits s = G(x) − γ of the same shape.

    Returns:
        One number for each row, (batch,), float32 or float64.
    """
    if tuple(y_true.shape[1:]) != tuple(y_pred.shape[1:]) or len(y_pred.shape) != 2:
        raise ValueError("nce_loss expects labels and logits (batch, candidates). "
                         f"Received: shapes={tuple(y_true.shape)}, {tuple(y_pred.shape)}")
    y = ops.cast(y_true, y_pred.dtype)
    return ops.sum(ops.softplus(ops.where(y > 0.5, -y_pred, y_pred)), axis=-1)


@keras.saving.register_keras_serializable(package="kexue")
class LogPartition(keras.layers.Layer):
    """Subtracts γ from the exponents G(x), and says afterwards what log Z is.

        log p(1|x) = log σ(G(x) − γ), and at the optimum log Z = γ − log U − log k

    For a G that has a bias of its own leave this layer out: the bias is −γ already.

    Args:
        **kwargs: name, dtype and so on, as for any Keras layer.

    Call arguments:
        inputs: G(x), of any shape. The output is of that shape.

    Example:
        layer = LogPartition()
        logits = layer(np.zeros((2, 3), "float32"))
        print(layer.log_z(log_noise=-np.log(4), negatives=1))      # uniform noise on [−2, 2]

    Reference: 苏剑林, “噪声对比估计”杂谈：曲径通幽之妙, https://kexue.fm/archives/5617
    """

    def build(self, input_shape):
        self.gamma = self.add_weight(shape=(), initializer="zeros", name="gamma")

    def call(self, inputs):
        return inputs - self.gamma

    def compute_output_shape(self, input_shape):
        return input_shape

    def log_z(self, log_noise, negatives=1):
        """log Z for uniform noise of this log density and so many samples of noise for one of data."""
        return float(ops.convert_to_numpy(self.gamma)) - log_noise - np.log(negatives)


@keras.saving.register_keras_serializable(package="kexue")
class QuarticEnergy(keras.layers.Layer):
    """G(x) = −a x² − b x⁴ with trainable a and b, the article's example, equation (2).

    Args:
        **kwargs: name, dtype and so on, as for any Keras layer.

    Call arguments:
        inputs: x, of any shape. The output is of that shape.

    Example:
        x = np.linspace(-2, 2, 6, dtype="float32").reshape(2, 3)
        print(LogPartition()(QuarticEnergy()(x)).shape)          # (2, 3)

    Reference: 苏剑林, “噪声对比估计”杂谈：曲径通幽之妙, https://kexue.fm/archives/5617
    """

    def build(self, input_shape):
        self.factors = self.add_weight(shape=(2,), initializer="zeros", name="a_b")

    def call(self, inputs):
        square = ops.square(inputs)
        return -self.factors[0] * square - self.factors[1] * ops.square(square)

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable(package="kexue")
class SkipGram(keras.layers.Layer):
    """⟨u_w, v_c⟩ of a word w and candidates c for its context: word2vec's skip-gram.

    With negatives from the word frequencies the optimum is PMI(w, c) − log k, equation (14), where the rank
    of the product, `dim`, allows it.

    Args:
        words: how many words there are.
        dim: the size of u and v.
        **kwargs: name, dtype and so on, as for any Keras layer.

    Call arguments:
        inputs: word numbers (batch, 1 + candidates): w, then the candidates.

    Output:
        logits, (batch, candidates).

    Example:
        rows = np.array([[0, 1, 2], [3, 1, 4]])
        print(SkipGram(words=5, dim=2)(rows).shape)          # (2, 2)

    Reference: 苏剑林, “噪声对比估计”杂谈：曲径通幽之妙, https://kexue.fm/archives/5617
    """

    def __init__(self, words, dim, **kwargs):
        super().__init__(**kwargs)
        self.words, self.dim = words, dim

    def build(self, input_shape):
        edge = 0.5 / self.dim ** 0.5
        # One initializer each: the same one twice would make u = v, and ⟨u, u⟩ has no negative eigenvalue.
        u, v = (keras.initializers.RandomUniform(-edge, edge) for _ in range(2))
        self.u = self.add_weight(shape=(self.words, self.dim), initializer=u, name="u")
        self.v = self.add_weight(shape=(self.words, self.dim), initializer=v, name="v")

    def call(self, inputs):
        rows = ops.cast(inputs, "int32")
        u = ops.take(self.u, rows[:, 0], axis=0)
        v = ops.take(self.v, rows[:, 1:], axis=0)
        return ops.sum(u[:, None, :] * v, axis=-1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], None if input_shape[1] is None else input_shape[1] - 1)

    def get_config(self):
        return {**super().get_config(), "words": self.words, "dim": self.dim}


# -------------------------------------------------------------------------------------------------- densities

def fit_logits(model, data, draw, config, k=1, rate=0.05, least=100_000):
    """Trains a model of candidates (batch, 1 + k, ...) on the data, with fresh noise draw(count) an epoch.

    Fewer samples than `least` are repeated, each time with other noise: what a small data set is worth shows
    only where the training has come to its end.
    """
    data = np.concatenate([data] * max(1, least // len(data)))
    size = min(1000, len(data))
    steps = config.epochs * (len(data) // size)
    rate = keras.optimizers.schedules.CosineDecay(rate, steps)
    model.compile(keras.optimizers.Adam(rate), nce_loss, jit_compile=True, steps_per_execution=10)
    labels = np.zeros((len(data), 1 + k))
    labels[:, 0] = 1
    for _ in range(config.epochs):
        noise = draw(len(data) * k).reshape(len(data), k, *data.shape[1:])
        model.fit(np.concatenate([data[:, None], noise], axis=1), labels, batch_size=size, verbose=0)


def quartic_samples(count, rng, a=1.0, b=0.5, edge=4.0):
    """Samples of p ~ e^(−ax²−bx⁴), by the inverse of its distribution function on a fine grid."""
    grid = np.linspace(-edge, edge, 200_001)
    mass = np.cumsum(np.exp(-a * grid ** 2 - b * grid ** 4))
    return np.interp(rng.random(count), mass / mass[-1], grid)


def exact_log_z(a=1.0, b=0.5, edge=6.0):
    """log Z by the trapezoidal rule, exact to all digits for so smooth an integrand: .39630 for 1 and ½."""
    grid = np.linspace(-edge, edge, 100_001)
    return float(np.log(np.trapezoid(np.exp(-a * grid ** 2 - b * grid ** 4), grid)))


def estimate(config, seed, count, edge=2.0, k=1):
    """a, b and log Z from so many samples of the article's density, with uniform noise on ±edge."""
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    x = keras.Input((1 + k,))
    energy, partition = QuarticEnergy(), LogPartition()
    model = keras.Model(x, partition(energy(x)))
    fit_logits(model, quartic_samples(count, rng), lambda size: rng.uniform(-edge, edge, size), config, k)
    a, b = ops.convert_to_numpy(energy.factors)
    return float(a), float(b), partition.log_z(-np.log(2 * edge), k)


def maximum_likelihood(x, steps=50):
    """a, b and log Z by Newton's method with a numerical Z: what noise contrast is measured against."""
    grid = np.linspace(-6, 6, 20_001)
    features, theta = np.stack([-grid ** 2, -grid ** 4]), np.array([1.0, 0.1])
    target = np.array([-np.mean(x ** 2), -np.mean(x ** 4)])
    for _ in range(steps):
        weight = np.exp(theta @ features)
        weight /= weight.sum()
        mean = features @ weight
        covariance = (features * weight) @ features.T - np.outer(mean, mean)
        theta = theta + np.linalg.solve(covariance, target - mean)
    return (*theta.tolist(), exact_log_z(*theta))


def ring_samples(count, rng):
    """Points whose distance from 0 is N(2, 0.3²)."""
    radius, angle = rng.normal(2, 0.3, count), rng.uniform(0, 2 * np.pi, count)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def ring(config, edge=3.5):
    """A network for G in two dimensions: the integral of its density, which is 1 where the loss normalises,
    and KL(p ‖ model)."""
    rng = np.random.default_rng(config.seed)
    net = keras.Sequential([
        keras.Input((None, 2)),                               # the candidates of a row, each a point
        keras.layers.Dense(64, activation="silu"),
        keras.layers.Dense(64, activation="silu"),
        keras.layers.Dense(1),                                # its bias is −γ
    ])
    x = keras.Input((2, 2))
    model = keras.Model(x, net(x)[..., 0])
    data = ring_samples(2000 if config.smoke else 20_000, rng)
    fit_logits(model, data, lambda size: rng.uniform(-edge, edge, (size, 2)), config, rate=5e-3)
    axis = np.linspace(-edge, edge, 141)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    found = np.exp(net.predict_on_batch(grid[None])[0, :, 0]) / (2 * edge) ** 2       # U e^(G − γ)
    distance = np.maximum(np.linalg.norm(grid, axis=1), 1e-9)
    truth = np.exp(-(distance - 2) ** 2 / 0.18) / (0.3 * (2 * np.pi) ** 1.5 * distance)
    cell = (axis[1] - axis[0]) ** 2
    integral = found.sum() * cell
    return integral, (truth * np.log((truth + 1e-30) / (found / integral + 1e-30))).sum() * cell


# ------------------------------------------------------------------------------------------------------ words

def read_words(config, most=5000):
    """(the numbers of a text's most frequent words, the words, where they are from)."""
    from common.harness.datasets import find
    from common.harness.paths import named_path
    from common.harness.reading import InputError, read_text, sha256_of

    path = named_path(config.data) if config.data else find("cws/pd199801.utf8")
    if config.smoke and not config.data or path is None:
        if not config.smoke:
            print("NOTE: a made-up chain of words stands in for the text, which was not found: name one with "
                  "--data.", flush=True)
        return chain()
    words = read_text(path).split()
    if len(words) < 1000:
        raise InputError(f"{path} should hold a text of at least 1,000 words separated by blanks. "
                         f"Received: {len(words)}")
    names, inverse, counts = np.unique(words, return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:most]
    number = np.full(len(names), -1)
    number[order] = np.arange(len(order))
    tokens = number[inverse]
    data = {"name": path.name, "source": path.name, "sha256": sha256_of(path), "builtin": False}
    return tokens[tokens >= 0], names[order], data


def chain(words=40, length=20_000):
    """A random chain of made-up words for --smoke."""
    rng = np.random.default_rng(0)
    steps = np.cumsum(rng.dirichlet(np.full(words, 0.3), words), axis=1)
    tokens = np.zeros(length, int)
    for i, draw in enumerate(rng.random(length - 1)):
        tokens[i + 1] = min(np.searchsorted(steps[tokens[i]], draw), words - 1)
    data = {"name": "a made-up chain", "source": "built in", "sha256": "", "builtin": True}
    return tokens, np.array([f"w{i}" for i in range(words)]), data


def pairs_of(tokens, window=2):
    """(word, context) for all distances up to the window, in both directions, (n, 2)."""
    found = [np.stack([tokens[:-d], tokens[d:]], axis=1) for d in range(1, window + 1)]
    found = np.concatenate(found)
    return np.concatenate([found, found[:, ::-1]])


def pmi_of(pairs, words, least=20):
    """The pairs that occur so often, and their pointwise mutual information."""
    keys, counts = np.unique(pairs[:, 0] * words + pairs[:, 1], return_counts=True)
    single = np.bincount(pairs[:, 0], minlength=words) / len(pairs)
    often = counts >= least
    w, c = keys[often] // words, keys[often] % words
    return w, c, np.log(counts[often] / len(pairs) / (single[w] * single[c]))


def train_words(pairs, words, config, k, dim):
    """Our skip-gram: u and v as arrays."""
    keras.utils.set_random_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    rows = keras.Input((2 + k,), dtype="int32")
    layer = SkipGram(words, dim)
    model = keras.Model(rows, layer(rows))
    size = min(4096, len(pairs))
    epochs = min(config.word_epochs, 1) if config.smoke else config.word_epochs
    rate = keras.optimizers.schedules.CosineDecay(0.01, epochs * (len(pairs) // size))
    model.compile(keras.optimizers.Adam(rate), nce_loss)
    labels = np.zeros((len(pairs), 1 + k), "float32")
    labels[:, 0] = 1
    for _ in range(epochs):
        noise = pairs[rng.integers(len(pairs), size=(len(pairs), k)), 1]        # frequencies of the contexts
        model.fit(np.concatenate([pairs, noise], axis=1), labels, batch_size=size, verbose=0)
    return ops.convert_to_numpy(layer.u), ops.convert_to_numpy(layer.v)


def train_gensim(tokens, config, k, dim, window=2):
    """gensim's skip-gram on the same pairs: full windows, no sub-sampling, frequencies as they are."""
    from gensim.models import Word2Vec

    lines = [list(map(str, part)) for part in np.array_split(tokens, -(-len(tokens) // 5000))]
    model = Word2Vec(lines, vector_size=dim, window=window, sg=1, negative=k, ns_exponent=1.0, sample=0,
                     min_count=1, shrink_windows=False, epochs=config.word_epochs, seed=config.seed,
                     workers=1)
    order = [model.wv.key_to_index[str(number)] for number in range(tokens.max() + 1)]
    return model.wv.vectors[order], model.syn1neg[order]


# ------------------------------------------------------------------------------------------------------- demo

def demo(config):
    """log Z, a ring and words; with --table all sizes, noises and k."""
    from common.harness import further

    tokens, names, data = read_words(config)
    run = further.start(config, "noise_contrastive", ("keras", "numpy", "tensorflow", "gensim"))
    count = min(config.samples, 2000) if config.smoke else config.samples
    a, b, log_z = estimate(config, config.seed, count)
    integral, divergence = ring(config)
    metrics = {"a": a, "b": b, "log_z": log_z, "exact_log_z": exact_log_z(),
               "integral_of_the_ring": integral, "kl_of_the_ring": divergence}

    k, dim = 5, 16 if config.smoke else 64
    pairs = pairs_of(tokens)
    w, c, pmi = pmi_of(pairs, len(names))
    u, v = train_words(pairs, len(names), config, k, dim)
    scores = (u[w] * v[c]).sum(axis=1)
    theirs = train_gensim(tokens, config, k, dim)
    peer = (theirs[0][w] * theirs[1][c]).sum(axis=1)
    metrics |= {
        "pairs": len(w), "correlation_with_pmi": np.corrcoef(scores, pmi)[0, 1],
        "mean_of_uv_minus_pmi": np.mean(scores - pmi), "minus_log_k": -np.log(k),
        "correlation_with_pmi_gensim": np.corrcoef(peer, pmi)[0, 1],
        "mean_of_uv_minus_pmi_gensim": np.mean(peer - pmi),
    }
    print_neighbours(u, names)
    if config.table:
        rows = sizes(config)
        run.table(["samples", "noise", "k", "a", "b", "log Z"], rows)
    draw(run, (a, b, log_z), (pmi - np.log(k), scores))
    run.finish(data, metrics)


def sizes(config):
    """Rows of the table: mean ± deviation over five data sets."""
    from common.harness.further import mean_and_deviation

    rows = []
    for count, edge, k in ((1000, 2, 1), (10_000, 2, 1), (100_000, 2, 1), (10_000, 5, 1), (10_000, 2, 10)):
        found = [estimate(config, config.seed + i, count, float(edge), k) for i in range(5)]
        rows.append([count, f"uniform, ±{edge}", k, *map(mean_and_deviation, zip(*found))])
    for count in (1000, 10_000, 100_000):
        data = [quartic_samples(count, np.random.default_rng(config.seed + i)) for i in range(5)]
        found = [maximum_likelihood(x) for x in data]
        rows.append([count, "none: maximum likelihood", "", *map(mean_and_deviation, zip(*found))])
    return rows


def print_neighbours(u, names, shown=(100, 200, 300, 400)):
    """The nearest words by cosine of some that are neither the rarest nor the most frequent."""
    unit = u / np.linalg.norm(u, axis=1, keepdims=True)
    for word in (number for number in shown if number < len(names)):
        nearest = np.argsort(-unit @ unit[word])[1:6]
        print(f"{names[word]}: {' '.join(names[nearest])}")


def draw(run, found, words):
    """Left: the article's density and ours. Right: ⟨u, v⟩ against PMI − log k."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    x, (a, b, log_z) = np.linspace(-2.2, 2.2, 200), found
    left.plot(x, np.exp(-x ** 2 - 0.5 * x ** 4 - exact_log_z()), label="p(x) of equation (2)")
    left.plot(x, np.exp(-a * x ** 2 - b * x ** 4 - log_z), "--", label="noise contrast, its own Z")
    left.legend(fontsize="small")
    right.hexbin(*words, gridsize=40, bins="log", cmap="Blues")
    ends = [words[0].min(), words[0].max()]
    right.plot(ends, ends, color="tab:red", linewidth=0.8)
    right.set(xlabel="PMI − log k", ylabel="⟨u, v⟩")
    run.draw(figure)


def main():
    """The demo, python more/noise_contrastive.py; only here is anything of this repository imported."""
    import pathlib
    import sys

    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
    from common.harness import cli, further

    further.main(
        demo, __doc__,
        epochs=(30, cli.Between(1, 1000),
                "Passes over the samples of a density, each over 100,000 where it has fewer."),
        samples=(100_000, cli.Between(100, 10_000_000), "Samples drawn from the article's density."),
        word_epochs=(3, cli.Between(1, 100), "Passes over the pairs of words, in ours and in gensim."))


if __name__ == "__main__":
    main()
