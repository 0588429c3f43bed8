"""How fast and in how much memory more/word_discovery.py counts n-grams.

    python benchmarks/ngrams.py                CPU seconds beside a loop over a dictionary, People's Daily
    python benchmarks/ngrams.py --gigabyte     peak memory and minutes of the words of a gigabyte of text
    python benchmarks/ngrams.py 300000000      the same of another size

The gigabyte is sampled from the pairs of characters of the same newspaper: it has as many different n-grams
as a text of that size may have, which repetitions of a small one would not have. It is written to a temporary
folder, which needs 8 GB.
"""

import collections
import pathlib
import resource
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import numpy as np

from common.harness.datasets import find
from common.harness.reading import byte_lines
from more.word_discovery import LONGEST, Counts, Runs, discover, load, runs_of, text_of


def looped(texts):
    """The counts of n-grams by a dictionary, as one writes it first."""
    counts = collections.Counter()
    for text in texts:
        for start in range(len(text)):
            for n in range(1, LONGEST + 1):
                if start + n <= len(text):
                    counts[text[start:start + n]] += 1
    return counts


def compare(texts, repeats=3):
    """CPU seconds of both, the least of several, by turns; and that they agree."""
    times = {"loop": [], "ours": []}
    for _ in range(repeats):
        for name, count in (("loop", looped), ("ours", Counts)):
            start = time.process_time()
            found = count(texts)
            times[name].append(time.process_time() - start)
            if name == "loop":
                expected = found
    ours = {}
    for n, (keys, counts) in found.tables.items():
        ours |= dict(zip(text_of(keys, n), counts.tolist()))
    assert ours == expected
    loop, own = min(times["loop"]), min(times["ours"])
    print(f"{sum(map(len, texts)):,} characters, {len(ours):,} n-grams: loop {loop:.2f} s, ours {own:.2f} s, "
          f"{loop / own:.1f} times as fast")


def sample(texts, path, size, seed=0, chains=10_000):
    """Writes so many bytes of UTF-8, sampled from the pairs of the texts, in lines of 60 characters."""
    text = "\n".join(texts) + "\n"
    codes = np.frombuffer(text.encode("utf-16-le"), "uint16")
    order = np.argsort(codes[:-1], kind="stable")
    followers = codes[1:][order]                            # of each character, together
    first = np.searchsorted(codes[:-1][order], np.arange(2 ** 16 + 1))
    rng, written = np.random.default_rng(seed), 0
    state = np.full(chains, 10, "uint16")
    with open(path, "wb") as file:
        while written < size:
            block = np.empty((60, chains), "uint16")
            for row in block:
                start, end = first[state], first[state.astype(int) + 1]
                state = followers[start + (rng.random(chains) * (end - start)).astype(int)]
                row[:] = state
            lines = np.concatenate([block.T, np.full((chains, 1), 10, "uint16")], axis=1)
            content = lines.tobytes().decode("utf-16-le").encode()
            file.write(content)
            written += len(content)


def gigabyte(texts, size, least_count=32):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "text.txt")
        sample(texts, path, size)
        before, start = peak(), time.time()
        runs = Runs(lambda: byte_lines(path))
        words = discover(runs, "ngrams", least_count)
    print(f"{size:,} bytes, {len(words):,} words: {(time.time() - start) / 60:.1f} minutes, peak "
          f"{peak() / 1e9:.2f} GB (before: {before / 1e9:.2f} GB)")


def peak():
    """The most memory that the process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    newspaper = runs_of(load(find("cws/pd199801.utf8")))
    sizes = [10 ** 9 if size == "--gigabyte" else int(size) for size in sys.argv[1:]]
    for size in sizes:
        gigabyte(newspaper, size)
    if not sizes:
        compare(newspaper)
