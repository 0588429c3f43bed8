"""nl2sql/data.py: TableQA's files with their quirks, CSV, Excel and SQLite, and whatever else people give it."""

import contextlib
import hashlib
import json
import sqlite3

import pandas
import pytest

from common.datasets import InputError
from nl2sql import data
from nl2sql.data import Table, load_corpus, read_table
from nl2sql.sql import Database, Query
from tests.nl2sql import corpus

SALES = "城市,年份,销售额（万元）\n广州,2018,120.5\n深圳,2019,300\n"


# ------------------------------------------------------------------------------------------------------------ TableQA

def test_a_corpus_in_tableqas_files(tmp_path):
    found = load_corpus(str(corpus.write(tmp_path)))
    assert (len(found.train), len(found.valid), len(found.test)) == (408, 68, 136) and not found.builtin
    ids = [{record.table.id for record in part} for part in (found.train, found.valid, found.test)]
    assert not ids[0] & ids[1] and not ids[0] & ids[2] and not ids[1] & ids[2]
    record = found.train[0]
    assert record.table.types == ["text", "real", "real"] and record.table.units == ["", "亿", ""]
    assert record.query.conditions[0][2] in record.table.cells(0)
    assert found.describe()["valid"] == 68 and len(found.sha256) == 64


def test_folders_of_parts_and_no_public_test_set(tmp_path):
    """TableQA's own layout, train/train.json; its public test.json has no sql."""
    corpus.write(tmp_path / "flat", (6, 2, 1))
    for part in ("train", "val", "test"):
        (tmp_path / part).mkdir()
        for name in (f"{part}.json", f"{part}.tables.json"):
            (tmp_path / "flat" / name).rename(tmp_path / part / name)
    path = tmp_path / "test/test.json"
    lines = [{k: v for k, v in json.loads(line).items() if k != "sql"} for line in path.read_text("utf-8").splitlines()]
    path.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines), "utf-8")
    found = load_corpus(str(tmp_path))
    assert len(found.test) == 136 and len(found.valid) == 68 and len(found.train) == 340
    assert {r.table.id for r in found.valid}.isdisjoint(r.table.id for r in found.train)


QUIRKS = {"id": "t", "name": "Table_t", "title": "", "header": ["名称", "", "名称", "数量", 2018, None],
          "types": ["text", "text", "text", "real", "real"],
          "rows": [["a", "b", "c", 1.0, "2,000", "x"], ["d", None, 3, "—", 5],
                   ["e", "f", "g", "停牌", "7%", "y", "one too many"], [1.5, 2, "h", "１2", None, "z"]]}


def test_quirks_of_tables():
    """Mixed cells, empty and double headers, headers that are numbers, short and long rows, missing types."""
    table = data.table_of(QUIRKS, "here")
    assert table.columns == ["名称", "列2", "名称_2", "数量", "2018", "列6"]
    assert table.types == ["text", "text", "text", "real", "real", "text"]
    assert [row[3:5] for row in table.rows] == [[1.0, 2000.0], [None, 5.0], [None, 0.07], [12.0, None]]
    assert table.rows[1] == ["d", None, "3", None, 5.0, None] and table.rows[3][:2] == ["1.5", "2"]
    with Database(table) as database:
        assert database.rows(Query(((0, 0),), ((2, 2, "3"),))) == [("d",)]
        assert database.rows(Query(((3, 5),))) == [(13.0,)]


def test_quirks_of_records():
    tables = {"t": data.table_of(QUIRKS, "here")}
    line = {"question": "?", "table_id": "t", "sql": {"sel": [3, 3], "agg": [2, 3], "cond_conn_op": 1,
                                                      "conds": [[0, 2, "a"], [4, 0, 100]]}}
    record = data.record_of(line, tables, "here")
    assert record.query.select == ((3, 2), (3, 3)) and record.query.conditions[1] == (4, 0, "100")
    assert data.record_of({"question": "?", "table_id": "t"}, tables, "here").query is None


