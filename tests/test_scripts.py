"""Every script through its command line, as a user starts it: smoke runs, --help from any folder, and bad input."""

import importlib
import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from capsule import evaluate
from common import datasets, runs
from common.datasets import InputError

ROOT = pathlib.Path(__file__).resolve().parents[1]
SMOKE = [
    ("vae/train.py", "--model", "dense"),
    ("vae/train.py", "--model", "conv", "--recipe", "article", "--validation", "0", "--iw-images", "0"),
    ("vae/geometry.py",),
    ("flow_nice/train.py", "--protocol", "paper", "--recipe", "article", "--validation", "0"),
    ("crf/train.py",),
    ("couplet/train.py",),
    ("poetry_vae/train.py", "--annealing", "0.2", "--free-bits", "0.1", "--iw-couplets", "10"),
    ("dgcnn/train.py",),
    ("capsule/train.py", "--routing", "dynamic", "--digits", "2"),
    ("gan/train.py",),
    ("gan/features.py",),
    ("nl2sql/pretrain.py", "--width", "64", "--depth", "1"),
    ("nl2sql/train.py", "--bert", "none", "--width", "64", "--depth", "1"),
]
MORE = [    # by make test-slow
    ("vae/train.py", "--model", "conv", "--iw-images", "0"),
    ("vae/train.py", "--model", "conditional", "--binarize", "--iw-images", "0"),
    ("vae/train.py", "--model", "clustering"),
    ("flow_nice/train.py",),
    ("capsule/train.py", "--routing", "none", "--recipe", "article", "--validation", "0"),
    ("couplet/train.py", "--mixer", "bilstm", "--recipe", "article"),
    ("couplet/train.py", "--mixer", "attention"),
    ("dgcnn/train.py", "--train-vectors", "--features", "--without", "gate", "--width", "32"),
    ("capsule/train.py", "--routing", "em", "--routings", "3"),
    ("gan/train.py", "--objective", "wgan_gp", "--vi-regularizer", "5", "--width", "8"),
    ("gan/train.py", "--objective", "sgan_sn", "--size", "64", "--width", "4"),
]
# These need no --smoke: they run in seconds; their tests stand below or in the article's own tests.
OTHERS = ["vae/generate.py", "flow_nice/generate.py", "crf/predict.py", "crf/evaluate.py", "couplet/predict.py",
          "couplet/baseline.py", "dgcnn/predict.py", "dgcnn/evaluate.py", "dgcnn/baseline.py", "poetry_vae/generate.py",
          "poetry_vae/convert.py", "capsule/predict.py", "capsule/compare.py", "gan/generate.py", "gan/toy.py",
          "nl2sql/predict.py", "nl2sql/evaluate.py", "nl2sql/samples.py"]


def run(script, *arguments, code=0, cwd=None, **environment):
    settings = {name: value for name, value in os.environ.items() if name != "KEXUE_DATA"} | environment
    result = subprocess.run([sys.executable, str(ROOT / script), *map(str, arguments)], cwd=cwd, env=settings,
                            capture_output=True, text=True, timeout=300)
    assert result.returncode == code, f"{result.stdout[-2000:]}\n{result.stderr[-3000:]}"
    return result


def last_line(result):
    assert "Traceback" not in result.stderr
    return result.stderr.strip().splitlines()[-1]


def test_every_script_is_in_the_list():
    articles = [path.parent for path in ROOT.glob("*/train.py")]
    scripts = {str(path.relative_to(ROOT)) for folder in articles for path in folder.glob("*.py")
               if "__main__" in path.read_text()}
    assert scripts == {script for script, *_ in SMOKE} | set(OTHERS)


@pytest.mark.parametrize("command", SMOKE + [pytest.param(more, marks=pytest.mark.slow) for more in MORE], ids=" ".join)
def test_smoke_run(command, tmp_path):
    out = tmp_path / "out"
    result = run(*command, "--smoke", "--out", out, cwd=tmp_path)
    assert "SMOKE RUN" in result.stdout
    folder, = out.glob("*/smoke-*")
    results = json.loads((folder / "results.json").read_text())
    assert results["smoke"] is True and results["data"]["builtin"] is True
    assert results["metrics"] and all(np.isfinite(value) for value in results["metrics"].values())
    trained = "weights.npz" if command[0].startswith("nl2sql") else "model.keras"
    assert {"config.json", "log.csv", trained} <= {path.name for path in folder.iterdir()}
    assert list(folder.glob("*.png"))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]    # nothing is written anywhere else


