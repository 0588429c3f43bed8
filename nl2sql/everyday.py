"""How the parser does on everyday questions: twenty tables of daily work, and questions as people ask them.

    python nl2sql/everyday.py                      the first ten tables, on which the dialect was developed
    python nl2sql/everyday.py --part second        ten others, which were run twice, see README.md
    python nl2sql/everyday.py --errors 20          the first wrong ones, with what was understood

An answer is right if its rows are those of one of the question's queries, in whatever order, columns in any
order, repeats apart. Among the questions are some that the table cannot answer: to refuse them is right.
Printed are shares of all questions, and how often answers are right by their confidence.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from nl2sql import legacy_keras  # noqa: F401  (first: from here on `import keras` means tf_keras)

# isort: split

import collections
import json
import time
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from sklearn.linear_model import LogisticRegression

from common.harness import cli
from common.harness.folder import print_metrics
from common.harness.writing import ROOT, write_json, write_lines
from nl2sql.dialect import confidence
from nl2sql.dialect.answer import answer_to
from nl2sql.dialect.reading import read
from nl2sql.parser import WEIGHTS, Parser, ask
from nl2sql.scores import comparable
from nl2sql.sql import Database
from nl2sql.table_files import table_of_rows
from nl2sql.tables import json_lines

QUESTIONS = ROOT / "nl2sql/samples/everyday.jsonl"
KINDS = ("right", "right_with_note", "wrong_with_note", "wrong_without_note", "refused_rightly",
         "refused_wrongly")
BINS = (0.5, 0.7, 0.8, 0.9, 0.95, 1.01)        # upper ends of the confidences in a row of the reliability


@dataclass
class Config:
    part: Literal["first", "second"] = "first"
    """Which ten of the twenty tables are asked."""
    dialect: Literal["everyday", "tableqa"] = "everyday"
    """What can be asked: everyday has orders, groups and more; tableqa is the article's form."""
    run: pathlib.Path = WEIGHTS
    """Run folder of your own model, to use instead of the shipped one."""
    calibrate: bool = False
    """Fit the confidences to the first part and write dialect/confidence.json."""
    errors: Annotated[int, cli.Between(0, 10**9)] = 0
    """Wrong answers to print."""
    out: pathlib.Path | None = None
    """Folder for answers.jsonl."""


def evaluate(config):
    parser = Parser.load(config.run)
    if config.calibrate:
        write_json(confidence.FILE, calibrated(parser))
        confidence.weights.cache_clear()
    start = time.perf_counter()
    answered = [pair for table, questions in read_questions(config.part)
                for pair in answer_all(parser, table, questions, config.dialect)]
    seconds = time.perf_counter() - start
    counts = collections.Counter(kind for kind, *_ in answered)
    metrics = {kind: counts[kind] / len(answered) for kind in KINDS}
    metrics["right_in_all"] = sum(metrics[kind] for kind in KINDS if is_right(kind))
    metrics["notes_on_right_answers"] = share(counts["right_with_note"], counts["right"])
    print_metrics(metrics)
    print(f"{len(answered)} questions, {len(answered) / seconds:.0f} a second\n")
    print("confidence   answers   right")
    for least, most, number, right in reliability(answered):
        print(f"{least:.2f}-{min(most, 1):.2f}   {number:7}   {right:.2f}")
    wrong = [pair for pair in answered if not is_right(pair[0])]
    for kind, line, found in wrong[:config.errors]:
        print(f"\n{line['question']}   {kind}, {found['confidence']:.2f}\n  expected  {wanted(line)}\n"
              f"  predicted {found['sql']}\n  notes     {'; '.join(found['notes'])}")
    if config.out:
        kinds = [json.dumps({"kind": kind} | found, ensure_ascii=False) for kind, _, found in answered]
        write_lines(config.out / "answers.jsonl", kinds)
    return metrics


