"""What pretrain.py reads: questions with the columns of their tables, and any text. No Keras in here."""

import hashlib
import pathlib
from dataclasses import dataclass, field

from common.harness import datasets
from common.harness.paths import named_path
from common.harness.reading import InputError, read_text, sha256_of
from nl2sql.cells import clean
from nl2sql.corpus import is_corpus, load_corpus
from nl2sql.tables import json_lines


@dataclass
class Line:
    """Tokens and segments of a text, and the positions that may be hidden."""

    tokens: list
    segments: list
    places: list


@dataclass
class Material:
    """Records of a corpus and texts, with what results.json says of where they are from."""

    names: list
    records: list = field(default_factory=list)
    texts: list = field(default_factory=list)
    digests: list = field(default_factory=list)

    def describe(self):
        name = "+".join(pathlib.Path(name).name for name in self.names)
        digest = hashlib.sha256("".join(self.digests).encode()).hexdigest()
        return {"name": name, "builtin": self.names == ["sample"], "sha256": digest,
                "train": len(self.records) + len(self.texts)}

    def first(self, count):
        """The same with fewer records and texts, for --smoke."""
        return Material(self.names, self.records[:count], self.texts[:count], self.digests)

    def all_texts(self):
        """The texts that make up the vocabulary."""
        for record in self.records:
            yield record.question
            yield from record.table.header
        yield from self.texts

    def lines(self, encoder):
        """A Line for each record as the parser will read it, and one or several for each text."""
        found = [line_of(record, encoder) for record in self.records]
        size = encoder.max_length - 2                              # without [CLS] and [SEP]
        for text in self.texts:
            parts = [text[start:start + size] for start in range(0, len(text), size)]
            found += [line_of_text(part, encoder.vocab) for part in parts]
        return [line for line in found if line.places]


def line_of(record, encoder):
    encoded = encoder.encode(encoder.prepare(record.question, record.table))
    places = [place for place, token in enumerate(encoded.tokens) if token > encoder.vocab.mask]
    return Line(encoded.tokens, encoded.segments, places)


def line_of_text(text, vocab):
    tokens = [vocab.cls, *vocab.encode(text), vocab.sep]
    return Line(tokens, [0 for _ in tokens], list(range(1, len(tokens) - 1)))


def load_material(data=""):
    """What --data names: comma-separated, sample, folders in TableQA's format, or text files.

    Args:
        data: "" for the built-in corpus, and TableQA's training questions where KEXUE_DATA or the cache has
            them, or, of a copy that has nothing else, its validation questions.

    Raises:
        InputError: a name that is nothing of the kind.
    """
    names = [name.strip() for name in data.split(",") if name.strip()]
    found = Material(names or default_names())
    for name in found.names:
        path = named_path(name)
        if name == "sample" or path.is_dir():
            corpus = load_corpus(name)
            found.records += corpus.train
            found.digests.append(corpus.sha256)
        elif path.is_file():
            found.texts += read_texts(path)
            found.digests.append(sha256_of(path))
        else:
            raise InputError("--data expects sample, a folder in TableQA's format or text files. "
                             f"Received: {name}")
    return found


def default_names():
    folder = datasets.find("tableqa")
    path = folder if folder and is_corpus(folder) else datasets.find("tableqa/val.json")
    return ["sample", str(path)] if path else ["sample"]


def read_texts(path):
    """The lines of a text file, or the questions of a .json file of TableQA's form."""
    if path.suffix in (".json", ".jsonl"):
        return [str(line.get("question", "")) for line, _ in json_lines(path)]
    lines = map(clean, read_text(path).splitlines())
    return [line for line in lines if line]