def test_generate_from_the_shipped_model_and_from_a_run(tmp_path):
    run("vae/generate.py", "--out", tmp_path / "pictures", cwd=tmp_path)
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == {"samples.png", "manifold.png", "interpolation.png"}
    run("vae/train.py", "--model", "clustering", "--smoke", "--out", tmp_path)
    folder, = (tmp_path / "vae").iterdir()
    run("vae/generate.py", "--run", folder, "--out", tmp_path / "more")
    assert {path.name for path in (tmp_path / "more").iterdir()} == {"samples.png", "interpolation.png"}


def test_nice_generates_from_the_shipped_model_and_from_a_run(tmp_path):
    names = {"samples.png", "temperatures.png", "interpolation.png", "inpainting.png"}
    run("flow_nice/generate.py", "--out", tmp_path / "pictures", "--steps", "20", cwd=tmp_path)
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == names
    run("flow_nice/train.py", "--smoke", "--prior", "logistic", "--out", tmp_path)
    folder, = (tmp_path / "flow_nice").iterdir()
    run("flow_nice/generate.py", "--run", folder, "--out", tmp_path / "more", "--steps", "0")
    assert {path.name for path in (tmp_path / "more").iterdir()} == names - {"inpainting.png"}


def test_segmenting_arguments_standard_input_and_a_test_set(tmp_path):
    result = run("crf/predict.py", "今天天气不错", "我们 去公园", "--separator", "/", cwd=tmp_path)
    assert result.stdout == "今天/天气/不错\n我们 去/公园\n"
    (tmp_path / "in.txt").write_bytes("今天天气不错\r\n".encode() * 3)
    result = run("crf/predict.py", "--file", "in.txt", "--fast", "--confidence", cwd=tmp_path)
    rows = [line.split("\t") for line in result.stdout.splitlines() if "\t" in line]
    assert [word for word, _ in rows] == ["今天", "天气", "不错"] * 3 and all(0.5 < float(p) <= 1 for _, p in rows)
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe")
    assert "should be a text in UTF-8" in last_line(run("crf/predict.py", "--file", tmp_path / "bad.txt", code=2))
    assert "rjieba" in run("crf/evaluate.py", "--data", "sample", cwd=tmp_path).stdout
    assert {path.name for path in tmp_path.iterdir()} == {"in.txt", "bad.txt"}


def test_couplets_are_answered_from_the_shipped_model(tmp_path):
    lines = run("couplet/predict.py", "晚风摇树树还挺", cwd=tmp_path).stdout.splitlines()
    assert lines[0] == "晚风摇树树还挺" and len(lines) == 6
    assert all(len(answer := line.split()[0]) == 7 and answer[3] == answer[4] for line in lines[1:])
    assert "at least one Chinese character" in last_line(run("couplet/predict.py", "，。", code=2))


def test_questions_are_answered_from_the_shipped_model(tmp_path):
    arguments = ["--question", "世界上最高的山峰是哪座？", "--text", "珠穆朗玛峰是世界上最高的山峰，海拔8848米。"]
    lines = run("dgcnn/predict.py", *arguments, cwd=tmp_path).stdout.splitlines()
    assert lines[0].endswith("珠穆朗玛峰") and "【珠穆朗玛峰】" in lines[-1]
    assert json.loads(run("dgcnn/predict.py", *arguments, "--json").stdout)["answers"][0]["answer"] == "珠穆朗玛峰"
    found = run("dgcnn/evaluate.py", "--data", "sample", "--all", "--out", tmp_path / "out")
    assert "test_score" in found.stdout and len((tmp_path / "out/answers.jsonl").read_text().splitlines()) >= 100
    assert "a passage expects text" in last_line(run("dgcnn/predict.py", "--question", "谁", "--text", " ", code=2))


def test_verse_is_written_from_the_shipped_model(tmp_path):
    lines = run("poetry_vae/generate.py", "--fill", "春□□□□□□□花□", "--count", "3", cwd=tmp_path).stdout.splitlines()
    assert len(lines) == 3 and all(line[0] == "春" and line[9] == "花" and len(line) == 12 for line in lines)
    assert "expected two lines of five" in last_line(run("poetry_vae/generate.py", "--like", "春", code=2))


