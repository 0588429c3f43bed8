"""最小熵原理（二）：“当机立断”之词库构建, https://kexue.fm/archives/5476
and its relatives on word discovery, https://kexue.fm/archives/6920 and https://kexue.fm/archives/4256

A text costs H/l per character, with H the entropy of its units and l their mean length (2.6). Two units
become one if that lowers the cost: the exact gain (2.11) is at least p_ab (log p_ab/(p_a p_b) − 1), (2.15);
so characters belong together where their mutual information is above 1, with natural logarithms. What stays
together is counted, and frequent pieces are words. 6920 asks the same of all splits of n-grams up to four.

    article                here
    (2.6)                  bits_per_character
    (2.11), (2.15)         gain, gain_bound
    5476: cut, count       cut_pairs, pieces_of;  de-redundancy: without_redundant
    6920: n-grams          cut_ngrams, is_chained (back-tracking)
    (2.18)                 Segmenter, in O(n) for words of bounded length

    python more/word_discovery.py             seconds: words of People's Daily, January 1998, and their F1
    python more/word_discovery.py --table     all methods and texts
    python more/word_discovery.py --data FILE --method ngrams     your own text: words.txt in the run folder
"""

import collections
import re

import numpy as np

HAN = re.compile("[一-鿿]+")
TOKENS = re.compile("[一-鿿]+|[0-9A-Za-z]+|.")
LONGEST = 4                        # characters of an n-gram: four of 16 bits are a key of 64


def gain(p_a, p_b, p_ab):
    """Equation (2.11): by how much, in nats per unit before, the text gets shorter once a b is a unit.

    The text costs N log N − Σ N_i log N_i; N, N_a and N_b fall by N_ab, and N_ab is new. a ≠ b.
    """
    def cost(p):
        return p * np.log(np.where(p > 0, p, 1.0))

    before = cost(p_a) + cost(p_b)
    return cost(p_ab) + cost(p_a - p_ab) + cost(p_b - p_ab) - before - cost(1 - p_ab)


def gain_bound(p_a, p_b, p_ab):
    """Equation (2.15): p_ab (log p_ab / (p_a p_b) − 1), never more than the gain."""
    return p_ab * (np.log(p_ab / (p_a * p_b)) - 1)


def bits_per_character(words):
    """Equation (2.6), H/l in bits, of a Counter of words."""
    counts = np.array(list(words.values()), "float64")
    lengths = np.array([len(word) for word in words])
    p = counts / counts.sum()
    return -(p * np.log2(p)).sum() / (p * lengths).sum()


class Counts:
    """How often each n-gram of up to LONGEST characters is in a text.

    Characters become 16 bits and an n-gram one number, so that counting is sorting.

    Args:
        texts: pieces of text; no n-gram spans two of them.

    Example:
        counts = Counts(["天天天气", "天气"])
        print(counts.of(counts.keys(2), 2))            # [2 2 2 0 2 0]: of the pair that begins at each place

    Reference: 苏剑林, 最小熵原理（二）：“当机立断”之词库构建, https://kexue.fm/archives/5476
    """

    def __init__(self, texts):
        self.text = "\n".join(texts) + "\n"
        codes = np.frombuffer(self.text.encode("utf-32-le"), "uint32")
        alphabet, ids = np.unique(codes, return_inverse=True)
        if len(alphabet) > 2 ** 16 - 1:
            raise ValueError(f"texts expects at most 65,534 kinds of characters. Received: {len(alphabet)}")
        ids = ids.astype("uint64")                                   # 0 is the line feed, the smallest code
        self.ids = ids if alphabet[0] == 10 else ids + 1
        self.tables = {n: self.counted(n) for n in range(1, LONGEST + 1)}
        self.total = self.tables[1][1].sum()

    def keys(self, n):
        """The n-gram that begins at each place as a number; 0 where it would span two pieces."""
        size = len(self.ids) - n + 1
        keys, whole = np.zeros(size, "uint64"), np.ones(size, bool)
        for i in range(n):
            part = self.ids[i:i + size]
            keys = keys << np.uint64(16) | part
            whole &= part > 0
        return np.where(whole, keys, np.uint64(0))

    def counted(self, n):
        keys, counts = np.unique(self.keys(n), return_counts=True)
        return keys[keys > 0], counts[keys > 0]

    def of(self, keys, n):
        """The counts of n-grams, 0 of those that the text does not have."""
        known, counts = self.tables[n]
        if not len(known):
            return np.zeros(len(keys), int)
        places = np.minimum(np.searchsorted(known, keys), len(known) - 1)
        return np.where(known[places] == keys, counts[places], 0)

    def information(self, n):
        """Of each known n-gram, the least log p / (p_left p_right) over its splits in two."""
        keys, counts = self.tables[n]
        least = np.full(len(keys), np.inf)
        for cut in range(1, n):
            shift = np.uint64(16 * (n - cut))
            left, right = keys >> shift, keys & ((np.uint64(1) << shift) - np.uint64(1))
            parts = self.of(left, cut) / self.total * self.of(right, n - cut)
            least = np.minimum(least, np.log(counts / parts))
        return least


