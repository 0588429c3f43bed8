"""Corpora of segmented text, their tags, and batches of sentences of similar length."""

import dataclasses
import itertools
import pathlib

import keras
import numpy as np

from common.harness import devices, reading, streams
from common.harness.batches import LineBatches, ShuffledBatches
from common.harness.datasets import Texts, own_folder, wrong_data
from common.harness.language import in_users_language
from common.harness.order import EpochBatches
from common.harness.paths import named_path
from common.harness.reading import InputError, byte_lines, decoded, read_text, sha256_of, too_large
from common.harness.vocab import UNKNOWN
from crf import forms
from crf.features import LONGEST_WORD, word_features

SAMPLE = pathlib.Path(__file__).resolve().parent / "samples" / "sentences.txt"
CORPORA = {
    "sxu": "SIGHAN 2008, Shanxi University",
    "pku": "People's Daily, January 1998, in the standard of Peking University",
    "nlpcc2016": "NLPCC 2016, micro-blogs",
    "msr": "SIGHAN 2005, Microsoft Research (icwb2-data)",
    "msr_slice": "the last tenth of MSR's training text",
}
FILES = {"pku": "pd199801.utf8"}   # where it is not NAME_train.utf8
B, M, E, S = range(4)             # begin, middle, end of a word, and a word of one character
LABELS = ["B", "M", "E", "S"]
LENGTHS = np.array([24, 40, 64, 96, 160, 256])      # of padded batches: few, XLA compiles for each anew
COUNTED = 100_000                 # sentences of a file larger than memory that tell what is rare and its form


# ---------------------------------------------------------------------------------------------------- corpora

def load_corpus(data="", test=""):
    """A corpus by name or path.

    Args:
        data: "" for SXU, or the built-in sentences where it is not there; a name of CORPORA, looked up in the
            folder that KEXUE_DATA names; "sample"; or a file of sentences, one a line, with blanks between
            words, or in one of the other forms of forms.py.
        test: a file of sentences to test on. By default that of the named corpus, else every tenth sentence
            of the file.

    Raises:
        InputError: no such file, or one that is no segmented text, with the line.
    """
    name, path, path_test = _find_corpus(data, test)
    if too_large(path.stat().st_size):
        corpus = streams.large_text(path, _parser_of_large(path), "words separated by blanks")
        return dataclasses.replace(corpus, test=read_sentences(path_test)) if path_test else corpus
    train = read_sentences(path)
    if path_test:
        tested = read_sentences(path_test)
    else:
        tested = train[9::10]
        train = [words for i, words in enumerate(train) if i % 10 != 9]
    print(in_users_language(
        f"data: {name}, {len(train):,} training and {len(tested):,} test sentences, from {path}",
        f"数据：{name}，训练句 {len(train):,} 个，测试句 {len(tested):,} 个，来自 {path}"), flush=True)
    return Texts(name, str(path), sha256_of(path), name == "sample", train, tested)


def _parser_of_large(path):
    """Function of a line → its words, for a file that is read batch by batch: what its first lines say."""
    first = itertools.islice(byte_lines(path), COUNTED)
    lines = [decoded(line, path, number) for number, line in enumerate(first, 1)]
    if forms.looks_like_columns(lines):
        raise InputError(f"{path} should hold sentences, one a line. Received: columns, such as "
                         f"{lines[0].strip()[:60]!r}; a file of columns is read into memory and may "
                         f"have {reading.LARGE:,} bytes at most")
    return forms.parser_for(lines, path)


def _find_corpus(data, test):
    """(name, file of sentences, file of test sentences or None) for --data and --test."""
    test = named_path(test, "--test") if test else None
    if test and not (test.exists() and not test.is_dir()):
        raise InputError(in_users_language(
            f"--test expects a file of segmented sentences. Received: {test}",
            f"--test 需要分好词的句子文件。收到：{test}"))
    if data == "sample":
        return "sample", SAMPLE, test
    if data in ("", *CORPORA):
        return _find_named(data, test)
    path = named_path(data)
    if not path.is_file():
        raise wrong_data(f"{', '.join(CORPORA)}, sample", data, "a file of segmented sentences",
                         "分好词的句子文件")
    return path.stem, path, test


