"""The corpus: format, splits, its queries run by SQLite, its variety, and that each value can be read in the
question."""

import collections
import json
import random
import re
import sqlite3
import subprocess
import sys

import pytest

from common.harness.reading import InputError
from common.harness.writing import ROOT
from nl2sql import samples
from nl2sql.grammar import builtin, texts
from nl2sql.grammar.bounds import between
from nl2sql.grammar.mentions import common_subsequence
from nl2sql.grammar.spoken_numbers import chinese, chinese_digits
from nl2sql.sql import AND, EQ, GT, LT, NE
from tests.articles import last_line, run

OPERATORS, CONNECTORS = [">", "<", "==", "!="], ["", " AND ", " OR "]
AGGREGATES = ["", "AVG", "MAX", "MIN", "COUNT", "SUM"]
FIELDS = ["books", "education", "films", "finance", "medicine",
          "property", "shops", "sports", "transport", "weather"]


@pytest.fixture(scope="module")
def corpus():
    return builtin.generate()


def each(corpus):
    """(split, record, its table) of all splits."""
    for split, (records, tables) in corpus.items():
        tables = {table["id"]: table for table in tables}
        for record in records:
            yield split, record, tables[record["table_id"]]


def databases(corpus):
    """An SQLite table of every table, columns named after their numbers, with TableQA's types."""
    connection = sqlite3.connect(":memory:")
    for _, tables in corpus.values():
        for table in tables:
            columns = ", ".join(f"col_{i} {kind}" for i, kind in enumerate(table["types"]))
            connection.execute(f"CREATE TABLE t{table['id']} ({columns})")
            marks = ", ".join("?" * len(table["types"]))
            connection.executemany(f"INSERT INTO t{table['id']} VALUES ({marks})", table["rows"])
    return connection


def execute(connection, record, table):
    sql = record["sql"]
    select = ", ".join(f"{AGGREGATES[a]}(col_{i})" for i, a in zip(sql["sel"], sql["agg"]))
    conditions = [f"col_{i} {OPERATORS[operator]} ?" for i, operator, _ in sql["conds"]]
    values = [float(value) if table["types"][i] == "real" else value for i, _, value in sql["conds"]]
    where = f" WHERE {CONNECTORS[sql['cond_conn_op']].join(conditions)}" if conditions else ""
    return connection.execute(f"SELECT {select} FROM t{table['id']}{where}", values).fetchall()


# ------------------------------------------------------------------------------------------ format and splits

def test_format(corpus):
    assert {split: len(records) for split, (records, _) in corpus.items()} == builtin.SIZES
    for _, record, table in each(corpus):
        assert list(record) == ["question", "table_id", "sql"]
        sql, width = record["sql"], len(table["header"])
        assert list(sql) == ["sel", "agg", "cond_conn_op", "conds"]
        assert record["question"] == record["question"].strip()
        assert len(sql["sel"]) == len(sql["agg"]) >= 1 and len(set(sql["sel"])) == len(sql["sel"])
        assert all(0 <= i < width for i in sql["sel"]) and all(0 <= a < 6 for a in sql["agg"])
        assert (sql["cond_conn_op"] > 0) == (len(sql["conds"]) > 1) and len(sql["conds"]) <= 3
        for column, op, value in sql["conds"]:
            assert 0 <= column < width and 0 <= op < 4 and isinstance(value, str) and value
            if table["types"][column] == "real":
                assert f"{float(value):.10g}" == value
            else:
                assert op in (EQ, NE)


def test_tables(corpus):
    for _, tables in corpus.values():
        for table in tables:
            assert list(table) == ["id", "name", "title", "header", "types", "rows"]
            width = len(table["header"])
            assert len(table["types"]) == width >= 4 and len(set(table["header"])) == width
            assert len(table["rows"]) >= 7 and all(len(row) == width for row in table["rows"])
            for cells, kind in zip(zip(*table["rows"]), table["types"]):
                assert all(isinstance(cell, str if kind == "text" else (int, float)) for cell in cells)
    assert len({table["id"] for _, tables in corpus.values() for table in tables}) == sum(
        len(tables) for _, tables in corpus.values())


def test_rows_have_names_of_their_own():
    """One name a row, or one name and one time a row."""
    for table in builtin.tables_of("train", 1) + builtin.tables_of("test", 1):
        times = [column.cells for column in table.columns if column.spec.adverb]
        rows = list(zip(table.key.cells, *times))
        assert len(set(rows)) == len(rows) == table.size and bool(times) == table.schema.cross


