"""Couplets of five characters a line: from text files, one couplet a line, or from the JSON files of chinese-poetry."""

import hashlib
import json
import pathlib
import re

import numpy as np

from common import datasets, streams
from common.datasets import InputError
from common.vocab import is_han, to_simplified

SAMPLE = pathlib.Path(__file__).resolve().parent / "samples/couplets.txt"
HOME = "https://github.com/chinese-poetry/chinese-poetry"
NAMES = ["poetry/wuyan_tang_simp.txt", "poetry/couplets.txt", "chinese-poetry/全唐诗"]
TANG = "poet.tang.*.json"                                # beside them lie the poets of Song and lists of authors
LINE = 5                                                 # characters in a line; a couplet has ten
SENTENCE, CLAUSE = re.compile("[。！？；\n]"), re.compile("[，,、：\\s]+")


def load_poems(data=""):
    """Couplets, each once, a tenth of them, drawn with a fixed seed, for testing.

    Args:
        data: "" for the first of NAMES in KEXUE_DATA or the cache, or the built-in sample where none is; "sample" for the
            sample; or a path: a text file with lines such as 秦川雄帝宅，函谷壮皇居, or a folder of chinese-poetry's JSON
            files, of which the five-character couplets are taken. Traditional characters become simplified ones. A text file
            of more than datasets.LARGE bytes is read batch by batch: its last couplets are held out, equal ones stay in.

    Raises:
        InputError: nothing usable there, with the file and the line.
    """
    path = SAMPLE if data == "sample" else pathlib.Path(data).expanduser() if data else datasets.find(*NAMES)
    if path is None:
        path = SAMPLE
        print("NOTE: training on the built-in couplets, too few to learn from. The README's numbers need real ones:\n"
              f"      git clone --depth 1 {HOME}\n"
              f"      in {datasets.cache_folder()}, or name your copy's folder 全唐诗 with --data.", flush=True)
    if not path.exists():
        raise InputError(f"--data expects sample or a path that exists. Received: {data}")
    if path.is_file() and path.stat().st_size > datasets.LARGE:
        return streams.large_text(path, lambda line: to_simplified(couplet) if (couplet := couplet_in(line)) else None,
                                  "a couplet such as 秦川雄帝宅，函谷壮皇居")
    if path.is_dir():
        files = poem_files(path)
        couplets = ["".join(couplet) for poem in read_poems(files) for couplet in couplets_of(poem, LINE)]
        if not couplets:
            raise InputError(f"{path} should hold poems with couplets of five characters a line. Received: none")
    else:
        files, couplets = [path], read_couplets(path)
    couplets = list(dict.fromkeys(simplified(couplets)))
    order = np.random.default_rng(0).permutation(len(couplets))
    test = set(order[:len(couplets) // 10].tolist())
    parts = [[couplet for i, couplet in enumerate(couplets) if (i in test) == wanted] for wanted in (False, True)]
    print(f"data: {len(parts[0]):,} training and {len(parts[1]):,} test couplets, from {path}", flush=True)
    sha256 = datasets.sha256_of(path) if path.is_file() else hashlib.sha256(
        "".join(map(datasets.sha256_of, files)).encode()).hexdigest()
    return datasets.Texts(path.stem, str(path), sha256, path == SAMPLE, *parts)


def read_couplets(path):
    """The couplets of a text file as strings of ten characters. Up to one line in a hundred that is none is left out."""
    def parse(line):
        couplet = couplet_in(line)
        return couplet, None if couplet else line.strip()[:30]

    return datasets.parse_rows(path, datasets.read_text(path).split("\n"), parse,
                               "couplets such as 秦川雄帝宅，函谷壮皇居, one a line")


def couplet_in(line):
    """The ten characters of a line such as 秦川雄帝宅，函谷壮皇居, or None."""
    parts = [part for part in CLAUSE.split(line.strip().rstrip("。．.！？；")) if part]
    if len(parts) == 2 and all(len(part) == LINE and all(map(is_han, part)) for part in parts):
        return "".join(parts)
    return None


def simplified(couplets):
    """The couplets in simplified characters, with a note where that changed them."""
    converted = to_simplified("\n".join(couplets)).split("\n")
    changed = sum(a != b for a, b in zip(converted, couplets))
    if changed:
        print(f"note: traditional characters in {changed:,} couplets, converted to simplified ones", flush=True)
    return converted


# --------------------------------------------------------------------------------------------------- chinese-poetry

def poem_files(folder, pattern=TANG):
    """The JSON files of poems in a folder: those of the pattern, or all .json files where none has such a name."""
    files = sorted(folder.rglob(pattern)) or sorted(folder.rglob("*.json"))
    if not files:
        raise InputError(f"{folder} should hold JSON files of chinese-poetry, such as poet.tang.0.json in its folder 全唐诗."
                         f" Received: {', '.join(sorted(path.name for path in folder.iterdir())[:8]) or 'an empty folder'}")
    return files


def read_poems(files):
    """The poems of JSON files, each as a list of its sentences: 秦川雄帝宅，函谷壯皇居 without the full stop."""
    for path in files:
        try:
            poems = json.loads(path.read_text(encoding="utf-8"))
            for poem in poems:
                if "paragraphs" in poem:         # lists of authors have none
                    yield [part for paragraph in poem["paragraphs"] for part in SENTENCE.split(paragraph) if part]
        except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f"{path} should be a JSON file of chinese-poetry, a list of poems with paragraphs, but cannot "
                             f"be read as one: {error}") from error


def couplets_of(sentences, length):
    """(first line, second line) of each sentence that is two clauses of `length` Chinese characters, commentary left out."""
    for sentence in sentences:
        parts = [part for part in CLAUSE.split(sentence) if part]
        if len(parts) == 2 and all(len(part) == length and all(map(is_han, part)) for part in parts):
            yield tuple(parts)
