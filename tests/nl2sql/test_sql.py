"""nl2sql/sql.py: statements, types, the time limit, and every way to make the database do something else than
answer."""

import hashlib
import sqlite3

import pytest

from common.harness.reading import InputError
from nl2sql.cells import cell_text, clean
from nl2sql.sql import Database, Query, literal, quoted
from nl2sql.tables import Table

HEADER = ["城市", 'say "hi"', "select", "", "城市", "销售额", "ORDER BY 1; --"]
ROWS = [["广州", "a", "x", "1", "p", 120.5, "k"], ["深圳", "b", "y", "2", "q", 300, "l"],
        ["O'Neill", "c", None, "3", "r", None, "m"]]
TABLE = Table(HEADER, ROWS, ["text"] * 5 + ["real", "text"], name='t"; DROP')
# Each of them once stood in somebody's query. Here they are values, names of columns and cells, and
# questions.
INJECTIONS = [
    "'; DROP TABLE \"table\"; --", "\"; DROP TABLE t; --", "' OR '1'='1", "' OR 1=1 --", "1; DELETE FROM t",
    "1 OR 1=1",
    "' UNION SELECT name FROM sqlite_master --", "' UNION ALL SELECT sql, 2 FROM sqlite_master --",
    "x'); DROP TABLE t; --",
    "'; INSERT INTO t VALUES (1); --", "'; UPDATE t SET a = 0; --",
    "'; ATTACH DATABASE 'evil.db' AS evil; --",
    "'; PRAGMA writable_schema = 1; --", "'; PRAGMA query_only = OFF; --", "load_extension('evil.so')",
    "') ; VACUUM INTO 'x.db",
    "'; CREATE TABLE evil (x); --", "'; ALTER TABLE t RENAME TO u; --", "/* */ DROP /**/ TABLE t",
    "%27%3B DROP TABLE t",
    "\\'; DROP TABLE t; --", "'' ; DROP TABLE t", "`; DROP TABLE t; `", "[t]; DROP TABLE t",
    "0x27; DROP TABLE t",
    "'||(SELECT name FROM sqlite_master)||'", "1 AND (SELECT COUNT(*) FROM sqlite_master) > 0",
    "'; REINDEX; --",
    "'; BEGIN; --",
    "readfile('/etc/passwd')", "writefile('x', 'y')", "'; DETACH DATABASE main; --",
    "＇； ＤＲＯＰ ＴＡＢＬＥ t",
    "t\n; DROP TABLE t",
    "?; DROP TABLE t", ":x); DROP TABLE t", "char(59)||'DROP TABLE t'", "a' GLOB '*", "%' OR LIKE '%",
    "' AND randomblob(1e9) --",
]
REFUSED = [
    "DROP TABLE {t}", "DELETE FROM {t}", "INSERT INTO {t} DEFAULT VALUES", "UPDATE {t} SET 城市 = 1",
    "CREATE TABLE x (a)",
    "CREATE TEMP TABLE x (a)", "CREATE VIEW v AS SELECT 1", "CREATE INDEX i ON {t} (城市)",
    "ALTER TABLE {t} RENAME TO u",
    "ATTACH DATABASE 'evil.db' AS evil", "ATTACH DATABASE ':memory:' AS evil", "DETACH DATABASE main",
    "PRAGMA query_only = OFF",
    "PRAGMA writable_schema = ON", "PRAGMA table_info({t})", "VACUUM", "VACUUM INTO 'evil.db'", "ANALYZE",
    "BEGIN", "SAVEPOINT a", "SELECT * FROM sqlite_master", "SELECT name FROM sqlite_schema",
    "SELECT load_extension('x')",
    "SELECT randomblob(10)", "SELECT zeroblob(1000000000)", "SELECT sqlite_version()",
    "SELECT * FROM pragma_database_list",
    "SELECT 城市 FROM {t}; DROP TABLE {t}",
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT * FROM c",
    "EXPLAIN DROP TABLE {t}", "SELECT writefile('x', 'y')", "SELECT * FROM generate_series(1, 9)",
    "REPLACE INTO {t} DEFAULT VALUES",
]


def content(database):
    """A digest of everything in the database, by another way than Database's own."""
    database.connection.set_authorizer(None)
    # iterdump quotes nothing: it falls to injections itself
    name = '"' + database.table.name.replace('"', '""') + '"'
    statements = ["SELECT * FROM sqlite_master", "PRAGMA database_list", "PRAGMA query_only",
                  f"SELECT rowid, * FROM {name}"]
    found = [database.connection.execute(statement).fetchall() for statement in statements]
    digest = hashlib.sha256(repr(found).encode()).hexdigest()
    database.connection.set_authorizer(database._allowed)
    return digest


def test_names_are_quoted_and_unique():
    assert TABLE.columns == ["城市", 'say "hi"', "select", "列4", "城市_2", "销售额", "ORDER BY 1; --"]
    assert Table(["a", "A", "a", "", ""], []).columns == ["a", "A_2", "a_3", "列4", "列5"]
    assert quoted('a"b') == '"a""b"' and literal("O'Neill") == "'O''Neill'"
    assert cell_text(2018.0) == "2018" and cell_text(0.1) == "0.1" and cell_text(None) == ""


