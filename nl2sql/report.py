"""How well a parser does on questions whose queries are known: the metrics of results.json and README."""

import json

import numpy as np

from nl2sql.augment import tables_of, wrong_table
from nl2sql.scores import scores


def measure(parser, records, **how):
    """(metrics, the Parses that they are of) of a parser on records; how: see decode.decode."""
    parses = parser.parse_all([(record.question, record.table) for record in records], **how)
    metrics = scores([parse.query for parse in parses], records)
    pairs = unrelated(records)
    if pairs:
        declined = [parse.query is None for parse in parser.parse_all(pairs, **how)]
        metrics["refused"] = sum(declined) / len(pairs)
    return metrics, parses


def as_json(query):
    """A query in TableQA's form, or null."""
    return json.dumps(query and query.to_json(), ensure_ascii=False)


def unrelated(records, seed=0):
    """(question, table) pairs in which the table has no column that is called like one asked for."""
    rng, tables = np.random.default_rng(seed), tables_of(records)
    pairs = [(record.question, wrong_table(record, tables, rng)) for record in records]
    return [(question, table) for question, table in pairs if table]