def _find_named(data, test):
    """A corpus in KEXUE_DATA, "" for SXU; the built-in sample instead, unless the corpus was asked for."""
    name = data or "sxu"
    own = own_folder()
    folder = (own or pathlib.Path()) / "cws"
    path = folder / FILES.get(name, f"{name}_train.utf8")
    path_test = test or folder / f"{name.removesuffix('_slice')}_test_gold.utf8"
    if own and path.is_file():
        return name, path, path_test if path_test.is_file() else None
    advice = in_users_language(
        f"get {CORPORA[name]} and name its files with --data and --test, or put them into cws/ of the "
        f"folder that KEXUE_DATA names, as {path.name} and {path_test.name}.",
        f"请下载 {CORPORA[name]}，用 --data 和 --test 指定其中的文件，或命名为 {path.name} 和 "
        f"{path_test.name}，放进 KEXUE_DATA 所指目录的 cws/。")
    if data:
        raise InputError(in_users_language(f"{name} is not there: {advice}", f"没有 {name}：{advice}"))
    print(in_users_language(
        f"NOTE: training on the built-in sentences, not on {name.upper()}.\n"
        f"      The numbers in the README need {name.upper()}: {advice}",
        f"注意：用自带的句子训练，不是 {name.upper()}。\n"
        f"      README 里的数字要用 {name.upper()}：{advice}"), flush=True)
    return "sample", SAMPLE, test


def read_sentences(path):
    """The sentences of a SIGHAN file as lists of words: UTF-8, one a line, blanks between the words.

    Words with tags and columns of characters are read too, with a note, see forms.py."""
    lines = read_text(path).split("\n")
    sentences = [words for words in forms.sentences_in(lines, path) if words]
    if len(sentences) < 10:
        raise InputError(f"{path} should hold at least 10 sentences, one a line, or in columns with blank "
                         f"lines between them. Received: {len(sentences)}")
    if max(map(len, sentences)) == 1:
        raise InputError(f"{path} should hold words separated by blanks. "
                         f"Received: {len(sentences)} lines without any blank")
    return sentences


def read_words(path):
    """The words of a user dictionary, one a line.

    What follows a blank, such as jieba's counts, is not read."""
    return [line.split()[0] for line in read_text(path).splitlines() if line.strip()]


def words_in(sentences):
    """The different words of sentences."""
    return {word for words in sentences for word in words}


