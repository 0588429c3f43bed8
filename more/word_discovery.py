"""最小熵原理（二）：“当机立断”之词库构建, https://kexue.fm/archives/5476
and its relatives on word discovery, https://kexue.fm/archives/6920 and https://kexue.fm/archives/4256

A text costs H/l per character, with H the entropy of its units and l their mean length (2.6). Two units
become one if that lowers the cost: the exact gain (2.11) is at least p_ab (log p_ab/(p_a p_b) − 1), (2.15);
so characters belong together where their mutual information is above 1, with natural logarithms. What stays
together is counted, and frequent pieces are words. 6920 asks the same of all splits of n-grams up to four.

    article                here
    (2.6)                  bits_per_character
    (2.11), (2.15)         gain, gain_bound; of k characters they are (2.16), (2.17)
    5476: cut, count       good_pairs, joined, pieces_of; de-redundancy: without_redundant
    6920: n-grams          good_ngrams, is_chained (back-tracking)
    (2.18)                 Segmenter, in O(n) for words of bounded length

    python more/word_discovery.py             seconds: words of People's Daily, January 1998, and their F1
    python more/word_discovery.py --table     all methods and texts
    python more/word_discovery.py --data FILE     your own text, of any size: words.txt in the run folder,
                                                  for jieba.set_dictionary and crf/predict.py
"""

import collections
import itertools
import math
import pathlib
import re
import tempfile
import unicodedata

import numpy as np

NUMBER = r"[0-9]+(?:[.:/][0-9]+)*%?"
UNIT = re.compile(rf"{NUMBER}|[A-Za-z]+|[一-鿿]|(.)\1*", re.DOTALL)      # of other signs, a run of one
RUN = re.compile("[一-鿿0A]+")     # what words are looked for in, once a number is 0 and Latin letters are A
LONGEST = 4                        # characters of an n-gram: four of 16 bits are a key of 64
EVERY = 1024                       # keys of a sorted run between two that are kept in memory


def gain(parts, word):
    """Equations (2.11) and (2.16): by how much, in nats per unit before, the text gets shorter once the parts
    are one unit.

    The text costs N log N − Σ N_i log N_i. Of k different parts each N_i falls by the word's count, N by
    k − 1 times as much, and the word is new.

    Args:
        parts: the probability of each part, numbers or arrays.
        word: that of the word.
    """
    def cost(p):
        return p * np.log(np.where(p > 0, p, 1.0))

    rest = sum(cost(part - word) - cost(part) for part in parts)
    return cost(word) + rest - cost(1 - (len(parts) - 1) * word)


def gain_bound(parts, word):
    """Equations (2.15) and (2.17): p (log p / Π p_i − 1), never more than the gain."""
    return word * (np.log(word / math.prod(parts)) - 1)


def bits_per_character(words):
    """Equation (2.6), H/l in bits, of a Counter of words."""
    counts = np.array(list(words.values()), "float64")
    lengths = np.array([len(word) for word in words])
    p = counts / counts.sum()
    return -(p * np.log2(p)).sum() / (p * lengths).sum()


