"""more/word_discovery.py against recounts, loops over dictionaries and enumerations."""

import collections
import itertools
import unicodedata

import numpy as np
import pytest
import rjieba

from crf import data
from crf import segmenter as segmenter_of_crf
from more import word_discovery as wd
from tests.articles import ROOT


def cost(units):
    """H/l times the number of characters, in nats: what a text of these units costs."""
    counts = np.array(list(collections.Counter(units).values()))
    return -(counts * np.log(counts / counts.sum())).sum()


@pytest.mark.parametrize("word", ["ab", "abc", "dabc"])
@pytest.mark.parametrize("seed", range(3))
def test_gain_is_the_difference_of_a_recount(seed, word):
    units = list(np.random.default_rng(seed).choice(list("abcd"), 3000, p=[0.4, 0.3, 0.2, 0.1]))
    merged = "".join(units).replace(word, "X")
    counts, n = collections.Counter(units), merged.count("X")
    assert n
    gain = wd.gain([counts[part] / 3000 for part in word], n / 3000)
    assert gain * 3000 == pytest.approx(cost(units) - cost(list(merged)), abs=1e-7)


@pytest.mark.parametrize("k", [2, 3, 4])
def test_the_bound_is_never_more_than_the_gain(k):
    rng = np.random.default_rng(0)
    parts = rng.dirichlet([1] * (k + 1), 10_000)[:, :k].T
    word = parts.min(axis=0) * rng.uniform(1e-6, 1, 10_000)
    assert (wd.gain(list(parts), word) >= wd.gain_bound(list(parts), word) - 1e-15).all()


def looped(texts, n):
    return collections.Counter(text[i:i + n] for text in texts for i in range(len(text) - n + 1))


@pytest.mark.parametrize("block", [10, 64, 2 ** 20])
@pytest.mark.parametrize("least", [1, 3])
def test_ngrams_are_those_of_a_loop_in_memory_and_on_disk(block, least, monkeypatch):
    monkeypatch.setattr(wd, "EVERY", 8)
    texts = ["".join(np.random.default_rng(seed).choice(list("天地人和气0A"), 50)) for seed in range(40)]
    counts = wd.Counts([*texts, "", "天"], least, block)
    assert counts.total == 2001
    for n in range(1, wd.LONGEST + 1):
        expected = {gram: count for gram, count in looped([*texts, "天"], n).items() if count >= least}
        keys, found = counts.tables[n]
        assert dict(zip(wd.text_of(keys, n), found.tolist())) == expected
        assert (keys[1:] > keys[:-1]).all()
    np.testing.assert_array_equal(counts.of(wd.keys_of("天\n气", 2), 2), [0, 0, 0])


def test_merged_ranges_hold_all_runs_once(tmp_path, monkeypatch):
    monkeypatch.setattr(wd, "EVERY", 16)
    rng = np.random.default_rng(0)
    runs, total = [], collections.Counter()
    for number in range(5):
        keys = np.unique(rng.integers(1, 2 ** 24, 3000, dtype="uint64"))
        counts = rng.integers(1, 9, len(keys))
        runs.append(wd.on_disk(keys, counts, tmp_path / str(number)))
        total.update(dict(zip(keys.tolist(), counts.tolist())))
    ranges = list(wd.merged(runs, 1000))
    assert len(ranges) > 5
    found = np.concatenate([keys for keys, _ in ranges])
    assert (found[1:] > found[:-1]).all()
    assert dict(zip(found.tolist(), np.concatenate([counts for _, counts in ranges]).tolist())) == total
    for (before, _), (after, _) in itertools.pairwise(pair for pair in ranges if len(pair[0])):
        assert before[-1] >> np.uint64(16) != after[0] >> np.uint64(16)


def test_information_is_the_least_of_all_splits():
    text = "天地人和天地人和天地气人地"
    counts, total = wd.Counts([text]), len(text)
    loop = looped([text], 1) + looped([text], 2) + looped([text], 3)
    found = counts.information(3)[np.searchsorted(counts.tables[3][0], wd.keys_of(text, 3)[0])]
    splits = [np.log(loop["天地人"] * total / (loop["天地人"[:i]] * loop["天地人"[i:]])) for i in (1, 2)]
    assert found == pytest.approx(min(splits))


def test_a_text_of_nothing_has_no_ngrams():
    counts = wd.Counts([])
    assert counts.total == 0 and not any(len(keys) for keys, _ in counts.tables.values())


