"""The scripts of dgcnn besides train.py, as a user starts them."""

import json

from tests.articles import last_line, run


def test_questions_are_answered_from_the_shipped_model(tmp_path):
    text = "珠穆朗玛峰是世界上最高的山峰，海拔8848米。"
    arguments = ["--question", "世界上最高的山峰是哪座？", "--text", text]
    lines = run("dgcnn/predict.py", *arguments, cwd=tmp_path).stdout.splitlines()
    assert lines[0].endswith("珠穆朗玛峰") and "【珠穆朗玛峰】" in lines[-1]
    found = json.loads(run("dgcnn/predict.py", *arguments, "--json").stdout)
    assert found["answers"][0]["answer"] == "珠穆朗玛峰"
    for wrong, message in [(["--question", "谁", "--text", " "], "a passage expects text"),
                           (["--text", text], "--question expects a question")]:
        assert message in last_line(run("dgcnn/predict.py", *wrong, code=2))


def test_the_shipped_model_is_evaluated(tmp_path):
    out = tmp_path / "out"
    found = run("dgcnn/evaluate.py", "--data", "sample", "--all", "--out", out, cwd=tmp_path)
    assert "test_score" in found.stdout and len((out / "answers.jsonl").read_text().splitlines()) >= 100
    metrics = json.loads((out / "metrics.json").read_text())["metrics"]
    assert metrics["test_em"] > 0.3 and (out / "example.png").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_baseline_ends_with_its_metrics(tmp_path):
    found = run("dgcnn/baseline.py", "--data", "sample", "--out", tmp_path / "baseline.json", cwd=tmp_path)
    assert "test_f1_of_sentences" in found.stdout and (tmp_path / "baseline.json").exists()
