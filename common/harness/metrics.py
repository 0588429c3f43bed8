"""Scores as their fields define them: spans, word segmentation as the SIGHAN bakeoffs count it, and the
probabilities of classes.

No Keras in here.
"""

import numpy as np


def precision_recall_f1(right, predicted, expected):
    """The three scores from three counts; a score without anything to count is 0."""
    precision = right / predicted if predicted else 0.0
    recall = right / expected if expected else 0.0
    f1 = 2 * right / (predicted + expected) if right else 0.0
    return {"precision": precision, "recall": recall, "f1": f1}


def span_scores(expected, predicted):
    """Precision, recall and F1 of spans over a whole corpus (micro average), as CoNLL's chunking and entity
    tasks count.

    Args:
        expected, predicted: for each sentence the spans, hashable, for instance (type, start, end). One is
            right where both hold the same span.
    """
    right = sum(len(set(a) & set(b)) for a, b in zip(expected, predicted, strict=True))
    return precision_recall_f1(right, sum(len(set(b)) for b in predicted), sum(len(set(a)) for a in expected))


def tag_spans(labels):
    """The (type, start, end) of the chunks in one sentence's labels of the B I O or the B M E S scheme; end
    is exclusive.

    A chunk also ends where the next label belongs to another type or begins a chunk, and I, M or E without
    anything to continue begin one: as CoNLL's script reads a sequence that breaks the scheme.
    """
    spans, open_type, start = [], None, 0
    for i, label in enumerate([*labels, "O"]):
        kind, _, name = label.partition("-")
        if open_type is not None and (kind in "BSO" or name != open_type or labels[i - 1][0] in "ES"):
            spans.append((open_type, start, i))
            open_type = None
        if kind != "O" and open_type is None:
            open_type, start = name, i
    return spans


def word_spans(words):
    """The (start, end) of each word of a sentence, in characters."""
    spans, start = [], 0
    for word in words:
        spans.append((start, start + len(word)))
        start += len(word)
    return spans


def segmentation_scores(expected, predicted, known_words=()):
    """Word segmentation as the SIGHAN bakeoffs score it (Sproat and Emerson 2003; Emerson 2005).

    A word is right where both segmentations have it at the same place. Out-of-vocabulary (OOV) words are
    expected words that the training text does not have, in-vocabulary (IV) words the others; their recall is
    the share of them that is right.

    Args:
        expected, predicted: lists of sentences, each a list of words; the characters of both are the same.
        known_words: the words of the training text.

    Returns:
        precision, recall, f1, oov_rate, oov_recall, iv_recall.

    Raises:
        ValueError: sentences whose characters differ, with the first one's number.
    """
    known, right = set(known_words), 0
    count_expected, count_predicted, count_new, right_new = 0, 0, 0, 0
    for number, (a, b) in enumerate(zip(expected, predicted, strict=True)):
        if "".join(a) != "".join(b):
            raise ValueError("expected and predicted hold the same characters in every sentence. "
                             f"Received: sentence {number} with {''.join(a)[:40]!r} and {''.join(b)[:40]!r}")
        found = set(word_spans(b))
        count_expected += len(a)
        count_predicted += len(b)
        for word, span in zip(a, word_spans(a)):
            right += span in found
            if word not in known:
                count_new += 1
                right_new += span in found
    scores = precision_recall_f1(right, count_predicted, count_expected)
    return {
        **scores,
        "oov_rate": count_new / max(1, count_expected),
        "oov_recall": right_new / max(1, count_new),
        "iv_recall": (right - right_new) / max(1, count_expected - count_new),
    }


def class_scores(probabilities, labels, bins=15):
    """Accuracy, cross-entropy in nats, and calibration error of a classifier.

    The expected calibration error (Guo et al. 2017) is |accuracy − mean confidence| within bins of the
    confidence, which is the largest probability, as a mean weighted by how many samples a bin has.

    Args:
        probabilities: (n, classes).
        labels: right classes, (n,).
        bins: how many of equal width there are from 0 to 1.
    """
    p = np.asarray(probabilities, "float64")
    confidence, right = p.max(axis=1), p.argmax(axis=1) == labels
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(place, right - confidence, bins)          # of each bin, times its samples
    chosen = p[np.arange(len(p)), labels]
    return {
        "accuracy": right.mean(),
        "cross_entropy": -np.log(np.maximum(chosen, 1e-12)).mean(),
        "calibration_error": np.abs(gaps).sum() / len(p),
    }