def test_tables_of_a_schema_differ(corpus):
    for _, tables in corpus.values():
        headers = collections.defaultdict(set)
        for table in tables:
            headers[table["title"]].add(tuple(table["header"]))
        assert min(map(len, headers.values())) >= 5


def test_splits_share_no_schema(corpus):
    schemas = texts.read_schemas()
    titles = collections.defaultdict(set)
    for schema in schemas:
        titles[schema.split].add(schema.title)
    assert {split: len(names) for split, names in titles.items()} == {"train": 102, "valid": 10, "test": 14}
    assert len(set().union(*titles.values())) == 126
    for split, (_, tables) in corpus.items():
        assert {table["title"] for table in tables} == titles[split]
        assert sorted({schema.field for schema in schemas if schema.split == split}) == FIELDS


def test_no_word_means_two_columns_of_a_table():
    for split in builtin.SIZES:
        for table in builtin.tables_of(split, 0):
            for words in ("nouns", "asks", "sayings"):
                used = [word for column in table.columns for word in getattr(column, words)]
                used = [word for word in used if word.strip("~+!")]
                assert len(set(used)) == len(used), (table.schema.title, words, used)
            for column in table.columns:     # what leaves the column out needs cells that no other column has
                if "~" in column.sayings or "~+" in column.sayings:
                    others = [cell for other in table.columns if other is not column for cell in other.cells]
                    assert not set(column.cells) & set(others)


def test_no_question_twice(corpus):
    questions = [record["question"] for _, record, _ in each(corpus)]
    assert len(set(questions)) == len(questions)


def test_test_schemas_ask_in_words_of_their_own():
    """At least a third of their headers, and of their columns' other names, stand in no training schema."""
    names = {"train": set(), "test": set()}
    for schema in texts.read_schemas():
        if schema.split in names:
            names[schema.split].update(name for spec in schema.specs for name in spec.names + spec.nouns)
    new = names["test"] - names["train"]
    assert len(new) > len(names["test"]) / 3


@pytest.mark.parametrize("split", builtin.SIZES)
def test_all_kinds_of_queries_in_sensible_shares(corpus, split):
    queries = [record["sql"] for record in corpus[split][0]]
    share = collections.Counter()
    for sql in queries:
        share.update({f"agg {aggregate}" for aggregate in sql["agg"]})
        share.update({f"op {operator}" for _, operator, _ in sql["conds"]})
        share.update([f"connector {sql['cond_conn_op']}", f"{len(sql['sel'])} selected"])
        share.update([f"{len(sql['conds'])} conditions"])
    share = {name: count / len(queries) for name, count in share.items()}
    assert all(share[f"connector {i}"] > 0.2 for i in range(3))
    assert share["agg 0"] > 0.5 and all(share[f"agg {i}"] > 0.02 for i in range(1, 6))
    assert share["op 2"] > 0.4 and share["op 0"] > 0.1 and share["op 1"] > 0.05 and share["op 3"] > 0.02
    assert share["2 selected"] > 0.05 and share["3 selected"] > 0.005 and share["0 conditions"] < 0.06
    assert all(share[f"{n} conditions"] > 0.02 for n in (1, 2, 3))


# ------------------------------------------------------------------------------------------------ the queries

def test_queries_run_and_most_find_something(corpus):
    connection, empty = databases(corpus), 0
    for _, record, table in each(corpus):
        rows = execute(connection, record, table)
        empty += not rows or all(cell in (None, 0) for row in rows for cell in row)
    assert empty < 0.02 * sum(builtin.SIZES.values())


def test_two_conditions_on_a_column_are_a_range_or_a_choice(corpus):
    for _, record, _ in each(corpus):
        sql, by_column = record["sql"], collections.defaultdict(list)
        for column, op, value in sql["conds"]:
            by_column[column].append((op, value))
        for column, conditions in by_column.items():
            assert column not in sql["sel"]
            if len(conditions) > 1 and sql["cond_conn_op"] == AND:
                (op, low), (op2, high) = conditions
                assert (op, op2) == (GT, LT) and float(low) < float(high)
            assert len(set(conditions)) == len(conditions)


def test_inclusive_words_name_no_cell(corpus):
    """TableQA's SQL knows no at least: where a question says it, more than finds the same rows."""
    inclusive = re.compile("以[上下内]|不[低少小]于|至少|起码|不超过|不[高多大]于|没超过|没有超过|没有低于")
    seen = 0
    for _, record, table in each(corpus):
        sql = record["sql"]
        bounds = [condition for condition in sql["conds"] if condition[1] in (GT, LT)]
        one_bound = len(sql["conds"]) == len(bounds) == 1 and not any(sql["agg"])
        if one_bound and inclusive.search(record["question"]):
            column, _, value = bounds[0]
            seen += 1
            assert all(row[column] != float(value) for row in table["rows"]), record
    assert seen > 500