def cut_pairs(counts, least_count, information=1.0):
    """5476: neighbours stay together that are frequent and whose mutual information is more than 1.

    Returns:
        for each place of the text, whether it belongs to the one after it.
    """
    keys, found = counts.tables[2]
    good = keys[(found >= least_count) & (counts.information(2) > information)]
    return np.isin(counts.keys(2), good)


def cut_ngrams(counts, least_count, thresholds=(0, 2, 4, 6)):
    """6920: neighbours stay together that any good n-gram covers: frequent, each split above its threshold.

    Returns:
        the same as cut_pairs, and the set of good n-grams as text.
    """
    joined, good = np.zeros(len(counts.ids), bool), set()
    for n in range(2, LONGEST + 1):
        keys, found = counts.tables[n]
        wanted = keys[(found >= least_count) & (counts.information(n) >= thresholds[n - 1])]
        starts = np.flatnonzero(np.isin(counts.keys(n), wanted))
        for i in range(n - 1):
            joined[starts + i] = True
        good |= {counts.text[start:start + n] for start in starts}
    return joined, good


def pieces_of(counts, joined, least_count):
    """A Counter of the pieces that stay together; single characters are kept, others where frequent."""
    ends = np.flatnonzero(~np.append(joined, np.zeros(len(counts.ids) - len(joined), bool))) + 1
    pieces = collections.Counter(counts.text[a:b] for a, b in zip([0, *ends], ends))
    del pieces["\n"]
    return collections.Counter({w: n for w, n in pieces.items() if n >= least_count or len(w) == 1})


def is_chained(word, good):
    """6920's back-tracking: whether a word is good itself, or all its parts of LONGEST characters are."""
    if len(word) <= LONGEST:
        return len(word) == 1 or word in good
    return all(word[i:i + LONGEST] in good for i in range(len(word) - LONGEST + 1))


def without_redundant(words, information=1.0):
    """5476's fourth step: from long to short, a word that its parts explain is dropped, its count theirs."""
    words, total = collections.Counter(words), sum(words.values())
    segmenter = Segmenter(words)
    for word in sorted((w for w in words if len(w) > 1), key=len, reverse=True):
        own = segmenter.log_p.pop(word)
        parts = segmenter(word)
        if own - sum(segmenter.cost_of(part) for part in parts) < information:
            count = words.pop(word)
            for part in parts:
                words[part] += count
                segmenter.log_p[part] = np.log(words[part] / total)
        else:
            segmenter.log_p[word] = own
    return words


class Segmenter:
    """The most probable sequence of independent words, equation (2.18), by Viterbi's algorithm.

    Args:
        words: word → count.

    Example:
        print(Segmenter({"天气": 5, "天": 1, "气": 1})("天气天"))        # ['天气', '天']

    Reference: 苏剑林, 最小熵原理（二）：“当机立断”之词库构建, https://kexue.fm/archives/5476
    """

    def __init__(self, words):
        total = sum(words.values())
        self.log_p = {word: float(np.log(count / total)) for word, count in words.items()}
        self.longest, self.unknown = max(map(len, words)), float(np.log(0.5 / total))

    def cost_of(self, word):
        """log p of a word; of an unknown character that of half an occurrence."""
        return self.log_p.get(word, self.unknown)

    def __call__(self, text):
        best, back = [0.0], [0]
        for end in range(1, len(text) + 1):
            start, score = end - 1, best[end - 1] + self.cost_of(text[end - 1])
            for earlier in range(max(0, end - self.longest), end - 1):
                log_p = self.log_p.get(text[earlier:end])
                if log_p is not None and best[earlier] + log_p > score:
                    start, score = earlier, best[earlier] + log_p
            best.append(score)
            back.append(start)
        words, end = [], len(text)
        while end:
            words.append(text[back[end]:end])
            end = back[end]
        return words[::-1]


def discover(texts, method="ngrams", least_count=8):
    """A Counter of the words of a text that nobody has segmented."""
    counts = Counts(texts)
    if method == "pairs":
        return without_redundant(pieces_of(counts, cut_pairs(counts, least_count), least_count))
    joined, good = cut_ngrams(counts, least_count)
    pieces = pieces_of(counts, joined, least_count)
    return collections.Counter({word: n for word, n in pieces.items() if is_chained(word, good)})


# ------------------------------------------------------------------------------------------------------- demo

def load(path):
    """Sentences as lists of words, in half width; blanks are the cuts, as gold texts have them."""
    import unicodedata

    from common.harness.reading import read_text

    lines = unicodedata.normalize("NFKC", read_text(path)).splitlines()
    return [words for line in lines if (words := line.split())]


def runs_of(sentences):
    """The Chinese of sentences without blanks."""
    return [run for words in sentences for run in HAN.findall("".join(words))]


def scores(words, gold):
    """Span precision, recall and F1 on sentences of gold words; what is no Chinese is cut by kind."""
    from common.harness.metrics import segmentation_scores

    segmenter, predicted = Segmenter(words), []
    for sentence in gold:
        found = []
        for token in TOKENS.findall("".join(sentence)):
            found += segmenter(token) if HAN.match(token) else [token]
        predicted.append(found)
    return segmentation_scores(gold, predicted)


