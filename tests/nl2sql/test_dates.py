"""nl2sql/dates.py: times of day as people write them; what dates mean in a table, test_matcher.py tests."""

import pytest

from nl2sql.dates import find_times


@pytest.mark.parametrize("text, times", [
    ("19:30关门", ["19:30"]), ("9点", ["09:00"]), ("二十一点零五分", ["21:05"]), ("二十三点半", ["23:30"]),
    ("八点一刻", ["08:15"]), ("7点整到19时45", ["07:00", "19:45"]), ("三点五", ["03:05"]), ("99:30", []),
    ("增长5个点", []), ("点击", []),
])
def test_times_of_day(text, times):
    assert [time for *_, time in find_times(text)] == times
