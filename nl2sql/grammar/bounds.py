"""Bounds of comparisons: a round number between two cells, so that 超过 and 不低于 find the same rows."""

from nl2sql.grammar.spoken_numbers import decimal, whole
from nl2sql.sql import GT


def bound(cells, cell, operator, year, rng):
    """(a bound that `cell` satisfies, whether it lies clear of all cells).

    Args:
        cells: of the column.
        operator: GT or LT.
        year: the cells are years, of which a bound may be one: 2015年以后.
    """
    values = sorted(set(cells))
    if year:
        return year_bound(values, cell, operator, rng), False
    low, high = gap(values, cell, operator, rng)
    decimals = max(len(decimal(value).partition(".")[2]) for value in values)
    number = between(low, high, decimals, rng)
    if number is not None:
        return number, True
    nearest = low if operator == GT else high
    return nearest, False


def year_bound(years, year, operator, rng):
    """A year before or after this one, and not beyond the next in the column where there is one."""
    i = years.index(year)
    if operator == GT and year > years[0]:
        return rng.randint(years[i - 1], year - 1)
    if operator == GT:
        return year - rng.randint(1, 3)
    if year < years[-1]:
        return rng.randint(year + 1, years[i + 1])
    return year + rng.randint(1, 3)


def gap(values, cell, operator, rng):
    """(low, high): two neighbours among the values, on the one side of the cell or the other.

    At either end of the values one of the two is beyond them.
    """
    if operator == GT:
        i = rng.randint(0, values.index(cell))
        high = values[i]
        low = values[i - 1] if i > 0 else high - beyond(high)
    else:
        i = rng.randint(values.index(cell), len(values) - 1)
        low = values[i]
        high = values[i + 1] if i + 1 < len(values) else low + beyond(low)
    if min(values) >= 0:
        low = max(low, 0)
    return low, high


def beyond(value):
    """How far from the smallest or the largest cell a bound may be."""
    return max(abs(value) * 0.3, 2)


def between(low, high, decimals, rng):
    """The roundest number strictly between two, or None where there is none with so many decimals."""
    unit = 10**decimals
    a, b = round(low * unit), round(high * unit)
    for exponent in range(12, -1, -1):
        for step in (5 * 10**exponent, 10**exponent):
            first = a // step * step + step
            if first < b:
                return whole(rng.randrange(first, b, step) / unit)
    return None
