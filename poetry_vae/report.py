"""What a trained poetry VAE is worth and looks like: the metrics of results.json, and the plane of its
codes."""

import keras
import numpy as np
from keras import ops
from matplotlib.figure import Figure

from common.harness import plots, prosody
from common.harness.vocab import FIRST
from common.harness.writing import write_figure, write_lines
from common.latent import GaussianSampling
from poetry_vae.data import LINE
from poetry_vae.poet import choose

# colours of the picture
THEMES = {"spring": "春", "autumn": "秋", "moon": "月", "wine": "酒", "mountain": "山"}
IW_SAMPLES = 100             # of the importance-weighted bound
SAMPLES = 1000               # couplets from the prior


# --------------------------------------------------------------------------------------------------- metrics

def bound(model, samples):
    """x → [−log p(x|z), KL, log (1/K) Σ_k p(x|z_k) p(z_k) / q(z_k|x)] for K samples z_k ~ q(z|x), as a model.

    In nats, one number a couplet. The first two make up the negative evidence lower bound; the third is the
    importance-weighted bound of Burda et al., https://arxiv.org/abs/1509.00519, which rises to log p(x) with
    K.
    """
    x, mean, log_var = model.inputs[0], model.get_layer("mean").output, model.get_layer("log_var").output
    kl = 0.5 * ops.sum(ops.square(mean) + ops.exp(log_var) - log_var - 1, axis=-1)

    def repeated(t):
        return ops.repeat(ops.expand_dims(t, 1), samples, axis=1)                           # (batch, K, ...)

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


def metrics(poet, train, test, iw_couplets=1000):
    """All metrics of one model, for results.json. Of the samples: SAMPLES codes from the prior, likeliest
    characters."""
    x = poet.vocab.pad(test)
    return code_metrics(poet, train, x, iw_couplets) | sample_metrics(poet, train, test)


def code_metrics(poet, train, x, iw_couplets):
    """What the codes of test couplets x are worth, in nats a couplet but for shares and counts."""
    reconstruction, kl, _ = bound(poet.model, 1).predict(x, batch_size=250, verbose=0)
    mean, log_var = poet.encode(x)
    restored = [choose(poet.log_probs(mean[start:start + 500])) for start in range(0, len(mean), 500)]
    kl_of_dimensions = 0.5 * (mean ** 2 + np.exp(log_var) - log_var - 1).mean(axis=0)
    result = {
        "test_negative_elbo": (reconstruction + kl).mean(),
        "test_reconstruction": reconstruction.mean(),
        "test_kl": kl.mean(),
        "test_without_code": without_code(poet.vocab.pad(list(train[:10**6])), x, len(poet.vocab)),
        "test_reconstruction_accuracy": (np.concatenate(restored) == x)[x >= FIRST].mean(),
        "test_unknown_share": (x < FIRST).mean(),
        "dimensions_in_use": (kl_of_dimensions > 0.01).sum(),
    }
    if iw_couplets:
        _, _, bounds = bound(poet.model, IW_SAMPLES).predict(x[:iw_couplets], batch_size=2, verbose=0)
        result["test_iw100_bound"] = bounds.mean()
    return result


def sample_metrics(poet, train, test):
    """How new, how varied and how regular couplets from the prior are, beside the test couplets."""
    codes = poet.sample_codes(SAMPLES, np.random.default_rng(0))
    samples = [poet.vocab.decode(row) for row in choose(poet.log_probs(codes))]
    return variety(samples, train, test) | regularity(samples, train, test)


def variety(samples, train, test):
    return {
        "samples_novel": novel(samples, train),
        "samples_distinct2": distinct_2(samples),
        "samples_without_repetition": without_repetition(samples),
        "test_distinct2": distinct_2(test[:SAMPLES]),
        "test_without_repetition": without_repetition(test),
    }


