"""How good predicted queries are, by the measures of the field; framework-free.

    logical_form(predicted, gold)              the same connector, selected columns, and conditions
    same_answer(database, predicted, gold)     the same rows, whatever the query: execution accuracy
    scores(predictions, records)               both over a corpus, and each part of the query by itself
"""

from common.harness.reading import InputError
from nl2sql.numerals import same_value
from nl2sql.sql import Database


def same_conditions(left, right):
    """Whether two lists of conditions are the same set, with values compared by numerals.same_value."""
    rest = list(right)
    for column, operator, value in left:
        alike = [other for other in rest if other[:2] == (column, operator) and same_value(other[2], value)]
        if not alike:
            return False
        rest.remove(alike[0])
    return not rest


def logical_form(predicted, gold):
    """Whether a predicted query (None: nothing was asked) is the gold one, by the article's measure."""
    if predicted is None or predicted.connector != gold.connector:
        return False
    if set(predicted.select) != set(gold.select):
        return False
    return same_conditions(predicted.conditions, gold.conditions)


def same_answer(database, predicted, gold):
    """Whether two queries give the same rows, in whatever order, columns in the table's order."""
    if predicted is None:
        return False
    try:
        return answer(database, predicted) == answer(database, gold)
    except (InputError, ValueError):
        return False


def answer(database, query):
    """A query's rows as a sorted list that compares."""
    order = sorted(range(len(query.select)), key=lambda i: query.select[i])
    rows = []
    for row in database.rows(query):
        rows.append([comparable(row[i]) for i in order])
    return sorted(rows)


def comparable(cell):
    """A cell as a text that is the same for two ways to the same sum."""
    return f"{cell:.9g}" if isinstance(cell, float) else str(cell)


def parts(predicted, gold):
    """Whether each part of the query is right: what each of the article's heads is for."""
    if predicted is None:
        return dict.fromkeys(PARTS, False)

    def items(query, number):
        return sorted(condition[:number] for condition in query.conditions)

    return {
        "connector": predicted.connector == gold.connector,
        "select": {column for column, _ in predicted.select} == {column for column, _ in gold.select},
        "aggregate": set(predicted.select) == set(gold.select),
        "condition_column": items(predicted, 1) == items(gold, 1),
        "operator": items(predicted, 2) == items(gold, 2),
        "value": same_conditions(predicted.conditions, gold.conditions),
    }


PARTS = ("connector", "select", "aggregate", "condition_column", "operator", "value")


def scores(predictions, records, prefix=""):
    """Means over a corpus: logical_form, execution, and each of the parts.

    Args:
        predictions: a Query or None for each record.
        records: corpus.Records with their gold queries, those of one table side by side or not.
        prefix: of the names.
    """
    by_table = {}
    for predicted, record in zip(predictions, records, strict=True):
        by_table.setdefault(id(record.table), []).append((predicted, record))
    totals = dict.fromkeys(["logical_form", "execution", *PARTS], 0)
    for pairs in by_table.values():                                 # one database at a time
        with Database(pairs[0][1].table) as database:
            for predicted, record in pairs:
                totals["logical_form"] += logical_form(predicted, record.query)
                totals["execution"] += same_answer(database, predicted, record.query)
                for name, right in parts(predicted, record.query).items():
                    totals[name] += right
    return {f"{prefix}{name}": total / max(len(records), 1) for name, total in totals.items()}
