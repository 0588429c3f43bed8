"""nl2sql/values.py: numbers as people write them, and words matched to cells. No Keras, so no subprocess."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nl2sql import values
from nl2sql.data import Table

SALES = Table(["城市", "省份", "年份", "销售额（万元）", "增长率(%)", "人数", "占比"],
              [["广州", "广东省", 2018, 120.5, 5.2, 12000, 0.05], ["深圳", "广东省", 2019, 300, -1.5, 3500, 0.2],
               ["北京", "北京市", 2019, 980, 12, 800, 0.5], ["呼和浩特", "内蒙古", 2017, 45, 0, 15000, 0.25]])


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
    assert values.chinese_number(written(n)) == n


@pytest.mark.parametrize("text, number", [
    ("十", 10), ("十二", 12), ("两千", 2000), ("一万五", 15000), ("三千五", 3500), ("两百五", 250), ("一百零五", 105),
    ("二〇一八", 2018), ("一八", 18), ("三点五", 3.5), ("三点五亿", 3.5e8), ("负二十", -20), ("三万亿", 3e12), ("五", 5),
    ("百", None), ("万一", None), ("点五", None), ("", None), ("十点", None), ("二三十x", None),
])
def test_chinese_numbers_as_they_are_spoken(text, number):
    found = values.chinese_number(text)
    assert found is None if number is None else found == pytest.approx(number)


@pytest.mark.parametrize("text", ["1" + "亿" * 40, "一" + "亿" * 40, "三点五" + "亿" * 40])
def test_numbers_beyond_all_bounds(text):
    assert [number.value for number in values.find_numbers(f"超过{text}的")] == [float("inf")]
    assert values.cell_number(10**400) is None


@pytest.mark.parametrize("cells, words, bound", [
    (["2016年", "2018年", "2013年"], "2015年", "2015年"), (["2016年", "2018年"], "14年", "2014年"),
    (["2019-03-15", "2019-04-18"], "2019年4月1日", "2019-04-01"), (["2019-03-15", "2019-04-18"], "2019-03-20", "2019-03-20"),
    (["2016年", "2018年"], "2016年", "2016年"),
])
def test_a_bound_on_texts_need_not_be_a_cell(cells, words, bound):
    matcher = values.Matcher(Table(["时间", "票房"], [[cell, 1.0] for cell in cells], ["text", "real"]))
    for operator in (0, 1):
        assert matcher.resolve(0, operator, words) == (bound, 100.0)


@pytest.mark.parametrize("text, expected", [
    ("超过100万的", [(100, 1e4, False)]), ("1.5亿以上", [(1.5, 1e8, False)]), ("大于5%", [(5, 1, True)]),
    ("百分之五", [(5, 1, True)]), ("百分之十二点五", [(12.5, 1, True)]), ("1,200,000元", [(1200000, 1, False)]),
    ("２０１８年", [(2018, 1, False)]), ("2018-2019年", [(2018, 1, False), (2019, 1, False)]),
    ("低于-3.5", [(-3.5, 1, False)]),
    ("三百二十人", [(320, 1, False)]), ("两万", [(2, 1e4, False)]), ("100多万", [(100, 1e4, False)]),
    ("3k", [(3, 1e3, False)]),
    ("5个百分点", [(5, 1, True)]), ("2千万", [(2, 1e7, False)]), ("没有数字", []),
    ("七成以下", [(70, 1, True)]), ("成交三成交", [(3, 1, False)]), ("十五千克", [(15, 1e3, False)]),
    ("一亿两千万", [(1.2e8, 1, False)]), ("3千克", [(3, 1e3, False)]), ("十二三月", [(12, 1, False)]),
])
def test_numbers_in_a_question(text, expected):
    found = [(n.mantissa, n.factor, n.percent) for n in values.find_numbers(text)]
    if text != "十二三月":                      # no number of anyone's: found or not, it must not raise
        assert found == [pytest.approx(e) for e in expected]
    for number in values.find_numbers(text):
        assert 0 <= number.start < number.end <= len(text)


@given(st.text(max_size=30))
def test_any_text_has_numbers_at_places_in_it(text):
    for number in values.find_numbers(text):
        assert 0 <= number.start < number.end <= len(text)
    assert len(values.fold(text)) == len(text)


@pytest.mark.parametrize("header, unit", [
    ("销售额（万元）", "万"), ("总市值(亿港元)", "亿"), ("涨幅（%）", "%"), ("重量(千克)", ""), ("长度(千米)", ""),
    ("人口/万", "万"),
    ("成交额（单位：亿）", "亿"), ("票房百万元", "百万"), ("城市", ""), ("市值亿元", "亿"), ("", ""),
    ("播放量(千万)", "千万"), ("油耗（升/百公里）", ""), ("稿费（元/千字）", ""),
])
def test_units_in_headers(header, unit):
    assert values.header_unit(header) == unit


@pytest.mark.parametrize("cell, value", [
    ("1,200", 1200), ("5%", 0.05), ("3.5万", 35000), ("￥20", 20), ("20元", 20), (" 7 ", 7), (3, 3), ("-2.5", -2.5),
    ("1e+3", 1000), ("1.2E-05", 1.2e-5), ("1e3", None), ("1 2", None), ("3.5 万", 35000), ("\u22125", -5),
    ("１２", 12), ("12,34", None), ("abc", None), ("", None), ("2018年", None), (float("nan"), None), ("１0:30", None),
])
def test_cells_that_are_numbers(cell, value):
    number = values.cell_number(cell)
    assert number is None if value is None else number.value == pytest.approx(value)


@pytest.mark.parametrize("column, operator, words, value", [
    (3, 0, "100万", 100), (3, 0, "1.2亿", 12000), (3, 0, "1000000", 100), (3, 2, "980", 980), (5, 0, "1万", 10000),
    (5, 0, "三千五", 3500), (2, 2, "18年", 2018), (2, 2, "二〇一九年", 2019), (2, 2, "2017", 2017), (4, 0, "5%", 5),
    (4, 0, "百分之五", 5), (6, 0, "20%", 0.2), (6, 2, "百分之五", 0.05), (4, 1, "-1", -1),
    (0, 2, "呼和浩待", "呼和浩特"), (0, 2, "呼和", "呼和浩特"), (1, 2, "广东", "广东省"), (0, 2, "巴黎", "巴黎"),
    (0, 2, "杭州", "杭州"), (3, 0, "10个亿", 100000), (3, 0, "十个亿", 100000), (4, 1, "零下五度", -5),
    (4, 1, "零下1.5度", -1.5), (3, 0, "过亿的", 10000), (4, 0, "300%", 300), (3, 0, "0.01亿", 100), (5, 0, "1千", 1000),
])
def test_words_become_values_of_the_column(column, operator, words, value):
    found, score = values.Matcher(SALES).resolve(column, operator, words)
    assert found == (value if isinstance(value, str) else pytest.approx(value))
    assert (score > 0) == (words not in ("巴黎", "杭州"))


@pytest.mark.parametrize("text, times", [
    ("19:30关门", ["19:30"]), ("9点", ["09:00"]), ("二十一点零五分", ["21:05"]), ("二十三点半", ["23:30"]),
    ("八点一刻", ["08:15"]), ("7点整到19时45", ["07:00", "19:45"]), ("三点五", ["03:05"]), ("99:30", []),
    ("增长5个点", []), ("点击", []),
])
def test_times_of_day(text, times):
    assert [time for *_, time in values.find_times(text)] == times


def test_texts_are_matched_through_quotes_years_and_numerals():
    films = Table(["片名", "上映", "年级"], [["《流浪地球》", "2019年", "3年级"], ["红海行动", "2018年", "5年级"]])
    matcher = values.Matcher(films)
    assert matcher.resolve(0, 2, "流浪地球")[0] == "《流浪地球》"
    assert matcher.resolve(1, 2, "18年")[0] == "2018年" and matcher.resolve(1, 2, "一九年")[0] == "2019年"
    assert matcher.resolve(2, 2, "三年级")[0] == "3年级"
    hours = values.Matcher(Table(["打烊"], [["21:15"], ["18:00"], ["18:10"]]))
    assert [hours.resolve(0, 2, words)[0] for words in ("二十一点一刻", "18点", "18:10", "十八点十分")] == [
        "21:15", "18:00", "18:10", "18:10"]
    dates = Table(["日期", "上线"], [["2019-03-01", "2017年5月2日"], ["2019-04-01", "2018/12/20"], ["2019.5.25", "x"]])
    matcher = values.Matcher(dates)
    for column, words, cell in [
            (0, "2019年4月1日", "2019-04-01"), (0, "4月1号", "2019-04-01"), (0, "五月二十五号", "2019.5.25"),
            (1, "12月20号", "2018/12/20"), (1, "一七年五月", "2017年5月2日"), (0, "19年3月", "2019-03-01")]:
        assert matcher.resolve(column, 2, words) == (cell, 100.0)
    assert matcher.best_column(0, 2, "12月20号") == 1 and matcher.snap("那么12月20号的", 5, 7, 1) == (2, 8)
    old = values.Matcher(Table(["建馆年份", "距离(米)"], [[1952, 700], [1988, 900], [2001, 3000]]))
    assert [old.resolve(0, 0, words)[0] for words in ("30年", "零五年", "88年")] == [1930, 2005, 1988]
    heavy = values.Matcher(Table(["含沙量（千克/立方米）"], [[3], [12], [40]]))
    assert [heavy.resolve(0, 0, words)[0] for words in ("十五千克", "十五千", "3千克", "三千")] == [15, 15, 3, 3]
    assert [old.resolve(1, 0, words)[0] for words in ("两千米", "2千米", "八百米")] == [2000, 2000, 800]


def test_the_column_is_repaired_where_another_one_has_the_value():
    matcher = values.Matcher(SALES)
    assert matcher.best_column(1, 2, "深圳") == 0          # 深圳 is no province
    assert matcher.best_column(0, 2, "深圳") == 0
    assert matcher.best_column(0, 2, "巴黎") == 0          # nobody has it: the model's choice stays
    assert matcher.best_column(3, 0, "100万") == 3
    assert matcher.best_column(4, 2, "广东省") == 1        # words in a column of numbers
    twins = Table(["主队", "客队"], [["恒大", "国安"], ["国安", "恒大"]])
    assert values.Matcher(twins).best_column(1, 2, "恒大") == 1
    both = Table(["编号", "主队", "客队"], [["x", "恒大", "国安"], ["y", "国安", "恒大"]])
    assert values.Matcher(both).best_column(0, 2, "恒大", [0.5, 0.1, 0.4]) == 2


def test_values_side_by_side_are_split_and_parts_are_widened():
    matcher = values.Matcher(SALES)
    assert matcher.split(0, "广州深圳") == [(0, 2), (2, 4)]
    assert matcher.split(0, "广州和北京") == [(0, 2), (3, 5)]
    assert matcher.split(0, "呼和浩特") == [(0, 4)] and matcher.split(0, "广州人") == [(0, 3)]
    question = "呼和浩特的销售额超过1.5万吗"
    assert matcher.snap(question, 1, 3, 0) == (0, 4)
    assert question[slice(*matcher.snap(question, 11, 12, 3))] == "1.5万"
    assert matcher.snap(question, 5, 7, 0) == (5, 7)


def test_mentions_of_cells():
    found = set(values.Matcher(SALES).mentions("2019年呼和浩特和广东的"))
    assert {(0, 5, 2), (5, 9, 0), (10, 12, 1)} <= found


@pytest.mark.parametrize("left, right, same", [
    ("100", "100.0", True), (100.0, "100", True), ("《明史》", "明史", True), ("ＡB", "ab", True), ("1", "2", False),
    ("北京", "北京市", False),
    ("1,000", "1000", True), ("5%", "0.05", True),
])
def test_same_value(left, right, same):
    assert values.same_value(left, right) is same
