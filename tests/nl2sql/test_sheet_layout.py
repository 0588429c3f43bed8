"""Sheets as people lay them out, and numbers as they write them."""

import zipfile

import openpyxl
import pytest

from common.harness.reading import InputError
from nl2sql.dialect.reading import read
from nl2sql.loose_numbers import loose_number
from nl2sql.sql import Database
from nl2sql.table_files import read_table, table_of_rows


def test_merged_cells_and_a_header_of_two_rows(tmp_path):
    book = openpyxl.Workbook()
    for row in [["部门", "姓名", "上半年", None, "是否达标"], [None, None, "销量", "金额", None],
                ["一部", "甲", 3, 30, True], [None, "乙", 4, 45, False], ["二部", "丙", 5, 50, True],
                ["合计", None, 12, 125, None]]:
        book.active.append(row)
    for area in ("A1:A2", "B1:B2", "C1:D1", "E1:E2", "A3:A4"):
        book.active.merge_cells(area)
    book.save(tmp_path / "x.xlsx")
    table = read_table(tmp_path / "x.xlsx")
    assert table.columns == ["部门", "姓名", "上半年销量", "上半年金额", "是否达标"]
    assert [row[:3] for row in table.rows] == [["一部", "甲", 3.0], ["一部", "乙", 4.0], ["二部", "丙", 5.0]]
    assert "merged cells" in table.notes[0] and "two rows" in table.notes[1]
    assert table.notes[2] == "rows of totals are left out: 1, as 合计 12 125"
    reading = read("没达标的有谁", table)
    with Database(table) as database:
        assert reading.is_complete and database.rows(reading.query) == [("乙",)]


def test_a_merged_title_is_a_title_and_what_is_merged_over_nothing_is_ignored(tmp_path):
    book = openpyxl.Workbook()
    for row in [["2023年销售表", None, None], ["城市", "额", "量"], ["广州", 1, 2], ["深圳", 3, 4]]:
        book.active.append(row)
    book.active.merge_cells("A1:C1")
    book.active.merge_cells("F1:G9")
    book.save(tmp_path / "small.xlsx")
    with zipfile.ZipFile(tmp_path / "small.xlsx") as old, zipfile.ZipFile(tmp_path / "x.xlsx", "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b"F1:G9", b"F1:G900000"))
    table = read_table(tmp_path / "x.xlsx")
    assert table.columns == ["城市", "额", "量"] and len(table.rows) == 2


def test_several_tables_on_a_sheet_are_told_apart_by_their_numbers(tmp_path):
    book = openpyxl.Workbook()
    rows = [["城市", "额"], ["广州", 1], ["深圳", 3], [None], ["产品", "价"], ["伞", 20], ["灯", 35]]
    for row in rows:
        book.active.append(row)
    book.active.title = "甲"
    book.save(tmp_path / "x.xlsx")
    with pytest.raises(InputError, match="several tables: say which with --name. It has: 甲/1, 甲/2"):
        read_table(tmp_path / "x.xlsx")
    assert read_table(tmp_path / "x.xlsx", "甲/2").rows == [["伞", 20.0], ["灯", 35.0]]
    with pytest.raises(InputError, match="holds no table 甲/3"):
        read_table(tmp_path / "x.xlsx", "甲/3")


def test_an_empty_row_between_rows_is_no_end(tmp_path):
    book = openpyxl.Workbook()
    rows = [["城市", "省", "额"], ["广州", "广东", 1], [None], ["深圳", "广东", None], ["杭州", "浙江", 5]]
    for row in rows:
        book.active.append(row)
    book.save(tmp_path / "x.xlsx")
    assert [row[0] for row in read_table(tmp_path / "x.xlsx").rows] == ["广州", "深圳", "杭州"]


@pytest.mark.parametrize("rows, left", [
    ([["甲", 1], ["合计", 1]], 1), ([["合计公司", 1], ["乙", 2]], 2), ([["小计", 1], ["乙", 2]], 1),
    ([["甲", "备注"], ["合计", "备注"]], 2), ([["平均", 1.5], ["乙", 2]], 1),
])
def test_totals_are_rows_with_such_a_name_and_numbers(rows, left):
    assert len(table_of_rows([["名", "额"], *rows], "t").rows) == left


@pytest.mark.parametrize("text, number", [
    ("约700", 700), ("(1,200)", -1200), ("（1,200）", -1200), ("1\u00a0200", 1200), ("\u200b900", 900),
    ("700左右", 700), ("跌3.2%", -3.2), ("涨5%", 5), ("▼12", -12), ("1,200-", -1200), ("≈3.5万", 35000),
    ("见附注", None), ("A3", None), ("10-20", None), ("(甲)", None), ("", None), ("跌", None),
])
def test_a_number_as_people_write_it(text, number):
    assert loose_number(text) == number


def test_a_column_of_numbers_on_the_whole_is_one_of_numbers():
    cells = ["900", "约700", "(1,200)", "见附注", "1\u00a0500", "\u200b800"]
    table = table_of_rows([["品", "额"], *(["甲", cell] for cell in cells)], "t")
    assert [row[1] for row in table.rows] == [900, 700, -1200, None, 1500, 800]
    assert table.notes == ["额 is read as numbers, 约700 as 700",
                           "cells of 额 that are no numbers count as empty: 1, as 见附注"]
    with Database(table) as database:
        assert database.execute('SELECT MAX("额"), SUM("额") FROM "t"') == [(1500.0, 2700.0)]
    for cells in (["100", "200", "A3"], ["001", "约2", "003", "004"], ["甲", "乙", "约3"]):
        assert table_of_rows([["品", "码"], *(["甲", cell] for cell in cells)], "t").types[1] == "text"
    percent = table_of_rows([["品", "幅"], *(["甲", cell] for cell in ["涨5%", "跌3.2%", "1%", "平"])], "t")
    assert [row[1] for row in percent.rows] == [5, -3.2, 1, None] and percent.units[1] == "%"