# ------------------------------------------------------------------------------------------------ the wording

def shape(sql):
    return (tuple(sorted(sql["agg"])), sql["cond_conn_op"], tuple(sorted(op for _, op, _ in sql["conds"])))


def names_of(schema):
    """A pattern of what the schema's columns are called, the longest first."""
    words = [re.escape(word) for spec in schema.specs for word in spec.names + spec.nouns]
    return re.compile("|".join(sorted(words, key=len, reverse=True)))


def test_at_least_eight_wordings_of_every_shape(corpus):
    wordings, counts = collections.defaultdict(set), collections.Counter()
    schemas = texts.read_schemas()
    names = {schema.title: names_of(schema) for schema in schemas}
    for split, record, table in each(corpus):
        if split == "train":
            question = record["question"]
            for _, _, value in record["sql"]["conds"]:
                question = question.replace(value, "v")
            question = names[table["title"]].sub("n", question)
            question = re.sub("[0-9零一二两三四五六七八九十百千万亿.,%点]+", "v", question)
            wordings[shape(record["sql"])].add(question)
            counts[shape(record["sql"])] += 1
    common = [kind for kind, count in counts.items() if count >= 20]
    assert len(common) > 30
    assert min(len(wordings[kind]) for kind in common) >= 8
    for rule in "find count avg max min sum gt gt_loose lt lt_loose eq range and".split():
        assert len(set(texts.phrases()[rule])) >= 8             # without what stands around


DIGITS = "零一二三四五六七八九"


