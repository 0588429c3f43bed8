"""What a trained poetry VAE is worth and looks like: the metrics of results.json, its verse, and the plane of its codes."""

import pathlib

import keras
import numpy as np
from keras import ops
from matplotlib.figure import Figure

from common import runs
from common.gated_conv import GatedConv1D  # noqa: F401  registers a layer that the models hold
from common.latent import GaussianSampling
from common.vocab import FIRST, Vocab
from poetry_vae.data import LINE

THEMES = {"spring": "春", "autumn": "秋", "moon": "月", "wine": "酒", "mountain": "山"}     # colours of the picture


class Poet:
    """A trained model and its vocabulary: couplets → codes, codes → couplets."""

    def __init__(self, model, vocab):
        self.model, self.vocab, self.decoder = model, vocab, model.get_layer("decoder")
        self.latent_dim = model.get_layer("mean").units
        self.encoder = keras.Model(model.inputs, [model.get_layer(name).output for name in ("mean", "log_var")])

    def encode(self, x):
        """Numbers of characters (n, 10) → μ and log σ² of their codes."""
        return self.encoder.predict(np.asarray(x), batch_size=500, verbose=0)

    def log_probs(self, codes):
        """Codes → log p of every character at every position, (n, 10, vocabulary); nothing unknown is ever written."""
        logits = self.decoder.predict(np.asarray(codes, "float32"), batch_size=500, verbose=0)
        logits[..., :FIRST] = -np.inf
        logits -= logits.max(axis=-1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))

    def verse(self, rows):
        """Rows of ten numbers → 春风…，…。"""
        texts = [self.vocab.decode(row) for row in rows]
        return [f"{text[:LINE]}，{text[LINE:]}。" for text in texts]

    def write(self, codes, temperature=0.0, rng=None):
        """Codes → couplets, with punctuation."""
        return self.verse(choose(self.log_probs(codes), temperature, rng))


def load(path):
    """A Poet from a run folder of poetry_vae/train.py or a .keras file with vocab.json beside it."""
    path = pathlib.Path(path)
    model = runs.load_model(path)
    if model.name != "poetry_vae":
        raise runs.InputError("expected a model trained by poetry_vae/train.py. "
                              f"Received: {path}, a model named {model.name}")
    folder = path if path.is_dir() else path.parent
    return Poet(model, Vocab.load(folder / "vocab.json", size=model.output.shape[-1]))


def choose(log_p, temperature=0.0, rng=None):
    """Numbers of characters, (n, 10): the likeliest for temperature 0, else drawn from p^(1/temperature)."""
    if temperature:
        log_p = log_p / temperature + (rng or np.random.default_rng(0)).gumbel(size=log_p.shape)    # the Gumbel-max trick
    return log_p.argmax(axis=-1)


# ------------------------------------------------------------------------------------------------------------ metrics

def bound(model, samples):
    """x → [−log p(x|z), KL, log (1/K) Σ_k p(x|z_k) p(z_k) / q(z_k|x)] for K samples z_k ~ q(z|x), as a model.

    In nats, one number a couplet. The first two make up the negative evidence lower bound; the third is the
    importance-weighted bound of Burda et al., https://arxiv.org/abs/1509.00519, which rises to log p(x) with K.
    """
    x, mean, log_var = model.inputs[0], model.get_layer("mean").output, model.get_layer("log_var").output
    kl = 0.5 * ops.sum(ops.square(mean) + ops.exp(log_var) - log_var - 1, axis=-1)

    def repeated(t):
        return ops.repeat(ops.expand_dims(t, 1), samples, axis=1)                                  # (batch, K, ...)

    many_mean, many_log_var = repeated(mean), repeated(log_var)
    z = GaussianSampling(kl_weight=0, seed=0)([many_mean, many_log_var])
    decoder = model.get_layer("decoder")
    length, size = decoder.output.shape[1:]
    logits = ops.reshape(decoder(ops.reshape(z, (-1, z.shape[-1]))), (-1, length, size))
    targets = ops.reshape(repeated(x), (-1, length))
    losses = ops.sparse_categorical_crossentropy(targets, ops.cast(logits, "float32"), from_logits=True)
    log_likelihood = ops.reshape(-ops.sum(losses, axis=-1), (-1, samples))
    log_prior = -0.5 * ops.sum(ops.square(z), axis=-1)
    log_posterior = -0.5 * ops.sum(ops.square(z - many_mean) * ops.exp(-many_log_var) + many_log_var, axis=-1)
    weighted = ops.logsumexp(log_likelihood + log_prior - log_posterior, axis=1) - np.log(samples)
    return keras.Model(x, [-log_likelihood[:, 0], kl, weighted])


