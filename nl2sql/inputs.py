"""A question and a table as the numbers that BERT reads, and a query as the numbers that it should answer.

    [CLS] 哪 些 城 市 销 售 额 超 过 1 0 0 万 [SEP] [CLS] 城 市 [SEP] [CLS] 销 售 额 [SEP]

One token for each character, as in the article; the first [CLS] stands for the connector, the later ones for columns. BERT's
two segments are free here, the article has 0 everywhere. Segment 1 marks the characters of the question that name a cell of
the table, and the columns that have such a cell: what a user would see at a glance, and no header says. A BERT of our own
has more. Mark 2 stands for characters that the question and a header share, and for that header, mark 3 for both; and the
columns that the question mentions are numbered, so that the segment also says which characters belong to which column:

    segment = mark + 3 · number of the column, if there is a mark

The model need not find out from the training questions that the same characters mean the same.

No Keras in here.
"""

import difflib
import itertools
import math
import pathlib
import re
from dataclasses import dataclass

import numpy as np
from rapidfuzz import fuzz

from common import datasets
from common.datasets import InputError
from common.vocab import is_han
from nl2sql.values import find_dates, find_numbers, fold, plain, readings, same_date, same_value, variants

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
NONE, NO_COLUMN = 4, 6       # the operator of a character in no value, the aggregate of a column that is not selected
HEADER = 30                  # characters of a header that are read
SEGMENTS = 1 + 3 * 8         # that a BERT of our own has: three marks, of eight columns


class Characters:
    """BERT's vocab.txt, read character by character.

    Args:
        tokens: the vocabulary's tokens in their order.

    Raises:
        InputError: BERT's special tokens are not among them, or [PAD] is not the first.
    """

    def __init__(self, tokens):
        self.tokens = list(tokens)
        self.numbers = {token: number for number, token in enumerate(self.tokens)}
        if missing := [token for token in SPECIAL if token not in self.numbers]:
            raise InputError(f"a BERT vocabulary expects {' '.join(SPECIAL)}. Missing: {' '.join(missing)}")
        if self.tokens[0] != "[PAD]":
            raise InputError(f"a BERT vocabulary expects [PAD] as its first token. Received: {self.tokens[0]!r}")
        self.unknown, self.cls, self.sep, self.mask = (self.numbers[token] for token in SPECIAL[1:])
        self.numbers[" "] = self.numbers.get("[unused1]", self.unknown)
        self.han = np.array([n for token, n in self.numbers.items() if len(token) == 1 and is_han(token)], int)
        self.is_han = np.isin(np.arange(len(self.tokens)), self.han)

    @classmethod
    def load(cls, path):
        return cls(line.rstrip("\r") for line in datasets.read_text(path).removesuffix("\n").split("\n"))

    @classmethod
    def from_texts(cls, texts):
        """Special tokens, ASCII, the 3,755 common characters of GB 2312, and what occurs in the texts.

        A character that no text has keeps its first, random vector, which still tells it from every other: that is enough
        to see that a header and a question share it.
        """
        rows = (bytes([high, low]) for high in range(0xB0, 0xD8) for low in range(0xA1, 0xFF))
        common = [decoded for row in rows if (decoded := row.decode("gb2312", "ignore"))]
        ascii_ = [c for c in map(chr, range(33, 127)) if not c.isupper()]
        found = sorted(c for c in {c for text in texts for c in fold(text)} if c.isprintable() and not c.isspace())
        return cls(dict.fromkeys(["[PAD]", "[unused1]", *SPECIAL[1:], *ascii_, *common, *found]))

    def __len__(self):
        return len(self.tokens)

    def encode(self, text):
        return [self.numbers.get(c, self.unknown) for c in fold(text)]

    def save(self, path):
        from common.runs import write_whole

        write_whole(pathlib.Path(path), ("\n".join(self.tokens) + "\n").encode())


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
        max_length: tokens of a line; columns that do not fit are left out, those that the question names least first.
        segments: how many BERT has: of 1 + 3n all that is said above is used, for n columns that are mentioned, of 2 the
            mark of cells, and 1 is the article's.
    """

    def __init__(self, vocab, max_length=160, segments=SEGMENTS):
        self.vocab, self.max_length, self.segments = vocab, max_length, segments
        self.longest = max_length * 2 // 3           # characters of a question

    def prepare(self, question, table):
        question = question[:self.longest]
        tokens = self.vocab.encode(question)
        headers = [self.vocab.encode(name[:HEADER]) for name in table.header]
        cells = [(*place, 1) for place in table.matcher.mentions(question)]
        names = [(*place, 2) for place in named(question, table.header)]
        mentions = len({i for start, end, *_ in (*cells, *names) for i in range(start, end)})
        places = cells * (self.segments > 1) + names * (self.segments > 3)
        linked, columns = marks(places, len(tokens), len(headers), max(1, (self.segments - 1) // 3))
        room = self.max_length - len(tokens) - 2
        kept = list(range(len(headers)))
        if sum(len(header) + 2 for header in headers) > room:
            text = fold(question)
            scores = [(segment > 0) + fuzz.partial_ratio(fold(name), text) / 100 if name else 0
                      for segment, name in zip(columns, table.header)]
            kept = []
            for i in sorted(range(len(headers)), key=lambda i: -scores[i]):
                if len(headers[i]) + 2 <= room:
                    kept.append(i)
                    room -= len(headers[i]) + 2
            kept.sort()
        return Prepared(question, table, tokens, linked, mentions, headers, columns, kept)

    def encode(self, prepared, order=None):
        """The tokens of a line; `order` is a permutation of prepared.kept, for training."""
        tokens = [self.vocab.cls, *prepared.tokens, self.vocab.sep]
        segments = [0, *prepared.linked, 0]
        positions, columns = [], list(prepared.kept if order is None else order)
        for column in columns:
            positions.append(len(tokens))
            tokens += [self.vocab.cls, *prepared.headers[column], self.vocab.sep]
            segments += [prepared.columns[column]] * (len(prepared.headers[column]) + 2)
        return Encoded(tokens, segments, len(prepared.tokens), positions, columns)


def named(question, header):
    """(start, end, column) where two characters of a question or more stand in a column's name without its unit."""
    text, found = fold(question), []
    for column, name in enumerate(header):
        name = re.sub(r"[(\[【].*?[)\]】]|/.*", "", fold(name))
        at = 0
        while name and at < len(text):
            end = at
            while end < len(text) and text[at:end + 1] in name:
                end += 1
            if end - at >= min(2, len(name)) and text[at:end].strip() == text[at:end]:
                found.append((at, end, column))
            at = max(at + 1, end - 1)
    return found


