"""Couplets of five characters a line: from text files, one couplet a line, or from the JSON files of
chinese-poetry."""

import json
import pathlib
import re

import numpy as np

from common.harness import datasets, streams
from common.harness.batches import ArrayBatches, LineBatches
from common.harness.download import cache_folder
from common.harness.language import in_users_language
from common.harness.reading import InputError, parse_rows, read_text, sha256_of, sha256_of_all, too_large
from common.harness.vocab import is_han, to_simplified

SAMPLE = pathlib.Path(__file__).resolve().parent / "samples/couplets.txt"
HOME = "https://github.com/chinese-poetry/chinese-poetry"
NAMES = ("poetry/wuyan_tang_simp.txt", "poetry/couplets.txt", "chinese-poetry/全唐诗")
TANG = "poet.tang.*.json"                             # beside them lie the poets of Song and lists of authors
LINE = 5                                                 # characters in a line; a couplet has ten
SENTENCE, CLAUSE = re.compile("[。！？；\n]"), re.compile("[，,、：\\s]+")
EXAMPLE = "秦川雄帝宅，函谷壮皇居"


def load_poems(data=""):
    """Couplets, each once, a tenth of them, drawn with a fixed seed, for testing.

    Args:
        data: "" for the first of NAMES in KEXUE_DATA or the cache, or the built-in sample where none is;
            "sample" for the sample; or a path: a text file with lines such as EXAMPLE, or a folder of
            chinese-poetry's JSON files, of which the five-character couplets are taken. Traditional
            characters become simplified ones, see simplified(). A text file of more than LARGE bytes is read
            batch by batch: its last couplets are held out, equal ones stay in.

    Raises:
        InputError: nothing usable there, with the file and the line.
    """
    path = datasets.find_text(data, NAMES, SAMPLE, how_to_get_data())
    if path.is_file() and too_large(path.stat().st_size):
        return streams.large_text(path, simplified_couplet_in, f"a couplet such as {EXAMPLE}")
    if path.is_dir():
        files = poem_files(path)
        couplets, sha256 = couplets_in(files, path), sha256_of_all(files)
    else:
        couplets, sha256 = read_couplets(path), sha256_of(path)
    train, test = split(list(dict.fromkeys(simplified(couplets))))
    print(in_users_language(
        f"data: {len(train):,} training and {len(test):,} test couplets, from {path}",
        f"数据：训练诗句 {len(train):,} 联，测试诗句 {len(test):,} 联，来自 {path}"), flush=True)
    return datasets.Texts(path.stem, str(path), sha256, path == SAMPLE, train, test)


def how_to_get_data():
    return in_users_language(
        "NOTE: these are the built-in couplets, too few to learn from. The README's numbers need real\n"
        f"      ones: git clone --depth 1 {HOME}\n"
        f"      in {cache_folder()}, or name your copy's folder 全唐诗 with --data.",
        "注意：这是自带的少量诗句，学不到什么。README 里的数字要用真实的诗：请在\n"
        f"      {cache_folder()} 里 git clone --depth 1 {HOME}\n"
        "      或用 --data 指定你那份的全唐诗目录。")


