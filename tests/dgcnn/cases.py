"""What every suite that runs all articles has to know of dgcnn."""

import collections
import functools

import numpy as np

# (script, options): with --smoke in make test
SMOKE = [
    ("train.py", ""),
]
# the same in make test-slow
MORE = [
    ("train.py", "--vectors none --features none --without gate --width 32"),
    ("train.py", "--recipe article --width 32"),
    ("train.py", "--recipe release --width 32"),
]
# scripts that need no --smoke, since they end in seconds; the tests of the article run them
OTHERS = [
    "predict.py",
    "evaluate.py",
    "baseline.py",
]
# train.py ends in seconds with these, and makes a model that LOAD loads from the run folder
TINY = "--data sample --epochs 3 --width 16 --max-length 64 --vectors none"
# least values of options where the built-in sample needs more than an option's own
LEAST = {}
LOAD = "dgcnn.reader:Reader.load"
WEIGHTS = "model.keras"                    # the file of the model in a run folder
READ = "common.harness.models:load_model"   # what reads that file alone
KERAS = 3
# benchmarks/backends.py: options, and the metric to compare
BACKENDS = ("--data sample --epochs 6 --width 32 --batch-size 16 --vectors none --features none", "test_f1")
# (options of Config, message): refused before anything is written. EMPTY is an empty folder,
# FILE an empty file
BAD = [
    ({"data": "EMPTY"}, "an empty folder"),
    ({"data": "FILE"}, "line 1 column 1, is no JSON"),
    ({"width": 1}, "--width expects 2 to 4,096. Received: 1"),
    ({"average": 1.0}, "--average expects"),
    ({"max_length": 8}, "--max-length expects 32 to 4,096. Received: 8"),
    ({"data": "sample", "vectors": "/nowhere"}, "a file of word vectors. Received: /nowhere"),
    ({"data": "sample", "vectors": ""}, "a file of word vectors"),
]


def author_questions():
    from dgcnn.data import load_questions
    from tests.stress.valid import dumped, files

    records = []
    for i in range(30):
        passages = [{"answer": f"{i}米", "passage": f"这座山高{i}米，在南方。"},
                    {"answer": "", "passage": "山很远。"}]
        records.append({"id": str(i), "question": f"第{i}座山有多高？", "passages": passages})
    return files(load_questions, "x.json", x_json=dumped(records))


def squad_questions():
    from dgcnn.data import load_questions
    from tests.stress.valid import dumped, files

    articles = []
    for i in range(30):
        answers = [{"text": f"{i}米", "answer_start": 4}]
        paragraph = {"context": f"这座山高{i}米。",
                     "qas": [{"id": f"q{i}", "question": "山有多高？", "answers": answers}]}
        articles.append({"title": "山", "paragraphs": [paragraph]})
    return files(load_questions, "x.json", x_json=dumped({"version": "1", "data": articles}))


def known_words():
    from dgcnn.text import Encoder
    from tests.stress.valid import VOCAB, WORDS, files

    read = functools.partial(Encoder.load, characters=7, words=4, features="")
    return files(read, vocab_json=VOCAB, words_txt=WORDS)


def read_vectors(path):
    from dgcnn.vectors import load_vectors

    return load_vectors(path, collections.Counter("山水"), 100)


def text_vectors():
    from tests.stress.valid import files

    lines = "4 3\n的 0.1 0.2 0.3\n山 1 2 3\n水 -1 0 1e-3\n风 4 5 6\n"
    return files(read_vectors, "x.txt", x_txt=lines.encode())


def binary_vectors():
    from tests.stress.valid import files

    numbers = np.arange(3, dtype="<f4").tobytes()
    lines = [word.encode() + b" " + numbers + b"\n" for word in "山水"]
    return files(read_vectors, "x.bin", x_bin=b"2 3\n" + b"".join(lines))


# name → function → (valid small files as {name: bytes}, function of a folder that reads them)
READERS = {
    "questions": author_questions,
    "squad": squad_questions,
    "known words": known_words,
    "vectors": text_vectors,
    "binary vectors": binary_vectors,
}
