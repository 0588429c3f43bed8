"""The everyday questions can be answered as they say, and each kind of answer is told from the others."""

import pytest

from nl2sql.sql import Database
from nl2sql.table_files import table_of_rows
from nl2sql.tables import json_lines
from tests.nl2sql.test_keras import ROOT

QUESTIONS = ROOT / "nl2sql/samples/everyday.jsonl"


@pytest.fixture(scope="module")
def lines():
    return [line for line, _ in json_lines(QUESTIONS)]


def test_there_are_300_questions_to_20_tables_in_two_halves(lines):
    tables = [line for line in lines if "header" in line]
    assert len(lines) - len(tables) >= 300
    assert [table["part"] for table in tables] == ["first"] * 10 + ["second"] * 10
    asked = [(line["table"], line["question"]) for line in lines if "question" in line]
    assert len(set(asked)) == len(asked)
    refusals = sum(line.get("answers", []) is None for line in lines)
    assert 0.05 < refusals / len(asked) < 0.2


def test_every_gold_query_runs_and_returns_something(lines):
    for line in lines:
        if "header" in line:
            database = Database(table_of_rows([line["header"], *line["rows"]], "t"))
            database.connection.set_authorizer(None)
        for sql in line.get("answers") or []:
            assert database.execute(sql), sql
