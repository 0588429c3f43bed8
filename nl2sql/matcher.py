"""From the words of a question to what stands in the table. No Keras in here.

    Matcher(table).resolve(2, 0, "1.5万")        15000.0, or 1.5 where the column counts in 万
    Matcher(table).resolve(0, 2, "呼和浩待")     呼和浩特, the cell most like it
    Matcher(table).best_column(1, 2, "广州")     0: the value stands in another column than the model says

Columns and operators are numbers, as in sql.Query. The article compares strings by edit distance alone.
"""

import functools
import re

from rapidfuzz import fuzz, process

from nl2sql.characters import normalise, plain
from nl2sql.dates import find_dates, same_date, variants
from nl2sql.numerals import find_numbers, readings
from nl2sql.sql import EQ, GT, LT

SAME, ALIKE = 95, 60        # scores of 100: the same but for form; alike enough to be meant
SEPARATORS = "、，,和与及或跟以及还有者是 "


def form(text):
    """How a text with numbers is written: years are ####, other numbers #."""
    return re.sub(r"\d+", lambda digits: "#" if len(digits[0]) < 3 else "####", normalise(text))


def likeness(left, right, **_):
    """0 to 100 between two plain texts: by edit distance; a part counts little less than the whole."""
    if not left or not right:
        return 0.0
    part = 0.0
    if min(len(left), len(right)) > 1:
        part = fuzz.partial_ratio(left, right)
    within = 0.9 * part if part == 100 else 0.9 * part - 10
    return max(fuzz.ratio(left, right), within)


