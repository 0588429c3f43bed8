"""nl2sql/numerals.py: numbers as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nl2sql import numerals
from nl2sql.characters import normalise


def written(n):
    """An independent writer of Chinese numerals below 10^12, group by group of four digits."""
    if n == 0:
        return "零"
    names, groups, text, gap = "零一二三四五六七八九", ["", "万", "亿"], "", False
    for place in (2, 1, 0):
        group = n // 10000**place % 10000
        if not group:
            gap = bool(text)
            continue
        part, zero = "", gap or (bool(text) and group < 1000)
        for i, unit in enumerate(["千", "百", "十", ""]):
            digit = group // 10**(3 - i) % 10
            if digit:
                part += ("零" if zero else "") + names[digit] + unit
                zero = False
            elif part:
                zero = True
        text, gap = text + part + groups[place], False
    return text


@given(st.integers(0, 10**12 - 1))
def test_chinese_numerals_written_by_another_function(n):
    assert numerals.chinese_number(written(n)) == n


@pytest.mark.parametrize("text, number", [
    ("十", 10), ("十二", 12), ("两千", 2000), ("一万五", 15000), ("三千五", 3500), ("两百五", 250),
    ("一百零五", 105),
    ("二〇一八", 2018), ("一八", 18), ("三点五", 3.5), ("三点五亿", 3.5e8), ("负二十", -20), ("三万亿", 3e12),
    ("五", 5),
    ("百", None), ("万一", None), ("三点十", None), ("点五", None), ("", None), ("十点", None),
    ("二三十x", None),
])
def test_chinese_numbers_as_they_are_spoken(text, number):
    found = numerals.chinese_number(text)
    assert found is None if number is None else found == pytest.approx(number)


@pytest.mark.parametrize("text", ["1" + "亿" * 40, "一" + "亿" * 40, "三点五" + "亿" * 40])
def test_numbers_beyond_all_bounds(text):
    assert [number.value for number in numerals.find_numbers(f"超过{text}的")] == [float("inf")]
    assert numerals.cell_number(10**400) is None


@pytest.mark.parametrize("text, expected", [
    ("超过100万的", [(100, 1e4, False)]), ("1.5亿以上", [(1.5, 1e8, False)]), ("大于5%", [(5, 1, True)]),
    ("百分之五", [(5, 1, True)]), ("百分之十二点五", [(12.5, 1, True)]),
    ("1,200,000元", [(1200000, 1, False)]),
    ("２０１８年", [(2018, 1, False)]), ("2018-2019年", [(2018, 1, False), (2019, 1, False)]),
    ("低于-3.5", [(-3.5, 1, False)]),
    ("三百二十人", [(320, 1, False)]), ("两万", [(2, 1e4, False)]), ("100多万", [(100, 1e4, False)]),
    ("3k", [(3, 1e3, False)]),
    ("5个百分点", [(5, 1, True)]), ("2千万", [(2, 1e7, False)]), ("没有数字", []),
    ("七成以下", [(70, 1, True)]), ("成交三成交", [(3, 1, False)]), ("十五千克", [(15, 1e3, False)]),
    ("一亿两千万", [(1.2e8, 1, False)]), ("3千克", [(3, 1e3, False)]), ("十二三月", [(12, 1, False)]),
])
def test_numbers_in_a_question(text, expected):
    found = [(n.mantissa, n.factor, n.percent) for n in numerals.find_numbers(text)]
    if text != "十二三月":                      # no number of anyone's: found or not, it must not raise
        assert found == [pytest.approx(e) for e in expected]
    for number in numerals.find_numbers(text):
        assert 0 <= number.start < number.end <= len(text)


@given(st.text(max_size=30))
def test_any_text_has_numbers_at_places_in_it(text):
    for number in numerals.find_numbers(text):
        assert 0 <= number.start < number.end <= len(text)
    assert len(normalise(text)) == len(text)


@pytest.mark.parametrize("header, unit", [
    ("销售额（万元）", "万"), ("总市值(亿港元)", "亿"), ("涨幅（%）", "%"), ("重量(千克)", ""),
    ("长度(千米)", ""),
    ("人口/万", "万"),
    ("成交额（单位：亿）", "亿"), ("票房百万元", "百万"), ("城市", ""), ("市值亿元", "亿"), ("", ""),
    ("播放量(千万)", "千万"), ("油耗（升/百公里）", ""), ("稿费（元/千字）", ""),
])
def test_units_in_headers(header, unit):
    assert numerals.header_unit(header) == unit


@pytest.mark.parametrize("cell, value", [
    ("1,200", 1200), ("5%", 0.05), ("3.5万", 35000), ("￥20", 20), ("20元", 20), (" 7 ", 7), (3, 3),
    ("-2.5", -2.5),
    ("1e+3", 1000), ("1.2E-05", 1.2e-5), ("1e3", None), ("1 2", None), ("3.5 万", 35000), ("\u22125", -5),
    ("１２", 12), ("12,34", None), ("abc", None), ("", None), ("2018年", None), (float("nan"), None),
    ("１0:30", None),
])
def test_cells_that_are_numbers(cell, value):
    number = numerals.cell_number(cell)
    assert number is None if value is None else number.value == pytest.approx(value)


@pytest.mark.parametrize("left, right, same", [
    ("100", "100.0", True), (100.0, "100", True), ("《明史》", "明史", True), ("ＡB", "ab", True),
    ("1", "2", False),
    ("北京", "北京市", False),
    ("1,000", "1000", True), ("5%", "0.05", True),
])
def test_same_value(left, right, same):
    assert numerals.same_value(left, right) is same
