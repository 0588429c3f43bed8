"""Word vectors: from a file of word2vec, GloVe or fastText, or trained on the passages at hand."""

import collections

import numpy as np

from common.harness.paths import named_path
from common.harness.reading import InputError
from dgcnn.data import texts_of
from dgcnn.text import normalise, segment

# what gensim's save() writes, and how to load it
PICKLES = {".kv": "gensim.models.KeyedVectors.load({path!r})",
           ".model": "gensim.models.Word2Vec.load({path!r}).wv"}


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
            of sizes), or word2vec's binary format (.bin).
        counts: word_counts of the data.
        most: words to keep.

    Raises:
        InputError: no such file, not vectors, a pickle of gensim, or lines of different dimensions, with the
            line.
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
    order = sorted(range(len(words)), key=lambda i: (-counts[words[i]], i))[:most]
    rows = {}                                      # of a word that occurs twice, the first row
    for i in order:
        if _writable(words[i]):
            rows.setdefault(words[i], i)
    found = sum(counts[word] for word in rows) / max(1, counts.total())
    print(f"vectors: {len(rows):,} of {path.name}, {vectors.shape[1]} numbers each, for {found:.0%} of the "
          f"data's words", flush=True)
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


def _read_binary(path):
    from gensim.models import KeyedVectors

    try:
        found = KeyedVectors.load_word2vec_format(path, binary=True)
        words = [normalise(word) for word in found.index_to_key]
        vectors = np.array(found.vectors, "float32")
        if vectors.ndim != 2 or not 0 < len(vectors) == len(words):
            raise ValueError(f"{len(words)} words with vectors of shape {vectors.shape}")
        return words, vectors
    except Exception as error:         # gensim reads anything up to the first line that makes no sense
        raise InputError(f"{path} is no file of word vectors that gensim can read: {error!r:.200}") from error


def _read_text(path, counts, most):
    """The data's words and the file's first `most`: it may hold millions."""
    words, rows, size, number = [], [], None, 1
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            for number, line in enumerate(file, 1):
                word, *numbers = line.rstrip().split(" ")
                of_sizes = number == 1 and len(numbers) == 1
                if not word or of_sizes:
                    continue
                if size is None:
                    size = len(numbers)
                if len(numbers) != size or not size:
                    raise InputError(f"{path} should hold a word and {size} numbers on each line. "
                                     f"Received: {len(numbers)} numbers in line {number}")
                word = normalise(word)
                if word in counts or len(words) < most:
                    words.append(word)
                    rows.append(np.array(numbers, "float32"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} should hold a word and its numbers on each line, but line {number} does "
                         f"not: {error}") from error
    if not rows:
        raise InputError(f"{path} should hold a word and its numbers on each line. Received: no vector")
    return words, np.stack(rows)
