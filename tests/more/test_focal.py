"""more/focal.py against scikit-learn and a search over all thresholds."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from more import focal


def samples(seed, ties):
    rng = np.random.default_rng(seed)
    labels = (rng.random(200) < 0.2).astype(int)
    scores = rng.normal(labels, 1.0)
    return labels, np.round(scores, 1) if ties else scores


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_average_precision_is_scikit_learns(seed, ties):
    labels, scores = samples(seed, ties)
    assert focal.average_precision(labels, scores) == pytest.approx(average_precision_score(labels, scores))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_the_best_threshold_is_that_of_a_search(seed, ties):
    labels, scores = samples(seed, ties)
    all_f1 = {threshold: f1_score(labels, scores >= threshold) for threshold in scores}
    best = focal.best_threshold(labels, scores)
    assert focal.f1_at(labels, scores, best) == pytest.approx(max(all_f1.values()))
    assert best == max(threshold for threshold, f1 in all_f1.items() if f1 > max(all_f1.values()) - 1e-12)


def test_f1_of_no_positive_answer_is_none():
    assert focal.f1_at(np.array([0, 1]), np.array([0.1, 0.2]), 0.5) == 0


def test_parts_share_no_sample_and_have_their_sizes():
    x, y = np.arange(100), (np.arange(100) % 4 == 0).astype(int)
    parts = focal.parts_of(x, y, [(10, 3), (20, 5), (40, 17)], np.random.default_rng(0))
    assert [(int((y == 0).sum()), int(y.sum())) for _, y in parts] == [(10, 3), (20, 5), (40, 17)]
    rows = np.concatenate([x for x, _ in parts])
    assert len(set(rows)) == len(rows)
    assert all((y == (x % 4 == 0)).all() for x, y in parts)


def test_complaints_are_told_by_what_the_training_part_has():
    texts = [f"好{i}" if i % 3 else f"差{i}" for i in range(60)]
    labels = np.array([1 if i % 3 else 0 for i in range(60)])
    parts = focal.complaints(texts, labels, 0)
    assert [len(y) for _, y in parts] == [36, 9, 15]
    for x, y in parts:
        assert set(np.unique(x)) <= {0, 1}
        assert any((column == y).all() for column in x.T)           # that of 差