@pytest.mark.parametrize("change, message", [
    ({"table_id": "u"}, "is in no tables file. Received: u"), ({"sql": {"sel": [0]}}, "expected question, table_id and sql"),
    ({"sql": {"sel": [9], "agg": [0], "cond_conn_op": 0, "conds": []}}, "columns 0 to 5"),
    ({"sql": {"sel": [0], "agg": [0], "cond_conn_op": 0, "conds": [[0, 7, "x"]]}}, "operators 0 to 3"),
    ({"sql": {"sel": [0], "agg": [0], "cond_conn_op": 0, "conds": [[0, 2]]}}, "Received: ValueError"),
    ({"sql": {"sel": [0], "agg": [0, 1], "cond_conn_op": 0, "conds": []}}, "Received: ValueError"),
    ({"sql": "DROP TABLE"}, "Received: TypeError"),
])
def test_records_that_are_none(change, message):
    line = {"question": "?", "table_id": "t", "sql": {"sel": [0], "agg": [0], "cond_conn_op": 0, "conds": []}} | change
    with pytest.raises(InputError, match=message):
        data.record_of(line, {"t": data.table_of(QUIRKS, "here")}, "here")


@pytest.mark.parametrize("name, content, message", [
    ("train.json", "not json\n", "line 1 is none"), ("train.json", "[1]\n", "line 1 is none"),
    ("train.json", "", "none to train on"), ("val.json", "", "none to test on"),
    ("train.tables.json", "{}\n", "a table with id, header and rows"),
    ("train.tables.json", '{"id": 1, "header": [], "rows": []}\n', "at least one column"),
    ("val.tables.json", None, "Missing: val.json or val.tables.json"),
])
def test_files_that_are_not_tableqas(tmp_path, name, content, message):
    corpus.write(tmp_path)
    (tmp_path / "test.json").unlink()
    (tmp_path / name).unlink() if content is None else (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        load_corpus(str(tmp_path))


def test_no_such_folder(tmp_path):
    with pytest.raises(InputError, match="--data expects sample or a folder"):
        load_corpus("/nowhere")


# ------------------------------------------------------------------------------------------------------------- tables

def check_sales(table):
    assert table.columns == ["城市", "年份", "销售额（万元）"] and table.types == ["text", "real", "real"]
    assert table.rows == [["广州", 2018.0, 120.5], ["深圳", 2019.0, 300.0]] and table.units[2] == "万"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030"])
@pytest.mark.parametrize("separator, line_end", [(",", "\n"), ("\t", "\r\n"), (";", "\n")])
def test_csv(tmp_path, encoding, separator, line_end):
    path = tmp_path / "sales.csv"
    path.write_bytes(SALES.replace(",", separator).replace("\n", line_end).encode(encoding))
    check_sales(read_table(path))


def test_excel(tmp_path):
    frame = pandas.DataFrame([["广州", 2018, 120.5], ["深圳", 2019, 300]], columns=["城市", "年份", "销售额（万元）"])
    with pandas.ExcelWriter(tmp_path / "sales.xlsx") as writer:
        frame.to_excel(writer, sheet_name="甲", index=False)
    check_sales(read_table(tmp_path / "sales.xlsx"))
    with pandas.ExcelWriter(tmp_path / "two.xlsx") as writer:
        frame.assign(日=pandas.Timestamp("2019-03-01")).to_excel(writer, sheet_name="甲", index=False)
        frame.to_excel(writer, sheet_name="乙", index=False)
    with pytest.raises(InputError, match="several sheets: say which with --name. It has: 甲, 乙"):
        read_table(tmp_path / "two.xlsx")
    check_sales(read_table(tmp_path / "two.xlsx", "乙"))
    assert read_table(tmp_path / "two.xlsx", "甲").rows[0][3] == "2019-03-01"
    with pandas.ExcelWriter(tmp_path / "title.xlsx") as writer:
        rows = [["2019年销售表", None], ["代码", "备注"], ["NA", "甲"], ["B", None]]
        pandas.DataFrame(rows).to_excel(writer, sheet_name="甲", index=False, header=False)
        pandas.DataFrame().to_excel(writer, sheet_name="乙", index=False)
    table = read_table(tmp_path / "title.xlsx")              # the empty sheet is no choice, NA no gap
    assert table.columns == ["代码", "备注"] and table.rows == [["NA", "甲"], ["B", None]]
    assert table.notes == ["2019年销售表 is taken for a title, the row below it for the header"]


def test_cells_as_people_write_them(tmp_path):
    (tmp_path / "a.csv").write_text(
        "日期,开门,人数,额,编号\n2019/3/1,9:30,12人,5,1234567890123456789\n"
        "2019年12月5日,10:00,8人,约500,1234567890123456790\n" + "2020-01-01,11:15,,7,1\n" * 9, "utf-8")
    table = read_table(tmp_path / "a.csv")
    assert table.types == ["text", "text", "real", "real", "text"]
    assert table.rows[:2] == [["2019-03-01", "09:30", 12.0, 5.0, "1234567890123456789"],
                              ["2019-12-05", "10:00", 8.0, None, "1234567890123456790"]] and table.rows[2][2] is None
    assert table.notes == ["人数 is read as numbers, in 人", "cells of 额 that are no numbers count as empty: 1, as 约500"]
    mixed = data._table([["班级", "日期"], ["3年级", "2019/3/1"], ["甲", "春天"], ["5人", "2019/3/2"]], "t")
    assert mixed.rows[0] == ["3年级", "2019/3/1"] and not mixed.notes
    assert Table(["编号"], [[2**53 + 1], [3]]).types == ["text"] and Table(["编号"], [[2**53], [3]]).types == ["real"]
    gap = Table(["城市", "额"], [["广州", 1], ["", 2]])
    with Database(gap) as database:
        assert database.rows(Query(((0, 4),))) == [(1,)]           # an empty cell is not counted


def test_sqlite_is_only_read(tmp_path):
    path = tmp_path / "sales.db"
    with sqlite3.connect(path) as connection:
        connection.execute('CREATE TABLE "甲" ("城市", "年份", "销售额（万元）")')
        connection.executemany('INSERT INTO "甲" VALUES (?, ?, ?)', [["广州", 2018, 120.5], ["深圳", "2019", 300]])
    connection.close()
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    check_sales(read_table(path))
    check_sales(read_table(path, "甲"))
    with pytest.raises(InputError, match="no table 乙. It has: 甲"):
        read_table(path, "乙")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before and [p.name for p in tmp_path.iterdir()] == ["sales.db"]


def test_a_database_with_a_closed_write_ahead_log_gets_no_files_beside_it(tmp_path):
    path = tmp_path / "sales.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute('CREATE TABLE t ("城市", "年份", "销售额（万元）")')
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", [["广州", 2018, 120.5], ["深圳", "2019", 300]])
        connection.commit()
    check_sales(read_table(path))
    assert [p.name for p in tmp_path.iterdir()] == ["sales.db"]


def test_a_view_that_never_ends_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "VIEW_SECONDS", 0.2)
    with contextlib.closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        connection.execute("CREATE VIEW v AS WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) "
                           "SELECT n FROM c WHERE n < 0")
    with pytest.raises(InputError, match="cannot be read as an SQLite database: interrupted"):
        read_table(tmp_path / "x.db")


