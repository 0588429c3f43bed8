"""Time against length: what reads a user's text takes eight times as long for eight times the text, not 64.

The least of some measurements counts, so that another process disturbs nothing; and quadratic time is far
from the bound.
"""

import re
import time

import pytest

from dgcnn import baseline
from nl2sql import cells, csv_files, dates, encoder, matcher, numerals, table_files, workbook_parts
from nl2sql.tables import Table
from poetry_vae import data as poetry

LENGTH, GROWTH, BOUND = 4096, 8, 24        # quadratic time would be 64 times as long
LEAST = 0.004                              # seconds: what takes less at LENGTH is not looked at again
PIECES = [
    *"([/:1. \0零百万个负年月点a%人。，;Ａ元", "（", "【", "()", "（万元", "1,", "1,111", "-1", "\t", "\n",
    "零点", "百分之", "零下", "千米", "1年", "2018年1月", "一月", "1:", "12:3", "e+", "1人", "！ ",
    "12人 ", "\ud800", "\u2028"]
MODULES = (numerals, dates, encoder, table_files, csv_files, workbook_parts, cells, baseline, poetry)
PATTERNS = [pattern for module in MODULES
            for pattern in vars(module).values() if isinstance(pattern, re.Pattern)]
PATTERNS += [pattern for pattern, _ in table_files.SORTABLE]


def named(text):
    return encoder.named("销售额（万元）超过一百的城市", [text])


FUNCTIONS = [cells.clean, cells.is_empty, numerals.header_unit, numerals.cell_number, numerals.find_numbers,
             dates.find_dates, dates.find_times, matcher.form, named, numerals.chinese_number,
             lambda text: list(dates.variants(text)), lambda text: Table([text], [[text]])]


def seconds(function, argument, times=3):
    """The least time of some."""
    found = []
    for _ in range(times):
        start = time.process_time()
        function(argument)
        found.append(time.process_time() - start)
    return min(found)


def growth(function, argument_of, length=LENGTH):
    """How many times as long a function takes for GROWTH times the length; 1 where it takes no time."""
    longer = argument_of(length)
    if seconds(function, longer, times=1) < LEAST:
        return 1.0
    return seconds(function, longer) / seconds(function, argument_of(length // GROWTH))


@pytest.mark.parametrize("piece", PIECES, ids=ascii)
def test_patterns_and_names_take_time_in_proportion(piece):
    def text_of(length):
        return piece * (length // len(piece)) + "x"

    for pattern in PATTERNS:
        assert growth(lambda text: len(pattern.sub("", text)), text_of) < BOUND, pattern.pattern
        assert growth(pattern.fullmatch, text_of) < BOUND, pattern.pattern
    for function in FUNCTIONS:
        assert growth(function, text_of) < BOUND, function


@pytest.mark.parametrize("name", ["a", "", "列1", "a_2"])
def test_equal_names_take_time_in_proportion(name):
    assert growth(cells.unique_names, lambda length: [name for _ in range(length)]) < BOUND


def test_equal_names_are_told_apart():
    header = ["a", "A", "a_2", "a", "", "列5", "a"]
    assert cells.unique_names(header) == ["a", "A_2", "a_2_2", "a_3", "列5", "列5_2", "a_4"]


def test_many_signs_are_no_number():
    assert numerals.chinese_number("负三百二十") == -320
    assert numerals.chinese_number("负" * 9999 + "三") is None


def test_the_measure_finds_quadratic_time():
    assert growth(re.compile(r"\(.*?\)").findall, "(".__mul__) > BOUND
