"""What every suite that runs all articles has to know of nl2sql."""

# (script, options): with --smoke in make test
SMOKE = [
    ("pretrain.py", "--width 64 --depth 1"),
    ("train.py", "--bert none --width 64 --depth 1"),
]
# the same in make test-slow
MORE = []
# scripts that need no --smoke, since they end in seconds; the tests of the article run them
OTHERS = [
    "predict.py",
    "evaluate.py",
    "samples.py",
    "everyday.py",
]
# train.py ends in seconds with these, and makes a model that LOAD loads from the run folder
TINY = "--smoke --bert none --width 16 --depth 1 --dropout 0"
# least values of options where the built-in sample needs more than an option's own
LEAST = {}
LOAD = "nl2sql.parser:Parser.load"
WEIGHTS = "weights.npz"                    # the file of the model in a run folder
READ = "nl2sql.bert:read_weights"   # what reads that file alone
KERAS = 2
BACKENDS = None
# (options of Config, message): refused before anything is written. EMPTY is an empty folder, FILE an empty
# file
BAD = [
    ({"data": "/nowhere"}, "--data expects sample"),
    ({"bert": "/nowhere"}, "expected a folder with bert_config.json"),
    ({"bert": "none", "width": 100}, "--width expects a multiple of 32"),
    ({"width": 15}, "--width expects 16 to 4,096. Received: 15"),
    ({"depth": 0}, "--depth expects 1 to 48. Received: 0"),
    ({"max_length": 9}, "--max-length expects 32 to 512. Received: 9"),
    ({"dropout": 1.0}, "--dropout expects"),
    ({"unrelated": 1.0}, "--unrelated expects 0 to 0.9. Received: 1.0"),
    ({"rename": -1.0}, "--rename expects"),
    ({"validation": 0}, "--validation expects"),
    ({"epochs": 0}, "--epochs expects 1 to 1,000,000. Received: 0"),
    ({"devices": 2}, "--devices expects 1 to 1. Received: 2"),
    ({"resume": "EMPTY"}, "--resume expects the folder of a run"),
    ({"smoke": True, "out": "FILE"}, "--out expects a folder that can be written"),
]

# a table and a question in TableQA's form
TABLE = {"id": "t0", "name": "t", "title": "电影", "header": ["片名", "票房（万元）", "年份"],
         "types": ["text", "real", "text"],
         "rows": [["春风", 120, "2018年"], ["山水", 99.5, "2019年"], ["花", None, ""]]}
QUESTION = {"question": "2018年票房超过100万的电影有哪些", "table_id": "t0",
            "sql": {"sel": [0], "agg": [0], "cond_conn_op": 1, "conds": [[1, 0, "100"], [2, 2, "2018年"]]}}


def tableqa():
    from nl2sql.corpus import read_tableqa
    from tests.stress.valid import dumped, files

    tables = b"\n".join(dumped(TABLE | {"id": f"t{i}"}) for i in range(2))
    questions = b"\n".join(dumped(QUESTION | {"table_id": f"t{i}"}) for i in range(2))
    return files(read_tableqa, train_json=questions, train_tables_json=tables,
                 val_json=questions, val_tables_json=tables)


def csv_table():
    from nl2sql.table_files import read_table
    from tests.stress.valid import files

    text = "片名,票房（万元）,年份\n春风,120,2018年\n\"山,水\",99.5,2019年\n花,,\n"
    return files(read_table, "x.csv", x_csv=text.encode())


def excel_table():
    import io

    import pandas

    from nl2sql.table_files import read_table
    from tests.stress.valid import files

    buffer = io.BytesIO()
    pandas.DataFrame(TABLE["rows"], columns=TABLE["header"]).to_excel(buffer, index=False)
    return files(read_table, "x.xlsx", x_xlsx=buffer.getvalue())


def sqlite_table():
    import contextlib
    import sqlite3

    from nl2sql.table_files import read_table
    from tests.stress.valid import files

    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute('CREATE TABLE t ("片名" TEXT, "票房" REAL, "年份" TEXT)')
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", TABLE["rows"])
        connection.commit()
        return files(read_table, "x.db", x_db=connection.serialize())


def characters():
    from nl2sql.characters import Characters
    from tests.stress.valid import files

    lines = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"春风山水"]
    return files(Characters.load, "vocab.txt", vocab_txt="\n".join(lines).encode())


# name → function → ({file name: valid bytes}, function of the folder that reads them): the fuzzers edit the
# bytes. Nothing here imports Keras 2.
READERS = {
    "tableqa": tableqa,
    "csv": csv_table,
    "excel": excel_table,
    "sqlite": sqlite_table,
    "characters": characters,
}
