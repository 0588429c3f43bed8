"""more/word_discovery.py against recounts, loops over dictionaries and enumerations."""

import collections
import itertools

import numpy as np
import pytest

from more import word_discovery as wd


def cost(units):
    """H/l times the number of characters, in nats: what a text of these units costs."""
    counts = np.array(list(collections.Counter(units).values()))
    return -(counts * np.log(counts / counts.sum())).sum()


@pytest.mark.parametrize("seed", range(5))
def test_gain_is_the_difference_of_a_recount(seed):
    units = list(np.random.default_rng(seed).choice(list("abcd"), 300, p=[0.4, 0.3, 0.2, 0.1]))
    merged = "".join(units).replace("ab", "X")
    p = collections.Counter(units)
    n = merged.count("X")
    gain = wd.gain(p["a"] / 300, p["b"] / 300, n / 300)
    assert gain * 300 == pytest.approx(cost(units) - cost(list(merged)), abs=1e-9)


def test_the_bound_is_never_more_than_the_gain():
    rng = np.random.default_rng(0)
    p_a, p_b = rng.dirichlet([1, 1, 1], 10_000)[:, :2].T
    p_ab = np.minimum(p_a, p_b) * rng.uniform(1e-6, 1, 10_000)
    assert (wd.gain(p_a, p_b, p_ab) >= wd.gain_bound(p_a, p_b, p_ab) - 1e-15).all()


def test_ngrams_are_those_of_a_loop():
    texts = ["".join(np.random.default_rng(seed).choice(list("天地人和气"), 50)) for seed in range(4)]
    counts = wd.Counts(texts)
    for n in range(1, wd.LONGEST + 1):
        expected = collections.Counter(t[i:i + n] for t in texts for i in range(len(t) - n + 1))
        found = counts.of(counts.keys(n), n)
        for start, count in enumerate(found):
            assert count == expected.get(counts.text[start:start + n], 0)
        assert counts.tables[n][1].sum() == sum(expected.values())


def test_information_is_the_least_of_all_splits():
    counts = wd.Counts(["天地人和天地人和天地气人地"])
    text = counts.text.strip()
    loop = collections.Counter(text[i:i + n] for n in range(1, 5) for i in range(len(text) - n + 1))
    n, total = 3, len(text)
    keys = counts.keys(n)
    found = counts.information(n)[np.searchsorted(counts.tables[n][0], keys[0])]
    splits = [np.log(loop["天地人"] * total / (loop["天地人"[:i]] * loop["天地人"[i:]])) for i in (1, 2)]
    assert found == pytest.approx(min(splits))


def test_viterbi_is_the_best_of_all_segmentations():
    words = {"天": 5, "地": 3, "人": 4, "天地": 6, "地人": 1, "天地人": 2, "人天": 2}
    segmenter = wd.Segmenter(words)
    for letters in itertools.product("天地人和", repeat=5):
        text = "".join(letters)
        scores = []
        for cuts in itertools.product([0, 1], repeat=4):
            places = [0, *(i + 1 for i, cut in enumerate(cuts) if cut), 5]
            parts = [text[a:b] for a, b in itertools.pairwise(places)]
            if all(len(part) == 1 or part in words for part in parts):
                scores.append(sum(map(segmenter.cost_of, parts)))
        found = segmenter(text)
        assert "".join(found) == text
        assert sum(map(segmenter.cost_of, found)) == pytest.approx(max(scores))


def test_pieces_and_back_tracking():
    counts = wd.Counts(["天地人和气"])
    joined = np.array([True, False, True, True, False])
    assert wd.pieces_of(counts, joined, 1) == {"天地": 1, "人和气": 1}
    assert wd.pieces_of(counts, joined, 2) == {}
    good = {"天地人和", "地人和气"}
    assert wd.is_chained("天地人和气", good) and not wd.is_chained("天地人和天", good)
    assert wd.is_chained("天", good) and not wd.is_chained("天地", good)


def test_a_word_that_its_parts_explain_is_dropped_and_counted_as_they():
    words = collections.Counter({"天": 50, "气": 50, "天气": 30, "你好": 50, "你好天气": 9})
    left = wd.without_redundant(words)
    assert "你好天气" not in left and left["你好"] == 59 and left["天气"] == 39


@pytest.mark.parametrize("method", ["pairs", "ngrams"])
def test_words_that_were_put_in_are_found(method):
    rng = np.random.default_rng(0)
    letters = "".join(map(chr, range(0x4e00, 0x4e00 + 140)))
    vocabulary = [letters[i:i + 2] for i in range(0, 80, 2)] + [letters[i:i + 3] for i in range(80, 140, 3)]
    texts = ["".join(rng.choice(vocabulary, 12)) for _ in range(2000)]
    found = wd.discover(texts, method, least_count=100)
    assert {word for word in found if len(word) > 1} == set(vocabulary)


def test_bits_by_hand():
    assert wd.bits_per_character(collections.Counter({"天": 1, "地人和": 1})) == pytest.approx(1 / 2)
