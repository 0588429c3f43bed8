"""What a trained poetry VAE is worth and looks like: the metrics of results.json, and the plane of its
codes."""

import pathlib

import numpy as np
from matplotlib.figure import Figure

from common.harness import plots, prosody
from common.harness.models import PredictionBar
from common.harness.vocab import FIRST
from common.harness.writing import write_figure, write_lines
from poetry_vae.bound import bound
from poetry_vae.data import LINE
from poetry_vae.poet import choose

# colours of the picture: characters that say what a couplet is about
THEMES = {"spring": "春花莺燕桃", "war": "军兵战胡戎将塞", "temple": "僧禅寺法佛", "wine": "酒杯醉酌樽",
          "court": "宫殿帝皇圣"}
SHOWN, LEARNT = 20_000, 200_000      # test couplets for the picture, training ones that choose its plane
IW_SAMPLES = 100             # of the importance-weighted bound
SAMPLES = 1000               # couplets from the prior


# --------------------------------------------------------------------------------------------------- metrics

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
        weigh = bound(poet.model, IW_SAMPLES)
        _, _, bounds = weigh.predict(x[:iw_couplets], batch_size=2, verbose=0, callbacks=[PredictionBar()])
        result["test_iw100_bound"] = bounds.mean()
    return result


def sample_metrics(poet, train, test):
    """How new, how varied and how regular couplets from the prior are, beside the test couplets."""
    log_p = poet.log_probs(poet.sample_codes(SAMPLES, np.random.default_rng(0)))
    rows = choose(log_p)
    samples = [poet.vocab.decode(row) for row in rows]
    differing = choose(log_p, repeats="within")
    return (variety(samples, train, test) | regularity(samples, train, test)
            | {"samples_within_without_repetition": without_repetition(map(poet.vocab.decode, differing)),
               "samples_within_distinct2": distinct_2([poet.vocab.decode(row) for row in differing]),
               "samples_within_cost": (log_p_of(rows, log_p) - log_p_of(differing, log_p)).mean()})


def log_p_of(rows, log_p):
    """ln p(x|z) of rows by the decoder's log_p, nats, (n,)."""
    return np.take_along_axis(log_p, rows[..., None], axis=-1)[..., 0].sum(axis=-1)


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
    return prosody.share([set(couplet[:LINE]).isdisjoint(couplet[LINE:]) for couplet in couplets])


# -------------------------------------------------------------------------------------------------- pictures

def pictures(poet, train, test, run):
    """Draws the curves and the plane of the codes into the run folder."""
    plots.save_curves(run.state["log"], run.path("loss.png"))
    save_latent_picture(poet, list(train[:LEARNT]), list(test[:SHOWN]), run.folder)


def save_latent_picture(poet, train, test, folder, examples=2):
    """latent.png: the means μ of test couplets of one of the THEMES, on the plane that tells the themes of
    training couplets apart best, with numbers at some of them; latent.txt says which couplets these are
    (fonts for Chinese are not everywhere)."""
    codes, themes, _ = themed(poet, train)
    centre, axes = discriminant_plane(codes, themes)
    codes, themes, couplets = themed(poet, test)
    plane = (codes - centre) @ axes

    figure = Figure(figsize=(7, 6), layout="constrained")
    panel, lines = figure.subplots(), []
    for theme in THEMES:
        points = plane[themes == theme]
        panel.scatter(*points.T, s=4, alpha=0.7, label=f"{theme} ({len(points)})")
        for row in outermost(plane, themes == theme, examples):
            lines.append(f"{len(lines) + 1} {theme} {couplets[row][:LINE]}，{couplets[row][LINE:]}。")
            panel.annotate(str(len(lines)), plane[row], xytext=(3, 3), textcoords="offset points")
    panel.set_title("means of test couplets; the plane that tells their themes apart best", fontsize="medium")
    panel.legend(fontsize="small", markerscale=3)
    folder = pathlib.Path(folder)
    write_figure(folder / "latent.png", lambda file: figure.savefig(file, format="png", dpi=100))
    write_lines(folder / "latent.txt", lines)


def themed(poet, couplets):
    """(μ, themes, couplets) of those couplets that belong to one theme alone."""
    themes = [theme_of(text) for text in couplets]
    chosen = [text for text, theme in zip(couplets, themes) if theme]
    if not chosen:
        return np.zeros((0, poet.latent_dim)), np.array([], str), []
    mean, _ = poet.encode(poet.vocab.pad(chosen))
    return mean, np.array([theme for theme in themes if theme]), chosen


def theme_of(text):
    """The one of THEMES of which a character stands in the text; "" for none, or several."""
    found = [theme for theme, characters in THEMES.items() if not set(characters).isdisjoint(text)]
    return found[0] if len(found) == 1 else ""


def discriminant_plane(codes, themes):
    """(centre (dim,), axes (dim, 2)): Fisher's linear discriminants, the directions in which the means of the
    themes differ most by the measure of the deviations within the themes.

    With S the mean covariance within themes and S⁻¹ = L Lᵀ, these are L times the principal axes of the
    themes' means times L. A unit matrix of weight 0.01 keeps S invertible where couplets are few."""
    dim = codes.shape[1]
    names = [theme for theme in np.unique(themes) if (themes == theme).sum() > 1]
    if not names:
        return np.zeros(dim), np.eye(dim, 2)
    groups = [codes[themes == name] for name in names]
    within = 0.01 * np.eye(dim) + np.mean([np.cov(group, rowvar=False) for group in groups], axis=0)
    root = np.linalg.cholesky(np.linalg.inv(within))
    means = np.array([group.mean(axis=0) for group in groups])
    _, _, axes = np.linalg.svd((means - means.mean(axis=0)) @ root)
    return means.mean(axis=0), root @ axes[:2].T


def outermost(plane, chosen, count):
    """Rows of the chosen points that lie furthest out in the direction of their mean."""
    if not chosen.any():
        return []
    along = np.where(chosen, plane @ plane[chosen].mean(axis=0), -np.inf)
    return np.argsort(-along, kind="stable")[:min(count, chosen.sum())]
