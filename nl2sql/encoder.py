"""A question and a table as the numbers that BERT reads.

    [CLS] 哪 些 城 市 销 售 额 超 过 1 0 0 万 [SEP] [CLS] 城 市 [SEP] [CLS] 销 售 额 [SEP]

One token for each character, as in the article; the first [CLS] stands for the connector, the later ones for
columns. BERT's two segments are free here, the article has 0 everywhere. Segment 1 marks the characters of
the question that name a cell of the table, and the columns that have such a cell: what a user would see at a
glance, and no header says. A BERT of our own has more. Mark 2 stands for characters that the question and a
header share, and for that header, mark 3 for both; and the columns that the question mentions are numbered,
so that the segment also says which characters belong to which column:

    segment = mark + 3 · number of the column, if there is a mark

The model need not find out from the training questions that the same characters mean the same.

No Keras in here.
"""

import re
from dataclasses import dataclass

import numpy as np
from rapidfuzz import fuzz

from nl2sql.characters import normalise

HEADER = 30                      # characters of a header that are read
SEGMENTS = 1 + 3 * 8             # that a BERT of our own has: three marks, of eight columns
CELL_MARK, NAME_MARK = 1, 2      # bits of a mark
# of at most so many characters: each bracket would look through the whole name for its other half
UNIT_IN_NAME = re.compile(r"[(\[【].{0,28}?[)\]】]|/.*")


@dataclass
class Prepared:
    """What of a question and a table does not change from epoch to epoch."""

    question: str
    table: object
    tokens: list           # of the question
    linked: list           # the segment of each of its characters
    mentions: int          # of its characters, how many stand in the name of a column or of a cell
    headers: list          # tokens of each header
    columns: list          # the segment of each column
    kept: list             # numbers of the columns that fit, in the table's order


@dataclass
class Encoded:
    """One line of a batch: tokens, segments, the question's length, and where and which the columns are."""

    tokens: list
    segments: list
    length: int
    positions: list
    columns: list