def marks(places, length, columns, numbers):
    """The segments of a question's characters and of the columns.

    A character that several columns claim belongs to the one of the longest place, and of these to the one that is named
    nearest. Columns are numbered as the question mentions them; the last number stands for all that follow.

    Args:
        places: (start, end, column, mark) of each mention.
        length: characters of the question.
        columns: columns of the table.
        numbers: how many numbers there are.
    """
    names = {column: [] for column in range(columns)}
    for start, _, column, mark in places:
        if mark == 2:
            names[column].append(start)
    owner, by_character, by_column = [None] * length, [0] * length, [0] * columns
    ranked = [(start - end, min((abs(start - at) for at in names[column]), default=length), column, start, end, mark)
              for start, end, column, mark in places]
    for *_, column, start, end, mark in sorted(ranked):
        by_column[column] |= mark
        for i in range(start, end):
            if owner[i] in (None, column):
                owner[i] = column
                by_character[i] |= mark
    mentioned = list(dict.fromkeys([c for c in owner if c is not None] + [c for c, mark in enumerate(by_column) if mark]))
    number = {column: 3 * min(i, numbers - 1) for i, column in enumerate(mentioned)}
    return ([mark and mark + number[column] for mark, column in zip(by_character, owner)],
            [mark and mark + number[column] for column, mark in enumerate(by_column)])


# ------------------------------------------------------------------------------------------------------------- labels

@dataclass
class Labels:
    """What the four heads should answer to a line."""

    connector: int
    select: list            # an aggregate or NO_COLUMN for each column of the line
    operator: list          # an operator or NONE for each character
    column: list            # for each character in a value, which column of the line; elsewhere 0


def labels(encoded, query, spans):
    """The Labels of an Encoded line, or None where a column of the query did not fit into it.

    One column has one class, as in the article: of a column that is selected twice the first aggregate stays.
    """
    place = {column: i for i, column in enumerate(encoded.columns)}
    if any(column not in place for column, *_ in (*query.select, *query.conditions)):
        return None
    found = nothing(encoded)
    found.connector = query.connector
    for column, aggregate in reversed(query.select):
        found.select[place[column]] = aggregate
    for (column, operator, _), (start, end) in zip(query.conditions, spans):
        found.operator[start:end] = [operator] * (end - start)
        found.column[start:end] = [place[column]] * (end - start)
    return found


