"""Decoding as the article's script does it, for the row that bears the article's name: decode.py has ours.

    parses = Published(parser).parse_all(pairs)

Each column takes its likeliest class. A run of characters with one operator is one value, which stays as it
stands in the question, but for ==: then it becomes the cell of the table that is nearest by edit distance,
and its column one that has the cell. What is no number is compared with ==.

No Keras in here.
"""

import re

from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from nl2sql.cells import cell_text
from nl2sql.decode import Parse, runs_of
from nl2sql.labels import NO_COLUMN
from nl2sql.sql import AND, EQ, Query

NO_NUMBER = re.compile(r"[^\d.]")


class Published:
    """A Parser whose answers are decoded as published.

    Args:
        parser: a parser.Parser.
    """

    def __init__(self, parser):
        self.parser = parser

    def parse_all(self, pairs, batch_size=64):
        """A decode.Parse for each (question, table)."""
        encoder, found = self.parser.encoder, []
        for start in range(0, len(pairs), batch_size):
            prepared = [encoder.prepare(*pair) for pair in pairs[start:start + batch_size]]
            lines = [encoder.encode(one) for one in prepared]
            found += map(decode, self.parser.heads(lines), lines, prepared)
        return found


def decode(heads, encoded, prepared):
    """The Parse of one question; its query is None where no column is selected, for which there is no SQL."""
    classes = heads.select.argmax(1).tolist()
    chosen = [pair for pair in zip(encoded.columns, classes) if pair[1] != NO_COLUMN]
    table = prepared.table
    texts = [list(map(cell_text, table.cells(column))) for column in range(len(table.header))]
    conditions = []
    for start, end, operator in runs_of(heads.operator.argmax(1)):
        column = encoded.columns[heads.column[start:end].mean(0).argmax()]
        conditions.append(condition(column, operator, prepared.question[start:end], texts))
    conditions = tuple(dict.fromkeys(conditions))
    connector = AND + int(heads.connector[AND:].argmax()) if len(conditions) > 1 else 0
    return Parse(Query(tuple(chosen), conditions, connector) if chosen else None)


def condition(column, operator, words, texts):
    """(column, operator, value) that the words of a run become.

    Args:
        texts: the cells of each column of the table, as texts.
    """
    if NO_NUMBER.search(words):
        operator = EQ
    if operator != EQ:
        return column, operator, words
    words = nearest(words, texts)
    if words not in texts[column]:
        column = next((other for other, cells in enumerate(texts) if words in cells), column)
    return column, operator, words


def nearest(words, texts):
    """The words where they are a cell, else the first of the cells with the fewest edits to them."""
    cells = [cell for cells in texts for cell in cells]
    if words in cells or not cells:
        return words
    return process.extractOne(words, cells, scorer=Levenshtein.distance)[0]
