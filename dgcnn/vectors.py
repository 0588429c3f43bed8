"""Word vectors: from a file of word2vec, GloVe or fastText, or trained on the passages at hand."""

import codecs
import collections
import contextlib
import itertools

import numpy as np

from common.harness.paths import named_path
from common.harness.reading import InputError, byte_lines, refuse_marked
from common.harness.vocab import is_han
from dgcnn.data import texts_of
from dgcnn.text import normalise, segment

# what gensim's save() writes, and how to load it
PICKLES = {".kv": "gensim.models.KeyedVectors.load({path!r})",
           ".model": "gensim.models.Word2Vec.load({path!r}).wv"}

LEAST_SHARE = 0.01           # of the data's words that a file has vectors for
LOOKED_AT = 1000             # words that tell the encoding, among a hundred times as many


def word_counts(questions):
    """How often each word occurs in the questions and in their passages, each text once."""
    counts = collections.Counter()
    for text in texts_of(questions):
        counts.update(segment(text))
    return counts


def train_vectors(questions, dimension, most, seed=0):
    """(words, vectors) by skip-gram with the article's settings, window 5, 8 negatives, 8 passes, on these
    questions alone; of all words that occur twice, of which the most frequent `most` are kept.

    The article trained on half a million encyclopedia entries and a million questions besides."""
    from gensim.models import Word2Vec

    sentences = [segment(text) for text in texts_of(questions)]
    print(f"vectors: training on {sum(map(len, sentences)):,} words", flush=True)
    # One worker: with more the order of updates, and so the vectors, would differ from run to run.
    found = Word2Vec(sentences, vector_size=dimension, window=5, sg=1, negative=8, epochs=8, min_count=2,
                     workers=1, seed=seed).wv
    kept = [i for i, word in enumerate(found.index_to_key) if _writable(word)][:most]    # most frequent first
    return [found.index_to_key[i] for i in kept], np.array(found.vectors[kept], "float32")


def load_vectors(path, counts, most):
    """(words, vectors) of a file: the data's words, most frequent first, then the file's own order, up to
    `most`.

    Args:
        path: text of word2vec, GloVe or fastText (a word and its numbers a line, with or without a first line
            of sizes), or word2vec's binary format (.bin); in UTF-8, or, with a note, in GB18030 or Big5.
        counts: word_counts of the data.
        most: words to keep.

    Raises:
        InputError: no such file, not vectors, a pickle of gensim, lines of different dimensions, with the
            line, or vectors of other words than the data's.
    """
    path = named_path(path, "--vectors")
    if not path.is_file():
        raise InputError(f"--vectors expects a file of word vectors. Received: {path}")
    if path.suffix in PICKLES:
        raise InputError(_how_to_convert(path))
    words, vectors = _read_binary(path) if path.suffix == ".bin" else _read_text(path, counts, most)
    wrong = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(wrong):
        raise InputError(f"{path} should hold finite numbers. "
                         f"Received: nan or inf in the vector of {words[wrong[0]]!r}")
    _refuse_other_words(path, words, counts)
    order = sorted(range(len(words)), key=lambda i: (-counts[words[i]], i))[:most]
    rows = {}                                      # of a word that occurs twice, the first row
    for i in order:
        if _writable(words[i]):
            rows.setdefault(words[i], i)
    found = sum(counts[word] for word in rows) / max(1, counts.total())
    print(f"vectors: {len(rows):,} of {path.name}, {vectors.shape[1]} numbers each; they cover {found:.0%} "
          "of the data's words", flush=True)
    return list(rows), vectors[list(rows.values())]


def _how_to_convert(path):
    """What to do with a pickle: to load one is to run what is in it, so it is converted by who trusts it."""
    loaded = PICKLES[path.suffix].format(path=path.name)
    return (f"--vectors expects word2vec's text or binary form, not a pickle of gensim. Convert it in Python "
            f"by {loaded}.save_word2vec_format({path.stem + '.bin'!r}, binary=True). Received: {path}")


def _writable(word):
    """Whether a word can stand on a line of words.txt: texts have line ends, and files of vectors broken
    bytes."""
    return bool(word.strip()) and not any(c in "\r\n" or "\ud800" <= c <= "\udfff" for c in word)


def _refuse_other_words(path, words, counts):
    """InputError where hardly any of the data's words has a vector: the file is of another language, or in
    another encoding.

    Where the data are Chinese, that is of their Chinese words: digits and punctuation stand in any file."""
    judged, which = counts, "the data's words"
    chinese = {word: count for word, count in counts.items() if any(map(is_han, word))}
    if 10 * sum(chinese.values()) > counts.total():
        judged, which = chinese, "the data's words with Chinese characters"
    share = sum(judged.get(word, 0) for word in set(words)) / max(1, sum(judged.values()))
    if judged and share < LEAST_SHARE:
        examples = ", ".join(repr(word[:20]) for word in words[:5])
        raise InputError(f"{path} should hold vectors of the words of the data. Received: words such as "
                         f"{examples}; vectors for {share:.1%} of {which}")