def nothing(encoded):
    """The Labels of a question that asks nothing of the table."""
    return Labels(0, [NO_COLUMN] * len(encoded.columns), [NONE] * encoded.length, [0] * encoded.length)


def align(question, table, query):
    """Where in the question the value of each condition stands, as (start, end) spans, or None if one stands nowhere.

    Each place is given to one condition: of two conditions with the value 10 each gets a 10 of its own, the one beside its
    column's name. The article's script takes the first place for both, and so marks one.
    """
    choices = [occurrences(question, table, condition) for condition in query.conditions]
    if not all(choices):
        return None
    best = None
    for chosen in itertools.product(*(choice[:6] for choice in choices)):
        overlap = sum(a[0] < b[1] and b[0] < a[1] for a, b in itertools.combinations([span for span, _ in chosen], 2))
        score = sum(score for _, score in chosen) - 10 * overlap
        if best is None or score > best[0]:
            best = score, overlap, [span for span, _ in chosen]
    return None if best[1] else best[2]


def occurrences(question, table, condition):
    """((start, end), score) of each place that can be a condition's value, best first."""
    column, _, value = condition
    text, name = fold(question), fold(table.header[column])
    real, found = table.types[column] == "real", {}
    numbers = find_numbers(question)
    for number in numbers:
        values = readings(number, table.units[column], table.cells(column)) if real else [number.value, number.mantissa]
        for rank, reading in enumerate(values):
            if same_value(reading, value):
                found[number.start, number.end - number.year * (not real)] = 1.0 - 0.2 * rank
    if not real:
        written = {plain(str(value))}
        found |= {(n.start, n.end): 1.0 for n in numbers
                  if n.year and written & set(map(plain, variants(text[n.start:n.end])))}
        found |= {(start, end): 1.0 for start, end, date in find_dates(text) if same_date(date, str(value))}
    if not (real and found):
        wanted = fold(str(value))
        inside = [(n.start, n.end) for n in numbers]
        at = text.find(wanted)
        while at >= 0 and wanted:
            end = at + len(wanted)
            cut = any(a <= at and end <= b and (at - a, b - end) not in ((0, 0), (0, 1)) for a, b in inside)
            found[at, end] = found.get((at, end), 1.0) - 0.5 * (cut and wanted[0].isdigit())    # the 10 in 2010: hardly
            at = text.find(wanted, at + 1)
        if not found and (span := _part(text, wanted, condition, table.matcher) or _alike(text, wanted)):
            found[span] = 0.5
    scored = [((start, end), score + _nearness(text, name, start, end)) for (start, end), score in found.items()]
    return sorted(scored, key=lambda item: -item[1])


def _part(text, wanted, condition, matcher):
    """The longest part of a value that the text has, if it means that value alone: 万象能源 in 北京万象能源有限公司."""
    match = difflib.SequenceMatcher(None, text, wanted, autojunk=False).find_longest_match()
    span = match.a, match.a + match.size
    part = text[slice(*span)]
    known = match.size > 1 and same_value(matcher.resolve(condition[0], 2, part)[0], condition[2])
    return span if known and plain(part) == part else None


def _alike(text, wanted):
    """The window of a text that is most like a value that is not in it, or None."""
    if len(plain(wanted)) < 2:
        return None
    match = fuzz.partial_ratio_alignment(wanted, text)
    if match is None or match.score < 50:
        return None
    start, end = match.dest_start, match.dest_end
    shared = [i for i in range(start, end) if text[i] in wanted and text[i].isalnum()]
    return (shared[0], shared[-1] + 1) if len(shared) >= 2 else None


def _nearness(text, name, start, end):
    """0 to 1: how near to a place the column is named, and less if the place is part of a name itself."""
    pairs = [name[i:i + 2] for i in range(len(name) - 1)] or [name]
    total = 0.0
    for pair in filter(None, pairs):
        places = [i for i in range(len(text)) if text.startswith(pair, i)]
        away = [start - i - len(pair) if i < start else 1.5 * (i - end + 1) for i in places]
        total += max((math.exp(-max(distance, 0) / 6) for distance in away), default=0.0)
    within = len(name) > end - start and any(text.startswith(name, i) and i <= start and end <= i + len(name)
                                             for i in range(len(text)))
    return total / max(len(pairs), 1) - 0.6 * within