class Counts:
    """How often each n-gram of up to LONGEST characters is in a text of any size.

    Characters become 16 bits and an n-gram one number, so that counting is sorting. One sort does for all n:
    four characters that begin with the same two are neighbours. A block of text is sorted in memory; the
    sorted runs of several blocks are merged on disk, range by range.

    Args:
        texts: pieces of text, of characters below U+10000 but for surrogates; no n-gram spans two pieces.
        least_count: n-grams that are there less often are forgotten.
        block: characters that are sorted in memory: 40 times as many bytes are needed.

    Example:
        counts = Counts(["天天天气", "天气"])
        print(counts.of(keys_of("天天天气", 2), 2))            # [2 2 2 0]: the pair at each place

    Reference: 苏剑林, 最小熵原理（二）：“当机立断”之词库构建, https://kexue.fm/archives/5476
    """

    def __init__(self, texts, least_count=1, block=2 ** 23):
        self.least_count, self.total = least_count, 0
        with tempfile.TemporaryDirectory() as folder:
            runs = [self.counted(text, pathlib.Path(folder, str(number)))
                    for number, text in enumerate(blocks_of(texts, block))]
            runs = [run for run in runs if run]
            parts = [self.shorter(keys, counts) for keys, counts in merged(runs, block // 2)]
        self.tables = {}
        for n in range(1, LONGEST + 1):
            keys, counts = total_of(*map(np.concatenate, zip(*(part[n] for part in parts))))
            often = counts >= least_count
            self.tables[n] = keys[often], counts[often]

    def counted(self, text, path):
        """The sorted keys of four characters of a block and how often each is there, as a run on disk."""
        keys = keys_of(text, LONGEST, whole=False)
        keys = np.sort(keys[keys > 0])
        self.total += len(keys)
        keys, counts = total_of(keys)
        return on_disk(keys, counts, path)

    def shorter(self, keys, counts):
        """n → (keys, counts) of n-grams, those of three and four characters only where often enough."""
        tables = {}
        for n in range(1, LONGEST + 1):
            starts = keys >> np.uint64(16 * (LONGEST - n))
            whole = (starts & np.uint64(0xFFFF)) > 0
            found, often = total_of(starts[whole], counts[whole])
            kept = (often >= self.least_count) | (n < 3)          # 1 and 2 may be in several ranges
            tables[n] = found[kept], often[kept]
        return tables

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


def blocks_of(texts, size):
    """The pieces of a text, a line each, in blocks of about so many characters."""
    waiting, room = [], size
    for text in texts:
        waiting.append(text)
        room -= len(text) + 1
        if room <= 0:
            yield "\n".join(waiting) + "\n"
            waiting, room = [], size
    if waiting or room == size:
        yield "\n".join(waiting) + "\n"


def keys_of(text, n, whole=True):
    """The n-gram that begins at each place as a number, its first character highest.

    One that a line feed is in is 0; with whole=False it is the part before the line feed, padded with zeros.
    """
    codes = np.frombuffer(text.encode("utf-16-le", "surrogatepass"), "uint16")
    if len(codes) != len(text) or ((codes >> 11) == 0x1B).any():
        raise ValueError("texts expects characters below U+10000 but for surrogates. "
                         f"Received: one of {max(text)!r}")
    codes = np.append(np.where(codes == 10, 0, codes), np.zeros(n, "uint16"))
    size, keys = len(text), np.zeros(len(text), "uint64")
    inside = np.ones(size, bool)
    for i in range(n):
        part = codes[i:i + size]
        inside &= part > 0
        keys = keys << np.uint64(16) | np.where(inside, part, 0).astype("uint64")
    return np.where(inside, keys, np.uint64(0)) if whole else keys


def text_of(keys, n):
    """The n-grams of these numbers as a list of text."""
    codes = [(keys >> np.uint64(16 * (n - 1 - i))).astype("uint16") for i in range(n)]
    text = np.stack(codes, axis=1).tobytes().decode("utf-16-le")
    return [text[i:i + n] for i in range(0, len(text), n)]


def total_of(keys, counts=None):
    """Different keys in order, and how often each is there, or the sum of its counts."""
    if counts is not None and len(keys) and (keys[1:] < keys[:-1]).any():
        order = np.argsort(keys, kind="stable")
        keys, counts = keys[order], counts[order]
    first = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])[:len(keys)])
    if counts is None:
        return keys[first], np.diff(np.append(first, len(keys)))
    sums = np.add.reduceat(counts, first, dtype="int64") if len(first) else counts
    return keys[first], sums


def on_disk(keys, counts, path):
    """Writes a sorted run as two files: (path, each EVERYth key), or None where there is nothing."""
    if not len(keys):
        return None
    keys.tofile(f"{path}.keys")
    counts.astype("uint32").tofile(f"{path}.counts")
    return path, keys[::EVERY].copy()


