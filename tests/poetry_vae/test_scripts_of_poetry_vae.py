"""The scripts of poetry_vae besides train.py, as a user starts them."""

import json

from tests.articles import last_line, run


def test_verse_is_written_from_the_shipped_model(tmp_path):
    options = ["--fill", "春□□□□□□□花□", "--count", "3"]
    lines = run("poetry_vae/generate.py", *options, cwd=tmp_path).stdout.splitlines()
    assert len(lines) == 3 and all(line[0] == "春" and line[9] == "花" and len(line) == 12 for line in lines)
    assert "expected two lines of five" in last_line(run("poetry_vae/generate.py", "--like", "春", code=2))


def test_the_shipped_model_is_evaluated(tmp_path):
    result = run("poetry_vae/evaluate.py", "--data", "sample", "--iw-couplets", "5", cwd=tmp_path)
    rows = [line.split() for line in result.stdout.splitlines()]
    rows = [row for row in rows if len(row) == 2 and row[0].startswith(("test_", "samples_"))]
    found = {name: float(value) for name, value in rows}
    assert {"test_iw100_bound", "test_reconstruction_accuracy", "test_distinct2"} <= set(found)
    assert abs(found["test_negative_elbo"] - found["test_reconstruction"] - found["test_kl"]) < 0.1
    assert found["samples_distinct2"] > 0.5 and found["samples_novel"] == 1
    error = last_line(run("poetry_vae/evaluate.py", "--data", "/nowhere", cwd=tmp_path, code=2))
    assert error.startswith("error: --data expects") and not list(tmp_path.iterdir())


def test_a_folder_of_chinese_poetry_is_converted(tmp_path):
    poems = [{"paragraphs": ["秦川雄帝宅，函谷壯皇居。"]}]
    (tmp_path / "poet.tang.0.json").write_text(json.dumps(poems), encoding="utf-8")
    run("poetry_vae/convert.py", tmp_path, "--out", tmp_path / "new.txt")
    assert (tmp_path / "new.txt").read_text(encoding="utf-8") == "秦川雄帝宅,函谷壮皇居\n"