def chinese_value(text):
    """The number that Chinese numerals say: 三千五百, 一千五, 两亿五千万, 十二点五; ValueError where none."""
    text = text.replace("两", "二").removeprefix("零")
    whole, point, rest = text.partition("点")
    if point:
        return chinese_value(whole) + float("0." + "".join(str(DIGITS.index(digit)) for digit in rest))
    for name, size in [("亿", 10**8), ("万", 10**4), ("千", 1000), ("百", 100), ("十", 10)]:
        if name in text:
            head, _, rest = text.partition(name)
            short = len(rest) == 1 and size > 10                # 一千五
            return (chinese_value(head) or 1) * size + chinese_value(rest) * (size // 10 if short else 1)
    return DIGITS.index(text) if text else 0


NUMERAL = re.compile(r"-?[\d,]*\.?\d+|[零一二两三四五六七八九十百千万亿]+(?:点[零一二三四五六七八九]+)?")


def numbers_in(question):
    """Every number that a part of the question says, in each scale that may be meant."""
    found = set()
    for match in NUMERAL.finditer(question):
        said = match[0].replace(",", "")
        pieces = {said}
        if re.match("[零一二两三四五六七八九十]", said):                     # 十一一月: some part of it
            pieces = {said[i:j] for i in range(len(said)) for j in range(i + 1, len(said) + 1)}
        for piece in sorted(pieces):
            try:
                value = float(piece) if re.match(r"-?[\d.]", piece) else chinese_value(piece)
            except ValueError:
                continue
            scale = {"万": 1e4, "亿": 1e8}.get(question[match.end():match.end() + 1], 1)
            tenth = question[match.end():match.end() + 1] == "成"
            found |= {round(value * s / t, 6) for s in (1, scale, 10 if tenth else 1) for t in (1, 1e4, 1e8)}
    return found


def distance_within(cell, question):
    """The edit distance of the cell to the part of the question most like it."""
    row = [0] * (len(question) + 1)
    for i, a in enumerate(cell, 1):
        previous, row[0] = row[0], i
        for j, b in enumerate(question, 1):
            previous, row[j] = row[j], min(previous + (a != b), row[j] + 1, row[j - 1] + 1)
    return min(row)


def told(cell, question):
    """A cell of text, a date or a time stands in the question, shortened, or with at most two wrong
    characters."""
    if cell in question or cell.strip("《》") in question or texts.aliases().get(cell, "\n") in question:
        return True
    if re.fullmatch(r"(19|20)\d\d年?", cell):
        years = [cell[:4], cell[2:4]]
        years += [chinese_digits(year) for year in years]
        return any(year in question.replace("〇", "零") for year in years)
    if re.fullmatch(r"\d+[-/.年]\d+[-/.月]\d+日?", cell):
        _, month, day = map(int, re.findall(r"\d+", cell))
        return bool(re.search(rf"(?<!\d)0?{month}[-/.月]0?{day}(?!\d)", question))
    if match := re.fullmatch(r"(\d\d):(\d\d)", cell):
        hour, minute = int(match[1]), match[2]
        rests = {"00": "点", "15": "点一刻", "30": "点半"}.get(minute, f"点{minute}"), f":{minute}"
        return any(f"{said}{rest}" in question for said in (hour, chinese(hour)) for rest in rests)
    if cell.lower() in question.lower() or distance_within(cell, question) <= 2:
        return True
    size = len(question)
    parts = [question[i:j] for i in range(size) for j in range(i + 2, min(i + len(cell), size) + 1)]
    return any(common_subsequence(part, cell) == len(part) for part in parts)     # 东方 for 上海东方有限公司


def test_every_value_can_be_read_in_the_question(corpus):
    for _, record, table in each(corpus):
        numbers = numbers_in(record["question"])
        for column, _, value in record["sql"]["conds"]:
            year = re.fullmatch("(19|20)[0-9]{2}", value) and float(value) not in numbers       # 18年
            if table["types"][column] == "text" or year:
                assert told(value, record["question"]), (record, table["header"])
            else:
                assert float(value) in numbers, (record, table["header"])


def test_many_values_are_not_literally_there(corpus):
    literal = collections.Counter()
    for _, record, table in each(corpus):
        for column, _, value in record["sql"]["conds"]:
            if table["types"][column] == "text":
                literal[value in record["question"]] += 1
    assert 0.1 < literal[False] / sum(literal.values()) < 0.4


@pytest.mark.parametrize("number, said", [
    (35, "三十五"), (200, "两百"), (1500, "一千五百"), (20000, "两万"), (105, None), (10, "十"), (12, "十二"),
    (3.5, "三点五"), (250_000_000, "两亿五千万"), (0, "零"), (110, "一百一十"), (12_000_000, "一千两百万"),
    (1203, None), (20, "二十"),
])
def test_chinese_numerals(number, said):
    assert chinese(number) == said
    if said:
        assert chinese_value(said) == number


@pytest.mark.parametrize("low, high, decimals", [(3, 20, 0), (3, 4, 0), (0.15, 0.16, 2), (-12.5, -3, 1),
                                                 (98_000, 99_500, 0)])
def test_bounds_lie_between(low, high, decimals):
    for seed in range(50):
        number = between(low, high, decimals, random.Random(seed))
        assert number is None if (low, high) in [(3, 4), (0.15, 0.16)] else low < number < high


# -------------------------------------------------------------------------------------------- the whole of it

def test_the_seed_decides(corpus):
    small = {"train": 300, "valid": 50}
    assert builtin.generate(3, small) == builtin.generate(3, small) != builtin.generate(4, small)


def test_the_same_in_every_process_and_python():
    """No order of sets or hashes: another hash seed and another Python give the corpus that this digest was
    taken of.

    Whoever changes the corpus writes the new digest here, and trains the shipped model anew.
    """
    code = """
import hashlib, json
from nl2sql.grammar import builtin
text = json.dumps(builtin.generate(1, {"train": 2000, "test": 500}), ensure_ascii=False)
print(hashlib.sha256(text.encode()).hexdigest())
"""
    for seed in ("1", "2"):
        found = subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, cwd=ROOT,
                               capture_output=True, text=True, check=True).stdout.strip()
        assert found == "a79c62fe25c1c3bbedbac1349c3cacaed68c7ebdba97b2ce375c10a35fa5156b"


def test_six_files(tmp_path, monkeypatch):
    monkeypatch.setattr(builtin, "SIZES", {"train": 60, "valid": 20, "test": 20})
    samples.write_corpus(samples.Config(tmp_path / "new", seed=2))
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "test.json", "test.tables.json", "train.json", "train.tables.json", "val.json", "val.tables.json"]
    with pytest.raises(InputError, match="exists, and is not written over"):
        samples.write_corpus(samples.Config(tmp_path / "new"))
    expected = builtin.generate(2)
    for split, name in [("train", "train"), ("valid", "val"), ("test", "test")]:
        for suffix, part in zip(["json", "tables.json"], expected[split]):
            lines = (tmp_path / "new" / f"{name}.{suffix}").read_text(encoding="utf-8").splitlines()
            assert [json.loads(line) for line in lines] == part


def test_the_script_writes_over_nothing(tmp_path):
    (tmp_path / "train.json").write_text("TableQA's own", "utf-8")
    error = last_line(run("nl2sql/samples.py", "--out", tmp_path, code=2))
    assert error.startswith("error: --out expects a folder for new files") and "train.json exists" in error
    assert (tmp_path / "train.json").read_text("utf-8") == "TableQA's own"
    assert "--seed" in run("nl2sql/samples.py", "--help", cwd=tmp_path).stdout