def part_of(path, low, high):
    """(keys, counts) of a run from a key on, below another one, in memory; the files are closed again."""
    keys = np.memmap(f"{path}.keys", "uint64", "r")
    counts = np.memmap(f"{path}.counts", "uint32", "r")
    start = 0 if low is None else np.searchsorted(keys, low)
    end = len(keys) if high is None else np.searchsorted(keys, high)
    return np.array(keys[start:end]), np.array(counts[start:end])


def merged(runs, size):
    """Yields (keys, counts) of all runs in ranges of keys, about so many keys in each.

    A range begins where the first three characters change, so that an n-gram of three is within one range.
    """
    sample = np.sort(np.concatenate([np.zeros(1, "uint64"), *(sample for _, sample in runs)]))
    edges = np.unique(sample[::max(1, size // EVERY)][1:] & ~np.uint64(0xFFFF))
    for low, high in itertools.pairwise([None, *edges, None]):
        parts = [part_of(path, low, high) for path, _ in runs]
        parts.append((np.zeros(0, "uint64"), np.zeros(0, "uint32")))
        yield total_of(*map(np.concatenate, zip(*parts)))


def good_pairs(counts, information=1.0):
    """5476: neighbours that are frequent and whose mutual information is more than 1, as {2: keys}."""
    return {2: counts.tables[2][0][counts.information(2) > information]}


def good_ngrams(counts, thresholds=(0, 2, 4, 6)):
    """6920: n-grams that are frequent and none of whose splits is below its threshold, n → keys."""
    return {n: counts.tables[n][0][counts.information(n) >= thresholds[n - 1]]
            for n in range(2, LONGEST + 1)}


def joined(text, good):
    """For each place of a text, whether it belongs to the one after it: any good n-gram covers both."""
    found = np.zeros(len(text), bool)
    for n, keys in good.items():
        starts = np.flatnonzero(is_among(keys_of(text, n), keys))
        for i in range(n - 1):
            found[starts + i] = True
    return found


def is_among(keys, known):
    """Whether each key is among sorted ones."""
    if not len(known):
        return np.zeros(len(keys), bool)
    return known[np.minimum(np.searchsorted(known, keys), len(known) - 1)] == keys


def pieces_of(text, together):
    """A Counter of what stays together in a text."""
    ends = np.flatnonzero(~together) + 1
    pieces = collections.Counter(text[a:b] for a, b in zip([0, *ends.tolist()], ends.tolist()))
    del pieces["\n"]
    return pieces


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


def discover(texts, method="ngrams", least_count=3, thresholds=(0, 2, 4, 6), block=2 ** 23):
    """A Counter of the words of a text that nobody has segmented; single characters are words, too.

    Args:
        texts: pieces of text, to be gone through twice: a list, or an object such as Runs.
        method: "ngrams" or "pairs".
        block: see Counts.
    """
    counts = Counts(texts, least_count, block)
    good = good_pairs(counts) if method == "pairs" else good_ngrams(counts, thresholds)
    known = {word for n, keys in good.items() for word in text_of(keys, n)}
    words = collections.Counter()
    for text in blocks_of(texts, block):
        pieces = pieces_of(text, joined(text, good))
        if method == "ngrams":           # what back-tracking drops needs no memory until the end
            pieces = {word: count for word, count in pieces.items() if is_chained(word, known)}
        words.update(pieces)
    kept = {word: count for word, count in words.items() if count >= least_count or len(word) == 1}
    return without_redundant(kept) if method == "pairs" else collections.Counter(kept)


def units_of(text):
    """A text as numbers, Latin words, Chinese characters and runs of other signs."""
    return [match[0] for match in UNIT.finditer(text)]


def encoded(units):
    """One character for each unit: 0 for any number, A for any Latin word, so that 年 behind a number is
    frequent."""
    return "".join(map(symbol, units))


def symbol(unit):
    if "0" <= unit[0] <= "9":
        return "0"
    return "A" if unit[0].isascii() and unit[0].isalpha() else unit[0]


class Runs:
    """What a text of any size has of Chinese, numbers and Latin words, encoded; gone through as often as one
    likes.

    Args:
        lines: function without arguments → the lines of the text as UTF-8 bytes. Blanks are no cuts.

    Example:
        print(list(Runs(lambda: ["今天 3.5 度，".encode(), "OK".encode()])))        # ['今天0度', 'A']

    Reference: 苏剑林, 重新写了之前的新词发现算法：更快更好的新词发现, https://kexue.fm/archives/6920
    """

    def __init__(self, lines):
        self.lines = lines

    def __iter__(self):
        waiting, size = [], 0
        for line in self.lines():
            waiting.append(line.rstrip())
            size += len(line)
            if size > 2 ** 20:
                yield from self.runs(b"\n".join(waiting).decode())
                waiting, size = [], 0
        yield from self.runs(b"\n".join(waiting).decode())

    def runs(self, text):
        text = re.sub(r"[^\S\n]+", "", unicodedata.normalize("NFKC", text))
        return RUN.findall(re.sub("[A-Za-z]+", "A", re.sub(NUMBER, "0", text)))


def segmented(segmenter, text):
    """The words of a text of any signs."""
    units, words, start = units_of(text), [], 0
    for match in re.finditer(f"{RUN.pattern}|.", encoded(units), re.DOTALL):
        for word in segmenter(match[0]) if RUN.match(match[0]) else [match[0]]:
            words.append("".join(units[start:start + len(word)]))
            start += len(word)
    return words


def dictionary_of(words):
    """Lines "word count", the most frequent first, as jieba and crf read them; a word with any number or any
    Latin word in it stands for many and is left out, single characters too."""
    ours = [(word, count) for word, count in words.most_common() if not re.search("[0A]", word)]
    return [f"{word} {count}" for word, count in ours if len(word) > 1]


# ------------------------------------------------------------------------------------------------------- demo

def load(path):
    """Sentences as lists of words, in half width; blanks are the cuts, as gold texts have them."""
    from common.harness.reading import read_text

    lines = unicodedata.normalize("NFKC", read_text(path)).splitlines()
    return [words for line in lines if (words := line.split())]


def runs_of(sentences):
    """What sentences have without their blanks, as Runs has it."""
    return [run for words in sentences for run in RUN.findall(encoded(units_of("".join(words))))]


def scores(words, gold):
    """Span precision, recall and F1 on sentences of gold words."""
    from common.harness.metrics import segmentation_scores

    segmenter = Segmenter(words)
    return segmentation_scores(gold, [segmented(segmenter, "".join(sentence)) for sentence in gold])


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


def row_of(name, texts, tests, method="ngrams", least_count=3, scale=1.0):
    """The words that a method finds, and the row of the table with its F1 on each test and its bits."""
    words = discover(texts, method, least_count, scale * np.arange(0, 2 * LONGEST, 2))
    f1s = [scores(words, gold)["f1"] if gold else None for gold in tests]
    settings = [method, least_count, scale if method == "ngrams" else None]
    return words, [name, *settings, len(words), *f1s, float(bits_of(texts[:20_000], words))]


def demo(config):
    """Words of one text and their scores on its held-out end; with --table all methods and texts."""
    import dataclasses

    from common.harness import datasets, further
    from common.harness.reading import InputError, byte_lines, sha256_of, too_large
    from common.harness.writing import ROOT, write_lines

    sample = ROOT / "crf" / "samples" / "sentences.txt"
    note = ("NOTE: the built-in sentences stand in for the People's Daily of January 1998: put it into cws/ "
            "of the folder that KEXUE_DATA names, as pd199801.utf8.")
    data = config.data or ("sample" if config.smoke else "")
    path = pathlib.Path(datasets.find_text(data, ("cws/pd199801.utf8",), sample, note))
    described = dataclasses.asdict(datasets.Dataset(path.stem, path.name, sha256_of(path), path == sample))
    least = 2 if path == sample else config.least_count
    if too_large(path.stat().st_size):                     # nothing is held out: its words are all
        run = further.start(config, "word_discovery", ("numpy",))
        words = discover(Runs(lambda: byte_lines(path)), config.method, least)
        write_lines(run.path("words.txt"), dictionary_of(words))
        draw(run, [], [], words)
        run.finish(described, {"words": len(words)})
        return
    sentences = load(path)
    if len(sentences) < 20 or not runs_of(sentences):
        raise InputError(f"{path} should hold at least 20 lines with Chinese in them. "
                         f"Received: {len(sentences)} lines")
    run = further.start(config, "word_discovery", ("numpy",))
    count = len(sentences) * 9 // 10
    texts, gold = runs_of(sentences[:count]), sentences[count:]
    valid = sentences[len(sentences) * 8 // 10:count] if config.table else None
    words, row = row_of(path.stem, texts, [valid, gold, None, None], config.method, least)
    rows, found = [row], scores(words, gold)
    metrics = {name: found[name] for name in ("precision", "recall", "f1")} | {
        "words": len(words), "bits_words": row[-1],
        "bits_characters": bits_per_character(collections.Counter("".join(texts))),
        "bits_gold": bits_per_character(gold_words(sentences[:count]))}
    if config.table:
        rows += other_rows(path, texts, valid, gold)
    run.table(["text", "method", "least count", "thresholds × (0, 2, 4, 6)", "words", "F1 validation",
               "F1 held out", "F1 SXU test", "F1 MSR test", "bits per character"], rows)
    write_lines(run.path("words.txt"), dictionary_of(words))
    sizes = [size for size in (1000, 2000, 5000, 10_000, 20_000) if size < len(words)] + [len(words)]
    f1s = [scores(dict(words.most_common(size)), gold[:1000])["f1"] for size in sizes]
    draw(run, sizes, f1s, words)
    run.finish(described, metrics)


def gold_words(sentences):
    """A Counter of the words of sentences, encoded."""
    words = [encoded(units_of(word)) for sentence in sentences for word in sentence]
    return collections.Counter(word for word in words if RUN.fullmatch(word))


def other_rows(path, texts, valid, gold):
    """Other settings on the same text, of which the validation sentences choose and the held-out ones judge;
    and both methods on three other corpora together."""
    from common.harness.datasets import find

    rows = []
    for least, scale in itertools.product((2, 3, 4, 8, 32), (1.0, 1.125, 1.25)):
        rows.append(row_of(path.stem, texts, [valid, gold, None, None], "ngrams", least, scale)[1])
    for least in (5, 10):
        rows.append(row_of(path.stem, texts, [valid, gold, None, None], "pairs", least)[1])
    names = ("cws/sxu_train.utf8", "cws/msr_slice_train.utf8", "cws/nlpcc2016_train.utf8",
             "cws/sxu_test_gold.utf8", "cws/msr_test_gold.utf8")
    files = [find(name) for name in names]
    if None in files:
        print(f"NOTE: the rows of other texts need {', '.join(names)} in the folder that KEXUE_DATA names.")
        return rows
    others = [run for file in files[:3] for run in runs_of(load(file))]
    tests = [None, None, *map(load, files[3:])]
    for method, least in (("pairs", 5), ("pairs", 10), ("ngrams", 3), ("ngrams", 8), ("ngrams", 32)):
        rows.append(row_of("SXU, MSR, NLPCC", others, tests, method, least)[1])
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
        least_count=(3, cli.Between(1, 1_000_000),
                     "How often a word has to occur; the article's 32 is for hundreds of megabytes."))


if __name__ == "__main__":
    main()
