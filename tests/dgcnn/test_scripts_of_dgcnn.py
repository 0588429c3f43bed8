"""The scripts of dgcnn besides train.py, as a user starts them."""

import json

from dgcnn.data import read_questions
from dgcnn.reader import Answer, Reader
from tests.articles import ROOT, last_line, run


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


def test_the_readmes_everyday_answers_are_the_shipped_models():
    page = (ROOT / "dgcnn/README.md").read_text(encoding="utf-8")
    header = "| question | passage | right | likeliest answer | chance | given |"
    table = page.partition(header)[2].partition("\n\n")[0]
    printed = [row.strip("| ").split(" | ")[3::2] for row in table.splitlines()[2:]]
    reader = Reader.load(ROOT / "dgcnn/weights/dgcnn.keras")
    questions = read_questions(ROOT / "dgcnn/samples/everyday.json")
    found = []
    for question in questions:
        texts = [passage.text for passage in question.passages]
        found.append(reader.answers(question.text, texts, threshold=0.0))
    best = [answers[0] if answers else Answer("–", 0.0, []) for answers in found]
    threshold = reader.calibration.threshold
    expected = [[answer.text, "yes" if answer.probability >= threshold else "no"] for answer in best]
    assert len(expected) == 20 and printed == expected


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