def _encoding_of(words, path):
    """utf-8, or gb18030 or big5 where the first words that are not ASCII say so. A few that are no UTF-8, cut
    within a character, are in many files; single characters of GB18030, such as 山, often are UTF-8 of
    another."""
    foreign = list(itertools.islice((word for word in words if not word.isascii()), LOOKED_AT))
    kinds = collections.Counter(map(_kind_of, foreign))
    if kinds["broken"] <= max(kinds["utf-8"], len(foreign) // 4):
        return "utf-8"
    most = 0.8 * len(foreign)
    # the bytes of Big5 make words in GB18030, too, of rare characters, which are not in GB 2312
    in_big5 = _count_in("gb2312", foreign) < most <= _count_in("big5", foreign)
    encoding = "big5" if in_big5 else "gb18030"
    print(f"note: the words of {path.name} are no UTF-8: they are read as {encoding.upper()}", flush=True)
    return encoding


def _count_in(encoding, words):
    """How many of some words in bytes are text in an encoding."""
    count = 0
    for word in words:
        with contextlib.suppress(UnicodeDecodeError):
            word.decode(encoding)
            count += 1
    return count


def _kind_of(word):
    """Whether bytes are "broken" UTF-8, "utf-8", which Chinese is in three bytes each, or what may be
    "either"."""
    try:
        return "utf-8" if max(word.decode("utf-8")) >= "\u0800" else "either"
    except UnicodeDecodeError:
        return "broken"


def _read_binary(path):
    from gensim.models import KeyedVectors

    try:
        found = KeyedVectors.load_word2vec_format(path, binary=True, unicode_errors="surrogateescape")
        words = [word.encode("utf-8", "surrogateescape") for word in found.index_to_key]
        vectors = np.array(found.vectors, "float32")
        if vectors.ndim != 2 or not 0 < len(vectors) == len(words):
            raise ValueError(f"{len(words)} words with vectors of shape {vectors.shape}")
    except Exception as error:         # gensim reads anything up to the first line that makes no sense
        raise InputError(f"{path} is no file of word vectors that gensim can read: {error!r:.200}") from error
    encoding = _encoding_of(words, path)
    return [normalise(word.decode(encoding, "surrogateescape")) for word in words], vectors


def _read_text(path, counts, most):
    """The data's words and the file's first `most`: it may hold millions."""
    size = _count_numbers(path)
    if not size:
        raise InputError(f"{path} should hold a word and its numbers on each line. Received: no vector")
    first = itertools.islice(_entries(path, size), 100 * LOOKED_AT)
    encoding = _encoding_of((word for _, word, _ in first), path)
    words, rows = [], []
    for number, word, numbers in _entries(path, size):
        word = normalise(word.decode(encoding, "surrogateescape"))
        if word in counts or len(words) < most:
            try:
                rows.append(np.array(list(map(float, numbers)), "float32"))
            except ValueError as error:
                raise InputError(f"{path} should hold a word and its numbers on each line, but line {number} "
                                 f"does not: {error}") from error
            words.append(word)
    if not rows:
        raise InputError(f"{path} should hold a word and its numbers on each line. Received: no vector")
    return words, np.stack(rows)


def _count_numbers(path):
    """How many numbers follow a word: what most of the first lines say, as a word may hold blanks and be a
    number."""
    lines = [line.split() for _, line in itertools.islice(_lines(path), 100)]
    counts = collections.Counter(min(_numbers_at_end(fields), len(fields) - 1) for fields in lines)
    return max(counts, key=lambda size: (counts[size], size), default=0)


def _numbers_at_end(fields):
    for count, field in enumerate(reversed(fields)):
        try:
            float(field)
        except ValueError:
            return count
    return len(fields)


def _entries(path, size):
    """(number of the line, word, its numbers) as bytes. Numbers end at blanks or tabs, of which a word may
    hold some; a line without a word, whose word is a blank, is left out."""
    for number, line in _lines(path):
        fields = line.rsplit(None, size)
        if len(fields) == size and line[:1].isspace():
            continue
        if len(fields) != size + 1:
            raise InputError(f"{path} should hold a word and {size} numbers on each line. "
                             f"Received: {len(fields) - 1} numbers in line {number}")
        yield number, fields[0].strip(), fields[1:]


def _lines(path):
    """(number, line) of a text of vectors, without a byte order mark, a first line of sizes and blank
    lines."""
    for number, line in enumerate(byte_lines(path, "a file of word vectors"), 1):
        if number == 1:
            refuse_marked(line, path)
            line = line.removeprefix(codecs.BOM_UTF8)
            fields = line.split()
            if len(fields) == 2 and all(map(bytes.isdigit, fields)):
                continue
        if line.strip():
            yield number, line