def test_characters_that_16_bits_do_not_hold_are_refused():
    with pytest.raises(ValueError, match="Received: one of '𠀀'"):
        wd.Counts(["天𠀀"])


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
    text = "天地人和气\n"
    assert wd.pieces_of(text, np.array([True, False, True, True, False, False])) == {"天地": 1, "人和气": 1}
    good = {"天地人和", "地人和气"}
    assert wd.is_chained("天地人和气", good) and not wd.is_chained("天地人和天", good)
    assert wd.is_chained("天", good) and not wd.is_chained("天地", good)
    assert not wd.joined(text, {2: wd.keys_of("人天", 2)[:1]}).any()
    assert list(np.flatnonzero(wd.joined(text, {3: wd.keys_of("地人和", 3)[:1]}))) == [1, 2]


def test_a_word_that_its_parts_explain_is_dropped_and_counted_as_they():
    words = collections.Counter({"天": 50, "气": 50, "天气": 30, "你好": 50, "你好天气": 9})
    left = wd.without_redundant(words)
    assert "你好天气" not in left and left["你好"] == 59 and left["天气"] == 39


@pytest.mark.parametrize("block", [500, 2 ** 20])
@pytest.mark.parametrize("method", ["pairs", "ngrams"])
def test_words_that_were_put_in_are_found(method, block):
    rng = np.random.default_rng(0)
    letters = "".join(map(chr, range(0x4e00, 0x4e00 + 140)))
    vocabulary = [letters[i:i + 2] for i in range(0, 80, 2)] + [letters[i:i + 3] for i in range(80, 140, 3)]
    texts = ["".join(rng.choice(vocabulary, 12)) for _ in range(2000)]
    found = wd.discover(texts, method, least_count=100, block=block)
    assert {word for word in found if len(word) > 1} == set(vocabulary)


def test_bits_by_hand():
    assert wd.bits_per_character(collections.Counter({"天": 1, "地人和": 1})) == pytest.approx(1 / 2)


def test_numbers_and_latin_words_are_one_character_each():
    text = "1998年3.5%的OK，——3"
    assert wd.units_of(text) == ["1998", "年", "3.5%", "的", "OK", "，", "——", "3"]
    assert wd.encoded(wd.units_of(text)) == "0年0的A，—0"
    segmenter = wd.Segmenter({"0年": 5, "0": 1, "年": 1, "的A": 5, "的": 1, "A": 1})
    assert wd.segmented(segmenter, text) == ["1998年", "3.5%", "的OK", "，", "——", "3"]


def test_runs_of_a_file_are_those_of_its_sentences():
    lines = ["１９９８年　 今天 OK 。", "天气 3.5 度"] * 3
    runs = wd.Runs(lambda: [f"{line}\n".encode() for line in lines])
    expected = wd.runs_of([unicodedata.normalize("NFKC", line).split() for line in lines])
    assert list(runs) == list(runs) == expected == ["0年今天A", "天气0度"] * 3


def written(tmp_path):
    words = collections.Counter({"天地人": 9, "和气生财": 7, "0年": 5, "天": 30, "卡拉A": 3})
    path = tmp_path / "words.txt"
    path.write_text("\n".join(wd.dictionary_of(words)), encoding="utf-8")
    return path


def test_crf_and_jieba_read_the_dictionary(tmp_path):
    """One file for both, in jieba's form, `word count`. rjieba is jieba in Rust."""
    path = written(tmp_path)
    words = data.read_words(path)
    assert words == ["天地人", "和气生财"]
    segmenter = segmenter_of_crf.Segmenter.load(ROOT / "crf" / "weights" / "default", words)
    assert "".join(segmenter.segment("天地人和气生财")) == "天地人和气生财"
    jieba = rjieba.Jieba.empty()
    for line in path.read_text(encoding="utf-8").splitlines():
        word, count = line.split()
        jieba.add_word(word, int(count), None)
    assert jieba.cut("天地人和气生财", hmm=False) == ["天地人", "和气生财"]


def test_jieba_loads_the_dictionary_in_place_of_its_own(tmp_path):
    jieba = pytest.importorskip("jieba")
    tokenizer = jieba.Tokenizer(str(written(tmp_path)))
    assert tokenizer.lcut("天地人和气生财", HMM=False) == ["天地人", "和气生财"]