def split(sentences, count, seed):
    """(training, validation) sentences: `count` of them, at most a tenth, validate.

    Of a file larger than memory these are the last ones; of a list, a random choice that the seed decides."""
    count = max(1, min(count, len(sentences) // 10))
    if isinstance(sentences, streams.Lines):
        return sentences[:-count], list(sentences[-count:])
    order = np.random.default_rng(seed).permutation(len(sentences))
    return [sentences[i] for i in order[count:]], [sentences[i] for i in order[:count]]


# ---------------------------------------------------------------------------------------- sentences as arrays

def tags_of(words):
    """The tags of a sentence's characters, int32: S for a word of one, else B M ... M E."""
    tags = []
    for word in words:
        tags += [S] if len(word) == 1 else [B, *[M] * (len(word) - 2), E]
    return np.array(tags, "int32")


def split_sentence(words, longest):
    """A sentence in pieces of at most so many characters, between words; a longer word loses its end."""
    pieces, room = [[]], longest
    for word in words:
        if len(word) > room and pieces[-1]:
            pieces.append([])
            room = longest
        pieces[-1].append(word[:longest])
        room -= len(word)
    return pieces


def encode(words, features):
    """A sentence as (characters, bigrams, words, tags)."""
    return *features.encode("".join(words)), tags_of(words)


def hidden_shares(encoded, rare):
    """How much of each number training hides, rare / (rare + n) of n; a list of columns for each input."""
    characters, bigrams, words, _ = zip(*encoded)
    result = []
    for numbers in (characters, bigrams, words):
        numbers = np.concatenate(numbers)
        columns = numbers.reshape(len(numbers), -1).T
        counts = [np.bincount(column) for column in columns]
        result.append([rare / np.maximum(rare + count, 1e-9) for count in counts])
    return result


def arrays_of(encoded, length, hidden, rng):
    """Encoded sentences as the model takes them, padded to a length.

    With `hidden`, the shares of hidden_shares, rare numbers are hidden by chance."""
    characters, bigrams, tags = np.zeros((3, len(encoded), length), "int32")
    words = np.zeros((len(encoded), length, LONGEST_WORD - 1), "int32")
    arrays = characters, bigrams, words, tags
    for row, sentence in enumerate(encoded):
        for array, values in zip(arrays, sentence):
            array[row, :len(values)] = values
    for array, shares, instead in zip(arrays, hidden or (), (UNKNOWN, UNKNOWN, 0)):
        columns = array.reshape(len(encoded) * length, -1).T
        for column, share in zip(columns, shares):
            # the last number of a column may be absent from what was counted
            known = np.minimum(column, len(share) - 1)
            column[(rng.random(len(column), "float32") < share[known]) & (column > 0)] = instead
    return (characters, bigrams, word_features(words)), tags


# ---------------------------------------------------------------------------------------------------- batches

class Buckets:
    """What batches for training and validation share: sentences in buckets, one for each of LENGTHS.

    A batch holds sentences of one bucket, of longer ones fewer: all batches hold about as many characters.
    """

    allowed_widths = LENGTHS
    hidden = None

    def _encode(self, sentences, features):
        pieces = []
        for words in sentences:
            pieces += split_sentence(words, LENGTHS[-1])
        self.sentences = [encode(words, features) for words in pieces]
        self.buckets = np.searchsorted(LENGTHS, [len(tags) for *_, tags in self.sentences])

    def _in_buckets(self, order):
        """(rows, batch size) of each bucket, its rows in the given order."""
        for bucket, length in enumerate(LENGTHS):
            # --batch-size is for sentences of 48 characters
            size = devices.divisible(self.run.config.batch_size * 48 // length)
            yield order[self.buckets[order] == bucket], max(devices.count(), size)

    def widths(self, rows):
        return [int(LENGTHS[self.buckets[rows[0]]])]

    def item(self, rows, rng, length):
        return arrays_of([self.sentences[row] for row in rows], length, self.hidden, rng)


class SentenceBatches(Buckets, ShuffledBatches):
    """Shuffled batches of sentences of similar length.

    What is left over of a length waits for the next epoch's shuffle: a smaller batch would be another shape
    to compile for. Rare numbers are hidden: one with n occurrences becomes UNKNOWN at rare / (rare + n) of
    them. In a new text every fourth bigram is unknown, in the training text far fewer: the model has to
    learn both.

    Args:
        run: the Run, whose configuration has seed and batch_size (sentences of 48 characters) and whose epoch
            is delivered.
        sentences: lists of words.
        features: Features.
        rare: how rare; 0 hides nothing.
    """

    def __init__(self, run, sentences, features, rare=0.0):
        self._encode(sentences, features)
        self.hidden = hidden_shares(self.sentences, rare)
        super().__init__(run, len(self.sentences))

    def plan(self, rng):
        batches = []
        for rows, size in self._in_buckets(rng.permutation(len(self.sentences))):
            # too few for one batch: they are one, if the devices can share it
            whole = len(rows) - len(rows) % size or devices.divisible(len(rows))
            batches += in_batches(rows[:whole], size)
        return [batches[i] for i in rng.permutation(len(batches))]


class ValidationBatches(Buckets, EpochBatches, keras.utils.PyDataset):
    """Batches of all sentences in a fixed order. Nothing is hidden, and every process takes whole batches.

    Args:
        run, sentences, features: see SentenceBatches.
    """

    def __init__(self, run, sentences, features):
        self._encode(sentences, features)
        super().__init__(run)

    def plan(self, rng):
        batches = []
        for rows, size in self._in_buckets(np.arange(len(self.sentences))):
            batches += in_batches(rows, size)
        return batches


class StreamedBatches(LineBatches):
    """Batches of sentences that do not fit into memory, of batch_size sentences each; one of more than 256
    characters loses its end. The first 100,000 sentences tell how rare a number is.

    Args:
        run, sentences, features, rare: see SentenceBatches; the sentences are streams.Lines.
    """

    def __init__(self, run, sentences, features, rare=0.0):
        self.features = features
        first = [encode(words, features) for words in sentences[:COUNTED]]
        self.hidden = hidden_shares(first, rare)
        super().__init__(run, sentences, self._arrays, length_of, LENGTHS)

    def _arrays(self, sentences, length, rng):
        pieces = [split_sentence(words, LENGTHS[-1])[0] for words in sentences]
        return arrays_of([encode(words, self.features) for words in pieces], length, self.hidden, rng)


def training_batches(run, sentences, features, rare):
    """What the training sentences are delivered in, by where they are."""
    batches = StreamedBatches if isinstance(sentences, streams.Lines) else SentenceBatches
    return batches(run, sentences, features, rare)


def in_batches(rows, size):
    """An array in parts of so many rows, the last one of what is left."""
    return [rows[start:start + size] for start in range(0, len(rows), size)]


def length_of(words):
    """The length of a sentence in a batch: its characters, up to the longest there may be."""
    return min(sum(map(len, words)), LENGTHS[-1])
