"""more/bert needs tf_keras in Keras' place: what runs on it is tested in a process of its own, and its
scripts through their command lines."""

import ast
import json
import subprocess
import sys

import pytest

from tests.articles import ROOT, last_line, started

FOLDER = ROOT / "more/bert"
# script → options beside --smoke
SMOKE = {"gpt2_ml": "", "question_answer": "", "drop_token": ""}
# (script, options, message): refused in one line, before anything is written
def imports(path):
    """Modules that a file imports at its top, in their order."""
    names = []
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def test_models_training_and_answers_under_tf_keras(pytestconfig):
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "-rs",
               "-m", pytestconfig.getoption("markexpr")]
    result = subprocess.run([*command, str(ROOT / "tests/more/bert/under_tf_keras.py")], capture_output=True,
                            text=True, timeout=900)
    assert result.returncode == 0 and "passed" in result.stdout, result.stdout[-6000:] + result.stderr[-2000:]


def test_legacy_keras_comes_before_keras_and_bert4keras():
    for path in FOLDER.glob("*.py"):
        names = imports(path)
        legacy = [i for i, name in enumerate(names) if name == "more.bert.legacy_keras"]
        theirs = [i for i, name in enumerate(names) if name.startswith("bert4keras")]
        keras = [i for i, name in enumerate(names) if name.split(".")[0] == "keras"]
        if path.stem != "legacy_keras" and (legacy or theirs):
            assert legacy[0] < min([*theirs, *keras]), path.name
        # what is on Keras 3 has layers of common/, which tf_keras cannot have
        assert not legacy or not [name for name in names if name.startswith("common.attention")], path.name


def test_beside_keras_3_it_says_so():
    code = "import sys, types; k = sys.modules['keras'] = types.ModuleType('keras')\n" \
           "k.__version__ = '3.15.0'; import more.bert.legacy_keras"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 1 and "in a process of its own: Keras 3 is already imported" in result.stderr


def test_a_missing_package_is_named_with_its_command():
    code = "import sys; sys.modules['bert4keras'] = None; import more.bert.legacy_keras"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 2 and result.stderr.strip() == (
        "error: more/bert needs the package bert4keras: pip install --no-deps bert4keras==0.11.5")


@pytest.mark.slow
@pytest.mark.parametrize("name", SMOKE)
def test_smoke_run(name, tmp_path):
    result = started(f"more/bert/{name}.py", [*SMOKE[name].split(), "--smoke", "--out", str(tmp_path)])
    assert result.returncode == 0, result.stderr[-3000:]
    [folder] = (tmp_path / "more").iterdir()
    results = json.loads((folder / "results.json").read_text("utf-8"))
    assert results["smoke"] and folder.name.startswith("smoke-") and results["data"]["builtin"]
    assert results["metrics"] and all(value == value for value in results["metrics"].values())
    assert 0 < (folder / "picture.png").stat().st_size <= 40_000


def test_what_cannot_be_used_is_one_line(tmp_path):
    """Of the command itself; the other options are tried under tf_keras."""
    result = started("more/bert/gpt2_ml.py", ["--weights", "/nowhere", "--out", str(tmp_path / "out")])
    assert result.returncode == 2
    assert "--weights expects a folder with one .json file of sizes" in last_line(result)
    assert not list(tmp_path.iterdir())
