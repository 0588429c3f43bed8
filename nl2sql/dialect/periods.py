"""Years, quarters, months and days of a question as ranges of a column of days or of years. No Keras in here.

    periods_in("2023年上半年签的")          (0, 8, Period(2023, (1, 6), None))
    bounds(period, column, facts)          ("2023-01-01", "2023-06-30"), or (2023.0, 2023.0)
"""

import calendar
import re
from dataclasses import dataclass

from nl2sql.dates import find_dates, in_century
from nl2sql.numerals import DIGITS, chinese_number, digits_of

DIGIT = "[0-9零〇一二三四五六七八九]"
YEAR = re.compile(rf"(?<![0-9]){DIGIT}{{4}}年|(?<![0-9])[0-9]{{2}}年(?!级|卡|龄|薪|限|以上的?经|内|工)")
BARE_YEAR = re.compile(r"(?<![0-9.])(?:19|20)\d\d(?![0-9.年/-])")
WHEN = "1[0-2]|0?[1-9]|十[一二]?|[一二三四五六七八九]"
MONTH = re.compile(rf"(?<![0-9年一二三四五六七八九十])({WHEN})月份?"
                   r"(?![0-9一二三四五六七八九十]|销|租|薪|供|卡|均|收|费|产)")
PART = re.compile("(上半年|下半年)|(?:第?([一二三四1-4])季度|q([1-4]))|(年初|年底|年末)")
SPAN = {"上半年": (1, 6), "下半年": (7, 12), "年初": (1, 1), "年底": (12, 12), "年末": (12, 12)}
QUARTERS = {"一": 1, "二": 2, "三": 3, "四": 4}


@dataclass(frozen=True)
class Period:
    """A day, a month, months of a year, or a year; what is not said is None."""

    year: int | None
    months: tuple | None = None
    day: int | None = None


def periods_in(text):
    """(start, end, Period) of what a text says of days, months, parts of years and years."""
    found = [(start, end, Period(year, month and (month, month), day))
             for start, end, (year, month, day) in whole_dates(text)]
    for match in YEAR.finditer(text):
        year = number_of(match[0][:-1])
        year = year if year > 99 else in_century(year)
        part = PART.match(text, match.end()) or PART.match(text, match.end() - 1)
        if part:
            found.append((match.start(), part.end(), Period(year, months_of(part))))
        else:
            found.append((*match.span(), Period(year)))
    for match in MONTH.finditer(text):
        month = int(number_of(match[1]))
        found.append((*match.span(), Period(None, (month, month))))
    for match in PART.finditer(text):
        if not match[4]:
            found.append((*match.span(), Period(None, months_of(match))))
    return [place for place in found if is_date(place[2])]


def whole_dates(text):
    for start, end, (year, month, day) in find_dates(text):
        yield start, end, (int_or_none(year), int_or_none(month), int_or_none(day))


def int_or_none(number):
    return None if number is None else int(number)


def number_of(words):
    """Digits, Chinese ones too, as a whole number."""
    if all(c in DIGITS for c in words):
        return int(digits_of(words))
    return int(words) if words.isdecimal() else int(chinese_number(words) or 0)


def months_of(match):
    """The months of a match of PART."""
    quarter = match[2] or match[3]
    if quarter is None:
        return SPAN[match[1] or match[4]]
    last = 3 * int(QUARTERS.get(quarter, quarter))
    return last - 2, last


def is_date(period):
    """Whether there is such a day."""
    if period.months is None:
        return period.year is not None and 1000 <= period.year <= 9999
    if not 1 <= period.months[0] <= 12:
        return False
    return period.day is None or 1 <= period.day <= 31


def columns_for(period, facts):
    """The columns to which a period can go: days, and for a year alone years, too."""
    if period.months is None:
        return facts.columns("date", "year")
    return facts.columns("date")


def bounds(period, column, facts):
    """(first, last) of a period as a column writes it.

    Months without a year are those of the latest year in the column which has them.
    """
    year, cells = period.year, facts.table.cells(column)
    cells = [cell for cell in cells if isinstance(cell, float) or cell[:1].isdigit()]
    if facts.is_kind(column, "year"):
        return year_as_written(year, cells)
    first_month, last_month = period.months or (1, 12)
    if year is None:
        year = latest_year(cells, first_month, last_month, period.day)
    if cells and len(cells[0]) == 7:                     # months alone
        return f"{year:04}-{first_month:02}", f"{year:04}-{last_month:02}"
    last_day = min(period.day or 31, calendar.monthrange(year, last_month)[1])
    first = f"{year:04}-{first_month:02}-{period.day or 1:02}"
    last = f"{year:04}-{last_month:02}-{last_day:02}"
    if any(len(cell) > 10 for cell in cells):
        last += " 23:59:59"                              # cells with a time of day
    return first, last


def year_as_written(year, cells):
    """A year as a number or as 2018年."""
    if cells and isinstance(cells[0], str):
        text = str(year) + ("年" if cells[0].endswith("年") else "")
        return text, text
    return float(year), float(year)


def latest_year(cells, first, last, day):
    """The latest year of a column in which there are such months or such a day, else the latest at all."""
    years = []
    for cell in cells:
        parts = [int(part) for part in re.findall(r"\d+", cell)[:3]]
        if len(parts) > 1 and first <= parts[1] <= last and (day is None or parts[2:] == [day]):
            years.append(parts[0])
    return max(years or [int(cell[:4]) for cell in cells], default=2000)


def years_in(text):
    """(start, end, Period) of years without 年: 2018."""
    return [(*match.span(), Period(int(match[0]))) for match in BARE_YEAR.finditer(text)]