class Encoder:
    """Turns questions and tables into tokens.

    Args:
        vocab: Characters.
        max_length: tokens of a line; columns that do not fit are left out, those that the question names
            least first.
        segments: how many BERT has: of 1 + 3n all that is said above is used, for n columns that are
            mentioned, of 2 the mark of cells, and 1 is the article's.
    """

    def __init__(self, vocab, max_length=160, segments=SEGMENTS):
        self.vocab, self.max_length, self.segments = vocab, max_length, segments
        self.longest = max_length * 2 // 3           # characters of a question

    def prepare(self, question, table):
        """A question and its table as Prepared; a question that is too long is truncated."""
        question = question[:self.longest]
        tokens = self.vocab.encode(question)
        headers = [self.vocab.encode(name[:HEADER]) for name in table.header]
        cells = [(*place, CELL_MARK) for place in table.matcher.mentions(question)]
        names = [(*place, NAME_MARK) for place in named(question, table.header)]
        marked = []
        if self.segments > 1:
            marked += cells
        if self.segments > 3:
            marked += names
        linked, columns = marks(marked, len(tokens), len(headers), max(1, (self.segments - 1) // 3))
        mentions = characters_in([*cells, *names])
        kept = self._fitting(question, table, [len(header) + 2 for header in headers], columns)
        return Prepared(question, table, tokens, linked, mentions, headers, columns, kept)

    def _fitting(self, question, table, sizes, segments):
        """The columns that fit into a line beside the question: all, or those that it names most clearly."""
        room = self.max_length - len(question) - 2
        if sum(sizes) <= room:
            return list(range(len(sizes)))
        text, scores, kept = normalise(question), [], []
        for name, segment in zip(table.header, segments):
            likeness = fuzz.partial_ratio(normalise(name), text) / 100 if name else 0
            scores.append(likeness + (1 if segment else 0))
        for column in sorted(range(len(sizes)), key=lambda column: -scores[column]):
            if sizes[column] <= room:
                kept.append(column)
                room -= sizes[column]
        return sorted(kept)

    def encode(self, prepared, order=None):
        """The tokens of a line; `order` is a permutation of prepared.kept, for training."""
        tokens = [self.vocab.cls, *prepared.tokens, self.vocab.sep]
        segments = [0, *prepared.linked, 0]
        positions, columns = [], list(prepared.kept if order is None else order)
        for column in columns:
            positions.append(len(tokens))
            header = [self.vocab.cls, *prepared.headers[column], self.vocab.sep]
            tokens += header
            segments += [prepared.columns[column]] * len(header)
        return Encoded(tokens, segments, len(prepared.tokens), positions, columns)


# --------------------------------------------------------------------------------------------------- segments

def named(question, header):
    """(start, end, column) where two characters or more stand in a column's name, its unit apart."""
    text, found = normalise(question), []
    for column, name in enumerate(header):
        name = UNIT_IN_NAME.sub("", normalise(name[:HEADER]))
        found += [(start, end, column) for start, end in shared_parts(text, name)]
    return found


def shared_parts(text, name):
    """(start, end) of the longest parts of a text, of two characters or more, that a name has too."""
    found, start = [], 0
    while name and start < len(text):
        end = start
        while end < len(text) and text[start:end + 1] in name:
            end += 1
        part = text[start:end]
        if len(part) >= min(2, len(name)) and part == part.strip():
            found.append((start, end))
        start = max(start + 1, end - 1)
    return found


def characters_in(places):
    """How many characters lie in the places, which begin with (start, end) and may overlap."""
    return len({i for start, end, *_ in places for i in range(start, end)})


def marks(places, length, columns, numbers):
    """The segments of a question's characters and of the columns.

    A character that several columns claim belongs to the one of the longest place, and of these to the one
    that is named nearest. Columns are numbered as the question mentions them; the last number stands for all
    that follow.

    Args:
        places: (start, end, column, mark) of each mention.
        length: characters of the question.
        columns: columns of the table.
        numbers: how many numbers there are.
    """
    owner = [None for _ in range(length)]
    by_character, by_column = np.zeros(length, int).tolist(), np.zeros(columns, int).tolist()
    for start, end, column, mark in sorted(places, key=_claim(places, length)):
        by_column[column] |= mark
        for i in range(start, end):
            if owner[i] in (None, column):
                owner[i] = column
                by_character[i] |= mark
    mentioned = [column for column in owner if column is not None]
    mentioned += [column for column, mark in enumerate(by_column) if mark]
    number = {column: min(i, numbers - 1) for i, column in enumerate(dict.fromkeys(mentioned))}

    def segment(mark, column):
        return mark + 3 * number[column] if mark else 0

    return (list(map(segment, by_character, owner)), list(map(segment, by_column, range(columns))))


def _claim(places, length):
    """What sorts places: the longest first, of these those of the column that is named nearest."""
    def claim(place):
        start, end, column, mark = place
        names = [other for other, _, named, kind in places if named == column and kind == NAME_MARK]
        nearest = min((abs(start - name) for name in names), default=length)
        return start - end, nearest, column, start, end, mark

    return claim


# ---------------------------------------------------------------------------------------------------- batches

def pad(lines):
    """Encoded lines as the arrays that the model reads, by the names of its inputs."""
    batch = {"Input-Token": padded([line.tokens for line in lines])}
    batch["Input-Segment"] = padded([line.segments for line in lines])
    batch["characters"] = padded([range(1, 1 + line.length) for line in lines])
    batch["character_mask"] = padded([np.ones(line.length) for line in lines], "float32")
    batch["headers"] = padded([line.positions for line in lines])
    batch["header_mask"] = padded([np.ones(len(line.columns)) for line in lines], "float32")
    return batch


def padded(rows, dtype="int32"):
    """Rows of different lengths as one array, filled up with 0."""
    array = np.zeros((len(rows), max(1, max(map(len, rows)))), dtype)
    for line, row in zip(array, rows):
        line[:len(row)] = row
    return array
