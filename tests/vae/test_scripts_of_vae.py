"""The scripts of vae besides train.py, as a user starts them."""

import re
import subprocess
import sys

import pytest

from tests.articles import ROOT, last_line, run, started


def test_generate_from_the_shipped_model_and_from_a_run(tmp_path):
    names = {"samples.png", "manifold.png", "interpolation.png"}
    run("vae/generate.py", "--out", tmp_path / "pictures", cwd=tmp_path)
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == names
    run("vae/train.py", "--model", "clustering", "--smoke", "--out", tmp_path)
    folder, = (tmp_path / "vae").iterdir()
    run("vae/generate.py", "--run", folder, "--out", tmp_path / "more")
    assert {path.name for path in (tmp_path / "more").iterdir()} == names - {"manifold.png"}
    printed = run("vae/evaluate.py", "--run", folder, "--data", "digits").stdout
    assert 0.1 <= float(re.search(r"test_purity (\S+)", printed)[1]) <= 1


def test_codes_of_one_dimension(tmp_path):
    """The least --latent-dim: the picture of the codes is a histogram."""
    run("vae/train.py", "--latent-dim", "1", "--smoke", "--out", tmp_path)
    folder, = (tmp_path / "vae").iterdir()
    assert (folder / "latent.png").stat().st_size > 5000
    run("vae/generate.py", "--run", folder, "--out", tmp_path / "pictures")
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == {"samples.png", "interpolation.png"}


def test_evaluate_the_shipped_model_on_the_built_in_digits(tmp_path):
    lines = run("vae/evaluate.py", "--data", "digits", "--iw-images", "20", cwd=tmp_path).stdout.splitlines()
    numbers = {line.split()[0]: float(line.split()[1]) for line in lines if "test_" in line}
    assert set(numbers) == {
        "test_negative_elbo_grey", "test_reconstruction_grey", "test_kl_grey", "test_negative_elbo_binarised",
        "test_reconstruction_binarised", "test_kl_binarised", "test_iw500_bound_grey",
        "test_iw500_bound_binarised", "test_log_likelihood_grey", "test_log_likelihood_binarised",
        "test_length_of_mean_z", "test_least_variance_of_z", "test_greatest_variance_of_z",
        "test_mean_sigma"}
    assert numbers["test_iw500_bound_binarised"] < numbers["test_log_likelihood_binarised"] + 0.01
    parts = numbers["test_reconstruction_grey"] + numbers["test_kl_grey"]
    assert abs(numbers["test_negative_elbo_grey"] - parts) < 0.5
    assert 100 < numbers["test_negative_elbo_grey"] < 400         # they are of another kind than MNIST's


@pytest.mark.slow                       # tests/stress/test_stress.py kills a forked run in the ordinary suite
def test_a_killed_training_continues(tmp_path):
    """kill -9 once the first epoch is written; the resumed run ends with every epoch and all results."""
    arguments = ["--out", tmp_path, "--data", "digits", "--epochs", "15", "--iw-images", "0"]
    command = [sys.executable, str(ROOT / "vae/train.py"), *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for line in process.stdout:
        if line.startswith("Epoch 3/"):
            process.kill()
            break
    process.wait()
    process.stdout.close()
    folder, = (tmp_path / "vae").iterdir()
    done = len((folder / "log.csv").read_text().splitlines()) - 1
    assert 2 <= done < 15
    assert f"continuing after epoch {done}" in run("vae/train.py", "--resume", folder).stdout
    rows = (folder / "log.csv").read_text().splitlines()[1:]
    assert [int(row.split(",")[0]) for row in rows] == list(range(1, 16))
    assert (folder / "results.json").exists()


def test_a_loss_that_becomes_nan(tmp_path):
    arguments = ["--data", "digits", "--epochs", "3", "--recipe", "article", "--learning-rate", "1e6"]
    error = last_line(run("vae/train.py", *arguments, "--out", tmp_path, code=2))
    assert "no longer a finite number at step" in error and "smaller --learning-rate" in error


def test_a_model_file_that_is_not_ours(tmp_path):
    (tmp_path / "x.keras").write_bytes(b"not a model")
    assert "is not a model" in last_line(run("vae/generate.py", "--run", tmp_path / "x.keras", code=2))
    assert "expected a run folder" in last_line(run("vae/generate.py", "--run", tmp_path, code=2))
    result = started("flow_nice/generate.py", ["--run", str(ROOT / "vae/weights/vae.keras")])
    assert result.returncode == 2 and "is not a model" in last_line(result)
