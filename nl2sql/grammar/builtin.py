"""The built-in corpus: tables and questions of each split."""

import random

from nl2sql.grammar.questions import make_question
from nl2sql.grammar.sample_tables import make_table
from nl2sql.grammar.texts import read_schemas

SIZES = {"train": 28_000, "valid": 1_500, "test": 2_000}       # questions
TABLES = {"train": 12, "valid": 8, "test": 8}                   # of one schema


def generate(seed=0, sizes=None):
    """Questions to tables in TableQA's format.

    Args:
        seed: another one gives other tables and questions to the same schemas.
        sizes: number of questions by split, SIZES by default.

    Returns:
        {"train": (records, tables), "valid": ..., "test": ...}, lists of dicts. No question occurs twice.
    """
    result, seen = {}, {""}
    for split, size in (sizes or SIZES).items():
        tables = tables_of(split, seed)
        records = questions_to(tables, size, random.Random(f"questions {split} {seed}"), seen)
        result[split] = records, [table.record() for table in tables]
    return result


def tables_of(split, seed):
    """The SampleTables of a split."""
    rng = random.Random(f"tables {split} {seed}")
    schemas = [schema for schema in read_schemas() if schema.split == split]
    return [make_table(schema, rng) for schema in schemas for _ in range(TABLES[split])]


def questions_to(tables, size, rng, seen):
    """So many records of questions that are not in `seen`, which they are added to."""
    records = []
    while len(records) < size:
        record = make_question(tables[len(records) % len(tables)], rng)
        if record and record["question"] not in seen and len(record["question"]) <= 100:
            seen.add(record["question"])
            records.append(record)
    rng.shuffle(records)
    return records
