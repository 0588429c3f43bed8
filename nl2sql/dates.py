"""Dates and times of day in a text, and the ways to write the same one. No Keras in here.

    find_dates("18年3月5号的")         (0, 7, (2018, 3, 5)); what is not said is None
    find_times("晚上九点半")           (2, 5, "09:30")
    list(variants("18年3月"))          18年3月, 2018年3月, 2018-03, 2018/03, 2018.03, 2018
"""

import re

from nl2sql.characters import normalise
from nl2sql.numerals import DIGITS, chinese_number, digits_of

DATE = re.compile(r"""(?:(?P<year>[\d零〇一二三四五六七八九]{2,4})年)?
    (?P<month>[\d一二三四五六七八九十]{1,3})月份?(?:(?P<day>[\d一二三四五六七八九十]{1,3})[日号])?
    | (?P<y>\d{4})[-/.](?P<m>\d{1,2})(?:[-/.](?P<d>\d{1,2}))?""", re.VERBOSE)
TIME = re.compile(r"""(?P<hour>\d{1,2}|[零一二两三四五六七八九十]{1,3})
    (?:[:：](?P<minute>\d{2})(?!\d)
      |[点时](?:(?P<half>半)|(?P<quarters>[一三])刻|(?P<spoken>\d{1,2}|[零一二三四五六七八九十]{1,3})分?|整|钟)?)
    """, re.VERBOSE)
WRITTEN = re.compile(r"(\d{2}|\d{4})年(?:(\d{1,2})月(?:(\d{1,2})[日号])?)?")


def find_dates(text):
    """(start, end, (year, month, day)) of the dates in a text, 3月5号 or 18年三月; what is unsaid is None."""
    found = []
    for match in DATE.finditer(normalise(text)):
        year = _integer(match["year"] or match["y"])
        month = _integer(match["month"] or match["m"])
        day = _integer(match["day"] or match["d"])
        if year is not None and year < 100:
            year = in_century(year)
        parts = year, month, day
        if parts.count(None) < 2 and month is not None and 1 <= month <= 12:
            found.append((*match.span(), parts))
    return found


def find_times(text):
    """(start, end, "19:30") of the times of day in a text: 19:30, 19点半, 二十一点零五分."""
    found = []
    for match in TIME.finditer(normalise(text)):
        hour, minute = _integer(match["hour"]), _integer(match["minute"] or match["spoken"])
        if match["half"]:
            minute = 30
        elif match["quarters"]:
            minute = {"一": 15, "三": 45}[match["quarters"]]
        minute = minute or 0
        if hour is not None and hour < 25 and minute < 60:
            found.append((*match.span(), f"{hour:02.0f}:{minute:02.0f}"))
    return found


def _integer(part):
    """Digits or Chinese numerals as a number; None stays None."""
    if part is None:
        return None
    return int(part) if part.isdecimal() else chinese_number(part)


def in_century(year):
    """The year that two digits mean: 18 is 2018, 88 is 1988."""
    return year + (2000 if year < 50 else 1900)


def same_date(date, cell):
    """Whether a cell is the day, or the month, that (year, month, day) means; None matches anything."""
    found = find_dates(cell) if isinstance(cell, str) else []
    return bool(found) and all(part in (None, other) for part, other in zip(date, found[0][2]))


def variants(text):
    """Ways to write the same: years in full, Chinese numerals as digits, dates as 2019-03-01."""
    text = normalise(text)
    yield text
    match = WRITTEN.fullmatch(text)
    if match:
        yield from _date_variants(*match.groups())
    yield from (time for start, end, time in find_times(text) if end - start == len(text))
    in_digits = re.sub("[零〇一二两三四五六七八九十百千]+", _as_digits, text)
    if in_digits != text:
        yield from variants(in_digits)


def _date_variants(year, month, day):
    if len(year) == 2:
        year = str(in_century(int(year)))
    yield "".join(part + sign for part, sign in zip((year, month, day), "年月日") if part)
    parts = [year, *(f"{int(part):02}" for part in (month, day) if part)]
    for mark in "-/.":
        yield mark.join(parts)
    yield year


def _as_digits(match):
    """A match of Chinese numerals as digits: 二十 → 20, 零七 → 07."""
    if len(match[0]) > 1 and all(c in DIGITS for c in match[0]):
        return digits_of(match[0])
    number = chinese_number(match[0])
    return match[0] if number is None else f"{number:.0f}"