def test_statement_and_text():
    with Database(TABLE) as database:
        query = Query(((5, 2), (1, 0)), ((0, 2, "O'Neill"), (5, 0, "100")), 2)
        statement, values = database.statement(query)
        assert statement == ('SELECT MAX("销售额"), "say ""hi""" FROM "t""; DROP" '
                             'WHERE "城市" = ? OR "销售额" > ?')
        assert values == ["O'Neill", 100.0]
        assert database.text(query).endswith("\"城市\" = 'O''Neill' OR \"销售额\" > 100")


@pytest.mark.parametrize("query, rows", [
    (Query(((0, 0),)), [("广州",), ("深圳",), ("O'Neill",)]),
    (Query(((0, 0),), ((5, 0, "200"),)), [("深圳",)]),
    (Query(((0, 0),), ((5, 1, 200.0),)), [("广州",)]),
    (Query(((0, 0),), ((5, 2, "120.5"),)), [("广州",)]),
    (Query(((0, 0),), ((5, 3, "120.5"),)), [("深圳",)]),
    (Query(((5, 1), (5, 5)),), [(210.25, 420.5)]),       # nothing counts for nothing: two numbers, three rows
    (Query(((5, 2), (5, 3), (5, 4), (0, 4))), [(300.0, 120.5, 2, 3)]),
    (Query(((5, 5),), ((0, 2, "nobody"),)), [(None,)]),
    (Query(((1, 0),), ((0, 2, "广州"), (0, 2, "深圳")), 2), [("a",), ("b",)]),
    (Query(((1, 0),), ((0, 2, "广州"), (0, 2, "深圳")), 1), []),
    (Query(((3, 0),), ((3, 2, "2"),)), [("2",)]),                     # a text column compares texts
    (Query(((3, 0),), ((3, 2, 2.0),)), [("2",)]),
    (Query(((6, 0), (6, 0)), ((2, 2, "x"),)), [("k", "k")]),
    (Query(((0, 0),), ((5, 0, "no number"),)), []),
])
def test_rows(query, rows):
    with Database(TABLE) as database:
        assert database.rows(query) == rows


@pytest.mark.parametrize("text", INJECTIONS)
def test_injections_are_values_names_and_cells_and_nothing_happens(text):
    table = Table([text, "n"], [[text, 1], ["other", 2]], ["text", "real"], name=text)
    with Database(table) as database:
        before = content(database)
        for operator in (2, 3):
            rows = database.rows(Query(((1, 0),), ((0, operator, clean(text)),)))
            assert rows == [(1.0 if operator == 2 else 2.0,)]
        assert database.rows(Query(((0, 4),), ((1, 0, text),))) in ([(0,)], [(2,)])
        # what people read is one statement too, and the same one
        assert database.execute(database.text(Query(((1, 0),), ((0, 2, clean(text)),)))) == [(1.0,)]
        assert content(database) == before
    assert len(INJECTIONS) >= 30


@pytest.mark.parametrize("statement", REFUSED)
def test_whatever_is_no_question_is_refused(statement, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Database(TABLE, seconds=0.3) as database:
        before = content(database)
        with pytest.raises(InputError, match="refuses|took longer"):
            database.execute(statement.format(t=quoted(TABLE.name)))
        assert content(database) == before
    assert not list(tmp_path.iterdir())


def test_a_query_that_takes_too_long_is_given_up():
    table = Table(["a"], [[i] for i in range(3000)])
    late = pytest.raises(InputError, match="took longer than 0.2 seconds")
    with Database(table, seconds=0.2) as database, late:
        name = quoted(table.name)
        database.execute(f"SELECT COUNT(x.a) FROM {name} x, {name} y, {name} z WHERE x.a + y.a < z.a")


def test_what_is_no_query():
    for select, conditions, connector, message in [
            ((), (), 0, "at least one selected column"), (((7, 0),), (), 0, "columns 0 to 6"),
            (((-1, 0),), (), 0, "columns 0 to 6"),
            (((0, 6),), (), 0, "aggregates 0 to 5"), (((0, 0),), ((0, 4, "x"),), 0, "operators 0 to 3"),
            (((0, 0),), ((0, 2, "x"), (0, 2, "y")), 0, "connector 1 or 2"),
            (((0, 0),), (), 3, "connector 1 or 2")]:
        with Database(TABLE) as database, pytest.raises(ValueError, match=message):
            database.rows(Query(select, conditions, connector))


def test_json_there_and_back():
    sql = {"sel": [5, 5], "agg": [2, 3], "cond_conn_op": 1, "conds": [[0, 2, "x"], [1, 0, "3"]]}
    assert Query.from_json(sql).to_json() == sql
    assert Query(((0, 0),), ((5, 0, 100.0),)).to_json()["conds"] == [[5, 0, "100"]]
    with pytest.raises(ValueError):
        Query.from_json({**sql, "agg": [2]})


def test_the_lock_is_tighter_than_sqlite_needs():
    """Without the authorizer the first of the refused statements would work: the test above tests
    something."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (城市)")
    connection.execute(REFUSED[0].format(t="t"))
    assert not connection.execute("SELECT * FROM sqlite_master").fetchall()
