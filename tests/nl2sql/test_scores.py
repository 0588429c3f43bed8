"""nl2sql/scores.py: logical form and execution accuracy."""

import pytest

from nl2sql import scores
from nl2sql.corpus import Record
from nl2sql.sql import Query
from tests.nl2sql.examples import SALES


def test_scores_against_rows_computed_by_hand():
    gold = Query(((1, 0),), ((0, 2, "广州"),))
    record = Record("广州的销售额", SALES, gold)
    same_rows = Query(((1, 0),), ((1, 1, "121"), (1, 0, "100")), 1)             # another query, the same rows
    quoted = Query(((1, 0),),
                   ((0, 2, "《广州》"),))                             # no cell: the same form, no rows
    wrong = Query(((1, 5),), ((0, 2, "广州"), (0, 2, "深圳")), 2)
    for predicted, form, execution in [(gold, 1, 1), (same_rows, 0, 1), (quoted, 1, 0), (wrong, 0, 0),
                                       (None, 0, 0)]:
        found = scores.scores([predicted], [record])
        assert (found["logical_form"], found["execution"]) == (form, execution)
    assert scores.parts(wrong, gold) == {"connector": False, "select": True, "aggregate": False,
                                         "condition_column": False,
                                         "operator": False, "value": False}
    assert scores.logical_form(Query(((1, 0), (2, 0)), ((0, 2, "a"), (3, 0, "1")), 1),
                               # order and form do not count
                               Query(((2, 0), (1, 0)), ((3, 0, "1.0"), (0, 2, "Ａ")), 1))
    assert not scores.same_conditions([(0, 2, "a")], [(0, 2, "a"), (0, 2, "a")])


def test_means_over_several_tables(records):
    chosen = records[::7]
    predictions = [record.query if i % 2 else None for i, record in enumerate(chosen)]
    found = scores.scores(predictions, chosen, "x_")
    share = pytest.approx((len(chosen) // 2) / len(chosen))
    assert found["x_logical_form"] == found["x_execution"] == found["x_value"] == share
