"""Importing TensorFlow prints nothing, and what matters still comes: with a package that only looks like it,
and with the scripts as a user starts them."""

import os
import subprocess
import sys

import pytest

from common.harness import quiet
from tests.articles import ROOT

IDLE = ["WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
        "I0000 00:00:1795964397.793885    9638 port.cc:153] oneDNN custom operations are on.",
        "2024-05-01 10:00:00.123456: I tensorflow/core/util/port.cc:113] oneDNN custom operations are on.",
        "To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow.",
        "E0000 00:00:1795964401.908945    9638 cuda_platform.cc:52] failed call to cuInit: INTERNAL: error"]
NEWS = ["E0000 00:00:1.9 1 memory.cc:1] out of memory", "W0000 00:00:1.9 1 driver.cc:1] an old driver",
        "a Python warning"]


def imported(tmp_path, ending="", **environment):
    """Standard output and error of a process that imports a tensorflow which prints IDLE and NEWS."""
    (tmp_path / "tensorflow.py").write_text(
        f"import os, sys\nfor line in {IDLE + NEWS!r}:\n    os.write(2, (line + '\\n').encode())\n"
        f"print('python too', file=sys.stderr)\n{ending}\nVALUE = 3\n")
    # whoever only asks whether it is installed does not import it
    code = ("import importlib.util, sys, common.harness\nassert importlib.util.find_spec('tensorflow')\n"
            "import tensorflow\n"
            "print(tensorflow.VALUE, tensorflow.__spec__.loader.name)\nprint('after', file=sys.stderr)")
    settings = {name: value for name, value in os.environ.items() if name != quiet.LEVEL}
    settings |= {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "CUDA_VISIBLE_DEVICES": "-1", **environment}
    return subprocess.run([sys.executable, "-c", code], env=settings, capture_output=True, text=True,
                          timeout=60)


@pytest.mark.parametrize("level", [None, "2", "3"])
def test_what_nobody_can_act_on_is_left_out(tmp_path, level):
    result = imported(tmp_path, **({quiet.LEVEL: level} if level else {}))
    assert result.stdout == "3 tensorflow\n"
    assert result.stderr.splitlines() == [*NEWS, "python too", "after"]


def test_who_asks_for_it_reads_all(tmp_path):
    result = imported(tmp_path, **{quiet.LEVEL: "0"})
    assert result.stderr.splitlines() == [*IDLE, *NEWS, "python too", "after"]


def test_an_import_that_fails_tells_all(tmp_path):
    result = imported(tmp_path, "raise ImportError('no such library')")
    lines = result.stderr.splitlines()
    assert result.returncode == 1 and lines[:len(IDLE + NEWS)] == IDLE + NEWS
    assert lines[-1] == "ImportError: no such library"


def test_an_import_that_crashes_says_where(tmp_path):
    result = imported(tmp_path, "os.abort()")
    assert result.returncode < 0 and "Fatal Python error: Aborted" in result.stderr
    assert "tensorflow.py" in result.stderr


def test_without_standard_error_it_is_imported_as_ever(tmp_path):
    (tmp_path / "tensorflow.py").write_text("VALUE = 3")
    code = "import os; os.close(2); import common.harness, tensorflow; print(tensorflow.VALUE)"
    path = f"{tmp_path}{os.pathsep}{ROOT}"
    result = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path},
                            stdout=subprocess.PIPE, text=True, timeout=60)
    assert result.stdout == "3\n"


@pytest.mark.parametrize("devices, said", [([], True), (["GPU:0"], False)])
def test_a_gpu_that_is_not_used_is_named(tmp_path, monkeypatch, capsys, devices, said):
    class TensorFlow:
        class config:
            list_physical_devices = staticmethod(lambda kind: devices)

    (tmp_path / "nvidia0").touch()
    monkeypatch.setattr(quiet, "GPU", tmp_path / "nvidia0")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    quiet.tell_unused(TensorFlow)
    assert (capsys.readouterr().err == quiet.UNUSED + "\n") == said


COMMANDS = {
    "crf/predict.py": "今天天气不错",
    "nl2sql/predict.py": "--table demo/samples/books.csv --question 最贵的书",
    "couplet/predict.py": "晚风摇树树还挺",
    "dgcnn/predict.py": "--question 白云山的海拔是多少 --text 白云山坐落在广州，主峰海拔382米",
    "capsule/predict.py": "",
    "poetry_vae/generate.py": "--count 2",
    "vae/generate.py": "--count 2",
    "gan/generate.py": "--count 2",
    "flow_nice/generate.py": "--count 2 --steps 2",
}
QUICK = ("crf/predict.py", "nl2sql/predict.py")


LATER = [pytest.param(script, marks=pytest.mark.slow) for script in COMMANDS if script not in QUICK]


@pytest.mark.parametrize("script", [*QUICK, *LATER])
def test_scripts_print_no_line_of_tensorflow(script, tmp_path):
    options = COMMANDS[script].split()
    if script == "capsule/predict.py":
        options = [str(drawing(tmp_path))]
    if script.endswith("generate.py") and not script.startswith("poetry"):
        options += ["--out", str(tmp_path)]
    settings = {name: value for name, value in os.environ.items() if name != quiet.LEVEL}
    result = subprocess.run([sys.executable, script, *options], cwd=ROOT, env=settings, capture_output=True,
                            text=True, timeout=300)
    assert result.returncode == 0 and result.stdout
    assert result.stderr == ""


def drawing(folder):
    """A file with a stroke in it, which may be a 1."""
    from PIL import Image, ImageDraw

    image = Image.new("L", (60, 60), "white")
    ImageDraw.Draw(image).line([(30, 10), (30, 50)], fill="black", width=5)
    image.save(folder / "one.png")
    return folder / "one.png"
