"""Questions about tables, and the queries that answer them: TableQA's files, and the built-in corpus. No
Keras in here.

TableQA (github.com/ZhuiyiTechnology/TableQA) has two files for each part, one JSON object a line:

    train.json          {"question": ..., "table_id": ..., "sql": {"sel", "agg", "cond_conn_op", "conds"}}
    train.tables.json   {"id", "name", "title", "header", "types", "rows"}

Its quirks: cells of columns of numbers that are texts, headers that are empty or twice the same, rows that
are too short, `sel` with a column twice, test questions without `sql`.
"""

import hashlib
import json
from dataclasses import dataclass, field

from common.harness import datasets
from common.harness.language import in_users_language
from common.harness.paths import named_path
from common.harness.reading import InputError, sha256_of_all
from nl2sql.grammar.builtin import generate
from nl2sql.sql import Query
from nl2sql.tables import Table, json_lines, table_of, tables_in

FILES = {"train": "train", "valid": "val", "test": "test"}       # part → how TableQA's files begin
USES = {"train": "train on", "valid": "validate with", "test": "test on"}
NOTE = ("NOTE: this is the built-in corpus, not TableQA: clone github.com/ZhuiyiTechnology/TableQA and name "
        "its folder with --data.")
CHINESE_NOTE = ("注意：这是自带的语料，不是 TableQA：请克隆 github.com/ZhuiyiTechnology/TableQA "
                "并用 --data 指定它的目录。")


@dataclass
class Record:
    """A question about a table, and the query that answers it, where it is known."""

    question: str
    table: Table
    query: Query | None = None


@dataclass
class Corpus(datasets.Texts):
    """Lists of Records: train and test, and valid, which chooses the best epoch."""

    valid: list = field(default_factory=list)

    def describe(self):
        return super().describe() | {"valid": len(self.valid)}


# --------------------------------------------------------------------------------------- where they come from

def load_corpus(data=""):
    """The corpus of a folder in TableQA's format, or the built-in one.

    Args:
        data: a folder; "sample" for the built-in corpus; "" for tableqa/ in KEXUE_DATA or the cache, if it is
            there.

    Raises:
        InputError: nothing usable there.
    """
    folder = find_folder(data)
    corpus = read_tableqa(folder) if folder else builtin_corpus()
    train, valid, test = map(len, (corpus.train, corpus.valid, corpus.test))
    print(in_users_language(
        f"data: {corpus.name}, {train:,} training, {valid:,} validation and {test:,} test questions, from "
        f"{corpus.source}",
        f"数据：{corpus.name}，训练问题 {train:,} 个，验证 {valid:,} 个，测试 {test:,} 个，"
        f"来自 {corpus.source}"), flush=True)
    return corpus


def find_folder(data):
    """The folder that --data means, or None for the built-in corpus."""
    if data == "sample":
        return None
    if data == "":
        folder = datasets.find("tableqa")
        if folder and is_corpus(folder):                 # questions without tables are no corpus
            return folder
        print(in_users_language(NOTE, CHINESE_NOTE), flush=True)
        return None
    folder = named_path(data)
    if not folder.is_dir():
        raise InputError(f"--data expects sample or a folder with TableQA's train.json, train.tables.json, "
                         f"val.json and val.tables.json. Received: {data}")
    return folder


def builtin_corpus():
    """The corpus of nl2sql/grammar; its schemas are split, so that no test table was seen in training."""
    parts = generate()
    digest = hashlib.sha256(json.dumps(parts, ensure_ascii=False, sort_keys=True).encode()).hexdigest()
    records = {}
    for part, (lines, tables) in parts.items():
        known = {table["id"]: table_of(table, "nl2sql/grammar") for table in tables}
        records[part] = [record_of(line, known, "nl2sql/grammar") for line in lines]
    return Corpus("sample", "nl2sql/samples.py", digest, True,
                  records["train"], records["test"], records["valid"])


def is_corpus(folder):
    """Whether a folder has training questions in TableQA's format, with their tables."""
    return pair_of(folder, "train") is not None


# -------------------------------------------------------------------------------------------- TableQA's files

def read_tableqa(folder):
    """A Corpus from a folder with TableQA's files, flat or in train/, val/ and test/.

    Where test.json is missing or has no `sql`, as in what is public, the validation questions are the test,
    and
    those of every twentieth training table choose the best epoch: no question chooses the model that it
    measures.
    """
    pairs = {part: pair_of(folder, name) for part, name in FILES.items()}
    for part in ("train", "valid"):
        if not pairs[part]:
            raise InputError(f"{folder} should hold TableQA's train.json, train.tables.json, val.json and "
                             f"val.tables.json. Missing: {FILES[part]}.json or {FILES[part]}.tables.json")
    pairs = {part: pair for part, pair in pairs.items() if pair}
    records = {part: [] for part in FILES}
    for part, pair in pairs.items():
        records[part] = [record for record in read_records(*pair) if record.query]
    if not records["test"]:
        records["test"] = records["valid"]
        records["train"], records["valid"] = hold_out_tables(records["train"])
    for part, use in USES.items():
        if not records[part]:
            raise InputError(f"{folder} should hold questions with their sql for training and validation, "
                             f"about two tables at least. Received: none to {use}")
    digest = sha256_of_all([path for pair in pairs.values() for path in pair])
    return Corpus(folder.name, str(folder), digest, False,
                  records["train"], records["test"], records["valid"])


def pair_of(folder, name):
    """The file of questions and the file of tables of a part, or None."""
    for place in (folder, folder / name):
        pair = place / f"{name}.json", place / f"{name}.tables.json"
        if all(path.is_file() for path in pair):
            return pair
    return None


def hold_out_tables(records):
    """(records, held-out records): those about every twentieth table, the first included, are held out."""
    tables = list(dict.fromkeys(id(record.table) for record in records))
    chosen = set(tables[::20])
    kept = [record for record in records if id(record.table) not in chosen]
    return kept, [record for record in records if id(record.table) in chosen]


def read_records(questions, tables):
    """The Records of one part.

    Args:
        questions: the path of train.json.
        tables: the path of train.tables.json.

    Raises:
        InputError: a line that is not of TableQA's form, or a question about a table that is not there.
    """
    known = {name: table_of(line, where) for name, (line, where) in tables_in(tables).items()}
    return [record_of(line, known, where) for line, where in json_lines(questions)]


def record_of(line, tables, where):
    """The Record of a line of train.json."""
    try:
        question, table_id, sql = str(line["question"]), str(line["table_id"]), line.get("sql")
        query = Query.from_json(sql) if sql else None
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{where}: expected question, table_id and sql with sel, agg, cond_conn_op and "
                         f"conds. Received: {error!r:.200}") from error
    if table_id not in tables:
        raise InputError(f"{where}: its table_id is in no tables file. Received: {table_id}")
    table = tables[table_id]
    try:
        if query:
            query.check(len(table.header))
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error
    return Record(question, table, query)