def metrics(poet, train, test, iw_couplets=1000, iw_samples=100, count=1000):
    """All metrics of one model, for results.json. Of the samples: `count` codes from the prior, likeliest characters."""
    x = poet.vocab.pad(test)
    reconstruction, kl, _ = bound(poet.model, 1).predict(x, batch_size=250, verbose=0)
    mean, log_var = poet.encode(x)
    restored = np.concatenate([choose(poet.log_probs(mean[i:i + 500])) for i in range(0, len(mean), 500)])
    each = 0.5 * (mean ** 2 + np.exp(log_var) - log_var - 1).mean(axis=0)
    result = {
        "test_negative_elbo": (reconstruction + kl).mean(), "test_reconstruction": reconstruction.mean(),
        "test_kl": kl.mean(), "test_without_code": without_code(poet.vocab.pad(list(train[:10**6])), x, len(poet.vocab)),
        "test_reconstruction_accuracy": (restored == x)[x >= FIRST].mean(),
        "test_unknown_share": (x < FIRST).mean(), "dimensions_in_use": (each > 0.01).sum(),
    }
    if iw_couplets:
        bounds = bound(poet.model, iw_samples).predict(x[:iw_couplets], batch_size=2, verbose=0)[2]
        result["test_log_likelihood_iw100"] = bounds.mean()
    codes = np.random.default_rng(0).normal(size=(count, mean.shape[1]))
    samples = [poet.vocab.decode(row) for row in choose(poet.log_probs(codes))]
    return result | {"samples_novel": novel(samples, train), "samples_distinct2": distinct_2(samples),
                     "samples_without_repetition": without_repetition(samples),
                     "test_distinct2": distinct_2(test[:count]), "test_without_repetition": without_repetition(test)}


def without_code(train, test, size):
    """−log p of test couplets in nats where p is the frequency of each character at its position: about the best that a
    decoder can do whose codes mean nothing."""
    result = 0.0
    for before, after in zip(train.T, test.T):
        counts = np.bincount(before, minlength=size) + 0.1               # a little for characters that were never there
        result -= np.log(counts[after] / counts.sum()).mean()
    return result


def novel(samples, train):
    """Share of couplets that are not among the training couplets and not the same as another sample."""
    different = set(samples)
    return len(different - {couplet for couplet in train if couplet in different}) / len(samples)


def distinct_2(couplets):
    """Different pairs of neighbouring characters within lines, divided by all pairs."""
    pairs = [line[i:i + 2] for c in couplets for line in (c[:LINE], c[LINE:]) for i in range(LINE - 1)]
    return len(set(pairs)) / len(pairs)


def without_repetition(couplets):
    """Share of couplets in which no character stands in both lines."""
    return sum(not set(c[:LINE]) & set(c[LINE:]) for c in couplets) / len(couplets)


# ------------------------------------------------------------------------------------------------------------ picture

def save_latent_picture(poet, couplets, run, count=2000, examples=12):
    """latent.png: the means μ of test couplets on their first two principal components, coloured by a character they have,
    with numbers at some of them; latent.txt says which couplets these are (fonts for Chinese are not everywhere)."""
    couplets = couplets[:count]
    mean, _ = poet.encode(poet.vocab.pad(couplets))
    centred = mean - mean.mean(axis=0)
    _, scales, axes = np.linalg.svd(centred, full_matrices=False)
    plane = centred @ axes[:2].T
    share = (scales[:2] ** 2).sum() / (scales ** 2).sum()

    figure = Figure(figsize=(7, 6), layout="constrained")
    panel = figure.subplots()
    theme = np.array([next((name for name, c in THEMES.items() if c in text), "other") for text in couplets])
    for name in ["other", *THEMES]:
        panel.scatter(*plane[theme == name].T, s=4, label=name, c="lightgrey" if name == "other" else None)
    # Far from each other and from the middle: the outermost couplet in each of `examples` directions
    angles = np.linspace(0, 2 * np.pi, min(examples, len(couplets)), endpoint=False)
    rows = list(dict.fromkeys((plane @ [np.cos(angle), np.sin(angle)]).argmax() for angle in angles))
    for number, row in enumerate(rows, 1):
        panel.annotate(str(number), plane[row], xytext=(4, 4), textcoords="offset points", fontsize="small")
    panel.set_title(f"means of test couplets, two principal components ({share:.0%} of the variance)", fontsize="medium")
    panel.legend(fontsize="small", markerscale=3)
    runs.write_figure(run.path("latent.png"), lambda file: figure.savefig(file, format="png", dpi=110))
    lines = [f"{number} {text[:LINE]}，{text[LINE:]}。" for number, text in enumerate((couplets[row] for row in rows), 1)]
    runs.write_whole(run.path("latent.txt"), "\n".join([*lines, ""]).encode())
