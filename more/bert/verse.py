"""Poems and couplets as one running text, for gpt2_ml.py. No Keras in here."""

import numpy as np

from common.harness import datasets
from common.harness.paths import named_path
from common.harness.reading import InputError, parse_rows, read_text
from common.harness.vocab import is_han
from common.harness.writing import ROOT

STOP = "。"


def load_verse(data="", smoke=False):
    """(training texts, {name: test texts}, their files, whether those are samples): poems 五字，五字。 and
    couplets 上联；下联。

    The test poems are those of poetry_vae, the test couplets those of couplet. No training text shares a line
    with a test text.

    Args:
        data: "" for the folders poetry and couplets in KEXUE_DATA or the cache, or the samples of poetry_vae
            and couplet where they are not there; or a file of texts, one a line.
        smoke: take the samples for "".
    """
    if data:
        path = named_path(data)
        lines = parse_rows(path, read_text(path).splitlines(), lambda line: (line.strip(), None), "texts")
        texts = [line.rstrip(STOP) + STOP for line in lines]
        train = [text for number, text in enumerate(texts) if number % 10]
        return train, {"texts": texts[::10]}, [path], False
    names = ["poetry/wuyan_tang_simp.txt", "couplets/couplets_train.tsv", "couplets/couplets_test.tsv"]
    paths = [datasets.find(name) for name in names]
    builtin = smoke or None in paths
    if builtin:
        if not smoke:
            print("NOTE: the built-in verse is too little to learn from. Put poetry/ and couplets/, see the "
                  "READMEs of poetry_vae and couplet, into the folder that KEXUE_DATA names.", flush=True)
        paths = [ROOT / "poetry_vae/samples/couplets.txt", ROOT / "couplet/samples/couplets.tsv"]
    poems = list(dict.fromkeys(filter(None, map(poem_in, read_text(paths[0]).split("\n")))))
    pairs = [list(filter(None, map(couplet_in, read_text(path).split("\n")))) for path in paths[1:]]
    if builtin:
        pairs = [pairs[0][10:], pairs[0][:10]]
    # as poetry_vae draws them
    tested = np.random.default_rng(0).permutation(len(poems))[:len(poems) // 10]
    tests = {"poems": [poems[row] for row in sorted(tested)], "couplets": pairs[1]}
    hidden = {line for texts in tests.values() for text in texts for line in lines_of(text)}
    kept = [poems[row] for row in np.setdiff1d(np.arange(len(poems)), tested)] + pairs[0]
    return [text for text in kept if hidden.isdisjoint(lines_of(text))], tests, paths, builtin


def poem_in(line):
    """五字，五字。 of a line with two clauses of five characters, or None."""
    first, _, second = line.strip().rstrip(STOP).replace("，", ",").partition(",")
    whole = len(first) == len(second) == 5 and all(map(is_han, first + second))
    return f"{first}，{second}{STOP}" if whole else None


def couplet_in(line):
    """上联；下联。 of a line that ends with two columns of one length, or None."""
    first, second = ("".join(column.split()) for column in ["", *line.split("\t")][-2:])
    return f"{first}；{second}{STOP}" if first and len(first) == len(second) else None


def lines_of(text):
    """The lines of a text without punctuation."""
    lines = text.split("；" if "；" in text else "，")
    return ["".join(filter(is_han, line)) for line in lines]


def windows_of(texts, rng, size):
    """Texts in random order one after the other, in rows of `size` numbers; each row begins with the full
    stop of the text before, and loses the end of its last text.

    Args:
        texts: arrays of numbers, each with the full stop's at its end.
    """
    stop = texts[0][-1:]
    stream = np.concatenate([stop, *(texts[i] for i in rng.permutation(len(texts)))])
    stops = np.flatnonzero(stream == stop)
    rows, start = [], 0
    while start + size <= len(stream):
        rows.append(stream[start:start + size])
        last = stops[np.searchsorted(stops, start + size - 1, "right") - 1]
        start = last if last > start else start + size - 1       # within a text longer than a window
    if not rows:
        raise InputError(f"expected texts of {2 * size} tokens in all. Received: {len(stream)}")
    return np.stack(rows)
