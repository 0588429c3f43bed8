"""The scripts of crf besides train.py, as a user starts them."""

import json

from crf import predict
from tests.articles import last_line, run


def test_segmenting_arguments_standard_input_and_a_test_set(tmp_path):
    result = run("crf/predict.py", "今天天气不错", "我们 去公园", "--separator", "/", cwd=tmp_path)
    assert result.stdout == "今天/天气/不错\n我们 去/公园\n"
    (tmp_path / "in.txt").write_bytes("今天天气不错\r\n".encode() * 3)
    result = run("crf/predict.py", "--file", "in.txt", "--fast", "--confidence", cwd=tmp_path)
    rows = [line.split("\t") for line in result.stdout.splitlines() if "\t" in line]
    assert [word for word, _ in rows] == ["今天", "天气", "不错"] * 3
    assert all(0.5 < float(p) <= 1 for _, p in rows)
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe")
    result = run("crf/predict.py", "--file", tmp_path / "bad.txt", code=2)
    assert "should be a text in UTF-8" in last_line(result)
    assert {path.name for path in tmp_path.iterdir()} == {"in.txt", "bad.txt"}


def test_the_shipped_models_scores_beside_jiebas(tmp_path):
    result = run("crf/evaluate.py", "--data", "sample", cwd=tmp_path)
    rows = [line.split() for line in result.stdout.splitlines()]
    header = rows.index(["P", "R", "F1", "OOV", "R", "IV", "R", "types", "char/s"])
    f1 = {name.split("/")[-1]: float(row[2]) for name, *row in rows[header + 1:]}
    assert list(f1)[:5] == ["default", "fast", "nlpcc", "pku", "rjieba"]       # and thulac, where it is
    assert min(f1["default"], f1["fast"]) > f1["rjieba"] > 0.5
    assert not list(tmp_path.iterdir())


def test_json_has_a_line_for_each_line_of_text(monkeypatch, capsys):
    monkeypatch.setattr(predict, "BLOCK", 12)
    text = ("今天天气不错", "", "我们去公园 玩吧\n好")
    for confidence in (False, True):
        predict.predict(predict.Config(text, fast=True, json=True, confidence=confidence))
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [line["words"] for line in lines] == [
            ["今天", "天气", "不错"], [], ["我们", "去", "公园", "玩", "吧"], ["好"]]
        if confidence:
            assert [len(line["confidence"]) for line in lines] == [3, 0, 5, 1]
            assert all(0 < p <= 1 for line in lines for p in line["confidence"])
