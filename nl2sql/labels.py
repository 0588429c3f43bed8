"""What the four heads should answer to a question, and where in it the values of the conditions stand.

    align("销售额超过100万的城市", table, query)        [(5, 9)]: 100万 is the value of the first condition
    labels_of(encoded, query, spans)                   a class for the line, each column and each character

No Keras in here.
"""

import difflib
import itertools
import math
from dataclasses import dataclass

import numpy as np
from rapidfuzz import fuzz

from nl2sql.characters import normalise, plain
from nl2sql.dates import find_dates, same_date, variants
from nl2sql.encoder import padded
from nl2sql.matcher import overlap
from nl2sql.numerals import find_numbers, readings, same_value
from nl2sql.sql import EQ

# the operator of a character in no value, the aggregate of a column that is not selected
NO_VALUE, NO_COLUMN = 4, 6
CHOICES = 6                  # places that are tried for each value


@dataclass
class Labels:
    """What the four heads should answer to a line."""

    connector: int
    select: list            # an aggregate or NO_COLUMN for each column of the line
    operator: list          # an operator or NO_VALUE for each character
    column: list            # for each character in a value, which column of the line; elsewhere 0


def labels_of(encoded, query, spans):
    """The Labels of an Encoded line, or None where a column of the query did not fit into it.

    One column has one class, as in the article: of a column that is selected twice the first aggregate stays.
    """
    place = {column: i for i, column in enumerate(encoded.columns)}
    asked = [column for column, *_ in (*query.select, *query.conditions)]
    if any(column not in place for column in asked):
        return None
    found = nothing(encoded)
    found.connector = query.connector
    for column, aggregate in reversed(query.select):
        found.select[place[column]] = aggregate
    for (column, operator, _), (start, end) in zip(query.conditions, spans):
        for i in range(start, end):
            found.operator[i], found.column[i] = operator, place[column]
    return found


def nothing(encoded):
    """The Labels of a question that asks nothing of the table."""
    select = [NO_COLUMN for _ in encoded.columns]
    operator = [NO_VALUE for _ in range(encoded.length)]
    return Labels(0, select, operator, [0 for _ in operator])


def pad_labels(answers):
    """Labels as the arrays that the loss reads, by the names of the inputs of the training model."""
    batch = {"connector_label": np.array([answer.connector for answer in answers], "int32")}
    for name in ("select", "operator", "column"):
        batch[f"{name}_label"] = padded([getattr(answer, name) for answer in answers])
    return batch


# --------------------------------------------------------------------------------------- values in a question

def align(question, table, query):
    """(start, end) in the question of the value of each condition, or None if one stands nowhere.

    Each place is given to one condition: of two conditions with the value 10 each gets a 10 of its own, the
    one beside its column's name. The article's script takes the first place for both, and so marks one.
    """
    choices = [occurrences(question, table, condition)[:CHOICES] for condition in query.conditions]
    best, highest = None, -math.inf
    for chosen in itertools.product(*choices):
        spans = [span for span, _ in chosen]
        score = sum(score for _, score in chosen)
        apart = not any(itertools.starmap(overlap, itertools.combinations(spans, 2)))
        if apart and score > highest:
            best, highest = spans, score
    return best


def occurrences(question, table, condition):
    """((start, end), score) of each place that can be a condition's value, best first."""
    column, _, value = condition
    text, numbers = normalise(question), find_numbers(question)
    if table.types[column] == "real":
        found = _numbers_in_column(numbers, table, column, value)
        if not found:
            _add_verbatim(found, text, value, numbers)
    else:
        found = _numbers_in_text(numbers, value) | _years_and_dates(text, numbers, value)
        _add_verbatim(found, text, value, numbers)
    if not found:
        span = _part(text, condition, table.matcher) or _alike(text, normalise(str(value)))
        if span:
            found[span] = 0.5
    name = normalise(table.header[column])
    scored = [(span, score + _nearness(text, name, span)) for span, score in found.items()]
    return sorted(scored, key=lambda item: -item[1])


def _numbers_in_column(numbers, table, column, value):
    """Spans of the numbers that can mean a value in a column of numbers, with a score."""
    found = {}
    for number in numbers:
        for rank, reading in enumerate(readings(number, table.units[column], table.cells(column))):
            if same_value(reading, value):
                found[number.start, number.end] = 1.0 - 0.2 * rank
    return found


def _numbers_in_text(numbers, value):
    """The same where the value is a text that looks like a number; 年 is no part of it."""
    found = {}
    for number in numbers:
        for rank, reading in enumerate([number.value, number.mantissa]):
            if same_value(reading, value):
                found[number.start, number.end - number.year] = 1.0 - 0.2 * rank
    return found


def _years_and_dates(text, numbers, value):
    """Spans of the years and dates that a text means."""
    found, written = {}, plain(str(value))
    for number in numbers:
        if number.year and written in map(plain, variants(text[number.start:number.end])):
            found[number.start, number.end] = 1.0
    for start, end, date in find_dates(text):
        if same_date(date, str(value)):
            found[start, end] = 1.0
    return found


def _add_verbatim(found, text, value, numbers):
    """Adds the places where the value stands as it is; in the midst of a number, as 10 in 2010, hardly."""
    wanted = normalise(str(value))
    for span in places_of(text, wanted):
        found.setdefault(span, 1.0)
        if wanted[0].isdigit() and any(_is_fragment(span, number) for number in numbers):
            found[span] -= 0.5


def _is_fragment(span, number):
    """Whether a span lies in a number and is neither all of it nor all but the 年 behind it."""
    start, end = span
    if start < number.start or number.end < end:
        return False
    return start > number.start or end < number.end - 1


def places_of(text, part):
    """(start, end) of each place of a part in a text, overlapping ones too; of nothing none."""
    found = []
    start = text.find(part) if part else -1
    while start >= 0:
        found.append((start, start + len(part)))
        start = text.find(part, start + 1)
    return found


def _part(text, condition, matcher):
    """The longest part of a value that the text has, if it means that value alone: 万象 in 北京万象公司."""
    column, _, value = condition
    match = difflib.SequenceMatcher(None, text, normalise(str(value)), autojunk=False).find_longest_match()
    span = match.a, match.a + match.size
    part = text[slice(*span)]
    if match.size < 2 or plain(part) != part:
        return None
    meant, _ = matcher.resolve(column, EQ, part)
    return span if same_value(meant, value) else None


def _alike(text, wanted):
    """The window of a text that is most like a value that is not in it, or None."""
    if len(plain(wanted)) < 2:
        return None
    match = fuzz.partial_ratio_alignment(wanted, text)
    if match is None or match.score < 50:
        return None
    window = range(match.dest_start, match.dest_end)
    shared = [i for i in window if text[i] in wanted and text[i].isalnum()]
    return (shared[0], shared[-1] + 1) if len(shared) >= 2 else None


def _nearness(text, name, span):
    """0 to 1: how near to a place the column is named, and less if the place is part of a name itself."""
    pairs = [name[i:i + 2] for i in range(len(name) - 1)] or [name]
    total = 0.0
    for pair in pairs:
        distances = [_distance(place, span) for place in places_of(text, pair)]
        total += max((math.exp(-max(distance, 0) / 6) for distance in distances), default=0.0)
    nearness = total / len(pairs)
    start, end = span
    if any(a <= start and end <= b and (a, b) != span for a, b in places_of(text, name)):
        nearness -= 0.6
    return nearness


def _distance(place, span):
    """Characters between a name and a value; a name that follows its value counts as farther away."""
    if place[0] < span[0]:
        return span[0] - place[1]
    return 1.5 * (place[0] - span[1] + 1)
