"""The scripts of flow_nice besides train.py, as a user starts them."""

import json
import re

import pytest
from keras import ops

from common.harness import datasets
from flow_nice.sampler import Sampler
from tests.articles import ROOT, run


def test_nice_generates_from_the_shipped_model_and_from_a_run(tmp_path):
    names = {"samples.png", "temperatures.png", "dimensions.png", "interpolation.png", "inpainting.png",
             "one_dimension.png", "importance.png", "walk.gif"}
    options = ("--inpaint", "20", "--frames", "2", "--json")
    printed = run("flow_nice/generate.py", "--out", tmp_path / "pictures", *options, cwd=tmp_path).stdout
    assert {path.split("/")[-1] for path in json.loads(printed)["files"]} == names
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == names
    run("flow_nice/train.py", "--smoke", "--prior", "logistic", "--out", tmp_path)
    folder, = (tmp_path / "flow_nice").iterdir()
    run("flow_nice/generate.py", "--run", folder, "--out", tmp_path / "more")
    assert {path.name for path in (tmp_path / "more").iterdir()} == names - {"inpainting.png"}
    printed = run("flow_nice/evaluate.py", "--run", folder, "--data", "digits", "--draws", "2").stdout
    assert [line.split()[0] for line in printed.splitlines() if "test_" in line] == [
        "test_log_likelihood", "test_log_likelihood_std_over_draws", "test_bits_per_dimension"]


def test_evaluate_the_shipped_model_on_the_built_in_digits(tmp_path):
    printed = run("flow_nice/evaluate.py", "--data", "digits", cwd=tmp_path).stdout
    loss = float(re.search(r"test_loss_without_noise (\S+)", printed)[1])
    flow = Sampler.load(ROOT / "flow_nice/weights/nice-small.keras").flow
    z, log_det = flow(datasets.builtin_digits().x_test.reshape(-1, 784).astype("float32") / 255)
    eq_15 = ops.sum(ops.square(z), axis=1) / 2 - log_det
    assert loss == pytest.approx(float(ops.mean(eq_15)), abs=1)