def test_digits_are_named_by_the_shipped_model(tmp_path):
    digits = datasets.builtin_digits()                       # not those that it was trained on: five of six pairs are right
    pictures, pairs = evaluate.stacked_pairs(digits.x_test[:40], digits.y_test[:40])
    names = [f"{i}.png" for i in range(len(pairs))]
    for name, picture in zip(names, pictures):
        Image.fromarray(picture).save(tmp_path / name)
    lines = run("capsule/predict.py", *names, "--digits", "2", cwd=tmp_path).stdout.splitlines()[-len(names):]
    assert [line.split(":")[0] for line in lines] == names
    found = [set(re.findall(r"(\d) \(0\.", line)) for line in lines]
    assert sum(set(map(str, pair)) == answer for pair, answer in zip(pairs, found)) > 0.7 * len(pairs)


def test_the_toy_of_gan_runs_and_images_come_from_a_run(tmp_path):
    result = run("gan/toy.py", "--steps", "20", "--distances", "2", "--out", tmp_path / "toy", cwd=tmp_path)
    assert "|∂L_G/∂θ|" in result.stdout and (tmp_path / "toy/gradients.png").exists()
    run("gan/generate.py", "--out", tmp_path / "shipped", cwd=tmp_path)
    assert {path.name for path in (tmp_path / "shipped").iterdir()} == {"samples.png", "walks.png"}
    run("gan/train.py", "--smoke", "--width", "4", "--out", tmp_path)
    folder, = (tmp_path / "gan").iterdir()
    run("gan/generate.py", "--run", folder, "--out", tmp_path / "pictures")
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == {"samples.png", "walks.png"}
    assert "expected a run folder" in last_line(run("gan/generate.py", "--run", tmp_path, code=2))


def test_a_table_is_asked_with_the_shipped_model(tmp_path):
    (tmp_path / "sales.csv").write_text("城市,年份,销售额（万元）\n广州,2018,120.5\n深圳,2019,300\n北京,2019,80\n", "utf-8")
    arguments = ["--table", tmp_path / "sales.csv", "--question", "2019年销售额超过100万的城市有哪些"]
    lines = run("nl2sql/predict.py", *arguments, cwd=tmp_path).stdout.splitlines()
    assert lines[0].startswith('SELECT "城市" FROM "sales" WHERE') and lines[1:] == ["城市", "深圳", "(1 row)"]
    assert json.loads(run("nl2sql/predict.py", *arguments, "--json").stdout)["rows"] == [["深圳"]]
    arguments[1] = "none.csv"
    assert "--table expects a CSV" in last_line(run("nl2sql/predict.py", *arguments, code=2))


