"""Asks a table a question in Chinese: prints the SQL and the rows that it returns. The table is only read.

    python nl2sql/predict.py --table sales.csv --question "2019年销售额超过100万的城市有哪些"
    python nl2sql/predict.py --table sales.xlsx --name 2019 --interactive          one question a line
    python nl2sql/predict.py --table shop.db --name orders --question ... --json   for programs
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import itertools
import json
import unicodedata
from dataclasses import dataclass
from typing import Annotated, Literal

from common.harness import cli, console
from common.harness.reading import InputError
from common.harness.writing import ROOT
from nl2sql.cells import cell_text
from nl2sql.notes import note as say
from nl2sql.sql import Database
from nl2sql.table_files import read_table

NOTHING_ASKED = ("expected --question, --interactive, or questions on standard input, one a line. "
                 "Received: none")
UNSURE = 0.8                            # below, an answer begins with what was understood


@dataclass
class Config:
    table: pathlib.Path
    """CSV (UTF-8, GBK or Big5), Excel, SQLite, or TableQA's .tables.json."""
    question: str = ""
    """Question to ask the table."""
    name: str = ""
    """Name of the sheet or the table, or its id, where the file has several."""
    interactive: bool = False
    """Read questions from the keyboard, one a line. Those that a file or a command sends are read without
    this option, too."""
    json: bool = False
    """Print one JSON object for each question."""
    rows: Annotated[int, cli.Between(0, 10**9)] = 20
    """Rows to print; --json prints all that are fetched, at most 10,000."""
    dialect: Literal["everyday", "tableqa"] = "everyday"
    """What can be asked: everyday has orders, groups and more; tableqa is the article's form."""
    run: pathlib.Path = ROOT / "nl2sql/weights"
    """Run folder of your own model, to use instead of the shipped one."""


def predict(config):
    if config.question and config.interactive:
        raise InputError("expected --question or --interactive. Received: both")
    if not config.question and not config.interactive and console.is_typed():
        raise InputError(NOTHING_ASKED)
    table = read_table(config.table, config.name)
    for note in table.notes:
        print(f"note: {note}", file=sys.stderr)
    from nl2sql.parser import Parser, answer, ask  # TensorFlow takes seconds: a table is refused before

    parser = Parser.load(config.run)
    with Database(table) as database:
        for question in asked(table, config):
            try:
                found = ask(parser, database, question, config.dialect)
            except InputError as error:
                if config.question:
                    raise
                found = answer(question, notes=[str(error)])
            if config.json:
                print(json.dumps(found, ensure_ascii=False))
            else:
                show(found, config.rows)
            sys.stdout.flush()


def typed_questions(table):
    """The questions from standard input, as they come; on a terminal an empty line ends."""
    prompt = ""
    if console.is_typed():
        print(f"{table.name}: {', '.join(table.columns)}; {len(table.rows):,} rows. An empty line ends.")
        prompt = "? "
    try:
        # a question in another encoding ends nothing
        for line in console.read_lines(prompt, errors="replace"):
            yield line.strip()
    except KeyboardInterrupt:
        return


def asked(table, config):
    """The question that the command line names, or those from standard input."""
    if config.question:
        return [config.question]
    questions = typed_questions(table)
    first = next(questions, None)
    if first is None and not config.interactive:
        raise InputError(NOTHING_ASKED)
    return itertools.chain([first], questions) if first else []


def show(found, limit):
    """An answer for people: the SQL, the rows, and what one should know about them."""
    if found["sql"]:
        if found["understood"] and found["confidence"] < UNSURE:
            print(say(found["question"], "understood", found["understood"]))
        print(found["sql"])
        show_rows(found["columns"], found["rows"], limit)
    for note in found["notes"]:
        print(f"note: {note}", file=sys.stderr if found["sql"] else sys.stdout)


def show_rows(names, rows, limit):
    """The first rows below the names of their columns, and how many there are."""
    lines = [names, *(list(map(cell_text, row)) for row in rows[:limit])]
    widths = [max(map(width, column)) for column in zip(*lines)]
    for line in lines:
        cells = [cell + " " * (size - width(cell)) for cell, size in zip(line, widths)]
        print("  ".join(cells).rstrip())
    if len(rows) > limit:
        print(f"... {len(rows) - limit} more rows")
    print(f"({len(rows)} {'row' if len(rows) == 1 else 'rows'})")


def width(text):
    """Places that a text takes in a terminal."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


if __name__ == "__main__":
    cli.main(predict, Config, __doc__)
