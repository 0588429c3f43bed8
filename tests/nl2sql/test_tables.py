"""Tables: CSV, Excel and SQLite, whatever else people give, and what a cell means."""

import contextlib
import hashlib
import sqlite3

import pandas
import pytest

from common.harness.reading import InputError
from nl2sql import databases
from nl2sql.sql import Database, Query
from nl2sql.table_files import read_table, table_of_rows
from nl2sql.tables import Table, checked_rows
from tests.nl2sql import corpus
from tests.stress import bombs

SALES = "城市,年份,销售额（万元）\n广州,2018,120.5\n深圳,2019,300\n"
ROWS = [["广州", 2018, 120.5], ["深圳", "2019", 300]]


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
    columns = ["城市", "年份", "销售额（万元）"]
    frame = pandas.DataFrame([["广州", 2018, 120.5], ["深圳", 2019, 300]], columns=columns)
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
                              ["2019-12-05", "10:00", 8.0, 500.0, "1234567890123456790"]]
    assert table.rows[2][2] is None
    assert table.notes == ["人数 is read as numbers, in 人", "额 is read as numbers, 约500 as 500"]
    mixed = table_of_rows([["班级", "日期"], ["3年级", "2019/3/1"], ["甲", "春天"], ["5人", "2019/3/2"]], "t")
    assert mixed.rows[0] == ["3年级", "2019/3/1"] and not mixed.notes
    assert Table(["编号"], [[2**53 + 1], [3]]).types == ["text"]
    assert Table(["编号"], [[2**53], [3]]).types == ["real"]
    gap = Table(["城市", "额"], [["广州", 1], ["", 2]])
    with Database(gap) as database:
        assert database.rows(Query(((0, 4),))) == [(1,)]           # an empty cell is not counted


def test_sqlite_is_only_read(tmp_path):
    path = tmp_path / "sales.db"
    with sqlite3.connect(path) as connection:
        connection.execute('CREATE TABLE "甲" ("城市", "年份", "销售额（万元）")')
        connection.executemany('INSERT INTO "甲" VALUES (?, ?, ?)', ROWS)
    connection.close()
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    check_sales(read_table(path))
    check_sales(read_table(path, "甲"))
    with pytest.raises(InputError, match="no table 乙. It has: 甲"):
        read_table(path, "乙")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    assert [p.name for p in tmp_path.iterdir()] == ["sales.db"]


def test_a_database_with_a_closed_write_ahead_log_gets_no_files_beside_it(tmp_path):
    path = tmp_path / "sales.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute('CREATE TABLE t ("城市", "年份", "销售额（万元）")')
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", ROWS)
        connection.commit()
    check_sales(read_table(path))
    assert [p.name for p in tmp_path.iterdir()] == ["sales.db"]


def test_a_view_that_never_ends_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(databases, "SECONDS", 0.2)
    with contextlib.closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        connection.execute("CREATE VIEW v AS WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) "
                           "SELECT n FROM c WHERE n < 0")
    with pytest.raises(InputError, match="read in 0.2 seconds"):
        read_table(tmp_path / "x.db")


@pytest.mark.parametrize("name, message", [
    ("SQLite with a generated column of 800 MB", "texts of at most 262,144 bytes"),
    ("SQLite with a view of 800 MB", "texts of at most 262,144 bytes"),
    ("SQLite with 20,000 generated texts", "16,777,216 characters in all.*Received: 16,8.* up to row 526"),
    ("xlsx with one text of 30,000 characters in 15,000 cells", "Received: 16,800,000 up to row 560"),
    ("CSV with a header of 1,000,000 columns", "at most 2,000 columns.*Received: 1,000,001 columns"),
    ("CSV with 2,000 columns and 1,000,000 short rows", "300,000 cells.*Received: 2,000 columns in 151 rows"),
    ("CSV with a cell of 9 MB", "field limit"),
    ("TableQA with a text as header", "line 1: expected a table with id, header and rows"),
    ("TableQA with texts as rows", "line 1: expected row 1 as a list. Received: ab"),
    ("TableQA with objects as rows", "line 1: expected row 1 as a list"),
    ("TableQA with lists as cells", "line 1: expected texts and numbers in row 1"),
    ("TableQA with two tables of one id", "line 2: expected each id once. Received: t, as in .*line 1"),
    ("TableQA with 1,000,000 columns", "at most 2,000 columns"),
])
def test_files_that_would_fill_the_memory_or_the_day(tmp_path, name, message):
    _, path = bombs.made(name, tmp_path)
    with pytest.raises(InputError, match=message) as found:
        read_table(path)
    assert "\n" not in str(found.value)


def test_limits_of_tables(tmp_path, monkeypatch):
    assert checked_rows([["a"], ["b", "c"]], "x") == [["a"], ["b", "c"]]
    monkeypatch.setattr("nl2sql.tables.CELLS", 6)
    monkeypatch.setattr("nl2sql.tables.CHARACTERS", 5)
    assert len(checked_rows([["a"], ["b"], ["c", "12345"]], "x")) == 3
    for rows in ([["a", "b"]] * 4, [["a"]] * 7, [["a"]] * 4 + [["a", "b"]]):
        with pytest.raises(InputError, match="x should hold a table of at most 2,000 columns and 6 cells"):
            checked_rows(iter(rows), "x")
    with pytest.raises(InputError, match="at most 5 characters.*Received: 6 in row 2"):
        checked_rows([["a"], ["b", "123456"]], "x")
    with pytest.raises(InputError, match="6 cells"):
        checked_rows([[1], [2], [3]], "x", width=3)
    monkeypatch.setattr("nl2sql.tables.ALL_CHARACTERS", 9)
    assert len(checked_rows([["12345"], ["1234", 5]], "x")) == 2
    with pytest.raises(InputError, match="at most 9 characters in all its cells. Received: 10 up to row 2"):
        checked_rows([["12345"], ["12345"]], "x")
    monkeypatch.setattr("nl2sql.tables.CORPUS_CELLS", 3)
    with pytest.raises(InputError, match="at most 3 cells in all.*line 2"):
        read_table(bombs.tableqa(tmp_path, {}, {"id": "u"}), "t")


