"""nl2sql/matcher.py: words matched to cells."""

import pytest

from nl2sql.matcher import Matcher
from nl2sql.tables import Table

SALES = Table(["城市", "省份", "年份", "销售额（万元）", "增长率(%)", "人数", "占比"],
              [["广州", "广东省", 2018, 120.5, 5.2, 12000, 0.05],
               ["深圳", "广东省", 2019, 300, -1.5, 3500, 0.2],
               ["北京", "北京市", 2019, 980, 12, 800, 0.5], ["呼和浩特", "内蒙古", 2017, 45, 0, 15000, 0.25]])


@pytest.mark.parametrize("cells, words, bound", [
    (["2016年", "2018年", "2013年"], "2015年", "2015年"), (["2016年", "2018年"], "14年", "2014年"),
    (["2019-03-15", "2019-04-18"], "2019年4月1日", "2019-04-01"),
    (["2019-03-15", "2019-04-18"], "2019-03-20", "2019-03-20"),
    (["2016年", "2018年"], "2016年", "2016年"),
])
def test_a_bound_on_texts_need_not_be_a_cell(cells, words, bound):
    matcher = Matcher(Table(["时间", "票房"], [[cell, 1.0] for cell in cells], ["text", "real"]))
    for operator in (0, 1):
        assert matcher.resolve(0, operator, words) == (bound, 100.0)


@pytest.mark.parametrize("column, operator, words, value", [
    (3, 0, "100万", 100), (3, 0, "1.2亿", 12000), (3, 0, "1000000", 100), (3, 2, "980", 980),
    (5, 0, "1万", 10000),
    (5, 0, "三千五", 3500), (2, 2, "18年", 2018), (2, 2, "二〇一九年", 2019), (2, 2, "2017", 2017),
    (4, 0, "5%", 5),
    (4, 0, "百分之五", 5), (6, 0, "20%", 0.2), (6, 2, "百分之五", 0.05), (4, 1, "-1", -1),
    (0, 2, "呼和浩待", "呼和浩特"), (0, 2, "呼和", "呼和浩特"), (1, 2, "广东", "广东省"),
    (0, 2, "巴黎", "巴黎"),
    (0, 2, "杭州", "杭州"), (3, 0, "10个亿", 100000), (3, 0, "十个亿", 100000), (4, 1, "零下五度", -5),
    (4, 1, "零下1.5度", -1.5), (3, 0, "过亿的", 10000), (4, 0, "300%", 300), (3, 0, "0.01亿", 100),
    (5, 0, "1千", 1000),
])
def test_words_become_values_of_the_column(column, operator, words, value):
    found, score = Matcher(SALES).resolve(column, operator, words)
    assert found == (value if isinstance(value, str) else pytest.approx(value))
    assert (score > 0) == (words not in ("巴黎", "杭州"))


def test_texts_are_matched_through_quotes_years_and_numerals():
    films = Table(["片名", "上映", "年级"],
                  [["《流浪地球》", "2019年", "3年级"], ["红海行动", "2018年", "5年级"]])
    matcher = Matcher(films)
    assert matcher.resolve(0, 2, "流浪地球")[0] == "《流浪地球》"
    assert matcher.resolve(1, 2, "18年")[0] == "2018年" and matcher.resolve(1, 2, "一九年")[0] == "2019年"
    assert matcher.resolve(2, 2, "三年级")[0] == "3年级"
    hours = Matcher(Table(["打烊"], [["21:15"], ["18:00"], ["18:10"]]))
    assert [hours.resolve(0, 2, words)[0] for words in ("二十一点一刻", "18点", "18:10", "十八点十分")] == [
        "21:15", "18:00", "18:10", "18:10"]
    dates = Table(["日期", "上线"],
                  [["2019-03-01", "2017年5月2日"], ["2019-04-01", "2018/12/20"], ["2019.5.25", "x"]])
    matcher = Matcher(dates)
    for column, words, cell in [
            (0, "2019年4月1日", "2019-04-01"), (0, "4月1号", "2019-04-01"), (0, "五月二十五号", "2019.5.25"),
            (1, "12月20号", "2018/12/20"), (1, "一七年五月", "2017年5月2日"), (0, "19年3月", "2019-03-01")]:
        assert matcher.resolve(column, 2, words) == (cell, 100.0)
    assert matcher.best_column(0, 2, "12月20号") == 1 and matcher.snap("那么12月20号的", 5, 7, 1) == (2, 8)
    old = Matcher(Table(["建馆年份", "距离(米)"], [[1952, 700], [1988, 900], [2001, 3000]]))
    assert [old.resolve(0, 0, words)[0] for words in ("30年", "零五年", "88年")] == [1930, 2005, 1988]
    heavy = Matcher(Table(["含沙量（千克/立方米）"], [[3], [12], [40]]))
    amounts = {"十五千克": 15, "十五千": 15, "3千克": 3, "三千": 3}
    assert [heavy.resolve(0, 0, words)[0] for words in amounts] == list(amounts.values())
    assert [old.resolve(1, 0, words)[0] for words in ("两千米", "2千米", "八百米")] == [2000, 2000, 800]


def test_the_column_is_repaired_where_another_one_has_the_value():
    matcher = Matcher(SALES)
    assert matcher.best_column(1, 2, "深圳") == 0          # 深圳 is no province
    assert matcher.best_column(0, 2, "深圳") == 0
    assert matcher.best_column(0, 2, "巴黎") == 0          # nobody has it: the model's choice stays
    assert matcher.best_column(3, 0, "100万") == 3
    assert matcher.best_column(4, 2, "广东省") == 1        # words in a column of numbers
    twins = Table(["主队", "客队"], [["恒大", "国安"], ["国安", "恒大"]])
    assert Matcher(twins).best_column(1, 2, "恒大") == 1
    both = Table(["编号", "主队", "客队"], [["x", "恒大", "国安"], ["y", "国安", "恒大"]])
    assert Matcher(both).best_column(0, 2, "恒大", [0.5, 0.1, 0.4]) == 2


def test_values_side_by_side_are_split_and_parts_are_widened():
    matcher = Matcher(SALES)
    assert matcher.split(0, "广州深圳") == [(0, 2), (2, 4)]
    assert matcher.split(0, "广州和北京") == [(0, 2), (3, 5)]
    assert matcher.split(0, "呼和浩特") == [(0, 4)] and matcher.split(0, "广州人") == [(0, 3)]
    question = "呼和浩特的销售额超过1.5万吗"
    assert matcher.snap(question, 1, 3, 0) == (0, 4)
    assert question[slice(*matcher.snap(question, 11, 12, 3))] == "1.5万"
    assert matcher.snap(question, 5, 7, 0) == (5, 7)


def test_mentions_of_cells():
    found = set(Matcher(SALES).mentions("2019年呼和浩特和广东的"))
    assert {(0, 5, 2), (5, 9, 0), (10, 12, 1)} <= found
