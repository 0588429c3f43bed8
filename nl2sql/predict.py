"""Asks a table a question in Chinese: prints the SQL and the rows that it returns. The table is only read.

    python nl2sql/predict.py --table sales.csv --question "2019年销售额超过100万的城市有哪些"
    python nl2sql/predict.py --table sales.xlsx --name 2019 --interactive        one question a line; the model stays loaded
    python nl2sql/predict.py --table shop.db --name orders --question ... --json for programs
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from nl2sql import legacy_keras  # noqa: F401  (first: from here on `import keras` means tf_keras)

# isort: split

import io
import json
import unicodedata
from dataclasses import dataclass

import tensorflow as tf

from common import runs
from common.datasets import InputError, check_text
from nl2sql import data, inputs, model
from nl2sql.decode import Heads, decode
from nl2sql.sql import AGGREGATES, ROWS, Database, shown

WEIGHTS = pathlib.Path(__file__).resolve().parent / "weights"


@dataclass
class Config:
    table: pathlib.Path
    """CSV (UTF-8, GBK or Big5), Excel, SQLite, or TableQA's .tables.json."""
    question: str = ""
    """What to ask."""
    name: str = ""
    """Which sheet, table or id, where the file has several."""
    interactive: bool = False
    """Questions from standard input, one a line."""
    json: bool = False
    """One JSON object for each question."""
    rows: int = 20
    """Rows to print; --json prints all that are fetched, at most 10,000."""
    run: pathlib.Path = WEIGHTS
    """Run folder of a model of yours, instead of the shipped one."""


class Parser:
    """A trained model that turns questions into queries.

    Args:
        network: what model.build_parser builds.
        encoder: the inputs.Encoder that it was trained with.
    """

    def __init__(self, network, encoder):
        self.encoder = encoder
        signature = {tensor.name: tf.TensorSpec([None, None], tensor.dtype) for tensor in network.inputs}

        @tf.function(input_signature=[signature])      # one function for all shapes; model.predict takes longer to start
        def probabilities(batch):
            return [tf.nn.softmax(logits) for logits in network([batch[t.name] for t in network.inputs], training=False)]

        self.probabilities, self.dtypes = probabilities, {name: spec.dtype for name, spec in signature.items()}

    @classmethod
    def load(cls, folder):
        """The parser in a run folder or in weights/.

        Raises:
            InputError: there is none.
        """
        network, config, vocab = model.load_parser(folder)
        return cls(network, inputs.Encoder(vocab, config["parser"]["max_length"], config["parser"]["segments"]))

    def heads(self, lines):
        """The Heads of each of some Encoded lines, computed together."""
        batch = {name: tf.constant(array, self.dtypes[name]) for name, array in inputs.pad(lines).items()}
        outputs = [output.numpy() for output in self.probabilities(batch)]
        return [Heads(connector, select[:(n := len(line.columns))], operator[:line.length], column[:line.length, :n])
                for line, connector, select, operator, column in zip(lines, *outputs)]

    def parse_all(self, pairs, batch_size=64, **how):
        """A decode.Parse for each (question, table), of whatever length; lines of like length are computed together.

        Args:
            pairs: questions and data.Tables.
            batch_size: how many at a time.
            how: matching, repair: see decode.
        """
        prepared = [self.encoder.prepare(question, table) for question, table in pairs]
        lines = [(self.encoder.encode(one), one) for one in prepared]
        order, found = sorted(range(len(lines)), key=lambda i: len(lines[i][0].tokens)), [None] * len(lines)
        for start in range(0, len(order), batch_size):
            chosen = order[start:start + batch_size]
            for i, heads in zip(chosen, self.heads([lines[i][0] for i in chosen])):
                found[i] = decode(heads, *lines[i], **how)
        return found

    def parse(self, question, table):
        """The Parse of one question as a user asks it.

        Raises:
            InputError: no question, or one that is longer than the model reads.
        """
        check_text(question, "a question")
        question = data.clean(question)
        if not any(c.isalnum() for c in question):
            raise InputError(f"a question expects words. Received: {question!r}")
        if len(question) > self.encoder.longest:
            raise InputError(f"a question expects at most {self.encoder.longest} characters. Received: {len(question)}, "
                             f"{question[:20]!r}...")
        return self.parse_all([(question, table)])[0]


def answer(question, **what):
    """What a question gives, as a dict for --json; without more, nothing."""
    return {"question": question, "sql": None, "query": None, "columns": [], "rows": [], "confidence": 0.0,
            "notes": []} | what


def ask(parser, database, question):
    """The answer to a question."""
    parse = parser.parse(question, database.table)
    found = answer(question, confidence=round(parse.confidence, 4), notes=parse.notes)
    if parse.query is None:
        found["notes"] = [f"this table does not seem to answer that. Its columns are: {', '.join(database.table.columns)}",
                          *parse.notes]
        return found
    rows = database.rows(parse.query)
    if len(rows) == ROWS:
        parse.notes.append(f"of many rows the first {ROWS:,} are fetched")
    statement, values = database.statement(parse.query)
    names = [f"{aggregate}({database.table.columns[column]})" if aggregate else database.table.columns[column]
             for column, a in parse.query.select for aggregate in [AGGREGATES[a]]]
    return found | {"sql": database.text(parse.query), "statement": statement, "values": values, "columns": names,
                    "query": parse.query.to_json(), "rows": [list(row) for row in rows]}


def show(found, limit):
    """An answer for people: the SQL, the rows, and what one should know about them."""
    if found["sql"]:
        print(found["sql"])
        rows = [[shown(cell) for cell in row] for row in found["rows"]]
        widths = [max(map(width, column)) for column in zip(found["columns"], *rows[:limit])]
        for row in [found["columns"], *rows[:limit]]:
            print("  ".join(cell + " " * (size - width(cell)) for cell, size in zip(row, widths)).rstrip())
        if len(rows) > limit:
            print(f"... {len(rows) - limit} more rows")
        print(f"({len(rows)} {'row' if len(rows) == 1 else 'rows'})")
    for note in found["notes"]:
        print(f"note: {note}", file=sys.stdout if not found["sql"] else sys.stderr)


def width(text):
    """Places that a text takes in a terminal."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def predict(config):
    if bool(config.question) == config.interactive:
        raise InputError(f"expected --question or --interactive. Received: {'both' if config.interactive else 'neither'}")
    if config.rows < 0:
        raise InputError(f"--rows expects at least 0. Received: {config.rows}")
    table = data.read_table(config.table, config.name)
    for note in table.notes:
        print(f"note: {note}", file=sys.stderr)
    parser = Parser.load(config.run)
    with Database(table) as database:
        for question in questions(config, table):
            try:
                found = ask(parser, database, question)
            except InputError as error:
                if not config.interactive:
                    raise
                found = answer(question, notes=[str(error)])
            print(json.dumps(found, ensure_ascii=False)) if config.json else show(found, config.rows)
            sys.stdout.flush()


def questions(config, table):
    """The questions, as they come."""
    if config.question:
        yield config.question
        return
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")      # a question in another encoding ends nothing
    asked = sys.stdin.isatty()
    if asked:
        print(f"{table.name}: {', '.join(table.columns)}; {len(table.rows):,} rows. An empty line ends.")
    while True:
        if asked:
            print("? ", end="", flush=True)
        try:
            line = sys.stdin.readline()
        except KeyboardInterrupt:
            return
        if not line.strip():
            if asked or not line:
                return
            continue
        yield line.strip()


if __name__ == "__main__":
    runs.main(predict, Config, __doc__)
