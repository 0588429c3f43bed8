"""The everyday dialect, without a network: questions to tables of our own, and SQL written by hand.

In phrasings.jsonl a line with "beyond" may stay unanswered, but not be answered wrongly without a word.
"""

import pytest

from nl2sql.cells import cell_text
from nl2sql.dialect.reading import read
from nl2sql.dialect.words import LISTS
from nl2sql.sql import Database
from nl2sql.table_files import table_of_rows
from nl2sql.tables import json_lines
from tests.nl2sql.test_keras import ROOT

PHRASINGS = ROOT / "tests/nl2sql/phrasings.jsonl"


def lines():
    """(table, question, the queries that are right) of each line."""
    for line, _ in json_lines(PHRASINGS):
        if "header" in line:
            table = table_of_rows([line["header"], *line["rows"]], "t")
        else:
            yield table, line


def rows_of(rows):
    return {tuple(sorted(map(cell_text, row))) for row in rows}


@pytest.mark.parametrize("table, line", [pytest.param(*pair, id=pair[1]["question"]) for pair in lines()])
def test_a_question_is_read_as_the_sql_beside_it(table, line):
    reading = read(line["question"], table)
    if line["answers"] is None:
        assert not reading.is_complete
        return
    with Database(table) as database:
        database.connection.set_authorizer(None)
        right = list(map(rows_of, map(database.execute, line["answers"])))
        answered = reading.query and rows_of(database.rows(reading.query)) in right
    if line.get("beyond"):
        assert answered or not reading.is_complete or reading.guesses
    else:
        assert answered and reading.is_complete, (reading.query, reading.unused)


def test_no_word_is_in_two_lists_of_opposite_sense():
    for great, small, _ in LISTS["adjective"]:
        assert not set(great) & set(small)
    before = sum((LISTS[name][0][0] for name in ("ge", "le", "gt", "lt", "eq", "ne")), [])
    assert len(set(before)) == len(before)
