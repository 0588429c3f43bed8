"""The scripts of gan besides train.py, as a user starts them."""

import csv
import json

import pytest

from tests.articles import ROOT, last_line, run


def test_the_toy_of_gan_runs_and_images_come_from_a_run(tmp_path):
    result = run("gan/toy.py", "--steps", "20", "--distances", "2", "--out", tmp_path / "toy", cwd=tmp_path)
    assert "|∂L_G/∂θ|" in result.stdout and (tmp_path / "toy/gradients.png").exists()
    names = {"samples.png", "walks.png", "walk.gif"}
    options = ("--best-of", "3", "--frames", "3", "--json")
    printed = run("gan/generate.py", "--out", tmp_path / "shipped", *options, cwd=tmp_path).stdout
    assert {path.name for path in (tmp_path / "shipped").iterdir()} == names
    assert {path.split("/")[-1] for path in json.loads(printed)["files"]} == names
    run("gan/train.py", "--smoke", "--width", "4", "--distances", "--out", tmp_path)
    folder, = (tmp_path / "gan").iterdir()
    log = list(csv.DictReader((folder / "log.csv").open()))
    results = json.loads((folder / "results.json").read_text())["metrics"]
    assert float(log[-1]["frechet_distance"]) == pytest.approx(results["frechet_distance"], rel=1e-4)
    assert float(log[0]["frechet_distance"]) != float(log[-1]["frechet_distance"])
    assert (folder / "distance.png").exists()
    run("gan/generate.py", "--run", folder, "--out", tmp_path / "pictures")
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == names
    assert "expected a run folder" in last_line(run("gan/generate.py", "--run", tmp_path, code=2))


def test_evaluate_prints_the_numbers_of_the_shipped_model(tmp_path):
    """Against the built-in digits, in the features of MNIST's classifier."""
    classifier = ROOT / "gan/weights/features-mnist-32.keras"
    options = ("--data", "digits", "--features", classifier, "--samples", "500")
    result = run("gan/evaluate.py", *options, cwd=tmp_path)
    found = dict(line.split() for line in result.stdout.splitlines()[-4:])
    assert list(found) == ["pixel_deviation", "frechet_distance", "recognised_entropy", "modes"]
    assert 0.1 < float(found["pixel_deviation"]) < 0.2 and float(found["frechet_distance"]) > 0
    assert 2 < float(found["recognised_entropy"]) < 2.303 and float(found["modes"]) == 10
    assert not list(tmp_path.iterdir())
    error = last_line(run("gan/evaluate.py", "--run", ROOT / "vae/weights/vae.keras", code=2))
    assert "expected a model trained by gan/train.py" in error or "is not a model" in error
