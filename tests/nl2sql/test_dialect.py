"""The everyday dialect, without a network: questions to tables of our own, and SQL written by hand.

In phrasings.jsonl a line with "beyond" may stay unanswered, but not be answered wrongly without a word.
"""

import random

import pytest

from nl2sql.cells import cell_text
from nl2sql.dialect.reading import read
from nl2sql.dialect.words import LISTS
from nl2sql.notes import note
from nl2sql.sql import EQ, GE, Database
from nl2sql.table_files import table_of_rows
from nl2sql.tables import json_lines
from nl2sql.understood import understood
from nl2sql.wide import WideQuery
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


ALPHABET = ("的是最前后几多少哪些个每各平均总一二三0129年月日以上下不没有和或在到高低大小额名称公司状态谁什么"
            ",。?\"'%()店未已")


def test_no_question_is_too_odd_to_be_read():
    rows = [["华联店", "甲公司", 3.5, "2023-01-02", "已完成", "是"],
            ["东风店", "乙公司", None, "2022-11-30", "未完成", "否"],
            ["无", "甲公司", 7, "2021-05-06", "已完成", "是"]]
    table = table_of_rows([["店名", "公司", "额（万元）", "日期", "状态", "是否直营"], *rows], "t")
    rng = random.Random(0)
    with Database(table) as database:
        for _ in range(1500):
            question = "".join(rng.choices(ALPHABET, k=rng.randint(1, 24)))
            reading = read(question, table)
            if reading.query:
                database.rows(reading.query)
                assert understood(reading.query, table)


@pytest.mark.parametrize("question, key", [
    ("最近三个月上架的菜", "relative"), ("今年入职了几个人", "relative"), ("为什么销量下降", "reason"),
    ("第二高的工资是谁", "reason"), ("女生占百分之几", "reason"),
])
def test_what_a_table_cannot_know_is_refused_with_its_reason(question, key):
    table = table_of_rows([["姓名", "性别", "工资"], ["张伟", "男", 3], ["王芳", "女", 4]], "t")
    assert read(question, table).reason[0] == key


def test_notes_speak_the_language_of_the_question():
    assert note("赵敏几岁", "read_as", "赵敏", "赵敏敏") == "“赵敏”按“赵敏敏”理解"
    assert note("how old", "read_as", "Zhao", "Zhao Min") == "Zhao is read as Zhao Min"


def test_a_query_is_told_in_chinese():
    where = (((1, EQ, "一班"), (1, EQ, "二班")), ((2, GE, 90.0),))
    query = WideQuery(((0, 0),), where, order=(2, 0, True), limit=3)
    table = table_of_rows([["姓名", "班级", "语文"], ["甲", "一班", 91]], "t")
    assert understood(query, table) == ("满足 “班级”是 一班 或 “班级”是 二班，且 “语文”不小于 90，"
                                        "取“语文”最大的 3 行，列出“姓名”")