def calibrated(parser):
    """The weights of dialect/confidence.py: logistic regressions on the answers to the first part."""
    features, right = {"reading": [], "network": []}, {"reading": [], "network": []}
    for table, lines in read_questions("first"):
        with Database(table) as database, Database(table) as gold:
            gold.connection.set_authorizer(None)
            for line in lines:
                answers = gold_answers(gold, line)
                found = answer_to(parser, database, line["question"])
                parse = parser.parse(line["question"], table)
                if "guesses" in found.features:
                    features["reading"].append(found.features)
                    right["reading"].append(has_rows(database, found.query, answers))
                if parse.query:                          # all that the network says, since few are left to it
                    reading = read(line["question"], table)
                    features["network"].append(confidence.features_of_network(parse, reading))
                    right["network"].append(has_rows(database, parse.query, answers))
    return {kind: fit(features[kind], right[kind]) for kind in features}


def has_rows(database, query, answers):
    """Whether a query gives the rows of one of some answers."""
    rows = as_set(database.rows(query))
    return any(rows == as_set(answer) for answer in answers)


def fit(features, right):
    """Feature → weight of a logistic regression.

    As in Laplace's rule of succession one right and one wrong answer are added for each feature: what has
    gone well a few times need not always do so.
    """
    names = list(features[0])
    values = [list(row.values()) for row in features]
    for name in names:
        values += [[float(other in ("base", name)) for other in names]] * 2
    right = [*right, *([True, False] * len(names))]
    model = LogisticRegression(fit_intercept=False, max_iter=1000).fit(np.array(values), right)
    return dict(zip(names, model.coef_[0].round(3).tolist()))


def is_right(kind):
    return kind in ("right", "right_with_note", "refused_rightly")


def share(some, others):
    return some / max(some + others, 1)


def wanted(line):
    """The expected answer, to print."""
    return line.get("rows") or (line["answers"] or ["a refusal"])[0]


def read_questions(part):
    """(Table, its lines) of one part of the file."""
    found = []
    for line, _ in json_lines(QUESTIONS):
        if "header" in line:
            chosen = line["part"] == part
            if chosen:
                found.append((table_of_rows([line["header"], *line["rows"]], "t"), []))
        elif chosen:
            found[-1][1].append(line)
    return found


def answer_all(parser, table, lines, dialect="everyday"):
    """(kind, line, what ask found) of each question to a table."""
    with Database(table) as database, Database(table) as gold:
        gold.connection.set_authorizer(None)             # LIKE is a function to SQLite
        for line in lines:
            found = ask(parser, database, line["question"], dialect)
            yield kind_of(line, found, gold_answers(gold, line)), line, found


def gold_answers(database, line):
    """The right answers, each as rows; none where the table cannot tell."""
    if "rows" in line:
        return [line["rows"]]
    return [database.execute(sql) for sql in line["answers"] or []]


def kind_of(line, found, right):
    """Which of KINDS an answer is.

    Args:
        line: the question.
        found: what ask gave.
        right: the right answers.
    """
    if found["sql"] is None:
        return "refused_wrongly" if right else "refused_rightly"
    noted = bool(found["notes"])
    rows = as_set(found["rows"])
    if any(rows == as_set(answer) for answer in right):
        return "right_with_note" if noted else "right"
    return "wrong_with_note" if noted else "wrong_without_note"


def as_set(rows):
    """Rows without order and repeats, and the cells of each in an order of their own."""
    return {tuple(sorted(map(comparable_number, row))) for row in rows}


def comparable_number(cell):
    """A cell as text, where 2 and 2.0 are the same."""
    return comparable(float(cell)) if isinstance(cell, (int, float)) else comparable(cell)


def reliability(answered):
    """(least, most, answers, share of right ones) for each bin of confidences that has answers."""
    lower, rows = 0.0, []
    for upper in BINS:
        kinds = [kind for kind, _, found in answered
                 if found["sql"] is not None and lower <= found["confidence"] < upper]
        if kinds:
            rows.append((lower, upper, len(kinds), sum(map(is_right, kinds)) / len(kinds)))
        lower = upper
    return rows


if __name__ == "__main__":
    cli.main(evaluate, Config, __doc__)
