"""Queries beyond TableQA's, against plain Python over the same rows."""

import pytest

from nl2sql.sql import AVG, COUNT, EQ, GE, GT, LE, LT, NE, Database, Query
from nl2sql.tables import Table
from nl2sql.wide import BETWEEN, DISTINCT, Column, WideQuery, as_wide

ROWS = [["甲", "东", 3.0, 5.0], ["乙", "西", 8.0, 8.0], ["丙", "东", 5.0, 1.0], ["丁", None, None, 4.0]]


@pytest.fixture
def database():
    with Database(Table(["名", "区", "现有", "最低"], ROWS, ["text", "text", "real", "real"])) as database:
        yield database


def names(database, *where):
    return [name for name, in database.rows(WideQuery(((0, 0),), tuple(where)))]


def test_comparisons_are_those_of_python(database):
    holds = {GT: float.__gt__, LT: float.__lt__, GE: float.__ge__, LE: float.__le__, NE: float.__ne__}
    for operator, compare in holds.items():
        wanted = [row[0] for row in ROWS if row[2] and compare(row[2], 5.0)]
        assert names(database, ((2, operator, 5.0),)) == wanted
    assert names(database, ((2, BETWEEN, (3.0, 5.0)),)) == ["甲", "丙"]
    assert names(database, ((2, LT, Column(3)),)) == ["甲"]
    assert names(database, ((1, EQ, None),)) == ["丁"]
    assert names(database, ((1, EQ, "东"), (1, EQ, "西")), ((2, GT, 4.0),)) == ["乙", "丙"]


def test_an_order_leaves_what_is_empty_to_the_end(database):
    assert database.rows(WideQuery(((0, 0),), order=(2, 0, True), limit=2)) == [("乙",), ("丙",)]
    assert database.rows(WideQuery(((0, 0),), order=(2, 0, False), limit=1)) == [("甲",)]


def test_groups_and_different_cells_are_counted(database):
    grouped = WideQuery(((1, 0), (0, COUNT), (2, AVG)), group=1)
    assert set(database.rows(grouped)) == {("东", 2, 4.0), ("西", 1, 8.0), (None, 1, None)}
    assert database.rows(WideQuery(((1, DISTINCT),))) == [(2,)]
    assert len(database.rows(WideQuery(((1, 0),), distinct=True))) == 3


def test_values_are_bound_and_columns_are_checked(database):
    query = WideQuery(((0, 0),), (((1, EQ, "' OR 1=1 --"),),))
    statement, values = database.statement(query)
    assert "OR 1=1" not in statement and values == ["' OR 1=1 --"] and database.rows(query) == []
    for wrong in (WideQuery(((9, 0),)), WideQuery(((0, 0),), (((0, LT, Column(9)),),)), WideQuery(())):
        with pytest.raises(ValueError, match="expected columns 0 to 3"):
            database.rows(wrong)


def test_what_tableqa_can_say_is_said_in_its_form():
    for query in (Query(((0, 0),), ((1, EQ, "东"), (1, EQ, "西")), 2), Query(((0, 0),), ((2, GT, 3.0),)),
                  Query(((2, AVG),), ((1, EQ, "东"), (2, GT, 3.0)), 1)):
        assert as_wide(query).simplest() == query
    beyond = WideQuery(((0, 0),), (((2, GE, 3.0),), ((2, LT, Column(3)),)))
    assert beyond.simplest() is beyond
    assert beyond.to_json()["where"] == [[[2, ">=", "3"]], [[2, "<", {"column": 3}]]]