def test_a_killed_training_continues(tmp_path):
    """kill -9 once the first epoch is written; the resumed run ends with every epoch and all results."""
    arguments = ["--out", tmp_path, "--data", "digits", "--epochs", "40", "--iw-images", "0"]
    process = subprocess.Popen([sys.executable, str(ROOT / "vae/train.py"), *map(str, arguments)], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    for line in process.stdout:
        if line.startswith("Epoch 3/"):
            process.kill()
            break
    process.wait()
    process.stdout.close()
    folder, = (tmp_path / "vae").iterdir()
    done = len((folder / "log.csv").read_text().splitlines()) - 1
    assert 2 <= done < 40
    assert f"continuing after epoch {done}" in run("vae/train.py", "--resume", folder).stdout
    rows = (folder / "log.csv").read_text().splitlines()[1:]
    assert [int(row.split(",")[0]) for row in rows] == list(range(1, 41))
    assert (folder / "results.json").exists()


def test_a_loss_that_becomes_nan(tmp_path):
    error = last_line(run("vae/train.py", "--data", "digits", "--epochs", "3", "--recipe", "article", "--learning-rate",
                          "1e30", "--out", tmp_path, code=2))
    assert "no longer a finite number at step" in error and "smaller --learning-rate" in error


@pytest.mark.parametrize("script", sorted({script for script, *_ in SMOKE if script.endswith("train.py")}))
def test_bad_input_ends_in_one_line_and_code_2(tmp_path, script):
    error = last_line(run(script, "--data", "/nowhere", code=2, cwd=tmp_path))
    assert error.startswith("error: --data expects") and "Received: /nowhere" in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("article, options, message", [
    ("vae", {"data": "EMPTY"}, "at least 10 pictures"),
    ("vae", {"epochs": 0}, "--epochs expects a positive number"),
    ("vae", {"batch_size": -3}, "--batch-size expects a positive number"),
    ("vae", {"seed": -1}, "--seed expects 0 to"),
    ("vae", {"latent_dim": 0}, "--latent-dim expects"),
    ("vae", {"clusters": 1, "model": "clustering"}, "--clusters expects"),
    ("vae", {"validation": -1}, "--validation expects"),
    ("vae", {"resume": "EMPTY"}, "--resume expects the folder of a run"),
    ("vae", {"data": "digits", "out": "FILE"}, "--out expects a folder that can be written"),
    ("crf", {"dropout": 1.0}, "--dropout expects"),
    ("crf", {"rare": -1.0}, "--rare expects"),
    ("crf", {"validation": 0}, "--validation expects"),
    ("crf", {"data": "FILE"}, "at least 10 sentences"),
    ("flow_nice", {"blocks": 0}, "--blocks expects at least 1"),
    ("flow_nice", {"temperature": -1.0}, "--temperature expects"),
    ("flow_nice", {"draws": 0, "protocol": "paper"}, "--draws expects"),
    ("gan", {"size": 30}, "--size expects 28 to 64"),
    ("gan", {"data": "EMPTY"}, "at least 10 pictures"),
    ("gan", {"data": "digits", "batch_size": 2000}, "images for one update"),
    ("gan", {"critic_steps": 0}, "--critic-steps expects at least 1"),
    ("gan", {"devices": 2, "data": "digits"}, "--devices expects"),
    ("vae", {"devices": -1, "data": "digits"}, "--devices expects 0, for all, to"),
    ("couplet", {"data": "EMPTY"}, "an empty folder"),
    ("couplet", {"width": 1}, "--width expects at least 2"),
    ("couplet", {"dropout": 1.0}, "--dropout expects a share"),
    ("couplet", {"data": "sample", "max_length": 1}, "at least 10 couplets of at most 1 characters"),
    ("couplet", {"data": "sample", "extra": "/nowhere"}, "--extra expects verse"),
    ("dgcnn", {"data": "EMPTY"}, "an empty folder"),
    ("dgcnn", {"data": "FILE"}, "line 1 column 1, is no JSON"),
    ("dgcnn", {"width": 1}, "--width expects 2 to"),
    ("dgcnn", {"average": 1.0}, "--average expects"),
    ("dgcnn", {"max_length": 8}, "--max-length expects 32 to"),
    ("dgcnn", {"data": "sample", "vectors": "/nowhere"}, "a file of word vectors. Received: /nowhere"),
    ("dgcnn", {"vectors": "x", "train_vectors": True}, "Received: both"),
    ("poetry_vae", {"data": "EMPTY"}, "an empty folder"),
    ("poetry_vae", {"latent_dim": 1}, "--latent-dim expects at least 2"),
    ("poetry_vae", {"annealing": 1.5}, "--annealing expects a share"),
    ("poetry_vae", {"free_bits": -0.1}, "--free-bits expects at least 0"),
])
def test_bad_options_are_named_before_anything_is_written(tmp_path, article, options, message):
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "FILE").write_text("")
    script = importlib.import_module(f"{article}.train")
    paths = {name: tmp_path / value for name, value in options.items() if value in ("EMPTY", "FILE")}
    config = script.Config(**{"out": tmp_path / "out", **options, **paths})
    with pytest.raises(InputError, match=message):
        script.train(runs.settle(config))
    assert not (tmp_path / "out").exists() and not list((tmp_path / "EMPTY").iterdir())


def test_a_model_file_that_is_not_ours(tmp_path):
    (tmp_path / "x.keras").write_bytes(b"not a model")
    assert "is not a model" in last_line(run("vae/generate.py", "--run", tmp_path / "x.keras", code=2))
    assert "expected a run folder" in last_line(run("vae/generate.py", "--run", tmp_path, code=2))
    assert "is not a model" in last_line(run("flow_nice/generate.py", "--run", ROOT / "vae/weights/vae.keras", code=2))