class Matcher:
    """Finds the cells, and the columns, that words of a question mean in one table.

    Args:
        table: a tables.Table.
    """

    def __init__(self, table):
        self.table = table
        self._plain = functools.cache(lambda column: [plain(cell) for cell in table.cells(column)])
        self._numbers = functools.cache(lambda column: tuple(table.cells(column)))

    def is_real(self, column):
        """Whether it is a column of numbers."""
        return self.table.types[column] == "real"

    # --------------------------------------------------------------------------------------- words to a value

    def resolve(self, column, operator, words):
        """(value, score): what the words mean in a column, and how sure that is, 0 to 100.

        In a column of numbers the value is a float, and words without a number score 0. In a column of texts
        it is the cell most like the words; words that no cell resembles stay as they are.
        """
        if self.is_real(column):
            return self._resolve_number(column, operator, words)
        days = self.days(column, words)
        if days:                                         # after a month is after its last day in the table
            return (days[-1] if operator == GT else days[0]), 100.0
        if operator in (GT, LT) and find_numbers(words):
            return self._resolve_bound(column, words)
        return self._resolve_text(column, words)

    def _resolve_number(self, column, operator, words):
        numbers = find_numbers(words)
        if not numbers:
            return words, 0.0
        number = max(numbers, key=lambda number: number.end - number.start)
        value = self.reading(number, column)
        beside = len(plain(words)) - len(plain(words[number.start:number.end]))
        if beside > 2:
            return value, 40.0                           # the words say more than the number
        known = operator in (GT, LT) or value in self._numbers(column)
        return value, (100.0 if known else 70.0)

    def reading(self, number, column):
        """The likeliest value of a Number in a column."""
        return readings(number, self.table.units[column], self._numbers(column))[0]

    def _resolve_bound(self, column, words):
        """A bound need not be a cell, but is written as the cells are."""
        forms = {form(cell) for cell in self.table.cells(column)}
        for variant in variants(words):
            if form(variant) in forms:
                return variant, 100.0
        return words, 0.0

    def _resolve_text(self, column, words):
        cells = self.table.cells(column)
        best, score = None, 0.0
        for variant in dict.fromkeys(map(plain, variants(words))):
            if not variant:
                continue
            match = process.extractOne(variant, self._plain(column), scorer=likeness)
            if match and match[1] > score:
                _, score, place = match
                best = cells[place]
        return (best, score) if score >= ALIKE else (words, 0.0)

    def days(self, column, words):
        """The cells of the day, or of the month, that words name, the earliest first."""
        dates = find_dates(words)
        if not dates:
            return []
        *_, date = dates[0]
        found = [cell for cell in self.table.cells(column) if same_date(date, cell)]
        return sorted(found, key=_date_order)

    # ---------------------------------------------------------------------------------- words to their column

    def best_column(self, column, operator, words, probabilities=None):
        """The column that the words belong to: the given one, unless another's cells have them and its not.

        Args:
            column: the model's choice.
            operator: the model's operator; an order is asked of a column of numbers first.
            words: the span.
            probabilities: (columns,) of the model, which decide between columns that have the words as well.
        """
        _, score = self.resolve(column, operator, words)
        real = self.is_real(column)
        if score >= SAME or (real and score >= 70):
            return column
        # a number fits any such column
        numbers_too = operator in (GT, LT) and not real and score < ALIKE
        scores = []
        for other in range(len(self.table.types)):
            _, found = self.resolve(other, operator, words)
            compared = numbers_too or not self.is_real(other)
            scores.append(found if compared and found >= SAME else 0.0)
        having = [i for i, found in enumerate(scores) if found > 0]
        if not having:
            return column
        weights = [0.0] * len(scores) if probabilities is None else probabilities
        return max(having, key=lambda i: (weights[i], scores[i]))

    # --------------------------------------------------------------------------------- places in the question

    def split(self, column, words):
        """(start, end) of each cell in words that are several, 北京上海 or 北京和上海; else of all."""
        whole = [(0, len(words))]
        if self.is_real(column) or self.resolve(column, EQ, words)[1] >= SAME:
            return whole
        text = normalise(words)
        names = sorted(map(normalise, self.table.cells(column)), key=len, reverse=True)
        pieces, at = [], 0
        while at < len(text):
            if text[at] in SEPARATORS:
                at += 1
                continue
            name = next((name for name in names if text.startswith(name, at)), None)
            if not name:
                return whole
            pieces.append((at, at + len(name)))
            at += len(name)
        return pieces if len(pieces) > 1 else whole

    def mentions(self, question):
        """(start, end, column) of each cell that the question names: whole, or by its first half at least."""
        found = []
        numbers, dates = find_numbers(question), find_dates(question)
        for column in range(len(self.table.types)):
            if self.is_real(column):
                places = self._mentioned_numbers(column, numbers)
            else:
                places = self._mentioned_texts(column, question, dates)
            found += [(start, end, column) for start, end in places]
        return found

    def _mentioned_numbers(self, column, numbers):
        known = set(self._numbers(column))
        return [(number.start, number.end) for number in numbers if self.reading(number, column) in known]

    def _mentioned_texts(self, column, question, dates):
        cells = self.table.cells(column)
        found = [(start, end) for start, end, date in dates if self._has_date(column, date)]
        text = normalise(question)
        for cell in map(normalise, cells):
            least = max(min(2, len(cell)), (len(cell) + 1) // 2)
            start = text.find(cell[:least])
            if start < 0:
                continue
            end = start + least
            while end - start < len(cell) and text[end:end + 1] == cell[end - start]:
                end += 1
            found.append((start, end))
        return found

    def _has_date(self, column, date):
        return any(same_date(date, cell) for cell in self.table.cells(column))

    def snap(self, question, start, end, column):
        """A span widened to the whole cell or number of which the model marked a part, 中石 in 中石化."""
        if self.is_real(column):
            around = [(number.start, number.end) for number in find_numbers(question)]
            around = [place for place in around if overlap(place, (start, end))]
        else:
            around = self._dates_at(question, start, end, column)
            around += self._cells_around(question, start, end, column)
        return max(around, key=lambda place: place[1] - place[0], default=(start, end))

    def _dates_at(self, question, start, end, column):
        places = [(a, b) for a, b, _ in find_dates(question) if overlap((a, b), (start, end))]
        return [(a, b) for a, b in places if self.resolve(column, EQ, question[a:b])[1] >= SAME]

    def _cells_around(self, question, start, end, column):
        text, found = normalise(question), []
        for cell in map(normalise, self.table.cells(column)):
            at = text.find(cell)
            while at >= 0:
                if at <= start and end <= at + len(cell):
                    found.append((at, at + len(cell)))
                at = text.find(cell, at + 1)
        return found


def overlap(left, right):
    """Whether two (start, end) spans share a character."""
    return left[0] < right[1] and right[0] < left[1]


def _date_order(cell):
    """What sorts cells by the first date in them; what it does not say comes first."""
    *_, date = find_dates(cell)[0]
    return [part or 0 for part in date]
