"""common/harness/metrics.py: counted by hand, by another way of counting, and the bakeoff's own scores."""

import os
import pathlib
import random

import numpy as np
import pytest

from common.harness.metrics import (
    class_scores,
    precision_recall_f1,
    segmentation_scores,
    span_scores,
    tag_spans,
    word_spans,
)


def test_by_hand():
    """Of 他/来到/网易/杭研/大厦, 他 来到 大厦 are right; 杭研 is not in the training text, nor is 网易."""
    scores = segmentation_scores(
        [["他", "来到", "网易", "杭研", "大厦"]],
        [["他", "来到", "网", "易杭", "研", "大厦"]],
        {"他", "来到", "大厦", "研"},
    )
    assert scores == pytest.approx(
        {
            "precision": 3 / 6,
            "recall": 3 / 5,
            "f1": 6 / 11,
            "oov_rate": 2 / 5,
            "oov_recall": 0,
            "iv_recall": 1,
        }
    )


def test_nothing_to_count():
    assert precision_recall_f1(0, 0, 0) == {"precision": 0, "recall": 0, "f1": 0}
    assert segmentation_scores([], [])["f1"] == 0


def test_against_boundaries_that_are_counted_one_by_one():
    rng, words = (
        random.Random(0),
        lambda text, rng: split(text, [i for i in range(1, len(text)) if rng.random() < 0.6]),
    )
    texts = ["".join(rng.choices("甲乙丙丁", k=rng.randint(1, 12))) for _ in range(50)]
    expected, predicted = [words(t, rng) for t in texts], [words(t, rng) for t in texts]
    known = {word for sentence in expected[:25] for word in sentence}
    right = old = new = old_right = 0
    for text, a, b in zip(texts, expected, predicted):
        marks_a, marks_b = marks(a), marks(b)
        for start in range(len(text)):
            for end in range(start + 1, len(text) + 1):
                if is_word(marks_a, start, end):
                    hit = is_word(marks_b, start, end)
                    right += hit
                    is_old = text[start:end] in known
                    old, old_right, new = old + is_old, old_right + (is_old and hit), new + (not is_old)
    scores = segmentation_scores(expected, predicted, known)
    assert scores["recall"] == right / (old + new) and scores["precision"] == right / sum(map(len, predicted))
    assert scores["oov_rate"] == new / (old + new) and scores["iv_recall"] == old_right / old
    assert scores["oov_recall"] == (right - old_right) / new


def split(text, places):
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)])]


def marks(words):
    return [mark for word in words for mark in [1] + [0] * (len(word) - 1)] + [1]


def is_word(begins, start, end):
    return begins[start] and begins[end] and not any(begins[start + 1:end])


def test_sentences_of_other_characters_are_an_error():
    with pytest.raises(ValueError, match="sentence 1"):
        segmentation_scores([["a"], ["bc"]], [["a"], ["bd"]])


def test_scores_of_classes_are_those_of_a_loop_over_bins():
    rng = np.random.default_rng(0)
    p = rng.dirichlet([1, 1, 1], 500)
    labels = rng.integers(3, size=500)
    found = class_scores(p, labels, bins=10)
    expected = 0.0
    for low in np.arange(10) / 10:
        inside = (p.max(axis=1) >= low) & (p.max(axis=1) < low + 0.1)
        if inside.any():
            accuracy = (p.argmax(axis=1) == labels)[inside].mean()
            expected += inside.mean() * abs(accuracy - p.max(axis=1)[inside].mean())
    assert found["calibration_error"] == pytest.approx(expected)
    assert found["accuracy"] == (p.argmax(axis=1) == labels).mean()
    assert found["cross_entropy"] == pytest.approx(np.mean([-np.log(row[k]) for row, k in zip(p, labels)]))


def test_certain_and_right_is_calibrated():
    assert class_scores([[1.0, 0.0], [0.0, 1.0]], [0, 1])["calibration_error"] == 0
    assert class_scores([[1.0, 0.0], [0.0, 1.0]], [1, 0])["calibration_error"] == 1


@pytest.mark.skipif(
    not (pathlib.Path(os.environ.get("KEXUE_DATA", "")) / "cws" / "msr_test_gold.utf8").is_file(),
    reason="needs the bakeoff's files: KEXUE_DATA",
)
def test_the_published_topline_of_the_second_bakeoff():
    """Maximum matching with the test set's own words on MSR: R .991, P .993, F .992, OOV .026, OOV R .998, IV
    R .990.

    Emerson, The Second International Chinese Word Segmentation Bakeoff (2005), toplines, by the official
    script."""
    folder = pathlib.Path(os.environ["KEXUE_DATA"]) / "cws"

    def read(name):
        return [
            line.split() for line in (folder / name).read_text(encoding="utf-8").splitlines() if line.strip()
        ]

    gold, known = (
        read("msr_test_gold.utf8"),
        {word for words in read("msr_training_words.utf8") for word in words},
    )
    dictionary = {word for words in gold for word in words}
    longest, predicted = max(map(len, dictionary)), []
    for text in map("".join, gold):
        words = []
        while text:
            size = next((n for n in range(min(longest, len(text)), 1, -1) if text[:n] in dictionary), 1)
            words.append(text[:size])
            text = text[size:]
        predicted.append(words)
    published = {
        "recall": 0.991,
        "precision": 0.993,
        "f1": 0.992,
        "oov_rate": 0.026,
        "oov_recall": 0.998,
        "iv_recall": 0.99,
    }
    assert segmentation_scores(gold, predicted, known) == pytest.approx(published, abs=0.001)


@pytest.mark.parametrize("labels, spans", [
    ("B-PER I-PER O B-LOC", [("PER", 0, 2), ("LOC", 3, 4)]),
    ("B-PER B-PER I-LOC I-LOC", [("PER", 0, 1), ("PER", 1, 2), ("LOC", 2, 4)]),
    ("I-PER O O", [("PER", 0, 1)]),
    ("B M E S S B E", [("", 0, 3), ("", 3, 4), ("", 4, 5), ("", 5, 7)]),
    ("B-X E-X M-X S-X", [("X", 0, 2), ("X", 2, 3), ("X", 3, 4)]),
    ("O", []), ("", []),
])
def test_spans_of_tags(labels, spans):
    assert tag_spans(labels.split()) == spans


def test_span_scores_are_a_micro_average():
    expected = [[("PER", 0, 2), ("LOC", 3, 4)], [("PER", 0, 1)]]
    predicted = [[("PER", 0, 2), ("PER", 3, 4), ("LOC", 5, 6)], []]
    assert span_scores(expected, predicted) == pytest.approx(
        {"precision": 1 / 3, "recall": 1 / 3, "f1": 1 / 3}
    )
    assert word_spans(["ab", "c"]) == [(0, 2), (2, 3)]