def regularity(samples, train, test):
    """平仄 and 对仗 of samples, of test couplets, and of test lines that chance put together; see
    common/harness/prosody.py. What faces what is counted in the training couplets."""
    facing, written = prosody.Facing(halves(train[:10**6])), halves(test)
    compared = {"samples": halves(samples), "test": written, "strangers": prosody.strangers(written)}
    result = {}
    for name, pairs in compared.items():
        for measure, value in {**prosody.tonal_measures(pairs), **facing.measures(pairs)}.items():
            result[f"{name}_{measure}"] = value
    return result


def halves(couplets):
    """Couplets as (first line, second line)."""
    return [(couplet[:LINE], couplet[LINE:]) for couplet in couplets]


def without_code(train, test, size):
    """−log p of test couplets in nats where p is the frequency of each character at its position: about the
    best that a decoder can do whose codes mean nothing."""
    result = 0.0
    for before, after in zip(train.T, test.T):
        counts = np.bincount(before, minlength=size) + 0.1     # a little for characters that were never there
        result -= np.log(counts[after] / counts.sum()).mean()
    return result


def novel(samples, train):
    """Share of couplets that are not among the training couplets and not the same as another sample."""
    different = set(samples)
    known = {couplet for couplet in train if couplet in different}
    return len(different - known) / len(samples)


def distinct_2(couplets):
    """Different pairs of neighbouring characters within lines, divided by all pairs."""
    lines = [line for couplet in couplets for line in (couplet[:LINE], couplet[LINE:])]
    pairs = [line[i:i + 2] for line in lines for i in range(LINE - 1)]
    return len(set(pairs)) / len(pairs)


def without_repetition(couplets):
    """Share of couplets in which no character stands in both lines."""
    return sum(set(couplet[:LINE]).isdisjoint(couplet[LINE:]) for couplet in couplets) / len(couplets)


# -------------------------------------------------------------------------------------------------- pictures

def pictures(poet, couplets, run):
    """Draws the curves and the plane of the codes into the run folder."""
    plots.save_curves(run.state["log"], run.path("loss.png"))
    save_latent_picture(poet, couplets[:2000], run)


def save_latent_picture(poet, couplets, run, examples=12):
    """latent.png: the means μ of test couplets on their first two principal components, coloured by a
    character that they have, with numbers at some of them; latent.txt says which couplets these are (fonts
    for Chinese are not everywhere)."""
    mean, _ = poet.encode(poet.vocab.pad(couplets))
    centred = mean - mean.mean(axis=0)
    _, scales, axes = np.linalg.svd(centred, full_matrices=False)
    plane = centred @ axes[:2].T
    share = (scales[:2] ** 2).sum() / (scales ** 2).sum()
    rows = outermost(plane, examples)

    figure = Figure(figsize=(7, 6), layout="constrained")
    panel = figure.subplots()
    themes = np.array([theme_of(text) for text in couplets])
    panel.scatter(*plane[themes == "other"].T, s=4, label="other", c="lightgrey")
    for theme in THEMES:
        panel.scatter(*plane[themes == theme].T, s=4, label=theme)
    for number, row in enumerate(rows, 1):
        panel.annotate(str(number), plane[row], xytext=(4, 4), textcoords="offset points", fontsize="small")
    panel.set_title(f"means of test couplets, two principal components ({share:.0%} of the variance)",
                    fontsize="medium")
    panel.legend(fontsize="small", markerscale=3)
    write_figure(run.path("latent.png"), lambda file: figure.savefig(file, format="png", dpi=110))
    shown = [f"{couplets[row][:LINE]}，{couplets[row][LINE:]}。" for row in rows]
    write_lines(run.path("latent.txt"), [f"{number} {text}" for number, text in enumerate(shown, 1)])


def theme_of(text):
    """The first of THEMES whose character stands in the text."""
    for theme, character in THEMES.items():
        if character in text:
            return theme
    return "other"


def outermost(plane, examples):
    """Points that are far from each other and from the middle: the outermost one in each of some
    directions."""
    angles = np.linspace(0, 2 * np.pi, min(examples, len(plane)), endpoint=False)
    furthest = [(plane @ [np.cos(angle), np.sin(angle)]).argmax() for angle in angles]
    return list(dict.fromkeys(furthest))
