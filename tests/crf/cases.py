"""What every suite that runs all articles has to know of crf."""

# (script, options): with --smoke in make test
SMOKE = [
    ("train.py", ""),
]
# the same in make test-slow
MORE = [
    ("train.py", "--model softmax --recipe article"),
]
# scripts that need no --smoke, since they end in seconds; the tests of the article run them
OTHERS = [
    "evaluate.py",
    "lists.py",
    "predict.py",
]
# train.py ends in seconds with these, and makes a model that LOAD loads from the run folder
TINY = "--data sample --epochs 3 --model fast"
# least values of options where the built-in sample needs more than an option's own
LEAST = {}
LOAD = "crf.segmenter:Segmenter.load"
WEIGHTS = "model.keras"                    # the file of the model in a run folder
READ = "common.harness.models:load_model"   # what reads that file alone
KERAS = 3
# benchmarks/backends.py: options, and the metric to compare
BACKENDS = ("--data sample --epochs 3", "f1")
# (options of Config, message): refused before anything is written. EMPTY: empty folder, FILE: empty file
BAD = [
    ({"dropout": 1.0}, "--dropout expects 0 to 0.99. Received: 1.0"),
    ({"rare": -1.0}, "--rare expects"),
    ({"validation": 0}, "--validation expects"),
    ({"data": "FILE"}, "at least 10 sentences"),
]


def sentences():
    from crf.data import load_corpus
    from tests.stress.valid import files

    lines = [f"我们  去  {place}  散步  。\n" for place in ["公园", "海边", "山上", "城里"] * 3]
    return files(load_corpus, "x.txt", x_txt="".join(lines).encode())


def words_with_tags():
    from crf.data import load_corpus
    from tests.stress.valid import files

    lines = [f"[我们/r  去/v]v  {place}/n  散步/v  。/w\n" for place in ["公园", "海边", "山上", "城里"] * 3]
    return files(load_corpus, "x.txt", x_txt="".join(lines).encode())


def columns():
    from crf.data import load_corpus
    from tests.stress.valid import files

    lines = [f"去\tS\n{place}\tB\n边\tE\n。\tS\n\n" for place in "海山城江" * 3]
    return files(load_corpus, "x.txt", x_txt="".join(lines).encode())


def user_words():
    from crf.data import read_words
    from tests.stress.valid import WORDS, files

    return files(read_words, "x.txt", x_txt=WORDS + b" 3 n\n")


def word_features():
    from crf.features import Features
    from tests.stress.valid import VOCAB, WORDS, files

    return files(Features.load, vocab_json=VOCAB, bigrams_txt=WORDS, words_txt=WORDS)


# name → function → (valid small files as {name: bytes}, function of a folder that reads them)
READERS = {
    "sentences": sentences,
    "words with tags": words_with_tags,
    "columns": columns,
    "user words": user_words,
    "word features": word_features,
}