def split(couplets):
    """(nine tenths of the couplets, a tenth), drawn with a fixed seed, in their order."""
    is_test = np.zeros(len(couplets), bool)
    is_test[np.random.default_rng(0).permutation(len(couplets))[:len(couplets) // 10]] = True
    train = [couplet for couplet, tested in zip(couplets, is_test) if not tested]
    test = [couplet for couplet, tested in zip(couplets, is_test) if tested]
    return train, test


def read_couplets(path):
    """The couplets of a text file as strings of ten characters. Up to one line in a hundred that is none is
    left out."""
    lines = read_text(path).split("\n")
    return parse_rows(path, lines, parse_line, f"couplets such as {EXAMPLE}, one a line")


def parse_line(line):
    """(the couplet in a line, None), or (None, the beginning of the line)."""
    couplet = couplet_in(line)
    return couplet, None if couplet else line.strip()[:30]


def couplet_in(line):
    """The ten characters of a line such as 秦川雄帝宅，函谷壮皇居, or None."""
    clauses = clauses_of(line.strip().rstrip("。．.！？；"), LINE)
    return "".join(clauses) if clauses else None


def simplified_couplet_in(line):
    couplet = couplet_in(line)
    return to_simplified(couplet) if couplet else None


def clauses_of(sentence, length):
    """(first line, second line) of a sentence that is two clauses of `length` Chinese characters, or None."""
    clauses = tuple(clause for clause in CLAUSE.split(sentence) if clause)
    if len(clauses) == 2 and all(is_line(clause, length) for clause in clauses):
        return clauses
    return None


def is_line(text, length):
    return len(text) == length and all(map(is_han, text))


def simplified(couplets):
    """Couplets in traditional characters become simplified ones, with a note.

    A corpus of which that would change one couplet in a hundred or less is in simplified characters and stays
    as it is. OpenCC changes variants in it, such as 谿, and its versions do not agree in which: with them
    would change which couplets are different ones, and so all that is drawn for testing."""
    converted = to_simplified("\n".join(couplets)).split("\n")
    changed = sum(before != after for before, after in zip(couplets, converted))
    if changed <= len(couplets) // 100:
        return couplets
    print(in_users_language(
        f"note: {changed:,} couplets had traditional characters, which are converted to simplified ones",
        f"注意：{changed:,} 联里有繁体字，已转为简体"), flush=True)
    return converted


# -------------------------------------------------------------------------------------------- chinese-poetry

def poem_files(folder, pattern=TANG):
    """The JSON files of poems in a folder: those of the pattern, or else all .json files."""
    files = sorted(folder.rglob(pattern)) or sorted(folder.rglob("*.json"))
    if not files:
        found = ", ".join(sorted(path.name for path in folder.iterdir())[:8])
        raise InputError(f"{folder} should hold JSON files, such as chinese-poetry's in its folder 全唐诗. "
                         f"Received: {found or 'an empty folder'}")
    return files


def couplets_in(files, folder):
    """The five-character couplets of JSON files, as strings of ten characters."""
    couplets = []
    for poem in read_poems(files):
        couplets += ["".join(couplet) for couplet in couplets_of(poem, LINE)]
    if not couplets:
        raise InputError(f"{folder} should hold poems with couplets of five characters a line. "
                         "Received: none")
    return couplets


def read_poems(files):
    """The poems of JSON files, each as a list of its sentences without their full stops."""
    for path in files:
        text = read_text(path)
        try:
            for poem in json.loads(text):
                if "paragraphs" in poem:         # lists of authors have none
                    yield sentences_of(poem["paragraphs"])
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f"{path} should be a JSON file of chinese-poetry, a list of poems with "
                             f"paragraphs, but cannot be read as one: {error}") from error


def sentences_of(paragraphs):
    return [sentence for paragraph in paragraphs for sentence in SENTENCE.split(paragraph) if sentence]


def couplets_of(sentences, length):
    """(first line, second line) of each sentence that is two clauses of `length` Chinese characters;
    commentary is left out."""
    found = [clauses_of(sentence, length) for sentence in sentences]
    return [clauses for clauses in found if clauses]


# --------------------------------------------------------------------------------------------------- batches

def batches(run, couplets, vocab):
    """(what model.fit trains on, --validation couplets, at most a tenth, that choose the best epoch)."""
    held_out = min(run.config.validation, len(couplets) // 10)
    if isinstance(couplets, streams.Lines):
        end = len(couplets) - held_out
        return stream_batches(run, couplets[:end], vocab), vocab.pad(list(couplets[end:]))
    x = vocab.pad(couplets)[np.random.default_rng(0).permutation(len(couplets))]
    x, x_val = np.split(x, [len(x) - held_out])
    return ArrayBatches(run, x, x), x_val


def stream_batches(run, couplets, vocab):
    """Batches of couplets that do not fit into memory."""
    def encode(couplets, width, rng):
        x = vocab.pad(couplets)             # ten characters, whatever width
        return x, x

    return LineBatches(run, couplets, encode)
