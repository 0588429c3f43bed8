"""The scripts of couplet besides train.py, as a user starts them."""

import json
import re

import pytest

from common.harness.vocab import is_han
from couplet import tones
from tests.articles import ROOT, last_line, run


def test_couplets_are_answered_from_the_shipped_model(tmp_path):
    lines = run("couplet/predict.py", "晚风摇树树还挺", cwd=tmp_path).stdout.splitlines()
    assert lines[0] == "晚风摇树树还挺" and len(lines) == 6
    answers = [line.split()[0] for line in lines[1:]]
    assert all(len(answer) == 7 and answer[3] == answer[4] for answer in answers)
    assert "at least one Chinese character" in last_line(run("couplet/predict.py", "，。", code=2))


def test_answers_for_programs_keep_the_tones_where_they_should(tmp_path):
    options = ("--json", "--tones", "old", "今天天气不错", "一叶扁舟，两袖清风")
    found = map(json.loads, run("couplet/predict.py", *options, cwd=tmp_path).stdout.splitlines())
    for line, content in zip(options[3:], found, strict=True):
        assert content["first"] == line and not content["notes"] and len(content["answers"]) == 5
        wanted = tones.wanted(line, "old")
        for answer in content["answers"]:
            # characters that poets use in both tones keep every rule
            pairs = zip(answer["text"], wanted)
            wrong = [c for c, tone in pairs if tones.tone(c, "old") == tones.OTHER.get(tone)]
            assert not wrong and answer["log_p"] < 0


def test_lines_that_people_try_are_all_answered(tmp_path):
    firsts = (ROOT / "couplet/samples/first_lines.txt").read_text(encoding="utf-8").split()
    found = run("couplet/predict.py", "--candidates", 1, *firsts, cwd=tmp_path).stdout.splitlines()
    assert len(firsts) == 20 and [line.split("\t")[0] for line in found] == firsts
    for line in found:
        first, answer = line.split("\t")
        assert len(answer) == len(first) and not set(filter(is_han, first)) & set(answer)


def test_what_utf_8_cannot_write_is_named(tmp_path):
    """Half a surrogate pair, which is what Python makes of a byte that is no UTF-8."""
    result = run("couplet/predict.py", "\udcff晚風搖樹", cwd=tmp_path, code=2)
    assert "text that UTF-8 can write" in last_line(result)


def metrics_in(result):
    """The numbers that a script prints."""
    rows = [line.split() for line in result.stdout.splitlines()]
    rows = [row for row in rows if len(row) == 2 and re.fullmatch("[a-z_0-9]+", row[0])]
    return {name: float(value) for name, value in rows}


def test_the_shipped_model_is_evaluated(tmp_path):
    found = metrics_in(run("couplet/evaluate.py", "--data", "sample", cwd=tmp_path))
    assert {"test_top1", "test_top5", "test_distinct2", "test_pattern_article"} <= set(found)
    assert 1 < found["test_perplexity"] < 4877 and found["test_pattern"] == 1
    error = last_line(run("couplet/evaluate.py", "--data", "/nowhere", cwd=tmp_path, code=2))
    assert error.startswith("error: --data expects") and not list(tmp_path.iterdir())


def test_counting_writes_what_it_prints(tmp_path):
    path = tmp_path / "new/baseline.json"
    found = metrics_in(run("couplet/baseline.py", "--data", "sample", "--out", path))
    written = json.loads(path.read_text(encoding="utf-8"))
    assert found == pytest.approx(written["metrics"], rel=1e-3)
