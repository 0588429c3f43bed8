"""The scripts of capsule besides train.py, as a user starts them."""

import re

import numpy as np
from PIL import Image

from capsule.pairs import stacked_pairs
from common.harness import datasets
from tests.articles import last_line, run


def test_digits_are_named_by_the_shipped_model(tmp_path):
    digits = datasets.builtin_digits()        # not those that it was trained on: five of six pairs are right
    pictures, pairs = stacked_pairs(digits.x_test[:40], digits.y_test[:40])
    names = [f"{i}.png" for i in range(len(pairs))]
    for name, picture in zip(names, pictures):
        Image.fromarray(picture).save(tmp_path / name)
    lines = run("capsule/predict.py", *names, "--digits", "2", cwd=tmp_path).stdout.splitlines()[-len(names):]
    assert [line.split(":")[0] for line in lines] == names
    found = [set(re.findall(r"(\d) \(0\.", line)) for line in lines]
    assert sum(set(map(str, pair)) == answer for pair, answer in zip(pairs, found)) > 0.7 * len(pairs)


def test_evaluate_the_shipped_model_on_the_built_in_digits(tmp_path):
    printed = run("capsule/evaluate.py", "--data", "digits", cwd=tmp_path).stdout
    numbers = dict(re.findall(r"(test_accuracy\w+) (\S+)", printed))
    assert len(numbers) == 7 and float(numbers["test_accuracy_one_digit"]) > 0.8
    assert float(numbers["test_accuracy_two_stacked"]) > 0.7
    assert not list(tmp_path.iterdir())


def test_evaluate_needs_labels(tmp_path):
    images = datasets.builtin_digits().x_test[:20]
    np.savez(tmp_path / "plain.npz", x_train=images, x_test=images)
    error = last_line(run("capsule/evaluate.py", "--data", tmp_path / "plain.npz", code=2))
    assert "needs labels" in error and "without labels" in error
