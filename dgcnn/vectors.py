"""Word vectors: from a file of word2vec, fastText or gensim, or trained on the passages at hand."""

import collections
import pathlib

import numpy as np

from common import datasets
from common.datasets import InputError
from dgcnn.features import cut, fold

GENSIM = [      # what a pickle of word vectors has to name besides arrays
    ("gensim.models.keyedvectors", "KeyedVectors"), ("gensim.models.word2vec", "Word2Vec"),
    ("gensim.models.fasttext", "FastText"), ("gensim.models.fasttext", "FastTextKeyedVectors"),
    ("gensim.utils", "call_on_class_only"), ("collections", "defaultdict"), ("builtins", "int"), ("builtins", "hash"),
    ("numpy.random._mt19937", "MT19937"), ("numpy.random._pickle", "__bit_generator_ctor"),
    ("numpy.random._pickle", "__randomstate_ctor")]


def word_counts(questions):
    """How often each word occurs in the questions and in their passages, each text once."""
    counts = collections.Counter()
    for text in _texts(questions):
        counts.update(cut(text))
    return counts


def _texts(questions):
    return dict.fromkeys(fold(text) for question in questions
                         for text in (question.text, *(passage.text for passage in question.passages)))


def train_vectors(questions, dimension, most, seed=0):
    """(words, vectors) by skip-gram with the article's settings, window 5, 8 negatives, 8 passes, on these questions alone;
    of all words that occur twice, of which the most frequent `most` are kept.

    The article trained on half a million encyclopedia entries and a million questions besides."""
    from gensim.models import Word2Vec

    sentences = [cut(text) for text in _texts(questions)]
    print(f"vectors: training on {sum(map(len, sentences)):,} words", flush=True)
    # One worker: with more the order of updates, and so the vectors, would differ from run to run.
    model = Word2Vec(sentences, vector_size=dimension, window=5, sg=1, negative=8, epochs=8, min_count=2, workers=1,
                     seed=seed)
    kept = [i for i, word in enumerate(model.wv.index_to_key) if _writable(word)][:most]        # most frequent first
    return [model.wv.index_to_key[i] for i in kept], np.array(model.wv.vectors[kept], "float32")


def load_vectors(path, counts, most):
    """(words, vectors) of a file: the data's words, most frequent first, then the file's own order, up to `most`.

    Args:
        path: text of word2vec, GloVe or fastText (a word and its numbers a line, with or without a first line of sizes),
            word2vec's binary format (.bin), or what gensim's save() wrote (.model, .kv).
        counts: word_counts of the data.
        most: words to keep.

    Raises:
        InputError: no such file, not vectors, or lines of different dimensions, with the line.
    """
    path = pathlib.Path(path).expanduser()
    if not path.is_file():
        raise InputError(f"--vectors expects a file of word vectors. Received: {path}")
    words, vectors = _gensim(path) if path.suffix in (".bin", ".model", ".kv") else _text(path, counts, most)
    if len(wrong := np.flatnonzero(~np.isfinite(vectors).all(axis=1))):
        raise InputError(f"{path} should hold finite numbers. Received: nan or inf in the vector of {words[wrong[0]]!r}")
    order = sorted(range(len(words)), key=lambda i: (-counts[words[i]], i))[:most]
    kept = list(dict.fromkeys(words[i] for i in order if _writable(words[i])))
    place = {words[i]: i for i in reversed(order)}
    found = sum(counts[word] for word in kept) / max(1, counts.total())
    print(f"vectors: {len(kept):,} of {path.name}, {vectors.shape[1]} numbers each, for {found:.0%} of the data's words",
          flush=True)
    return kept, vectors[[place[word] for word in kept]]


def _writable(word):
    """Whether a word can stand on a line of words.txt: texts have line ends, and files of vectors broken bytes as well."""
    return bool(word.strip()) and not any(c in "\r\n" or "\ud800" <= c <= "\udfff" for c in word)


def _gensim(path):
    try:
        if path.suffix == ".bin":
            from gensim.models import KeyedVectors

            found = KeyedVectors.load_word2vec_format(path, binary=True)
        else:
            with open(path, "rb") as file:         # gensim's save() is a pickle, and gensim's load() would run what is in it
                found = datasets.unpickle(file, GENSIM, encoding="latin1")
            found = getattr(found, "wv", found)
            if found.vectors is None:              # large arrays lie beside
                beside = next(p for p in (f"{path}.vectors.npy", f"{path}.wv.vectors.npy") if pathlib.Path(p).exists())
                found.vectors = np.load(beside, mmap_mode="r", allow_pickle=False)
        words, vectors = [fold(word) for word in found.index_to_key], np.array(found.vectors, "float32")
        if vectors.ndim != 2 or not 0 < len(vectors) == len(words):
            raise ValueError(f"{len(words)} words with vectors of shape {vectors.shape}")
        return words, vectors
    except Exception as error:         # gensim reads anything up to the first line that makes no sense
        raise InputError(f"{path} is no file of word vectors that gensim can read: {error!r:.200}") from error


def _text(path, counts, most):
    words, rows, size = [], [], None
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            for number, line in enumerate(file, 1):
                parts = line.rstrip().split(" ")
                if not parts[0] or number == 1 and len(parts) == 2:
                    continue
                size = len(parts) - 1 if size is None else size
                if len(parts) != size + 1 or not size:
                    raise InputError(f"{path} should hold a word and {size} numbers on each line. "
                                     f"Received: {len(parts) - 1} numbers in line {number}")
                word = fold(parts[0])
                if word in counts or len(words) < most:       # a file may hold millions: read what can be used
                    words.append(word)
                    rows.append(np.array(parts[1:], "float32"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} should hold a word and its numbers on each line, but line {number if size else 1} does "
                         f"not: {error}") from error
    if not rows or not size:
        raise InputError(f"{path} should hold a word and its numbers on each line. Received: no vector")
    return words, np.stack(rows)
