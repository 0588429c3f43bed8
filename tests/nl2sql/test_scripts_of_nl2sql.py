"""The scripts of nl2sql besides train.py, as a user starts them."""

import json

from tests.articles import last_line, run


def test_a_table_is_asked_with_the_shipped_model(tmp_path):
    table = "城市,年份,销售额（万元）\n广州,2018,120.5\n深圳,2019,300\n北京,2019,80\n"
    (tmp_path / "sales.csv").write_text(table, "utf-8")
    arguments = ["--table", tmp_path / "sales.csv", "--question", "2019年销售额超过100万的城市有哪些"]
    lines = run("nl2sql/predict.py", *arguments, cwd=tmp_path).stdout.splitlines()
    assert lines[0].startswith('SELECT "城市" FROM "sales" WHERE')
    assert lines[1:] == ["城市", "深圳", "(1 row)"]
    assert json.loads(run("nl2sql/predict.py", *arguments, "--json").stdout)["rows"] == [["深圳"]]
    arguments[1] = "none.csv"
    assert "--table expects a CSV" in last_line(run("nl2sql/predict.py", *arguments, code=2))


def test_the_shipped_model_is_evaluated_on_the_built_in_corpus(tmp_path):
    result = run("nl2sql/evaluate.py", "--limit", 60, "--errors", 1, "--out", tmp_path / "out")
    lines = result.stdout.splitlines()
    metrics = dict(line.split() for line in lines[1:10])
    assert set(metrics) >= {"logical_form", "execution", "connector", "value", "refused"}
    assert float(metrics["execution"]) > 0.7 and float(metrics["refused"]) > 0.7
    assert any(line.startswith("  predicted ") for line in lines)
    assert len((tmp_path / "out/predictions.jsonl").read_text("utf-8").splitlines()) == 60
    refused = run("nl2sql/evaluate.py", "--limit", 0, code=2)
    assert "--limit expects 1 to 1,000,000,000" in last_line(refused)
