"""What a segmenter is worth and what it learnt: the metrics of results.json, and transitions.png."""

import unicodedata

import numpy as np
from keras import ops
from matplotlib.colors import CenteredNorm
from matplotlib.figure import Figure

from common.harness.metrics import segmentation_scores
from common.harness.writing import write_figure
from crf.data import LABELS


def scores(segment, sentences, known_words):
    """The bakeoff's scores and the article's own type recall, as metrics for results.json.

    Full width counts as half width: corpora differ in it, and a comma is no new word.

    Args:
        segment: function of a text → its words.
        sentences: lists of words.
        known_words: the words of the training text.
    """
    expected = [to_half_width(words) for words in sentences]
    predicted = [to_half_width(words) for words in segment_lines(segment, sentences)]
    metrics = segmentation_scores(expected, predicted, set(to_half_width(known_words)))
    metrics["article_type_recall"] = type_recall(expected, predicted)
    return metrics


def segment_lines(segment, sentences):
    """What segment makes of the sentences, all in one text, one a line."""
    lines, words = [], []
    for word in segment("\n".join(map("".join, sentences)) + "\n"):
        if word == "\n":
            lines.append(words)
            words = []
        else:
            words.append(word)
    return lines


def illegal_pairs(segmenter, sentences):
    """Of a thousand pairs of neighbouring tags in the answers, how many no segmentation has, such as B B."""
    illegal, pairs = segmenter.illegal_pairs("\n".join(map("".join, sentences)))
    return 1000 * illegal / max(1, pairs)


def to_half_width(words):
    """NFKC of each character by itself, so that it is the same in whatever words."""
    return ["".join(map(_to_half_width, word)) for word in words]


def _to_half_width(character):
    return unicodedata.normalize("NFKC", character)


def type_recall(expected, predicted):
    """Of the different words of a sentence, the share that the prediction has too; mean over sentences."""
    shares = []
    for words, found in zip(expected, predicted, strict=True):
        shares.append(len(set(words) & set(found)) / len(set(words)))
    return sum(shares) / len(shares)


def draw_transitions(layer, path):
    """The learnt g(y_t, y_{t+1}) as a picture; what constraints forbid stays empty."""
    g = np.where(layer.penalties["transitions"] < 0, np.nan, ops.convert_to_numpy(layer.transitions))
    figure = Figure(figsize=(4.2, 3.6), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(g, cmap="RdBu", norm=CenteredNorm())
    dark = 0.6 * np.nanmax(np.abs(g))
    for (row, column), value in np.ndenumerate(g):
        label = "–" if np.isnan(value) else f"{value:.1f}"
        color = "white" if abs(value) > dark else "black"
        axes.text(column, row, label, ha="center", va="center", color=color)
    axes.set(xticks=range(4), xticklabels=LABELS, yticks=range(4), yticklabels=LABELS,
             xlabel="next tag", ylabel="tag", title="learnt transitions, nats")
    figure.colorbar(image)
    write_figure(path, lambda file: figure.savefig(file, format="png", dpi=110))