def test_csv_files_as_they_come(tmp_path):
    path = tmp_path / "sqlite_export.csv"
    path.write_text("城市,人口\n广州,1868\n深圳\n", encoding="utf-8")
    table = read_table(path)
    assert table.rows == [["广州", 1868.0], ["深圳", None]] and table.name == "table_sqlite_export"
    path.write_bytes("縣市,人口\n臺北市,2602418\n高雄市,2773093\n".encode("big5"))
    assert read_table(path).cells(0) == ["臺北市", "高雄市"]


def test_a_locked_database(tmp_path):
    path = tmp_path / "sales.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("CREATE TABLE t (a)")
    connection.execute("BEGIN EXCLUSIVE")
    with pytest.raises(InputError, match="is locked by another program"):
        read_table(path)
    connection.close()


def test_tableqa_table(tmp_path):
    corpus.write(tmp_path)
    assert read_table(tmp_path / "train.tables.json", "films").columns[0] == "片名"
    with pytest.raises(InputError, match="several tables"):
        read_table(tmp_path / "train.tables.json")


@pytest.mark.parametrize("name, content, message", [
    ("x.csv", b"", "is empty"), ("x.csv", b" \n \n", "is empty"), ("x.csv", "城市,年份\n".encode(), "without rows"),
    ("x.csv", b"a,b\n1,2\n1,2,3\n", "cannot be read as one"), ("x.csv", b"\xff\xff\xff\xff", "and is none"),
    ("x.csv", b"a,b\n\0,1\n", "NUL characters"), ("x.xlsx", b"PK\3\4 no excel", "should be an Excel file"),
    ("x.xlsx", b"", "should be an Excel file"), ("x.db", b"no database at all, only text", "no SQLite database or damaged"),
    ("x.db", b"SQLite format 3\0" + bytes(range(256)) * 8, "no SQLite database or damaged|cannot be read"),
    ("x.db", b"", "holds no table"),
    ("x.json", b"{", "line 1 is none"), ("x.json", b"", "holds no table"), ("x.json", b"[" * 100_000, "line 1 is none"),
])
def test_files_that_are_no_tables(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_table(tmp_path / name)
    assert (tmp_path / name).read_bytes() == content


def test_a_database_whose_names_are_no_text(tmp_path):
    """Python decodes names of columns, and errors, as UTF-8 in its own way."""
    with contextlib.closing(sqlite3.connect(tmp_path / "x.db")) as connection, connection:
        connection.execute('CREATE TABLE t ("年份" TEXT)')
    content = (tmp_path / "x.db").read_bytes().replace("年".encode(), b"\xed\xb9\xb4")
    (tmp_path / "x.db").write_bytes(content)
    with pytest.raises(InputError, match="no SQLite database or damaged"):
        read_table(tmp_path / "x.db")


def test_no_file(tmp_path):
    for path in (tmp_path, tmp_path / "none.csv"):
        with pytest.raises(InputError, match="--table expects a CSV"):
            read_table(path)


def test_one_column_three_hundred_columns_and_keywords(tmp_path):
    (tmp_path / "one.csv").write_text("城市\n广州\n深圳\n", "utf-8")
    assert read_table(tmp_path / "one.csv").rows == [["广州"], ["深圳"]]
    (tmp_path / "wide.csv").write_text(",".join(f"c{i}" for i in range(300)) + "\n" + ",".join("1" for _ in range(300)))
    assert len(read_table(tmp_path / "wide.csv").columns) == 300
    (tmp_path / "odd.csv").write_text('"say ""hi""",select,from;--\n"x, y",2,3\n')
    table = read_table(tmp_path / "odd.csv")
    assert table.columns == ['say "hi"', "select", "from;--"]
    with Database(table) as database:
        assert database.rows(Query(((0, 0), (1, 5), (2, 0)), ((1, 2, "2"),))) == [("x, y", 2.0, 3.0)]


@pytest.mark.parametrize("cells, kind, values", [
    (["1", "2,000", "-"], "real", [1, 2000, None]), (["000001", "600000"], "text", None),
    (["5%", "12.5%"], "real", [5, 12.5]), (["5%", "0.5"], "real", [0.05, 0.5]),
    (["1.5万", "2亿"], "real", [15000, 2e8]), (["13800000000", "13900000000"], "text", None),
    (["a", "1", "2"], "text", None), (["", ""], "text", None), ([1, 2.5, None], "real", [1, 2.5, None]),
    (["2019-03-01", "2019-04-01"], "text", None), (["￥20", "30元"], "real", [20, 30]), ([True, False], "text", None),
    ([str(i) for i in range(20)] + ["停牌"], "real", [*range(20), None]),
])
def test_types_of_columns(cells, kind, values):
    table = Table(["x"], [[cell] for cell in cells])
    assert table.types == [kind]
    if values:
        assert [row[0] for row in table.rows] == [None if v is None else pytest.approx(v) for v in values]
