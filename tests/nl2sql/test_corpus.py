"""nl2sql/corpus.py: TableQA's files with their quirks, and files that are none of them."""

import json

import pytest

from common.harness.reading import InputError
from nl2sql.corpus import load_corpus, record_of
from nl2sql.sql import Database, Query
from nl2sql.tables import table_of
from tests.nl2sql import corpus


def tables_of(records):
    return {record.table.id for record in records}


def test_a_corpus_in_tableqas_files(tmp_path):
    found = load_corpus(str(corpus.write(tmp_path)))
    assert (len(found.train), len(found.valid), len(found.test)) == (408, 68, 136) and not found.builtin
    train, valid, test = (tables_of(part) for part in (found.train, found.valid, found.test))
    assert not train & valid and not train & test and not valid & test
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
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for line in lines:
        del line["sql"]
    path.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines), "utf-8")
    found = load_corpus(str(tmp_path))
    assert len(found.test) == 136 and len(found.valid) == 68 and len(found.train) == 340
    assert not tables_of(found.valid) & tables_of(found.train)


QUIRKS = {"id": "t", "name": "Table_t", "title": "", "header": ["名称", "", "名称", "数量", 2018, None],
          "types": ["text", "text", "text", "real", "real"],
          "rows": [["a", "b", "c", 1.0, "2,000", "x"], ["d", None, 3, "—", 5],
                   ["e", "f", "g", "停牌", "7%", "y", "one too many"], [1.5, 2, "h", "１2", None, "z"]]}


def test_quirks_of_tables():
    """Mixed cells, empty and double headers, headers that are numbers, short and long rows, missing types."""
    table = table_of(QUIRKS, "here")
    assert table.columns == ["名称", "列2", "名称_2", "数量", "2018", "列6"]
    assert table.types == ["text", "text", "text", "real", "real", "text"]
    assert [row[3:5] for row in table.rows] == [[1.0, 2000.0], [None, 5.0], [None, 0.07], [12.0, None]]
    assert table.rows[1] == ["d", None, "3", None, 5.0, None] and table.rows[3][:2] == ["1.5", "2"]
    with Database(table) as database:
        assert database.rows(Query(((0, 0),), ((2, 2, "3"),))) == [("d",)]
        assert database.rows(Query(((3, 5),))) == [(13.0,)]


def test_quirks_of_records():
    tables = {"t": table_of(QUIRKS, "here")}
    line = {"question": "?", "table_id": "t", "sql": {"sel": [3, 3], "agg": [2, 3], "cond_conn_op": 1,
                                                      "conds": [[0, 2, "a"], [4, 0, 100]]}}
    record = record_of(line, tables, "here")
    assert record.query.select == ((3, 2), (3, 3)) and record.query.conditions[1] == (4, 0, "100")
    assert record_of({"question": "?", "table_id": "t"}, tables, "here").query is None


@pytest.mark.parametrize("change, message", [
    ({"table_id": "u"}, "is in no tables file. Received: u"),
    ({"sql": {"sel": [0]}}, "expected question, table_id and sql"),
    ({"sql": {"sel": [9], "agg": [0], "cond_conn_op": 0, "conds": []}}, "columns 0 to 5"),
    ({"sql": {"sel": [0], "agg": [0], "cond_conn_op": 0, "conds": [[0, 7, "x"]]}}, "operators 0 to 3"),
    ({"sql": {"sel": [0], "agg": [0], "cond_conn_op": 0, "conds": [[0, 2]]}}, "Received: ValueError"),
    ({"sql": {"sel": [0], "agg": [0, 1], "cond_conn_op": 0, "conds": []}}, "Received: ValueError"),
    ({"sql": "DROP TABLE"}, "Received: TypeError"),
])
def test_records_that_are_none(change, message):
    sql = {"sel": [0], "agg": [0], "cond_conn_op": 0, "conds": []}
    line = {"question": "?", "table_id": "t", "sql": sql} | change
    with pytest.raises(InputError, match=message):
        record_of(line, {"t": table_of(QUIRKS, "here")}, "here")


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