def bits_of(texts, words):
    """Equation (2.6) of a text that these words segment."""
    segmenter = Segmenter(words)
    return bits_per_character(collections.Counter(word for text in texts for word in segmenter(text)))


def draw(run, sizes, f1s, words):
    """Left: F1 by how many of the most frequent words are used. Right: how long the words are."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.semilogx(sizes, f1s, "o-")
    left.set(xlabel="words, the most frequent ones", ylabel="F1 of held-out sentences")
    lengths = collections.Counter(map(len, words))
    right.bar(list(lengths), list(lengths.values()))
    right.set(xlabel="characters of a word", ylabel="words found", xlim=(0.4, 10.6))
    run.draw(figure)


def row_of(name, method, texts, tests, least_count):
    """The words that a method finds, and the row of the table with its F1 on each test and its bits."""
    words = discover(texts, method, least_count)
    f1s = [scores(words, gold)["f1"] if gold else None for gold in tests]
    return words, [name, method, least_count, len(words), *f1s, float(bits_of(texts[:20_000], words))]


def demo(config):
    """Words of one text and their scores on its held-out end; with --table both methods and both texts."""
    import dataclasses
    import pathlib

    from common.harness import datasets, further
    from common.harness.reading import InputError, sha256_of
    from common.harness.writing import ROOT, write_lines

    sample = ROOT / "crf" / "samples" / "sentences.txt"
    note = ("NOTE: the built-in sentences stand in for the People's Daily of January 1998: put it into cws/ "
            "of the folder that KEXUE_DATA names, as pd199801.utf8.")
    data = config.data or ("sample" if config.smoke else "")
    path = pathlib.Path(datasets.find_text(data, ("cws/pd199801.utf8",), sample, note))
    sentences = load(path)
    if len(sentences) < 20 or not runs_of(sentences):
        raise InputError(f"{path} should hold at least 20 lines with Chinese in them. "
                         f"Received: {len(sentences)} lines")
    run = further.start(config, "word_discovery", ("numpy",))
    count = len(sentences) * 9 // 10
    # In a small text frequent words, too, are seen but a few times.
    least = 2 if path == sample else config.least_count
    texts, gold = runs_of(sentences[:count]), sentences[count:]
    words, row = row_of(path.stem, config.method, texts, [gold, None, None], least)
    rows, found = [row], scores(words, gold)
    characters = collections.Counter("".join(texts))
    metrics = {name: found[name] for name in ("precision", "recall", "f1")} | {
        "words": len(words), "bits_characters": bits_per_character(characters), "bits_words": row[-1],
        "bits_gold": bits_per_character(collections.Counter(
            word for words_of in sentences[:count] for word in words_of if HAN.fullmatch(word)))}
    if config.table:
        rows += other_rows(config, path, texts, gold)
    run.table(["text", "method", "least count", "words", "F1 held out", "F1 SXU test", "F1 MSR test",
               "bits per character"], rows)
    write_lines(run.path("words.txt"), [f"{word} {n}" for word, n in words.most_common()])
    sizes = [size for size in (1000, 2000, 5000, 10_000, 20_000) if size < len(words)] + [len(words)]
    f1s = [scores(dict(words.most_common(size)), gold[:1000])["f1"] for size in sizes]
    draw(run, sizes, f1s, words)
    described = datasets.Dataset(path.stem, str(path), sha256_of(path), path == sample)
    run.finish({field.name: getattr(described, field.name) for field in dataclasses.fields(described)}
               | {"source": path.name}, metrics)


def other_rows(config, path, texts, gold):
    """The other method and counts on the same text, and both methods on the three other corpora together."""
    from common.harness.datasets import find

    rows = [row_of(path.stem, method, texts, [gold, None, None], least)[1]
            for method, least in (("pairs", 5), ("pairs", 10), ("ngrams", 32))]
    names = ("cws/sxu_train.utf8", "cws/msr_slice_train.utf8", "cws/nlpcc2016_train.utf8",
             "cws/sxu_test_gold.utf8", "cws/msr_test_gold.utf8")
    files = [find(name) for name in names]
    if None in files:
        print(f"NOTE: the rows of other texts need {', '.join(names)} in the folder that KEXUE_DATA names.")
        return rows
    others = [run for file in files[:3] for run in runs_of(load(file))]
    tests = [None, *map(load, files[3:])]
    for method, least in (("pairs", 5), ("pairs", 10), ("ngrams", 8), ("ngrams", 32)):
        rows.append(row_of("SXU, MSR, NLPCC", method, others, tests, least)[1])
    return rows


def main():
    """The demo, python more/word_discovery.py; only here is anything of this repository imported."""
    import pathlib
    import sys

    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
    from common.harness import cli, further

    further.main(
        demo, __doc__,
        method=("ngrams", ("ngrams", "pairs"),
                "ngrams: 6920's, all splits of up to four characters. pairs: 5476's, neighbours alone."),
        least_count=(8, cli.Between(1, 1_000_000),
                     "How often a word has to be there; the article's 32 is for hundreds of megabytes."))


if __name__ == "__main__":
    main()
