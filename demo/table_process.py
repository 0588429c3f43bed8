"""nl2sql in a process of its own, since its Keras is another one: asked by a line of JSON, answers by one.

    python -m demo.table_process          reads requests, writes answers, until its input ends
    {"path": "sales.csv", "sheet": "", "question": "哪些城市"}

The answer is that of nl2sql/predict.py --json with the table's notes, or {"error": one line}.
"""

import functools
import json
import os
import sys

KEPT = 8             # tables that need not be read again


def main():
    # what libraries print goes to standard error: standard output has answers alone
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    from common.harness.reading import InputError
    from nl2sql.parser import Parser, ask
    from nl2sql.sql import Database
    from nl2sql.table_files import read_table

    parser = Parser.load("nl2sql/weights")

    @functools.lru_cache(KEPT)
    def table_at(path, sheet, changed):
        return read_table(path, sheet)

    for line in sys.stdin:
        request = json.loads(line)
        try:
            path = request["path"]
            table = table_at(path, request["sheet"], os.stat(path).st_mtime_ns)
            with Database(table) as database:
                found = ask(parser, database, request["question"]) | {"table": table.notes}
        except InputError as error:
            found = {"error": without_path(str(error), request["path"])}
        answers.write(json.dumps(found, ensure_ascii=False, default=str) + "\n")
        answers.flush()


def without_path(message, path):
    """A message that names an upload as its visitor does, not by its place on this machine."""
    return message.replace(path, os.path.basename(path)).replace("--table", "the table")


if __name__ == "__main__":
    main()