def test_a_table_whose_column_takes_hours_is_given_up_as_a_view_is(tmp_path, monkeypatch):
    monkeypatch.setattr(databases, "SECONDS", 0.2)
    with pytest.raises(InputError, match="read in 0.2 seconds"):
        read_table(bombs.slow_column(tmp_path))


def test_csv_files_as_they_come(tmp_path):
    path = tmp_path / "sqlite_export.csv"
    path.write_text("城市,人口\n广州,1868\n深圳\n", encoding="utf-8")
    table = read_table(path)
    assert table.rows == [["广州", 1868.0], ["深圳", None]] and table.name == "table_sqlite_export"
    path.write_text("城市,人口\r广州,1868\r\r深圳,1756\r", encoding="utf-8", newline="")
    assert read_table(path).rows == [["广州", 1868.0], ["深圳", 1756.0]]
    path.write_bytes("縣市,人口\n臺北市,2602418\n高雄市,2773093\n".encode("big5"))
    assert read_table(path).cells(0) == ["臺北市", "高雄市"]


@pytest.mark.parametrize("text, columns, rows", [
    ("2019年销售表\n城市,销售额\n广州,12\n", ["城市", "销售额"], [["广州", 12.0]]),
    ("2019年销售表\n单位：万元\n\n城市\t销售额\n广州\t12\n", ["城市", "销售额"], [["广州", 12.0]]),
    ("2019年销售表,,\n城市,销售额,年\n广州,12,3\n", ["城市", "销售额", "年"], [["广州", 12.0, 3.0]]),
    ("城市,销售额\n广州,12,\n深圳,13, \n", ["城市", "销售额"], [["广州", 12.0], ["深圳", 13.0]]),
    ("城市,销售额,\n广州,12,\n", ["城市", "销售额", "列3"], [["广州", 12.0, None]]),
    (",城市,销售额\n,广州,12\n", ["城市", "销售额"], [["广州", 12.0]]),
    ("sep=;\n城市;销售额\n广州;1,2\n", ["城市", "销售额"], [["广州", "1,2"]]),
    ("城市,说明\n广州,1\n,\n,\n", ["城市", "说明"], [["广州", 1.0]]),
    ("城市\n广州\n深圳\n", ["城市"], [["广州"], ["深圳"]]),
    ("甲,乙\n广州,\n深圳,\n", ["甲", "乙"], [["广州", None], ["深圳", None]]),
    ("销售表\n城市,1月\n", ["销售表", "列2"], [["城市", "1月"]]),          # a header needs rows below it
])
def test_csv_files_as_programs_write_them(tmp_path, text, columns, rows):
    for encoding in ("utf-8", "utf-8-sig", "gb18030", "utf-16"):
        (tmp_path / "x.csv").write_bytes(text.encode(encoding))
        table = read_table(tmp_path / "x.csv")
        assert (table.columns, table.rows) == (columns, rows), encoding


def test_pictures_in_a_database_count_as_empty(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "x.db")) as connection, connection:
        connection.execute('CREATE TABLE t (名称 TEXT, 图片 BLOB, "a""b" REAL)')
        rows = [("甲", bytes(3_000_000), 1), ("乙", None, 2), ("丙", b"abc", 3), (None, "文", 4)]
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
    table = read_table(tmp_path / "x.db")
    assert table.columns == ["名称", "图片", 'a"b']
    assert table.rows == [["甲", None, 1.0], ["乙", None, 2.0], ["丙", None, 3.0], [None, "文", 4.0]]
    assert table.notes == ["cells of 图片 that hold bytes, as of a picture, count as empty: 2"]


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
    ("x.csv", b"", "is empty"), ("x.csv", b" \n \n", "is empty"),
    ("x.csv", "城市,年份\n".encode(), "without rows"),
    ("x.csv", b"a,b\n1,2\n1,2,3\n", "rows of at most 2 cells, as its header has. Received: 3 .* line 3"),
    ("x.csv", b"\xff\xff\xff\xff", "and is none"),
    ("x.csv", b"a,b\n\0,1\n", "NUL characters"), ("x.xlsx", b"PK\3\4 no excel", "should be an Excel file"),
    ("x.xlsx", b"", "should be an Excel file"),
    ("x.db", b"no database at all, only text", "no SQLite database or damaged"),
    ("x.db", b"SQLite format 3\0" + bytes(range(256)) * 8, "no SQLite database or damaged|cannot be read"),
    ("x.db", b"", "holds no table"),
    ("x.json", b"{", "line 1 is none"), ("x.json", b"", "holds no table"),
    ("x.json", b"[" * 100_000, "line 1 is none"),
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
    header, row = ",".join(f"c{i}" for i in range(300)), ",".join("1" for _ in range(300))
    (tmp_path / "wide.csv").write_text(f"{header}\n{row}")
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
    (["2019-03-01", "2019-04-01"], "text", None), (["￥20", "30元"], "real", [20, 30]),
    ([True, False], "text", None),
    ([str(i) for i in range(20)] + ["停牌"], "real", [*range(20), None]),
])
def test_types_of_columns(cells, kind, values):
    table = Table(["x"], [[cell] for cell in cells])
    assert table.types == [kind]
    if values:
        found = [row[0] for row in table.rows]
        assert found == [None if value is None else pytest.approx(value) for value in values]