# ------------------------------------------------------------------------------------------------------------ batches

def pad(lines, answers=None):
    """Encoded lines, and their Labels, as the arrays that the model reads, by the names of its inputs."""
    def filled(rows, dtype="int32"):
        array = np.zeros((len(rows), max(1, max(map(len, rows)))), dtype)
        for i, row in enumerate(rows):
            array[i, :len(row)] = row
        return array

    batch = {
        "Input-Token": filled([line.tokens for line in lines]),
        "Input-Segment": filled([line.segments for line in lines]),
        "characters": filled([range(1, 1 + line.length) for line in lines]),
        "character_mask": filled([[1] * line.length for line in lines], "float32"),
        "headers": filled([line.positions for line in lines]),
        "header_mask": filled([[1] * len(line.columns) for line in lines], "float32"),
    }
    if answers is not None:
        batch |= {
            "connector_label": np.array([answer.connector for answer in answers], "int32"),
            "select_label": filled([answer.select for answer in answers]),
            "operator_label": filled([answer.operator for answer in answers]),
            "column_label": filled([answer.column for answer in answers]),
        }
    return batch


class Samples:
    """Training questions as lines, new in every epoch: columns in another order, some questions about a wrong table.

    Args:
        records: data.Records with queries; those that cannot be labelled are left out and counted.
        encoder: an Encoder.
        unrelated: share of the questions that are asked of a table that has nothing of the kind, and to which the answer is
            that nothing is selected.
        rename: share of the headers' characters that become random others, in header and question alike: unseen tables have
            other names, so the model should compare rather than remember.
    """

    def __init__(self, records, encoder, unrelated=0.1, rename=0.0):
        self.encoder, self.unrelated, self.rename = encoder, unrelated, rename
        self.items, self.left_out = [], 0
        for record in records:
            prepared = encoder.prepare(record.question, record.table)
            spans = align(prepared.question, record.table, record.query) if prepared.tokens else None
            if spans is None or labels(encoder.encode(prepared), record.query, spans) is None:
                self.left_out += 1
            else:
                self.items.append((record, prepared, spans))
        self.tables = tables_of(records)

    def __len__(self):
        return len(self.items)

    def line(self, index, generator=None):
        """(Encoded, Labels) of a question; with a NumPy generator as training wants it."""
        record, prepared, spans = self.items[index]
        if generator is None:
            encoded = self.encoder.encode(prepared)
            return encoded, labels(encoded, record.query, spans)
        other = wrong_table(record, self.tables, generator) if generator.random() < self.unrelated else None
        if other:
            prepared = self.encoder.prepare(record.question, other)
        encoded = self.encoder.encode(prepared, generator.permutation(prepared.kept))
        answer = nothing(encoded) if other else labels(encoded, record.query, spans)
        if self.rename:
            self._rename(encoded, prepared, generator)
        return encoded, answer

    def _rename(self, encoded, prepared, generator):
        chosen = {n for header in prepared.headers for n in header if self.encoder.vocab.is_han[n]}
        chosen = [n for n in sorted(chosen) if generator.random() < self.rename]
        new = dict(zip(chosen, generator.choice(self.encoder.vocab.han, len(chosen)).tolist()))
        encoded.tokens = [new.get(n, n) for n in encoded.tokens]


def tables_of(records):
    """The tables of some records, each once, in their order."""
    return list({id(record.table): record.table for record in records}.values())


def wrong_table(record, tables, generator):
    """A table, of three that are drawn, in which no column is called like one that is asked for; or None."""
    asked = [record.table.header[column] for column, *_ in (*record.query.select, *record.query.conditions)]
    return next((tables[i] for i in generator.integers(len(tables), size=3)
                 if all(fuzz.partial_ratio(name, other) < 50 for name in asked for other in tables[i].header)), None)


def by_length(lengths, batch_size, generator):
    """Batches of indices whose lengths are alike, in random order: little padding, and every sample once."""
    order = generator.permutation(len(lengths))
    batches = []
    for pool in np.split(order, range(50 * batch_size, len(order), 50 * batch_size)):
        pool = pool[np.argsort(np.asarray(lengths)[pool], kind="stable")]
        batches += np.split(pool, range(batch_size, len(pool), batch_size))
    return [batches[i] for i in generator.permutation(len(batches))]
