"""Every script through its command line, as a user starts it: smoke runs, --help from any folder, and bad input."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
SMOKE = [
    ("vae/train.py", "--model", "dense"),
    ("vae/train.py", "--model", "dense", "--recipe", "article", "--validation", "0"),
    ("vae/train.py", "--model", "conv", "--iw-images", "0"),
    ("vae/train.py", "--model", "conditional", "--binarize", "--iw-images", "0"),
    ("vae/train.py", "--model", "clustering"),
    ("vae/geometry.py",),
    ("flow_nice/train.py",),
    ("flow_nice/train.py", "--protocol", "paper", "--recipe", "article", "--validation", "0"),
    ("capsule/train.py", "--routing", "dynamic", "--digits", "2"),
    ("capsule/train.py", "--routing", "none", "--recipe", "article", "--validation", "0"),
    ("capsule/train.py", "--routing", "em", "--routings", "2"),
]
OTHERS = [     # need no --smoke: they run in seconds; their tests stand below or in the folder of their article
    "vae/generate.py", "flow_nice/generate.py", "capsule/predict.py", "capsule/compare.py",
]


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


@pytest.mark.parametrize("command", SMOKE, ids=lambda command: " ".join(command))
def test_smoke_run(command, tmp_path):
    out = tmp_path / "out"
    result = run(*command, "--smoke", "--out", out, cwd=tmp_path)
    assert "SMOKE RUN" in result.stdout
    folder, = out.glob("*/smoke-*")
    results = json.loads((folder / "results.json").read_text())
    assert results["smoke"] is True and results["data"]["builtin"] is True
    assert results["metrics"] and all(np.isfinite(value) for value in results["metrics"].values())
    assert {"config.json", "log.csv", "model.keras"} <= {path.name for path in folder.iterdir()}
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


@pytest.mark.parametrize("arguments, message", [
    (["--data", "/nowhere"], "a path that exists"),
    (["--data", "EMPTY"], "at least 10 pictures"),
    (["--epochs", "0"], "--epochs expects a positive number"),
    (["--batch-size", "-3"], "--batch-size expects a positive number"),
    (["--latent-dim", "0"], "--latent-dim expects"),
    (["--clusters", "1", "--model", "clustering"], "--clusters expects"),
    (["--validation", "-1"], "--validation expects"),
    (["--resume", "EMPTY"], "--resume expects the folder of a run"),
    (["--data", "digits", "--out", "FILE"], "--out expects a folder that can be written"),
])
def test_bad_input_ends_in_one_line_and_code_2(tmp_path, arguments, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    names = {"EMPTY": tmp_path / "empty", "FILE": tmp_path / "file"}
    error = last_line(run("vae/train.py", *(names.get(argument, argument) for argument in arguments), code=2, cwd=tmp_path))
    assert error.startswith("error: ") and message in error
    assert not list((tmp_path / "empty").iterdir())


def test_a_model_file_that_is_not_ours(tmp_path):
    (tmp_path / "x.keras").write_bytes(b"not a model")
    assert "is not a model" in last_line(run("vae/generate.py", "--run", tmp_path / "x.keras", code=2))
    assert "expected a run folder" in last_line(run("vae/generate.py", "--run", tmp_path, code=2))
    assert "is not a model" in last_line(run("flow_nice/generate.py", "--run", ROOT / "vae/weights/vae.keras", code=2))


@pytest.mark.parametrize("arguments, message", [
    (["--blocks", "0"], "--blocks expects at least 1"),
    (["--temperature", "-1"], "--temperature expects"),
    (["--draws", "0", "--protocol", "paper"], "--draws expects"),
])
def test_bad_input_of_nice(tmp_path, arguments, message):
    error = last_line(run("flow_nice/train.py", *arguments, code=2, cwd=tmp_path))
    assert error.startswith("error: ") and message in error and not list(tmp_path.iterdir())
