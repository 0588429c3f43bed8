"""How well a parser does on questions whose queries are known: the metrics of results.json and README."""

import json

import numpy as np

from common.harness import progress
from nl2sql.augment import tables_of, wrong_table
from nl2sql.dialect.answer import answer_to
from nl2sql.scores import logical_form, same_answer, scores
from nl2sql.sql import Database, Query


def measure(parser, records, **how):
    """(metrics, the Parses that they are of) of a parser on records; how: see decode.decode."""
    parses = parser.parse_all([(record.question, record.table) for record in records], **how)
    metrics = scores([parse.query for parse in parses], records)
    pairs = unrelated(records)
    if pairs:
        declined = [parse.query is None for parse in parser.parse_all(pairs, **how)]
        metrics["refused"] = sum(declined) / len(pairs)
    return metrics, parses


def measure_dialect(parser, records):
    """(metrics, Answers) of the everyday dialect on questions whose queries are TableQA's.

    A query beyond TableQA's form counts as none there, but its rows may be right; `noted` is the share of the
    answers that have a note, `silent` that of all questions which are answered wrongly without one.
    """
    answers, rows_right = [], []
    for record in progress.bar(records, unit=(" questions", " 问")):
        with Database(record.table) as database:
            answers.append(answer_to(parser, database, record.question))
            rows_right.append(same_answer(database, answers[-1].query, record.query))
    plain = [answer.query if isinstance(answer.query, Query) else None for answer in answers]
    silent = [not (right or answer.notes) for right, answer in zip(rows_right, answers)]
    metrics = {"logical_form": np.mean(list(map(logical_form, plain, (record.query for record in records)))),
               "execution": np.mean(rows_right), "noted": np.mean([bool(answer.notes) for answer in answers]),
               "silent": np.mean(silent)}
    return {name: float(value) for name, value in metrics.items()}, answers


def as_json(query):
    """A query in TableQA's form, or null."""
    return json.dumps(query and query.to_json(), ensure_ascii=False)


def unrelated(records, seed=0):
    """(question, table) pairs in which the table has no column that is called like one asked for."""
    rng, tables = np.random.default_rng(seed), tables_of(records)
    pairs = [(record.question, wrong_table(record, tables, rng)) for record in records]
    return [(question, table) for question, table in pairs if table]
